/* apird-worker: the process that serves one context. Started by apird; the only one that loads ggml. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <ggml.h>

#include "executor/executor.h"
#include "executor/ggml-log.h"
#include "jail/jail.h"
#include "server/server.h"
#include "upstream/foreign.h"
#include "util/fd.h"
#include "util/ledger.h"
#include "util/log.h"
#include "util/path-list.h"
#include "worker-jail.h"

enum {
    USER_BASE = 1900000000, /* in a range that nobody else gives out: systemd's UIDS-GIDS */
    LEDGER_FD = 4,
    EXIT_NOT_CONFINED = 3, /* for apird, which asks */
    LINGER_SECONDS = 1, /* how long a call may go on after its client has left */
};

/* Users know this name; the interposer hands it on. */
#define GGML_LOG_VARIABLE "APIR_LLAMA_CPP_LOG_TO_FILE"

enum option_id {
    OPTION_FD = 256,
    OPTION_CONTEXT,
    OPTION_PARENT,
    OPTION_LIBRARY,
    OPTION_REG,
    OPTION_THREADS,
    OPTION_DEVICE,
    OPTION_BACKEND,
    OPTION_FUNCTIONS,
    OPTION_LEDGER,
    OPTION_LIMITS,
    OPTION_LOG_LEVEL,
    OPTION_PROBE,
    OPTION_REQUIRE_SANDBOX,
    OPTION_SANDBOX_PATH,
    OPTION_USER_BASE,
    OPTION_LIST_PATHS,
    OPTION_HELP,
    OPTION_VERSION,
};

struct worker {
    int fd;
    unsigned long context;
    unsigned long parent; /* who has started this process; 0: whoever it is */
    bool probe;
    bool list_paths;
    unsigned long user_base; /* 0: root stays root */
    char *sandbox_paths;     /* owned; of --sandbox-path, NULL: none */
    struct apir_worker_jail jail;
    struct apir_log log;
    struct apir_ggml_log ggml_log;
    struct apir_shm_table memory;
    struct apir_executor_options options;
    struct apir_executor *executor;
    long ledger_line; /* -1: there is no ledger */
    struct apir_ledger ledger;
    char *libraries;             /* owned; of --ggml-library, NULL: none */
    const char *backend_library; /* NULL: the executor serves */
    struct apir_foreign *foreign;
};

static const char usage[] =
    "usage: apird-worker --fd N [options]\n"
    "       apird-worker --probe --ggml-library PATH|NAME\n"
    "\n"
    "Serves one context on a connected socket. Started by apird; see apird(1).\n"
    "\n"
    "  --fd N                 the connected socket\n"
    "  --context ID           number of the context, for the log\n"
    "  --parent PID           end when that process, which has started this one, does\n"
    "  --ggml-library L       path of a ggml backend library, or NAME of libggml-NAME*.so; may be given again, or\n"
    "                         be several with ':' between them\n"
    "  --ggml-reg SYMBOL      its registration function (ggml_backend_init)\n"
    "  --threads N            threads of a library that computes on the CPU (all cores)\n"
    "  --single-device D      name or index of the device that guests of protocol 0.x see (the first)\n"
    "  --backend-library PATH what serves guests instead, in protocol 0.x only: a library with apir_backend_dispatcher\n"
    "  --upstream-functions INIT,CLEANUP\n"
    "                         numbers of two functions of a later protocol 0.x (none)\n"
    "  --limits NAME=VALUE,... what the guest may take, under the names of apird's options: max-memory, max-buffers,\n"
    "                         max-queues, max-shared-memory, max-graph-nodes, max-graph-memory, max-compute-time,\n"
    "                         client-memory\n"
    "  --ledger LINE          number of its line in the ledger of the client, which is file descriptor 4\n"
    "  --log-level N          1 errors, 2 warnings, 3 information, 4 everything (3)\n"
    "  --require-sandbox      do not serve unless every layer of the confinement holds\n"
    "  --sandbox-path PATH    a file or folder that a driver has to read beyond what is usual; may be given again\n"
    "  --user-base N|none     started by root, be the user N plus the process id (1900000000)\n"
    "  --probe                only load the library and list its devices\n"
    "  --list-paths           only list what the worker will read and use\n"
    "  --help, --version\n";

static bool parse_number(const char *text, unsigned long max, unsigned long *value)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || number > max) {
        fprintf(stderr, "apird-worker: '%s' is not a number up to %lu\n", text, max);
        return false;
    }
    *value = number;
    return true;
}

/* Two numbers, neither of them 0. */
static bool parse_functions(const char *text, struct apir_executor_options *options)
{
    unsigned first, second;
    char rest;
    if (text[strspn(text, "0123456789,")] ||
        sscanf(text, "%9u,%9u%c", &first, &second, &rest) != 2 || first == 0 || second == 0 || first == second) {
        fprintf(stderr, "apird-worker: --upstream-functions %s: expected two numbers, as in 23,24\n", text);
        return false;
    }
    options->backend_initialize = first;
    options->backend_cleanup = second;
    return true;
}

static bool parse_limits(const char *text, struct apir_limits *limits)
{
    char reason[APIR_LIMITS_TEXT];
    if (apir_limits_parse(limits, text, reason) == 0)
        return true;
    fprintf(stderr, "apird-worker: --limits: %s\n", reason);
    return false;
}

/* 1: go on. 0: done. -1: bad usage. */
static int parse_option(struct worker *worker, int option, const char *value)
{
    unsigned long number;
    switch (option) {
    case OPTION_FD:
        if (!parse_number(value, 1023, &number))
            return -1;
        worker->fd = (int)number;
        return 1;
    case OPTION_CONTEXT:
        return parse_number(value, UINT32_MAX, &worker->context) ? 1 : -1;
    case OPTION_PARENT:
        return parse_number(value, INT32_MAX, &worker->parent) ? 1 : -1;
    case OPTION_LIBRARY:
        return apir_path_list_add(&worker->libraries, value) == 0 ? 1 : -1;
    case OPTION_REG:
        worker->options.symbol = value;
        return 1;
    case OPTION_THREADS:
        if (!parse_number(value, 512, &number))
            return -1;
        worker->options.threads = (unsigned)number;
        return 1;
    case OPTION_DEVICE:
        worker->options.single_device = value;
        return 1;
    case OPTION_BACKEND:
        worker->backend_library = value;
        return 1;
    case OPTION_FUNCTIONS:
        return parse_functions(value, &worker->options) ? 1 : -1;
    case OPTION_LEDGER:
        if (!parse_number(value, APIR_LEDGER_LINES - 1, &number))
            return -1;
        worker->ledger_line = (long)number;
        return 1;
    case OPTION_LIMITS:
        return parse_limits(value, &worker->options.limits) ? 1 : -1;
    case OPTION_LOG_LEVEL:
        if (!parse_number(value, APIR_LOG_DEBUG, &number))
            return -1;
        worker->log.level = (enum apir_log_level)number;
        return 1;
    case OPTION_PROBE:
        worker->probe = true;
        return 1;
    case OPTION_REQUIRE_SANDBOX:
        worker->jail.required = true;
        return 1;
    case OPTION_SANDBOX_PATH:
        return apir_path_list_add(&worker->sandbox_paths, value) == 0 ? 1 : -1;
    case OPTION_LIST_PATHS:
        worker->list_paths = true;
        return 1;
    case OPTION_USER_BASE:
        worker->user_base = 0;
        return strcmp(value, "none") == 0 || parse_number(value, APIR_JAIL_MAX_USER, &worker->user_base) ? 1 : -1;
    case OPTION_HELP:
        fputs(usage, stdout);
        return 0;
    case OPTION_VERSION:
        printf("apird-worker %s, ggml %s\n", APIR_VERSION, ggml_version());
        return 0;
    default:
        return -1;
    }
}

static int parse_options(struct worker *worker, int argc, char **argv)
{
    static const struct option options[] = {
        {"fd", required_argument, NULL, OPTION_FD},
        {"context", required_argument, NULL, OPTION_CONTEXT},
        {"parent", required_argument, NULL, OPTION_PARENT},
        {"ggml-library", required_argument, NULL, OPTION_LIBRARY},
        {"ggml-reg", required_argument, NULL, OPTION_REG},
        {"threads", required_argument, NULL, OPTION_THREADS},
        {"single-device", required_argument, NULL, OPTION_DEVICE},
        {"backend-library", required_argument, NULL, OPTION_BACKEND},
        {"upstream-functions", required_argument, NULL, OPTION_FUNCTIONS},
        {"ledger", required_argument, NULL, OPTION_LEDGER},
        {"limits", required_argument, NULL, OPTION_LIMITS},
        {"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
        {"list-paths", no_argument, NULL, OPTION_LIST_PATHS},
        {"user-base", required_argument, NULL, OPTION_USER_BASE},
        {"probe", no_argument, NULL, OPTION_PROBE},
        {"require-sandbox", no_argument, NULL, OPTION_REQUIRE_SANDBOX},
        {"sandbox-path", required_argument, NULL, OPTION_SANDBOX_PATH},
        {"help", no_argument, NULL, OPTION_HELP},
        {"version", no_argument, NULL, OPTION_VERSION},
        {0},
    };
    int option, ret = 1;
    while (ret == 1 && (option = getopt_long(argc, argv, "", options, NULL)) != -1)
        ret = parse_option(worker, option, optarg);
    if (ret == 1 && (optind != argc || (worker->fd < 0 && !worker->probe && !worker->list_paths))) {
        fputs(usage, stderr);
        ret = -1;
    }
    return ret;
}

/* A file of its own takes all that ggml says. Workers share it, so it is appended to. */
static void open_ggml_log(struct worker *worker)
{
    const char *path = getenv(GGML_LOG_VARIABLE);
    worker->ggml_log.log = worker->log;
    if (!path || !*path)
        return;
    FILE *file = fopen(path, "ae");
    if (!file) {
        apir_warn(&worker->log, "cannot open the file that " GGML_LOG_VARIABLE " names: %s", strerror(errno));
        return;
    }
    setvbuf(file, NULL, _IOLBF, 0);
    worker->ggml_log.log = (struct apir_log){.stream = file, .level = APIR_LOG_DEBUG, .prefix = "ggml"};
}

static void log_summary(const struct worker *worker)
{
    struct apir_executor_stats stats;
    apir_executor_get_stats(worker->executor, &stats);
    apir_info(&worker->log, "context %lu: %llu graphs, %llu nodes, device %s (%s)", worker->context,
              (unsigned long long)stats.graphs, (unsigned long long)stats.nodes,
              apir_executor_device_name(worker->executor), apir_executor_library_name(worker->executor));
}

/* The client is gone: what still runs for it may not run long. */
static void limit_lingering(void *data)
{
    (void)data;
    signal(SIGALRM, SIG_DFL);
    alarm(LINGER_SECONDS);
}

/* Its client is told in the ways in which it is told of a worker's death, of which this is one. */
static void end_hung(void *data)
{
    const struct worker *worker = data;
    apir_error(&worker->log, "context %lu: a call has taken longer than it may (--max-compute-time): the worker ends",
               worker->context);
    limit_lingering(NULL);
}

/* Those of the shell, the connection, and ggml's log. */
static unsigned count_descriptors(const struct worker *worker)
{
    int last = worker->fd > STDERR_FILENO ? worker->fd : STDERR_FILENO;
    int log = fileno(worker->ggml_log.log.stream);
    return (unsigned)(log > last ? log : last) + 1;
}

/* Before a byte of the guest is read, and while there is one thread. */
static void enter_jail(struct worker *worker)
{
    worker->jail.needs = (struct apir_worker_needs){worker->libraries, worker->backend_library, worker->sandbox_paths};
    worker->jail.user_base = (uint32_t)worker->user_base;
    worker->jail.descriptors = count_descriptors(worker);
    worker->jail.log = &worker->log;
    apir_worker_jail_enter(&worker->jail);
}

/* Before the first call that is more than to load the libraries. */
static void complete_jail(void *data, struct apir_executor_sandbox *sandbox)
{
    struct apir_worker_jail *jail = data;
    apir_worker_jail_complete(jail);
    *sandbox = (struct apir_executor_sandbox){jail->holds, jail->lacks, *jail->refusal ? jail->refusal : NULL};
}

static bool complete_jail_of_foreign(void *data)
{
    struct apir_worker_jail *jail = data;
    apir_worker_jail_complete(jail);
    if (*jail->refusal)
        apir_error(jail->log, "%s", jail->refusal);
    return !*jail->refusal;
}

static int probe(struct worker *worker)
{
    char message[1024];
    worker->log.level = APIR_LOG_ERROR;
    worker->log.stream = NULL; /* the reason is printed once, below */
    worker->ggml_log.log = worker->log;
    int ret = apir_executor_probe(worker->executor, stdout, message, sizeof message);
    if (ret < 0)
        fprintf(stderr, "%s\n", message);
    else if (*worker->jail.lacks)
        fprintf(stderr, "DEGRADED: this kernel or set-up confines workers without: %s\n", worker->jail.lacks);
    return ret == -EPERM ? EXIT_NOT_CONFINED : ret < 0 ? 1 : 0;
}

/* Puts somebody else's library in the executor's place. 0 or -ENOMEM. */
static int use_backend_library(struct worker *worker, struct apir_server_options *options)
{
    const char *init = getenv("APIR_LLAMA_CPP_GGML_LIBRARY_INIT");
    const struct apir_foreign_options foreign = {
        .path = worker->backend_library,
        .context = (uint32_t)worker->context,
        .ggml_library = worker->options.library,
        .ggml_reg = worker->options.symbol,
        .ggml_init = init,
        .memory = &worker->memory,
        .log = &worker->log,
        .confine = complete_jail_of_foreign,
        .confine_data = &worker->jail,
    };
    worker->foreign = apir_foreign_create(&foreign);
    if (!worker->foreign)
        return -ENOMEM;
    options->upstream = apir_foreign_backend();
    options->upstream_data = worker->foreign;
    options->upstream_only = true;
    return 0;
}

static int serve(struct worker *worker)
{
    struct apir_server_options options = {
        .fd = worker->fd,
        .handlers = apir_executor_handlers(),
        .handler_data = worker->executor,
        .upstream = apir_executor_upstream_backend(),
        .upstream_data = worker->executor,
        .memory = &worker->memory,
        .log = &worker->log,
        .ended = limit_lingering,
        .limits = worker->options.limits,
        .expired = end_hung,
        .expired_data = worker,
    };
    if (worker->backend_library && use_backend_library(worker, &options) < 0)
        return 1;
    int ret = apir_server_run(&options);
    if (!worker->foreign)
        log_summary(worker);
    apir_foreign_destroy(worker->foreign);
    return ret < 0 ? 1 : 0;
}

/* A daemon that is killed can end nobody: the kernel does. A client that is connected to this process directly would not
 * notice otherwise, nor would a long graph. Another user or lost rights undo it, so it is asked for again after those. */
static bool follow_parent(const struct worker *worker)
{
    if (worker->parent == 0)
        return true;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    return getppid() == (pid_t)worker->parent; /* else it has ended before */
}

/* What the contexts of the same client have taken. */
static bool open_ledger(struct worker *worker)
{
    uint64_t limit = worker->options.limits.client_memory;
    int fd = LEDGER_FD;
    if (worker->ledger_line < 0)
        return true;
    int ret = apir_ledger_open(&worker->ledger, fd, (uint32_t)worker->ledger_line, limit ? limit : APIR_NO_LIMIT);
    apir_fd_close(&fd);
    if (ret < 0)
        apir_error(&worker->log, "--ledger: file descriptor %d is no ledger: %s", LEDGER_FD, strerror(-ret));
    worker->options.ledger = &worker->ledger;
    return ret == 0;
}

static int run(struct worker *worker)
{
    signal(SIGPIPE, SIG_IGN);
    if (!follow_parent(worker) || !open_ledger(worker))
        return 1;
    open_ggml_log(worker);
    apir_ggml_log_attach(&worker->ggml_log);
    apir_shm_table_init(&worker->memory);
    worker->options.library = worker->libraries;
    worker->options.memory = &worker->memory;
    worker->options.log = &worker->log;
    worker->options.confine = complete_jail;
    worker->options.confine_data = &worker->jail;
    worker->executor = apir_executor_create(&worker->options);
    if (!worker->executor) {
        apir_error(&worker->log, "out of memory");
        return 1;
    }
    enter_jail(worker); /* a probe, too: it shall meet what workers will */
    int ret = !follow_parent(worker) ? 1 : worker->probe ? probe(worker) : serve(worker);
    apir_executor_destroy(worker->executor);
    apir_shm_table_finish(&worker->memory);
    apir_ledger_close(&worker->ledger);
    return ret;
}

static int list_paths(const struct worker *worker)
{
    const struct apir_worker_needs needs = {worker->libraries, worker->backend_library, worker->sandbox_paths};
    return apir_worker_jail_list(&needs, stdout) < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct worker worker = {.fd = -1,
                            .user_base = USER_BASE,
                            .ledger_line = -1,
                            .log = {.stream = stderr, .level = APIR_LOG_INFO, .prefix = "apird-worker"}};
    int ret = parse_options(&worker, argc, argv);
    if (ret <= 0)
        ret = ret == 0 ? 0 : 2;
    else if (worker.list_paths)
        ret = list_paths(&worker);
    else
        ret = run(&worker);
    free(worker.libraries);
    free(worker.sandbox_paths);
    return ret;
}
