/* `apir bench` as a whole, on the CPU and the floor, which need no host. */
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka-all.h"
#include "well-formed.h"

struct place {
    char build[PATH_MAX]; /* the build folder */
    char folder[64];      /* for what the program writes */
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    if (!place || readlink("/proc/self/exe", place->build, sizeof place->build - 1) < 0)
        return -1;
    dirname(dirname(place->build)); /* it is in tests/ there */
    strcpy(place->folder, "/tmp/apir-bench-test.XXXXXX");
    *state = place;
    return mkdtemp(place->folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    const struct place *place = *state;
    char command[200];
    snprintf(command, sizeof command, "rm -rf '%s'", place->folder);
    int status = system(command);
    free(*state);
    return status;
}

/* Runs `apir bench --quick` with these arguments and its output in the file "out"; returns the exit code. */
static int bench(const struct place *place, const char *arguments)
{
    char command[3 * PATH_MAX];
    snprintf(command, sizeof command,
             "cd '%s' && env -u GGML_VIRTGPU_SOCKET '%s/bin/apir' bench --quick --floor '%s/lib/libggml-floor.so' %s "
             ">out 2>err </dev/null",
             place->folder, place->build, place->build, arguments);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void write_file(const struct place *place, const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", place->folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* Freed by the caller. */
static char *read_file(const struct place *place, const char *name)
{
    enum { MOST = 1 << 20 };
    char path[200], *text = calloc(1, MOST);
    snprintf(path, sizeof path, "%s/%s", place->folder, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(text);
    size_t size = fread(text, 1, MOST - 1, file);
    assert_true(size < MOST - 1);
    fclose(file);
    return text;
}

static void the_table_and_the_files_are_written(void **state)
{
    assert_int_equal(bench(*state, "--only call,graph,set,get --json json --svg svg"), 0);
    char *table = read_file(*state, "out"), *json = read_file(*state, "json"), *svg = read_file(*state, "svg");
    assert_non_null(strstr(table, "native"));
    assert_non_null(strstr(table, "1,000 nodes  floor"));
    assert_true(is_json(json));
    assert_non_null(strstr(json, "\"measure\": \"set\", \"parameter\": 1048576, \"arm\": \"floor\""));
    assert_true(is_xml(svg));
    assert_non_null(strstr(svg, "memcpy"));
    free(table);
    free(json);
    free(svg);
}

static void a_missed_target_is_exit_code_1(void **state)
{
    write_file(*state, "samples", "post 0 apir 0 99\n");
    assert_int_equal(bench(*state, "--only call --check --merge samples"), 1);
    char *table = read_file(*state, "out");
    assert_non_null(strstr(table, "0 met, 1 missed"));
    free(table);
}

static void a_met_target_is_exit_code_0(void **state)
{
    write_file(*state, "samples", "post 0 apir 0 0.25\n");
    assert_int_equal(bench(*state, "--only call --check --merge samples"), 0);
    char *table = read_file(*state, "out");
    assert_non_null(strstr(table, "1 met, 0 missed"));
    free(table);
}

static void samples_can_be_merged_again(void **state)
{
    assert_int_equal(bench(*state, "--only call --samples samples"), 0);
    assert_int_equal(bench(*state, "--only post --merge samples"), 0);
    char *table = read_file(*state, "out");
    assert_non_null(strstr(table, "1 ADD"));
    assert_non_null(strstr(table, "set of 64 B"));
    free(table);
}

static void wrong_usage_is_exit_code_2(void **state)
{
    assert_int_equal(bench(*state, "--only nothing"), 2);
    assert_int_equal(bench(*state, "--rounds 0"), 2);
    assert_int_equal(bench(*state, "--unknown"), 2);
    assert_int_equal(bench(*state, "word"), 2);
}

static void what_cannot_be_measured_is_exit_code_3(void **state)
{
    assert_int_equal(bench(*state, "--only call --device nowhere"), 3);
    assert_int_equal(bench(*state, "--only call --plugin /nonexistent.so"), 3);
    assert_int_equal(bench(*state, "--only call --json /nonexistent/json"), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_table_and_the_files_are_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missed_target_is_exit_code_1, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_met_target_is_exit_code_0, set_up, tear_down),
        cmocka_unit_test_setup_teardown(samples_can_be_merged_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_usage_is_exit_code_2, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_measured_is_exit_code_3, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
