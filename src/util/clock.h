/* Monotonic time. */
#ifndef APIR_UTIL_CLOCK_H
#define APIR_UTIL_CLOCK_H

#include <stdint.h>

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t apir_clock_now(void);

/* Sleeps for ns nanoseconds, or less when a signal arrives. */
void apir_clock_sleep(uint64_t ns);

#endif
