/* The loop: fairness between what comes again at once and everything else. */
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fixture.h"

struct counts {
    struct apir_loop loop;
    struct apir_timer timer;
    struct apir_source source;
    int fd;
    unsigned timers, events;
};

static void expired_again(void *owner)
{
    struct counts *counts = owner;
    counts->timers++;
    apir_loop_set_timer(&counts->loop, &counts->timer, 0);
}

static void ready_again(void *owner, uint32_t events)
{
    struct counts *counts = owner;
    (void)events;
    counts->events++;
}

static int setup(void **state)
{
    struct counts *counts = calloc(1, sizeof *counts);
    *state = counts;
    if (!counts || apir_loop_init(&counts->loop) < 0)
        return -1;
    counts->fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    apir_timer_init(&counts->timer, expired_again, counts);
    apir_source_init(&counts->source, ready_again, counts);
    return apir_loop_watch(&counts->loop, &counts->source, counts->fd, EPOLLIN);
}

static int teardown(void **state)
{
    struct counts *counts = *state;
    apir_loop_unwatch(&counts->loop, &counts->source);
    apir_loop_clear_timer(&counts->timer);
    apir_loop_finish(&counts->loop);
    close(counts->fd);
    free(counts);
    return 0;
}

static void a_timer_that_is_always_due_does_not_keep_events_waiting(void **state)
{
    struct counts *counts = *state;
    apir_loop_set_timer(&counts->loop, &counts->timer, 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(apir_loop_step(&counts->loop, 0), 0);
    assert_int_equal(counts->events, 10);
    assert_int_equal(counts->timers, 10);
}

static void events_that_always_come_do_not_keep_a_timer_waiting(void **state)
{
    struct counts *counts = *state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(apir_loop_step(&counts->loop, 0), 0);
    assert_int_equal(counts->events, 10);
    apir_loop_set_timer(&counts->loop, &counts->timer, 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(apir_loop_step(&counts->loop, 0), 0);
    assert_int_equal(counts->timers, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_timer_that_is_always_due_does_not_keep_events_waiting, setup, teardown),
        cmocka_unit_test_setup_teardown(events_that_always_come_do_not_keep_a_timer_waiting, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
