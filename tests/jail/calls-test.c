/* Which system calls a process in the jail can still make; each case in a process of its own. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "jail/jail.h"

enum {
    LOADING = APIR_JAIL_CALLS_OPEN | APIR_JAIL_CALLS_CODE | APIR_JAIL_CALLS_DEVICES | APIR_JAIL_CALLS_CONFINE,
    COMPUTING = 0,
    KILLED = -1, /* what run() returns when the process was ended for what it tried */
};

static void *tells_id(void *id)
{
    atomic_store_explicit((_Atomic pid_t *)id, gettid(), memory_order_release);
    pause();
    return NULL;
}

/* Only the system calls: what the other layers forbid is to be allowed here, so that it is seen who forbids. */
static void enter(uint32_t calls)
{
    const struct apir_jail_options options = {
        .calls = calls, .without = ~(UINT32_C(1) << APIR_JAIL_CALLS | UINT32_C(1) << APIR_JAIL_NO_NEW_PRIVILEGES)};
    struct apir_jail_report report;
    apir_jail_enter(&options, &report);
    if (!apir_jail_is_complete(&report))
        _exit(100);
}

/* What body returns in a child with these calls, or KILLED. */
static int run(uint32_t calls, int (*body)(void))
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        enter(calls);
        _exit(body());
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        return KILLED;
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int error_of(long result)
{
    return result < 0 ? errno : 0;
}

static int executes(void)
{
    char *const argv[] = {(char *)(uintptr_t) "true", NULL};
    return error_of(execve("/bin/true", argv, argv + 1));
}

static int traces_parent(void)
{
    return error_of(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int reads_parent(void)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {&byte, 1};
    return error_of(process_vm_readv(getppid(), &here, 1, &there, 1, 0));
}

static int sets_user(void)
{
    return error_of(setuid(getuid()));
}

static int unshares(void)
{
    return error_of(unshare(CLONE_NEWUSER));
}

static int uses_io_uring(void)
{
    char parameters[120] = {0};
    return error_of(syscall(SYS_io_uring_setup, 1, parameters));
}

static int uses_bpf(void)
{
    char attributes[120] = {0};
    return error_of(syscall(SYS_bpf, 0, attributes, sizeof attributes));
}

static int measures(void)
{
    char attributes[120] = {0};
    return error_of(syscall(SYS_perf_event_open, attributes, 0, -1, -1, 0));
}

static int takes_faults(void)
{
    return error_of(syscall(SYS_userfaultfd, 0));
}

static int uses_keys(void)
{
    return error_of(syscall(SYS_keyctl, 0, 0));
}

static int changes_root(void)
{
    return error_of(chroot("/"));
}

static int uses_name_of_file(void)
{
    return error_of(syscall(SYS_open_by_handle_at, -1, NULL, 0));
}

static void what_nobody_needs_ends_the_process(void **state)
{
    (void)state;
    int (*const bodies[])(void) = {executes, traces_parent, reads_parent, sets_user,  unshares,     uses_io_uring,
                                   uses_bpf, measures,      takes_faults, uses_keys, changes_root, uses_name_of_file};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        assert_int_equal(run(LOADING, bodies[i]), KILLED);
        assert_int_equal(run(COMPUTING, bodies[i]), KILLED);
    }
}

static int forks(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return error_of(pid);
}

static int makes_namespace(void)
{
    return error_of(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL));
}

static int makes_thread_with_namespace(void)
{
    return error_of(syscall(SYS_clone, 0x3d0f00 | CLONE_NEWUSER, NULL, NULL, NULL, NULL));
}

static int reaches_network(void)
{
    return error_of(socket(AF_INET, SOCK_STREAM, 0));
}

static int sends_packets(void)
{
    return error_of(socket(AF_PACKET, SOCK_RAW, 0));
}

static int uses_unix_socket(void)
{
    return error_of(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int signals_parent(void)
{
    return error_of(kill(getppid(), 0));
}

static int signals_thread_of_parent(void)
{
    return error_of(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

static int types_into_terminal(void)
{
    return error_of(ioctl(0, TIOCSTI, "x"));
}

/* As a C library does for the thread that it starts: 0, or 1 if it fails, or 2 if the other was moved. */
static int moves_other(void)
{
    cpu_set_t set, now;
    pthread_t thread;
    static _Atomic pid_t id;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    if (pthread_create(&thread, NULL, tells_id, (void *)&id) != 0)
        return 1;
    while (atomic_load_explicit(&id, memory_order_acquire) == 0)
        sched_yield();
    if (sched_setaffinity(id, sizeof set, &set) < 0 || sched_getaffinity(id, sizeof now, &now) < 0)
        return 1;
    return CPU_EQUAL(&set, &now) && sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 2 : 0;
}

static void other_threads_are_moved_in_words_only(void **state)
{
    (void)state;
    assert_int_equal(run(LOADING, moves_other), 0);
    assert_int_equal(run(COMPUTING, moves_other), 0);
}

static int limits_parent(void)
{
    const struct rlimit limit = {1, 1};
    return error_of(prlimit(getppid(), RLIMIT_NOFILE, &limit, NULL));
}

static int creates_file(void)
{
    return error_of(open("/tmp/apir-jail-test-no-such", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

static int makes_itself_traceable(void)
{
    return error_of(prctl(PR_SET_PTRACER, getppid(), 0, 0, 0));
}

static int asks_for_signals(void)
{
    return error_of(fcntl(0, F_SETOWN, getppid()));
}

static void what_libraries_ask_in_vain_fails(void **state)
{
    (void)state;
    int (*const bodies[])(void) = {forks, makes_namespace, makes_thread_with_namespace, reaches_network, sends_packets,
                                   uses_unix_socket, signals_parent, signals_thread_of_parent, types_into_terminal,
                                   creates_file, asks_for_signals};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        assert_int_equal(run(LOADING, bodies[i]), EPERM);
        assert_int_equal(run(COMPUTING, bodies[i]), EPERM);
    }
    assert_int_equal(run(COMPUTING, limits_parent), EPERM);
    assert_int_equal(run(COMPUTING, makes_itself_traceable), EPERM);
}

static int uses_young_call(void)
{
    return error_of(syscall(500));
}

static int uses_clone3(void)
{
    return error_of(syscall(SYS_clone3, NULL, 0));
}

static void young_calls_are_unknown(void **state)
{
    (void)state;
    assert_int_equal(run(COMPUTING, uses_young_call), ENOSYS);
    assert_int_equal(run(COMPUTING, uses_clone3), ENOSYS);
}

static void *nothing(void *data)
{
    return data;
}

static int computes(void)
{
    pthread_t thread;
    cpu_set_t set;
    char *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int shared = memfd_create("calls-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (memory == MAP_FAILED || shared < 0 || ftruncate(shared, 4096) < 0)
        return 1;
    memory[0] = 1;
    if (pthread_create(&thread, NULL, nothing, NULL) != 0 || pthread_join(thread, NULL) != 0)
        return 2;
    if (sched_getaffinity(0, sizeof set, &set) < 0 || sched_setaffinity(0, sizeof set, &set) < 0)
        return 3;
    if (prctl(PR_SET_NAME, "calls-test", 0, 0, 0) < 0 || fcntl(shared, F_GET_SEALS) < 0)
        return 4;
    return munmap(memory, 1 << 20) < 0 || !malloc(1 << 24) ? 5 : 0;
}

static void memory_and_threads_are_free(void **state)
{
    (void)state;
    assert_int_equal(run(COMPUTING, computes), 0);
    assert_int_equal(run(LOADING, computes), 0);
}

static int aborts(void)
{
    abort();
}

static void an_abort_is_an_abort(void **state)
{
    (void)state;
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        enter(COMPUTING);
        _exit(aborts());
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static int opens_for_reading(void)
{
    return error_of(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int opens_for_writing(void)
{
    return error_of(open("/dev/null", O_RDWR | O_CLOEXEC));
}

static int maps_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0;
}

static int makes_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? 99 : error_of(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static int asks_device(void) /* with no device open, it is the kernel's answer that tells */
{
    return error_of(ioctl(-1, _IOWR('d', 1, int), NULL));
}

static void groups_open_what_they_say(void **state)
{
    (void)state;
    assert_int_equal(run(COMPUTING, opens_for_reading), EPERM);
    assert_int_equal(run(APIR_JAIL_CALLS_OPEN, opens_for_reading), 0);
    assert_int_equal(run(APIR_JAIL_CALLS_OPEN, opens_for_writing), EPERM);
    assert_int_equal(run(APIR_JAIL_CALLS_DEVICES, opens_for_writing), 0);
    assert_int_equal(run(COMPUTING, maps_code), EPERM);
    assert_int_equal(run(COMPUTING, makes_code), EPERM);
    assert_int_equal(run(APIR_JAIL_CALLS_CODE, maps_code), 0);
    assert_int_equal(run(APIR_JAIL_CALLS_CODE, makes_code), 0);
    assert_int_equal(run(COMPUTING, asks_device), EPERM);
    assert_int_equal(run(APIR_JAIL_CALLS_DEVICES, asks_device), EBADF);
    assert_int_equal(run(APIR_JAIL_CALLS_NETWORK, reaches_network), 0);
    assert_int_equal(run(APIR_JAIL_CALLS_NETWORK, sends_packets), EPERM);
}

/* A thread that was there before the jail became narrower. */
static void *opens_when_told(void *data)
{
    _Atomic int *step = data;
    while (atomic_load_explicit(step, memory_order_acquire) == 0)
        sched_yield();
    int error = opens_for_reading();
    atomic_store_explicit(step, 2 + error, memory_order_release);
    return NULL;
}

static int narrows(void)
{
    static const struct apir_jail_report held;
    struct apir_jail_report report = held;
    pthread_t thread;
    _Atomic int step = 0;
    if (opens_for_reading() != 0 || pthread_create(&thread, NULL, opens_when_told, (void *)&step) != 0)
        return 1;
    apir_jail_narrow(COMPUTING, &report);
    if (!apir_jail_is_complete(&report) || opens_for_reading() != EPERM)
        return 2;
    atomic_store_explicit(&step, 1, memory_order_release);
    pthread_join(thread, NULL);
    return atomic_load_explicit(&step, memory_order_acquire) == 2 + EPERM ? 0 : 3;
}

static void a_narrower_jail_is_for_all_threads(void **state)
{
    (void)state;
    assert_int_equal(run(LOADING, narrows), 0);
}

static int widens(void)
{
    struct sock_filter allow = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
    struct sock_fprog program = {1, &allow};
    return error_of(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
}

static void there_is_no_way_back(void **state)
{
    (void)state;
    assert_int_equal(run(COMPUTING, widens), KILLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_needs_ends_the_process),
        cmocka_unit_test(what_libraries_ask_in_vain_fails),
        cmocka_unit_test(other_threads_are_moved_in_words_only),
        cmocka_unit_test(young_calls_are_unknown),
        cmocka_unit_test(memory_and_threads_are_free),
        cmocka_unit_test(an_abort_is_an_abort),
        cmocka_unit_test(groups_open_what_they_say),
        cmocka_unit_test(a_narrower_jail_is_for_all_threads),
        cmocka_unit_test(there_is_no_way_back),
    };
    return cmocka_run_group_tests_name("calls", tests, NULL, NULL);
}
