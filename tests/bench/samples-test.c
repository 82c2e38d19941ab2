#include "samples.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "cmocka-all.h"

/* Reads lines into samples, and what is none of them into rest. */
static void read_lines(struct apir_samples *samples, const char *lines, char *rest, size_t size)
{
    FILE *from = fmemopen((void *)(uintptr_t)lines, strlen(lines), "r");
    FILE *to = fmemopen(rest, size, "w");
    assert_non_null(from);
    assert_non_null(to);
    assert_int_equal(apir_samples_read(samples, from, to), 0);
    fclose(from);
    fclose(to);
}

static void lines_are_read_as_they_were_written(void **state)
{
    (void)state;
    struct apir_samples one = {0}, two = {0};
    char text[200] = "", rest[200] = "";
    assert_int_equal(apir_samples_add(&one, APIR_MEASURE_GRAPH, 1000, "rpc", 3, 0.1), 0);
    FILE *file = fmemopen(text, sizeof text, "w");
    apir_samples_write(&one, file);
    fclose(file);
    read_lines(&two, text, rest, sizeof rest);
    assert_int_equal(two.count, 1);
    assert_int_equal(two.list[0].measure, APIR_MEASURE_GRAPH);
    assert_int_equal(two.list[0].parameter, 1000);
    assert_string_equal(two.list[0].arm, "rpc");
    assert_int_equal(two.list[0].round, 3);
    assert_true(two.list[0].value == 0.1);
    apir_samples_finish(&one);
    apir_samples_finish(&two);
}

static void other_lines_are_passed_on(void **state)
{
    (void)state;
    struct apir_samples samples = {0};
    char rest[200] = "";
    read_lines(&samples, "llama: hello\ncall 0 apir 0 4.5\nnothing 0 apir 0 1\ncall 0 apir\n", rest, sizeof rest);
    assert_int_equal(samples.count, 1);
    assert_string_equal(rest, "llama: hello\nnothing 0 apir 0 1\ncall 0 apir\n");
    apir_samples_finish(&samples);
}

static void what_is_no_number_is_refused(void **state)
{
    (void)state;
    struct apir_samples samples = {0};
    assert_int_equal(apir_samples_add(&samples, APIR_MEASURE_CALL, 0, "apir", 0, (double)NAN), -EINVAL);
    assert_int_equal(apir_samples_add(&samples, APIR_MEASURE_CALL, 0, "apir", APIR_MAX_ROUNDS, 1), -EINVAL);
    assert_int_equal(samples.count, 0);
    apir_samples_finish(&samples);
}

static void ratios_are_of_the_same_round(void **state)
{
    (void)state;
    struct apir_samples samples = {0};
    double values[APIR_MAX_ROUNDS];
    char rest[100];
    read_lines(&samples, "call 0 apir 0 10\ncall 0 apir 1 40\ncall 0 native 1 4\ncall 0 native 0 2\n", rest,
               sizeof rest);
    struct apir_samples_key key = {APIR_MEASURE_CALL, 0, "apir"};
    assert_int_equal(apir_samples_collect(&samples, key, APIR_PAIRING_RATIO, "native", values), 2);
    assert_true(values[0] == 5 && values[1] == 10);
    assert_int_equal(apir_samples_collect(&samples, key, APIR_PAIRING_DIFFERENCE, "native", values), 2);
    assert_true(values[0] == 8 && values[1] == 36);
    apir_samples_finish(&samples);
}

static void a_round_without_its_counterpart_has_no_ratio(void **state)
{
    (void)state;
    struct apir_samples samples = {0};
    double values[APIR_MAX_ROUNDS];
    char rest[100];
    read_lines(&samples, "call 0 apir 0 10\ncall 0 apir 1 40\ncall 0 native 1 4\n", rest, sizeof rest);
    struct apir_samples_key key = {APIR_MEASURE_CALL, 0, "apir"};
    assert_int_equal(apir_samples_collect(&samples, key, APIR_PAIRING_RATIO, "native", values), 1);
    assert_true(values[0] == 10);
    assert_int_equal(apir_samples_collect(&samples, key, APIR_PAIRING_NONE, NULL, values), 2);
    apir_samples_finish(&samples);
}

static void every_measure_has_a_key_of_its_own(void **state)
{
    (void)state;
    for (enum apir_measure i = 0; i < APIR_MEASURE_COUNT; i++)
        assert_int_equal(apir_measure_find(apir_measure_get(i)->key), i);
    assert_int_equal(apir_measure_find("nothing"), APIR_MEASURE_COUNT);
}

static void parameters_are_written_for_people(void **state)
{
    (void)state;
    char text[32];
    apir_measure_print_parameter(APIR_MEASURE_GRAPH, 1000, text, sizeof text);
    assert_string_equal(text, "1,000 nodes");
    apir_measure_print_parameter(APIR_MEASURE_SET, 4096, text, sizeof text);
    assert_string_equal(text, "4 KiB");
    apir_measure_print_parameter(APIR_MEASURE_GET, 268435456, text, sizeof text);
    assert_string_equal(text, "256 MiB");
    apir_measure_print_parameter(APIR_MEASURE_CALL, 0, text, sizeof text);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_read_as_they_were_written),
        cmocka_unit_test(other_lines_are_passed_on),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(ratios_are_of_the_same_round),
        cmocka_unit_test(a_round_without_its_counterpart_has_no_ratio),
        cmocka_unit_test(every_measure_has_a_key_of_its_own),
        cmocka_unit_test(parameters_are_written_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
