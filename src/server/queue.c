#include "server/queue.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "apir-codec.h"
#include "util/arena.h"
#include "util/clock.h"
#include "util/move.h"
#include "util/spin.h"
#include "wire/cs.h"
#include "wire/ring.h"

enum {
    PATIENCE = 16,             /* between two moves: one may be in vain, and costs tens of microseconds */
    LONG_PATIENCE = 1024,      /* after one that found the machine busy */
    MAX_SPIN_NS = 1000 * 1000, /* what a program does between two tokens mostly takes less */
};

struct apir_server_queue {
    struct apir_server_queues *all; /* borrowed */
    uint32_t id;
    struct apir_mapping *memory; /* counted */
    struct apir_ring_consumer ring;
    pthread_t thread;
    _Atomic bool stopping;   /* the queue is closed, or all are */
    uint64_t completed;      /* sequence number of the last call answered; guarded by all->lock */
    unsigned patience;       /* how often it may be too crowded here before this thread moves again */
    struct apir_spin spin;   /* of the wait for the next request */
    struct apir_watch watch; /* of the thread */
    uint8_t *request;        /* private copy, APIR_MAX_RECORD */
    uint8_t *reply;          /* the same for the reply */
    struct apir_arena arena; /* of the call that runs */
};

void apir_server_queues_init(struct apir_server_queues *queues)
{
    memset(queues, 0, sizeof *queues);
    pthread_mutex_init(&queues->lock, NULL);
    pthread_cond_init(&queues->completed, NULL);
}

static bool is_stopping(const struct apir_server_queue *queue)
{
    /* seq_cst: pairs with wake_to_stop, see there */
    return atomic_load_explicit(&queue->stopping, memory_order_seq_cst);
}

static void futex(_Atomic uint32_t *word, int operation, uint32_t value)
{
    syscall(SYS_futex, word, operation, value, NULL, NULL, 0);
}

static void wake(struct apir_server_queue *queue)
{
    /* relaxed: what the sleeper is to see was stored before, and its futex orders the rest */
    atomic_store_explicit(&queue->ring.ring->parked, 0, memory_order_relaxed);
    futex(&queue->ring.ring->parked, FUTEX_WAKE, INT_MAX);
}

static bool has_work(void *data)
{
    struct apir_server_queue *queue = data;
    return apir_ring_has_record(&queue->ring) || is_stopping(queue);
}

/* A guest on the same processor runs only when this thread does not. The kernel takes its time to part them. */
static void leave_to_guest(struct apir_server_queue *queue)
{
    if (!apir_spin_is_crowded(&queue->spin))
        return;
    queue->spin.crowded = 0;
    if (queue->patience)
        queue->patience--;
    else
        queue->patience = apir_move_away() ? PATIENCE : LONG_PATIENCE;
}

/* Returns when there is something to do; false when the queue is to end. A guest that stores to `parked` without need
 * costs its own worker a turn. */
static bool wait_record(struct apir_server_queue *queue)
{
    if (has_work(queue))
        return !is_stopping(queue);
    uint64_t start = apir_clock_now();
    while (!has_work(queue)) {
        if (apir_spin_until(&queue->spin, has_work, queue))
            break;
        if (!apir_ring_park(&queue->ring))
            break;
        if (!is_stopping(queue)) /* after `parked` was stored, see wake_to_stop */
            futex(&queue->ring.ring->parked, FUTEX_WAIT, 1);
        apir_ring_unpark(&queue->ring);
    }
    apir_spin_learn(&queue->spin, apir_clock_now() - start);
    leave_to_guest(queue);
    return !is_stopping(queue);
}

/* Whether the call waited for has been answered. A queue that is closed has nothing left that runs. */
static bool is_satisfied_locked(const struct apir_server_queues *all, const struct apir_dependency *wait)
{
    const struct apir_server_queue *other = all->open[wait->queue];
    return !other || other->completed >= wait->sequence;
}

/* Waits for what the request depends on; -ECANCELED when the context ends first. */
static int wait_dependencies(struct apir_server_queue *queue, const struct apir_request_header *header)
{
    struct apir_server_queues *all = queue->all;
    int ret = 0;
    pthread_mutex_lock(&all->lock);
    for (uint32_t i = 0; i < header->n_waits && ret == 0; i++) {
        if (header->waits[i].queue == queue->id)
            ret = -EINVAL;
        while (ret == 0 && !is_satisfied_locked(all, &header->waits[i])) {
            if (is_stopping(queue))
                ret = -ECANCELED;
            else
                pthread_cond_wait(&all->completed, &all->lock);
        }
    }
    pthread_mutex_unlock(&all->lock);
    return ret;
}

/* Takes and runs one request: 1, 0 if there is none, or -errno. *reply is written behind the space of its header. */
static int run_request(struct apir_server_queue *queue, struct apir_request_header *header, struct apir_enc *reply)
{
    struct apir_dec request;
    int size = apir_ring_pop(&queue->ring, queue->request);
    if (size <= 0)
        return size;
    apir_dec_init(&request, queue->request, (size_t)size, &queue->arena);
    apir_decode_request_header(&request, header);
    if (!apir_dec_ok(&request) || header->size != (uint32_t)size || header->sequence != queue->completed + 1)
        return -EBADMSG;
    int ret = wait_dependencies(queue, header);
    if (ret == 0) {
        apir_watchdog_begin(queue->all->watchdog, &queue->watch);
        ret = apir_dispatch(queue->all->handlers, queue->all->handler_data, header->call, &request, &queue->arena,
                            reply);
        apir_watchdog_end(queue->all->watchdog, &queue->watch);
    }
    if (ret > 0)
        apir_ring_fail(queue->ring.ring, (uint32_t)ret);
    return ret < 0 ? ret : 1;
}

static size_t write_header(uint8_t *at, const struct apir_reply_header *header)
{
    struct apir_enc enc;
    apir_enc_init(&enc, at, 64);
    apir_encode_reply_header(&enc, header);
    return apir_enc_used(&enc);
}

static void publish_reply(struct apir_server_queue *queue, const struct apir_reply_header *header)
{
    if (header->status < 0) /* a guest that has posted the call finds out why the session ends */
        apir_ring_fail(queue->ring.ring, (uint32_t)header->status);
    memcpy(apir_ring_reply(queue->memory->data), queue->reply, header->size);

    pthread_mutex_lock(&queue->all->lock);
    queue->completed++;
    pthread_cond_broadcast(&queue->all->completed);
    pthread_mutex_unlock(&queue->all->lock);

    if (apir_ring_complete(queue->ring.ring, header->sequence) || header->status < 0)
        futex(&queue->ring.ring->completed, FUTEX_WAKE, INT_MAX);
}

/* Serves the next request; -errno when it was refused. */
static int serve(struct apir_server_queue *queue)
{
    struct apir_reply_header header = {.sequence = queue->completed + 1};
    struct apir_request_header request = {0};
    size_t start = write_header(queue->reply, &header);
    struct apir_enc reply;
    apir_enc_init(&reply, queue->reply + start, APIR_MAX_RECORD - start);

    int ret = run_request(queue, &request, &reply);
    apir_arena_reset(&queue->arena);
    if (ret == 0 || ret == -ECANCELED)
        return ret;
    if (ret < 0) {
        const char *name = apir_call_name(request.call);
        apir_warn(queue->all->log, "queue %u: call %s refused: %s", queue->id, name ? name : "(unknown)",
                  strerror(-ret));
    }
    header.status = ret < 0 ? ret : 0;
    header.size = (uint32_t)(start + (ret < 0 ? 0 : apir_enc_used(&reply)));
    write_header(queue->reply, &header);
    publish_reply(queue, &header);
    return ret < 0 ? ret : 0;
}

static void *queue_main(void *data)
{
    struct apir_server_queue *queue = data;
    int ret = 0;
    apir_watchdog_add(queue->all->watchdog, &queue->watch);
    while (ret == 0 && wait_record(queue))
        ret = serve(queue);
    apir_watchdog_remove(queue->all->watchdog, &queue->watch);
    if (ret < 0 && ret != -ECANCELED)
        queue->all->refused(queue->all->refused_data);
    return NULL;
}

static void destroy_queue(struct apir_server_queue *queue)
{
    apir_shm_table_put(queue->all->memory, queue->memory);
    apir_arena_finish(&queue->arena);
    free(queue->request);
    free(queue->reply);
    free(queue);
}

static struct apir_server_queue *create_queue(struct apir_server_queues *all, uint32_t id,
                                              struct apir_mapping *memory)
{
    struct apir_server_queue *queue = calloc(1, sizeof *queue);
    if (!queue)
        return NULL;
    queue->all = all;
    queue->id = id;
    queue->memory = memory;
    apir_ring_consumer_init(&queue->ring, memory->data);
    apir_spin_init(&queue->spin, MAX_SPIN_NS);
    queue->request = malloc(APIR_MAX_RECORD);
    queue->reply = malloc(APIR_MAX_RECORD);
    if (!queue->request || !queue->reply) {
        destroy_queue(queue);
        return NULL;
    }
    return queue;
}

static uint32_t count_open(const struct apir_server_queues *queues)
{
    uint32_t count = 0;
    for (uint32_t id = 0; id < APIR_MAX_QUEUES; id++)
        count += queues->open[id] != NULL;
    return count;
}

int apir_server_queues_open(struct apir_server_queues *queues, uint32_t id, uint32_t shm)
{
    if (id >= APIR_MAX_QUEUES)
        return -EINVAL;
    if (queues->open[id]) /* only this thread opens and closes */
        return -EEXIST;
    struct apir_mapping *memory = apir_shm_table_get(queues->memory, shm);
    if (!memory || memory->size < APIR_QUEUE_SIZE) {
        apir_shm_table_put(queues->memory, memory);
        return -EINVAL;
    }
    if (count_open(queues) >= queues->max_open) {
        apir_ring_fail(memory->data, (uint32_t)-EBUSY);
        apir_shm_table_put(queues->memory, memory);
        return 0;
    }
    struct apir_server_queue *queue = create_queue(queues, id, memory);
    if (!queue)
        return -ENOMEM;

    pthread_mutex_lock(&queues->lock);
    int ret = -pthread_create(&queue->thread, NULL, queue_main, queue);
    if (ret == 0)
        queues->open[id] = queue;
    pthread_mutex_unlock(&queues->lock);
    if (ret < 0)
        destroy_queue(queue);
    return ret;
}

/* Has the queue's thread end after the call it runs. */
static void wake_to_stop(struct apir_server_queue *queue)
{
    /* seq_cst: the thread stores `parked` and then reads this; we store this and then `parked`: whoever is last sees the
     * other's, so that it does not sleep, or is woken */
    atomic_store_explicit(&queue->stopping, true, memory_order_seq_cst);
    atomic_store_explicit(&queue->ring.ring->parked, 0, memory_order_seq_cst);
    futex(&queue->ring.ring->parked, FUTEX_WAKE, INT_MAX);
}

int apir_server_queues_close(struct apir_server_queues *queues, uint32_t id)
{
    pthread_mutex_lock(&queues->lock);
    struct apir_server_queue *queue = id < APIR_MAX_QUEUES ? queues->open[id] : NULL;
    if (queue) {
        wake_to_stop(queue);
        pthread_cond_broadcast(&queues->completed);
    }
    pthread_mutex_unlock(&queues->lock);
    if (!queue)
        return -ENOENT;

    pthread_join(queue->thread, NULL);
    pthread_mutex_lock(&queues->lock);
    queues->open[id] = NULL;
    pthread_cond_broadcast(&queues->completed);
    pthread_mutex_unlock(&queues->lock);
    destroy_queue(queue);
    return 0;
}

void apir_server_queues_close_shm(struct apir_server_queues *queues, uint32_t shm)
{
    for (uint32_t id = 0; id < APIR_MAX_QUEUES; id++)
        if (queues->open[id] && queues->open[id]->memory->id == shm)
            apir_server_queues_close(queues, id);
}

int apir_server_queues_kick(struct apir_server_queues *queues, uint32_t id)
{
    pthread_mutex_lock(&queues->lock);
    struct apir_server_queue *queue = id < APIR_MAX_QUEUES ? queues->open[id] : NULL;
    if (queue)
        wake(queue);
    pthread_mutex_unlock(&queues->lock);
    return queue ? 0 : -ENOENT;
}

void apir_server_queues_finish(struct apir_server_queues *queues)
{
    pthread_mutex_lock(&queues->lock);
    for (uint32_t id = 0; id < APIR_MAX_QUEUES; id++)
        if (queues->open[id])
            wake_to_stop(queues->open[id]);
    pthread_cond_broadcast(&queues->completed);
    pthread_mutex_unlock(&queues->lock);
    for (uint32_t id = 0; id < APIR_MAX_QUEUES; id++)
        apir_server_queues_close(queues, id);
    pthread_cond_destroy(&queues->completed);
    pthread_mutex_destroy(&queues->lock);
}
