/* A queue: an ordered line of calls to the worker, with a ring of its own. Queues of a session run side by side.
 * Calls on one queue from several threads are served one at a time. */
#ifndef APIR_CLIENT_QUEUE_H
#define APIR_CLIENT_QUEUE_H

#include <stdint.h>

#include "wire/cs.h"

struct apir_queue;
struct apir_session;

/* Opens a queue of a session. NULL with errno set; EBUSY when all are in use. Close with apir_queue_close. */
struct apir_queue *apir_queue_open(struct apir_session *session);

/* Closes it; no call may be in flight. NULL is a no-op. */
void apir_queue_close(struct apir_queue *queue);

/* The three steps of a call, for generated stubs. begin locks the queue and starts the request; after an error
 * nothing is to be ended. submit sends it and waits: 0 and *reply on the results (in arena if given, else in memory
 * of the queue until end), or -errno. end finishes reply (NULL: there is none), unlocks, and returns ret or the error
 * of the reply. -EBADMSG in a reply ends the session. */
int apir_queue_begin(struct apir_queue *queue, uint32_t call, struct apir_enc *request);
int apir_queue_submit(struct apir_queue *queue, struct apir_enc *request, struct apir_arena *arena,
                      struct apir_dec *reply);
int apir_queue_end(struct apir_queue *queue, struct apir_dec *reply, int ret);

/* Locks and unlocks the queue around several steps that must stay together; nests. */
void apir_queue_lock(struct apir_queue *queue);
void apir_queue_unlock(struct apir_queue *queue);

/* Makes the next call of queue wait until call `sequence` of queue `on` has completed; no-op if it has. The caller holds
 * the lock until that call. (Calls of other queues wait for the control queue's tail by themselves.) */
void apir_queue_wait_for(struct apir_queue *queue, uint32_t on, uint64_t sequence);

/* Sequence number that the next call will have. The caller holds the lock. */
uint64_t apir_queue_next(const struct apir_queue *queue);

/* Number of the queue in its session: below APIR_MAX_QUEUES, 0 is the control queue. */
uint32_t apir_queue_id(const struct apir_queue *queue);

/* The session it belongs to. */
struct apir_session *apir_queue_session(const struct apir_queue *queue);

#endif
