#include "attach/context.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "apir-upstream-protocol.h"
#include "attach/listener.h"
#include "util/fd.h"
#include "wire/capset.h"
#include "wire/status.h"

enum {
    HANDSHAKE_WORDS = 6, /* of apir's own handshake, up to the magic */
    NOTIF_TIMEOUT = 1 + APIR_UPSTREAM_FORWARD_CODE_TIMEOUT,
};

static bool has_process(const struct apir_context *context)
{
    return context->process.pid != 0;
}

/* A worker that is not started yet will not be. */
static void give_up_turn(struct apir_context *context)
{
    apir_turn_leave(&context->turn);
    apir_fd_close(&context->peer); /* which ends the link, like a worker's end */
}

/* The worker takes nothing any more. Whoever waits for it is told; its process has a second to end. */
static void lose(struct apir_context *context, const char *reason)
{
    if (context->lost)
        return;
    context->lost = true;
    context->unserved = context->peer >= 0;
    give_up_turn(context);
    if (!context->reason)
        context->reason = reason;
    apir_link_end(&context->worker); /* its acknowledgements are still welcome */
    apir_loop_clear_timer(&context->removal_timer);
    context->events->lost(context->owner, context);
    struct apir_list *link;
    while ((link = apir_list_take_first(&context->fences)))
        context->events->fenced(context->owner, apir_list_entry(link, struct apir_fence, link), false);
    if (has_process(context))
        apir_worker_process_expire(&context->process, APIR_WORKER_PATIENCE_MS);
    else
        apir_loop_set_timer(context->loop, &context->end_timer, APIR_WORKER_PATIENCE_MS);
}

/* The same, for a worker that does not do its part: a process is not given time. */
static void kill_worker(struct apir_context *context, const char *reason)
{
    lose(context, reason);
    apir_worker_process_kill(&context->process);
}

static void log_end(struct apir_context *context, int status)
{
    char text[96];
    apir_worker_process_describe(status, text, sizeof text);
    if (context->unserved) /* a guest can have many of these */
        apir_debug(context->log, "context %u ended before its worker was started", context->id);
    else if (status == 0)
        apir_info(context->log, "context %u ended: %s", context->id,
                  context->reason ? context->reason : "closed by the worker");
    else
        apir_warn(context->log, "context %u ended: %s%s%sworker %s", context->id,
                  context->reason ? context->reason : "", context->reason ? ": " : "",
                  context->process.killed ? "killed: " : "", text);
}

static void go(struct apir_context *context, int status)
{
    lose(context, NULL);
    apir_loop_clear_timer(&context->end_timer);
    apir_link_close(&context->worker);
    log_end(context, status);
    context->gone = true;
    context->events->gone(context->owner, context);
}

static void process_ended(void *owner, int status)
{
    go(owner, status);
}

/* A worker behind a connection cannot be killed, but it ends by itself at the end of the connection. */
static void end_too_long(void *owner)
{
    go(owner, 0);
}

static void removal_too_long(void *owner)
{
    kill_worker(owner, "it did not give up memory in time");
}

static void handle_removed(struct apir_context *context, const void *data, uint32_t size)
{
    uint32_t id;
    if (size != sizeof id || context->removals == 0) {
        kill_worker(context, "it sent a bad frame");
        return;
    }
    memcpy(&id, data, sizeof id);
    context->removals--;
    /* a second for each answer: a worker that has many to give is not a slow one */
    if (context->removals > 0 && !context->lost)
        apir_loop_set_timer(context->loop, &context->removal_timer, APIR_WORKER_PATIENCE_MS);
    else
        apir_loop_clear_timer(&context->removal_timer);
    if (!context->events->removed(context->owner, context, id) && !context->lost)
        kill_worker(context, "it gave up memory that it was not asked for");
}

static void mark_done(struct apir_context *context, const struct apir_frame_fence *done)
{
    for (struct apir_list *link = context->fences.next; link != &context->fences; link = link->next) {
        struct apir_fence *fence = apir_list_entry(link, struct apir_fence, link);
        if (fence->id == done->id && fence->ring == done->ring)
            fence->done = true;
    }
}

/* Answers the fences of a ring that are done, up to the first that is not: a ring's fences are answered in order. */
static void retire(struct apir_context *context, uint32_t ring)
{
    struct apir_list *next;
    for (struct apir_list *link = context->fences.next; link != &context->fences; link = next) {
        struct apir_fence *fence = apir_list_entry(link, struct apir_fence, link);
        next = link->next;
        if (fence->ring != ring)
            continue;
        if (!fence->done)
            return;
        apir_list_remove(link);
        context->events->fenced(context->owner, fence, true);
    }
}

static void handle_fence_done(struct apir_context *context, const void *data, uint32_t size)
{
    struct apir_frame_fence fence;
    if (size != sizeof fence) {
        kill_worker(context, "it sent a bad frame");
        return;
    }
    memcpy(&fence, data, sizeof fence);
    mark_done(context, &fence);
    retire(context, fence.ring);
}

static void worker_received(void *owner, uint32_t type, const void *data, uint32_t size)
{
    struct apir_context *context = owner;
    if (type == APIR_FRAME_SHM_REMOVED)
        handle_removed(context, data, size);
    else if (type == APIR_FRAME_FENCE_DONE)
        handle_fence_done(context, data, size);
    else
        kill_worker(context, "it sent a bad frame");
}

static void worker_closed(void *owner, int error)
{
    struct apir_context *context = owner;
    if (error != 0)
        kill_worker(context, error == -ETIMEDOUT ? "it did not read in time" : "it sent a bad frame");
    else if (has_process(context))
        lose(context, NULL);
    else
        go(context, 0);
}

static int connect_worker(struct apir_context *context, const struct apir_worker_options *options)
{
    int fd = apir_listener_connect(options->socket);
    if (fd < 0)
        return fd;
    int ret = apir_link_open(&context->worker, fd);
    if (ret < 0)
        apir_fd_close(&fd);
    else
        apir_info(context->log, "context %u started: connected to %s", context->id, options->socket);
    return ret;
}

static int start_process(struct apir_context *context)
{
    int ret = apir_worker_process_start(&context->process, context->options, context->id, context->peer);
    if (ret < 0)
        return ret;
    apir_fd_close(&context->peer);
    apir_info(context->log, "context %u started: worker %d", context->id, (int)context->process.pid);
    return 0;
}

static void start_late(void *owner)
{
    struct apir_context *context = owner;
    int ret = start_process(context);
    if (ret == 0)
        return;
    apir_error(context->log, "cannot start %s: %s", context->options->path, strerror(-ret));
    lose(context, "its worker could not be started");
    go(context, 0);
}

static int start_worker(struct apir_context *context, struct apir_pace *pace)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    context->peer = ends[1];
    int ret = apir_link_open(&context->worker, ends[0]);
    if (ret < 0)
        goto err_ends;
    if (pace && !apir_pace_take(pace, &context->turn))
        return 0;
    ret = start_process(context);
    if (ret < 0)
        goto err_link;
    return 0;

err_link:
    apir_link_close(&context->worker);
    ends[0] = -1;
err_ends:
    apir_fd_close(&ends[0]);
    apir_fd_close(&context->peer);
    return ret;
}

struct apir_context *apir_context_create(struct apir_loop *loop, const struct apir_log *log,
                                         const struct apir_worker_options *options, struct apir_pace *pace,
                                         uint32_t id, const struct apir_context_events *events, void *owner)
{
    static const struct apir_link_events link_events = {worker_received, worker_closed};
    struct apir_context *context = calloc(1, sizeof *context);
    if (!context)
        return NULL;
    context->loop = loop;
    context->log = log;
    context->id = id;
    context->options = options;
    context->peer = -1;
    context->next_fence = 1;
    context->events = events;
    context->owner = owner;
    apir_list_init(&context->link);
    apir_list_init(&context->shares);
    apir_list_init(&context->fences);
    apir_timer_init(&context->removal_timer, removal_too_long, context);
    apir_timer_init(&context->end_timer, end_too_long, context);
    apir_turn_init(&context->turn, start_late, context);
    apir_worker_process_init(&context->process, loop, process_ended, context);
    apir_link_init(&context->worker, loop, &link_events, context);
    int ret = options->socket ? connect_worker(context, options) : start_worker(context, pace);
    if (ret < 0) {
        free(context);
        errno = -ret;
        return NULL;
    }
    return context;
}

void apir_context_destroy(struct apir_context *context)
{
    if (!context)
        return;
    apir_list_remove(&context->link);
    apir_loop_clear_timer(&context->removal_timer);
    apir_loop_clear_timer(&context->end_timer);
    give_up_turn(context);
    apir_link_close(&context->worker);
    apir_worker_process_finish(&context->process);
    free(context);
}

/* Sends a frame; a worker that cannot be sent one is lost. */
static int send_frame(struct apir_context *context, uint32_t type, const void *data, uint32_t size, int fd)
{
    int ret = apir_link_send(&context->worker, type, data, size, fd);
    if (ret == -EPIPE)
        lose(context, NULL);
    else if (ret < 0)
        kill_worker(context, ret == -ENOBUFS ? "it lags too far behind" : "a frame could not be sent");
    return ret;
}

/* A request says where its answer is expected: a handshake of apir's own names the status page, any request of the
 * deployed protocol its reply blob. */
static void note_page(struct apir_context *context, const void *data, uint32_t size)
{
    uint32_t words[HANDSHAKE_WORDS] = {0};
    if (size < 3 * sizeof words[0])
        return;
    memcpy(words, data, size < sizeof words ? size : sizeof words);
    uint32_t command = le32toh(words[0]);
    if (command >= APIR_VENUS_COMMAND_BASE)
        command -= APIR_VENUS_COMMAND_BASE;
    if (command > APIR_UPSTREAM_COMMAND_FORWARD)
        return;
    bool own = command == APIR_UPSTREAM_COMMAND_HANDSHAKE && le32toh(words[5]) == APIR_HANDSHAKE_MAGIC;
    context->status_kind = own ? APIR_ANSWER_STATUS : APIR_ANSWER_REPLY;
    context->status_page = le32toh(words[2]);
}

int apir_context_submit(struct apir_context *context, const void *data, uint32_t size)
{
    note_page(context, data, size);
    return send_frame(context, APIR_FRAME_SUBMIT, data, size, -1);
}

int apir_context_fence(struct apir_context *context, struct apir_fence *fence)
{
    struct apir_frame_fence frame = {.ring = fence->ring, .id = context->next_fence};
    int ret = send_frame(context, APIR_FRAME_FENCE, &frame, sizeof frame, -1);
    if (ret < 0)
        return ret;
    fence->id = context->next_fence++;
    fence->done = false;
    apir_list_append(&context->fences, &fence->link);
    return 0;
}

void apir_context_tell_dead(const struct apir_context *context, void *page, uint64_t size)
{
    uint32_t unanswered = 0;
    /* partner of both stores: the guest's wait for an answer (acquire) */
    if (context->status_kind == APIR_ANSWER_STATUS && size >= APIR_STATUS_PAGE_SIZE)
        atomic_store_explicit(apir_status_dead(page), 1, memory_order_release);
    else if (context->status_kind == APIR_ANSWER_REPLY && size >= sizeof unanswered)
        atomic_compare_exchange_strong_explicit(apir_status_notif(page), &unanswered, NOTIF_TIMEOUT,
                                                memory_order_release, memory_order_relaxed);
}

int apir_context_add_memory(struct apir_context *context, uint32_t id, int fd, uint64_t offset, uint64_t size)
{
    struct apir_frame_shm shm = {.id = id, .offset = offset, .size = size};
    return send_frame(context, APIR_FRAME_SHM_ADD, &shm, sizeof shm, fd);
}

int apir_context_remove_memory(struct apir_context *context, uint32_t id)
{
    int ret = send_frame(context, APIR_FRAME_SHM_REMOVE, &id, sizeof id, -1);
    if (ret < 0)
        return ret;
    if (context->removals++ == 0)
        apir_loop_set_timer(context->loop, &context->removal_timer, APIR_WORKER_PATIENCE_MS);
    return 0;
}

void apir_context_end(struct apir_context *context, const char *reason)
{
    lose(context, reason);
}
