#include "plugin.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A worker built with a sanitizer answers an allocation that is too large as malloc does. variable:
 * its options. */
static void let_malloc_fail(const char *variable)
{
    const char *set = getenv(variable);
    char options[1024];
    snprintf(options, sizeof options, "%s%sallocator_may_return_null=1", set ? set : "",
             set ? ":" : "");
    setenv(variable, options, 1);
}

static void exec_daemon(const struct daemon *daemon, const char *library, const char *const *options)
{
    const char *argv[32] = {APIRD, "--listen", daemon->socket};
    unsigned n = 3;
    char log[128];
    snprintf(log, sizeof log, "%s/log", daemon->folder);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    unsetenv("GGML_BACKEND_PATH");
    unsetenv("APIR_LLAMA_CPP_GGML_LIBRARY_PATH");
    let_malloc_fail("ASAN_OPTIONS");
    let_malloc_fail("TSAN_OPTIONS");
    if (!freopen(log, "a", stderr) || !freopen(log, "a", stdout))
        _exit(126);
    if (library) {
        argv[n++] = "--ggml-library";
        argv[n++] = library;
        argv[n++] = "--threads";
        argv[n++] = "1";
    }
    while (*options)
        argv[n++] = *options++;
    execv(APIRD, (char *const *)(uintptr_t)argv);
    _exit(127);
}

int daemon_start(struct daemon *daemon, bool with_library)
{
    return daemon_start_with(daemon, with_library ? "cpu" : NULL);
}

int daemon_start_with(struct daemon *daemon, const char *library)
{
    return daemon_start_options(daemon, library, (const char *const[]){NULL});
}

int daemon_start_options(struct daemon *daemon, const char *library, const char *const *options)
{
    strcpy(daemon->folder, "/tmp/apir-test.XXXXXX");
    if (!mkdtemp(daemon->folder))
        return -errno;
    snprintf(daemon->socket, sizeof daemon->socket, "%s/sock", daemon->folder);
    daemon->pid = fork();
    if (daemon->pid == 0)
        exec_daemon(daemon, library, options);
    struct stat info;
    for (int i = 0; i < 2000 && stat(daemon->socket, &info) < 0; i++) /* 10 s */
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    return stat(daemon->socket, &info) < 0 ? -ETIMEDOUT : 0;
}

void daemon_stop(struct daemon *daemon)
{
    kill(daemon->pid, SIGTERM);
    waitpid(daemon->pid, NULL, 0);
    char log[128];
    snprintf(log, sizeof log, "%s/log", daemon->folder);
    unlink(log);
    unlink(daemon->socket);
    rmdir(daemon->folder);
}

void daemon_kill_workers(const struct daemon *daemon)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", daemon->pid, daemon->pid);
    FILE *children = fopen(path, "r");
    require(children != NULL, "the kernel lists children");
    int pid;
    while (fscanf(children, "%d", &pid) == 1)
        kill(pid, SIGKILL);
    fclose(children);
}

void require(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "not true: %s\n", what);
    _exit(1);
}

static void read_all(int fd, char *output, size_t size)
{
    size_t used = 0;
    char rest[256];
    for (;;) {
        bool full = used + 1 >= size;
        ssize_t n = full ? read(fd, rest, sizeof rest) : read(fd, output + used, size - 1 - used);
        if (n <= 0)
            break;
        used += full ? 0 : (size_t)n;
    }
    output[used] = '\0';
}

bool in_child(const char *socket, void (*body)(void *data), void *data, char *output, size_t size)
{
    int ends[2] = {-1, -1}, status = 0;
    if (output && pipe(ends) < 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        if (output)
            dup2(ends[1], STDERR_FILENO);
        if (socket)
            setenv("GGML_VIRTGPU_SOCKET", socket, 1);
        else
            unsetenv("GGML_VIRTGPU_SOCKET");
        body(data);
        _exit(0);
    }
    if (output) {
        close(ends[1]);
        read_all(ends[0], output, size);
        close(ends[0]);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

ggml_backend_dev_t load_device(void)
{
    ggml_backend_reg_t reg = ggml_backend_load(PLUGIN);
    require(reg != NULL, "the plug-in registers");
    require(ggml_backend_reg_dev_count(reg) > 0, "the host has a device");
    return ggml_backend_reg_dev_get(reg, 0);
}
