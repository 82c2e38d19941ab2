#include <string.h>

#include "backend/buffer.h"
#include "backend/order.h"
#include "backend/reg.h"
#include "client/queue-private.h"
#include "cmocka-all.h"
#include "gated-host.h"

/* A control queue and three of streams, with two buffers. */
struct fixture {
    struct gated_host g;
    struct apir_reg reg;
    struct apir_queue *queues[4]; /* by number */
    struct apir_buffer one, other;
};

static void set_up(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    gated_host_open(&f->g, UINT64_MAX);
    f->reg.session = f->g.session;
    pthread_mutex_init(&f->reg.order_lock, NULL);
    f->queues[0] = apir_session_control(f->g.session);
    f->queues[1] = f->g.queue;
    f->queues[2] = apir_queue_open(f->g.session);
    f->queues[3] = apir_queue_open(f->g.session);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(apir_queue_id(f->queues[i]), i);
}

/* What the host has done is undone for whoever asks: calls of the queue seem to run still. */
static void undo(struct apir_queue *queue)
{
    atomic_store(&queue->ring.ring->completed, 0);
}

static void tear_down(struct fixture *f)
{
    for (int i = 0; i < 4; i++) {
        struct apir_queue *queue = f->queues[i];
        atomic_store(&queue->ring.ring->completed, (uint32_t)(apir_queue_next(queue) - 1));
        if (i > 1)
            apir_queue_close(queue);
    }
    gated_host_close(&f->g);
    pthread_mutex_destroy(&f->reg.order_lock);
}

/* A call that runs for ever; what the host saw it wait for is in f->g. */
static void call(struct apir_queue *queue)
{
    struct apir_session_get_stats_reply stats;
    assert_int_equal(apir_call_session_get_stats(queue, NULL, &stats), 0);
    undo(queue);
}

static struct apir_queue *call_about(struct fixture *f, struct apir_buffer *buffer, struct apir_buffer *other)
{
    struct apir_queue *queue = apir_order_begin(&f->reg, buffer, other);
    call(queue);
    apir_order_end(&f->reg, queue, buffer, other);
    return queue;
}

static void use_in_stream(struct fixture *f, uint32_t id, struct apir_buffer *buffer)
{
    apir_queue_lock(f->queues[id]);
    apir_order_stream(&f->reg, f->queues[id], &buffer, 1);
    call(f->queues[id]);
    apir_queue_unlock(f->queues[id]);
}

/* Whether the last call waited for exactly these calls, `id` by `id`; 0: not for that queue. */
static void expect_waits(struct fixture *f, const uint64_t *sequences)
{
    uint64_t seen[4] = {0};
    pthread_mutex_lock(&f->g.lock);
    for (uint32_t i = 0; i < f->g.header.n_waits; i++)
        seen[f->g.waits[i].queue] = f->g.waits[i].sequence;
    pthread_mutex_unlock(&f->g.lock);
    assert_memory_equal(seen, sequences, sizeof seen);
}

#define EXPECT_WAITS(f, ...) expect_waits(f, (const uint64_t[4]){__VA_ARGS__})

static void buffer_that_no_stream_has_used_takes_the_control_queue(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(call_about(&f, &f.one, NULL), f.queues[0]);
        EXPECT_WAITS(&f, 0);
    }
    tear_down(&f);
}

static void buffer_takes_the_queue_of_the_stream_that_used_it_last(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    use_in_stream(&f, 1, &f.one);
    assert_ptr_equal(call_about(&f, &f.one, NULL), f.queues[1]);
    EXPECT_WAITS(&f, 0); /* a queue is in order */
    use_in_stream(&f, 2, &f.one);
    EXPECT_WAITS(&f, 0, 2); /* the call about it */
    assert_ptr_equal(call_about(&f, &f.one, NULL), f.queues[2]);
    tear_down(&f);
}

static void call_waits_for_every_stream_that_uses_the_buffer(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    use_in_stream(&f, 1, &f.one);
    use_in_stream(&f, 3, &f.one);
    EXPECT_WAITS(&f, 0); /* streams do not wait for each other: what they do with it is the application's */
    use_in_stream(&f, 2, &f.one);
    use_in_stream(&f, 3, &f.one);
    assert_ptr_equal(call_about(&f, &f.one, NULL), f.queues[3]);
    EXPECT_WAITS(&f, 0, 1, 1);
    tear_down(&f);
}

static void stream_waits_for_calls_about_what_it_uses(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    call_about(&f, &f.one, NULL);
    call_about(&f, &f.one, NULL);
    call_about(&f, &f.other, NULL);
    use_in_stream(&f, 1, &f.one);
    EXPECT_WAITS(&f, 2);
    use_in_stream(&f, 1, &f.other);
    EXPECT_WAITS(&f, 3);
    tear_down(&f);
}

static void call_about_two_buffers_waits_for_both(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    use_in_stream(&f, 1, &f.one);
    use_in_stream(&f, 2, &f.other);
    assert_ptr_equal(call_about(&f, &f.one, &f.other), f.queues[1]);
    EXPECT_WAITS(&f, 0, 0, 1);
    use_in_stream(&f, 2, &f.other);
    EXPECT_WAITS(&f, 0, 2);
    tear_down(&f);
}

static void same_buffer_among_others_is_noted_once_or_more(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    call_about(&f, &f.one, NULL);
    struct apir_buffer *buffers[] = {&f.one, NULL, &f.one, &f.other, NULL, &f.other, &f.one};
    apir_queue_lock(f.queues[2]);
    apir_order_stream(&f.reg, f.queues[2], buffers, sizeof buffers / sizeof *buffers);
    call(f.queues[2]);
    apir_queue_unlock(f.queues[2]);
    EXPECT_WAITS(&f, 1);
    assert_ptr_equal(f.one.order.home, f.queues[2]);
    assert_ptr_equal(f.other.order.home, f.queues[2]);
    tear_down(&f);
}

static void work_of_several_calls_is_waited_for_to_its_end(void **state)
{
    (void)state;
    struct fixture f;
    struct apir_buffer *buffer = &f.one;
    set_up(&f);
    apir_queue_lock(f.queues[1]);
    apir_order_stream(&f.reg, f.queues[1], &buffer, 1);
    for (int i = 0; i < 3; i++)
        call(f.queues[1]);
    apir_order_stream_end(&f.reg, f.queues[1], buffer);
    apir_queue_unlock(f.queues[1]);
    use_in_stream(&f, 2, &f.one);
    call_about(&f, &f.one, NULL);
    EXPECT_WAITS(&f, 0, 3);
    tear_down(&f);
}

/* One thread has chosen a queue when the buffer comes to another, where a second thread calls. */
static void calls_of_two_threads_in_two_queues_are_both_waited_for(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    struct apir_queue *first = apir_order_begin(&f.reg, &f.one, NULL);
    assert_ptr_equal(first, f.queues[0]);
    use_in_stream(&f, 1, &f.one);
    assert_ptr_equal(call_about(&f, &f.one, NULL), f.queues[1]);
    call(first);
    apir_order_end(&f.reg, first, &f.one, NULL);
    use_in_stream(&f, 2, &f.one);
    EXPECT_WAITS(&f, 1, 2);
    tear_down(&f);
}

static void buffer_that_is_given_to_a_queue_waits_there_for_who_used_it(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    use_in_stream(&f, 1, &f.one);
    apir_order_give(&f.reg, &f.one, f.queues[2]);
    assert_ptr_equal(call_about(&f, &f.one, NULL), f.queues[2]);
    EXPECT_WAITS(&f, 0, 1);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_that_no_stream_has_used_takes_the_control_queue),
        cmocka_unit_test(buffer_takes_the_queue_of_the_stream_that_used_it_last),
        cmocka_unit_test(call_waits_for_every_stream_that_uses_the_buffer),
        cmocka_unit_test(stream_waits_for_calls_about_what_it_uses),
        cmocka_unit_test(call_about_two_buffers_waits_for_both),
        cmocka_unit_test(same_buffer_among_others_is_noted_once_or_more),
        cmocka_unit_test(work_of_several_calls_is_waited_for_to_its_end),
        cmocka_unit_test(buffer_that_is_given_to_a_queue_waits_there_for_who_used_it),
        cmocka_unit_test(calls_of_two_threads_in_two_queues_are_both_waited_for),
    };
    return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
