/* Lets so many things begin in a second: those that come too fast wait in a line, each for its turn. Not thread-safe: all
 * of it runs in one loop. */
#ifndef APIR_ATTACH_PACE_H
#define APIR_ATTACH_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "attach/list.h"
#include "attach/loop.h"

/* What waits. Lives inside its owner, which leaves before it goes. */
struct apir_turn {
    struct apir_list link; /* apir_pace.waiting */
    void (*ready)(void *owner);
    void *owner;
};

/* The owner calls finish, when nothing waits any more. */
struct apir_pace {
    struct apir_loop *loop;
    struct apir_list waiting; /* apir_turn.link, the longest first */
    struct apir_timer timer;
    uint64_t interval_ns; /* between two; 0: nothing waits */
    uint64_t ahead_ns;    /* how far ahead of that a burst may get */
    uint64_t due_ns;      /* when the next would begin if all came evenly */
};

/* So many in a second (0: without limit), and as many at once after a second without any. */
void apir_pace_init(struct apir_pace *pace, struct apir_loop *loop, unsigned per_second);
void apir_pace_finish(struct apir_pace *pace);

void apir_turn_init(struct apir_turn *turn, void (*ready)(void *owner), void *owner);

/* True: go ahead. False: the turn is in the line, and ready() will be called by the loop. */
bool apir_pace_take(struct apir_pace *pace, struct apir_turn *turn);

/* Waits no longer. A turn that does not wait is a no-op. */
void apir_turn_leave(struct apir_turn *turn);

#endif
