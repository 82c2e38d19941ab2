/* How fences of APIR contexts are reported to the hypervisor: at once from our thread if it asked for that, else when
 * it polls. Thread-safe. */
#ifndef APIR_INTERPOSER_RETIRE_H
#define APIR_INTERPOSER_RETIRE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "attach/list.h"

enum { APIR_MAX_FENCES = 65536 }; /* that wait to be reached or reported; guests' drivers have a few */

struct apir_fence_callback {
    void (*write)(void *cookie, uint32_t context, uint32_t ring, uint64_t id); /* NULL: nobody wants to know */
    void *cookie;
};

/* A fence of the hypervisor. */
struct apir_pending_fence {
    struct apir_list link; /* apir_retire.ready */
    uint32_t context;
    uint32_t ring;
    uint64_t id;
    unsigned generation;
    void (*done)(struct apir_pending_fence *fence); /* it was reported or forgotten: frees it */
};

struct apir_retire {
    pthread_mutex_t calling; /* held while our thread reports: a reset waits for that. Taken before lock */
    pthread_mutex_t lock;    /* guards what follows */
    struct apir_fence_callback callback;
    bool at_once;           /* else when the hypervisor polls */
    unsigned generation;    /* fences of an earlier one are from before a reset: forgotten */
    unsigned count;         /* fences that were begun and not yet done */
    struct apir_list ready; /* apir_pending_fence.link, when the hypervisor polls */
    int wake;               /* eventfd, readable while ready is not empty; -1: none */
};

void apir_retire_init(struct apir_retire *retire);

/* Says how to report. */
void apir_retire_set(struct apir_retire *retire, const struct apir_fence_callback *callback, bool at_once);

/* Forgets all fences begun before, and returns when none of them is being reported any more. */
void apir_retire_reset(struct apir_retire *retire);

/* Begins a fence. 0, -EINVAL if nobody wants to know, -ENOBUFS if there are too many. */
int apir_retire_begin(struct apir_retire *retire, struct apir_pending_fence *fence);

/* It was reached: reports it, or keeps it until the hypervisor polls, and makes the eventfd *also (read with the lock
 * held; -1: none) readable. Ends with done(fence). */
void apir_retire_end(struct apir_retire *retire, struct apir_pending_fence *fence, const int *also);

/* The eventfd that is readable while a fence of that context, or of any (0), is ready: *fd (wake, or what end() is
 * given), made at the first call. -1 if there is nothing to poll for. */
int apir_retire_fd(struct apir_retire *retire, uint32_t context, int *fd);

/* Reports what is ready: of that context, or of all (0). To be called by the hypervisor's thread. */
void apir_retire_poll(struct apir_retire *retire, uint32_t context);

#endif
