/* The handshake: which protocol the session speaks. Ours is announced behind the deployed one's, where hosts that do
 * not know it look past it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "apir-protocol.h"
#include "apir-upstream-protocol.h"
#include "client/session-private.h"
#include "util/clock.h"
#include "wire/capset.h"

static int wait_answer(struct apir_session *session, uint64_t timeout_ns)
{
    struct apir_transport *transport = session->transport;
    uint64_t end = apir_clock_now() + timeout_ns;
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

static int decline(char *reason, size_t reason_size, uint32_t major, uint32_t minor, uint32_t own_major,
                   uint32_t own_minor)
{
    snprintf(reason, reason_size,
             "host speaks protocol %u.%u, this guest %u.%u: install versions of the same major number", major, minor,
             own_major, own_minor);
    return -EPROTO;
}

/* The host's version of the protocol that is spoken. */
static int check_version(struct apir_session *session, char *reason, size_t reason_size)
{
    uint32_t major, minor;
    apir_session_own_version(session, &major, &minor);
    apir_info(session->log, "guest is running with %u.%u", major, minor);
    apir_info(session->log, "host is running with %u.%u", session->host_major, session->host_minor);
    if (session->host_major != major)
        return decline(reason, reason_size, session->host_major, session->host_minor, major, minor);
    if (session->host_minor != minor && !session->speaks_upstream)
        apir_warn(session->log, "protocol versions differ: guest %u.%u, host %u.%u", major, minor, session->host_major,
                  session->host_minor);
    return 0;
}

/* The reply, copied: notif, deployed major and minor, magic, own major and minor. */
static int check_answer(struct apir_session *session, enum apir_session_protocol wanted, char *reason,
                        size_t reason_size)
{
    uint32_t reply[6];
    memcpy(reply, session->status.data, sizeof reply);
    if (reply[0] != APIR_HANDSHAKE_CODE + 1) {
        snprintf(reason, reason_size, "host answered the handshake with %#x instead of %#x", reply[0] - 1,
                 (unsigned)APIR_HANDSHAKE_CODE);
        return -EPROTO;
    }
    bool has_own = reply[3] == APIR_HANDSHAKE_MAGIC;
    session->speaks_upstream = !has_own || wanted == APIR_SESSION_UPSTREAM;
    session->host_major = session->speaks_upstream ? reply[1] : reply[4];
    session->host_minor = session->speaks_upstream ? reply[2] : reply[5];
    if (session->speaks_upstream && wanted == APIR_SESSION_OWN) {
        snprintf(reason, reason_size,
                 "host speaks only the deployed APIR protocol, version %u.%u, and GGML_VIRTGPU_PROTOCOL=1 "
                 "excludes that",
                 reply[1], reply[2]);
        return -EPROTO;
    }
    return check_version(session, reason, reason_size);
}

int apir_session_handshake(struct apir_session *session, const struct apir_session_options *options, char *reason,
                           size_t reason_size)
{
    uint64_t start = apir_clock_now();
    memset(session->status.data, 0, APIR_STATUS_PAGE_SIZE);
    const uint32_t words[] = {APIR_UPSTREAM_COMMAND_HANDSHAKE,
                              0,
                              session->status.id,
                              APIR_COMPAT_MAJOR,
                              APIR_COMPAT_MINOR,
                              APIR_HANDSHAKE_MAGIC,
                              APIR_PROTOCOL_MAJOR,
                              APIR_PROTOCOL_MINOR};
    size_t n_words = sizeof words / sizeof *words;
    /* without our part, which is the last three words, even a host of ours speaks 0.x */
    int ret = apir_session_submit(session, words, options->protocol == APIR_SESSION_UPSTREAM ? n_words - 3 : n_words);
    if (ret == 0)
        ret = wait_answer(session, options->handshake_ns);
    if (ret < 0) {
        snprintf(reason, reason_size, "no answer to the handshake over %s: %s", session->transport->door,
                 strerror(-ret));
        return ret;
    }
    apir_info(session->log, "handshake took %.3f ms", (double)(apir_clock_now() - start) / 1e6);
    return check_answer(session, options->protocol, reason, reason_size);
}
