#include "backend/order.h"

#include "backend/buffer.h"
#include "backend/reg.h"
#include "client/queue.h"

static struct apir_queue *home_of(struct apir_reg *reg, const struct apir_buffer *buffer)
{
    pthread_mutex_lock(&reg->order_lock);
    struct apir_queue *home = buffer->order.home;
    pthread_mutex_unlock(&reg->order_lock);
    return home ? home : apir_session_control(reg->session);
}

/* The calls at bits of `queues`. */
static void wait_for_locked(struct apir_queue *queue, uint64_t queues, const uint64_t *calls)
{
    for (; queues; queues &= queues - 1) {
        uint32_t on = (uint32_t)__builtin_ctzll(queues);
        apir_queue_wait_for(queue, on, calls[on]);
    }
}

static void wait_for_calls_locked(struct apir_queue *queue, const struct apir_order *order)
{
    wait_for_locked(queue, order->callers, order->calls);
}

static void wait_for_all_locked(struct apir_queue *queue, const struct apir_order *order)
{
    wait_for_calls_locked(queue, order);
    wait_for_locked(queue, order->streams, order->uses);
}

static void note_call_locked(const struct apir_queue *queue, struct apir_buffer *buffer, uint64_t sequence)
{
    uint32_t id = apir_queue_id(queue);
    buffer->order.callers |= UINT64_C(1) << id;
    buffer->order.calls[id] = sequence;
}

/* What is noted points to calls that were noted before only, hence no two queues wait for each other. */
struct apir_queue *apir_order_begin(struct apir_reg *reg, struct apir_buffer *buffer, struct apir_buffer *other)
{
    struct apir_queue *queue = home_of(reg, buffer);
    apir_queue_lock(queue);
    pthread_mutex_lock(&reg->order_lock);
    wait_for_all_locked(queue, &buffer->order);
    note_call_locked(queue, buffer, apir_queue_next(queue));
    if (other) {
        wait_for_all_locked(queue, &other->order);
        note_call_locked(queue, other, apir_queue_next(queue));
    }
    pthread_mutex_unlock(&reg->order_lock);
    return queue;
}

void apir_order_end(struct apir_reg *reg, struct apir_queue *queue, struct apir_buffer *buffer,
                    struct apir_buffer *other)
{
    uint64_t last = apir_queue_next(queue) - 1;
    pthread_mutex_lock(&reg->order_lock);
    note_call_locked(queue, buffer, last);
    if (other)
        note_call_locked(queue, other, last);
    pthread_mutex_unlock(&reg->order_lock);
    apir_queue_unlock(queue);
}

static void note_stream_locked(struct apir_queue *queue, struct apir_order *order)
{
    uint32_t id = apir_queue_id(queue);
    order->home = queue;
    order->streams |= UINT64_C(1) << id;
    order->uses[id] = apir_queue_next(queue);
}

void apir_order_stream(struct apir_reg *reg, struct apir_queue *queue, struct apir_buffer *const *buffers, uint32_t n)
{
    const struct apir_buffer *last = NULL;
    pthread_mutex_lock(&reg->order_lock);
    for (uint32_t i = 0; i < n; i++) {
        if (buffers[i] && buffers[i] != last) { /* neighbours are often in one buffer */
            wait_for_calls_locked(queue, &buffers[i]->order);
            note_stream_locked(queue, &buffers[i]->order);
        }
        last = buffers[i];
    }
    pthread_mutex_unlock(&reg->order_lock);
}

void apir_order_stream_end(struct apir_reg *reg, struct apir_queue *queue, struct apir_buffer *buffer)
{
    pthread_mutex_lock(&reg->order_lock);
    buffer->order.uses[apir_queue_id(queue)] = apir_queue_next(queue) - 1;
    pthread_mutex_unlock(&reg->order_lock);
}

void apir_order_give(struct apir_reg *reg, struct apir_buffer *buffer, struct apir_queue *queue)
{
    pthread_mutex_lock(&reg->order_lock);
    buffer->order.home = queue;
    pthread_mutex_unlock(&reg->order_lock);
}
