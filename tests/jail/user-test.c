/* Processes that become users of their own; each in a process of its own. */
#include <errno.h>
#include <grp.h>
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
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "jail/jail.h"
#include "jail/user.h"

enum { BASE = 1800000000, NOBODY = 65534, GROUP = 1234 };

static bool succeeds(bool (*body)(void))
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(body() ? 0 : 1);
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool is_user(uid_t id)
{
    uid_t real, effective, saved;
    gid_t group, effective_group, saved_group;
    return getresuid(&real, &effective, &saved) == 0 && getresgid(&group, &effective_group, &saved_group) == 0 &&
           real == id && effective == id && saved == id && group == id && effective_group == id && saved_group == id;
}

static bool becomes_user(void)
{
    const struct apir_jail_options options = {.user_base = BASE};
    struct rlimit threads;
    return apir_jail_become_user(&options) == 0 && is_user(BASE + (uid_t)getpid()) && getgroups(0, NULL) == 0 &&
           getrlimit(RLIMIT_NPROC, &threads) == 0 && threads.rlim_max != RLIM_INFINITY && setuid(0) < 0;
}

static void a_process_of_root_becomes_a_user_of_its_own(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_true(succeeds(becomes_user));
}

static bool gets_group_of_node(void)
{
    static const char node[] = "/tmp/apir-user-test-node", root_node[] = "/tmp/apir-user-test-node-0";
    const char *const devices[] = {node, root_node, "/dev/null", "/no/such/node"};
    const struct apir_jail_options options = {.user_base = BASE, .devices = devices, .n_devices = 4};
    gid_t groups[4];
    unlink(node);
    unlink(root_node);
    if (mknod(node, S_IFCHR | 0660, makedev(1, 3)) < 0 || chmod(node, 0660) < 0 || chown(node, 0, GROUP) < 0 ||
        mknod(root_node, S_IFCHR | 0660, makedev(1, 3)) < 0 || chmod(root_node, 0660) < 0)
        return false;
    int error = apir_jail_become_user(&options);
    return error == 0 && getgroups(4, groups) == 1 && groups[0] == GROUP;
}

static void groups_are_those_of_device_nodes_but_not_of_root(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_true(succeeds(gets_group_of_node));
    unlink("/tmp/apir-user-test-node");
    unlink("/tmp/apir-user-test-node-0");
}

static volatile pid_t victim;

static bool cannot_touch(void)
{
    const struct apir_jail_options options = {.user_base = BASE};
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)victim);
    return apir_jail_become_user(&options) == 0 && kill(victim, SIGKILL) < 0 && errno == EPERM &&
           access(path, R_OK) < 0 && errno == EACCES;
}

/* Becomes a user of its own, says so, and stays until it is killed. */
static pid_t start_victim(void)
{
    const struct apir_jail_options options = {.user_base = BASE};
    int ends[2];
    char byte = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (apir_jail_become_user(&options) == 0 && write(ends[1], &byte, 1) == 1)
            pause();
        _exit(1);
    }
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    close(ends[1]);
    return pid;
}

static void two_of_them_cannot_touch_each_other(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    victim = start_victim();
    assert_true(succeeds(cannot_touch));
    assert_int_equal(kill(victim, SIGKILL), 0);
    waitpid(victim, NULL, 0);
}

static bool stays_nobody(void)
{
    const struct apir_jail_options options = {.user_base = BASE};
    struct apir_jail_report report = {{0}};
    if (geteuid() == 0 && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
        return false;
    uid_t before = getuid();
    report.errors[APIR_JAIL_USER] = apir_jail_become_user(&options);
    return report.errors[APIR_JAIL_USER] < 0 && getuid() == before && apir_jail_is_complete(&report);
}

static void without_root_nothing_is_missing(void **state)
{
    (void)state;
    assert_true(succeeds(stays_nobody));
}

static bool reports_root(void)
{
    const struct apir_jail_options options = {.user_base = 0};
    struct apir_jail_report report = {{0}};
    char text[64];
    report.errors[APIR_JAIL_USER] = apir_jail_become_user(&options);
    apir_jail_describe(&report, true, text, sizeof text);
    return getuid() == 0 && !apir_jail_is_complete(&report) && strcmp(text, "own user") == 0;
}

static void root_that_stays_root_is_reported(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_true(succeeds(reports_root));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_of_root_becomes_a_user_of_its_own),
        cmocka_unit_test(groups_are_those_of_device_nodes_but_not_of_root),
        cmocka_unit_test(two_of_them_cannot_touch_each_other),
        cmocka_unit_test(without_root_nothing_is_missing),
        cmocka_unit_test(root_that_stays_root_is_reported),
    };
    return cmocka_run_group_tests_name("user", tests, NULL, NULL);
}
