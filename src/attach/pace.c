#include "attach/pace.h"

#include "util/clock.h"

enum { NS_PER_MS = 1000 * 1000 };

static const uint64_t second_ns = UINT64_C(1000) * NS_PER_MS;

static bool is_free(const struct apir_pace *pace, uint64_t now)
{
    return pace->due_ns <= now + pace->ahead_ns;
}

static void use(struct apir_pace *pace, uint64_t now)
{
    pace->due_ns = (pace->due_ns > now ? pace->due_ns : now) + pace->interval_ns;
}

static void wait_for_next(struct apir_pace *pace, uint64_t now)
{
    uint64_t at = pace->due_ns - pace->ahead_ns;
    apir_loop_set_timer(pace->loop, &pace->timer, at > now ? (unsigned)((at - now) / NS_PER_MS) + 1 : 0);
}

static void timer_expired(void *owner)
{
    struct apir_pace *pace = owner;
    uint64_t now = apir_clock_now();
    while (!apir_list_empty(&pace->waiting) && is_free(pace, now)) {
        struct apir_turn *turn = apir_list_entry(apir_list_take_first(&pace->waiting), struct apir_turn, link);
        use(pace, now);
        turn->ready(turn->owner);
    }
    if (!apir_list_empty(&pace->waiting))
        wait_for_next(pace, now);
}

void apir_pace_init(struct apir_pace *pace, struct apir_loop *loop, unsigned per_second)
{
    pace->loop = loop;
    apir_list_init(&pace->waiting);
    apir_timer_init(&pace->timer, timer_expired, pace);
    pace->interval_ns = per_second ? second_ns / per_second : 0;
    pace->ahead_ns = per_second ? second_ns - pace->interval_ns : 0;
    pace->due_ns = 0;
}

void apir_pace_finish(struct apir_pace *pace)
{
    if (pace->loop)
        apir_loop_clear_timer(&pace->timer);
}

void apir_turn_init(struct apir_turn *turn, void (*ready)(void *owner), void *owner)
{
    apir_list_init(&turn->link);
    turn->ready = ready;
    turn->owner = owner;
}

bool apir_pace_take(struct apir_pace *pace, struct apir_turn *turn)
{
    uint64_t now = apir_clock_now();
    bool first = apir_list_empty(&pace->waiting);
    if (pace->interval_ns == 0)
        return true;
    if (first && is_free(pace, now)) {
        use(pace, now);
        return true;
    }
    apir_list_append(&pace->waiting, &turn->link);
    if (first)
        wait_for_next(pace, now);
    return false;
}

void apir_turn_leave(struct apir_turn *turn)
{
    apir_list_remove(&turn->link);
}
