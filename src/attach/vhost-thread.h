/* A vhost-user door in a thread of its own, so that virtual machines do not wait for each other. */
#ifndef APIR_ATTACH_VHOST_THREAD_H
#define APIR_ATTACH_VHOST_THREAD_H

#include <pthread.h>
#include <stdbool.h>

#include "attach/vhost-user.h"

enum { APIR_VHOST_STOP_MS = 5000 }; /* workers are given one second of it */

/* Lives inside its owner, which calls join. */
struct apir_vhost_thread {
    struct apir_loop loop;
    struct apir_source stop_source;
    int stop_fd; /* eventfd: what other threads use */
    pthread_t thread;
    bool started;
    struct apir_vhost_user door;
};

/* Listens at path, and serves nobody yet; see apir_vhost_user_init(). 0 or -errno: then join is not called. */
int apir_vhost_thread_open(struct apir_vhost_thread *thread, const struct apir_log *log,
                           const struct apir_worker_options *options, const char *path, uint64_t window_size,
                           unsigned max_contexts);

/* Serves from now on, in a thread that has what confines the caller. 0 or -errno. */
int apir_vhost_thread_start(struct apir_vhost_thread *thread);

/* Asks the thread to stop: it ends its workers. Returns at once. */
void apir_vhost_thread_stop(struct apir_vhost_thread *thread);

/* Waits until it has stopped, if it was started, and frees everything. False: it has not stopped in APIR_VHOST_STOP_MS, and
 * uses its memory still. A front end has the ends of what it gave us: it can have any of our writes and reads wait. */
bool apir_vhost_thread_join(struct apir_vhost_thread *thread);

#endif
