#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/clock.h"
#include "util/spin.h"

static bool never(void *data)
{
    ++*(unsigned *)data;
    return false;
}

static bool always(void *data)
{
    ++*(unsigned *)data;
    return true;
}

static void what_is_done_is_not_waited_for(void **state)
{
    (void)state;
    struct apir_spin spin;
    unsigned looks = 0;
    apir_spin_init(&spin);
    assert_true(apir_spin_until(&spin, always, &looks));
    assert_int_equal(looks, 1);
}

static void waits_in_vain_become_short(void **state)
{
    (void)state;
    struct apir_spin spin;
    unsigned looks = 0;
    apir_spin_init(&spin);
    spin.allowed = true;
    uint64_t first = spin.budget_ns;
    for (int i = 0; i < 20; i++)
        assert_false(apir_spin_until(&spin, never, &looks));
    assert_true(spin.budget_ns < first / 8);
    assert_true(spin.budget_ns > 0);
    uint64_t short_one = spin.budget_ns;
    assert_true(apir_spin_until(&spin, always, &looks));
    assert_true(spin.budget_ns > short_one); /* it was worth it: the next may be longer */
}

static void one_processor_is_left_to_the_other_side(void **state)
{
    (void)state;
    struct apir_spin spin;
    unsigned looks = 0;
    apir_spin_init(&spin);
    spin.allowed = false;
    assert_false(apir_spin_until(&spin, never, &looks));
    assert_int_equal(looks, 1);
}

static void a_wait_in_vain_is_bounded(void **state)
{
    (void)state;
    struct apir_spin spin;
    unsigned looks = 0;
    apir_spin_init(&spin);
    spin.allowed = true;
    uint64_t start = apir_clock_now();
    for (int i = 0; i < 50; i++)
        apir_spin_until(&spin, never, &looks);
    assert_true(apir_clock_now() - start < UINT64_C(5000000000)); /* 50 of 0.2 ms at most, on a machine that is busy */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_done_is_not_waited_for),
        cmocka_unit_test(waits_in_vain_become_short),
        cmocka_unit_test(one_processor_is_left_to_the_other_side),
        cmocka_unit_test(a_wait_in_vain_is_bounded),
    };
    return cmocka_run_group_tests_name("spin", tests, NULL, NULL);
}
