/* What session.c and queue.c share. */
#ifndef APIR_CLIENT_SESSION_PRIVATE_H
#define APIR_CLIENT_SESSION_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "client/session.h"
#include "wire/mailbox.h"

struct apir_session {
    struct apir_transport *transport; /* owned */
    const struct apir_log *log;       /* borrowed */
    struct apir_shm status;           /* the status page */
    pid_t pid;                        /* of the process that opened it; a forked child must not touch it */
    uint32_t host_major, host_minor;
    _Atomic int error;                /* 0, or the -errno that ended the session */
    struct apir_queue *control;       /* owned */
    pthread_mutex_t lock;             /* guards queues */
    struct apir_queue *queues[APIR_MAX_QUEUES]; /* open ones, by number; owned by who opened them */
};

/* Sends count (at most 8) words of command; the first is adjusted to the door. */
int apir_session_submit(struct apir_session *session, const uint32_t *words, size_t count);

/* Whether the host has marked the session dead. */
bool apir_session_is_dead(struct apir_session *session);

#endif
