#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/options.h"
#include "util/log.h"

/* The policy of a value of GGML_VIRTGPU_WAIT (NULL: not set), which must or must not be complained about. */
static void expect_wait(const char *value, enum apir_wait_policy policy, bool good)
{
    struct apir_session_options options;
    char *text = NULL;
    size_t size = 0;
    struct apir_log log = {.stream = open_memstream(&text, &size), .level = APIR_LOG_INFO, .prefix = "guest"};
    if (value)
        setenv("GGML_VIRTGPU_WAIT", value, 1);
    else
        unsetenv("GGML_VIRTGPU_WAIT");
    apir_session_options_init(&options, &log);
    fclose(log.stream);
    assert_int_equal(options.wait, policy);
    assert_int_equal(strstr(text, "GGML_VIRTGPU_WAIT") == NULL, good);
    assert_true(good || strstr(text, "hybrid, spin or sleep"));
    free(text);
    unsetenv("GGML_VIRTGPU_WAIT");
}

static void waiting_is_hybrid_unless_told(void **state)
{
    (void)state;
    expect_wait(NULL, APIR_WAIT_HYBRID, true);
    expect_wait("", APIR_WAIT_HYBRID, true);
    expect_wait("hybrid", APIR_WAIT_HYBRID, true);
}

static void waiting_is_as_told(void **state)
{
    (void)state;
    expect_wait("spin", APIR_WAIT_SPIN, true);
    expect_wait("sleep", APIR_WAIT_SLEEP, true);
}

static void unknown_ways_of_waiting_are_ignored_with_a_warning(void **state)
{
    (void)state;
    static const char *const wrong[] = {"SPIN", "spin ", " sleep", "sleeps", "0", "1", "hybrid,spin", "\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        expect_wait(wrong[i], APIR_WAIT_HYBRID, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiting_is_hybrid_unless_told),
        cmocka_unit_test(waiting_is_as_told),
        cmocka_unit_test(unknown_ways_of_waiting_are_ignored_with_a_warning),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
