#include "attach/vhost-queue.h"

#include <errno.h>
#include <linux/virtio_ring.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach/vhost-window.h"

enum { TURN = 64 }; /* commands that are handled before others have their turn */

/* An answer to a guest whose queue is stopped: given when it goes on. */
struct late_answer {
    struct apir_list link; /* apir_vhost_user.late */
    struct apir_chain chain;
    uint32_t size;
    uint8_t bytes[];
};

/* Called after each use of the guest's memory. */
static void notify(struct apir_vhost_queue *queue)
{
    uint64_t one = 1;
    struct apir_vhost_user *door = queue->door;
    if (atomic_load_explicit(&door->memory.lost, memory_order_relaxed) && !door->lost_timer.set)
        apir_loop_set_timer(door->loop, &door->lost_timer, 0); /* not now: a turn is under way */
    if (apir_virtqueue_should_notify(&queue->ring) && queue->call >= 0)
        /* a full eventfd has notified already */
        if (write(queue->call, &one, sizeof one) < 0)
            return;
}

static void report_broken(struct apir_vhost_queue *queue)
{
    uint64_t one = 1;
    apir_error(queue->door->log, "%s: virtqueue %d is broken: it is stopped until the driver resets it",
               queue->door->listener.path, (int)(queue - queue->door->queues));
    queue->broken = true;
    if (queue->error >= 0 && write(queue->error, &one, sizeof one) < 0)
        return;
}

void apir_vhost_queue_stop(struct apir_vhost_queue *queue)
{
    if (queue->ring.used)
        queue->base = queue->ring.next;
    apir_loop_unwatch(queue->door->loop, &queue->source);
    apir_loop_clear_timer(&queue->again);
    apir_virtqueue_stop(&queue->ring);
}

/* A late answer that memory is too short for is lost: the guest's command then waits until its driver gives up. */
static void answer_late(struct apir_vhost_user *door, const struct apir_chain *chain, const void *response,
                        uint32_t size)
{
    struct late_answer *answer = malloc(sizeof *answer + size);
    if (!answer)
        return;
    answer->chain = *chain;
    answer->size = size;
    memcpy(answer->bytes, response, size);
    apir_list_append(&door->late, &answer->link);
}

void apir_vhost_queue_respond(void *owner, const struct apir_chain *chain, const void *response, uint32_t size)
{
    struct apir_vhost_user *door = owner;
    struct apir_vhost_queue *control = &door->queues[APIR_VHOST_CONTROL_QUEUE];
    if (!control->ring.used) {
        answer_late(door, chain, response, size);
        return;
    }
    apir_virtqueue_push(&control->ring, chain, response, size);
    if (!door->handling)
        notify(control);
}

static void give_late_answers(struct apir_vhost_user *door)
{
    struct apir_list *link;
    while ((link = apir_list_take_first(&door->late))) {
        struct late_answer *answer = apir_list_entry(link, struct late_answer, link);
        apir_vhost_queue_respond(door, &answer->chain, answer->bytes, answer->size);
        free(answer);
    }
}

void apir_vhost_queue_drop_late(struct apir_vhost_user *door)
{
    struct apir_list *link;
    while ((link = apir_list_take_first(&door->late)))
        free(apir_list_entry(link, struct late_answer, link));
}

static void handle_request(struct apir_vhost_queue *queue, const struct apir_chain *chain)
{
    struct apir_vhost_user *door = queue->door;
    if (queue == &door->queues[APIR_VHOST_CONTROL_QUEUE])
        apir_virtio_gpu_command(&door->gpu, &door->request, chain);
    else
        apir_virtqueue_push(&queue->ring, chain, NULL, 0); /* no display, hence no cursor */
}

static void run_queue(struct apir_vhost_queue *queue)
{
    struct apir_vhost_user *door = queue->door;
    struct apir_chain chain;
    int ret = 1;
    door->handling = true;
    for (unsigned i = 0; i < TURN && ret == 1; i++) {
        ret = apir_virtqueue_pop(&queue->ring, &chain, &door->request);
        if (ret == 1)
            handle_request(queue, &chain);
    }
    door->handling = false;
    apir_request_trim(&door->request);
    notify(queue);
    if (ret < 0) {
        report_broken(queue);
        apir_vhost_queue_stop(queue);
    } else if (ret == 1) {
        apir_loop_set_timer(door->loop, &queue->again, 0);
    }
}

static void queue_again(void *owner)
{
    run_queue(owner);
}

static void queue_kicked(void *owner, uint32_t events)
{
    struct apir_vhost_queue *queue = owner;
    uint64_t count;
    (void)events;
    ssize_t got = read(queue->kick, &count, sizeof count);
    /* something else than an eventfd, or at its end: it would be ready for ever */
    if (got != sizeof count && !(got < 0 && (errno == EAGAIN || errno == EINTR))) {
        report_broken(queue);
        apir_vhost_queue_stop(queue);
        return;
    }
    run_queue(queue);
}

/* A fresh driver starts at 0: all that its predecessor left is dropped. A machine that was only paused goes on. */
static void start_control(struct apir_vhost_user *door, bool fresh)
{
    if (fresh) {
        apir_virtio_gpu_reset(&door->gpu, "the guest was reset");
        apir_vhost_queue_drop_late(door);
        apir_virtqueue_forget(&door->queues[APIR_VHOST_CONTROL_QUEUE].ring);
    }
    apir_vhost_window_map(door);
}

static int start_queue(struct apir_vhost_queue *queue)
{
    struct apir_vhost_user *door = queue->door;
    bool control = queue == &door->queues[APIR_VHOST_CONTROL_QUEUE];
    if (control)
        start_control(door, queue->base == 0);
    int ret = apir_virtqueue_start(&queue->ring, &door->memory, queue->size, queue->descriptors, queue->available,
                                   queue->used, queue->base);
    if (ret < 0)
        return ret;
    queue->ring.indirect = door->features & apir_vhost_bit(VIRTIO_RING_F_INDIRECT_DESC);
    queue->ring.event_index = door->features & apir_vhost_bit(VIRTIO_RING_F_EVENT_IDX);
    ret = apir_loop_watch(door->loop, &queue->source, queue->kick, EPOLLIN);
    if (ret < 0) {
        apir_virtqueue_stop(&queue->ring);
        return ret;
    }
    if (control)
        give_late_answers(door);
    run_queue(queue); /* its first kick may have come before */
    return 0;
}

int apir_vhost_queue_update(struct apir_vhost_queue *queue)
{
    bool wanted = queue->enabled || !(queue->door->features & apir_vhost_bit(APIR_VHOST_F_PROTOCOL_FEATURES));
    bool complete = queue->placed && queue->size > 0 && queue->kick >= 0 && queue->door->memory.count > 0;
    if (!wanted)
        apir_vhost_queue_stop(queue);
    if (queue->ring.used || !wanted || !complete || queue->broken)
        return 0;
    return start_queue(queue);
}

int apir_vhost_queue_move(struct apir_vhost_queue *queue)
{
    if (!queue->ring.used)
        return apir_vhost_queue_update(queue);
    bool indirect = queue->ring.indirect, event_index = queue->ring.event_index;
    uint16_t notified = queue->ring.notified;
    int ret = apir_virtqueue_start(&queue->ring, &queue->door->memory, queue->size, queue->descriptors,
                                   queue->available, queue->used, queue->ring.next);
    if (ret < 0) {
        apir_vhost_queue_stop(queue);
        return ret;
    }
    queue->ring.indirect = indirect;
    queue->ring.event_index = event_index;
    queue->ring.notified = notified;
    return 0;
}

void apir_vhost_queue_init(struct apir_vhost_queue *queue, struct apir_vhost_user *door)
{
    queue->door = door;
    queue->kick = queue->call = queue->error = -1;
    apir_source_init(&queue->source, queue_kicked, queue);
    apir_timer_init(&queue->again, queue_again, queue);
}
