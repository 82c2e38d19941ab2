/* apird: the daemon on the host. Each door (a native socket, or the virtio-gpu device of a virtual machine) starts a
 * worker process for each context; nothing here loads ggml. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "apird-options.h"
#include "attach/account.h"
#include "attach/cgroup.h"
#include "attach/loop.h"
#include "attach/memory-guard.h"
#include "attach/probe.h"
#include "attach/socket.h"
#include "attach/vhost-thread.h"
#include "attach/window.h"
#include "attach/worker-process.h"
#include "daemon-jail.h"
#include "jail/user.h"
#include "notify.h"
#include "socket-file.h"
#include "util/fd.h"
#include "util/log.h"

enum {
    EXIT_USAGE = 2,
    NAME_SIZE = 4096,
};

/* A door's: a virtual machine, or all who use a socket. */
struct client {
    struct apir_worker_options worker;
    struct apir_account account; /* if its memory is limited */
};

struct daemon {
    const struct apird_options *options;
    struct apir_log log;
    FILE *log_file; /* NULL: stderr */
    struct apir_worker_options worker;
    struct apir_cgroup groups;
    char worker_path[NAME_SIZE];
    struct apir_loop loop;
    struct apir_source signals;
    int signal_fd;
    int notify_fd; /* of who has started us, if it wants to know */
    struct apir_probe probe;
    bool unconfined; /* that says so, and it is required */
    struct client clients[2 * APIRD_MAX_DOORS];
    unsigned client_count;
    struct apir_socket sockets[APIRD_MAX_DOORS];
    unsigned socket_count; /* that are open */
    struct apir_vhost_thread *machines[APIRD_MAX_DOORS];
    unsigned machine_count; /* that are open */
    unsigned busy;          /* doors of the loop that have not stopped yet */
};

static int open_log(struct daemon *daemon)
{
    const struct apird_options *options = daemon->options;
    daemon->log.stream = stderr;
    daemon->log.prefix = "apird";
    daemon->log.level = options->verbose ? APIR_LOG_DEBUG : APIR_LOG_INFO;
    if (!options->log_path)
        return 0;
    daemon->log_file = fopen(options->log_path, "ae");
    if (!daemon->log_file) {
        int ret = -errno;
        apir_error(&daemon->log, "cannot open the log %s: %s", options->log_path, strerror(-ret));
        return ret;
    }
    daemon->log.stream = daemon->log_file;
    return 0;
}

/* The worker beside this program. */
static int find_worker(struct daemon *daemon)
{
    static const char name[] = "apird-worker";
    char *path = daemon->worker_path;
    if (daemon->options->worker_path) {
        if (strlen(daemon->options->worker_path) >= NAME_SIZE)
            return -ENAMETOOLONG;
        strcpy(path, daemon->options->worker_path);
        return 0;
    }
    ssize_t length = readlink("/proc/self/exe", path, NAME_SIZE - sizeof name);
    if (length <= 0 || length == (ssize_t)(NAME_SIZE - sizeof name))
        return length < 0 ? -errno : -ENAMETOOLONG;
    path[length] = '\0';
    strcpy(strrchr(path, '/') + 1, name);
    return 0;
}

static int set_worker(struct daemon *daemon)
{
    int ret = find_worker(daemon);
    if (ret == 0 && access(daemon->worker_path, X_OK) < 0)
        ret = -errno;
    if (ret < 0) {
        apir_error(&daemon->log, "cannot run the worker %s: %s (use --worker PATH)", daemon->worker_path,
                   strerror(-ret));
        return ret;
    }
    daemon->worker = daemon->options->worker;
    daemon->worker.path = daemon->worker_path;
    daemon->worker.log_level = daemon->log.level;
    daemon->worker.log = daemon->log.stream;
    return 0;
}

static const char *explain_groups(int error)
{
    switch (error) {
    case -EBUSY:
        return "other processes are in apird's control group";
    case -EACCES:
    case -EPERM:
    case -EROFS:
        return "apird's control group is not its own";
    case -ENOENT:
    case -EOPNOTSUPP:
        return "this system limits no memory by version 2 of control groups";
    default:
        return strerror(-error);
    }
}

static void report_groups(const struct daemon *daemon)
{
    apir_info(&daemon->log, "each worker has a control group in %s, memory %llu MiB at most (0: no limit)",
              daemon->groups.folder, (unsigned long long)(daemon->options->worker_memory >> 20));
    if (!daemon->groups.cpu)
        apir_info(&daemon->log,
                  "DEGRADED: a client with many contexts gets more of the processors than others: apird's "
                  "control group does not share them out (systemd: Delegate=cpu memory pids)");
}

/* 0, or -errno if what was asked for cannot be had. */
static int set_groups(struct daemon *daemon)
{
    char folder[APIR_CGROUP_PATH];
    int ret = apir_cgroup_find(folder, sizeof folder);
    if (ret == 0)
        ret = apir_cgroup_init(&daemon->groups, folder, apir_cgroup_system(), daemon->options->worker_memory,
                               apir_jail_max_threads());
    if (ret == 0) {
        daemon->worker.groups = &daemon->groups;
        report_groups(daemon);
        return 0;
    }
    if (daemon->options->needs_groups) {
        apir_error(&daemon->log, "--worker-memory: %s (systemd: Delegate=cpu memory pids)", explain_groups(ret));
        return ret;
    }
    apir_info(&daemon->log,
              "DEGRADED: workers have no memory limit, clients no share of the processors: %s (systemd: "
              "Delegate=cpu memory pids)",
              explain_groups(ret));
    return 0;
}

static void door_idle(void *owner)
{
    struct daemon *daemon = owner;
    if (--daemon->busy == 0)
        apir_loop_stop(&daemon->loop);
}

static void stop_doors(struct daemon *daemon)
{
    unsigned count = daemon->socket_count;
    daemon->socket_count = 0; /* a second signal does nothing */
    daemon->busy += count;
    for (unsigned i = 0; i < daemon->machine_count; i++)
        apir_vhost_thread_stop(daemon->machines[i]);
    for (unsigned i = 0; i < count; i++)
        apir_socket_stop(&daemon->sockets[i], door_idle, daemon);
}

static void join_machines(struct daemon *daemon)
{
    for (unsigned i = 0; i < daemon->machine_count; i++) {
        if (!apir_vhost_thread_join(daemon->machines[i])) {
            apir_error(&daemon->log, "%s does not stop: its front end keeps it busy", daemon->options->machines[i]);
            _exit(EXIT_FAILURE); /* workers end with the daemon */
        }
        free(daemon->machines[i]);
    }
    daemon->machine_count = 0;
}

static void stop(struct daemon *daemon)
{
    daemon->busy++; /* so that no door that is idle at once ends the loop too early */
    stop_doors(daemon);
    door_idle(daemon);
}

static void refuse_to_serve(void *owner)
{
    struct daemon *daemon = owner;
    apir_error(&daemon->log, "the sandbox of workers is not complete (--require-sandbox)");
    daemon->unconfined = true;
    stop(daemon);
}

static void signal_ready(void *owner, uint32_t events)
{
    struct daemon *daemon = owner;
    struct signalfd_siginfo info;
    (void)events;
    if (read(daemon->signal_fd, &info, sizeof info) != sizeof info)
        return;
    apir_info(&daemon->log, "stopping: signal %u", info.ssi_signo);
    stop(daemon);
}

static int watch_signals(struct daemon *daemon)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    signal(SIGPIPE, SIG_IGN); /* a log on a pipe whose reader has gone */
    daemon->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (daemon->signal_fd < 0)
        return -errno;
    apir_source_init(&daemon->signals, signal_ready, daemon);
    return apir_loop_watch(&daemon->loop, &daemon->signals, daemon->signal_fd, EPOLLIN);
}

static void report_door(struct daemon *daemon, const char *path, int ret)
{
    if (ret < 0)
        apir_error(&daemon->log, "cannot listen on %s: %s%s", path, strerror(-ret),
                   ret == -EADDRINUSE ? " (another apird serves it, or it is not a socket)" : "");
    else
        apir_info(&daemon->log, "listening on %s", path);
}

/* How the workers of another client are started; NULL with errno. */
static const struct apir_worker_options *add_client(struct daemon *daemon)
{
    struct client *client = &daemon->clients[daemon->client_count];
    client->worker = daemon->worker;
    client->worker.client = daemon->client_count + 1; /* 0: the daemon, when it looks for devices */
    if (daemon->worker.limits.client_memory) {
        int ret = apir_account_init(&client->account);
        if (ret < 0) {
            errno = -ret;
            return NULL;
        }
        client->worker.account = &client->account;
    }
    daemon->client_count++;
    return &client->worker;
}

static void free_clients(struct daemon *daemon)
{
    for (unsigned i = 0; i < daemon->client_count; i++)
        apir_account_finish(&daemon->clients[i].account);
}

static int open_sockets(struct daemon *daemon)
{
    const struct apird_options *options = daemon->options;
    for (unsigned i = 0; i < options->socket_count; i++) {
        const struct apir_worker_options *worker = add_client(daemon);
        int ret = worker ? apir_socket_init(&daemon->sockets[i], &daemon->loop, &daemon->log, worker,
                                            options->sockets[i], options->max_contexts)
                         : -errno;
        report_door(daemon, options->sockets[i], ret);
        if (ret < 0)
            return ret;
        daemon->socket_count++;
    }
    return 0;
}

static int share_socket(struct daemon *daemon, const char *path)
{
    int ret = apir_socket_file_share(path, daemon->options->socket_mode, &daemon->log);
    if (ret < 0)
        apir_error(&daemon->log, "cannot change the mode of %s: %s", path, strerror(-ret));
    return ret;
}

/* Once all are open: who sees one that others may use finds all of them. */
static int share_sockets(struct daemon *daemon)
{
    const struct apird_options *options = daemon->options;
    int ret = 0;
    for (unsigned i = 0; i < options->socket_count && ret == 0; i++)
        ret = share_socket(daemon, options->sockets[i]);
    for (unsigned i = 0; i < options->machine_count && ret == 0; i++)
        ret = share_socket(daemon, options->machines[i]);
    return ret;
}

static int open_machines(struct daemon *daemon)
{
    const struct apird_options *options = daemon->options;
    for (unsigned i = 0; i < options->machine_count; i++) {
        struct apir_vhost_thread *thread = calloc(1, sizeof *thread);
        if (!thread)
            return -ENOMEM;
        const struct apir_worker_options *worker = add_client(daemon);
        int ret = worker ? apir_vhost_thread_open(thread, &daemon->log, worker, options->machines[i],
                                                  options->window_size, options->max_contexts)
                         : -errno;
        report_door(daemon, options->machines[i], ret);
        if (ret < 0) {
            free(thread);
            return ret;
        }
        daemon->machines[daemon->machine_count++] = thread;
    }
    return 0;
}

/* After everything is open, before a byte of a guest is read. */
static bool enter_jail(const struct daemon *daemon)
{
    const struct apird_options *options = daemon->options;
    const struct apir_daemon_jail jail = {
        .worker = &daemon->worker,
        .sockets = options->sockets,
        .socket_count = options->socket_count,
        .machines = options->machines,
        .machine_count = options->machine_count,
        .groups = daemon->worker.groups ? daemon->groups.folder : NULL,
        .log = &daemon->log,
    };
    return apir_daemon_jail_enter(&jail);
}

static int start_machines(struct daemon *daemon)
{
    for (unsigned i = 0; i < daemon->machine_count; i++) {
        int ret = apir_vhost_thread_start(daemon->machines[i]);
        if (ret < 0)
            return ret;
    }
    return 0;
}

static void probe_library(struct daemon *daemon)
{
    if (!daemon->worker.ggml_library) {
        apir_warn(&daemon->log, "cannot open the GGML library: env var 'APIR_LLAMA_CPP_GGML_LIBRARY_PATH' not "
                                "defined: use --ggml-library PATH or NAME (cpu, vulkan, cuda, rpc); until "
                                "then clients will see no device");
        return;
    }
    int ret = apir_probe_start(&daemon->probe, &daemon->loop, &daemon->log, &daemon->worker);
    if (ret < 0)
        apir_error(&daemon->log, "cannot probe %s: %s", daemon->worker.ggml_library, strerror(-ret));
    daemon->probe.unconfined = refuse_to_serve;
    daemon->probe.owner = daemon;
}

static int serve(struct daemon *daemon)
{
    int ret = apir_loop_init(&daemon->loop);
    if (ret < 0)
        goto err_init;
    ret = watch_signals(daemon);
    if (ret < 0)
        goto err_init;
    ret = open_sockets(daemon);
    if (ret == 0)
        ret = open_machines(daemon);
    if (ret == 0)
        ret = share_sockets(daemon);
    if (ret < 0)
        goto err_doors;
    if (!enter_jail(daemon) && daemon->worker.require_sandbox) {
        apir_error(&daemon->log, "the sandbox is not complete (--require-sandbox)");
        ret = -EPERM;
        goto err_doors;
    }
    ret = start_machines(daemon);
    if (ret < 0)
        goto err_doors;
    apir_notify_ready(&daemon->notify_fd);
    if (!daemon->worker.backend_library)
        probe_library(daemon);
    ret = apir_loop_run(&daemon->loop);
    apir_probe_finish(&daemon->probe);
    if (ret < 0)
        apir_error(&daemon->log, "cannot wait for events: %s", strerror(-ret));
    else if (daemon->unconfined)
        ret = -EPERM;
err_doors:
    /* doors that never served have no worker, hence are idle at once */
    stop_doors(daemon);
    join_machines(daemon);
    apir_loop_unwatch(&daemon->loop, &daemon->signals);
    apir_fd_close(&daemon->signal_fd);
    apir_loop_finish(&daemon->loop);
    return ret;

err_init:
    apir_error(&daemon->log, "cannot start: %s", strerror(-ret));
    apir_fd_close(&daemon->signal_fd);
    apir_loop_finish(&daemon->loop);
    return ret;
}

static int run(const struct apird_options *options)
{
    struct daemon *daemon = calloc(1, sizeof *daemon);
    if (!daemon)
        return EXIT_FAILURE;
    daemon->options = options;
    daemon->signal_fd = -1;
    daemon->notify_fd = apir_notify_open();
    daemon->loop.epoll = -1;
    int ret = open_log(daemon);
    if (ret == 0)
        ret = apir_memory_guard_install();
    if (ret == 0)
        ret = set_worker(daemon);
    if (ret == 0)
        ret = set_groups(daemon);
    if (ret == 0)
        ret = serve(daemon);
    free_clients(daemon);
    apir_fd_close(&daemon->notify_fd);
    if (daemon->log_file)
        fclose(daemon->log_file);
    free(daemon);
    return ret == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Memory for what a worker has yet to read is large and short-lived, as a guest chooses: by itself the C library would keep
 * up to 64 MiB of it for later. */
static void give_memory_back(void)
{
#ifdef M_MMAP_THRESHOLD
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
#endif
}

int main(int argc, char **argv)
{
    struct apird_options options;
    int ret = EXIT_SUCCESS;
    give_memory_back();
    close_range(STDERR_FILENO + 1, ~0U, 0); /* what a careless parent has left open is not for guests to find */
    if (apird_options_parse(&options, argc, argv) < 0) {
        fprintf(stderr, "Try 'apird --help'.\n");
        ret = EXIT_USAGE;
    } else if (!options.done) {
        ret = run(&options);
    }
    apird_options_finish(&options);
    return ret;
}
