/* A share of something that runs out: what is taken of it is charged, what is given back is uncharged. Thread-safe. */
#ifndef APIR_UTIL_QUOTA_H
#define APIR_UTIL_QUOTA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define APIR_NO_LIMIT UINT64_MAX

/* Zero-initialised has nothing to give; set limit before it is shared. */
struct apir_quota {
    uint64_t limit;
    _Atomic uint64_t used; /* at most limit; relaxed: it orders nothing but itself */
};

/* False, and nothing is charged, when there is not so much left. */
static inline bool apir_quota_charge(struct apir_quota *quota, uint64_t amount)
{
    uint64_t used = atomic_load_explicit(&quota->used, memory_order_relaxed);
    do {
        if (amount > quota->limit - used)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&quota->used, &used, used + amount, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

/* Gives back what was charged. */
static inline void apir_quota_uncharge(struct apir_quota *quota, uint64_t amount)
{
    atomic_fetch_sub_explicit(&quota->used, amount, memory_order_relaxed);
}

static inline uint64_t apir_quota_left(const struct apir_quota *quota)
{
    return quota->limit - atomic_load_explicit(&quota->used, memory_order_relaxed);
}

#endif
