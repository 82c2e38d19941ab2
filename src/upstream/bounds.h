/* How much memory there is behind a pointer that came without a size. One of bounds-*.c is built. */
#ifndef APIR_UPSTREAM_BOUNDS_H
#define APIR_UPSTREAM_BOUNDS_H

#include <stdint.h>

/* Bytes from pointer to the end of the mapping that holds it; 0 if there is none that can be read and written. True
 * for the moment only: whoever gave the pointer keeps the memory while it is used. */
uint64_t apir_bounds_find(const void *pointer);

#endif
