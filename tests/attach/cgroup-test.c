/* Groups in a folder that is made to look like one of the kernel's; and in the kernel's own, where this process may. */
#include <dirent.h>
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
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "attach/cgroup.h"

enum {
    CLIENT = 2,
    WORKER = 4711,
    TASKS = 99,
    CROWD = 6, /* workers of a client that wants all */
};

static const uint64_t memory = UINT64_C(1) << 30;

struct desk {
    char folder[64];
    struct apir_cgroup groups;
};

/* Files of a group, which the kernel makes. */
static const char *const names[] = {"cgroup.procs", "cgroup.subtree_control", "memory.max", "memory.oom.group",
                                    "pids.max",     "cgroup.kill"};

enum { NAMES = sizeof names / sizeof *names };

/* Good until the next but three. */
static const char *join(const char *folder, const char *name)
{
    static char paths[4][APIR_CGROUP_PATH];
    static unsigned next;
    char *path = paths[next++ % 4];
    assert_true(strlen(folder) + strlen(name) + 2 <= sizeof paths[0]);
    strcpy(path, folder);
    strcat(path, "/");
    return strcat(path, name);
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static const char *get(const char *path)
{
    static char text[256];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[size < 0 ? 0 : size] = '\0';
    return size < 0 ? NULL : text;
}

static int fake_make(const char *name)
{
    char path[256] = "";
    strncpy(path, name, sizeof path - 1);
    if (mkdir(path, 0755) < 0)
        return -errno;
    for (int i = 0; i < NAMES; i++)
        put(join(path, names[i]), "");
    return 0;
}

static bool has_groups(const char *path)
{
    struct dirent *entry;
    bool found = false;
    DIR *folder = opendir(path);
    while (folder && (entry = readdir(folder)))
        found = found || (entry->d_type == DT_DIR && entry->d_name[0] != '.');
    if (folder)
        closedir(folder);
    return found;
}

static int fake_remove(const char *name)
{
    char path[256] = "";
    strncpy(path, name, sizeof path - 1);
    if (has_groups(path))
        return -EBUSY;
    for (int i = 0; i < NAMES; i++)
        unlink(join(path, names[i]));
    return rmdir(path) < 0 ? -errno : 0;
}

static int fake_write(const char *path, const char *text)
{
    if (access(path, W_OK) < 0)
        return -errno;
    put(path, text);
    return 0;
}

static int refuse_memory(const char *path, const char *text)
{
    return strstr(path, "memory.max") ? -EINVAL : fake_write(path, text);
}

static int refuse_dividing(const char *path, const char *text)
{
    return strstr(path, "subtree_control") ? -EBUSY : fake_write(path, text);
}

static int refuse_dividing_a_client(const char *path, const char *text)
{
    return strstr(path, "apird-client") ? refuse_dividing(path, text) : fake_write(path, text);
}

static int refuse_processors(const char *path, const char *text)
{
    return strstr(text, "+cpu") ? -EINVAL : fake_write(path, text);
}

static const struct apir_cgroup_files fake = {fake_make, fake_remove, fake_write};
static const struct apir_cgroup_files no_memory = {fake_make, fake_remove, refuse_memory};
static const struct apir_cgroup_files not_divided = {fake_make, fake_remove, refuse_dividing};
static const struct apir_cgroup_files no_clients = {fake_make, fake_remove, refuse_dividing_a_client};
static const struct apir_cgroup_files no_processors = {fake_make, fake_remove, refuse_processors};

static int set_up(void **state)
{
    struct desk *desk = calloc(1, sizeof *desk);
    char number[32];
    assert_non_null(desk);
    strcpy(desk->folder, "/tmp/apir-cgroup-test-XXXXXX");
    assert_non_null(mkdtemp(desk->folder));
    for (int i = 0; i < NAMES; i++)
        put(join(desk->folder, names[i]), "");
    snprintf(number, sizeof number, "%d\n", (int)getpid());
    put(join(desk->folder, "cgroup.procs"), number);
    put(join(desk->folder, "cgroup.controllers"), "cpuset cpu io memory pids\n");
    *state = desk;
    return 0;
}

static int tear_down(void **state)
{
    struct desk *desk = *state;
    fake_remove(join(desk->folder, "apird"));
    unlink(join(desk->folder, "cgroup.controllers"));
    assert_int_equal(fake_remove(desk->folder), 0); /* nothing else is left */
    free(desk);
    return 0;
}

static bool exists(const struct desk *desk, const char *name)
{
    return access(join(desk->folder, name), F_OK) == 0;
}

static const char *client_name(long daemon, const char *file)
{
    static char name[128];
    snprintf(name, sizeof name, "apird-client-%ld-%d%s%s", daemon, CLIENT, *file ? "/" : "", file);
    return name;
}

static const char *worker_name(long daemon, const char *file)
{
    static char name[128];
    snprintf(name, sizeof name, "apird-client-%ld-%d/worker-%d%s%s", daemon, CLIENT, WORKER, *file ? "/" : "", file);
    return name;
}

static int init(struct desk *desk, const struct apir_cgroup_files *files)
{
    return apir_cgroup_init(&desk->groups, desk->folder, files, memory, TASKS);
}

static void the_daemon_moves_out_of_the_way(void **state)
{
    struct desk *desk = *state;
    assert_int_equal(init(desk, &fake), 0);
    assert_string_equal(get(join(desk->folder, "apird/cgroup.procs")), "0");
    assert_string_equal(get(join(desk->folder, "cgroup.subtree_control")), "+cpu +memory +pids");
    assert_true(desk->groups.cpu);
}

static void workers_of_a_client_are_in_its_group(void **state)
{
    struct desk *desk = *state;
    assert_int_equal(init(desk, &fake), 0);
    assert_int_equal(apir_cgroup_add(&desk->groups, CLIENT, WORKER), 0);
    assert_int_equal(apir_cgroup_add(&desk->groups, CLIENT, WORKER + 1), 0);
    assert_int_equal(apir_cgroup_add(&desk->groups, CLIENT + 1, WORKER + 2), 0); /* is in another */
    assert_string_equal(get(join(desk->folder, client_name(getpid(), "cgroup.subtree_control"))), "+cpu +memory +pids");
    assert_string_equal(get(join(desk->folder, client_name(getpid(), "memory.max"))), "");
    assert_true(exists(desk, worker_name(getpid(), "")));
    apir_cgroup_remove(&desk->groups, CLIENT, WORKER);
    assert_false(exists(desk, worker_name(getpid(), "")));
    assert_true(exists(desk, client_name(getpid(), "")));
    apir_cgroup_remove(&desk->groups, CLIENT + 1, WORKER + 2);
    assert_true(exists(desk, client_name(getpid(), "")));
    apir_cgroup_remove(&desk->groups, CLIENT, WORKER + 1);
    assert_false(exists(desk, client_name(getpid(), "")));
}

/* Limits are what they are elsewhere. */
static void assert_does_without_processors(struct desk *desk, const struct apir_cgroup_files *files)
{
    assert_int_equal(init(desk, files), 0);
    assert_false(desk->groups.cpu);
    assert_int_equal(apir_cgroup_add(&desk->groups, CLIENT, WORKER), 0);
    assert_string_equal(get(join(desk->folder, "cgroup.subtree_control")), "+memory +pids");
    assert_string_equal(get(join(desk->folder, client_name(getpid(), "cgroup.subtree_control"))), "+memory +pids");
    assert_string_equal(get(join(desk->folder, worker_name(getpid(), "memory.max"))), "1073741824");
    apir_cgroup_remove(&desk->groups, CLIENT, WORKER);
    assert_false(exists(desk, client_name(getpid(), "")));
}

static void processors_need_not_be_there_to_share(void **state)
{
    struct desk *desk = *state;
    put(join(desk->folder, "cgroup.controllers"), "cpuset memory pids\n");
    assert_does_without_processors(desk, &fake);
}

static void processors_that_cannot_be_shared_are_not(void **state)
{
    assert_does_without_processors(*state, &no_processors);
}

static void a_worker_is_limited_before_it_is_in(void **state)
{
    struct desk *desk = *state;
    char name[128], path[256], number[32];
    assert_int_equal(init(desk, &fake), 0);
    assert_int_equal(apir_cgroup_add(&desk->groups, CLIENT, WORKER), 0);
    snprintf(name, sizeof name, "%s", worker_name(getpid(), ""));
    snprintf(path, sizeof path, "%s/%s", desk->folder, name);
    snprintf(number, sizeof number, "%d", WORKER);
    assert_string_equal(get(join(path, "memory.max")), "1073741824");
    assert_string_equal(get(join(path, "memory.oom.group")), "1");
    assert_string_equal(get(join(path, "pids.max")), "99");
    assert_string_equal(get(join(path, "cgroup.procs")), number);
    apir_cgroup_remove(&desk->groups, CLIENT, WORKER);
    assert_false(exists(desk, worker_name(getpid(), "")));
}

static void without_a_limit_memory_is_counted_only(void **state)
{
    struct desk *desk = *state;
    assert_int_equal(apir_cgroup_init(&desk->groups, desk->folder, &fake, 0, TASKS), 0);
    assert_int_equal(apir_cgroup_add(&desk->groups, CLIENT, WORKER), 0);
    assert_string_equal(get(join(desk->folder, worker_name(getpid(), "memory.max"))), "max");
    apir_cgroup_remove(&desk->groups, CLIENT, WORKER);
}

static void a_worker_that_cannot_be_limited_has_no_group(void **state)
{
    struct desk *desk = *state;
    assert_int_equal(init(desk, &no_memory), 0);
    assert_int_equal(apir_cgroup_add(&desk->groups, CLIENT, WORKER), -EINVAL);
    assert_false(exists(desk, client_name(getpid(), "")));
}

static void nor_do_others_of_its_client_lose_theirs(void **state)
{
    struct desk *desk = *state;
    assert_int_equal(init(desk, &fake), 0);
    assert_int_equal(apir_cgroup_add(&desk->groups, CLIENT, WORKER), 0);
    desk->groups.files = &no_memory;
    assert_int_equal(apir_cgroup_add(&desk->groups, CLIENT, WORKER + 1), -EINVAL);
    assert_true(exists(desk, worker_name(getpid(), "")));
    apir_cgroup_remove(&desk->groups, CLIENT, WORKER);
    assert_false(exists(desk, client_name(getpid(), "")));
}

static void a_client_that_cannot_be_divided_has_no_group(void **state)
{
    struct desk *desk = *state;
    assert_int_equal(init(desk, &no_clients), 0);
    assert_int_equal(apir_cgroup_add(&desk->groups, CLIENT, WORKER), -EBUSY);
    assert_false(exists(desk, client_name(getpid(), "")));
}

static void a_group_with_others_in_it_is_left_alone(void **state)
{
    struct desk *desk = *state;
    put(join(desk->folder, "cgroup.procs"), "1\n");
    assert_int_equal(init(desk, &fake), -EBUSY);
    assert_false(exists(desk, "apird"));
    assert_string_equal(get(join(desk->folder, "cgroup.subtree_control")), "");
}

static void a_group_that_cannot_limit_memory_is_left_alone(void **state)
{
    struct desk *desk = *state;
    put(join(desk->folder, "cgroup.controllers"), "cpu pids\n");
    assert_int_equal(init(desk, &fake), -EOPNOTSUPP);
    assert_false(exists(desk, "apird"));
}

static void a_failure_leaves_no_group(void **state)
{
    struct desk *desk = *state;
    assert_int_equal(init(desk, &not_divided), -EBUSY);
    assert_false(exists(desk, "apird"));
    assert_string_equal(get(join(desk->folder, "cgroup.procs")), "0"); /* moved back */
}

/* A process id that is free: of a child that is reaped. */
static long dead_process(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return pid;
}

static void make_groups(const struct desk *desk, long daemon)
{
    assert_int_equal(fake_make(join(desk->folder, client_name(daemon, ""))), 0);
    assert_int_equal(fake_make(join(desk->folder, worker_name(daemon, ""))), 0);
}

static void groups_of_a_dead_daemon_are_removed(void **state)
{
    struct desk *desk = *state;
    long dead = dead_process();
    make_groups(desk, dead);
    make_groups(desk, getpid()); /* had our number */
    assert_int_equal(init(desk, &fake), 0);
    assert_false(exists(desk, client_name(dead, "")));
    assert_false(exists(desk, client_name(getpid(), "")));
}

static void groups_of_a_daemon_that_lives_are_not(void **state)
{
    struct desk *desk = *state;
    make_groups(desk, getppid());
    assert_int_equal(init(desk, &fake), 0);
    assert_true(exists(desk, worker_name(getppid(), "")));
    assert_int_equal(fake_remove(join(desk->folder, worker_name(getppid(), ""))), 0);
    assert_int_equal(fake_remove(join(desk->folder, client_name(getppid(), ""))), 0);
}

static void the_own_group_is_found(void **state)
{
    char folder[APIR_CGROUP_PATH];
    (void)state;
    int ret = apir_cgroup_find(folder, sizeof folder);
    if (ret == -ENOENT)
        skip(); /* there is none */
    assert_int_equal(ret, 0);
    assert_int_equal(access(join(folder, "cgroup.procs"), F_OK), 0);
    assert_int_equal(apir_cgroup_find(folder, 4), -ENAMETOOLONG);
}

/* Takes memory until it is killed. */
static void take_memory(int start)
{
    char byte;
    if (read(start, &byte, 1) != 1)
        _exit(1);
    for (uint64_t taken = 0; taken < memory; taken += 1 << 20) {
        void *piece = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (piece == MAP_FAILED)
            _exit(2);
        memset(piece, 1, 1 << 20);
    }
    _exit(3);
}

/* This process moves to another group. 0: the worker was killed; 77: no group to divide. */
static int run_in_kernel(void)
{
    struct apir_cgroup groups;
    char folder[APIR_CGROUP_PATH], byte = 0;
    int ends[2], status = 0;
    if (apir_cgroup_find(folder, sizeof folder) < 0 ||
        apir_cgroup_init(&groups, folder, apir_cgroup_system(), UINT64_C(32) << 20, TASKS) < 0)
        return 77;
    if (pipe(ends) < 0)
        return 2;
    pid_t pid = fork();
    if (pid == 0)
        take_memory(ends[0]);
    if (apir_cgroup_add(&groups, CLIENT, pid) < 0 || write(ends[1], &byte, 1) != 1 || waitpid(pid, &status, 0) != pid)
        return 3;
    apir_cgroup_remove(&groups, CLIENT, pid);
    apir_cgroup_remove(&groups, CLIENT, pid); /* is gone: does nothing */
    bool gone = access(join(folder, client_name(getpid(), "")), F_OK) < 0;
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && gone ? 0 : 4;
}

static void the_kernel_ends_a_worker_that_takes_too_much(void **state)
{
    (void)state;
    if (!getenv("APIR_TEST_CGROUP"))
        skip(); /* the process must be alone in its group: tests/vm/cgroup.sh sees to that */
    assert_int_equal(run_in_kernel(), 0);
}

static void stay_on_first_processor(void)
{
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    if (sched_setaffinity(0, sizeof first, &first) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        _exit(1);
}

/* Of a processor, that a process has had; 0: this one. */
static double seconds(pid_t pid)
{
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) < 0)
        _exit(1);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static double seconds_of_all(const pid_t *crowd)
{
    double sum = 0;
    for (int i = 0; i < CROWD; i++)
        sum += seconds(crowd[i]);
    return sum;
}

/* Ends with its share of two seconds, in percent. It looks itself: who is told of an end may hear of it late. */
static void compete(const pid_t *crowd, int start)
{
    double own, both;
    char byte;
    stay_on_first_processor();
    if (read(start, &byte, 1) != 1)
        _exit(1);
    const double own_before = seconds(0), before = seconds_of_all(crowd);
    do {
        own = seconds(0) - own_before;
        both = own + seconds_of_all(crowd) - before;
    } while (both < 2);
    _exit((int)(100 * own / both));
}

static void start_crowd(const struct apir_cgroup *groups, pid_t *crowd)
{
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = fork();
        if (crowd[i] == 0) {
            stay_on_first_processor();
            for (;;)
                sched_getcpu();
        }
        assert_int_equal(apir_cgroup_add(groups, 1, crowd[i]), 0);
    }
}

static void end_worker(const struct apir_cgroup *groups, unsigned client, pid_t pid, int *status)
{
    assert_int_equal(waitpid(pid, status, 0), pid);
    apir_cgroup_remove(groups, client, pid);
}

static void the_kernel_gives_a_client_its_share_beside_a_crowd(void **state)
{
    struct apir_cgroup groups;
    char folder[APIR_CGROUP_PATH];
    int ends[2], status;
    pid_t crowd[CROWD];
    (void)state;
    if (!getenv("APIR_TEST_CGROUP"))
        skip();
    assert_int_equal(apir_cgroup_find(folder, sizeof folder), 0);
    assert_int_equal(apir_cgroup_init(&groups, folder, apir_cgroup_system(), memory, TASKS), 0);
    assert_true(groups.cpu);
    assert_int_equal(pipe(ends), 0);
    start_crowd(&groups, crowd);
    pid_t alone = fork();
    if (alone == 0)
        compete(crowd, ends[0]);
    assert_int_equal(apir_cgroup_add(&groups, 2, alone), 0);

    assert_int_equal(write(ends[1], "", 1), 1);
    end_worker(&groups, 2, alone, &status);
    for (int i = 0; i < CROWD; i++) {
        kill(crowd[i], SIGKILL);
        end_worker(&groups, 1, crowd[i], NULL);
    }
    assert_true(WIFEXITED(status));
    print_message("share: %d percent\n", WEXITSTATUS(status));
    /* with one group for each worker it is a seventh */
    assert_true(WEXITSTATUS(status) >= 40 && WEXITSTATUS(status) <= 60);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_daemon_moves_out_of_the_way),
        TEST(workers_of_a_client_are_in_its_group),
        TEST(processors_need_not_be_there_to_share),
        TEST(processors_that_cannot_be_shared_are_not),
        TEST(a_worker_is_limited_before_it_is_in),
        TEST(without_a_limit_memory_is_counted_only),
        TEST(a_worker_that_cannot_be_limited_has_no_group),
        TEST(nor_do_others_of_its_client_lose_theirs),
        TEST(a_client_that_cannot_be_divided_has_no_group),
        TEST(a_group_with_others_in_it_is_left_alone),
        TEST(a_group_that_cannot_limit_memory_is_left_alone),
        TEST(a_failure_leaves_no_group),
        TEST(groups_of_a_dead_daemon_are_removed),
        TEST(groups_of_a_daemon_that_lives_are_not),
        cmocka_unit_test(the_own_group_is_found),
        cmocka_unit_test(the_kernel_ends_a_worker_that_takes_too_much),
        cmocka_unit_test(the_kernel_gives_a_client_its_share_beside_a_crowd),
    };
    return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
