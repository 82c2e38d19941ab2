#include "client/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apir-codec.h"
#include "apir-protocol.h"
#include "client/session-private.h"
#include "client/upstream.h"
#include "util/clock.h"
#include "wire/capset.h"
#include "wire/ring.h"

enum {
    SIZE_OFFSET = 4, /* of request_header.size: known only once the arguments are written */
};

/* A call may take as long as it takes, but a host that is gone is noticed: every so often it must take a command. */
#define PROBE_INTERVAL_NS UINT64_C(2000000000)
#define PROBE_TIMEOUT_NS UINT64_C(5000000000)

struct apir_queue {
    struct apir_session *session; /* borrowed */
    uint32_t id;
    struct apir_shm memory;     /* none when the session speaks 0.x: calls are then served in this process */
    struct apir_ring_producer ring;
    uint8_t *request;           /* what is written before it goes into the ring */
    pthread_mutex_t lock;       /* recursive; held for the length of a call; guards all below */
    uint32_t call;              /* the one in flight */
    _Atomic uint64_t sequence;  /* of the last call begun; written under the lock, read by other queues */
    _Atomic uint64_t completed; /* of the last call answered */
    uint64_t started_ns;
    struct apir_dependency waits[APIR_MAX_WAITS];
    uint32_t n_waits;
    struct apir_arena scratch; /* of a call that is served here */
    uint8_t *reply;            /* private copy of the reply, when the caller gave no arena */
};

static int take_number(struct apir_session *session, struct apir_queue *queue)
{
    pthread_mutex_lock(&session->lock);
    int ret = -EBUSY;
    for (uint32_t id = 0; id < APIR_MAX_QUEUES && ret < 0; id++) {
        if (!session->queues[id]) {
            session->queues[id] = queue;
            queue->id = id;
            ret = 0;
        }
    }
    pthread_mutex_unlock(&session->lock);
    return ret;
}

static void give_number(struct apir_queue *queue)
{
    pthread_mutex_lock(&queue->session->lock);
    queue->session->queues[queue->id] = NULL;
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

struct apir_queue *apir_queue_open(struct apir_session *session)
{
    struct apir_queue *queue = calloc(1, sizeof *queue);
    if (!queue)
        return NULL;
    queue->session = session;
    init_lock(&queue->lock);
    int ret = -ENOMEM;
    queue->request = malloc(APIR_MAX_RECORD);
    queue->reply = malloc(APIR_MAX_RECORD);
    if (!queue->request || !queue->reply)
        goto err_reply;
    ret = take_number(session, queue);
    if (ret < 0)
        goto err_reply;
    ret = session->upstream ? 0 : open_ring(queue);
    if (ret < 0)
        goto err_number;
    return queue;

err_number:
    give_number(queue);
err_reply:
    free(queue->request);
    free(queue->reply);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
    errno = -ret;
    return NULL;
}

void apir_queue_close(struct apir_queue *queue)
{
    if (!queue)
        return;
    if (apir_session_error(queue->session) != -EOWNERDEAD) {
        if (queue->memory.data)
            close_ring(queue);
        give_number(queue);
    }
    free(queue->request);
    apir_arena_finish(&queue->scratch);
    free(queue->reply);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
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

/* Whether call `sequence` of queue `on` still runs; a closed queue has nothing that runs. */
static bool still_runs(struct apir_session *session, uint32_t on, uint64_t sequence)
{
    pthread_mutex_lock(&session->lock);
    struct apir_queue *other = on < APIR_MAX_QUEUES ? session->queues[on] : NULL;
    bool runs = other && atomic_load_explicit(&other->completed, memory_order_acquire) < sequence &&
                atomic_load_explicit(&other->sequence, memory_order_acquire) >= sequence;
    pthread_mutex_unlock(&session->lock);
    return runs;
}

void apir_queue_wait_for(struct apir_queue *queue, uint32_t on, uint64_t sequence)
{
    if (on == queue->id || queue->n_waits == APIR_MAX_WAITS || !still_runs(queue->session, on, sequence))
        return;
    queue->waits[queue->n_waits++] = (struct apir_dependency){.queue = on, .sequence = sequence};
}

/* A call of a stream comes after every control call begun before it (buffers know no stream). */
static void wait_for_control(struct apir_queue *queue)
{
    struct apir_queue *control = queue->session->control;
    if (control && control != queue)
        apir_queue_wait_for(queue, control->id, atomic_load_explicit(&control->sequence, memory_order_acquire));
}

int apir_queue_begin(struct apir_queue *queue, uint32_t call, struct apir_enc *request)
{
    int ret = apir_session_error(queue->session);
    if (ret < 0)
        return ret;
    pthread_mutex_lock(&queue->lock);
    wait_for_control(queue);
    queue->call = call;
    queue->started_ns = apir_clock_now();
    uint64_t sequence = apir_queue_next(queue);
    apir_enc_init(request, queue->request, APIR_MAX_RECORD);
    struct apir_request_header header = {
        .call = call, .sequence = sequence, .waits = queue->waits, .n_waits = queue->n_waits};
    apir_encode_request_header(request, &header);
    queue->n_waits = 0;
    return 0;
}

/* Whether the host still takes commands; the kick of an idle queue is one without effect. */
static int probe(struct apir_session *session)
{
    struct apir_transport *transport = session->transport;
    const uint32_t words[] = {APIR_COMMAND_KICK + transport->command_base, 0, 0};
    if (!transport->ops->probe)
        return 0;
    return transport->ops->probe(transport, words, sizeof words, PROBE_TIMEOUT_NS);
}

/* 0 once the worker has done call `sequence`, -errno if it never will. */
static int wait_complete(struct apir_queue *queue, uint64_t sequence)
{
    struct apir_session *session = queue->session;
    struct apir_transport *transport = session->transport;
    struct apir_ring *ring = queue->ring.ring;
    uint64_t limit = queue->call == APIR_CALL_LOAD_LIBRARY ? queue->session->load_ns : UINT64_MAX;
    uint64_t next_probe = PROBE_INTERVAL_NS;
    while (!apir_ring_is_complete(ring, sequence)) {
        /* relaxed: a value to wait for a change of; apir_ring_is_complete looks again */
        uint32_t seen = atomic_load_explicit(&ring->completed, memory_order_relaxed);
        uint64_t waited = apir_clock_now() - queue->started_ns;
        if (apir_ring_is_complete(ring, sequence))
            break;
        if (waited >= limit)
            return -ETIMEDOUT;
        int ret = transport->ops->wait(transport, &ring->completed, seen, &ring->sleeping, limit - waited);
        if (apir_ring_is_complete(ring, sequence))
            break;
        if (ret == 0 && apir_session_is_dead(session))
            ret = -EPIPE;
        if (ret == 0)
            ret = apir_session_error(session);
        if (ret == 0 && waited >= next_probe) {
            ret = probe(session);
            next_probe = waited + PROBE_INTERVAL_NS;
        }
        if (ret < 0)
            return ret;
    }
    return 0;
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
    return 0;
}

/* Puts the request into the ring, and wakes the worker if it sleeps. */
static int push(struct apir_queue *queue, const struct apir_enc *request)
{
    int ret = apir_ring_push(&queue->ring, request->start, (uint32_t)apir_enc_used(request));
    if (ret < 0 || !apir_ring_take_parked(queue->ring.ring))
        return ret;
    const uint32_t words[] = {APIR_COMMAND_KICK, queue->id, 0};
    return apir_session_submit(queue->session, words, 3);
}

/* Sends the request and waits for the reply. */
static int send_request(struct apir_queue *queue, struct apir_enc *request, uint64_t sequence, struct apir_arena *arena,
                        struct apir_dec *reply)
{
    struct apir_enc patch;
    apir_enc_init(&patch, request->start + SIZE_OFFSET, sizeof(uint32_t));
    apir_enc_u32(&patch, (uint32_t)apir_enc_used(request));

    int ret = push(queue, request);
    if (ret == 0)
        ret = wait_complete(queue, sequence);
    if (ret == 0)
        ret = read_reply(queue, arena, reply);
    if (ret < 0 && ret != -ENOMEM)
        apir_session_fail(queue->session, ret, apir_call_name(queue->call));
    return ret;
}

int apir_queue_submit(struct apir_queue *queue, struct apir_enc *request, struct apir_arena *arena,
                      struct apir_dec *reply)
{
    if (!apir_enc_ok(request)) {
        apir_debug(queue->session->log, "%s: %s", apir_call_name(queue->call), request->fatal);
        return -EMSGSIZE;
    }
    uint64_t sequence = apir_queue_next(queue);
    atomic_store_explicit(&queue->sequence, sequence, memory_order_release);
    int ret = queue->session->upstream ? serve_here(queue, request, arena, reply)
                                       : send_request(queue, request, sequence, arena, reply);
    atomic_store_explicit(&queue->completed, sequence, memory_order_release);
    return ret;
}

int apir_queue_end(struct apir_queue *queue, struct apir_dec *reply, int ret)
{
    if (reply && ret == 0 && !apir_dec_finish(reply)) {
        ret = -EBADMSG;
        apir_session_fail(queue->session, ret, apir_call_name(queue->call));
    }
    apir_debug(queue->session->log, "%s took %.1f us%s", apir_call_name(queue->call),
               (double)(apir_clock_now() - queue->started_ns) / 1e3, ret < 0 ? ", failed" : "");
    pthread_mutex_unlock(&queue->lock);
    return ret;
}
