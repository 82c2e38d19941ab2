/* apird: the daemon on the host. Each door (a native socket, or the virtio-gpu device of a virtual machine) starts a
 * worker process for each context; nothing here loads ggml. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

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
#include "socket-file.h"
#include "util/fd.h"
#include "util/limits.h"
#include "util/log.h"
#include "util/path-list.h"

#ifndef APIR_VERSION
#define APIR_VERSION "0.1.0"
#endif

enum {
    EXIT_USAGE = 2,
    MAX_DOORS = 32, /* of each kind */
    MAX_THREADS = 4096,
    MAX_CONTEXTS = 4096,
    DEFAULT_CONTEXTS = 64,
    MAX_STARTS = 10000,
    DEFAULT_STARTS = 32, /* 15 ms of a processor each, and those beyond it wait less than a handshake may take */
    MAX_USER_BASE = 2140000000, /* with a process id on top, still a positive number to every program */
    NAME_SIZE = 4096,
};

static const uint64_t default_window = UINT64_C(1) << 30;
static const uint64_t max_window = UINT64_C(1) << 40; /* what the daemon's address space is good for, several times */

struct options {
    const char *sockets[MAX_DOORS];
    unsigned socket_count;
    const char *machines[MAX_DOORS]; /* --vhost-user */
    unsigned machine_count;
    int socket_mode;
    uint64_t window_size;
    uint64_t worker_memory; /* 0: none */
    bool needs_groups;      /* --worker-memory was given */
    char *libraries; /* owned; those of --ggml-library, NULL: none */
    char *sandbox_paths; /* owned; those of --sandbox-path, NULL: none */
    const char *log_path;
    const char *worker_path; /* NULL: beside this program */
    unsigned max_contexts;
    bool verbose;
    bool done; /* --help or --version has been served */
    struct apir_worker_options worker;
};

/* A door's: a virtual machine, or all who use a socket. */
struct client {
    struct apir_worker_options worker;
    struct apir_account account; /* if its memory is limited */
};

struct daemon {
    const struct options *options;
    struct apir_log log;
    FILE *log_file; /* NULL: stderr */
    struct apir_worker_options worker;
    struct apir_cgroup groups;
    char worker_path[NAME_SIZE];
    struct apir_loop loop;
    struct apir_source signals;
    int signal_fd;
    struct apir_probe probe;
    bool unconfined; /* that says so, and it is required */
    struct client clients[2 * MAX_DOORS];
    unsigned client_count;
    struct apir_socket sockets[MAX_DOORS];
    unsigned socket_count; /* that are open */
    struct apir_vhost_thread *machines[MAX_DOORS];
    unsigned machine_count; /* that are open */
    unsigned busy;          /* doors of the loop that have not stopped yet */
};

static void print_help(FILE *stream)
{
    fputs("usage: apird (--listen PATH | --vhost-user PATH)... --ggml-library PATH|NAME [OPTION]...\n"
          "Serve the ggml backend of this machine to programs and to virtual machines.\n"
          "\n"
          "Doors, any number of each:\n"
          "  --listen PATH         a Unix socket for programs on this machine (GGML_VIRTGPU_SOCKET=PATH)\n"
          "  --vhost-user PATH     the virtio-gpu device of one virtual machine: QEMU connects to PATH\n"
          "  --socket-mode MODE    who may connect: 0600 the user that apird runs as, 0660 its group, 0666 all\n"
          "                        (default: 0600)\n"
          "\n"
          "What is served:\n"
          "  --ggml-library PATH|NAME  the ggml backend library, or its short name: cpu, vulkan, cuda, rpc; may be\n"
          "                        given again, for the devices of several libraries, in this order\n"
          "                        (default: $APIR_LLAMA_CPP_GGML_LIBRARY_PATH, with ':' between several)\n"
          "  --ggml-reg SYMBOL     its registration function (default: $APIR_LLAMA_CPP_GGML_LIBRARY_REG, else\n"
          "                        what the library has)\n"
          "  --threads N           threads for a library that computes on the CPU (default: all cores)\n"
          "  --single-device D     name or index of the one device that guests of protocol 0.x see (default: the\n"
          "                        first)\n"
          "  --backend-library PATH  a library with apir_backend_dispatcher, to serve guests instead of our own, in\n"
          "                        protocol 0.x only\n"
          "  --upstream-functions INIT,CLEANUP  numbers of backend_initialize and backend_cleanup in a later\n"
          "                        protocol 0.x (default: there are none)\n"
          "\n"
          "Limits:\n"
          "  --window SIZE         memory that one virtual machine may share with its workers, a power of two, with\n"
          "                        a suffix K, M or G (default: 1G)\n"
          "  --max-contexts N      contexts at a time, for each door (default: 64)\n"
          "  --max-starts N        workers started for one virtual machine in a second, more wait (default: 32)\n"
          "  --client-memory SIZE  memory of devices, in buffers of all contexts of a door (default: what there is)\n"
          "  of each context:\n"
          "  --max-memory SIZE     memory of devices, in buffers (default: what the devices have)\n"
          "  --max-buffers N       buffers (default: 65536)\n"
          "  --max-queues N        queues: one, and one for each backend (default: 64)\n"
          "  --max-shared-memory SIZE  memory that it shares with its worker (default: 4G)\n"
          "  --max-graph-nodes N   nodes of a graph (default: 262144)\n"
          "  --max-graph-memory SIZE  for graphs that are kept or under way (default: 1G)\n"
          "  --max-compute-time SECONDS  for a graph, or another call (default: 600)\n"
          "\n"
          "Confinement:\n"
          "  --worker-users FIRST|none  as root: each worker is a user of its own, FIRST and its process id (default:\n"
          "                        1900000000); none: workers stay root\n"
          "  --worker-memory SIZE|none  what the kernel gives each worker, in a control group of its own that apird\n"
          "                        must be able to make (default: 7/8 of the machine's, where it can)\n"
          "  --sandbox-path PATH   a file or folder that workers may read beyond what they usually need: of a driver\n"
          "                        in an unusual place; may be given again\n"
          "  --require-sandbox     serve nobody unless every layer of the confinement holds\n"
          "\n"
          "Other:\n"
          "  --worker PATH         the worker program (default: apird-worker beside apird)\n"
          "  --log FILE            append the log to FILE (default: stderr)\n"
          "  --verbose             log what happens in detail\n"
          "  --version             print the version and exit\n"
          "  --help                print this help and exit\n",
          stream);
}

static int parse_count(const char *name, const char *text, unsigned max, unsigned *value)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (errno || end == text || *end || text[0] == '-' || number == 0 || number > max) {
        fprintf(stderr, "apird: --%s %s: expected a number from 1 to %u\n", name, text, max);
        return -EINVAL;
    }
    *value = (unsigned)number;
    return 0;
}

/* A number of bytes with an optional suffix, a multiple of the page size. */
static int parse_size(const char *name, const char *text, uint64_t *size)
{
    static const char suffixes[] = "KMG";
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    const char *suffix = *end ? strchr(suffixes, *end) : NULL;
    unsigned shift = suffix ? 10 * (unsigned)(suffix - suffixes + 1) : 0;
    if (errno || end == text || text[0] == '-' || (*end && !suffix) || (suffix && end[1]) || number == 0 ||
        number > max_window >> shift || (number << shift) % APIR_WINDOW_PAGE != 0) {
        fprintf(stderr, "apird: --%s %s: expected a size from 4K to 1024G, a multiple of 4K\n", name, text);
        return -EINVAL;
    }
    *size = (uint64_t)number << shift;
    return 0;
}

/* A device of PCI has memory of no other sizes than these. */
static int parse_window(const char *name, const char *text, uint64_t *size)
{
    int ret = parse_size(name, text, size);
    if (ret < 0 || (*size & (*size - 1)) == 0)
        return ret;
    fprintf(stderr, "apird: --%s %s: expected a power of two\n", name, text);
    return -EINVAL;
}

static int add_path(const char *name, const char **paths, unsigned *count, const char *path)
{
    if (*count == MAX_DOORS) {
        fprintf(stderr, "apird: --%s: more than %d\n", name, MAX_DOORS);
        return -EINVAL;
    }
    paths[(*count)++] = path;
    return 0;
}

static int parse_functions(const char *name, const char *text, struct apir_worker_options *worker)
{
    int ret = apir_worker_options_set_functions(worker, text);
    if (ret < 0)
        fprintf(stderr, "apird: --%s %s: expected two numbers, as in 23,24\n", name, text);
    return ret;
}

static int parse_mode(const char *name, const char *text, int *mode)
{
    int value = apir_socket_file_parse_mode(text);
    if (value < 0) {
        fprintf(stderr, "apird: --%s %s: expected 0600, 0660 or 0666\n", name, text);
        return value;
    }
    *mode = value;
    return 0;
}

static int parse_users(const char *name, const char *text, struct apir_worker_options *worker)
{
    unsigned first;
    if (strcmp(text, "none") != 0 && parse_count(name, text, MAX_USER_BASE, &first) < 0)
        return -EINVAL;
    worker->user_base = text;
    return 0;
}

static int parse_limit(const char *name, const char *text, struct apir_limits *limits)
{
    char reason[APIR_LIMITS_TEXT];
    int ret = apir_limits_set(limits, name, text, reason);
    if (ret < 0)
        fprintf(stderr, "apird: --%s\n", reason);
    return ret;
}

static int parse_worker_memory(const char *name, const char *text, struct options *options)
{
    options->needs_groups = strcmp(text, "none") != 0;
    options->worker_memory = 0;
    return options->needs_groups ? parse_size(name, text, &options->worker_memory) : 0;
}

static int parse_option(struct options *options, int option, const char *name)
{
    switch (option) {
    case 'l':
        return add_path(name, options->sockets, &options->socket_count, optarg);
    case 'm':
        return add_path(name, options->machines, &options->machine_count, optarg);
    case 'o':
        return parse_mode(name, optarg, &options->socket_mode);
    case 'w':
        return parse_window(name, optarg, &options->window_size);
    case 'g':
        return apir_path_list_add(&options->libraries, optarg);
    case 'r':
        options->worker.ggml_reg = optarg;
        return 0;
    case 't':
        return parse_count(name, optarg, MAX_THREADS, &options->worker.threads);
    case 'd':
        options->worker.single_device = optarg;
        return 0;
    case 'b':
        options->worker.backend_library = optarg;
        return 0;
    case 'f':
        return parse_functions(name, optarg, &options->worker);
    case 's':
        return parse_count(name, optarg, MAX_STARTS, &options->worker.starts);
    case 'c':
        return parse_count(name, optarg, MAX_CONTEXTS, &options->max_contexts);
    case 'M':
        return parse_worker_memory(name, optarg, options);
    case 'u':
        return parse_users(name, optarg, &options->worker);
    case 'q':
        return parse_limit(name, optarg, &options->worker.limits);
    case 'S':
        options->worker.require_sandbox = true;
        return 0;
    case 'p':
        return apir_path_list_add(&options->sandbox_paths, optarg);
    case 'W':
        options->worker_path = optarg;
        return 0;
    case 'L':
        options->log_path = optarg;
        return 0;
    case 'v':
        options->verbose = true;
        return 0;
    case 'V':
        puts("apird " APIR_VERSION);
        options->done = true;
        return 0;
    case 'h':
        print_help(stdout);
        options->done = true;
        return 0;
    default:
        return -EINVAL; /* getopt has said why */
    }
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* So that a worker ends before the machine's memory does, and with it others. */
static uint64_t default_worker_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size / 8 * 7 : 0;
}

static int parse_options(struct options *options, int argc, char **argv)
{
    static const struct option names[] = {
        {"listen", required_argument, NULL, 'l'},
        {"vhost-user", required_argument, NULL, 'm'},
        {"socket-mode", required_argument, NULL, 'o'},
        {"ggml-library", required_argument, NULL, 'g'},
        {"ggml-reg", required_argument, NULL, 'r'},
        {"threads", required_argument, NULL, 't'},
        {"single-device", required_argument, NULL, 'd'},
        {"backend-library", required_argument, NULL, 'b'},
        {"upstream-functions", required_argument, NULL, 'f'},
        {"window", required_argument, NULL, 'w'},
        {"max-contexts", required_argument, NULL, 'c'},
        {"worker-memory", required_argument, NULL, 'M'},
        {"max-starts", required_argument, NULL, 's'},
        {"worker-users", required_argument, NULL, 'u'},
        {"max-memory", required_argument, NULL, 'q'},
        {"max-buffers", required_argument, NULL, 'q'},
        {"max-queues", required_argument, NULL, 'q'},
        {"max-shared-memory", required_argument, NULL, 'q'},
        {"max-graph-nodes", required_argument, NULL, 'q'},
        {"max-graph-memory", required_argument, NULL, 'q'},
        {"max-compute-time", required_argument, NULL, 'q'},
        {"client-memory", required_argument, NULL, 'q'},
        {"require-sandbox", no_argument, NULL, 'S'},
        {"sandbox-path", required_argument, NULL, 'p'},
        {"worker", required_argument, NULL, 'W'},
        {"log", required_argument, NULL, 'L'},
        {"verbose", no_argument, NULL, 'v'},
        {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    memset(options, 0, sizeof *options);
    options->max_contexts = DEFAULT_CONTEXTS;
    options->worker.starts = DEFAULT_STARTS;
    options->socket_mode = 0600;
    options->window_size = default_window;
    options->worker_memory = default_worker_memory();
    options->worker.ggml_reg = getenv("APIR_LLAMA_CPP_GGML_LIBRARY_REG"); /* if it is empty, the worker says so */

    int option, index = 0;
    while (!options->done && (option = getopt_long(argc, argv, "", names, &index)) != -1)
        if (parse_option(options, option, names[index].name) < 0)
            return -EINVAL;
    options->worker.ggml_library =
        options->libraries ? options->libraries : environment("APIR_LLAMA_CPP_GGML_LIBRARY_PATH");
    options->worker.sandbox_paths = options->sandbox_paths;
    if (options->done)
        return 0;
    if (optind < argc) {
        fprintf(stderr, "apird: unexpected argument: %s\n", argv[optind]);
        return -EINVAL;
    }
    if (options->socket_count == 0 && options->machine_count == 0) {
        fprintf(stderr, "apird: nothing to serve: give --listen PATH or --vhost-user PATH\n");
        return -EINVAL;
    }
    return 0;
}

static int open_log(struct daemon *daemon)
{
    const struct options *options = daemon->options;
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
    daemon->worker.log_fd = fileno(daemon->log.stream);
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
        apir_info(&daemon->log, "each worker has a control group in %s, memory %llu MiB at most (0: no limit)", folder,
                  (unsigned long long)(daemon->options->worker_memory >> 20));
        return 0;
    }
    if (daemon->options->needs_groups) {
        apir_error(&daemon->log, "--worker-memory: %s (systemd: Delegate=memory pids)", explain_groups(ret));
        return ret;
    }
    apir_info(&daemon->log, "DEGRADED: workers have no memory limit: %s (systemd: Delegate=memory pids)",
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
    const struct options *options = daemon->options;
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
    const struct options *options = daemon->options;
    int ret = 0;
    for (unsigned i = 0; i < options->socket_count && ret == 0; i++)
        ret = share_socket(daemon, options->sockets[i]);
    for (unsigned i = 0; i < options->machine_count && ret == 0; i++)
        ret = share_socket(daemon, options->machines[i]);
    return ret;
}

static int open_machines(struct daemon *daemon)
{
    const struct options *options = daemon->options;
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
    const struct options *options = daemon->options;
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

static int run(const struct options *options)
{
    struct daemon *daemon = calloc(1, sizeof *daemon);
    if (!daemon)
        return EXIT_FAILURE;
    daemon->options = options;
    daemon->signal_fd = -1;
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
    struct options options;
    int ret = EXIT_SUCCESS;
    give_memory_back();
    close_range(STDERR_FILENO + 1, ~0U, 0); /* what a careless parent has left open is not for guests to find */
    if (parse_options(&options, argc, argv) < 0) {
        fprintf(stderr, "Try 'apird --help'.\n");
        ret = EXIT_USAGE;
    } else if (!options.done) {
        ret = run(&options);
    }
    free(options.libraries);
    free(options.sandbox_paths);
    return ret;
}
