/* Judges what parse.c read, and completes it: types and limits are looked up, C names made. */
#ifndef APIR_SCANNER_CHECK_H
#define APIR_SCANNER_CHECK_H

#include "protocol.h"

/* Errors are reported and counted in p. For a p that was parsed without error. */
void check_protocol(struct protocol *p);

#endif
