#include "client/session.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apir-protocol.h"
#include "client/queue.h"
#include "client/session-private.h"
#include "util/clock.h"
#include "wire/capset.h"
#include "wire/mailbox.h"

int apir_session_error(struct apir_session *session)
{
    if (session->pid != getpid())
        return -EOWNERDEAD;
    /* relaxed: a flag, nothing is published by it */
    return atomic_load_explicit(&session->error, memory_order_relaxed);
}

void apir_session_fail(struct apir_session *session, int error, const char *what)
{
    int works = 0;
    if (session->pid != getpid())
        return;
    if (atomic_compare_exchange_strong(&session->error, &works, error))
        apir_error(session->log, "session over %s failed: %s (%s)", session->transport->door, what,
                   strerror(-error));
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

static int wait_handshake(struct apir_session *session)
{
    struct apir_transport *transport = session->transport;
    uint64_t end = apir_clock_now() + APIR_HANDSHAKE_TIMEOUT_NS;
    _Atomic uint32_t *notif = apir_status_notif(session->status.data);
    while (atomic_load_explicit(notif, memory_order_acquire) == 0) {
        uint64_t now = apir_clock_now();
        if (now >= end)
            return -ETIMEDOUT;
        int ret = transport->ops->wait(transport, notif, 0, NULL, end - now);
        if (ret < 0)
            return ret;
        if (apir_session_is_dead(session))
            return -EPIPE;
    }
    return 0;
}

/* The reply, copied: notif, deployed major and minor, magic, own major and minor. */
static int check_handshake(struct apir_session *session, char *reason, size_t reason_size)
{
    uint32_t reply[6];
    memcpy(reply, session->status.data, sizeof reply);
    if (reply[0] != APIR_HANDSHAKE_CODE + 1) {
        snprintf(reason, reason_size, "host answered the handshake with %#x instead of %#x", reply[0] - 1,
                 (unsigned)APIR_HANDSHAKE_CODE);
        return -EPROTO;
    }
    if (reply[3] != APIR_HANDSHAKE_MAGIC) {
        snprintf(reason, reason_size, "host speaks only the deployed APIR protocol, version %u.%u", reply[1],
                 reply[2]);
        return -EPROTO;
    }
    session->host_major = reply[4];
    session->host_minor = reply[5];
    apir_info(session->log, "guest is running with %u.%u", APIR_PROTOCOL_MAJOR, APIR_PROTOCOL_MINOR);
    apir_info(session->log, "host is running with %u.%u", session->host_major, session->host_minor);
    if (session->host_major != APIR_PROTOCOL_MAJOR) {
        snprintf(reason, reason_size,
                 "host speaks protocol %u.%u, this guest %u.%u: install versions of the same major number",
                 session->host_major, session->host_minor, APIR_PROTOCOL_MAJOR, APIR_PROTOCOL_MINOR);
        return -EPROTO;
    }
    if (session->host_minor != APIR_PROTOCOL_MINOR)
        apir_warn(session->log, "protocol versions differ: guest %u.%u, host %u.%u", APIR_PROTOCOL_MAJOR,
                  APIR_PROTOCOL_MINOR, session->host_major, session->host_minor);
    return 0;
}

static int handshake(struct apir_session *session, char *reason, size_t reason_size)
{
    uint64_t start = apir_clock_now();
    memset(session->status.data, 0, APIR_STATUS_PAGE_SIZE);
    const uint32_t words[] = {APIR_COMMAND_HANDSHAKE, 0, session->status.id, APIR_COMPAT_MAJOR,
                              APIR_COMPAT_MINOR, APIR_HANDSHAKE_MAGIC, APIR_PROTOCOL_MAJOR, APIR_PROTOCOL_MINOR};
    int ret = apir_session_submit(session, words, sizeof words / sizeof *words);
    if (ret == 0)
        ret = wait_handshake(session);
    if (ret < 0) {
        snprintf(reason, reason_size, "no answer to the handshake over %s: %s", session->transport->door,
                 strerror(-ret));
        return ret;
    }
    ret = check_handshake(session, reason, reason_size);
    apir_debug(session->log, "handshake took %.3f ms", (double)(apir_clock_now() - start) / 1e6);
    return ret;
}

struct apir_session *apir_session_open(struct apir_transport *transport, const struct apir_log *log, char *reason,
                                       size_t reason_size)
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
    session->pid = getpid();
    pthread_mutex_init(&session->lock, NULL);

    ret = transport->ops->shm_create(transport, APIR_STATUS_PAGE_SIZE, &session->status);
    if (ret < 0) {
        snprintf(reason, reason_size, "cannot share memory with the host: %s", strerror(-ret));
        goto err_session;
    }
    ret = handshake(session, reason, reason_size);
    if (ret < 0)
        goto err_status;
    session->control = apir_queue_open(session);
    if (!session->control) {
        ret = -errno;
        snprintf(reason, reason_size, "cannot open the control queue: %s", strerror(errno));
        goto err_status;
    }
    return session;

err_status:
    transport->ops->shm_destroy(transport, &session->status);
err_session:
    pthread_mutex_destroy(&session->lock);
    free(session);
err_transport:
    transport->ops->destroy(transport);
    errno = -ret;
    return NULL;
}

void apir_session_close(struct apir_session *session)
{
    if (!session)
        return;
    apir_queue_close(session->control);
    apir_session_shm_destroy(session, &session->status);
    session->transport->ops->destroy(session->transport);
    pthread_mutex_destroy(&session->lock);
    free(session);
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

int apir_session_shm_create(struct apir_session *session, uint64_t size, struct apir_shm *shm)
{
    int ret = apir_session_error(session);
    if (ret < 0)
        return ret;
    return session->transport->ops->shm_create(session->transport, size, shm);
}

void apir_session_shm_destroy(struct apir_session *session, struct apir_shm *shm)
{
    if (session->pid == getpid())
        session->transport->ops->shm_destroy(session->transport, shm);
}
