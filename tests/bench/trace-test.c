#include "trace.h"

#include <signal.h>
#include <string.h>

#include "cmocka-all.h"

/* A program that waits for its input, traced; skips the test where that is not allowed. */
static void start(struct apir_child *child, struct apir_trace *trace, const char *script)
{
    struct apir_command command = {.list = {"sh", "-c", script}, .count = 3};
    char line[16];
    assert_int_equal(apir_child_start(child, &command, 1), 0);
    assert_non_null(fgets(line, sizeof line, child->output));
    struct apir_pids pids = {.list = {child->pid}, .count = 1};
    if (apir_trace_start(trace, &pids) == 0)
        return;
    apir_child_finish(child);
    skip();
}

static void a_program_that_waits_makes_no_calls(void **state)
{
    (void)state;
    struct apir_child child;
    struct apir_trace trace;
    start(&child, &trace, "echo ready; read word");
    apir_trace_end(&trace);
    apir_child_finish(&child);
    assert_int_equal(apir_trace_finish(&trace), 0);
}

static void calls_are_counted(void **state)
{
    (void)state;
    struct apir_child child;
    struct apir_trace trace;
    char line[16];
    start(&child, &trace, "echo ready; read word; echo 1; echo 2; echo 3; read word");
    fputs("go\n", child.input);
    fflush(child.input);
    for (int i = 0; i < 3; i++)
        assert_non_null(fgets(line, sizeof line, child.output));
    apir_trace_end(&trace);
    apir_child_finish(&child);
    assert_true(apir_trace_finish(&trace) >= 3);
}

static void a_trace_that_sees_nothing_is_none(void **state)
{
    (void)state;
    struct apir_child child;
    struct apir_trace trace;
    start(&child, &trace, "echo ready; read word");
    apir_trace_end(&trace);
    assert_true(apir_trace_finish(&trace) < 0);
    apir_child_finish(&child);
}

static void workers_of_before_are_not_new(void **state)
{
    (void)state;
    struct apir_pids before, now = {.count = 0};
    apir_trace_workers(&before);
    apir_trace_add_new_workers(&now, &before);
    for (size_t i = 0; i < now.count; i++)
        for (size_t k = 0; k < before.count; k++)
            assert_int_not_equal(now.list[i], before.list[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_that_waits_makes_no_calls),
        cmocka_unit_test(calls_are_counted),
        cmocka_unit_test(a_trace_that_sees_nothing_is_none),
        cmocka_unit_test(workers_of_before_are_not_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
