#include "child.h"

#include <errno.h>
#include <string.h>

#include "cmocka-all.h"

static int start(struct apir_child *child, const char *script)
{
    struct apir_command command = {.count = 0};
    apir_command_add(&command, "sh");
    apir_command_add(&command, "-c");
    apir_command_add(&command, script);
    return apir_child_start(child, &command, 1);
}

static void what_a_program_says_is_read(void **state)
{
    (void)state;
    struct apir_child child;
    char line[32];
    assert_int_equal(start(&child, "read word; echo \"$word yourself\"; echo not read; exit 7"), 0);
    fputs("hello\n", child.input);
    fflush(child.input);
    assert_non_null(fgets(line, sizeof line, child.output));
    assert_string_equal(line, "hello yourself\n");
    assert_int_equal(apir_child_finish(&child), 7);
}

static void a_missing_program_is_127(void **state)
{
    (void)state;
    struct apir_command command = {.list = {"/nonexistent/program"}, .count = 1};
    struct apir_child child;
    assert_int_equal(apir_child_start(&child, &command, 1), 0);
    assert_int_equal(apir_child_finish(&child), 127);
}

static void a_signal_is_told(void **state)
{
    (void)state;
    struct apir_child child;
    assert_int_equal(start(&child, "kill -KILL $$"), 0);
    assert_int_equal(apir_child_finish(&child), 128 + 9);
}

static void the_end_of_input_ends_a_program_that_waits(void **state)
{
    (void)state;
    struct apir_child child;
    assert_int_equal(start(&child, "cat"), 0);
    assert_int_equal(apir_child_finish(&child), 0);
}

static void too_many_arguments_are_refused(void **state)
{
    (void)state;
    struct apir_command command = {.count = 0};
    struct apir_child child;
    for (int i = 0; i <= APIR_MAX_ARGUMENTS; i++)
        apir_command_add(&command, "true");
    assert_int_equal(apir_child_start(&child, &command, 1), -E2BIG);
}

static void programs_are_found_beside_this_one(void **state)
{
    (void)state;
    char path[4096], small[8];
    assert_int_equal(apir_child_beside("other", path, sizeof path), 0);
    assert_string_equal(strrchr(path, '/'), "/other");
    assert_int_equal(apir_child_beside("other", small, sizeof small), -ENAMETOOLONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_program_says_is_read),
        cmocka_unit_test(a_missing_program_is_127),
        cmocka_unit_test(a_signal_is_told),
        cmocka_unit_test(the_end_of_input_ends_a_program_that_waits),
        cmocka_unit_test(too_many_arguments_are_refused),
        cmocka_unit_test(programs_are_found_beside_this_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
