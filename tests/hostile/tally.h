/* What was done, counted by all processes of the program together. */
#ifndef APIR_TESTS_HOSTILE_TALLY_H
#define APIR_TESTS_HOSTILE_TALLY_H

#include <stdatomic.h>
#include <stdint.h>

enum tally {
    TALLY_CONTEXTS, /* made */
    TALLY_DENIED,   /* contexts, memory or objects that were asked for and not given */
    TALLY_CALLS,    /* requests, commands and ioctls sent */
    TALLY_SERVED,   /* of them, answered with success */
    TALLY_REFUSED,  /* of them, answered with an error */
    TALLY_LOST,     /* sessions that the host ended */
    TALLY_LATE,     /* requests that neither were answered nor ended the session in time */
    TALLY_SCRIBBLES, /* words of shared memory that were changed under the host */
    TALLY_KILLED,   /* processes that ended in the middle */
    TALLY_COUNT,
};

/* Shared between processes. */
struct tallies {
    _Atomic uint64_t counts[TALLY_COUNT];
};

static inline void tally_add(struct tallies *tallies, enum tally what, uint64_t count)
{
    atomic_fetch_add_explicit(&tallies->counts[what], count, memory_order_relaxed); /* read when all have ended */
}

const char *tally_name(enum tally what);

#endif
