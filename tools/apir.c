/* apir: looks at a host from the side of its clients. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apir-info.h"
#include "apir-replug.h"

#ifndef APIR_VERSION
#define APIR_VERSION "0.1.0"
#endif

enum {
    EXIT_USABLE = 0,
    EXIT_UNUSABLE = 1,
    EXIT_USAGE = 2,
};

enum option_id {
    OPTION_SOCKET = 256,
    OPTION_JSON,
    OPTION_VERBOSE,
    OPTION_HELP,
    OPTION_VERSION,
};

struct options {
    const char *command;
    const char *socket;
    bool json;
    bool verbose;
};

static const char usage[] =
    "usage: apir info [options]\n"
    "       apir doctor [options]\n"
    "       apir bench [options]\n"
    "       apir replug --qmp PATH [options]\n"
    "\n"
    "  info           how the host is reached, its ggml library and devices; or what is missing "
    "and what to do\n"
    "  doctor         the same, and what was looked at\n"
    "  bench          how fast it is; see apir bench --help\n"
    "  replug         on the host: connects a virtual machine to an apird that was started again; see apir replug --help\n"
    "\n"
    "  --socket PATH  use apird's native socket, as GGML_VIRTGPU_SOCKET=PATH does\n"
    "  --json         print one JSON object\n"
    "  --verbose      log versions and the duration of each call to stderr\n"
    "  --help, --version\n"
    "\n"
    "Without a socket, the render nodes in /dev/dri are searched for a virtio-gpu device.\n"
    "Exit code: 0 a device can be used, 1 none can, 2 wrong usage.\n";

/* 1: go on. 0: done. -1: wrong usage. */
static int take_option(struct options *options, int option)
{
    switch (option) {
    case OPTION_SOCKET:
        options->socket = optarg;
        return 1;
    case OPTION_JSON:
        options->json = true;
        return 1;
    case OPTION_VERBOSE:
        options->verbose = true;
        return 1;
    case OPTION_HELP:
        fputs(usage, stdout);
        return 0;
    case OPTION_VERSION:
        puts("apir " APIR_VERSION);
        return 0;
    default:
        return -1;
    }
}

static int parse_options(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        {"socket", required_argument, NULL, OPTION_SOCKET},
        {"json", no_argument, NULL, OPTION_JSON},
        {"verbose", no_argument, NULL, OPTION_VERBOSE},
        {"help", no_argument, NULL, OPTION_HELP},
        {"version", no_argument, NULL, OPTION_VERSION},
        {0},
    };
    int option, next;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
        if ((next = take_option(options, option)) <= 0)
            return next;
    if (optind != argc - 1) {
        fprintf(stderr, "apir: %s\n", optind == argc ? "no command" : "more than one command");
        return -1;
    }
    options->command = argv[optind];
    if (strcmp(options->command, "info") != 0 && strcmp(options->command, "doctor") != 0) {
        fprintf(stderr, "apir: unknown command '%s'\n", options->command);
        return -1;
    }
    return 1;
}

static int show_info(const struct options *options)
{
    struct apir_info *info = malloc(sizeof *info);
    if (!info) {
        fputs("apir: out of memory\n", stderr);
        return EXIT_UNUSABLE;
    }
    apir_info_collect(info, options->socket, options->verbose ? 4 : 0);
    if (options->json)
        apir_info_print_json(info, stdout);
    else
        apir_info_print_text(info, strcmp(options->command, "doctor") == 0, stdout);
    int code = info->usable ? EXIT_USABLE : EXIT_UNUSABLE;
    free(info);
    return fflush(stdout) == 0 ? code : EXIT_UNUSABLE;
}

/* Becomes apir-bench, which unlike this program needs ggml: the one beside us, else by PATH. */
static int run_bench(char **argv)
{
    static const char name[] = "apir-bench";
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - sizeof name);
    if (length > 0) {
        path[length] = '\0';
        memcpy(strrchr(path, '/') + 1, name, sizeof name);
        execv(path, argv);
    }
    execvp(name, argv);
    fprintf(stderr, "apir: %s cannot be run: %s\n", name, strerror(errno));
    return EXIT_UNUSABLE;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "bench") == 0)
        return run_bench(argv + 1);
    if (argc > 1 && strcmp(argv[1], "replug") == 0)
        return apir_replug_main(argc - 1, argv + 1);
    struct options options = {0};
    int next = parse_options(&options, argc, argv);
    if (next == 0)
        return EXIT_USABLE;
    if (next < 0) {
        fputs("apir: see apir --help\n", stderr);
        return EXIT_USAGE;
    }
    return show_info(&options);
}
