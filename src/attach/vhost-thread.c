#include "attach/vhost-thread.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "attach/memory-guard.h"
#include "util/fd.h"

static void door_idle(void *owner)
{
    struct apir_vhost_thread *thread = owner;
    apir_loop_stop(&thread->loop);
}

static void stop_ready(void *owner, uint32_t events)
{
    struct apir_vhost_thread *thread = owner;
    (void)events;
    apir_loop_unwatch(&thread->loop, &thread->stop_source);
    apir_vhost_user_stop(&thread->door, door_idle, thread);
}

static void *run(void *argument)
{
    struct apir_vhost_thread *thread = argument;
    apir_memory_guard_watch(&thread->door.memory);
    int ret = apir_loop_run(&thread->loop);
    if (ret < 0)
        apir_error(thread->door.log, "cannot wait for events: %s", strerror(-ret));
    apir_vhost_user_finish(&thread->door);
    apir_memory_guard_watch(NULL);
    return NULL;
}

/* Signals are for the main thread, but for the one that the thread itself causes. */
static int create_thread(struct apir_vhost_thread *thread)
{
    sigset_t all, before;
    sigfillset(&all);
    sigdelset(&all, SIGBUS);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int ret = pthread_create(&thread->thread, NULL, run, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -ret;
}

int apir_vhost_thread_open(struct apir_vhost_thread *thread, const struct apir_log *log,
                           const struct apir_worker_options *options, const char *path, uint64_t window_size,
                           unsigned max_contexts)
{
    thread->started = false;
    int ret = apir_loop_init(&thread->loop);
    if (ret < 0)
        return ret;
    thread->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (thread->stop_fd < 0) {
        ret = -errno;
        goto err_loop;
    }
    apir_source_init(&thread->stop_source, stop_ready, thread);
    ret = apir_loop_watch(&thread->loop, &thread->stop_source, thread->stop_fd, EPOLLIN);
    if (ret < 0)
        goto err_stop;
    ret = apir_vhost_user_init(&thread->door, &thread->loop, log, options, path, window_size, max_contexts);
    if (ret < 0)
        goto err_stop;
    return 0;

err_stop:
    apir_fd_close(&thread->stop_fd);
err_loop:
    apir_loop_finish(&thread->loop);
    return ret;
}

int apir_vhost_thread_start(struct apir_vhost_thread *thread)
{
    int ret = create_thread(thread);
    thread->started = ret == 0;
    return ret;
}

void apir_vhost_thread_stop(struct apir_vhost_thread *thread)
{
    uint64_t one = 1;
    if (write(thread->stop_fd, &one, sizeof one) < 0)
        return; /* cannot be: an eventfd at 0 takes a 1 */
}

static bool join_in_time(struct apir_vhost_thread *thread)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += APIR_VHOST_STOP_MS / 1000;
    return pthread_clockjoin_np(thread->thread, NULL, CLOCK_MONOTONIC, &until) == 0;
}

bool apir_vhost_thread_join(struct apir_vhost_thread *thread)
{
    if (!thread->started)
        apir_vhost_user_finish(&thread->door);
    else if (!join_in_time(thread))
        return false;
    apir_fd_close(&thread->stop_fd);
    apir_loop_finish(&thread->loop);
    return true;
}
