#include "util/spin.h"

#include <sched.h>

#include "util/clock.h"

enum {
    LOOKS = 32,                /* between two readings of the clock */
    FIRST_YIELD_NS = 3 * 1000,  /* from the start: the other side may want this very processor */
    LAST_YIELD_NS = 100 * 1000, /* apart, once it is known that it does not */
    FADE = 64,                 /* part of a peak that is forgotten with each wait */
    MEMORY = 4,                /* the last wait counts for 1 part, those before it for 4 */
};

void apir_spin_init(struct apir_spin *spin, uint64_t max_ns)
{
    cpu_set_t set;
    *spin = (struct apir_spin){.max_ns = max_ns};
    spin->allowed = sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 1;
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

static uint64_t budget(const struct apir_spin *spin)
{
    if (spin->expected_ns > spin->max_ns)
        return APIR_SPIN_MIN_NS;
    uint64_t longest = spin->expected_ns > spin->peak_ns ? spin->expected_ns : spin->peak_ns;
    uint64_t ns = APIR_SPIN_MIN_NS + 2 * longest;
    return ns < spin->max_ns ? ns : spin->max_ns;
}

/* Time in which others run here counts. *helped: it was done as soon as others had run. */
static bool spin_for(uint64_t ns, bool (*done)(void *data), void *data, bool *helped)
{
    *helped = false;
    uint64_t start = apir_clock_now(), yielded = start, apart = FIRST_YIELD_NS;
    while (!look(done, data)) {
        uint64_t now = apir_clock_now();
        if (now - start >= ns)
            return false;
        if (now - yielded < apart)
            continue;
        sched_yield();
        *helped = done(data);
        if (*helped)
            return true;
        yielded = now;
        apart = 2 * apart < LAST_YIELD_NS ? 2 * apart : LAST_YIELD_NS;
    }
    return true;
}

bool apir_spin_for(uint64_t ns, bool (*done)(void *data), void *data)
{
    bool helped;
    return spin_for(ns, done, data, &helped);
}

bool apir_spin_until(struct apir_spin *spin, bool (*done)(void *data), void *data)
{
    bool helped;
    if (!spin->allowed)
        return done(data);
    bool is_done = spin_for(budget(spin), done, data, &helped);
    spin->crowded = helped ? spin->crowded + 1 : 0;
    return is_done;
}

void apir_spin_learn(struct apir_spin *spin, uint64_t waited_ns)
{
    /* a wait of minutes is forgotten after a few short ones */
    uint64_t waited = waited_ns < MEMORY * spin->max_ns ? waited_ns : MEMORY * spin->max_ns;
    spin->expected_ns += waited / MEMORY;
    spin->expected_ns -= spin->expected_ns / (MEMORY + 1);
    /* between many short waits comes one that is longer: a program that thinks about the token */
    spin->peak_ns -= spin->peak_ns / FADE;
    if (waited_ns <= spin->max_ns && waited_ns > spin->peak_ns)
        spin->peak_ns = waited_ns;
}
