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
    apir_spin_init(&spin, 200000);
    assert_true(apir_spin_until(&spin, always, &looks));
    assert_int_equal(looks, 1);
}

/* How long a wait in vain looks, at least: the shortest of some. */
static uint64_t time_in_vain(struct apir_spin *spin)
{
    uint64_t shortest = UINT64_MAX;
    unsigned looks = 0;
    for (int i = 0; i < 50; i++) {
        uint64_t start = apir_clock_now();
        assert_false(apir_spin_until(spin, never, &looks));
        uint64_t took = apir_clock_now() - start;
        shortest = took < shortest ? took : shortest;
    }
    return shortest;
}

static void waits_are_looked_for_as_long_as_they_last_of_late(void **state)
{
    (void)state;
    struct apir_spin spin;
    apir_spin_init(&spin, 1000000);
    spin.allowed = true;
    for (int i = 0; i < 50; i++)
        apir_spin_learn(&spin, 150000);
    assert_uint_in_range(spin.expected_ns, 120000, 180000);
    for (int i = 0; i < 500; i++)
        apir_spin_learn(&spin, 1000);
    assert_uint_in_range(spin.expected_ns, 500, 2000);
    assert_true(time_in_vain(&spin) < 100000);
}

static void rare_longer_waits_are_looked_for(void **state)
{
    (void)state;
    struct apir_spin spin;
    apir_spin_init(&spin, 1000000);
    spin.allowed = true;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 20; i++)
            apir_spin_learn(&spin, 1000);
        apir_spin_learn(&spin, 400000);
    }
    for (int i = 0; i < 20; i++)
        apir_spin_learn(&spin, 1000);
    assert_true(time_in_vain(&spin) >= 400000);
}

static void long_waits_are_not_looked_for(void **state)
{
    (void)state;
    struct apir_spin spin;
    apir_spin_init(&spin, 1000000);
    spin.allowed = true;
    for (int i = 0; i < 50; i++)
        apir_spin_learn(&spin, UINT64_C(60000000000));
    assert_true(spin.expected_ns > spin.max_ns);
    assert_true(time_in_vain(&spin) < 500000);
    for (int i = 0; i < 12; i++)
        apir_spin_learn(&spin, 10000);
    assert_true(spin.expected_ns < spin.max_ns); /* it is forgotten soon */
}

static void one_processor_is_left_to_the_other_side(void **state)
{
    (void)state;
    struct apir_spin spin;
    unsigned looks = 0;
    apir_spin_init(&spin, 200000);
    spin.allowed = false;
    assert_false(apir_spin_until(&spin, never, &looks));
    assert_int_equal(looks, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_done_is_not_waited_for),
        cmocka_unit_test(waits_are_looked_for_as_long_as_they_last_of_late),
        cmocka_unit_test(rare_longer_waits_are_looked_for),
        cmocka_unit_test(long_waits_are_not_looked_for),
        cmocka_unit_test(one_processor_is_left_to_the_other_side),
    };
    return cmocka_run_group_tests_name("spin", tests, NULL, NULL);
}
