/* Calls that are posted: they do not wait, arrive in order, and tell later how they failed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

static struct apir_counters counters_of(struct gated_host *g)
{
    struct apir_counters counters;
    apir_session_get_counters(g->session, &counters);
    return counters;
}

static void posted_calls_do_not_wait(void **state)
{
    (void)state;
    struct gated_host g;
    gated_host_open(&g, 1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(post(g.queue), 0);
    assert_false(apir_queue_is_done(g.queue, 1));
    assert_int_equal(counters_of(&g).waits, 0);
    gated_host_let(&g, UINT64_MAX);
    assert_int_equal(apir_queue_sync(g.queue), 0);
    assert_true(apir_queue_is_done(g.queue, 10));
    assert_false(apir_queue_is_done(g.queue, 11));
    assert_int_equal(g.last, 10);
    assert_int_equal(counters_of(&g).calls, 10);
    gated_host_close(&g);
}

static void sync_is_free_when_all_is_done(void **state)
{
    (void)state;
    struct gated_host g;
    gated_host_open(&g, UINT64_MAX);
    assert_int_equal(apir_queue_sync(g.queue), 0); /* nothing was ever called */
    assert_int_equal(post(g.queue), 0);
    assert_int_equal(apir_queue_sync(g.queue), 0);
    struct apir_counters before = counters_of(&g);
    for (int i = 0; i < 5; i++)
        assert_int_equal(apir_queue_sync(g.queue), 0);
    struct apir_counters after = counters_of(&g);
    assert_memory_equal(&before, &after, sizeof before);
    gated_host_close(&g);
}

static void sync_waits_for_no_more_than_it_is_asked_to(void **state)
{
    (void)state;
    struct gated_host g;
    gated_host_open(&g, 3);
    for (int i = 0; i < 4; i++)
        assert_int_equal(post(g.queue), 0);
    assert_int_equal(apir_queue_sync_to(g.queue, 2), 0);
    assert_true(apir_queue_is_done(g.queue, 2));
    assert_false(apir_queue_is_done(g.queue, 3));
    assert_int_equal(apir_queue_sync_to(g.queue, 0), 0);
    gated_host_close(&g);
}

static void call_with_results_comes_after_what_was_posted(void **state)
{
    (void)state;
    struct gated_host g;
    gated_host_open(&g, UINT64_MAX);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(post(g.queue), 0);
        assert_int_equal(get_stats(g.queue), 0);
        assert_int_equal(g.last, 2 * i + 2);
    }
    gated_host_close(&g);
}

static void first_failure_is_told_until_it_is_cleared(void **state)
{
    (void)state;
    struct gated_host g;
    gated_host_open(&g, UINT64_MAX);
    g.fail_at = 2;
    g.fail_with = APIR_GRAPH_STATUS_ALLOC_FAILED;
    assert_int_equal(post(g.queue), 0);
    assert_int_equal(apir_queue_sync(g.queue), 0);
    assert_int_equal(apir_queue_failed(g.queue), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(post(g.queue), 0);
    assert_int_equal(apir_queue_sync(g.queue), 0); /* no mistake: the session goes on */
    assert_int_equal(apir_queue_failed(g.queue), APIR_GRAPH_STATUS_ALLOC_FAILED);
    assert_int_equal(apir_queue_failed(apir_session_control(g.session)), 0);
    assert_int_equal(apir_session_error(g.session), 0);
    apir_queue_clear_failed(g.queue);
    assert_int_equal(apir_queue_failed(g.queue), 0);
    assert_int_equal(get_stats(g.queue), 0);
    gated_host_close(&g);
}

static size_t count_lines(const char *text, const char *with)
{
    size_t n = 0;
    for (const char *at = strstr(text, with); at; at = strstr(at + 1, with))
        n++;
    return n;
}

/* The host refuses, and does no more: it does not end the session by itself. */
static void expect_refusal(struct gated_host *g, int ret)
{
    assert_int_equal(ret, -ENOENT);
    assert_int_equal(apir_session_error(g->session), -ENOENT);
    assert_int_equal(post(g->queue), -ENOENT);
    assert_int_equal(get_stats(apir_session_control(g->session)), -ENOENT);
    assert_int_equal(apir_queue_sync(g->queue), -ENOENT);
    assert_int_equal(count_lines(g->host.log_text, "failed:"), 1);
    apir_queue_clear_failed(g->queue);
    assert_int_equal((int32_t)apir_queue_failed(g->queue), -ENOENT); /* is never forgotten */
    gated_host_close(g);
}

static void refused_post_ends_the_session_with_its_error(void **state)
{
    (void)state;
    struct gated_host g;
    gated_host_open(&g, UINT64_MAX);
    g.refuse_at = 2;
    assert_int_equal(post(g.queue), 0);
    assert_int_equal(post(g.queue), 0);
    expect_refusal(&g, apir_queue_sync(g.queue));
}

static void who_waits_for_a_later_call_hears_of_the_refusal(void **state)
{
    (void)state;
    struct gated_host g;
    gated_host_open(&g, 2);
    g.refuse_at = 2;
    for (int i = 0; i < 5; i++)
        assert_int_equal(post(g.queue), 0);
    gated_host_let(&g, UINT64_MAX);
    expect_refusal(&g, get_stats(g.queue));
}

enum {
    FLOOD = 500, /* of up to 4 KiB: several times what a ring holds */
};

static void *flood(void *data)
{
    static const uint8_t bytes[APIR_MAX_INLINE];
    struct gated_host *g = data;
    intptr_t ret = 0;
    for (uint32_t i = 0; i < FLOOD && ret == 0; i++)
        ret = apir_call_buffer_write(g->queue, &(struct apir_buffer_write_args){
                                                   .buffer = 1, .offset = i, .data = bytes, .n_data = 1 + i * 37 % 4096});
    return (void *)ret;
}

static void full_ring_makes_who_posts_wait(void **state)
{
    (void)state;
    struct gated_host g;
    pthread_t thread;
    void *ret;
    gated_host_open(&g, 1);
    assert_int_equal(pthread_create(&thread, NULL, flood, &g), 0);
    while (counters_of(&g).waits == 0)
        apir_clock_sleep(100000);
    assert_true(apir_queue_next(g.queue) - 1 < FLOOD);
    gated_host_let(&g, UINT64_MAX);
    pthread_join(thread, &ret);
    assert_null(ret);
    assert_int_equal(apir_queue_sync(g.queue), 0);
    assert_int_equal(g.last, FLOOD);
    assert_true(g.in_order);
    gated_host_close(&g);
}

/* Waits until the poster waits, then has the host refuse what it is at. */
static void refusal_frees_who_waits_for_room(void **state)
{
    (void)state;
    struct gated_host g;
    pthread_t thread;
    void *ret;
    gated_host_open(&g, 1);
    g.refuse_at = 1;
    assert_int_equal(pthread_create(&thread, NULL, flood, &g), 0);
    while (counters_of(&g).waits == 0)
        apir_clock_sleep(100000);
    gated_host_let(&g, UINT64_MAX);
    pthread_join(thread, &ret);
    expect_refusal(&g, (int)(intptr_t)ret);
}

/* The ring has the low half of a call's number. */
static void numbers_may_pass_32_bits(void **state)
{
    (void)state;
    struct gated_host g;
    const uint64_t start = (UINT64_C(1) << 32) - 3;
    gated_host_open(&g, UINT64_MAX);
    atomic_store(&g.queue->sequence, start);
    atomic_store(&g.queue->ring.ring->completed, (uint32_t)start);
    assert_true(apir_queue_is_done(g.queue, start));
    assert_true(apir_queue_is_done(g.queue, 1)); /* of long ago */
    for (uint64_t i = 1; i <= 8; i++) {
        assert_false(apir_queue_is_done(g.queue, start + i));
        assert_int_equal(post(g.queue), 0);
        assert_int_equal(apir_queue_sync_to(g.queue, start + i), 0);
        assert_true(apir_queue_is_done(g.queue, start + i));
    }
    assert_int_equal(get_stats(g.queue), 0);
    assert_true(g.last == start + 9);
    gated_host_close(&g);
}

static void closed_queue_is_used_again(void **state)
{
    (void)state;
    struct gated_host g;
    gated_host_open(&g, UINT64_MAX);
    for (int i = 0; i < 3 * APIR_MAX_QUEUES; i++) {
        uint32_t id = apir_queue_id(g.queue);
        assert_int_equal(post(g.queue), 0);
        apir_queue_close(g.queue);
        g.queue = apir_queue_open(g.session);
        assert_non_null(g.queue);
        assert_int_equal(apir_queue_id(g.queue), id);
    }
    assert_int_equal(apir_queue_sync(g.queue), 0);
    assert_int_equal(g.last, 3 * APIR_MAX_QUEUES);
    gated_host_close(&g);
}

static void drain_waits_for_all_queues(void **state)
{
    (void)state;
    struct gated_host g;
    gated_host_open(&g, UINT64_MAX);
    struct apir_queue *other = apir_queue_open(g.session);
    assert_int_equal(post(g.queue), 0);
    assert_int_equal(post(other), 0);
    assert_int_equal(apir_session_drain(g.session), 0);
    assert_true(apir_queue_is_done(g.queue, 1));
    assert_true(apir_queue_is_done(other, 1));
    apir_queue_close(other);
    gated_host_close(&g);
}

static void *drain_often(void *data)
{
    struct gated_host *g = data;
    intptr_t ret = 0;
    while (ret == 0 && !atomic_load(&g->stop))
        ret = apir_session_drain(g->session);
    return (void *)ret;
}

static void queues_may_be_opened_while_others_drain(void **state)
{
    (void)state;
    struct gated_host g;
    struct apir_queue *queues[40];
    pthread_t thread;
    void *ret;
    gated_host_open(&g, UINT64_MAX);
    assert_int_equal(pthread_create(&thread, NULL, drain_often, &g), 0);
    for (size_t i = 0; i < sizeof queues / sizeof *queues; i++) {
        queues[i] = apir_queue_open(g.session);
        assert_non_null(queues[i]);
        assert_int_equal(post(queues[i]), 0);
    }
    atomic_store(&g.stop, true);
    pthread_join(thread, &ret);
    assert_null(ret);
    for (size_t i = 0; i < sizeof queues / sizeof *queues; i++)
        apir_queue_close(queues[i]);
    gated_host_close(&g);
}

/* What a child that was forked must not do shows as a fault: the ring is not there. */
static int use_in_child(struct gated_host *g)
{
    apir_queue_clear_failed(g->queue);
    apir_queue_wait_for(g->queue, 0, 1);
    apir_queue_wait_for_own(g->queue, 1);
    apir_queue_wait_as(g->queue, apir_session_control(g->session));
    bool good = post(g->queue) == -EOWNERDEAD && get_stats(g->queue) == -EOWNERDEAD &&
                apir_queue_sync(g->queue) == -EOWNERDEAD && apir_session_drain(g->session) == -EOWNERDEAD &&
                apir_queue_is_done(g->queue, 1) && apir_queue_failed(g->queue) == 0;
    return good ? 0 : 1;
}

static void forked_child_touches_no_ring(void **state)
{
    (void)state;
    struct gated_host g;
    int status = -1;
    gated_host_open(&g, UINT64_MAX);
    assert_int_equal(post(g.queue), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(use_in_child(&g));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(get_stats(g.queue), 0);
    gated_host_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posted_calls_do_not_wait),
        cmocka_unit_test(sync_is_free_when_all_is_done),
        cmocka_unit_test(sync_waits_for_no_more_than_it_is_asked_to),
        cmocka_unit_test(call_with_results_comes_after_what_was_posted),
        cmocka_unit_test(first_failure_is_told_until_it_is_cleared),
        cmocka_unit_test(refused_post_ends_the_session_with_its_error),
        cmocka_unit_test(who_waits_for_a_later_call_hears_of_the_refusal),
        cmocka_unit_test(full_ring_makes_who_posts_wait),
        cmocka_unit_test(refusal_frees_who_waits_for_room),
        cmocka_unit_test(numbers_may_pass_32_bits),
        cmocka_unit_test(closed_queue_is_used_again),
        cmocka_unit_test(drain_waits_for_all_queues),
        cmocka_unit_test(queues_may_be_opened_while_others_drain),
        cmocka_unit_test(forked_child_touches_no_ring),
    };
    return cmocka_run_group_tests_name("queue-post", tests, NULL, NULL);
}
