/* Waiting without sleep, for as long as it is likely to help: what is waited for comes from another processor, mostly
 * within microseconds. */
#ifndef APIR_UTIL_SPIN_H
#define APIR_UTIL_SPIN_H

#include <stdbool.h>
#include <stdint.h>

/* How one waiter fares. It adapts: a wait that was worth it makes the next one longer, one in vain makes it shorter. */
struct apir_spin {
    bool allowed;       /* there is another processor for the other side */
    uint64_t budget_ns; /* of the next wait */
};

void apir_spin_init(struct apir_spin *spin);

/* Calls done(data) until it is true, or the time is over, or others want this processor. Returns what it said last. */
bool apir_spin_until(struct apir_spin *spin, bool (*done)(void *data), void *data);

/* Tells the processor that this is a loop that waits. */
static inline void apir_spin_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
