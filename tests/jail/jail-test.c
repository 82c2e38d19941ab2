/* What a process in the jail can still do; each case in a process of its own. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "jail/jail.h"

static const char *const readable[] = {"/usr", "/proc/self", "/no/such/folder"};
static const char *const devices[] = {"/dev/null"};

/* A folder with a file, outside of what may be read. */
struct desk {
    char folder[64], file[96];
};

static int set_up(void **state)
{
    struct desk *desk = calloc(1, sizeof *desk);
    assert_non_null(desk);
    strcpy(desk->folder, "/tmp/apir-jail-test-XXXXXX");
    assert_non_null(mkdtemp(desk->folder));
    snprintf(desk->file, sizeof desk->file, "%s/file", desk->folder);
    int fd = open(desk->file, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    assert_true(fd >= 0);
    close(fd);
    *state = desk;
    return 0;
}

static int tear_down(void **state)
{
    struct desk *desk = *state;
    unlink(desk->file);
    rmdir(desk->folder);
    free(desk);
    return 0;
}

static struct apir_jail_report enter(bool network)
{
    const struct apir_jail_options options = {
        .readable = readable,
        .n_readable = 3,
        .devices = devices,
        .n_devices = 1,
        .network = network,
        .descriptors = 3,
        .without = UINT32_C(1) << APIR_JAIL_CALLS, /* which forbids the same: calls-test.c */
    };
    struct apir_jail_report report;
    apir_jail_enter(&options, &report);
    return report;
}

/* Runs body in a child that has entered the jail; true if it says so. */
static bool in_jail(bool (*body)(const struct desk *desk, const struct apir_jail_report *report),
                    const struct desk *desk)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct apir_jail_report report = enter(false);
        _exit(body(desk, &report) ? 0 : 1);
    }
    int status = 0;
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool fails_with(int result, int error)
{
    return result < 0 && errno == error;
}

static bool opens(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool uses_files(const struct desk *desk, const struct apir_jail_report *report)
{
    char other[128];
    snprintf(other, sizeof other, "%s/other", desk->folder);
    if (report->errors[APIR_JAIL_FILES])
        return opens("/usr", O_RDONLY | O_DIRECTORY); /* the kernel has no such layer */
    return opens("/usr", O_RDONLY | O_DIRECTORY) && opens("/proc/self/status", O_RDONLY) &&
           opens("/dev/null", O_RDWR) && fails_with(open(desk->file, O_RDONLY | O_CLOEXEC), EACCES) &&
           fails_with(open(desk->file, O_WRONLY | O_CLOEXEC), EACCES) &&
           fails_with(open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0666), EACCES) &&
           fails_with(unlink(desk->file), EACCES) && fails_with(rename(desk->file, other), EACCES) &&
           fails_with(open("/etc/passwd", O_RDONLY | O_CLOEXEC), EACCES) &&
           fails_with(open("/usr/other", O_CREAT | O_WRONLY | O_CLOEXEC, 0666), EACCES);
}

static void only_what_is_listed_can_be_opened(void **state)
{
    assert_true(in_jail(uses_files, *state));
}

static bool makes_memory(const struct desk *desk, const struct apir_jail_report *report)
{
    (void)desk;
    (void)report;
    int fd = memfd_create("jail-test", MFD_CLOEXEC);
    return fd >= 0 && ftruncate(fd, 4096) == 0 &&
           mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED;
}

static void memory_can_be_shared(void **state)
{
    assert_true(in_jail(makes_memory, *state));
}

static bool has_no_privileges(const struct desk *desk, const struct apir_jail_report *report)
{
    char line[256];
    int none = 0, fixed = 0;
    (void)desk;
    if (report->errors[APIR_JAIL_CAPABILITIES] || report->errors[APIR_JAIL_NO_NEW_PRIVILEGES])
        return false;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file)) {
        none += strcmp(line, "CapEff:\t0000000000000000\n") == 0 || strcmp(line, "CapPrm:\t0000000000000000\n") == 0;
        fixed += strcmp(line, "NoNewPrivs:\t1\n") == 0;
    }
    if (file)
        fclose(file);
    return none == 2 && fixed == 1;
}

static void no_privilege_is_left(void **state)
{
    assert_true(in_jail(has_no_privileges, *state));
}

static bool has_limits(const struct desk *desk, const struct apir_jail_report *report)
{
    struct rlimit core, files;
    (void)desk;
    return !report->errors[APIR_JAIL_LIMITS] && getrlimit(RLIMIT_CORE, &core) == 0 &&
           getrlimit(RLIMIT_NOFILE, &files) == 0 && core.rlim_max == 0 && files.rlim_max <= 8192;
}

static void core_is_not_dumped(void **state)
{
    assert_true(in_jail(has_limits, *state));
}

static bool has_no_network(const struct desk *desk, const struct apir_jail_report *report)
{
    (void)desk;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool denied = fd < 0 || fails_with(connect(fd, (struct sockaddr *)&address, sizeof address), EACCES);
    address.sin_port = 0;
    denied = denied && (fd < 0 || fails_with(bind(fd, (struct sockaddr *)&address, sizeof address), EACCES));
    return report->errors[APIR_JAIL_NETWORK] ? true : denied;
}

static void nobody_is_reached_over_tcp(void **state)
{
    assert_true(in_jail(has_no_network, *state));
}

static bool signals_parent(const struct desk *desk, const struct apir_jail_report *report)
{
    (void)desk;
    return report->errors[APIR_JAIL_SCOPE] ? true : fails_with(kill(getppid(), 0), EPERM);
}

static bool serves_tcp(void)
{
    const struct sockaddr_in address = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
}

static void who_may_connect_may_not_listen(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        struct apir_jail_report report = enter(true);
        char text[256];
        apir_jail_describe(&report, false, text, sizeof text);
        _exit(!strstr(text, "network") && (!serves_tcp() || report.errors[APIR_JAIL_NETWORK]) ? 0 : 1);
    }
    int status = -1;
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    assert_int_equal(status, 0);
}

static void processes_outside_are_not_signalled(void **state)
{
    assert_true(in_jail(signals_parent, *state));
}

static bool has_no_descriptors(const struct desk *desk, const struct apir_jail_report *report)
{
    (void)desk;
    return !report->errors[APIR_JAIL_DESCRIPTORS] && fails_with(fcntl(3, F_GETFD), EBADF) && fcntl(2, F_GETFD) == 0;
}

static void what_was_open_is_closed(void **state)
{
    int fd = fcntl(0, F_DUPFD, 3); /* not CLOEXEC, as some parents leave them */
    assert_true(fd >= 3);
    assert_true(in_jail(has_no_descriptors, *state));
    close(fd);
}

static void layers_have_names(void **state)
{
    (void)state;
    char text[256];
    struct apir_jail_report report = {0};
    assert_true(apir_jail_is_complete(&report));
    apir_jail_describe(&report, true, text, sizeof text);
    assert_string_equal(text, "");
    report.errors[APIR_JAIL_FILES] = ENOSYS;
    report.errors[APIR_JAIL_SCOPE] = EOPNOTSUPP;
    report.errors[APIR_JAIL_USER] = -1; /* does not apply */
    assert_false(apir_jail_is_complete(&report));
    apir_jail_describe(&report, true, text, sizeof text);
    assert_string_equal(text, "files, scope");
    apir_jail_describe(&report, false, text, sizeof text);
    assert_string_equal(text, "no new privileges, no capabilities, descriptors, limits, no network, system calls");
    apir_jail_describe(&report, false, text, 8); /* cut, and ended */
    assert_true(strlen(text) < 8);
    report.errors[APIR_JAIL_FILES] = report.errors[APIR_JAIL_SCOPE] = -1; /* nobody asked for them */
    assert_true(apir_jail_is_complete(&report));
    apir_jail_describe(&report, true, text, sizeof text);
    assert_string_equal(text, "");
    for (int i = 0; i < APIR_JAIL_LAYERS; i++)
        assert_non_null(apir_jail_layer_name((enum apir_jail_layer)i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_what_is_listed_can_be_opened, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_can_be_shared, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_privilege_is_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(core_is_not_dumped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_is_reached_over_tcp, set_up, tear_down),
        cmocka_unit_test(who_may_connect_may_not_listen),
        cmocka_unit_test_setup_teardown(what_was_open_is_closed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(processes_outside_are_not_signalled, set_up, tear_down),
        cmocka_unit_test(layers_have_names),
    };
    return cmocka_run_group_tests_name("jail", tests, NULL, NULL);
}
