#include "attempt.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The thread that waits for its turn. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int number; /* -1: none */
    int result;
    int at_load[ATTEMPT_COUNT];
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .number = -1};

static int error_of(long result)
{
    return result < 0 ? errno : 0;
}

static int read_file(const char *path)
{
    char byte;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int error = fd < 0 ? errno : error_of(read(fd, &byte, 1));
    if (fd >= 0)
        close(fd);
    return error;
}

static int start_process(void)
{
    pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0)
        syscall(SYS_exit_group, 0);
    return error_of(pid);
}

/* One that nobody else needs, and that goes again: what is loaded already needs no file. */
static int load_library(void)
{
    void *library = dlopen("libcmocka.so.0", RTLD_NOW | RTLD_LOCAL);
    if (library)
        dlclose(library);
    return library ? 0 : EPERM;
}

static int make_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? errno : error_of(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static int execute(void)
{
    char *const argv[] = {(char *)(uintptr_t) "true", NULL};
    return error_of(execve("/bin/true", argv, argv + 1));
}

static int lower_parent(void)
{
    const struct rlimit limit = {1, 1};
    return error_of(prlimit(getppid(), RLIMIT_NOFILE, &limit, NULL));
}

static int use_io_uring(void)
{
    char parameters[120] = {0};
    return error_of(syscall(SYS_io_uring_setup, 1, parameters));
}

static int make(int number)
{
    switch (number) {
    case ATTEMPT_READ_PASSWORDS:
        return read_file("/etc/passwd");
    case ATTEMPT_READ_ENVIRONMENT:
        return read_file("/proc/1/environ");
    case ATTEMPT_READ_DATA:
        return read_file("/usr/bin/env");
    case ATTEMPT_WRITE_FILE:
        return error_of(open("/tmp/apir-attempt", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    case ATTEMPT_USE_TCP:
        return error_of(socket(AF_INET, SOCK_STREAM, 0));
    case ATTEMPT_USE_UNIX_SOCKET:
        return error_of(socket(AF_UNIX, SOCK_STREAM, 0));
    case ATTEMPT_SIGNAL_PARENT:
        return error_of(kill(getppid(), 0));
    case ATTEMPT_FORK:
        return start_process();
    case ATTEMPT_NAMESPACE:
        return error_of(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL));
    case ATTEMPT_LOWER_PARENT:
        return lower_parent();
    case ATTEMPT_LOAD_LIBRARY:
        return load_library();
    case ATTEMPT_MAKE_CODE:
        return make_code();
    case ATTEMPT_READ_ITSELF:
        return read_file("/proc/self/status");
    case ATTEMPT_EXECUTE:
        return execute();
    case ATTEMPT_TRACE_PARENT:
        return error_of(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
    case ATTEMPT_IO_URING:
        return use_io_uring();
    case ATTEMPT_SET_USER:
        return error_of(setuid(getuid()));
    case ATTEMPT_UNSHARE:
        return error_of(unshare(CLONE_NEWUSER));
    case ATTEMPT_MOUNT:
        return error_of(mount("none", "/tmp", "tmpfs", 0, ""));
    default:
        return 0;
    }
}

static void *wait_for_turns(void *data)
{
    pthread_mutex_lock(&state.lock);
    for (;;) {
        while (state.number < 0)
            pthread_cond_wait(&state.changed, &state.lock);
        state.result = make(state.number);
        state.number = -1;
        pthread_cond_broadcast(&state.changed);
    }
    return data;
}

static int make_in_thread(int number)
{
    pthread_mutex_lock(&state.lock);
    state.number = number;
    pthread_cond_broadcast(&state.changed);
    while (state.number >= 0)
        pthread_cond_wait(&state.changed, &state.lock);
    int result = state.result;
    pthread_mutex_unlock(&state.lock);
    return result;
}

void attempt_prepare(void)
{
    pthread_t thread;
    for (int number = 0; number < ATTEMPT_EXECUTE; number++)
        state.at_load[number] = make(number);
    if (pthread_create(&thread, NULL, wait_for_turns, NULL) == 0)
        pthread_detach(thread);
}

int attempt_make(int number)
{
    if (number >= ATTEMPT_IN_THREAD)
        return make_in_thread(number - ATTEMPT_IN_THREAD);
    if (number >= ATTEMPT_AT_LOAD && number < ATTEMPT_AT_LOAD + ATTEMPT_EXECUTE)
        return state.at_load[number - ATTEMPT_AT_LOAD];
    return make(number);
}
