/* Arithmetic on numbers that came from elsewhere: each returns false instead of wrapping. */
#ifndef APIR_UTIL_CHECKED_H
#define APIR_UTIL_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

static inline bool apir_checked_add(uint64_t a, uint64_t b, uint64_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

static inline bool apir_checked_mul(uint64_t a, uint64_t b, uint64_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

/* True if [offset, offset + size) lies in [0, total). */
static inline bool apir_checked_range(uint64_t offset, uint64_t size, uint64_t total)
{
    return size <= total && offset <= total - size;
}

/* Rounds up to a power of two. */
static inline bool apir_checked_align(uint64_t value, uint64_t align, uint64_t *rounded)
{
    uint64_t sum;
    if (!apir_checked_add(value, align - 1, &sum))
        return false;
    *rounded = sum & ~(align - 1);
    return true;
}

#endif
