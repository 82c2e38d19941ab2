/* What session.c and queue.c share. */
#ifndef APIR_CLIENT_SESSION_PRIVATE_H
#define APIR_CLIENT_SESSION_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "client/options.h"
#include "client/session.h"
#include "wire/status.h"

/* What apir-counters.h tells; relaxed. */
struct apir_session_counters {
    _Atomic uint64_t calls, waits, sleeps, doorbells, message_bytes, data_bytes;
};

struct apir_session {
    struct apir_transport *transport;           /* owned */
    const struct apir_log *log;                 /* borrowed */
    struct apir_shm status;                     /* the status page */
    const uint32_t *own;                        /* a page of its own: not 0 in the process that opened it; a forked
                                                 * child, which must not touch the session, sees 0 */
    bool speaks_upstream;                       /* the deployed protocol 0.x instead of apir's own */
    uint32_t host_major, host_minor;            /* of the protocol that is spoken */
    struct apir_upstream *upstream;             /* owned; makes its calls; NULL: not spoken */
    _Atomic int error;                          /* 0, or the -errno that ended the session */
    uint64_t load_ns;                           /* for the answer to load_library */
    struct apir_queue *control;                 /* owned */
    pthread_mutex_t sync_lock;                  /* held while one synchronises; guards sync_number */
    uint32_t sync_number;                       /* of the last one */
    _Atomic bool probing;                       /* one thread asks whether the host still takes commands */
    enum apir_wait_policy wait;
    struct apir_session_counters counters;
    pthread_mutex_t lock;                       /* guards all below */
    struct apir_queue *queues[APIR_MAX_QUEUES]; /* owned; by number */
    uint32_t n_queues;
    uint64_t closed;                            /* bit n: nobody has queue n open */
};

/* Whether this process opened the session; a forked child has none of its shared memory. */
static inline bool apir_session_is_own(const struct apir_session *session)
{
    return *session->own != 0;
}

/* Adds n to a counter. */
static inline void apir_session_count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* Frees a queue; nobody knows it any more. */
void apir_queue_destroy(struct apir_queue *queue);

/* Finds out what the host speaks, and sets that and its version. 0, or -errno and reason. */
int apir_session_handshake(struct apir_session *session, const struct apir_session_options *options, char *reason,
                           size_t reason_size);

/* Sends count (at most 8) words of command; the first is adjusted to the door. */
int apir_session_submit(struct apir_session *session, const uint32_t *words, size_t count);

/* Waits until the host has taken every command and all shared memory so far: requests in rings overtake both. 0 or
 * -errno, then the session has failed. Nothing to do in 0.x. */
int apir_session_sync(struct apir_session *session);

/* Whether the host has marked the session dead. */
bool apir_session_is_dead(struct apir_session *session);

#endif
