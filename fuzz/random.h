/* Random numbers from the seed that libFuzzer gives, so that what it does can be repeated. */
#ifndef APIR_FUZZ_RANDOM_H
#define APIR_FUZZ_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct fuzz_random {
    uint64_t state;
};

static inline uint32_t fuzz_random(struct fuzz_random *random)
{
    random->state = random->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random->state >> 33);
}

/* 0 to n - 1; n is not 0. */
static inline uint32_t fuzz_below(struct fuzz_random *random, uint32_t n)
{
    return fuzz_random(random) % n;
}

static inline bool fuzz_chance(struct fuzz_random *random, uint32_t percent)
{
    return fuzz_below(random, 100) < percent;
}

#endif
