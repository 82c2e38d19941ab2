/* Leaving a processor to somebody else. */
#ifndef APIR_UTIL_MOVE_H
#define APIR_UTIL_MOVE_H

#include <stdbool.h>

/* Moves the calling thread to another processor that it may use, and back if that is wanted by others. Whether it is on
 * another now. Where it may run stays as it is. */
bool apir_move_away(void);

#endif
