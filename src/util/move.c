#include "util/move.h"

#include <sched.h>
#include <stdint.h>

#include "util/clock.h"

enum {
    STOLEN_NS = 50 * 1000, /* a yield that takes longer has let somebody run */
};

/* Moves the thread to one of `others`; it may then run on all that are allowed again, and the kernel may move it on. */
static bool move_to(const cpu_set_t *others, const cpu_set_t *allowed)
{
    if (CPU_COUNT(others) == 0 || sched_setaffinity(0, sizeof *others, others) < 0)
        return false;
    sched_setaffinity(0, sizeof *allowed, allowed);
    return true;
}

static bool is_wanted_by_others(void)
{
    uint64_t start = apir_clock_now();
    sched_yield();
    return apir_clock_now() - start > STOLEN_NS;
}

bool apir_move_away(void)
{
    cpu_set_t allowed, others, before;
    int here = sched_getcpu();
    if (here < 0 || sched_getaffinity(0, sizeof allowed, &allowed) < 0)
        return false;
    others = allowed;
    CPU_CLR(here, &others);
    if (!move_to(&others, &allowed))
        return false;
    if (!is_wanted_by_others())
        return true;
    CPU_ZERO(&before);
    CPU_SET(here, &before);
    move_to(&before, &allowed);
    return false;
}
