/* The log of a worker, with the test in the worker's place. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attach/worker-log.h"
#include "fixture.h"

struct desk {
    struct fixture fixture;
    struct apir_worker_log log;
    FILE *output; /* a file in memory */
    int end;      /* the worker's */
    char text[8192];
};

static int set_up(void **state)
{
    struct desk *desk = calloc(1, sizeof *desk);
    *state = desk;
    fixture_init(&desk->fixture);
    desk->output = fdopen(memfd_create("log", MFD_CLOEXEC), "w+");
    assert_non_null(desk->output);
    apir_worker_log_init(&desk->log, &desk->fixture.loop);
    return apir_worker_log_open(&desk->log, desk->output, true, &desk->end);
}

static int tear_down(void **state)
{
    struct desk *desk = *state;
    apir_worker_log_close(&desk->log);
    apir_worker_log_close(&desk->log); /* is closed: does nothing */
    close(desk->end);
    fclose(desk->output);
    fixture_finish(&desk->fixture);
    free(desk);
    return 0;
}

static void say(struct desk *desk, const char *text)
{
    assert_int_equal(write(desk->end, text, strlen(text)), (ssize_t)strlen(text));
}

/* What is in the log now. */
static const char *logged(struct desk *desk)
{
    ssize_t size = pread(fileno(desk->output), desk->text, sizeof desk->text - 1, 0);
    assert_true(size >= 0);
    desk->text[size] = '\0';
    return desk->text;
}

static off_t logged_size(const struct desk *desk)
{
    struct stat status;
    assert_int_equal(fstat(fileno(desk->output), &status), 0);
    return status.st_size;
}

static void a_line_goes_to_the_log_when_it_is_complete(void **state)
{
    struct desk *desk = *state;
    say(desk, "first\nsec");
    assert_int_equal(apir_loop_step(&desk->fixture.loop, 1000), 0);
    assert_string_equal(logged(desk), "first\n");
    say(desk, "ond\n");
    assert_int_equal(apir_loop_step(&desk->fixture.loop, 1000), 0);
    assert_string_equal(logged(desk), "first\nsecond\n");
}

static void what_is_left_is_taken_at_the_end(void **state)
{
    struct desk *desk = *state;
    say(desk, "one\ntwo");
    apir_worker_log_close(&desk->log);
    assert_string_equal(logged(desk), "one\ntwo\n");
}

static void terminals_are_told_nothing(void **state)
{
    struct desk *desk = *state;
    say(desk, "a\033[2Jb\rapird: c\177\td\n");
    apir_worker_log_close(&desk->log);
    assert_string_equal(logged(desk), "a?[2Jb?apird: c?\td\n");
}

static void a_line_without_end_is_cut(void **state)
{
    struct desk *desk = *state;
    char piece[APIR_WORKER_LOG_LINE];
    memset(piece, 'x', sizeof piece);
    assert_int_equal(write(desk->end, piece, sizeof piece), (ssize_t)sizeof piece);
    apir_worker_log_close(&desk->log);
    assert_int_equal(logged_size(desk), sizeof piece + 2);
    assert_int_equal(logged(desk)[sizeof piece - 1], '\n');
}

/* Writes as fast as it goes until nothing is taken any more. */
static void flood(struct desk *desk, size_t most)
{
    char piece[APIR_WORKER_LOG_LINE];
    memset(piece, 'x', sizeof piece);
    piece[sizeof piece - 1] = '\n';
    fcntl(desk->end, F_SETFL, O_NONBLOCK);
    for (size_t sent = 0; sent < most && !desk->log.timer.set;) {
        ssize_t written = write(desk->end, piece, sizeof piece);
        sent += written > 0 ? (size_t)written : 0;
        assert_int_equal(apir_loop_step(&desk->fixture.loop, 0), 0);
    }
}

static void who_floods_the_log_has_to_wait(void **state)
{
    struct desk *desk = *state;
    flood(desk, 4 * APIR_WORKER_LOG_FREE);
    assert_true(desk->log.timer.set);
    assert_true(logged_size(desk) <= APIR_WORKER_LOG_FREE + 8192);
    off_t before = logged_size(desk);
    say(desk, "more\n");
    assert_int_equal(apir_loop_step(&desk->fixture.loop, 0), 0);
    assert_int_equal(logged_size(desk), before);
    desk->log.timer.expired(desk->log.timer.owner); /* in place of waiting for it */
    assert_int_equal(desk->log.budget, APIR_WORKER_LOG_RATE);
    apir_loop_clear_timer(&desk->log.timer);
    assert_int_equal(apir_loop_step(&desk->fixture.loop, 1000), 0);
    assert_true(logged_size(desk) > before);
}

static void who_asked_for_details_gets_them(void **state)
{
    struct desk *desk = *state;
    desk->log.limited = false;
    flood(desk, 2 * APIR_WORKER_LOG_FREE);
    assert_false(desk->log.timer.set);
}

static void a_full_disk_stops_nobody(void **state)
{
    struct desk *desk = *state;
    FILE *full = fopen("/dev/full", "we");
    if (!full)
        skip();
    desk->log.output = full;
    say(desk, "lost\n");
    assert_int_equal(apir_loop_step(&desk->fixture.loop, 1000), 0);
    desk->log.output = desk->output;
    fclose(full);
    say(desk, "kept\n");
    apir_worker_log_close(&desk->log);
    assert_string_equal(logged(desk), "kept\n");
}

static void the_end_of_the_worker_closes_it(void **state)
{
    struct desk *desk = *state;
    say(desk, "last");
    close(desk->end);
    desk->end = -1;
    while (desk->log.fd >= 0)
        assert_int_equal(apir_loop_step(&desk->fixture.loop, 1000), 0);
    assert_string_equal(logged(desk), "last\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_line_goes_to_the_log_when_it_is_complete),
        TEST(what_is_left_is_taken_at_the_end),
        TEST(terminals_are_told_nothing),
        TEST(a_line_without_end_is_cut),
        TEST(who_floods_the_log_has_to_wait),
        TEST(who_asked_for_details_gets_them),
        TEST(a_full_disk_stops_nobody),
        TEST(the_end_of_the_worker_closes_it),
    };
    return cmocka_run_group_tests_name("worker-log", tests, NULL, NULL);
}
