#include "server/queue.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "apir-codec.h"
#include "util/arena.h"
#include "wire/cs.h"

struct apir_server_queue {
    struct apir_server_queues *all; /* borrowed */
    uint32_t id;
    struct apir_mapping *mailbox; /* counted */
    pthread_t thread;
    pthread_cond_t kick;    /* with all->lock */
    bool kicked, closing;   /* guarded by all->lock */
    uint64_t completed;     /* sequence number of the last call answered; guarded by all->lock */
    uint8_t *request;       /* private copy, APIR_MAILBOX_AREA_SIZE */
    uint8_t *reply;         /* the same for the reply */
    struct apir_arena arena; /* of the call that runs */
};

void apir_server_queues_init(struct apir_server_queues *queues)
{
    memset(queues, 0, sizeof *queues);
    pthread_mutex_init(&queues->lock, NULL);
    pthread_cond_init(&queues->completed, NULL);
}

/* Sleeps until there is something to do; false when the queue is to end. */
static bool wait_kick(struct apir_server_queue *queue)
{
    pthread_mutex_lock(&queue->all->lock);
    while (!queue->kicked && !queue->closing && !queue->all->ending)
        pthread_cond_wait(&queue->kick, &queue->all->lock);
    queue->kicked = false;
    bool go_on = !queue->closing && !queue->all->ending;
    pthread_mutex_unlock(&queue->all->lock);
    return go_on;
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
            if (all->ending || queue->closing)
                ret = -ECANCELED;
            else
                pthread_cond_wait(&all->completed, &all->lock);
        }
    }
    pthread_mutex_unlock(&all->lock);
    return ret;
}

/* Copies the request out of the mailbox, once: what the guest changes afterwards does not count. */
static int fetch_request(struct apir_server_queue *queue, struct apir_dec *request)
{
    const volatile uint32_t *words =
        (const volatile uint32_t *)((char *)queue->mailbox->data + APIR_MAILBOX_REQUEST_OFFSET);
    uint32_t size = words[1]; /* request_header.size */
    if (size < 2 * sizeof(uint32_t) || size > APIR_MAILBOX_AREA_SIZE)
        return -EBADMSG;
    memcpy(queue->request, (const void *)words, size);
    apir_dec_init(request, queue->request, size, &queue->arena);
    return (int)size;
}

/* Runs one request; 0 or -errno, *reply is written behind the space of its header. */
static int run_request(struct apir_server_queue *queue, uint32_t word, struct apir_request_header *header,
                       struct apir_enc *reply)
{
    struct apir_dec request;
    int size = fetch_request(queue, &request);
    if (size < 0)
        return size;
    apir_decode_request_header(&request, header);
    if (!apir_dec_ok(&request) || header->size != (uint32_t)size || header->sequence != queue->completed + 1 ||
        (uint32_t)header->sequence != word)
        return -EBADMSG;
    int ret = wait_dependencies(queue, header);
    if (ret < 0)
        return ret;
    return apir_dispatch(queue->all->handlers, queue->all->handler_data, header->call, &request, &queue->arena,
                         reply);
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
    struct apir_mailbox *mailbox = queue->mailbox->data;
    memcpy((char *)mailbox + APIR_MAILBOX_REPLY_OFFSET, queue->reply, header->size);

    pthread_mutex_lock(&queue->all->lock);
    queue->completed++;
    pthread_cond_broadcast(&queue->all->completed);
    pthread_mutex_unlock(&queue->all->lock);

    /* seq_cst: the guest stores `sleeping`, then reads `reply`; one of the two sees the other's store */
    atomic_store_explicit(&mailbox->reply, (uint32_t)header->sequence, memory_order_seq_cst);
    if (atomic_load_explicit(&mailbox->sleeping, memory_order_seq_cst))
        syscall(SYS_futex, &mailbox->reply, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* Serves the request that `word` announces; -errno when it was refused. */
static int serve(struct apir_server_queue *queue, uint32_t word)
{
    struct apir_reply_header header = {.sequence = queue->completed + 1};
    struct apir_request_header request = {0};
    size_t start = write_header(queue->reply, &header);
    struct apir_enc reply;
    apir_enc_init(&reply, queue->reply + start, APIR_MAILBOX_AREA_SIZE - start);

    int ret = run_request(queue, word, &request, &reply);
    apir_arena_reset(&queue->arena);
    if (ret == -ECANCELED)
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
    return ret;
}

static void *queue_main(void *data)
{
    struct apir_server_queue *queue = data;
    struct apir_mailbox *mailbox = queue->mailbox->data;
    int ret = 0;
    while (ret == 0 && wait_kick(queue)) {
        /* acquire: pairs with the guest's release after it wrote the request */
        uint32_t word = atomic_load_explicit(&mailbox->request, memory_order_acquire);
        if (word != (uint32_t)queue->completed)
            ret = serve(queue, word);
    }
    if (ret < 0 && ret != -ECANCELED)
        queue->all->refused(queue->all->refused_data);
    return NULL;
}

static void destroy_queue(struct apir_server_queue *queue)
{
    apir_shm_table_put(queue->all->memory, queue->mailbox);
    apir_arena_finish(&queue->arena);
    pthread_cond_destroy(&queue->kick);
    free(queue->request);
    free(queue->reply);
    free(queue);
}

static struct apir_server_queue *create_queue(struct apir_server_queues *all, uint32_t id,
                                              struct apir_mapping *mailbox)
{
    struct apir_server_queue *queue = calloc(1, sizeof *queue);
    if (!queue)
        return NULL;
    queue->all = all;
    queue->id = id;
    queue->mailbox = mailbox;
    pthread_cond_init(&queue->kick, NULL);
    queue->request = malloc(APIR_MAILBOX_AREA_SIZE);
    queue->reply = malloc(APIR_MAILBOX_AREA_SIZE);
    if (!queue->request || !queue->reply) {
        destroy_queue(queue);
        return NULL;
    }
    return queue;
}

int apir_server_queues_open(struct apir_server_queues *queues, uint32_t id, uint32_t shm)
{
    if (id >= APIR_MAX_QUEUES)
        return -EINVAL;
    if (queues->open[id]) /* only this thread opens and closes */
        return -EEXIST;
    struct apir_mapping *mailbox = apir_shm_table_get(queues->memory, shm);
    if (!mailbox || mailbox->size < APIR_MAILBOX_SIZE) {
        apir_shm_table_put(queues->memory, mailbox);
        return -EINVAL;
    }
    struct apir_server_queue *queue = create_queue(queues, id, mailbox);
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

int apir_server_queues_close(struct apir_server_queues *queues, uint32_t id)
{
    pthread_mutex_lock(&queues->lock);
    struct apir_server_queue *queue = id < APIR_MAX_QUEUES ? queues->open[id] : NULL;
    if (queue) {
        queue->closing = true;
        pthread_cond_signal(&queue->kick);
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
        if (queues->open[id] && queues->open[id]->mailbox->id == shm)
            apir_server_queues_close(queues, id);
}

int apir_server_queues_kick(struct apir_server_queues *queues, uint32_t id)
{
    pthread_mutex_lock(&queues->lock);
    struct apir_server_queue *queue = id < APIR_MAX_QUEUES ? queues->open[id] : NULL;
    if (queue) {
        queue->kicked = true;
        pthread_cond_signal(&queue->kick);
    }
    pthread_mutex_unlock(&queues->lock);
    return queue ? 0 : -ENOENT;
}

void apir_server_queues_finish(struct apir_server_queues *queues)
{
    pthread_mutex_lock(&queues->lock);
    queues->ending = true;
    pthread_cond_broadcast(&queues->completed);
    for (uint32_t id = 0; id < APIR_MAX_QUEUES; id++)
        if (queues->open[id])
            pthread_cond_signal(&queues->open[id]->kick);
    pthread_mutex_unlock(&queues->lock);
    for (uint32_t id = 0; id < APIR_MAX_QUEUES; id++)
        apir_server_queues_close(queues, id);
    pthread_cond_destroy(&queues->completed);
    pthread_mutex_destroy(&queues->lock);
}
