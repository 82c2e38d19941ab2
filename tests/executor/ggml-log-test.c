/* What ggml says in our log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ggml.h>

#include "executor/ggml-log.h"

struct fixture {
    struct apir_ggml_log log;
    char *text;
    size_t size;
};

static void set_up(struct fixture *f, enum apir_log_level level)
{
    memset(f, 0, sizeof *f);
    FILE *stream = open_memstream(&f->text, &f->size);
    assert_non_null(stream);
    f->log.log = (struct apir_log){.stream = stream, .level = level, .prefix = "t"};
    apir_ggml_log_attach(&f->log);
}

static void say(enum ggml_log_level level, const char *text)
{
    ggml_log_callback callback;
    void *data;
    ggml_log_get(&callback, &data);
    callback(level, text, data);
}

static unsigned lines(const struct fixture *f)
{
    unsigned n = 0;
    for (const char *at = f->text; (at = strchr(at, '\n')); at++)
        n++;
    return n;
}

static void tear_down(struct fixture *f)
{
    ggml_log_set(NULL, NULL);
    fclose(f->log.log.stream);
    free(f->text);
}

static void warnings_and_errors_are_lines(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, APIR_LOG_INFO);
    say(GGML_LOG_LEVEL_ERROR, "no memory\n");
    say(GGML_LOG_LEVEL_WARN, "slow");
    say(GGML_LOG_LEVEL_INFO, "found a device\n");
    say(GGML_LOG_LEVEL_CONT, ".");
    say(GGML_LOG_LEVEL_ERROR, "\n");
    assert_string_equal(f.text, "t: no memory\nt: slow\n");
    tear_down(&f);
}

static void all_is_there_at_debug_level(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, APIR_LOG_DEBUG);
    say(GGML_LOG_LEVEL_INFO, "found a device\n");
    for (unsigned i = 0; i < APIR_MAX_GGML_LINES + 100; i++)
        say(GGML_LOG_LEVEL_ERROR, "no memory\n");
    assert_int_equal(lines(&f), 1 + APIR_MAX_GGML_LINES + 1 + 100);
    tear_down(&f);
}

static void guest_cannot_fill_the_log(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, APIR_LOG_INFO);
    for (unsigned i = 0; i < 3 * APIR_MAX_GGML_LINES; i++)
        say(i % 2 ? GGML_LOG_LEVEL_ERROR : GGML_LOG_LEVEL_WARN, "no memory\n");
    assert_int_equal(lines(&f), APIR_MAX_GGML_LINES + 1);
    assert_non_null(strstr(f.text, "at debug level only"));
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warnings_and_errors_are_lines),
        cmocka_unit_test(all_is_there_at_debug_level),
        cmocka_unit_test(guest_cannot_fill_the_log),
    };
    return cmocka_run_group_tests_name("log of ggml", tests, NULL, NULL);
}
