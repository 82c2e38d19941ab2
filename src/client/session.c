#include "client/session.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "apir-codec.h"
#include "apir-counters.h"
#include "client/options.h"
#include "client/queue.h"
#include "client/session-private.h"
#include "client/upstream.h"
#include "util/clock.h"
#include "wire/capset.h"
#include "wire/status.h"

/* The host takes commands without executing them: it answers at once unless it is very busy. */
#define SYNC_TIMEOUT_NS UINT64_C(20000000000)

/* Memory that a forked child sees as zeros: cheaper to look at than the process's number. NULL with errno. */
static uint32_t *make_own(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint32_t *own = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (own == MAP_FAILED)
        return NULL;
    if (madvise(own, page, MADV_WIPEONFORK) < 0) { /* since Linux 4.14 */
        int error = errno;
        munmap(own, page);
        errno = error;
        return NULL;
    }
    *own = 1;
    return own;
}

static void free_own(const uint32_t *own)
{
    munmap((void *)(uintptr_t)own, (size_t)sysconf(_SC_PAGESIZE));
}

int apir_session_error(struct apir_session *session)
{
    if (!apir_session_is_own(session))
        return -EOWNERDEAD;
    /* relaxed: a flag, nothing is published by it */
    return atomic_load_explicit(&session->error, memory_order_relaxed);
}

void apir_session_fail(struct apir_session *session, int error, const char *what)
{
    int works = 0;
    if (!apir_session_is_own(session))
        return;
    if (atomic_compare_exchange_strong(&session->error, &works, error))
        apir_error(session->log, "session over %s failed: %s (%s)", session->transport->door, what, strerror(-error));
}

int apir_session_submit(struct apir_session *session, const uint32_t *words, size_t count)
{
    uint32_t payload[8];
    for (size_t i = 0; i < count; i++)
        payload[i] = words[i];
    payload[0] += session->transport->command_base;
    return session->transport->ops->submit(session->transport, payload, count * sizeof *payload);
}

bool apir_session_is_dead(struct apir_session *session)
{
    /* acquire: pairs with the release of the daemon or worker that marks the session dead */
    return atomic_load_explicit(apir_status_dead(session->status.data), memory_order_acquire) != 0;
}

/* Waits for the host to say that it has taken sync `number`. */
static int wait_synced(struct apir_session *session, uint32_t number)
{
    struct apir_transport *transport = session->transport;
    _Atomic uint32_t *synced = apir_status_synced(session->status.data);
    uint64_t start = apir_clock_now(), waited = 0;
    uint32_t seen;
    /* acquire: pairs with the release of the host, which has taken what came before */
    while ((seen = atomic_load_explicit(synced, memory_order_acquire)) != number) {
        if (waited >= SYNC_TIMEOUT_NS)
            return -ETIMEDOUT;
        int ret = transport->ops->wait(transport, synced, seen, NULL, SYNC_TIMEOUT_NS - waited);
        if (ret == 0 && apir_session_is_dead(session))
            ret = -EPIPE;
        if (ret == 0)
            ret = apir_session_error(session);
        if (ret < 0)
            return ret;
        waited = apir_clock_now() - start;
    }
    return 0;
}

static int sync_locked(struct apir_session *session)
{
    if (session->speaks_upstream)
        return 0;
    const uint32_t words[] = {APIR_COMMAND_SYNC, ++session->sync_number, 0};
    int ret = apir_session_submit(session, words, 3);
    if (ret == 0)
        ret = wait_synced(session, session->sync_number);
    if (ret < 0)
        apir_session_fail(session, ret, "commands are not taken");
    return ret;
}

int apir_session_sync(struct apir_session *session)
{
    pthread_mutex_lock(&session->sync_lock);
    int ret = sync_locked(session);
    pthread_mutex_unlock(&session->sync_lock);
    return ret;
}

static void destroy_queues(struct apir_session *session)
{
    for (uint32_t i = 0; i < session->n_queues; i++)
        apir_queue_destroy(session->queues[i]);
}

/* What follows the handshake, over the protocol that it found. */
static int open_calls(struct apir_session *session, const struct apir_session_options *options, char *reason,
                      size_t reason_size)
{
    if (session->speaks_upstream) {
        session->upstream = apir_upstream_create(session, options);
        if (!session->upstream) {
            snprintf(reason, reason_size, "cannot make calls of protocol 0.x: %s", strerror(errno));
            return -errno;
        }
    }
    session->control = apir_queue_open(session);
    if (session->control)
        return 0;
    int ret = -errno;
    snprintf(reason, reason_size, "cannot open the control queue: %s", strerror(errno));
    apir_upstream_destroy(session->upstream);
    return ret;
}

struct apir_session *apir_session_open_with(struct apir_transport *transport,
                                            const struct apir_session_options *options, const struct apir_log *log,
                                            char *reason, size_t reason_size)
{
    int ret;
    struct apir_session *session = calloc(1, sizeof *session);
    if (!session) {
        ret = -ENOMEM;
        snprintf(reason, reason_size, "out of memory");
        goto err_transport;
    }
    session->transport = transport;
    session->log = log;
    session->load_ns = options->load_ns;
    session->wait = options->wait;
    session->own = make_own();
    if (!session->own) {
        ret = -errno;
        snprintf(reason, reason_size, "cannot make a page that a fork wipes (Linux 4.14): %s", strerror(errno));
        goto err_free;
    }
    pthread_mutex_init(&session->lock, NULL);
    pthread_mutex_init(&session->sync_lock, NULL);

    ret = transport->ops->shm_create(transport, APIR_STATUS_PAGE_SIZE, &session->status);
    if (ret < 0) {
        snprintf(reason, reason_size, "cannot share memory with the host: %s", strerror(-ret));
        goto err_session;
    }
    ret = apir_session_handshake(session, options, reason, reason_size);
    if (ret == 0)
        ret = open_calls(session, options, reason, reason_size);
    if (ret < 0)
        goto err_status;
    return session;

err_status:
    destroy_queues(session);
    transport->ops->shm_destroy(transport, &session->status);
err_session:
    pthread_mutex_destroy(&session->sync_lock);
    pthread_mutex_destroy(&session->lock);
    free_own(session->own);
err_free:
    free(session);
err_transport:
    transport->ops->destroy(transport);
    errno = -ret;
    return NULL;
}

struct apir_session *apir_session_open(struct apir_transport *transport, const struct apir_log *log, char *reason,
                                       size_t reason_size)
{
    struct apir_session_options options;
    apir_session_options_init(&options, log);
    return apir_session_open_with(transport, &options, log, reason, reason_size);
}

void apir_session_close(struct apir_session *session)
{
    if (!session)
        return;
    destroy_queues(session);
    apir_upstream_destroy(session->upstream);
    apir_session_shm_destroy(session, &session->status);
    session->transport->ops->destroy(session->transport);
    pthread_mutex_destroy(&session->sync_lock);
    pthread_mutex_destroy(&session->lock);
    free_own(session->own);
    free(session);
}

static uint64_t count_of(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void apir_session_get_counters(struct apir_session *session, struct apir_counters *counters)
{
    const struct apir_session_counters *from = &session->counters;
    *counters = (struct apir_counters){
        .calls = count_of(&from->calls),
        .waits = count_of(&from->waits),
        .sleeps = count_of(&from->sleeps),
        .doorbells = count_of(&from->doorbells),
        .message_bytes = count_of(&from->message_bytes),
        .data_bytes = count_of(&from->data_bytes),
    };
}

struct apir_queue *apir_session_control(struct apir_session *session)
{
    return session->control;
}

const char *apir_session_door(const struct apir_session *session)
{
    return session->transport->door;
}

void apir_session_host_version(const struct apir_session *session, uint32_t *major, uint32_t *minor)
{
    *major = session->host_major;
    *minor = session->host_minor;
}

void apir_session_own_version(const struct apir_session *session, uint32_t *major, uint32_t *minor)
{
    *major = session->speaks_upstream ? APIR_COMPAT_MAJOR : APIR_PROTOCOL_MAJOR;
    *minor = session->speaks_upstream ? APIR_COMPAT_MINOR : APIR_PROTOCOL_MINOR;
}

bool apir_session_has_numbering(const struct apir_session *session)
{
    return !session->speaks_upstream;
}

bool apir_session_has_rows(const struct apir_session *session)
{
    return !session->speaks_upstream;
}

bool apir_session_keeps_graphs(const struct apir_session *session)
{
    return !session->speaks_upstream;
}

bool apir_session_has_bytes(const struct apir_session *session)
{
    return !session->speaks_upstream;
}

bool apir_session_posts_copies(const struct apir_session *session)
{
    return !session->speaks_upstream;
}

uint64_t apir_session_max_host_buffer(const struct apir_session *session)
{
    return session->speaks_upstream ? 0 : session->transport->max_host_buffer;
}

int apir_session_drain(struct apir_session *session)
{
    int ret = apir_session_error(session);
    for (uint32_t i = 0; i < APIR_MAX_QUEUES && ret == 0; i++) {
        struct apir_queue *queue = apir_queue_find(session, i);
        if (queue)
            ret = apir_queue_sync(queue);
    }
    return ret;
}

int apir_session_encode_graph(const struct apir_session *session, struct apir_enc *enc, const struct apir_graph *graph)
{
    if (session->speaks_upstream)
        return apir_upstream_write_graph(enc, graph);
    apir_encode_graph(enc, graph);
    return 0;
}

/* Whether the host has not taken memory that was followed by a sync. */
static bool is_refused(struct apir_session *session, const struct apir_shm *shm)
{
    return !session->speaks_upstream &&
           /* relaxed: the sync's acquire comes before */
           atomic_load_explicit(apir_status_refused(session->status.data), memory_order_relaxed) == shm->id;
}

int apir_session_shm_create(struct apir_session *session, uint64_t size, struct apir_shm *shm)
{
    int ret = apir_session_error(session);
    if (ret < 0)
        return ret;
    pthread_mutex_lock(&session->sync_lock); /* the host notes the last memory that it has refused */
    ret = session->transport->ops->shm_create(session->transport, size, shm);
    if (ret < 0)
        goto out;
    ret = sync_locked(session);
    if (ret == 0 && is_refused(session, shm))
        ret = -ENOMEM;
    if (ret < 0)
        session->transport->ops->shm_destroy(session->transport, shm);
out:
    pthread_mutex_unlock(&session->sync_lock);
    return ret;
}

void apir_session_shm_destroy(struct apir_session *session, struct apir_shm *shm)
{
    if (apir_session_is_own(session))
        session->transport->ops->shm_destroy(session->transport, shm);
}
