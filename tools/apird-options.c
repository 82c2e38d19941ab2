#include "apird-options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach/window.h"
#include "socket-file.h"
#include "util/limits.h"
#include "util/path-list.h"

#ifndef APIR_VERSION
#define APIR_VERSION "0.1.0"
#endif

enum {
    MAX_THREADS = 4096,
    MAX_CONTEXTS = 4096,
    DEFAULT_CONTEXTS = 64,
    MAX_STARTS = 10000,
    DEFAULT_STARTS = 32, /* 15 ms of a processor each, and those beyond it wait less than a handshake may take */
    MAX_USER_BASE = 2140000000, /* with a process id on top, still a positive number to every program */
};

static const uint64_t default_window = UINT64_C(1) << 30;
static const uint64_t max_window = UINT64_C(1) << 40; /* what the daemon's address space is good for, several times */

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
    if (*count == APIRD_MAX_DOORS) {
        fprintf(stderr, "apird: --%s: more than %d\n", name, APIRD_MAX_DOORS);
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

static int parse_worker_memory(const char *name, const char *text, struct apird_options *options)
{
    options->needs_groups = strcmp(text, "none") != 0;
    options->worker_memory = 0;
    return options->needs_groups ? parse_size(name, text, &options->worker_memory) : 0;
}

static int parse_option(struct apird_options *options, int option, const char *name)
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

int apird_options_parse(struct apird_options *options, int argc, char **argv)
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

void apird_options_finish(struct apird_options *options)
{
    free(options->libraries);
    free(options->sandbox_paths);
}
