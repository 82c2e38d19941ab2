#include "targets.h"

#include <string.h>

#include "cmocka-all.h"
#include "report.h"

static const struct apir_target at_most_5 = {"a time", APIR_MEASURE_CALL, 0, "apir", APIR_RELATION_VALUE, NULL, false,
                                             5};
static const struct apir_target at_least_half = {"a ratio",           APIR_MEASURE_SET, 4096, "apir",
                                                 APIR_RELATION_RATIO, "memcpy",         true, 0.5};
static const struct apir_target at_most_twice = {"a time of speeds",    APIR_MEASURE_SET, 4096,  "apir",
                                                 APIR_RELATION_INVERSE, "memcpy",         false, 2};
static const struct apir_target at_most_3_more = {"a difference",           APIR_MEASURE_CALL, 0,     "apir",
                                                  APIR_RELATION_DIFFERENCE, "native",          false, 3};

static void add(struct apir_samples *samples, enum apir_measure measure, uint64_t parameter, const char *arm,
                double value)
{
    unsigned int round = 0;
    while (apir_samples_find(samples, (struct apir_samples_key){measure, parameter, arm}, round))
        round++;
    assert_int_equal(apir_samples_add(samples, measure, parameter, arm, round, value), 0);
}

static void assert_judged(const struct apir_target *target, struct apir_samples *samples, enum apir_verdict verdict,
                          double wanted)
{
    double value = -1;
    assert_int_equal(apir_target_judge(target, samples, &value), verdict);
    assert_true(value == wanted);
    apir_samples_finish(samples);
}

static void what_was_not_measured_is_neither_met_nor_missed(void **state)
{
    (void)state;
    struct apir_samples samples = {0};
    add(&samples, APIR_MEASURE_CALL, 0, "native", 1);
    assert_judged(&at_most_5, &samples, APIR_VERDICT_NOT_MEASURED, -1);
}

static void the_limit_itself_is_met(void **state)
{
    (void)state;
    struct apir_samples samples = {0};
    add(&samples, APIR_MEASURE_CALL, 0, "apir", 5);
    assert_judged(&at_most_5, &samples, APIR_VERDICT_PASS, 5);
}

static void a_time_is_the_best_of_three(void **state)
{
    (void)state;
    struct apir_samples samples = {0};
    for (double value = 4; value < 7; value++)
        add(&samples, APIR_MEASURE_CALL, 0, "apir", value);
    assert_judged(&at_most_5, &samples, APIR_VERDICT_PASS, 4);
}

static void too_long_a_time_is_missed(void **state)
{
    (void)state;
    struct apir_samples samples = {0};
    add(&samples, APIR_MEASURE_CALL, 0, "apir", 5.5);
    assert_judged(&at_most_5, &samples, APIR_VERDICT_MISS, 5.5);
}

static void a_ratio_is_the_median_and_not_the_best(void **state)
{
    (void)state;
    struct apir_samples samples = {0};
    const double values[] = {2, 4, 9};
    for (size_t i = 0; i < 3; i++) {
        add(&samples, APIR_MEASURE_SET, 4096, "apir", values[i]);
        add(&samples, APIR_MEASURE_SET, 4096, "memcpy", 10);
    }
    assert_judged(&at_least_half, &samples, APIR_VERDICT_MISS, 0.4);
}

static void an_inverse_ratio_holds_times_of_speeds(void **state)
{
    (void)state;
    struct apir_samples samples = {0};
    add(&samples, APIR_MEASURE_SET, 4096, "apir", 4);
    add(&samples, APIR_MEASURE_SET, 4096, "memcpy", 10);
    assert_judged(&at_most_twice, &samples, APIR_VERDICT_MISS, 2.5);
}

static void a_difference_is_to_the_same_round(void **state)
{
    (void)state;
    struct apir_samples samples = {0};
    add(&samples, APIR_MEASURE_CALL, 0, "apir", 9);
    add(&samples, APIR_MEASURE_CALL, 0, "native", 7);
    assert_judged(&at_most_3_more, &samples, APIR_VERDICT_PASS, 2);
}

static bool is_arm(const char *name)
{
    for (const char *const *arm = apir_report_arms; *arm; arm++)
        if (strcmp(*arm, name) == 0)
            return true;
    return false;
}

static void targets_are_about_arms_that_there_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < apir_targets_count; i++) {
        const struct apir_target *target = &apir_targets[i];
        assert_true(is_arm(target->arm));
        assert_int_equal(target->other == NULL, target->relation == APIR_RELATION_VALUE);
        assert_true(!target->other || is_arm(target->other));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_not_measured_is_neither_met_nor_missed),
        cmocka_unit_test(the_limit_itself_is_met),
        cmocka_unit_test(a_time_is_the_best_of_three),
        cmocka_unit_test(too_long_a_time_is_missed),
        cmocka_unit_test(a_ratio_is_the_median_and_not_the_best),
        cmocka_unit_test(an_inverse_ratio_holds_times_of_speeds),
        cmocka_unit_test(a_difference_is_to_the_same_round),
        cmocka_unit_test(targets_are_about_arms_that_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
