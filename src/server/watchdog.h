/* Ends a context whose call takes too long: a driver that hangs does not return, and its thread cannot be stopped. One
 * thread looks now and then while calls are made, and sleeps while none is; a call costs no system call, but for the
 * first one after a pause. */
#ifndef APIR_SERVER_WATCHDOG_H
#define APIR_SERVER_WATCHDOG_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A thread that makes calls. Zero-initialised is ready to be added. */
struct apir_watch {
    struct apir_watch *next;
    _Atomic uint64_t steps; /* beginnings and ends of calls so far: odd while one runs */
    uint64_t seen, since;   /* what the watchdog saw last, and when first; of the watchdog */
};

struct apir_watchdog {
    uint64_t limit_ns; /* 0: there is none, and no thread */
    void (*expired)(void *data);
    void *data;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below, and what watches have of the watchdog */
    pthread_cond_t changed;
    struct apir_watch *watches;
    bool ending;
    _Atomic bool asleep; /* until a call begins */
};

/* Starts the thread, which calls expired(data) once, for the first call that takes longer than limit_ns (0: never).
 * 0 or -errno. */
int apir_watchdog_init(struct apir_watchdog *dog, uint64_t limit_ns, void (*expired)(void *data), void *data);

/* Ends it. expired has returned then, or is never called. */
void apir_watchdog_finish(struct apir_watchdog *dog);

/* The thread that makes calls; it makes none when it is removed. */
void apir_watchdog_add(struct apir_watchdog *dog, struct apir_watch *watch);
void apir_watchdog_remove(struct apir_watchdog *dog, struct apir_watch *watch);

/* Around each call. */
void apir_watchdog_begin(struct apir_watchdog *dog, struct apir_watch *watch);
void apir_watchdog_end(struct apir_watchdog *dog, struct apir_watch *watch);

/* What the thread does, apart from sleeping: looks at all watches. 1: some call runs, or has begun since the last look.
 * 0: none. -ETIMEDOUT: one has run for too long. The lock is held, or there is one thread. */
int apir_watchdog_look(struct apir_watchdog *dog, uint64_t now);

#endif
