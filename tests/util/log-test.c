#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/log.h"

/* A log into memory. */
struct sink {
    struct apir_log log;
    char *text;
    size_t size;
};

static void sink_open(struct sink *sink, enum apir_log_level level, const char *prefix)
{
    sink->log = (struct apir_log){.stream = open_memstream(&sink->text, &sink->size), .level = level, .prefix = prefix};
    assert_non_null(sink->log.stream);
}

static void sink_close(struct sink *sink)
{
    fclose(sink->log.stream);
    free(sink->text);
}

static unsigned count_lines(const struct sink *sink)
{
    unsigned count = 0;
    for (const char *at = sink->text; (at = strchr(at, '\n')); at++)
        count++;
    return count;
}

static void limited_log_leaves_lines_out(void **state)
{
    (void)state;
    struct apir_log_limit limit = {0};
    struct sink sink;
    sink_open(&sink, APIR_LOG_INFO, "apird");
    sink.log.limit = &limit;
    for (int i = 0; i < 10 * APIR_LOG_BURST; i++)
        apir_warn(&sink.log, "again");
    assert_true(count_lines(&sink) >= APIR_LOG_BURST && count_lines(&sink) < 2 * APIR_LOG_BURST);
    assert_true(limit.left_out > 0);
    sink_close(&sink);
}

static void limited_log_tells_what_it_left_out(void **state)
{
    (void)state;
    struct apir_log_limit limit = {.left_out = 7};
    struct sink sink;
    sink_open(&sink, APIR_LOG_INFO, "apird");
    sink.log.limit = &limit;
    apir_warn(&sink.log, "again");
    assert_string_equal(sink.text, "apird: 7 lines were left out: there were too many\napird: again\n");
    assert_int_equal(limit.left_out, 0);
    sink_close(&sink);
}

static void line_has_prefix_and_newline(void **state)
{
    (void)state;
    struct sink sink;
    sink_open(&sink, APIR_LOG_DEBUG, "apird");
    apir_warn(&sink.log, "buffer %d", 7);
    assert_string_equal(sink.text, "apird: buffer 7\n");
    sink_close(&sink);
}

static void line_above_the_level_is_dropped(void **state)
{
    (void)state;
    struct sink sink;
    sink_open(&sink, APIR_LOG_WARN, NULL);
    apir_debug(&sink.log, "no");
    apir_info(&sink.log, "no");
    apir_warn(&sink.log, "yes");
    apir_error(&sink.log, "yes");
    assert_string_equal(sink.text, "apir: yes\napir: yes\n");
    sink_close(&sink);
}

static void silent_logs_write_nothing(void **state)
{
    (void)state;
    struct apir_log silent = {.level = APIR_LOG_DEBUG};
    apir_error(&silent, "no");
    apir_error(NULL, "no");
}

static void errno_is_kept(void **state)
{
    (void)state;
    struct sink sink;
    sink_open(&sink, APIR_LOG_DEBUG, "apird");
    errno = 99;
    apir_error(&sink.log, "failed");
    assert_int_equal(errno, 99);
    sink_close(&sink);
}

static void long_line_is_cut_and_ends_with_its_newline(void **state)
{
    (void)state;
    char text[4096];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct sink sink;
    sink_open(&sink, APIR_LOG_DEBUG, "apird");
    apir_error(&sink.log, "%s", text);
    assert_true(sink.size >= 1000 && sink.size <= 1024);
    assert_ptr_equal(strchr(sink.text, '\n'), sink.text + sink.size - 1);
    sink_close(&sink);
}

static void long_prefix_is_cut_too(void **state)
{
    (void)state;
    char prefix[2048];
    memset(prefix, 'p', sizeof prefix - 1);
    prefix[sizeof prefix - 1] = '\0';
    struct sink sink;
    sink_open(&sink, APIR_LOG_DEBUG, prefix);
    apir_error(&sink.log, "text");
    assert_true(sink.size >= 1000 && sink.size <= 1024);
    assert_int_equal(sink.text[sink.size - 1], '\n');
    sink_close(&sink);
}

/* A log into a pipe that nobody reads. */
static void a_reader_that_stalls_is_not_waited_for(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    FILE *stream = fdopen(ends[1], "w");
    assert_non_null(stream);
    unsigned written = 0, most = 1024 * 1024;
    while (written < most && apir_log_write(stream, "a line\n", 7)) /* would wait for ever */
        written++;
    assert_true(written > 0 && written < most);
    char byte[64 * 1024];
    assert_true(read(ends[0], byte, sizeof byte) > 0);
    assert_true(apir_log_write(stream, "a line\n", 7)); /* it reads again */
    fclose(stream);
    close(ends[0]);
}

static void a_reader_that_is_gone_is_not_waited_for(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    FILE *stream = fdopen(ends[1], "w");
    assert_non_null(stream);
    close(ends[0]);
    signal(SIGPIPE, SIG_IGN);
    assert_false(apir_log_write(stream, "a line\n", 7));
    fclose(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limited_log_leaves_lines_out),
        cmocka_unit_test(limited_log_tells_what_it_left_out),
        cmocka_unit_test(line_has_prefix_and_newline),
        cmocka_unit_test(line_above_the_level_is_dropped),
        cmocka_unit_test(silent_logs_write_nothing),
        cmocka_unit_test(errno_is_kept),
        cmocka_unit_test(long_line_is_cut_and_ends_with_its_newline),
        cmocka_unit_test(long_prefix_is_cut_too),
        cmocka_unit_test(a_reader_that_stalls_is_not_waited_for),
        cmocka_unit_test(a_reader_that_is_gone_is_not_waited_for),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
