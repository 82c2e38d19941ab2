/* Waiting without sleep, for as long as it is likely to help: what is waited for comes from another processor, mostly
 * soon. */
#ifndef APIR_UTIL_SPIN_H
#define APIR_UTIL_SPIN_H

#include <stdbool.h>
#include <stdint.h>

enum {
    APIR_SPIN_MIN_NS = 20 * 1000, /* about the time of two thread switches: it is always worth to look for so long */
};

/* How one waiter fares. It adapts: waits that are over soon are looked for, longer ones are slept through. */
struct apir_spin {
    bool allowed;         /* there is another processor for the other side */
    uint64_t max_ns;      /* the longest time to look */
    uint64_t expected_ns; /* how long waits have lasted of late, on average */
    uint64_t peak_ns;     /* the longest of those that were worth to be looked for; it fades */
    unsigned crowded;     /* waits in a row that ended when this processor was left to others: the other side runs here */
};

/* Looks for max_ns at most. */
void apir_spin_init(struct apir_spin *spin, uint64_t max_ns);

/* Calls done(data) until it is true, or it is better to sleep. Returns what it said last. Meanwhile others who want this
 * processor get it, every so often. */
bool apir_spin_until(struct apir_spin *spin, bool (*done)(void *data), void *data);

/* The same for ns. */
bool apir_spin_for(uint64_t ns, bool (*done)(void *data), void *data);

/* Tells how long a wait has lasted in all, sleep included; the next ones are judged by it. */
void apir_spin_learn(struct apir_spin *spin, uint64_t waited_ns);

/* Whether the other side seems to run on this very processor, of several, for a while now. */
static inline bool apir_spin_is_crowded(const struct apir_spin *spin)
{
    return spin->crowded >= 32;
}

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
