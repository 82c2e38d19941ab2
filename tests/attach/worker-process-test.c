/* Workers as processes: what they are started with, and what is left of them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach/worker-process.h"
#include "fixture.h"
#include "wire/connection.h"

struct desk {
    struct fixture fixture;
    struct apir_worker_process process;
    int ends[2]; /* of the worker's connection; 1 is its own */
    bool ended;
    int status;
};

static void set_ended(void *owner, int status)
{
    struct desk *desk = owner;
    desk->ended = true;
    desk->status = status;
}

static bool has_ended(void *argument)
{
    return ((struct desk *)argument)->ended;
}

static int setup(void **state)
{
    struct desk *desk = calloc(1, sizeof *desk);
    *state = desk;
    fixture_init(&desk->fixture);
    apir_worker_process_init(&desk->process, &desk->fixture.loop, set_ended, desk);
    return socketpair(AF_UNIX, SOCK_STREAM, 0, desk->ends); /* not CLOEXEC: it is closed all the same */
}

static int teardown(void **state)
{
    struct desk *desk = *state;
    apir_worker_process_finish(&desk->process);
    close(desk->ends[0]);
    close(desk->ends[1]);
    fixture_finish(&desk->fixture);
    free(desk);
    return 0;
}

/* Waits until the worker serves: it has its files then, and no more of ours. */
static void start_worker(struct desk *desk)
{
    const struct apir_frame_fence fence = {.ring = 1, .id = 1};
    struct apir_connection connection;
    struct apir_frame frame;
    assert_int_equal(apir_worker_process_start(&desk->process, &desk->fixture.options, 1, desk->ends[1]), 0);
    apir_connection_init(&connection, fcntl(desk->ends[0], F_DUPFD_CLOEXEC, 0));
    assert_int_equal(apir_connection_send(&connection, APIR_FRAME_FENCE, &fence, sizeof fence, -1), 0);
    assert_int_equal(apir_connection_receive(&connection, &frame), 1);
    apir_connection_finish(&connection);
}

static void a_worker_has_its_streams_and_its_connection_only(void **state)
{
    struct desk *desk = *state;
    char path[64];
    struct dirent *entry;
    unsigned found = 0;
    int extra = open("/dev/null", O_RDONLY); /* as if inherited from a careless parent */
    start_worker(desk);
    snprintf(path, sizeof path, "/proc/%d/fd", (int)desk->process.pid);
    DIR *files = opendir(path);
    assert_non_null(files);
    while ((entry = readdir(files)))
        if (entry->d_name[0] != '.') {
            assert_true(atoi(entry->d_name) <= APIR_WORKER_FD);
            found++;
        }
    closedir(files);
    close(extra);
    assert_int_equal(found, APIR_WORKER_FD + 1);
}

static void a_worker_has_a_line_of_its_clients_ledger_while_it_lives(void **state)
{
    struct desk *desk = *state;
    struct apir_account account;
    char path[64], target[64] = "";
    assert_int_equal(apir_account_init(&account), 0);
    assert_int_equal(apir_account_take(&account), 0); /* another's */
    desk->fixture.options.account = &account;
    start_worker(desk);
    assert_int_equal(desk->process.line, 1);
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)desk->process.pid, APIR_WORKER_LEDGER_FD);
    assert_true(readlink(path, target, sizeof target - 1) > 0);
    assert_non_null(strstr(target, "apir-ledger"));
    account.ledger.lines[0] = account.ledger.lines[1] = 5;
    apir_worker_process_kill(&desk->process);
    assert_true(fixture_run_until(&desk->fixture, has_ended, desk));
    assert_true(account.ledger.lines[0] == 5 && account.ledger.lines[1] == 0);
    assert_int_equal(apir_account_take(&account), 1);
    apir_account_finish(&account);
    desk->fixture.options.account = NULL;
}

static void a_worker_has_neither_the_log_nor_the_terminal(void **state)
{
    struct desk *desk = *state;
    char path[64], name[64] = "";
    start_worker(desk);
    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)desk->process.pid, fd);
        assert_true(readlink(path, name, sizeof name - 1) > 0);
        assert_memory_equal(name, "pipe:", 5);
    }
    assert_int_equal(getsid(desk->process.pid), desk->process.pid);
}

/* Starts a shell that leaves a process behind, and returns that one's id. */
static pid_t start_parent(struct desk *desk, const char *script)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    char text[32] = "";
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const struct apir_worker_fds fds = {.output = ends[1], .error = STDERR_FILENO, .connection = -1, .ledger = -1};
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* orphans come to this process */
    assert_int_equal(apir_worker_process_exec(&desk->process, argv, NULL, &fds), 0);
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    close(ends[0]);
    close(ends[1]);
    return (pid_t)atoi(text);
}

static void assert_killed(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid); /* hangs if it was left alone */
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void what_a_dead_worker_has_started_is_killed(void **state)
{
    struct desk *desk = *state;
    pid_t child = start_parent(desk, "sleep 1000 >/dev/null & echo $!; exit 3");
    assert_true(fixture_run_until(&desk->fixture, has_ended, desk));
    assert_int_equal(WEXITSTATUS(desk->status), 3);
    assert_killed(child);
}

static void what_a_killed_worker_has_started_is_killed(void **state)
{
    struct desk *desk = *state;
    pid_t child = start_parent(desk, "sleep 1000 >/dev/null & echo $!; wait");
    apir_worker_process_kill(&desk->process);
    assert_true(fixture_run_until(&desk->fixture, has_ended, desk));
    assert_killed(child);
}

static void what_a_worker_that_is_given_up_has_started_is_killed(void **state)
{
    struct desk *desk = *state;
    pid_t child = start_parent(desk, "sleep 1000 >/dev/null & echo $!; wait");
    apir_worker_process_finish(&desk->process);
    assert_killed(child);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_worker_has_its_streams_and_its_connection_only),
        TEST(a_worker_has_a_line_of_its_clients_ledger_while_it_lives),
        TEST(a_worker_has_neither_the_log_nor_the_terminal),
        TEST(what_a_dead_worker_has_started_is_killed),
        TEST(what_a_killed_worker_has_started_is_killed),
        TEST(what_a_worker_that_is_given_up_has_started_is_killed),
    };
    return cmocka_run_group_tests_name("worker-process", tests, NULL, NULL);
}
