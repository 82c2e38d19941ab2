#include "attach/loop.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/fd.h"

enum { NS_PER_MS = 1000 * 1000 };

int apir_loop_init(struct apir_loop *loop)
{
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0)
        return -errno;
    apir_list_init(&loop->timers);
    loop->timer_next = false;
    loop->stopped = false;
    return 0;
}

void apir_loop_finish(struct apir_loop *loop)
{
    apir_fd_close(&loop->epoll);
}

void apir_source_init(struct apir_source *source, void (*ready)(void *owner, uint32_t events), void *owner)
{
    source->fd = -1;
    source->ready = ready;
    source->owner = owner;
}

void apir_timer_init(struct apir_timer *timer, void (*expired)(void *owner), void *owner)
{
    apir_list_init(&timer->link);
    timer->set = false;
    timer->at = 0;
    timer->expired = expired;
    timer->owner = owner;
}

int apir_loop_watch(struct apir_loop *loop, struct apir_source *source, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};
    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        return -errno;
    source->fd = fd;
    return 0;
}

int apir_loop_change(struct apir_loop *loop, struct apir_source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};
    if (epoll_ctl(loop->epoll, EPOLL_CTL_MOD, source->fd, &event) < 0)
        return -errno;
    return 0;
}

void apir_loop_unwatch(struct apir_loop *loop, struct apir_source *source)
{
    if (source->fd < 0)
        return;
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
    source->fd = -1;
}

void apir_loop_set_timer(struct apir_loop *loop, struct apir_timer *timer, unsigned ms)
{
    apir_loop_clear_timer(timer);
    timer->at = apir_clock_now() + (uint64_t)ms * NS_PER_MS;
    timer->set = true;
    apir_list_append(&loop->timers, &timer->link);
}

void apir_loop_clear_timer(struct apir_timer *timer)
{
    if (!timer->set)
        return;
    apir_list_remove(&timer->link);
    timer->set = false;
}

static struct apir_timer *next_timer(struct apir_loop *loop)
{
    struct apir_timer *next = NULL;
    for (struct apir_list *link = loop->timers.next; link != &loop->timers; link = link->next) {
        struct apir_timer *timer = apir_list_entry(link, struct apir_timer, link);
        if (!next || timer->at < next->at)
            next = timer;
    }
    return next;
}

/* Milliseconds to wait for the timer, rounded up so that it has expired then; at most limit_ms. */
static int wait_time(const struct apir_timer *timer, int limit_ms)
{
    if (!timer)
        return limit_ms;
    uint64_t now = apir_clock_now();
    uint64_t ms = timer->at <= now ? 0 : (timer->at - now + NS_PER_MS - 1) / NS_PER_MS;
    if (limit_ms >= 0 && ms > (uint64_t)limit_ms)
        return limit_ms;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

int apir_loop_step(struct apir_loop *loop, int limit_ms)
{
    struct apir_timer *timer = next_timer(loop);
    /* one event at a time: what it handles may free the sources of others */
    struct epoll_event event;
    int count = epoll_wait(loop->epoll, &event, 1, wait_time(timer, limit_ms));
    if (count < 0)
        return errno == EINTR ? 0 : -errno;
    bool expired = timer && timer->at <= apir_clock_now();
    /* one of the two, in turn if both are there: what comes again at once must not keep the others waiting, and what it
     * does may free the other; the event is level-triggered and comes again, the timer stays set */
    bool timers_turn = expired && (count == 0 || loop->timer_next);
    loop->timer_next = !timers_turn;
    if (timers_turn) {
        apir_loop_clear_timer(timer);
        timer->expired(timer->owner);
    } else if (count == 1) {
        struct apir_source *source = event.data.ptr;
        source->ready(source->owner, event.events);
    }
    return 0;
}

int apir_loop_run(struct apir_loop *loop)
{
    int ret = 0;
    while (!loop->stopped && ret == 0)
        ret = apir_loop_step(loop, -1);
    return ret;
}

void apir_loop_stop(struct apir_loop *loop)
{
    loop->stopped = true;
}
