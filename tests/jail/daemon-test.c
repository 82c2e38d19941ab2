/* What a daemon in its jail can still do, and what those that it starts can; each case in a process of its own. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "jail/daemon.h"
#include "jail/user.h"

enum { BASE = 1800000000 };

/* A folder of sockets, one of control groups, and one that is nobody's business; each has a file. */
struct desk {
    char folder[64];
    char sockets[96], socket[128], groups[96], group[128], other[96], file[128];
};

static void make_file(const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    assert_true(fd >= 0);
    close(fd);
}

static int set_up(void **state)
{
    struct desk *desk = calloc(1, sizeof *desk);
    assert_non_null(desk);
    strcpy(desk->folder, "/tmp/apir-daemon-test-XXXXXX");
    assert_non_null(mkdtemp(desk->folder));
    snprintf(desk->sockets, sizeof desk->sockets, "%s/sockets", desk->folder);
    snprintf(desk->socket, sizeof desk->socket, "%s/socket", desk->sockets);
    snprintf(desk->groups, sizeof desk->groups, "%s/groups", desk->folder);
    snprintf(desk->group, sizeof desk->group, "%s/group", desk->groups);
    snprintf(desk->other, sizeof desk->other, "%s/other", desk->folder);
    snprintf(desk->file, sizeof desk->file, "%s/file", desk->other);
    assert_int_equal(mkdir(desk->sockets, 0777), 0);
    assert_int_equal(mkdir(desk->groups, 0777), 0);
    assert_int_equal(mkdir(desk->other, 0777), 0);
    make_file(desk->socket);
    make_file(desk->file);
    *state = desk;
    return 0;
}

static int tear_down(void **state)
{
    struct desk *desk = *state;
    unlink(desk->socket);
    unlink(desk->file);
    rmdir(desk->group);
    rmdir(desk->sockets);
    rmdir(desk->groups);
    rmdir(desk->other);
    rmdir(desk->folder);
    free(desk);
    return 0;
}

static struct apir_jail_report enter(const struct desk *desk)
{
    static const char *const readable[] = {"/usr", "/lib", "/lib64", "/bin", "/proc", "/etc/ld.so.cache"};
    static const char *const devices[] = {"/dev/null"};
    const char *const emptied[] = {desk->sockets}, *const writable[] = {desk->groups};
    const struct apir_jail_options options = {
        .readable = readable,
        .n_readable = 6,
        .devices = devices,
        .n_devices = 1,
        .emptied = emptied,
        .n_emptied = 1,
        .writable = writable,
        .n_writable = 1,
    };
    struct apir_jail_report report;
    apir_jail_enter_daemon(&options, &report);
    return report;
}

/* The status of a child that has entered the jail and then does that; 0 if it says true. */
static int run(bool (*body)(const struct desk *desk, const struct apir_jail_report *report), const struct desk *desk)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        const struct apir_jail_report report = enter(desk);
        _exit(body(desk, &report) ? 0 : 1);
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    return status;
}

static bool fails_with(int result, int error)
{
    return result < 0 && errno == error;
}

static bool cleans_up_only(const struct desk *desk, const struct apir_jail_report *report)
{
    char made[160];
    snprintf(made, sizeof made, "%s/made", desk->sockets);
    if (report->errors[APIR_JAIL_FILES])
        return true; /* the kernel has no such layer */
    return fails_with(open(made, O_CREAT | O_WRONLY | O_CLOEXEC, 0666), EACCES) &&
           fails_with(open(desk->socket, O_WRONLY | O_CLOEXEC), EACCES) && unlink(desk->socket) == 0 &&
           fails_with(unlink(desk->file), EACCES) && fails_with(open(desk->file, O_RDONLY | O_CLOEXEC), EACCES) &&
           fails_with(open("/etc/passwd", O_RDONLY | O_CLOEXEC), EACCES);
}

static void sockets_are_removed_and_nothing_else_is(void **state)
{
    assert_int_equal(run(cleans_up_only, *state), 0);
}

static bool makes_groups(const struct desk *desk, const struct apir_jail_report *report)
{
    (void)report;
    return mkdir(desk->group, 0777) == 0 && rmdir(desk->group) == 0;
}

static void control_groups_can_be_made(void **state)
{
    assert_int_equal(run(makes_groups, *state), 0);
}

static bool starts_programs(const struct desk *desk, const struct apir_jail_report *report)
{
    int status = -1;
    (void)desk;
    (void)report;
    pid_t pid = fork();
    if (pid == 0)
        execl("/bin/sh", "sh", "-c", "exec 2>/dev/null; cat /proc/self/status >&2", NULL);
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void workers_can_be_started(void **state)
{
    assert_int_equal(run(starts_programs, *state), 0);
}

static bool starts_other_users(const struct desk *desk, const struct apir_jail_report *report)
{
    const struct apir_jail_options options = {.user_base = BASE};
    char byte = 0;
    int ends[2], status = 0;
    (void)desk;
    (void)report;
    if (pipe(ends) < 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        if (apir_jail_become_user(&options) == 0 && write(ends[1], &byte, 1) == 1)
            pause();
        _exit(1);
    }
    close(ends[1]);
    return read(ends[0], &byte, 1) == 1 && kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid &&
           WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void workers_can_be_made_other_users_and_be_ended(void **state)
{
    if (geteuid() != 0)
        skip();
    assert_int_equal(run(starts_other_users, *state), 0);
}

static bool enters_narrower_jail(const struct desk *desk, const struct apir_jail_report *report)
{
    const struct apir_jail_options options = {.user_base = BASE, .descriptors = 3, .calls = APIR_JAIL_CALLS_OPEN};
    struct apir_jail_report inner;
    (void)desk;
    apir_jail_enter(&options, &inner);
    return report->errors[APIR_JAIL_FILES] ||
           (apir_jail_is_complete(&inner) &&
            fails_with(open("/usr", O_RDONLY | O_CLOEXEC), EACCES));
}

static void workers_can_be_confined_further(void **state)
{
    assert_int_equal(run(enters_narrower_jail, *state), 0);
}

static bool has_few_rights(const struct desk *desk, const struct apir_jail_report *report)
{
    char line[256];
    int found = 0;
    struct rlimit core;
    (void)desk;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file)) {
        found += strcmp(line, "NoNewPrivs:\t1\n") == 0;
        found += strcmp(line, geteuid() == 0 ? "CapEff:\t00000000000000e0\n" : "CapEff:\t0000000000000000\n") == 0;
    }
    if (file)
        fclose(file);
    return found == 2 && getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0 &&
           report->errors[APIR_JAIL_CAPABILITIES] == 0;
}

static void only_rights_over_workers_are_left(void **state)
{
    assert_int_equal(run(has_few_rights, *state), 0);
}

static bool unshares(const struct desk *desk, const struct apir_jail_report *report)
{
    (void)desk;
    (void)report;
    return unshare(CLONE_FS) == 0;
}

static bool reads_others(const struct desk *desk, const struct apir_jail_report *report)
{
    (void)desk;
    (void)report;
    return fails_with((int)syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0), EPERM);
}

static void calls_that_nobody_needs_end_the_process(void **state)
{
    int status = run(unshares, *state);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    assert_int_equal(run(reads_others, *state), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(sockets_are_removed_and_nothing_else_is),
        TEST(control_groups_can_be_made),
        TEST(workers_can_be_started),
        TEST(workers_can_be_made_other_users_and_be_ended),
        TEST(workers_can_be_confined_further),
        TEST(only_rights_over_workers_are_left),
        TEST(calls_that_nobody_needs_end_the_process),
    };
    return cmocka_run_group_tests_name("daemon jail", tests, NULL, NULL);
}
