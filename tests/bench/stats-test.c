#include "stats.h"

#include "cmocka-all.h"

static void the_median_of_an_even_count_lies_between(void **state)
{
    (void)state;
    double values[] = {4, 1, 3, 2};
    assert_true(apir_stats_median(values, 4) == 2.5);
}

static void the_median_of_one_value_is_that(void **state)
{
    (void)state;
    double value = 7;
    assert_true(apir_stats_median(&value, 1) == 7);
}

static void the_spread_has_the_quartiles(void **state)
{
    (void)state;
    double values[] = {50, 10, 40, 20, 30};
    struct apir_spread spread = apir_stats_spread(values, 5);
    assert_true(spread.low == 20 && spread.median == 30 && spread.high == 40);
    assert_int_equal(spread.count, 5);
}

static void the_best_of_three_is_a_run_and_no_single_value(void **state)
{
    (void)state;
    double values[] = {9, 1, 9, 5, 4, 6, 8, 7, 8}; /* runs of three: 9, 5, 8 */
    assert_true(apir_stats_best_of_three(values, 9) == 5);
}

static void the_best_of_three_takes_fewer_values(void **state)
{
    (void)state;
    double values[] = {3, 2};
    assert_true(apir_stats_best_of_three(values, 2) == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_median_of_an_even_count_lies_between),
        cmocka_unit_test(the_median_of_one_value_is_that),
        cmocka_unit_test(the_spread_has_the_quartiles),
        cmocka_unit_test(the_best_of_three_is_a_run_and_no_single_value),
        cmocka_unit_test(the_best_of_three_takes_fewer_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
