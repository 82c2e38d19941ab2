#include "daemon-jail.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach/worker-process.h"
#include "jail/daemon.h"
#include "util/fd.h"
#include "util/log.h"

enum {
    MAX_PATHS = 600,
    MAX_ANSWER = 64 * 1024,
    ANSWER_MS = 10 * 1000, /* it only looks for files */
};

/* Paths, each borrowed or in struct needs. */
struct paths {
    const char *items[MAX_PATHS];
    size_t n;
};

/* What the worker says that it needs, and what this process adds. */
struct needs {
    char *answer; /* owned */
    char worker_folder[4096];
    char *folders[MAX_PATHS]; /* owned; of sockets */
    size_t folder_count;
    struct paths readable, devices, writable, emptied;
    bool network;
};

static void add(struct paths *paths, const char *path)
{
    if (paths->n < MAX_PATHS)
        paths->items[paths->n++] = path;
}

static void set_folder(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash)
        strcpy(path, ".");
    else
        slash[slash == path] = '\0';
}

static pid_t start_listing(const struct apir_worker_options *worker, int output)
{
    const char *argv[10] = {worker->path, "--list-paths"};
    unsigned count = 2;
    posix_spawn_file_actions_t files;
    pid_t pid = -1;
    if (worker->ggml_library) {
        argv[count++] = "--ggml-library";
        argv[count++] = worker->ggml_library;
    }
    if (worker->backend_library) {
        argv[count++] = "--backend-library";
        argv[count++] = worker->backend_library;
    }
    if (worker->sandbox_paths) {
        argv[count++] = "--sandbox-path";
        argv[count++] = worker->sandbox_paths;
    }
    if (posix_spawn_file_actions_init(&files) != 0)
        return -1;
    int ret = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (ret == 0)
        ret = posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
    if (ret == 0)
        ret = posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    if (ret == 0)
        ret = posix_spawn(&pid, argv[0], &files, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&files);
    return ret == 0 ? pid : -1;
}

/* Reads up to the end; size bytes that are 0 stay a text. */
static bool read_answer(int fd, char *text, size_t size)
{
    size_t used = 0;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    while (used < size - 1 && poll(&ready, 1, ANSWER_MS) == 1) {
        ssize_t got = read(fd, text + used, size - 1 - used);
        if (got <= 0)
            return got == 0;
        used += (size_t)got;
    }
    return false;
}

/* 0, or -EIO if this program cannot list what it needs. */
static int ask_worker(const struct apir_worker_options *worker, char *text, size_t size)
{
    int ends[2], status = -1;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    pid_t pid = start_listing(worker, ends[1]);
    apir_fd_close(&ends[1]);
    bool good = pid > 0 && read_answer(ends[0], text, size);
    apir_fd_close(&ends[0]);
    if (pid > 0 && !good)
        kill(pid, SIGKILL);
    if (pid > 0 && waitpid(pid, &status, 0) < 0)
        status = -1;
    return good && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

/* A line is a word, a space and a path. */
static void take_line(struct needs *needs, const char *line)
{
    if (strncmp(line, "readable ", 9) == 0)
        add(&needs->readable, line + 9);
    else if (strncmp(line, "device ", 7) == 0)
        add(&needs->devices, line + 7);
    else if (strcmp(line, "network") == 0)
        needs->network = true;
}

static int learn(struct needs *needs, const struct apir_worker_options *worker)
{
    char *rest;
    needs->answer = calloc(1, MAX_ANSWER);
    if (!needs->answer)
        return -ENOMEM;
    int ret = ask_worker(worker, needs->answer, MAX_ANSWER);
    if (ret < 0)
        return ret;
    for (char *line = strtok_r(needs->answer, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        take_line(needs, line);
    return needs->readable.n == 0 ? -EIO : 0;
}

/* Whatever that program is: it cannot read less than all, but write no more than others. */
static void allow_everything(struct needs *needs)
{
    needs->readable.n = needs->devices.n = 0;
    needs->network = true;
    add(&needs->readable, "/");
    add(&needs->devices, "/dev");
}

static void add_sockets(struct needs *needs, const char *const *sockets, unsigned n)
{
    for (unsigned i = 0; i < n && needs->folder_count < MAX_PATHS; i++) {
        char *folder = malloc(strlen(sockets[i]) + 2);
        if (!folder)
            return;
        strcpy(folder, sockets[i]);
        set_folder(folder);
        needs->folders[needs->folder_count++] = folder;
        add(&needs->emptied, folder);
    }
}

/* Workers open it by themselves, before they are confined further; but they could not make it. */
static void add_ggml_log(struct needs *needs)
{
    const char *path = getenv("APIR_LLAMA_CPP_LOG_TO_FILE");
    int fd = path && *path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666) : -1;
    if (fd < 0)
        return;
    add(&needs->writable, path);
    apir_fd_close(&fd);
}

static void add_own(struct needs *needs, const struct apir_daemon_jail *jail)
{
    snprintf(needs->worker_folder, sizeof needs->worker_folder, "%s", jail->worker->path);
    set_folder(needs->worker_folder);
    add(&needs->readable, needs->worker_folder);
    add(&needs->devices, "/dev/null");
    add_sockets(needs, jail->sockets, jail->socket_count);
    add_sockets(needs, jail->machines, jail->machine_count);
    add_ggml_log(needs);
    if (jail->groups)
        add(&needs->writable, jail->groups);
}

static void forget(struct needs *needs)
{
    for (size_t i = 0; i < needs->folder_count; i++)
        free(needs->folders[i]);
    free(needs->answer);
    free(needs);
}

static bool report_layers(const struct apir_jail_report *report, const struct apir_log *log)
{
    char text[256];
    apir_jail_describe(report, false, text, sizeof text);
    apir_info(log, "confined: %s", text);
    if (apir_jail_is_complete(report))
        return true;
    apir_jail_describe(report, true, text, sizeof text);
    apir_warn(log, "DEGRADED: this kernel or set-up confines apird without: %s", text);
    return false;
}

static void enter(const struct needs *needs, struct apir_jail_report *report)
{
    const struct apir_jail_options options = {
        .readable = needs->readable.items,
        .n_readable = needs->readable.n,
        .devices = needs->devices.items,
        .n_devices = needs->devices.n,
        .writable = needs->writable.items,
        .n_writable = needs->writable.n,
        .emptied = needs->emptied.items,
        .n_emptied = needs->emptied.n,
        .network = needs->network,
    };
    apir_jail_enter_daemon(&options, report);
}

bool apir_daemon_jail_enter(const struct apir_daemon_jail *jail)
{
    struct apir_jail_report report;
    struct needs *needs = calloc(1, sizeof *needs);
    if (!needs)
        return false;
    int ret = learn(needs, jail->worker);
    if (ret < 0)
        allow_everything(needs);
    add_own(needs, jail);
    enter(needs, &report);
    if (ret < 0 && !report.errors[APIR_JAIL_FILES])
        report.errors[APIR_JAIL_FILES] = -ret;
    forget(needs);
    return report_layers(&report, jail->log);
}
