#include "client/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apir-codec.h"
#include "apir-protocol.h"
#include "client/session-private.h"
#include "client/upstream.h"
#include "util/clock.h"
#include "util/spin.h"
#include "wire/capset.h"
#include "wire/ring.h"

enum {
    SIZE_OFFSET = 4, /* of request_header.size: known only once the arguments are written */
    MAX_SPIN_NS = 2500 * 1000,      /* a token of a small model; who waits longer sleeps */
    SPIN_ON_NS = 20 * 1000 * 1000,
    DOZE_FROM_NS = 2500 * 1000,
    MAX_DOZE_NS = 50 * 1000 * 1000, /* a sleep that does not see the session's end */
};

/* Kinds of waits. */
enum { SHORT, LONG };

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
    _Atomic uint32_t failed;    /* 0.x: how a posted call failed */
    bool expects_long;          /* until the next wait */
    struct apir_spin spins[2];  /* of waits for short calls, and for long ones */
    uint64_t inside;            /* bytes of tensor data in the next request */
    struct apir_dependency waits[APIR_MAX_WAITS];
    uint32_t n_waits;
    uint64_t own_wait;         /* of its own calls, for those that stand in for it */
    struct apir_arena scratch; /* of a call that is served here */
    uint8_t *reply;            /* private copy of the reply, when the caller gave no arena */
};

/* Not in 0.x, nor in a forked child. */
static bool has_ring(const struct apir_queue *queue)
{
    return queue->memory.data && apir_session_is_own(queue->session);
}

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
    if (ret == 0) {
        queue->id = session->n_queues++;
        session->queues[queue->id] = queue;
    }
    pthread_mutex_unlock(&session->lock);
    return ret;
}

/* Nobody has used it. With two at once one number may be lost. */
static void give_number(struct apir_queue *queue)
{
    struct apir_session *session = queue->session;
    pthread_mutex_lock(&session->lock);
    if (session->queues[queue->id] == queue)
        session->queues[queue->id] = NULL;
    if (session->n_queues == queue->id + 1 && !session->queues[queue->id])
        session->n_queues--;
    pthread_mutex_unlock(&session->lock);
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
    apir_spin_init(&queue->spins[SHORT], MAX_SPIN_NS);
    apir_spin_init(&queue->spins[LONG], MAX_SPIN_NS);
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
    if (ret == 0 && !session->upstream)
        ret = open_ring(queue);
    if (ret == 0)
        return queue;
    give_number(queue);
    destroy(queue);
    errno = -ret;
    return NULL;
}

void apir_queue_close(struct apir_queue *queue)
{
    if (!queue)
        return;
    pthread_mutex_lock(&queue->session->lock);
    queue->session->closed |= UINT64_C(1) << queue->id;
    pthread_mutex_unlock(&queue->session->lock);
}

void apir_queue_destroy(struct apir_queue *queue)
{
    if (!queue)
        return;
    if (has_ring(queue))
        close_ring(queue);
    destroy(queue);
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

bool apir_queue_is_done(const struct apir_queue *queue, uint64_t sequence)
{
    if (!has_ring(queue))
        return true;
    /* acquire: what the calls did is seen; the number of the last call is read after it, and is no smaller */
    uint32_t completed = atomic_load_explicit(&queue->ring.ring->completed, memory_order_acquire);
    uint64_t last = atomic_load_explicit(&queue->sequence, memory_order_relaxed);
    return last - (uint32_t)((uint32_t)last - completed) >= sequence;
}

/* Whether call `sequence` of queue `on` still runs. */
static bool still_runs(struct apir_session *session, uint32_t on, uint64_t sequence)
{
    pthread_mutex_lock(&session->lock);
    struct apir_queue *other = on < APIR_MAX_QUEUES ? session->queues[on] : NULL;
    pthread_mutex_unlock(&session->lock);
    return other && !apir_queue_is_done(other, sequence) &&
           atomic_load_explicit(&other->sequence, memory_order_acquire) >= sequence;
}

/* One number of each queue is enough: that of its latest call. */
static bool raise_wait(struct apir_queue *queue, uint32_t on, uint64_t sequence)
{
    for (uint32_t i = 0; i < queue->n_waits; i++) {
        if (queue->waits[i].queue != on)
            continue;
        if (queue->waits[i].sequence < sequence)
            queue->waits[i].sequence = sequence;
        return true;
    }
    return false;
}

void apir_queue_wait_for(struct apir_queue *queue, uint32_t on, uint64_t sequence)
{
    if (on == queue->id || !still_runs(queue->session, on, sequence))
        return;
    pthread_mutex_lock(&queue->lock);
    if (!raise_wait(queue, on, sequence)) /* there is room: as many as there are queues */
        queue->waits[queue->n_waits++] = (struct apir_dependency){.queue = on, .sequence = sequence};
    pthread_mutex_unlock(&queue->lock);
}

void apir_queue_wait_for_own(struct apir_queue *queue, uint64_t sequence)
{
    pthread_mutex_lock(&queue->lock);
    if (queue->own_wait < sequence)
        queue->own_wait = sequence;
    pthread_mutex_unlock(&queue->lock);
}

void apir_queue_wait_as(struct apir_queue *queue, struct apir_queue *other)
{
    struct apir_dependency waits[APIR_MAX_WAITS];
    pthread_mutex_lock(&other->lock); /* never two of these at once */
    uint32_t n = other->n_waits;
    memcpy(waits, other->waits, n * sizeof *waits);
    uint64_t own = other->own_wait;
    pthread_mutex_unlock(&other->lock);
    if (own)
        apir_queue_wait_for(queue, other->id, own);
    for (uint32_t i = 0; i < n; i++)
        apir_queue_wait_for(queue, waits[i].queue, waits[i].sequence);
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

/* What is waited for. */
struct goal {
    const struct apir_ring *ring;
    uint64_t sequence;
};

static bool is_reached(void *data)
{
    const struct goal *goal = data;
    return apir_ring_is_complete(goal->ring, goal->sequence);
}

/* Where nothing can wake a sleeper, it sleeps through most of the time that such waits last, and then looks often. */
static void doze(struct apir_queue *queue, const struct apir_spin *spin)
{
    if (queue->session->transport->ops->wakes || spin->expected_ns <= DOZE_FROM_NS || queue->call == APIR_CALL_LOAD_LIBRARY)
        return;
    uint64_t ns = spin->expected_ns - spin->expected_ns / 8;
    apir_clock_sleep(ns < MAX_DOZE_NS ? ns : MAX_DOZE_NS);
}

/* A refused call that nobody waited for: 0, or its error. */
static int refusal(const struct apir_queue *queue)
{
    int32_t failed = (int32_t)apir_queue_failed(queue);
    return failed < 0 && failed > -4096 ? failed : 0;
}

/* Where the policy is never to sleep: looks for a time, after which the session's end is to be looked for. */
static bool spin_on(const struct apir_queue *queue, uint64_t sequence)
{
    struct goal goal = {.ring = queue->ring.ring, .sequence = sequence};
    struct apir_spin spin;
    if (queue->session->wait != APIR_WAIT_SPIN)
        return false;
    apir_spin_init(&spin, SPIN_ON_NS);
    spin.expected_ns = SPIN_ON_NS / 2;
    apir_spin_until(&spin, is_reached, &goal);
    return spin.allowed;
}

/* 0 once the worker has done call `sequence`, -errno if it never will. */
static int sleep_until_complete(struct apir_queue *queue, uint64_t sequence, uint64_t start)
{
    struct apir_session *session = queue->session;
    struct apir_transport *transport = session->transport;
    struct apir_ring *ring = queue->ring.ring;
    uint64_t limit = queue->call == APIR_CALL_LOAD_LIBRARY ? queue->session->load_ns : UINT64_MAX;
    uint64_t next_probe = PROBE_INTERVAL_NS;
    apir_ring_want(ring, sequence);
    while (!apir_ring_is_complete(ring, sequence)) {
        /* relaxed: a value to wait for a change of; apir_ring_is_complete looks again */
        uint32_t seen = atomic_load_explicit(&ring->completed, memory_order_relaxed);
        uint64_t waited = apir_clock_now() - start;
        if (apir_ring_is_complete(ring, sequence))
            break;
        if (waited >= limit)
            return -ETIMEDOUT;
        int ret = transport->ops->wait(transport, &ring->completed, seen, &ring->sleeping,
                                       spin_on(queue, sequence) ? 0 : limit - waited);
        if (apir_ring_is_complete(ring, sequence))
            break;
        if (ret == -EPIPE || (ret == 0 && apir_session_is_dead(session)))
            ret = refusal(queue) ? refusal(queue) : -EPIPE;
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

static bool may_spin(const struct apir_session *session)
{
    return session->wait != APIR_WAIT_SLEEP;
}

/* The same, in the way that is best: by looking at first, then by sleep. */
static int wait_complete(struct apir_queue *queue, uint64_t sequence)
{
    struct goal goal = {.ring = queue->ring.ring, .sequence = sequence};
    struct apir_spin *spin = &queue->spins[queue->expects_long ? LONG : SHORT];
    if (is_reached(&goal))
        return 0;
    apir_session_count(&queue->session->counters.waits, 1);
    queue->expects_long = false;
    uint64_t start = apir_clock_now();
    int ret = 0;
    if (!may_spin(queue->session) || !apir_spin_until(spin, is_reached, &goal)) {
        apir_session_count(&queue->session->counters.sleeps, 1);
        doze(queue, spin);
        ret = sleep_until_complete(queue, sequence, start);
    }
    apir_spin_learn(spin, apir_clock_now() - start);
    return ret;
}

int apir_queue_sync_to(struct apir_queue *queue, uint64_t sequence)
{
    int ret = apir_session_error(queue->session);
    if (ret < 0)
        return ret;
    if (!apir_queue_is_done(queue, sequence)) {
        pthread_mutex_lock(&queue->lock);
        ret = wait_complete(queue, sequence);
        pthread_mutex_unlock(&queue->lock);
    }
    if (ret == 0)
        ret = refusal(queue);
    if (ret < 0)
        apir_session_fail(queue->session, ret, apir_call_name(queue->call));
    return ret;
}

int apir_queue_sync(struct apir_queue *queue)
{
    return apir_queue_sync_to(queue, apir_queue_next(queue) - 1);
}

uint32_t apir_queue_failed(const struct apir_queue *queue)
{
    /* relaxed: for the thread that posted */
    return has_ring(queue) ? apir_ring_failed(queue->ring.ring)
                           : atomic_load_explicit(&queue->failed, memory_order_relaxed);
}

void apir_queue_clear_failed(struct apir_queue *queue)
{
    if (has_ring(queue))
        apir_ring_clear_failed(queue->ring.ring);
    atomic_store_explicit(&queue->failed, 0, memory_order_relaxed);
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
    return wait_complete(queue, sequence - 1 - backlog / 2);
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
        ret = wait_complete(queue, sequence);
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
