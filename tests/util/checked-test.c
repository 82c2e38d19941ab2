#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/checked.h"

static void sum_that_wraps_is_false(void **state)
{
    (void)state;
    uint64_t sum;
    assert_true(apir_checked_add(UINT64_MAX - 1, 1, &sum));
    assert_true(sum == UINT64_MAX);
    assert_false(apir_checked_add(UINT64_MAX, 1, &sum));
    assert_false(apir_checked_add(UINT64_MAX, UINT64_MAX, &sum));
}

static void product_that_wraps_is_false(void **state)
{
    (void)state;
    uint64_t product;
    assert_true(apir_checked_mul(UINT32_MAX, UINT32_MAX, &product));
    assert_true(product == UINT64_C(0xfffffffe00000001));
    assert_true(apir_checked_mul(UINT64_MAX, 0, &product));
    assert_true(product == 0);
    assert_false(apir_checked_mul(UINT64_C(1) << 32, UINT64_C(1) << 32, &product));
}

static void range_at_the_edge_is_inside(void **state)
{
    (void)state;
    assert_true(apir_checked_range(0, 0, 0));
    assert_true(apir_checked_range(0, 10, 10));
    assert_true(apir_checked_range(10, 0, 10));
    assert_true(apir_checked_range(9, 1, 10));
    assert_true(apir_checked_range(0, UINT64_MAX, UINT64_MAX));
}

static void range_past_the_edge_is_outside(void **state)
{
    (void)state;
    assert_false(apir_checked_range(1, 0, 0));
    assert_false(apir_checked_range(0, 1, 0));
    assert_false(apir_checked_range(10, 1, 10));
    assert_false(apir_checked_range(11, 0, 10));
    assert_false(apir_checked_range(UINT64_MAX, 2, 10));
    assert_false(apir_checked_range(2, UINT64_MAX, 10));
    assert_false(apir_checked_range(UINT64_MAX, UINT64_MAX, UINT64_MAX));
}

static void align_rounds_up(void **state)
{
    (void)state;
    uint64_t rounded;
    assert_true(apir_checked_align(0, 4096, &rounded));
    assert_true(rounded == 0);
    assert_true(apir_checked_align(1, 4096, &rounded));
    assert_true(rounded == 4096);
    assert_true(apir_checked_align(4096, 4096, &rounded));
    assert_true(rounded == 4096);
    assert_true(apir_checked_align(UINT64_MAX - 4095, 4096, &rounded));
    assert_true(rounded == UINT64_MAX - 4095);
}

static void align_that_wraps_is_false(void **state)
{
    (void)state;
    uint64_t rounded;
    assert_false(apir_checked_align(UINT64_MAX, 4096, &rounded));
    assert_false(apir_checked_align(UINT64_MAX - 4094, 4096, &rounded));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sum_that_wraps_is_false),    cmocka_unit_test(product_that_wraps_is_false),
        cmocka_unit_test(range_at_the_edge_is_inside), cmocka_unit_test(range_past_the_edge_is_outside),
        cmocka_unit_test(align_rounds_up),            cmocka_unit_test(align_that_wraps_is_false),
    };
    return cmocka_run_group_tests_name("checked", tests, NULL, NULL);
}
