#include "util/spin.h"

#include <sched.h>

#include "util/clock.h"

enum {
    MIN_NS = 10 * 1000,
    MAX_NS = 200 * 1000,
    LOOKS = 32,        /* between two readings of the clock */
    YIELD_NS = 20 * 1000, /* a yield that takes longer has let somebody else run */
};

void apir_spin_init(struct apir_spin *spin)
{
    cpu_set_t set;
    spin->allowed = sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 1;
    spin->budget_ns = MAX_NS;
}

static bool look(bool (*done)(void *data), void *data)
{
    for (int i = 0; i < LOOKS; i++) {
        if (done(data))
            return true;
        apir_spin_relax();
    }
    return false;
}

/* True when done; false when time is over, or somebody else has run here meanwhile. */
static bool spin_for(uint64_t ns, bool (*done)(void *data), void *data)
{
    uint64_t start = apir_clock_now(), now = start;
    while (now - start < ns) {
        if (look(done, data))
            return true;
        uint64_t before = apir_clock_now();
        sched_yield();
        now = apir_clock_now();
        if (now - before > YIELD_NS)
            return done(data);
    }
    return false;
}

bool apir_spin_until(struct apir_spin *spin, bool (*done)(void *data), void *data)
{
    if (!spin->allowed)
        return done(data);
    if (spin_for(spin->budget_ns, done, data)) {
        spin->budget_ns = spin->budget_ns * 2 < MAX_NS ? spin->budget_ns * 2 : MAX_NS;
        return true;
    }
    spin->budget_ns = spin->budget_ns / 2 > MIN_NS ? spin->budget_ns / 2 : MIN_NS;
    return done(data);
}
