/* What the scanner writes, what it refuses, and how it behaves as a program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bad-input.h"
#include "run-scanner.h"

enum { MAX_PATH = 1024 };

/* --- golden files --- */

struct golden {
    const char *name; /* in golden/ */
    const char *kind;
    const char *own; /* the file of these tests that it is of; NULL: tests.yaml */
};

static const struct golden goldens[] = {
    {"test-protocol.h", "header", NULL},
    {"test-codec.h", "codec-header", NULL},
    {"test-codec.c", "codec", NULL},
    {"test-calls.h", "client-header", NULL},
    {"test-calls.c", "client", NULL},
    {"test-dispatch.h", "server-header", NULL},
    {"test-dispatch.c", "server", NULL},
    {"test-print.h", "print-header", NULL},
    {"test-print.c", "print", NULL},
    {"tests.md", "doc", NULL},
    {"test-fuzz.c", "fuzz", NULL},
    {"wide-protocol.h", "header", "wide.yaml"},
    {"wide-codec.c", "codec", "wide.yaml"},
    {"wide-print.c", "print", "wide.yaml"},
    {"wide.md", "doc", "wide.yaml"},
    {"odd-one-protocol.h", "header", "odd.yaml"},
    {"odd-one-codec.h", "codec-header", "odd.yaml"},
    {"odd-one-codec.c", "codec", "odd.yaml"},
    {"odd-one-calls.h", "client-header", "odd.yaml"},
    {"odd-one-calls.c", "client", "odd.yaml"},
    {"odd-one-dispatch.h", "server-header", "odd.yaml"},
    {"odd-one-dispatch.c", "server", "odd.yaml"},
    {"odd-one-print.h", "print-header", "odd.yaml"},
    {"odd-one-print.c", "print", "odd.yaml"},
    {"odd-one.md", "doc", "odd.yaml"},
    {"odd-one-fuzz.c", "fuzz", "odd.yaml"},
};

enum { N_GOLDENS = sizeof goldens / sizeof *goldens };

/* What a test of a table is about. */
struct subject {
    const struct workbench *bench;
    const struct golden *golden;
    const struct bad_input *bad;
};

static void generate(const struct workbench *bench, const char *input, const char *kind,
                     const char *output)
{
    const char *args[] = {"--input", input, "--kind", kind, "--output", output, NULL};
    struct outcome outcome = run_scanner(bench, args);
    assert_string_equal(outcome.err, "");
    assert_string_equal(outcome.out, "");
    assert_int_equal(outcome.status, 0);
    outcome_finish(&outcome);
}

static void output_is_golden(void **state)
{
    const struct subject *subject = *state;
    const struct workbench *bench = subject->bench;
    const struct golden *golden = subject->golden;
    char input[MAX_PATH];
    char made[MAX_PATH];
    char kept[MAX_PATH];
    snprintf(input, sizeof input, "%s/%s", golden->own ? bench->tests : bench->protocols,
             golden->own ? golden->own : "tests.yaml");
    snprintf(made, sizeof made, "%s/%s", bench->folder, golden->name);
    snprintf(kept, sizeof kept, "%s/golden/%s", bench->tests, golden->name);

    generate(bench, input, golden->kind, golden->name);

    char *text = read_whole(made);
    assert_non_null(text);
    if (bench->update)
        assert_true(write_whole(kept, text));
    char *expected = read_whole(kept);
    assert_non_null(expected);
    assert_string_equal(text, expected);
    free(text);
    free(expected);
}

/* --- bad input --- */

/* "bad.yaml:4: error: ..." for each line "4: error: ...". The caller frees it. */
static char *with_file_names(const char *errors)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    for (const char *line = errors; *line; line = strchr(line, '\n') + 1)
        fprintf(file, "bad.yaml:%.*s", (int)(strchr(line, '\n') + 1 - line), line);
    fclose(file);
    return text;
}

static void is_refused(void **state)
{
    const struct subject *subject = *state;
    char path[MAX_PATH];
    const char *args[] = {"--input", "bad.yaml", "--kind", "header", "--output", "bad.h", NULL};
    snprintf(path, sizeof path, "%s/bad.yaml", subject->bench->folder);
    assert_true(write_whole(path, subject->bad->yaml));

    struct outcome outcome = run_scanner(subject->bench, args);

    char *expected = with_file_names(subject->bad->errors);
    assert_string_equal(outcome.err, expected);
    assert_string_equal(outcome.out, "");
    assert_int_equal(outcome.status, 1);
    assert_int_equal(count_files(subject->bench, "bad.h"), 0);
    free(expected);
    outcome_finish(&outcome);
}

/* --- the program --- */

static void expect_run(void **state, const char *const *args, int status, const char *out,
                       const char *err)
{
    const struct subject *subject = *state;
    struct outcome outcome = run_scanner(subject->bench, args);
    if (out)
        assert_string_equal(outcome.out, out);
    assert_string_equal(outcome.err, err);
    assert_int_equal(outcome.status, status);
    outcome_finish(&outcome);
}

static void help_is_on_stdout(void **state)
{
    const char *args[] = {"--help", NULL};
    expect_run(state, args, 0, NULL, "");
}

static void nothing_to_do_is_wrong_usage(void **state)
{
    const char *args[] = {NULL};
    expect_run(state, args, 2, "", "apir-scanner: --input is missing, see --help\n");
}

static void input_alone_is_wrong_usage(void **state)
{
    const char *args[] = {"--input", "a.yaml", NULL};
    expect_run(state, args, 2, "", "apir-scanner: --kind or --summary is missing, see --help\n");
}

static void kind_without_output_is_wrong_usage(void **state)
{
    const char *args[] = {"--input", "a.yaml", "--kind", "header", NULL};
    expect_run(state, args, 2, "", "apir-scanner: --kind needs --output, see --help\n");
}

static void output_without_kind_is_wrong_usage(void **state)
{
    const char *args[] = {"--input", "a.yaml", "--output", "a.h", NULL};
    expect_run(state, args, 2, "", "apir-scanner: --output needs --kind, see --help\n");
}

static void unknown_kind_is_wrong_usage(void **state)
{
    const char *args[] = {"--input", "a.yaml", "--kind", "headers", "--output", "a.h", NULL};
    expect_run(state, args, 2, "", "apir-scanner: there is no kind 'headers', see --help\n");
}

static void stray_argument_is_wrong_usage(void **state)
{
    const char *args[] = {"--summary", "--input", "a.yaml", "b.yaml", NULL};
    expect_run(state, args, 2, "", "apir-scanner: 'b.yaml' is not an option, see --help\n");
}

static void missing_input_is_trouble(void **state)
{
    const char *args[] = {"--input", "missing.yaml", "--summary", NULL};
    expect_run(state, args, 2, "", "apir-scanner: missing.yaml: No such file or directory\n");
}

static void folder_as_input_is_trouble(void **state)
{
    const char *args[] = {"--input", ".", "--summary", NULL};
    expect_run(state, args, 2, "", "apir-scanner: .: Is a directory\n");
}

static void protocol_path(void **state, const char *name, char path[MAX_PATH])
{
    const struct subject *subject = *state;
    snprintf(path, MAX_PATH, "%s/%s", subject->bench->protocols, name);
}

static void unwritable_output_is_trouble(void **state)
{
    char input[MAX_PATH];
    const char *args[] = {"--input", input, "--kind", "header", "--output", "no/such/a.h", NULL};
    protocol_path(state, "tests.yaml", input);
    expect_run(state, args, 2, "", "apir-scanner: no/such/a.h: No such file or directory\n");
}

static void summary_counts(void **state)
{
    char input[MAX_PATH];
    const char *args[] = {"--summary", "--input", input, NULL};
    protocol_path(state, "tests.yaml", input);
    expect_run(state, args, 0, "tests 3.7: 6 calls (1 disabled), 2 enums, 4 structs, 6 limits\n",
               "");
}

static void summary_comes_with_the_output(void **state)
{
    char input[MAX_PATH];
    const struct subject *subject = *state;
    const char *args[] = {"--summary", "--input",  input,    "--kind",
                          "codec",     "--output", "with.c", NULL};
    snprintf(input, sizeof input, "%s/wide.yaml", subject->bench->tests);
    expect_run(state, args, 0, "wide 0.1: 1 call, 0 enums, 0 structs, 0 limits\n", "");
    assert_int_equal(count_files(subject->bench, "with.c"), 1);
}

static void own_protocol_is_good(void **state)
{
    char input[MAX_PATH];
    const char *args[] = {"--summary", "--input", input, NULL};
    protocol_path(state, "apir.yaml", input);
    expect_run(state, args, 0, NULL, "");
}

static void deployed_protocol_is_good(void **state)
{
    char input[MAX_PATH];
    const char *args[] = {"--summary", "--input", input, NULL};
    protocol_path(state, "apir-upstream.yaml", input);
    expect_run(state, args, 0, NULL, "");
}

static void bad_input_leaves_the_old_output(void **state)
{
    const struct subject *subject = *state;
    char input[MAX_PATH];
    char output[MAX_PATH];
    const char *args[] = {"--input", "old.yaml", "--kind", "header", "--output", "old.h", NULL};
    snprintf(input, sizeof input, "%s/old.yaml", subject->bench->folder);
    snprintf(output, sizeof output, "%s/old.h", subject->bench->folder);
    assert_true(write_whole(input, "- a\n"));
    assert_true(write_whole(output, "old"));

    expect_run(state, args, 1, "", "old.yaml:1: error: protocol must be a mapping\n");

    char *text = read_whole(output);
    assert_string_equal(text, "old");
    free(text);
}

static void output_has_the_mode_of_a_new_file(void **state)
{
    const struct subject *subject = *state;
    char input[MAX_PATH];
    char output[MAX_PATH];
    struct stat status;
    protocol_path(state, "tests.yaml", input);
    snprintf(output, sizeof output, "%s/mode.h", subject->bench->folder);
    mode_t mask = umask(027);
    generate(subject->bench, input, "header", "mode.h");
    umask(mask);
    assert_int_equal(stat(output, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
}

static void output_leaves_no_temporary_file(void **state)
{
    const struct subject *subject = *state;
    char input[MAX_PATH];
    protocol_path(state, "tests.yaml", input);
    generate(subject->bench, input, "header", "single.h");
    assert_int_equal(count_files(subject->bench, "single.h"), 1);
}

/* Output goes to a folder, which rename refuses. */
static void failed_output_leaves_no_temporary_file(void **state)
{
    const struct subject *subject = *state;
    char input[MAX_PATH];
    char folder[MAX_PATH];
    const char *args[] = {"--input", input, "--kind", "header", "--output", "folder", NULL};
    protocol_path(state, "tests.yaml", input);
    snprintf(folder, sizeof folder, "%s/folder", subject->bench->folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    expect_run(state, args, 2, "", "apir-scanner: folder: Is a directory\n");
    assert_int_equal(count_files(subject->bench, "folder"), 1);
    rmdir(folder);
}

static const struct CMUnitTest program_tests[] = {
    cmocka_unit_test(help_is_on_stdout),
    cmocka_unit_test(nothing_to_do_is_wrong_usage),
    cmocka_unit_test(input_alone_is_wrong_usage),
    cmocka_unit_test(kind_without_output_is_wrong_usage),
    cmocka_unit_test(output_without_kind_is_wrong_usage),
    cmocka_unit_test(unknown_kind_is_wrong_usage),
    cmocka_unit_test(stray_argument_is_wrong_usage),
    cmocka_unit_test(missing_input_is_trouble),
    cmocka_unit_test(folder_as_input_is_trouble),
    cmocka_unit_test(unwritable_output_is_trouble),
    cmocka_unit_test(summary_counts),
    cmocka_unit_test(summary_comes_with_the_output),
    cmocka_unit_test(own_protocol_is_good),
    cmocka_unit_test(deployed_protocol_is_good),
    cmocka_unit_test(bad_input_leaves_the_old_output),
    cmocka_unit_test(output_has_the_mode_of_a_new_file),
    cmocka_unit_test(output_leaves_no_temporary_file),
    cmocka_unit_test(failed_output_leaves_no_temporary_file),
};

enum { N_PROGRAM_TESTS = sizeof program_tests / sizeof *program_tests };

/* One test for each line of the tables. */
static void fill_tests(struct CMUnitTest *tests, struct subject *subjects,
                       const struct workbench *bench)
{
    size_t n = 0;
    for (size_t i = 0; i < N_GOLDENS; i++, n++) {
        subjects[n] = (struct subject){.bench = bench, .golden = &goldens[i]};
        tests[n] = (struct CMUnitTest){.name = goldens[i].name, .test_func = output_is_golden};
    }
    for (size_t i = 0; i < n_bad_inputs; i++, n++) {
        subjects[n] = (struct subject){.bench = bench, .bad = &bad_inputs[i]};
        tests[n] = (struct CMUnitTest){.name = bad_inputs[i].name, .test_func = is_refused};
    }
    for (size_t i = 0; i < N_PROGRAM_TESTS; i++, n++) {
        subjects[n] = (struct subject){.bench = bench};
        tests[n] = program_tests[i];
    }
    for (size_t i = 0; i < n; i++)
        tests[i].initial_state = &subjects[i];
}

static int run_tests(const struct workbench *bench)
{
    size_t n = N_GOLDENS + n_bad_inputs + N_PROGRAM_TESTS;
    int failed = 1;
    struct CMUnitTest *tests = calloc(n, sizeof *tests);
    struct subject *subjects = calloc(n, sizeof *subjects);
    if (tests && subjects) {
        fill_tests(tests, subjects, bench);
        failed = _cmocka_run_group_tests("scanner", tests, n, NULL, NULL);
    }
    free(tests);
    free(subjects);
    return failed;
}

int main(int argc, char **argv)
{
    struct workbench bench = {.scanner = SCANNER, .tests = SCANNER_TESTS, .protocols = PROTOCOLS};
    bench.update = argc == 2 && !strcmp(argv[1], "--update");
    if (argc > 1 && !bench.update) {
        fprintf(stderr, "usage: scanner-test [--update]\n");
        return 2;
    }
    if (!workbench_init(&bench)) {
        perror("scanner-test");
        return 1;
    }
    int failed = run_tests(&bench);
    workbench_finish(&bench);
    return failed;
}
