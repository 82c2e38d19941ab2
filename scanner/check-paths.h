/* Judges what fields say about earlier ones: 'if' and 'leading'. */
#ifndef APIR_SCANNER_CHECK_PATHS_H
#define APIR_SCANNER_CHECK_PATHS_H

#include "protocol.h"

/* Checks and completes field i of r, whose earlier ones are checked. message: r is the arguments or
 * results of a call.
 */
void check_paths(struct protocol *p, struct record *r, size_t i, bool message);

#endif
