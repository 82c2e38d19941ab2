/* Waiting: for calls to be done, and of calls for each other. */
#include <errno.h>
#include <string.h>

#include "client/queue-private.h"
#include "util/clock.h"
#include "wire/capset.h"

enum {
    MAX_SPIN_NS = 2500 * 1000,      /* a token of a small model; who waits longer sleeps */
    SPIN_ON_NS = 20 * 1000 * 1000,
    MAX_MARGIN_NS = 500 * 1000,     /* by which a sleep ends before its wait is expected to */
};

/* A call may take as long as it takes, but a host that is gone is noticed: every so often it must take a command. */
#define PROBE_INTERVAL_NS UINT64_C(1000000000)
#define PROBE_TIMEOUT_NS UINT64_C(5000000000)

void apir_queue_wait_init(struct apir_queue *queue)
{
    for (unsigned i = 0; i < APIR_QUEUE_KINDS; i++)
        apir_spin_init(&queue->spins[i], MAX_SPIN_NS);
}

bool apir_queue_is_done(const struct apir_queue *queue, uint64_t sequence)
{
    if (!apir_queue_has_ring(queue))
        return true;
    /* acquire: what the calls did is seen; the number of the last call is read after it, and is no smaller */
    uint32_t completed = atomic_load_explicit(&queue->ring.ring->completed, memory_order_acquire);
    uint64_t last = atomic_load_explicit(&queue->sequence, memory_order_relaxed);
    return last - (uint32_t)((uint32_t)last - completed) >= sequence;
}

static struct apir_queue *queue_at(struct apir_session *session, uint32_t id)
{
    pthread_mutex_lock(&session->lock);
    struct apir_queue *queue = id < APIR_MAX_QUEUES ? session->queues[id] : NULL;
    pthread_mutex_unlock(&session->lock);
    return queue;
}

/* Whether call `sequence` of queue `on` still runs. */
static bool still_runs(struct apir_session *session, uint32_t on, uint64_t sequence)
{
    struct apir_queue *other = queue_at(session, on);
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

bool apir_queue_wait_as(struct apir_queue *queue, struct apir_queue *other)
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
    return own != 0;
}

/* Whether the host still takes commands; the kick of an idle queue is one without effect. One thread asks for all: the others
 * learn of it by the session's error. */
static int probe(struct apir_session *session)
{
    struct apir_transport *transport = session->transport;
    const uint32_t words[] = {APIR_COMMAND_KICK + transport->command_base, 0, 0};
    /* acquire: pairs with the release below: what the last one found is known */
    if (!transport->ops->probe || atomic_exchange_explicit(&session->probing, true, memory_order_acquire))
        return 0;
    int ret = apir_session_error(session);
    if (ret == 0)
        ret = transport->ops->probe(transport, words, sizeof words, PROBE_TIMEOUT_NS);
    if (ret < 0)
        apir_session_fail(session, ret, "the host takes no commands");
    atomic_store_explicit(&session->probing, false, memory_order_release);
    return ret;
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

/* Sleeps through most of the time that such waits last, if that is long, and then looks for the rest: to be woken takes
 * time, too, and some hosts cannot wake. */
static void nap(struct apir_queue *queue, const struct apir_spin *spin, struct goal *goal)
{
    struct apir_transport *transport = queue->session->transport;
    struct apir_ring *ring = queue->ring.ring;
    if (spin->expected_ns <= spin->max_ns || queue->call == APIR_CALL_LOAD_LIBRARY)
        return;
    uint64_t margin = spin->expected_ns / 8 < MAX_MARGIN_NS ? spin->expected_ns / 8 : MAX_MARGIN_NS;
    uint64_t ns = spin->expected_ns - margin;
    apir_ring_want(ring, goal->sequence);
    /* relaxed: a value to wait for a change of */
    uint32_t seen = atomic_load_explicit(&ring->completed, memory_order_relaxed);
    if (!transport->ops->wakes)
        apir_clock_sleep(ns);
    else if (!is_reached(goal))
        transport->ops->wait(transport, &ring->completed, seen, &ring->sleeping, ns);
    if (spin->allowed)
        apir_spin_for(2 * margin, is_reached, goal);
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
        if (ret == 0 && apir_session_is_dead(session))
            ret = -EPIPE;
        if (refusal(queue)) /* says more, and comes first: what was posted after it is never done */
            ret = refusal(queue);
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

/* In the way that is best: by looking at first, then by sleep. */
int apir_queue_wait_complete(struct apir_queue *queue, uint64_t sequence)
{
    struct goal goal = {.ring = queue->ring.ring, .sequence = sequence};
    struct apir_spin *spin = &queue->spins[queue->expects_long ? APIR_QUEUE_LONG : APIR_QUEUE_SHORT];
    if (is_reached(&goal))
        return 0;
    apir_session_count(&queue->session->counters.waits, 1);
    queue->expects_long = false;
    uint64_t start = apir_clock_now();
    int ret = 0;
    if (!may_spin(queue->session) || !apir_spin_until(spin, is_reached, &goal)) {
        apir_session_count(&queue->session->counters.sleeps, 1);
        if (may_spin(queue->session))
            nap(queue, spin, &goal);
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
        ret = apir_queue_wait_complete(queue, sequence);
        pthread_mutex_unlock(&queue->lock);
    }
    if (ret == 0)
        ret = refusal(queue);
    if (ret < 0)
        apir_session_fail(queue->session, ret, "calls that were posted");
    return ret;
}

int apir_queue_sync(struct apir_queue *queue)
{
    return apir_queue_sync_to(queue, apir_queue_next(queue) - 1);
}

uint32_t apir_queue_failed(const struct apir_queue *queue)
{
    /* relaxed: for the thread that posted */
    return apir_queue_has_ring(queue) ? apir_ring_failed(queue->ring.ring)
                           : atomic_load_explicit(&queue->failed, memory_order_relaxed);
}

void apir_queue_clear_failed(struct apir_queue *queue)
{
    if (refusal(queue)) /* stays: it ends the session */
        return;
    if (apir_queue_has_ring(queue))
        apir_ring_clear_failed(queue->ring.ring);
    atomic_store_explicit(&queue->failed, 0, memory_order_relaxed);
}

void apir_queue_take_from(struct apir_queue *queue, const struct apir_queue *source)
{
    /* relaxed, all of sources: by who uses the queues, and orders that as it does its data */
    uint64_t sources = atomic_load_explicit(&source->sources, memory_order_relaxed) | UINT64_C(1) << source->id;
    if (queue != source)
        atomic_fetch_or_explicit(&queue->sources, sources, memory_order_relaxed);
}

bool apir_queue_is_spoilt(const struct apir_queue *queue)
{
    uint64_t sources = atomic_load_explicit(&queue->sources, memory_order_relaxed);
    bool spoilt = apir_queue_failed(queue) != 0;
    for (; sources && !spoilt; sources &= sources - 1) {
        const struct apir_queue *source = queue_at(queue->session, (uint32_t)__builtin_ctzll(sources));
        spoilt = source && apir_queue_failed(source) != 0;
    }
    return spoilt;
}

void apir_queue_forget_sources(struct apir_queue *queue)
{
    atomic_store_explicit(&queue->sources, 0, memory_order_relaxed);
}
