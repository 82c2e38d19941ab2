/* Waiting for a word of shared memory where nothing wakes the waiter. */
#ifndef APIR_TRANSPORT_POLL_H
#define APIR_TRANSPORT_POLL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Returns when *word is no longer seen or timeout_ns have passed. Polls: for the first microseconds
 * without a pause (if busy), then more and more seldom. */
void apir_poll(const _Atomic uint32_t *word, uint32_t seen, bool busy, uint64_t timeout_ns);

#endif
