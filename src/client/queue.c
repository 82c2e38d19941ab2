#include "client/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apir-codec.h"
#include "client/queue-private.h"
#include "client/upstream.h"
#include "util/clock.h"
#include "wire/capset.h"

enum {
    SIZE_OFFSET = 4, /* of request_header.size: known only once the arguments are written */
    SPARE_START = 4096, /* in the reply area: calls without results have short replies, and others are waited for */
};

/* A queue that was closed; NULL: there is none. */
static struct apir_queue *take_pooled(struct apir_session *session)
{
    struct apir_queue *queue = NULL;
    pthread_mutex_lock(&session->lock);
    for (uint32_t id = 0; id < APIR_MAX_QUEUES && !queue; id++) {
        if (session->closed >> id & 1) {
            queue = session->queues[id];
            session->closed &= ~(UINT64_C(1) << id);
        }
    }
    pthread_mutex_unlock(&session->lock);
    return queue;
}

static int take_number(struct apir_session *session, struct apir_queue *queue)
{
    pthread_mutex_lock(&session->lock);
    int ret = session->n_queues < APIR_MAX_QUEUES ? 0 : -EBUSY;
    if (ret == 0)
        queue->id = session->n_queues++;
    pthread_mutex_unlock(&session->lock);
    return ret;
}

/* With two at once one number may be lost. */
static void give_number(struct apir_queue *queue)
{
    struct apir_session *session = queue->session;
    pthread_mutex_lock(&session->lock);
    if (session->n_queues == queue->id + 1)
        session->n_queues--;
    pthread_mutex_unlock(&session->lock);
}

/* Other threads find it from here on: it is complete. */
static void publish(struct apir_queue *queue)
{
    pthread_mutex_lock(&queue->session->lock);
    queue->session->queues[queue->id] = queue;
    pthread_mutex_unlock(&queue->session->lock);
}

static void init_lock(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

/* Where requests go. */
static int open_ring(struct apir_queue *queue)
{
    int ret = apir_session_shm_create(queue->session, APIR_QUEUE_SIZE, &queue->memory);
    if (ret < 0)
        return ret;
    memset(queue->memory.data, 0, APIR_RING_OFFSET);
    apir_ring_producer_init(&queue->ring, queue->memory.data);
    const uint32_t words[] = {APIR_COMMAND_OPEN_QUEUE, queue->id, queue->memory.id};
    ret = apir_session_submit(queue->session, words, 3);
    if (ret == 0)
        ret = apir_session_sync(queue->session); /* calls of other queues may wait for calls of this one */
    if (ret == 0 && apir_ring_failed(queue->ring.ring)) /* the host gives us no more queues */
        ret = -EBUSY;
    if (ret < 0)
        apir_session_shm_destroy(queue->session, &queue->memory);
    return ret;
}

static void close_ring(struct apir_queue *queue)
{
    const uint32_t words[] = {APIR_COMMAND_CLOSE_QUEUE, queue->id, 0};
    apir_session_submit(queue->session, words, 3);
    apir_session_shm_destroy(queue->session, &queue->memory);
}

static void destroy(struct apir_queue *queue)
{
    free(queue->request);
    apir_arena_finish(&queue->scratch);
    free(queue->reply);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

static struct apir_queue *create(struct apir_session *session)
{
    struct apir_queue *queue = calloc(1, sizeof *queue);
    if (!queue)
        return NULL;
    queue->session = session;
    init_lock(&queue->lock);
    apir_queue_wait_init(queue);
    queue->request = malloc(APIR_MAX_RECORD);
    queue->reply = malloc(APIR_MAX_RECORD);
    if (queue->request && queue->reply)
        return queue;
    destroy(queue);
    errno = ENOMEM;
    return NULL;
}

struct apir_queue *apir_queue_open(struct apir_session *session)
{
    struct apir_queue *queue = take_pooled(session);
    if (queue)
        return queue;
    queue = create(session);
    if (!queue)
        return NULL;
    int ret = take_number(session, queue);
    if (ret < 0)
        goto err_queue;
    if (!session->upstream)
        ret = open_ring(queue);
    if (ret < 0)
        goto err_number;
    publish(queue);
    return queue;

err_number:
    give_number(queue);
err_queue:
    destroy(queue);
    errno = -ret;
    return NULL;
}

void apir_queue_close(struct apir_queue *queue)
{
    if (!queue)
        return;
    struct apir_session *session = queue->session;
    uint64_t bit = UINT64_C(1) << queue->id;
    pthread_mutex_lock(&session->lock);
    session->closed |= bit;
    for (uint32_t id = 0; id < APIR_MAX_QUEUES; id++) /* what it does for others from now on, they have not taken */
        if (session->queues[id])
            atomic_fetch_and_explicit(&session->queues[id]->sources, ~bit, memory_order_relaxed);
    pthread_mutex_unlock(&session->lock);
}

struct apir_queue *apir_queue_find(struct apir_session *session, uint32_t id)
{
    pthread_mutex_lock(&session->lock);
    struct apir_queue *queue = id < APIR_MAX_QUEUES ? session->queues[id] : NULL;
    pthread_mutex_unlock(&session->lock);
    return queue;
}

void apir_queue_destroy(struct apir_queue *queue)
{
    if (!queue)
        return;
    if (apir_queue_has_ring(queue))
        close_ring(queue);
    destroy(queue);
}

bool apir_queue_get_spare(const struct apir_queue *queue, struct apir_queue_spare *spare)
{
    if (!apir_queue_has_ring(queue))
        return false;
    *spare = (struct apir_queue_spare){
        .shm = queue->memory.id,
        .offset = APIR_REPLY_OFFSET + SPARE_START,
        .size = APIR_MAX_RECORD - SPARE_START,
        .data = (char *)queue->memory.data + APIR_REPLY_OFFSET + SPARE_START,
    };
    return true;
}

void apir_queue_lock(struct apir_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
}

void apir_queue_unlock(struct apir_queue *queue)
{
    pthread_mutex_unlock(&queue->lock);
}

uint64_t apir_queue_next(const struct apir_queue *queue)
{
    return atomic_load_explicit(&queue->sequence, memory_order_relaxed) + 1;
}

uint32_t apir_queue_id(const struct apir_queue *queue)
{
    return queue->id;
}

struct apir_session *apir_queue_session(const struct apir_queue *queue)
{
    return queue->session;
}

int apir_queue_begin(struct apir_queue *queue, uint32_t call, struct apir_enc *request)
{
    int ret = apir_session_error(queue->session);
    if (ret < 0)
        return ret;
    pthread_mutex_lock(&queue->lock);
    queue->call = call;
    uint64_t sequence = apir_queue_next(queue);
    apir_enc_init(request, queue->request, APIR_MAX_RECORD);
    struct apir_request_header header = {
        .call = call, .sequence = sequence, .waits = queue->waits, .n_waits = queue->n_waits};
    apir_encode_request_header(request, &header);
    return 0;
}

void apir_queue_expect_long(struct apir_queue *queue)
{
    queue->expects_long = true;
}

void apir_queue_count_message(struct apir_queue *queue, uint64_t size)
{
    apir_session_count(&queue->session->counters.message_bytes, size);
}

void apir_queue_count_data(struct apir_queue *queue, uint64_t size, uint64_t inside)
{
    apir_session_count(&queue->session->counters.data_bytes, size);
    queue->inside = inside;
}

/* Copies the reply out of shared memory and reads its header; *reply is then at the results. */
static int read_reply(struct apir_queue *queue, struct apir_arena *arena, struct apir_dec *reply)
{
    const void *area = apir_ring_reply(queue->memory.data);
    uint32_t size = *(const volatile uint32_t *)area; /* once: what the host stores later does not count */
    if (size < sizeof size || size > APIR_MAX_RECORD)
        return -EBADMSG;
    uint8_t *copy = arena ? apir_arena_alloc(arena, size) : queue->reply;
    if (!copy)
        return -ENOMEM;
    memcpy(copy, area, size);
    apir_session_count(&queue->session->counters.message_bytes, size);

    struct apir_reply_header header;
    apir_dec_init(reply, copy, size, arena);
    apir_decode_reply_header(reply, &header);
    if (!apir_dec_ok(reply) || header.size != size ||
        header.sequence != atomic_load_explicit(&queue->sequence, memory_order_relaxed) || header.status > 0)
        return -EBADMSG;
    return header.status;
}

/* Has the call served in this process, by what the session has in place of a worker. */
static int serve_here(struct apir_queue *queue, const struct apir_enc *request, struct apir_arena *arena,
                      struct apir_dec *reply)
{
    struct apir_request_header header;
    struct apir_dec args;
    struct apir_enc results;
    apir_dec_init(&args, request->start, apir_enc_used(request), &queue->scratch);
    apir_decode_request_header(&args, &header);
    apir_enc_init(&results, queue->reply, APIR_MAX_RECORD);
    int ret = apir_upstream_serve(queue->session->upstream, queue->call, &args, &queue->scratch, &results);
    apir_arena_reset(&queue->scratch);
    size_t size = apir_enc_used(&results);
    uint8_t *copy = ret == 0 && arena ? apir_arena_alloc(arena, size) : queue->reply;
    if (ret < 0 || !copy)
        return ret < 0 ? ret : -ENOMEM;
    if (arena)
        memcpy(copy, queue->reply, size);
    apir_dec_init(reply, copy, size, arena);
    return ret;
}

/* Waits for half of what the ring holds to be done: then there is room. */
static int make_room(struct apir_queue *queue, uint64_t sequence)
{
    /* relaxed: a number to reckon with */
    uint32_t completed = atomic_load_explicit(&queue->ring.ring->completed, memory_order_relaxed);
    uint32_t backlog = (uint32_t)(sequence - 1) - completed;
    return apir_queue_wait_complete(queue, sequence - 1 - backlog / 2);
}

/* Wakes the worker's thread of this queue. */
static int ring_doorbell(struct apir_queue *queue)
{
    struct apir_transport *transport = queue->session->transport;
    const uint32_t words[] = {APIR_COMMAND_KICK, queue->id, 0};
    apir_session_count(&queue->session->counters.doorbells, 1);
    if (transport->ops->wake && transport->ops->wake(transport, &queue->ring.ring->parked))
        return 0;
    return apir_session_submit(queue->session, words, 3);
}

/* Puts the request into the ring, and wakes the worker if it sleeps. */
static int push(struct apir_queue *queue, struct apir_enc *request, uint64_t sequence)
{
    struct apir_enc patch;
    uint32_t size = (uint32_t)apir_enc_used(request);
    apir_enc_init(&patch, request->start + SIZE_OFFSET, sizeof(uint32_t));
    apir_enc_u32(&patch, size);
    int ret;
    while ((ret = apir_ring_push(&queue->ring, request->start, size)) == -EAGAIN) {
        ret = make_room(queue, sequence);
        if (ret < 0)
            return ret;
    }
    apir_session_count(&queue->session->counters.calls, 1);
    apir_session_count(&queue->session->counters.message_bytes, size - queue->inside);
    queue->inside = 0;
    if (ret < 0 || !apir_ring_take_parked(queue->ring.ring))
        return ret;
    return ring_doorbell(queue);
}

/* Sends the request and waits for the reply. */
static int send_request(struct apir_queue *queue, struct apir_enc *request, uint64_t sequence, struct apir_arena *arena,
                        struct apir_dec *reply)
{
    int ret = push(queue, request, sequence);
    if (ret == 0)
        ret = apir_queue_wait_complete(queue, sequence);
    if (ret == 0)
        ret = read_reply(queue, arena, reply);
    if (ret < 0 && ret != -ENOMEM)
        apir_session_fail(queue->session, ret, apir_call_name(queue->call));
    return ret;
}

/* The number of a request that is ready, or -errno. */
static int64_t take_sequence(struct apir_queue *queue, const struct apir_enc *request)
{
    if (!apir_enc_ok(request)) {
        apir_debug(queue->session->log, "%s: %s", apir_call_name(queue->call), request->fatal);
        return -EMSGSIZE;
    }
    uint64_t sequence = apir_queue_next(queue);
    queue->n_waits = 0; /* they are in the request; those of one that does not fit are left to the next */
    queue->own_wait = 0;
    atomic_store_explicit(&queue->sequence, sequence, memory_order_release);
    return (int64_t)sequence;
}

int apir_queue_submit(struct apir_queue *queue, struct apir_enc *request, struct apir_arena *arena,
                      struct apir_dec *reply)
{
    int64_t sequence = take_sequence(queue, request);
    if (sequence < 0)
        return (int)sequence;
    uint64_t start = apir_log_enabled(queue->session->log, APIR_LOG_DEBUG) ? apir_clock_now() : 0;
    int ret = queue->session->upstream ? serve_here(queue, request, arena, reply)
                                       : send_request(queue, request, (uint64_t)sequence, arena, reply);
    if (start)
        apir_debug(queue->session->log, "%s took %.1f us%s", apir_call_name(queue->call),
                   (double)(apir_clock_now() - start) / 1e3, ret < 0 ? " and failed" : "");
    return ret;
}

/* Posts in a session of 0.x: the call is made at once. */
static int post_here(struct apir_queue *queue, const struct apir_enc *request)
{
    struct apir_dec reply;
    int ret = serve_here(queue, request, NULL, &reply);
    if (ret > 0 && atomic_load_explicit(&queue->failed, memory_order_relaxed) == 0)
        atomic_store_explicit(&queue->failed, (uint32_t)ret, memory_order_relaxed);
    return ret < 0 ? ret : 0;
}

int apir_queue_post(struct apir_queue *queue, struct apir_enc *request)
{
    int64_t sequence = take_sequence(queue, request);
    int ret = sequence < 0 ? (int)sequence : 0;
    if (ret == 0 && queue->session->upstream) {
        ret = post_here(queue, request);
    } else if (ret == 0) {
        ret = push(queue, request, (uint64_t)sequence);
        if (ret < 0)
            apir_session_fail(queue->session, ret, apir_call_name(queue->call));
    }
    pthread_mutex_unlock(&queue->lock);
    return ret;
}

int apir_queue_end(struct apir_queue *queue, struct apir_dec *reply, int ret)
{
    if (reply && ret == 0 && !apir_dec_finish(reply)) {
        ret = -EBADMSG;
        apir_session_fail(queue->session, ret, apir_call_name(queue->call));
    }
    pthread_mutex_unlock(&queue->lock);
    return ret;
}
