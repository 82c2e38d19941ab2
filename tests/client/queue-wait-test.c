/* Waiting: of a thread for the host, by each policy, and of calls for each other. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "apir-counters.h"
#include "client/queue-private.h"
#include "gated-host.h"
#include "util/clock.h"

static int post(struct apir_queue *queue)
{
    return apir_call_buffer_clear(queue, &(struct apir_buffer_clear_args){.buffer = 1});
}

static int get_stats(struct apir_queue *queue)
{
    struct apir_session_get_stats_reply stats;
    return apir_call_session_get_stats(queue, NULL, &stats);
}

static void *sync_queue(void *data)
{
    return (void *)(intptr_t)apir_queue_sync(data);
}

static struct apir_counters counters_of(struct gated_host *g)
{
    struct apir_counters counters;
    apir_session_get_counters(g->session, &counters);
    return counters;
}

/* A wait that lasts until its thread sleeps, by a policy. */
static void wait_by(const char *policy)
{
    struct gated_host g;
    pthread_t thread;
    void *ret;
    setenv("GGML_VIRTGPU_WAIT", policy, 1);
    gated_host_open(&g, 1);
    unsetenv("GGML_VIRTGPU_WAIT");
    assert_int_equal(post(g.queue), 0);
    assert_int_equal(pthread_create(&thread, NULL, sync_queue, g.queue), 0);
    while (counters_of(&g).sleeps == 0)
        apir_clock_sleep(100000);
    gated_host_let(&g, UINT64_MAX);
    pthread_join(thread, &ret);
    assert_null(ret);
    assert_int_equal(counters_of(&g).waits, 1);
    assert_int_equal(counters_of(&g).sleeps, 1);
    for (int i = 0; i < 20; i++)
        assert_int_equal(get_stats(g.queue), 0);
    gated_host_close(&g);
}

static void long_waits_end_by_any_policy(void **state)
{
    (void)state;
    wait_by("hybrid");
    wait_by("spin");
    wait_by("sleep");
}

static void policy_of_sleep_never_looks_first(void **state)
{
    (void)state;
    struct gated_host g;
    setenv("GGML_VIRTGPU_WAIT", "sleep", 1);
    gated_host_open(&g, UINT64_MAX);
    unsetenv("GGML_VIRTGPU_WAIT");
    for (int i = 0; i < 20; i++)
        assert_int_equal(get_stats(g.queue), 0);
    assert_true(counters_of(&g).waits <= 20); /* a call that is done at once is no wait */
    assert_int_equal(counters_of(&g).sleeps, counters_of(&g).waits);
    gated_host_close(&g);
}

/* The waits of the last request that the host has seen. */
static void expect_waits(struct gated_host *g, uint32_t n, uint32_t on, uint64_t sequence)
{
    pthread_mutex_lock(&g->lock);
    uint32_t n_waits = g->header.n_waits;
    struct apir_dependency first = g->waits[0];
    pthread_mutex_unlock(&g->lock);
    assert_int_equal(n_waits, n);
    if (n) {
        assert_int_equal(first.queue, on);
        assert_true(first.sequence == sequence);
    }
}

/* Two queues; calls of the host's thread are served one after the other, so what is waited for is kept from being done by
 * the ring: its word is set back. */
static void undo(struct apir_queue *queue, uint32_t completed)
{
    atomic_store(&queue->ring.ring->completed, completed);
}

static void redo(struct apir_queue *queue)
{
    atomic_store(&queue->ring.ring->completed, (uint32_t)(apir_queue_next(queue) - 1));
}

static void post_two(struct gated_host *g, struct apir_queue *queue)
{
    assert_int_equal(post(queue), 0);
    assert_int_equal(post(queue), 0);
    assert_int_equal(apir_queue_sync(queue), 0);
    (void)g;
}

static void later_number_of_a_queue_replaces_the_earlier(void **state)
{
    (void)state;
    struct gated_host g;
    gated_host_open(&g, UINT64_MAX);
    struct apir_queue *control = apir_session_control(g.session);
    post_two(&g, control);
    undo(control, 0);
    apir_queue_wait_for(g.queue, 0, 2);
    apir_queue_wait_for(g.queue, 0, 1);
    assert_int_equal(get_stats(g.queue), 0);
    expect_waits(&g, 1, 0, 2);
    redo(control);
    gated_host_close(&g);
}

static void waits_of_a_request_that_does_not_fit_are_kept(void **state)
{
    (void)state;
    const char *names[APIR_MAX_OPS];
    struct apir_negotiate_reply reply;
    struct apir_arena arena = {0};
    struct gated_host g;
    gated_host_open(&g, UINT64_MAX);
    struct apir_queue *control = apir_session_control(g.session);
    for (uint32_t i = 0; i < APIR_MAX_OPS; i++)
        names[i] = "a name of 80 letters, so that two lists of the largest length exceed a record";
    const struct apir_negotiate_args args = {.ggml_version = "", .ops = names, .n_ops = APIR_MAX_OPS,
                                             .unary_ops = names, .n_unary_ops = APIR_MAX_OPS};
    post_two(&g, control);
    undo(control, 1);
    apir_queue_wait_for(g.queue, 0, 2);
    assert_int_equal(apir_call_negotiate(g.queue, &arena, &args, &reply), -EMSGSIZE);
    assert_int_equal(get_stats(g.queue), 0);
    expect_waits(&g, 1, 0, 2);
    redo(control);
    apir_arena_finish(&arena);
    gated_host_close(&g);
}

static void queue_waits_as_another_would(void **state)
{
    (void)state;
    struct gated_host g;
    gated_host_open(&g, UINT64_MAX);
    struct apir_queue *control = apir_session_control(g.session), *other = apir_queue_open(g.session);
    post_two(&g, control);
    undo(control, 1);
    apir_queue_wait_for(g.queue, 0, 2);
    apir_queue_wait_as(other, g.queue);
    assert_int_equal(get_stats(other), 0);
    expect_waits(&g, 1, 0, 2);
    assert_int_equal(get_stats(other), 0);
    expect_waits(&g, 0, 0, 0); /* once */
    assert_int_equal(get_stats(g.queue), 0);
    expect_waits(&g, 1, 0, 2); /* it still does so itself */
    redo(control);
    apir_queue_close(other);
    gated_host_close(&g);
}

/* An event of the destination's own queue: its own calls come after it anyway, those that stand in for it must wait. */
static void who_stands_in_for_a_queue_waits_for_its_own_events(void **state)
{
    (void)state;
    struct gated_host g;
    gated_host_open(&g, UINT64_MAX);
    struct apir_queue *other = apir_queue_open(g.session);
    post_two(&g, g.queue);
    undo(g.queue, 1);
    apir_queue_wait_for_own(g.queue, 2);
    apir_queue_wait_for_own(g.queue, 1);
    apir_queue_wait_as(other, g.queue);
    assert_int_equal(get_stats(other), 0);
    expect_waits(&g, 1, apir_queue_id(g.queue), 2);
    redo(g.queue);
    assert_int_equal(get_stats(g.queue), 0);
    expect_waits(&g, 0, 0, 0);
    apir_queue_wait_as(other, g.queue); /* it is done */
    assert_int_equal(get_stats(other), 0);
    expect_waits(&g, 0, 0, 0);
    apir_queue_close(other);
    gated_host_close(&g);
}

static void queue_does_not_wait_for_itself(void **state)
{
    (void)state;
    struct gated_host g;
    gated_host_open(&g, UINT64_MAX);
    post_two(&g, g.queue);
    undo(g.queue, 0);
    apir_queue_wait_for_own(g.queue, 2);
    apir_queue_wait_as(g.queue, g.queue);
    redo(g.queue);
    assert_int_equal(get_stats(g.queue), 0);
    expect_waits(&g, 0, 0, 0);
    gated_host_close(&g);
}

/* What a failure spoils: the queue's results, and those that were made of them. */
static void set_failed(struct apir_queue *queue)
{
    apir_ring_fail(queue->ring.ring, APIR_GRAPH_STATUS_FAILED);
}

static void failure_spoils_what_was_taken(void **state)
{
    (void)state;
    struct gated_host g;
    gated_host_open(&g, UINT64_MAX);
    struct apir_queue *second = apir_queue_open(g.session), *third = apir_queue_open(g.session);
    apir_queue_take_from(second, g.queue);
    apir_queue_take_from(third, second);
    apir_queue_take_from(second, second);
    assert_false(apir_queue_is_spoilt(third));
    set_failed(g.queue);
    assert_true(apir_queue_is_spoilt(g.queue));
    assert_true(apir_queue_is_spoilt(second));
    assert_true(apir_queue_is_spoilt(third));
    assert_false(apir_queue_is_spoilt(apir_session_control(g.session)));
    assert_int_equal(apir_queue_failed(third), 0);
    apir_queue_forget_sources(third);
    assert_false(apir_queue_is_spoilt(third));
    apir_queue_clear_failed(g.queue);
    assert_false(apir_queue_is_spoilt(second));
    apir_queue_close(third);
    apir_queue_close(second);
    gated_host_close(&g);
}

/* Who uses its queue next is somebody else. */
static void queue_that_was_closed_spoils_nothing(void **state)
{
    (void)state;
    struct gated_host g;
    gated_host_open(&g, UINT64_MAX);
    struct apir_queue *second = apir_queue_open(g.session), *other = apir_queue_open(g.session);
    apir_queue_take_from(second, other);
    apir_queue_close(other);
    set_failed(other);
    assert_false(apir_queue_is_spoilt(second));
    apir_queue_close(second);
    gated_host_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_waits_end_by_any_policy),
        cmocka_unit_test(policy_of_sleep_never_looks_first),
        cmocka_unit_test(later_number_of_a_queue_replaces_the_earlier),
        cmocka_unit_test(waits_of_a_request_that_does_not_fit_are_kept),
        cmocka_unit_test(queue_waits_as_another_would),
        cmocka_unit_test(who_stands_in_for_a_queue_waits_for_its_own_events),
        cmocka_unit_test(queue_does_not_wait_for_itself),
        cmocka_unit_test(failure_spoils_what_was_taken),
        cmocka_unit_test(queue_that_was_closed_spoils_nothing),
    };
    return cmocka_run_group_tests_name("queue-wait", tests, NULL, NULL);
}
