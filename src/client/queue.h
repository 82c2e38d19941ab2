/* A queue: an ordered line of calls to the worker, with a ring of its own. Queues of a session run side by side.
 * Calls on one queue from several threads are served one at a time. */
#ifndef APIR_CLIENT_QUEUE_H
#define APIR_CLIENT_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/cs.h"

struct apir_queue;
struct apir_session;

/* Opens a queue of a session. NULL with errno set; EBUSY when all are in use. Close with apir_queue_close. */
struct apir_queue *apir_queue_open(struct apir_session *session);

/* The queue of a number, if there is one, open or not. */
struct apir_queue *apir_queue_find(struct apir_session *session, uint32_t id);

/* Gives it back. It lives on, for calls of those who still know it, until the session is closed; a later open may return
 * the same one. NULL is a no-op. */
void apir_queue_close(struct apir_queue *queue);

/* The three steps of a call, for generated stubs. begin locks the queue and starts the request; after an error
 * nothing is to be ended. submit sends it and waits: 0 and *reply on the results (in arena if given, else in memory
 * of the queue until end), or -errno. end finishes reply (NULL: there is none), unlocks, and returns ret or the error
 * of the reply. -EBADMSG in a reply ends the session. */
int apir_queue_begin(struct apir_queue *queue, uint32_t call, struct apir_enc *request);
int apir_queue_submit(struct apir_queue *queue, struct apir_enc *request, struct apir_arena *arena,
                      struct apir_dec *reply);
int apir_queue_end(struct apir_queue *queue, struct apir_dec *reply, int ret);

/* Shared memory that every queue has, for the data of one call at a time when there is no other: until the call is done, and
 * the caller holds the queue's lock. */
struct apir_queue_spare {
    uint32_t shm;
    uint64_t offset, size;
    char *data; /* at offset */
};

/* False: there is none, in a session of 0.x. */
bool apir_queue_get_spare(const struct apir_queue *queue, struct apir_queue_spare *spare);

/* In place of submit and end, for a call without results: sends it, unlocks, and does not wait. 0 as soon as it is on its
 * way; what becomes of it is known after a later call (apir_queue_failed), or ends the session. -errno. */
int apir_queue_post(struct apir_queue *queue, struct apir_enc *request);

/* Waits until every call so far is done; free if they are. 0, or -errno, then the session has failed. */
int apir_queue_sync(struct apir_queue *queue);

/* The same for all calls up to `sequence`. */
int apir_queue_sync_to(struct apir_queue *queue, uint64_t sequence);

/* Whether call `sequence` is done. */
bool apir_queue_is_done(const struct apir_queue *queue, uint64_t sequence);

/* How the first posted call failed that did so in normal use, an enum apir_graph_status, among those that are done; 0: none
 * has. clear_failed when somebody was told. */
uint32_t apir_queue_failed(const struct apir_queue *queue);
void apir_queue_clear_failed(struct apir_queue *queue);

/* Says that what the queue does from now on is made of results of source. */
void apir_queue_take_from(struct apir_queue *queue, const struct apir_queue *source);

/* Whether what calls of the queue have left cannot be relied on: one has failed, or one of a queue that it has taken from.
 * forget_sources when somebody was told. */
bool apir_queue_is_spoilt(const struct apir_queue *queue);
void apir_queue_forget_sources(struct apir_queue *queue);

/* Says that the calls to come are long ones (graphs), so that waiting for them is judged by such. The caller holds the
 * lock. */
void apir_queue_expect_long(struct apir_queue *queue);

/* Counts a message of size bytes that goes through other shared memory. */
void apir_queue_count_message(struct apir_queue *queue, uint64_t size);

/* Counts data of tensors: size bytes, of which `inside` are part of the next request. The caller holds the lock. */
void apir_queue_count_data(struct apir_queue *queue, uint64_t size, uint64_t inside);

/* Locks and unlocks the queue around several steps that must stay together; nests. */
void apir_queue_lock(struct apir_queue *queue);
void apir_queue_unlock(struct apir_queue *queue);

/* Makes the next call of queue wait until call `sequence` of queue `on` has completed; no-op if it has. */
void apir_queue_wait_for(struct apir_queue *queue, uint32_t on, uint64_t sequence);

/* What the queue's own calls wait for by their order: an event of its own at `sequence`. Matters to calls that stand in for
 * it in another queue. */
void apir_queue_wait_for_own(struct apir_queue *queue, uint64_t sequence);

/* Makes the next call of queue wait for all that the next call of other would wait for. Whether that was an event of other's
 * own, too. No lock is held. */
bool apir_queue_wait_as(struct apir_queue *queue, struct apir_queue *other);

/* Sequence number that the next call will have, while the caller holds the lock. */
uint64_t apir_queue_next(const struct apir_queue *queue);

/* Number of the queue in its session: below APIR_MAX_QUEUES, 0 is the control queue. */
uint32_t apir_queue_id(const struct apir_queue *queue);

/* The session it belongs to. */
struct apir_session *apir_queue_session(const struct apir_queue *queue);

#endif
