#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/watchdog.h"
#include "util/clock.h"

enum {
    LIMIT = 1000, /* of a watchdog without a thread, whose time the test makes */
};

#define MS UINT64_C(1000000)

static void never(void *data)
{
    (void)data;
    fail();
}

/* One without a thread. */
static void set_up(struct apir_watchdog *dog, struct apir_watch *watches, unsigned n)
{
    *dog = (struct apir_watchdog){.limit_ns = LIMIT};
    pthread_mutex_init(&dog->lock, NULL);
    for (unsigned i = 0; i < n; i++) {
        watches[i] = (struct apir_watch){.next = NULL};
        apir_watchdog_add(dog, &watches[i]);
    }
}

static void call_that_takes_too_long_is_noticed(void **state)
{
    (void)state;
    struct apir_watchdog dog;
    struct apir_watch watch;
    set_up(&dog, &watch, 1);
    apir_watchdog_begin(&dog, &watch);
    assert_int_equal(apir_watchdog_look(&dog, 100), 1);
    assert_int_equal(apir_watchdog_look(&dog, 100 + LIMIT - 1), 1);
    assert_int_equal(apir_watchdog_look(&dog, 100 + LIMIT), -ETIMEDOUT);
    pthread_mutex_destroy(&dog.lock);
}

static void calls_after_one_another_are_not_one(void **state)
{
    (void)state;
    struct apir_watchdog dog;
    struct apir_watch watch;
    set_up(&dog, &watch, 1);
    for (uint64_t now = 0; now < 10 * LIMIT; now += LIMIT - 1) {
        apir_watchdog_begin(&dog, &watch);
        assert_int_equal(apir_watchdog_look(&dog, now), 1);
        apir_watchdog_end(&dog, &watch);
    }
    pthread_mutex_destroy(&dog.lock);
}

static void any_of_several_threads_is_noticed(void **state)
{
    (void)state;
    struct apir_watchdog dog;
    struct apir_watch watches[3];
    set_up(&dog, watches, 3);
    apir_watchdog_begin(&dog, &watches[1]);
    for (uint64_t now = 0; now < LIMIT; now += 100) {
        apir_watchdog_begin(&dog, &watches[0]);
        apir_watchdog_end(&dog, &watches[0]);
        assert_int_equal(apir_watchdog_look(&dog, now), 1);
    }
    assert_int_equal(apir_watchdog_look(&dog, LIMIT), -ETIMEDOUT);
    apir_watchdog_remove(&dog, &watches[1]);
    assert_int_equal(apir_watchdog_look(&dog, 2 * LIMIT), 0);
    pthread_mutex_destroy(&dog.lock);
}

/* Nobody has to be woken for the next call, then. */
static void calls_of_late_keep_it_awake(void **state)
{
    (void)state;
    struct apir_watchdog dog;
    struct apir_watch watch;
    set_up(&dog, &watch, 1);
    assert_int_equal(apir_watchdog_look(&dog, 0), 0);
    apir_watchdog_begin(&dog, &watch);
    apir_watchdog_end(&dog, &watch);
    assert_int_equal(apir_watchdog_look(&dog, 10), 1);
    assert_int_equal(apir_watchdog_look(&dog, 20), 0);
    assert_int_equal(apir_watchdog_look(&dog, 10 * LIMIT), 0);
    pthread_mutex_destroy(&dog.lock);
}

static void note(void *data)
{
    atomic_fetch_add((_Atomic int *)data, 1);
}

static void wait_for(_Atomic int *count)
{
    while (atomic_load(count) == 0)
        apir_clock_sleep(MS);
}

static void it_wakes_for_a_call_and_says_so_once(void **state)
{
    (void)state;
    struct apir_watchdog dog;
    struct apir_watch watch = {.next = NULL};
    _Atomic int expired = 0;
    assert_int_equal(apir_watchdog_init(&dog, 20 * MS, note, (void *)&expired), 0);
    apir_watchdog_add(&dog, &watch);
    while (!atomic_load(&dog.asleep))
        apir_clock_sleep(MS);
    apir_watchdog_begin(&dog, &watch);
    wait_for(&expired);
    apir_watchdog_end(&dog, &watch);
    apir_watchdog_finish(&dog);
    assert_int_equal(atomic_load(&expired), 1);
}

static void it_sleeps_when_calls_have_ended(void **state)
{
    (void)state;
    struct apir_watchdog dog;
    struct apir_watch watch = {.next = NULL};
    assert_int_equal(apir_watchdog_init(&dog, 20 * MS, never, NULL), 0);
    apir_watchdog_add(&dog, &watch);
    for (int i = 0; i < 1000; i++) {
        apir_watchdog_begin(&dog, &watch);
        apir_watchdog_end(&dog, &watch);
    }
    while (!atomic_load(&dog.asleep))
        apir_clock_sleep(MS);
    apir_watchdog_remove(&dog, &watch);
    apir_watchdog_finish(&dog);
}

static void without_a_limit_there_is_none(void **state)
{
    (void)state;
    struct apir_watchdog dog;
    struct apir_watch watch = {.next = NULL};
    assert_int_equal(apir_watchdog_init(&dog, 0, never, NULL), 0);
    apir_watchdog_add(&dog, &watch);
    apir_watchdog_begin(&dog, &watch);
    apir_watchdog_end(&dog, &watch);
    apir_watchdog_remove(&dog, &watch);
    assert_null(dog.watches);
    apir_watchdog_finish(&dog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(call_that_takes_too_long_is_noticed),
        cmocka_unit_test(calls_after_one_another_are_not_one),
        cmocka_unit_test(any_of_several_threads_is_noticed),
        cmocka_unit_test(calls_of_late_keep_it_awake),
        cmocka_unit_test(it_wakes_for_a_call_and_says_so_once),
        cmocka_unit_test(it_sleeps_when_calls_have_ended),
        cmocka_unit_test(without_a_limit_there_is_none),
    };
    return cmocka_run_group_tests_name("watchdog", tests, NULL, NULL);
}
