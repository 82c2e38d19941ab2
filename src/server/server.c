#include "server/server.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "apir-upstream-protocol.h"
#include "server/queue.h"
#include "server/watchdog.h"
#include "util/fd.h"
#include "wire/capset.h"
#include "wire/connection.h"
#include "wire/cs.h"

enum {
    HANDSHAKE_MS = 30 * 1000, /* a peer that says nothing for so long will not; a machine may have been paused */
    SEND_TIMEOUT_MS = 1000, /* a peer that does not read for so long is taken for dead */
};

#define SECOND UINT64_C(1000000000)

struct server {
    struct apir_connection connection;
    pthread_mutex_t send_lock; /* guards sending */
    const struct apir_server_options *options;
    struct apir_server_queues queues;
    struct apir_watchdog watchdog;
    struct apir_upstream_session upstream;
    struct apir_shm_table *memory; /* borrowed */
    int memory_fd;                 /* of the last SHM_ADD that came with one; -1: none */
    const struct apir_log *log;    /* borrowed */
    struct apir_mapping *status;   /* the status page; counted; NULL before the handshake, and when it was taken away */
    bool own;                      /* the handshake was that of apir's own protocol; there is no other then */
    _Atomic bool refused;          /* by a queue's thread; read once those have ended, hence relaxed */
};

static void send_removed(void *data, uint32_t id)
{
    struct server *server = data;
    pthread_mutex_lock(&server->send_lock);
    apir_connection_send(&server->connection, APIR_FRAME_SHM_REMOVED, &id, sizeof id, -1);
    pthread_mutex_unlock(&server->send_lock);
}

/* A queue got a bad message: the reader wakes up with the end of the connection. */
static void end_connection(void *data)
{
    struct server *server = data;
    atomic_store_explicit(&server->refused, true, memory_order_relaxed);
    shutdown(server->connection.fd, SHUT_RD);
}

/* A call does not return. The reader wakes up with the end of the connection and tells the guest. */
static void end_expired(void *data)
{
    struct server *server = data;
    shutdown(server->connection.fd, SHUT_RDWR);
    server->options->expired(server->options->expired_data);
}

static uint64_t time_limit(const struct apir_server_options *options, const struct apir_limits *limits)
{
    return options->expired && limits->compute_seconds != APIR_NO_LIMIT ? limits->compute_seconds * SECOND : 0;
}

/* Only a guest that speaks apir's own protocol has a trailer behind its handshake. */
static bool has_trailer(struct apir_dec payload)
{
    for (int i = 0; i < 4; i++) /* flags, shm, major, minor */
        apir_dec_u32(&payload);
    return apir_dec_u32(&payload) == APIR_HANDSHAKE_MAGIC && apir_dec_ok(&payload);
}

/* Whether this handshake begins a session of the deployed protocol. */
static bool is_upstream(const struct server *server, const struct apir_dec *payload)
{
    return !server->own && server->options->upstream && (server->options->upstream_only || !has_trailer(*payload));
}

static int begin_upstream(struct server *server)
{
    return apir_upstream_session_begin(&server->upstream, server->options->upstream, server->options->upstream_data,
                                       server->memory, &server->watchdog, server->log);
}

static int handle_handshake(struct server *server, struct apir_dec *payload)
{
    apir_dec_u32(payload); /* flags */
    uint32_t page = apir_dec_shm(payload);
    uint32_t major = apir_dec_u32(payload), minor = apir_dec_u32(payload);
    if (!apir_dec_ok(payload) || server->own)
        return -EBADMSG;
    if (apir_dec_u32(payload) != APIR_HANDSHAKE_MAGIC || !apir_dec_ok(payload)) {
        apir_warn(server->log, "the guest speaks only the deployed APIR protocol, version %u.%u", major, minor);
        return -EPROTO;
    }
    major = apir_dec_u32(payload);
    minor = apir_dec_u32(payload);
    struct apir_mapping *status = apir_shm_table_get(server->memory, page);
    if (!apir_dec_ok(payload) || !status || status->size < APIR_STATUS_PAGE_SIZE) {
        apir_shm_table_put(server->memory, status);
        return -EBADMSG;
    }
    server->status = status;
    server->own = true;
    apir_info(server->log, "guest is running with %u.%u, host with %u.%u", major, minor, APIR_PROTOCOL_MAJOR,
              APIR_PROTOCOL_MINOR);
    const uint32_t reply[] = {0, APIR_COMPAT_MAJOR, APIR_COMPAT_MINOR, APIR_HANDSHAKE_MAGIC,
                              APIR_PROTOCOL_MAJOR, APIR_PROTOCOL_MINOR};
    memcpy(status->data, reply, sizeof reply);
    /* release: the guest's acquire of this word sees the rest */
    atomic_store_explicit(apir_status_notif(status->data), APIR_HANDSHAKE_CODE + 1, memory_order_release);
    return 0;
}

static int handle_sync(struct server *server, uint32_t number)
{
    /* release: what was taken before is there for requests that the guest makes after its acquire */
    atomic_store_explicit(apir_status_synced(server->status->data), number, memory_order_release);
    return 0;
}

/* A guest asks for nothing but a sign of life, in any protocol. */
static bool is_nothing(const struct apir_frame *frame)
{
    struct apir_dec payload;
    apir_dec_init(&payload, frame->data, frame->size, NULL);
    uint32_t command = apir_dec_u32(&payload);
    apir_dec_u32(&payload);
    apir_dec_u32(&payload);
    return apir_dec_finish(&payload) &&
           (command == APIR_COMMAND_NOTHING || command == APIR_COMMAND_NOTHING + APIR_VENUS_COMMAND_BASE);
}

static int handle_submit(struct server *server, const struct apir_frame *frame)
{
    struct apir_dec payload;
    if (is_nothing(frame))
        return 0;
    if (server->upstream.backend)
        return apir_upstream_session_submit(&server->upstream, frame->data, frame->size);
    apir_dec_init(&payload, frame->data, frame->size, NULL);
    uint32_t command = apir_dec_u32(&payload);
    if (command >= APIR_VENUS_COMMAND_BASE)
        command -= APIR_VENUS_COMMAND_BASE;
    if (!apir_dec_ok(&payload))
        return -EBADMSG;
    if (command == APIR_UPSTREAM_COMMAND_HANDSHAKE && is_upstream(server, &payload)) {
        int ret = begin_upstream(server);
        return ret < 0 ? ret : apir_upstream_session_submit(&server->upstream, frame->data, frame->size);
    }
    if (command == APIR_UPSTREAM_COMMAND_HANDSHAKE)
        return handle_handshake(server, &payload);

    uint32_t number = apir_dec_u32(&payload), shm = apir_dec_u32(&payload);
    if (!apir_dec_finish(&payload) || !server->status)
        return -EBADMSG;
    switch (command) {
    case APIR_COMMAND_OPEN_QUEUE:
        return apir_server_queues_open(&server->queues, number, shm);
    case APIR_COMMAND_CLOSE_QUEUE:
        return apir_server_queues_close(&server->queues, number);
    case APIR_COMMAND_KICK:
        return apir_server_queues_kick(&server->queues, number);
    case APIR_COMMAND_SYNC:
        return handle_sync(server, number);
    default:
        return -ENOSYS;
    }
}

static int handle_shm_add(struct server *server, struct apir_frame *frame)
{
    struct apir_frame_shm shm;
    if (frame->size != sizeof shm || (frame->fd < 0 && server->memory_fd < 0))
        return -EBADMSG;
    if (frame->fd >= 0) {
        apir_fd_close(&server->memory_fd);
        server->memory_fd = apir_fd_take(&frame->fd);
    }
    memcpy(&shm, frame->data, sizeof shm);
    int ret = apir_shm_table_add(server->memory, shm.id, server->memory_fd, shm.offset, shm.size);
    if (ret < 0)
        return ret;
    if (ret > 0)
        apir_debug(server->log, "no room for %llu bytes of shared memory: %llu are left (--max-shared-memory)",
                   (unsigned long long)shm.size, (unsigned long long)apir_quota_left(&server->memory->quota));
    if (server->status) /* relaxed: a sync follows */
        atomic_store_explicit(apir_status_refused(server->status->data), ret > 0 ? shm.id : 0, memory_order_relaxed);
    return 0;
}

static int handle_shm_remove(struct server *server, const struct apir_frame *frame)
{
    uint32_t id;
    if (frame->size != sizeof id)
        return -EBADMSG;
    memcpy(&id, frame->data, sizeof id);
    apir_server_queues_close_shm(&server->queues, id);
    if (server->status && server->status->id == id) {
        apir_shm_table_put(server->memory, server->status);
        server->status = NULL;
    }
    return apir_shm_table_remove(server->memory, id);
}

static int handle_fence(struct server *server, const struct apir_frame *frame)
{
    if (frame->size != sizeof(struct apir_frame_fence))
        return -EBADMSG;
    pthread_mutex_lock(&server->send_lock);
    int ret = apir_connection_send(&server->connection, APIR_FRAME_FENCE_DONE, frame->data, frame->size, -1);
    pthread_mutex_unlock(&server->send_lock);
    return ret;
}

static int handle_frame(struct server *server, struct apir_frame *frame)
{
    switch (frame->type) {
    case APIR_FRAME_SUBMIT:
        return handle_submit(server, frame);
    case APIR_FRAME_SHM_ADD:
        return handle_shm_add(server, frame);
    case APIR_FRAME_SHM_REMOVE:
        return handle_shm_remove(server, frame);
    case APIR_FRAME_FENCE:
        return handle_fence(server, frame);
    default:
        return -EBADMSG;
    }
}

static bool has_begun(const struct server *server)
{
    return server->status || server->upstream.backend;
}

/* Before the handshake a peer that says nothing is not waited for; afterwards it may be idle for days. */
static int serve_frames(struct server *server)
{
    bool begun = false;
    apir_connection_set_receive_timeout(&server->connection, server->options->handshake_ms
                                                                 ? server->options->handshake_ms
                                                                 : HANDSHAKE_MS);
    for (;;) {
        struct apir_frame frame;
        int ret = apir_connection_receive(&server->connection, &frame);
        if (ret == -ETIMEDOUT)
            apir_warn(server->log, "the peer has not shaken hands in time");
        if (ret <= 0)
            return ret;
        ret = handle_frame(server, &frame);
        apir_fd_close(&frame.fd);
        if (!begun && has_begun(server)) {
            begun = true;
            apir_connection_set_receive_timeout(&server->connection, 0);
        }
        if (ret < 0 && ret != -EPROTO) /* -EPROTO: it was said why */
            apir_warn(server->log, "frame of type %u refused: %s", frame.type, strerror(-ret));
        if (ret < 0)
            return -EPROTO;
    }
}

static void mark_dead(struct server *server)
{
    if (!server->status)
        return;
    /* release: pairs with the guest's acquire while it waits */
    atomic_store_explicit(apir_status_dead(server->status->data), 1, memory_order_release);
    apir_shm_table_put(server->memory, server->status);
    server->status = NULL;
}

int apir_server_run(const struct apir_server_options *options)
{
    struct server server = {.options = options, .memory = options->memory, .memory_fd = -1, .log = options->log};
    struct apir_limits limits = options->limits;
    apir_limits_complete(&limits);
    options->memory->quota.limit = limits.shared_memory;
    apir_connection_init(&server.connection, options->fd);
    apir_connection_set_send_timeout(&server.connection, SEND_TIMEOUT_MS);
    pthread_mutex_init(&server.send_lock, NULL);
    server.memory->removed = send_removed;
    server.memory->removed_data = &server;
    apir_server_queues_init(&server.queues);
    server.queues.handlers = options->handlers;
    server.queues.handler_data = options->handler_data;
    server.queues.memory = options->memory;
    server.queues.log = options->log;
    server.queues.refused = end_connection;
    server.queues.refused_data = &server;
    server.queues.watchdog = &server.watchdog;
    server.queues.max_open = (uint32_t)limits.queues;

    int ret = apir_watchdog_init(&server.watchdog, time_limit(options, &limits), end_expired, &server);
    if (ret == 0)
        ret = serve_frames(&server);
    mark_dead(&server);
    if (options->ended)
        options->ended(options->handler_data);
    apir_server_queues_finish(&server.queues);
    apir_upstream_session_finish(&server.upstream);
    apir_watchdog_finish(&server.watchdog);
    server.memory->removed = NULL;
    apir_fd_close(&server.memory_fd);
    apir_connection_finish(&server.connection);
    pthread_mutex_destroy(&server.send_lock);
    /* relaxed: the queues' threads were joined */
    return atomic_load_explicit(&server.refused, memory_order_relaxed) ? -EPROTO : ret;
}
