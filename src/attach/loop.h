/* An event loop of one thread: file descriptors and timers. Nothing here is thread-safe. */
#ifndef APIR_ATTACH_LOOP_H
#define APIR_ATTACH_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "attach/list.h"

/* The owner calls finish, after it has removed its sources and timers. */
struct apir_loop {
    int epoll;
    struct apir_list timers; /* apir_timer.link */
    bool timer_next; /* when both an event and a timer are due: it is the timer's turn */
    bool stopped;
};

/* A file descriptor that is watched. Lives inside its owner; ready may remove and free any source. */
struct apir_source {
    int fd; /* borrowed; -1: not watched */
    void (*ready)(void *owner, uint32_t events);
    void *owner;
};

/* Calls expired once, at a time. Lives inside its owner. */
struct apir_timer {
    struct apir_list link; /* apir_loop.timers while set */
    bool set;
    uint64_t at; /* apir_clock_now() */
    void (*expired)(void *owner);
    void *owner;
};

/* 0 or -errno. */
int apir_loop_init(struct apir_loop *loop);
void apir_loop_finish(struct apir_loop *loop);

/* Fills a source or a timer that is not yet watched or set. */
void apir_source_init(struct apir_source *source, void (*ready)(void *owner, uint32_t events), void *owner);
void apir_timer_init(struct apir_timer *timer, void (*expired)(void *owner), void *owner);

/* Watches fd (borrowed) for EPOLLIN, EPOLLOUT or both, level-triggered. 0 or -errno. */
int apir_loop_watch(struct apir_loop *loop, struct apir_source *source, int fd, uint32_t events);

/* Changes what a watched source waits for. 0 or -errno. */
int apir_loop_change(struct apir_loop *loop, struct apir_source *source, uint32_t events);

/* Call it before the fd is closed. An unwatched source is a no-op. */
void apir_loop_unwatch(struct apir_loop *loop, struct apir_source *source);

/* Sets or moves a timer to ms milliseconds from now. */
void apir_loop_set_timer(struct apir_loop *loop, struct apir_timer *timer, unsigned ms);
void apir_loop_clear_timer(struct apir_timer *timer);

/* Waits at most limit_ms (-1: no limit) for one event or timer and handles it. 0 or -errno. */
int apir_loop_step(struct apir_loop *loop, int limit_ms);

/* Steps until apir_loop_stop(). 0 or -errno. */
int apir_loop_run(struct apir_loop *loop);
void apir_loop_stop(struct apir_loop *loop);

#endif
