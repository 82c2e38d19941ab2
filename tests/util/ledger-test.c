#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/fd.h"
#include "util/ledger.h"

enum {
    LIMIT = 1000,
    ROUNDS = 200,
};

/* Two who share one. */
struct fixture {
    struct apir_ledger a, b;
};

static void set_up(struct fixture *f)
{
    int fd = apir_fd_memory("test", APIR_LEDGER_SIZE);
    *f = (struct fixture){0};
    assert_int_equal(apir_ledger_open(&f->a, fd, 3, LIMIT), 0);
    assert_int_equal(apir_ledger_open(&f->b, fd, APIR_LEDGER_LINES - 1, LIMIT), 0);
    apir_fd_close(&fd);
}

static void tear_down(struct fixture *f)
{
    apir_ledger_close(&f->a);
    apir_ledger_close(&f->b);
}

static void both_have_one_limit(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    assert_true(apir_ledger_charge(&f.a, 600));
    assert_false(apir_ledger_charge(&f.b, 401));
    assert_true(apir_ledger_left(&f.b) == 400);
    assert_true(apir_ledger_charge(&f.b, 400));
    assert_false(apir_ledger_charge(&f.a, 1));
    apir_ledger_uncharge(&f.a, 600);
    assert_true(apir_ledger_left(&f.b) == 600);
    tear_down(&f);
}

/* The other may have been taken over. */
static void lies_of_another_do_not_wrap(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    f.b.lines[f.b.own] = UINT64_MAX;
    f.b.lines[0] = 5;
    assert_false(apir_ledger_charge(&f.a, 1));
    assert_false(apir_ledger_charge(&f.a, UINT64_MAX));
    assert_true(apir_ledger_left(&f.a) == 0);
    assert_true(f.a.lines[f.a.own] == 0);
    tear_down(&f);
}

static void *charge_all(void *data)
{
    struct apir_ledger *ledger = data;
    uint64_t had = 0;
    for (int i = 0; i < ROUNDS; i++)
        had += apir_ledger_charge(ledger, 7) ? 7 : 0;
    return (void *)(uintptr_t)had;
}

static void two_at_once_have_no_more_than_the_limit(void **state)
{
    (void)state;
    struct fixture f;
    pthread_t thread;
    void *other;
    set_up(&f);
    assert_int_equal(pthread_create(&thread, NULL, charge_all, &f.a), 0);
    uint64_t had = (uintptr_t)charge_all(&f.b);
    pthread_join(thread, &other);
    had += (uintptr_t)other;
    assert_true(had <= LIMIT);
    assert_true(apir_ledger_left(&f.a) == LIMIT - had);
    tear_down(&f);
}

static void what_is_no_ledger_is_not_opened(void **state)
{
    (void)state;
    struct apir_ledger ledger = {0};
    int small = apir_fd_memory("test", 4096), good = apir_fd_memory("test", APIR_LEDGER_SIZE);
    assert_true(apir_ledger_open(&ledger, small, 0, LIMIT) < 0);
    assert_true(apir_ledger_open(&ledger, -1, 0, LIMIT) < 0);
    assert_int_equal(apir_ledger_open(&ledger, good, APIR_LEDGER_LINES, LIMIT), -EINVAL);
    assert_null(ledger.lines);
    apir_ledger_close(&ledger);
    apir_fd_close(&small);
    apir_fd_close(&good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_have_one_limit),
        cmocka_unit_test(lies_of_another_do_not_wrap),
        cmocka_unit_test(two_at_once_have_no_more_than_the_limit),
        cmocka_unit_test(what_is_no_ledger_is_not_opened),
    };
    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
