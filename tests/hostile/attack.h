/* An attack: a process of its own that does one kind of harm until its time is over, or it is killed. */
#ifndef APIR_TESTS_HOSTILE_ATTACK_H
#define APIR_TESTS_HOSTILE_ATTACK_H

#include <stdbool.h>

#include "hostile/random.h"
#include "hostile/tally.h"

struct attack {
    const char *socket;      /* NULL: the device */
    const char *samples;     /* folder of the samples of protocol 0.x */
    struct tallies *tallies; /* of its mode; shared */
    struct random random;
    uint64_t end_ns;
};

static inline void attack_count(struct attack *attack, enum tally what)
{
    tally_add(attack->tallies, what, 1);
}

/* Counts a system call that stands for a request by its result, 0 or -errno, and returns that. */
int attack_tried(struct attack *attack, int ret);

bool attack_is_over(const struct attack *attack);

struct mode {
    const char *name;
    void (*run)(struct attack *attack);
    bool device; /* needs the device */
    const char *what;
};

extern const struct mode modes[];
extern const unsigned n_modes;

void attack_calls(struct attack *attack);
void attack_commands(struct attack *attack);
void attack_memory(struct attack *attack);
void attack_graphs(struct attack *attack);
void attack_flood(struct attack *attack);
void attack_contexts(struct attack *attack);
void attack_leak(struct attack *attack);
void attack_races(struct attack *attack);
void attack_ioctls(struct attack *attack);
void attack_upstream(struct attack *attack);

#endif
