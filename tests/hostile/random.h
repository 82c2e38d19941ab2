/* Numbers that are the same for the same seed. */
#ifndef APIR_TESTS_HOSTILE_RANDOM_H
#define APIR_TESTS_HOSTILE_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state; /* not 0 */
};

/* The generator is xorshift64*. */
uint64_t random_next(struct random *random);

/* Less than limit, which is not 0. */
uint32_t random_below(struct random *random, uint32_t limit);

/* True once in so many times. */
bool random_once_in(struct random *random, uint32_t times);

/* A number that is likely to be a limit of something, or one beside it, or any. */
uint64_t random_edge(struct random *random);

void random_fill(struct random *random, void *data, size_t size);

#endif
