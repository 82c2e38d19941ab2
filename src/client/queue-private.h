/* What the files of a queue share. */
#ifndef APIR_CLIENT_QUEUE_PRIVATE_H
#define APIR_CLIENT_QUEUE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "apir-protocol.h"
#include "client/queue.h"
#include "client/session-private.h"
#include "util/arena.h"
#include "util/spin.h"
#include "wire/ring.h"

/* Kinds of waits. */
enum {
    APIR_QUEUE_SHORT,
    APIR_QUEUE_LONG,
    APIR_QUEUE_KINDS,
};

struct apir_queue {
    struct apir_session *session; /* borrowed */
    uint32_t id;
    struct apir_shm memory;     /* none when the session speaks 0.x: calls are then served in this process */
    struct apir_ring_producer ring;
    uint8_t *request;           /* what is written before it goes into the ring */
    pthread_mutex_t lock;       /* recursive; held for the length of a call; guards all below */
    uint32_t call;              /* the one in flight */
    _Atomic uint64_t sequence;  /* of the last call begun; written under the lock, read by other queues */
    _Atomic uint32_t failed;    /* 0.x: how a posted call failed */
    _Atomic uint64_t sources;   /* bit n: its results are made of those of queue n */
    bool expects_long;          /* until the next wait */
    struct apir_spin spins[APIR_QUEUE_KINDS]; /* of waits for short calls, and for long ones */
    uint64_t inside;            /* bytes of tensor data in the next request */
    struct apir_dependency waits[APIR_MAX_WAITS];
    uint32_t n_waits;
    uint64_t own_wait;         /* of its next call, for those that stand in for it */
    struct apir_arena scratch; /* of a call that is served here */
    uint8_t *reply;            /* private copy of the reply, when the caller gave no arena */
};

/* Not in 0.x, nor in a forked child. */
static inline bool apir_queue_has_ring(const struct apir_queue *queue)
{
    return queue->memory.data && apir_session_is_own(queue->session);
}

/* Prepares to wait. */
void apir_queue_wait_init(struct apir_queue *queue);

/* 0 once the worker has done call `sequence`, -errno if it never will; the caller holds the lock. */
int apir_queue_wait_complete(struct apir_queue *queue, uint64_t sequence);

#endif
