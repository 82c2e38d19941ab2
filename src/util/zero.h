/* Zeroing large memory without taking it. */
#ifndef APIR_UTIL_ZERO_H
#define APIR_UTIL_ZERO_H

#include <stddef.h>

/* Makes size bytes of private, anonymous memory read as zeros. Where the system can, whole pages are given back, so that they
 * cost nothing until they are written (Linux: MADV_DONTNEED, madvise(2)). */
void apir_zero_memory(void *memory, size_t size);

#endif
