#include "transport/poll.h"

#include <sched.h>

#include "util/clock.h"

/* A virtio-gpu device has one interrupt for everything, which costs more than most calls: a reply is
 * polled for. A sleep is a fraction of the time waited so far, so that it delays a long call by as much at
 * most, and a call that lasts for seconds costs two thousand wake-ups a second at most. */
enum {
    POLL_SPIN_NS = 20000,   /* a small call of a worker that is awake ends within it */
    POLL_YIELD_NS = 100000, /* until then other threads may run between two looks */
    POLL_SLEEP_SHARE = 8,   /* sleep for 1/8 of the time waited */
    POLL_MIN_SLEEP_NS = 10000,
    POLL_MAX_SLEEP_NS = 500000,
    POLL_LOOKS = 32, /* looks between two readings of the clock */
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* True once *word is not seen. */
static bool look(const _Atomic uint32_t *word, uint32_t seen, unsigned looks)
{
    for (unsigned i = 0; i < looks; i++) {
        /* acquire: pairs with the worker's release, the reply was written before it */
        if (atomic_load_explicit(word, memory_order_acquire) != seen)
            return true;
        relax();
    }
    return false;
}

static uint64_t sleep_for(uint64_t waited, uint64_t left)
{
    uint64_t ns = waited / POLL_SLEEP_SHARE;
    if (ns < POLL_MIN_SLEEP_NS)
        ns = POLL_MIN_SLEEP_NS;
    if (ns > POLL_MAX_SLEEP_NS)
        ns = POLL_MAX_SLEEP_NS;
    return ns < left ? ns : left;
}

void apir_poll(const _Atomic uint32_t *word, uint32_t seen, bool busy, uint64_t timeout_ns)
{
    uint64_t start = apir_clock_now();
    uint64_t waited = 0;
    while (!look(word, seen, busy && waited < POLL_SPIN_NS ? POLL_LOOKS : 1)) {
        waited = apir_clock_now() - start;
        if (waited >= timeout_ns)
            return;
        if (busy && waited < POLL_SPIN_NS)
            continue;
        if (waited < POLL_YIELD_NS)
            sched_yield();
        else
            apir_clock_sleep(sleep_for(waited, timeout_ns - waited));
    }
}
