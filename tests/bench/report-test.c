#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "cmocka-all.h"
#include "well-formed.h"

static void fill(struct apir_samples *samples)
{
    static const char *const arms[] = {"native", "apir"};
    for (unsigned int round = 0; round < 3; round++)
        for (unsigned int arm = 0; arm < 2; arm++) {
            double factor = 1 + 3.0 * arm;
            apir_samples_add(samples, APIR_MEASURE_CALL, 0, arms[arm], round, 2 * factor);
            apir_samples_add(samples, APIR_MEASURE_GRAPH, 10, arms[arm], round, 5 * factor);
            apir_samples_add(samples, APIR_MEASURE_GRAPH, 1000, arms[arm], round, 50 * factor);
            apir_samples_add(samples, APIR_MEASURE_SET, 4096, arms[arm], round, 8 / factor);
        }
}

static void print_json(const struct apir_samples *samples, FILE *file)
{
    const struct apir_machine machine = {.processor = "Processor (R)", .processors = 2, .busy = 0.25};
    apir_report_json(samples, &machine, file);
}

/* What a report prints; freed by the caller. */
static char *print(void (*report)(const struct apir_samples *, FILE *), bool empty)
{
    struct apir_samples samples = {0};
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    if (!empty)
        fill(&samples);
    report(&samples, file);
    fclose(file);
    apir_samples_finish(&samples);
    return text;
}

static void the_checks_know_good_from_bad(void **state)
{
    (void)state;
    assert_true(is_json("{\"a\": [1, -2.5e3, \"x\"], \"b\": {}}\n"));
    assert_false(is_json("{\"a\": [1,]}"));
    assert_false(is_json("{\"a\": nan}"));
    assert_false(is_json("{} {}"));
    assert_true(is_xml("<?xml version=\"1.0\"?>\n<svg><g><text>1</text><a/></g></svg>\n"));
    assert_false(is_xml("<svg><g></svg></g>"));
    assert_false(is_xml("<svg>"));
}

static void json_is_well_formed(void **state)
{
    (void)state;
    for (int empty = 0; empty < 2; empty++) {
        char *text = print(print_json, empty);
        assert_true(is_json(text));
        free(text);
    }
}

static void json_has_values_and_ratios(void **state)
{
    (void)state;
    char *text = print(print_json, false);
    char *arm = strstr(text, "\"measure\": \"graph\", \"parameter\": 1000, \"arm\": \"apir\"");
    assert_non_null(arm);
    *strchr(arm, '}') = '\0';
    assert_non_null(strstr(arm, "\"median\": 200"));
    assert_null(strstr(text, "ratio_to_floor"));
    assert_non_null(strstr(text, "\"processors\": 2, \"busy\": 0.25"));
    free(text);
}

static void svg_is_well_formed(void **state)
{
    (void)state;
    for (int empty = 0; empty < 2; empty++) {
        char *text = print(apir_report_svg, empty);
        assert_true(is_xml(text));
        assert_null(strstr(text, "nan"));
        assert_null(strstr(text, "inf"));
        free(text);
    }
}

static void svg_draws_what_was_measured(void **state)
{
    (void)state;
    char *text = print(apir_report_svg, false);
    assert_non_null(strstr(text, ">apir<"));
    assert_non_null(strstr(text, ">apir set<"));
    assert_null(strstr(text, ">rpc"));
    free(text);
}

static void the_table_has_the_ratio_of_each_arm(void **state)
{
    (void)state;
    char *text = print(apir_report_text, false);
    char *line = strstr(text, "1,000 nodes  apir");
    assert_non_null(line);
    *strchr(line, '\n') = '\0';
    assert_non_null(strstr(line, "200"));
    assert_non_null(strstr(line, "4.000"));
    free(text);
}

static void missed_targets_are_counted(void **state)
{
    (void)state;
    struct apir_samples samples = {0};
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    fill(&samples); /* 8 us for a call, 150 us more for a graph of 1,000 nodes */
    assert_int_equal(apir_report_targets(&samples, file), 2);
    fclose(file);
    assert_non_null(strstr(text, "0 met, 2 missed"));
    free(text);
    apir_samples_finish(&samples);
}

static void the_arms_of_a_guest_are_held_against_the_guest(void **state)
{
    (void)state;
    assert_string_equal(apir_report_reference(APIR_MEASURE_CALL, "vm"), "vm-native");
    assert_string_equal(apir_report_reference(APIR_MEASURE_SET, "vm"), "vm-memcpy");
    assert_string_equal(apir_report_reference(APIR_MEASURE_SET, "apir"), "memcpy");
    assert_null(apir_report_reference(APIR_MEASURE_WAITS, "vm"));
    assert_null(apir_report_floor("vm"));
    assert_string_equal(apir_report_floor("apir"), "floor");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checks_know_good_from_bad),
        cmocka_unit_test(json_is_well_formed),
        cmocka_unit_test(json_has_values_and_ratios),
        cmocka_unit_test(svg_is_well_formed),
        cmocka_unit_test(svg_draws_what_was_measured),
        cmocka_unit_test(the_table_has_the_ratio_of_each_arm),
        cmocka_unit_test(missed_targets_are_counted),
        cmocka_unit_test(the_arms_of_a_guest_are_held_against_the_guest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
