#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum option_id {
    OPTION_FLOOR = 256,
    OPTION_PLUGIN,
    OPTION_RPC,
    OPTION_DEVICE,
    OPTION_MODEL,
    OPTION_JSON,
    OPTION_SVG,
    OPTION_SAMPLES,
    OPTION_MERGE,
    OPTION_ONLY,
    OPTION_MAX_SIZE,
    OPTION_ROUNDS,
    OPTION_QUICK,
    OPTION_CHECK,
    OPTION_GUEST,
    OPTION_HOLD,
    OPTION_TOKENS,
    OPTION_HELP,
    OPTION_VERSION,
};

static const char usage[] =
    "usage: apir bench [options]\n"
    "\n"
    "Measures the remote device against this system's own CPU, alternating between them in rounds, and prints\n"
    "medians, quartiles and ratios. Takes minutes; --quick takes seconds.\n"
    "\n"
    "  --quick         few repetitions: shows that it works, not how fast it is\n"
    "  --model FILE    measure tokens per second with llama-bench, too, if that is installed\n"
    "  --rounds N      how often to go through all arms (default 9)\n"
    "  --only LIST     only these measures, separated by commas; --only help lists them\n"
    "  --max-size MIB  the largest set and get (default 256, less with little memory)\n"
    "  --json FILE     write the results as JSON\n"
    "  --svg FILE      draw overhead against graph size, and bandwidth against size\n"
    "  --check         print the targets with what was measured; exit code 1 if one is missed\n"
    "\n"
    "  --device NAME   the remote device (default: the first of the plug-in)\n"
    "  --plugin FILE   load the plug-in from there, if it is not installed\n"
    "  --floor FILE    a library with a device that has no transport, as an arm of its own\n"
    "  --rpc HOST:PORT a ggml-rpc server as an arm of its own\n"
    "  --guest         name the arms as those of a virtual machine; so without GGML_VIRTGPU_SOCKET\n"
    "  --samples FILE  write each value, a line of five words (- is standard output, instead of the table)\n"
    "  --merge FILE    read such lines from there, too\n"
    "  --help, --version\n"
    "\n"
    "Exit code: 0 done, 1 a target was missed, 2 wrong usage, 3 it could not be measured, 128 + N on signal N.\n";

static const struct option known[] = {
    {"floor", required_argument, NULL, OPTION_FLOOR},
    {"plugin", required_argument, NULL, OPTION_PLUGIN},
    {"rpc", required_argument, NULL, OPTION_RPC},
    {"device", required_argument, NULL, OPTION_DEVICE},
    {"model", required_argument, NULL, OPTION_MODEL},
    {"json", required_argument, NULL, OPTION_JSON},
    {"svg", required_argument, NULL, OPTION_SVG},
    {"samples", required_argument, NULL, OPTION_SAMPLES},
    {"merge", required_argument, NULL, OPTION_MERGE},
    {"only", required_argument, NULL, OPTION_ONLY},
    {"max-size", required_argument, NULL, OPTION_MAX_SIZE},
    {"rounds", required_argument, NULL, OPTION_ROUNDS},
    {"quick", no_argument, NULL, OPTION_QUICK},
    {"check", no_argument, NULL, OPTION_CHECK},
    {"guest", no_argument, NULL, OPTION_GUEST},
    {"hold", no_argument, NULL, OPTION_HOLD},
    {"tokens", required_argument, NULL, OPTION_TOKENS},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {0},
};

void apir_bench_options_help(void)
{
    fputs(usage, stdout);
}

static int wrong(const char *what)
{
    fprintf(stderr, "apir bench: %s\napir bench: see apir bench --help\n", what);
    return -1;
}

static int take_number(const char *text, unsigned long most, unsigned long *number)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || value == 0 || value > most) {
        fprintf(stderr, "apir bench: '%s' is no number from 1 to %lu\n", text, most);
        return -1;
    }
    *number = value;
    return 0;
}

static int take_merge(struct apir_bench_options *options)
{
    if (options->n_merges == APIR_MAX_MERGES)
        return wrong("too many files to merge");
    options->merge[options->n_merges++] = optarg;
    return 0;
}

static int take_size(struct apir_bench_options *options)
{
    unsigned long mebibytes;
    if (take_number(optarg, 1024, &mebibytes))
        return -1;
    options->max_size = (size_t)mebibytes << 20;
    return 0;
}

static int take_tokens(struct apir_bench_options *options)
{
    unsigned long tokens;
    if (take_number(optarg, 100000, &tokens))
        return -1;
    options->tokens = (unsigned int)tokens;
    return 0;
}

static int take_rounds(struct apir_bench_options *options)
{
    unsigned long rounds;
    if (take_number(optarg, APIR_MAX_ROUNDS, &rounds))
        return -1;
    options->rounds = (unsigned int)rounds;
    return 0;
}

static int take_only(struct apir_bench_options *options)
{
    char list[512], *rest = list, *key;
    snprintf(list, sizeof list, "%s", optarg);
    while ((key = strsep(&rest, ",")))
        if (apir_measure_find(key) == APIR_MEASURE_COUNT) {
            fprintf(stderr, "apir bench: no measure is called '%s'; there are:\n", key);
            for (enum apir_measure i = 0; i < APIR_MEASURE_COUNT; i++)
                fprintf(stderr, "  %-14s %s\n", apir_measure_get(i)->key, apir_measure_get(i)->title);
            return -1;
        }
    options->only = optarg;
    return 0;
}

/* Where the value of an option that is just a string goes; NULL for others. */
static const char **text_of(struct apir_bench_options *options, int option)
{
    switch (option) {
    case OPTION_FLOOR:
        return &options->floor;
    case OPTION_PLUGIN:
        return &options->plugin;
    case OPTION_RPC:
        return &options->rpc;
    case OPTION_DEVICE:
        return &options->device;
    case OPTION_MODEL:
        return &options->model;
    case OPTION_JSON:
        return &options->json;
    case OPTION_SVG:
        return &options->svg;
    case OPTION_SAMPLES:
        return &options->samples;
    default:
        return NULL;
    }
}

static int take_option(struct apir_bench_options *options, int option)
{
    switch (option) {
    case OPTION_MERGE:
        return take_merge(options);
    case OPTION_ONLY:
        return take_only(options);
    case OPTION_MAX_SIZE:
        return take_size(options);
    case OPTION_ROUNDS:
        return take_rounds(options);
    case OPTION_TOKENS:
        return take_tokens(options);
    case OPTION_QUICK:
        options->quick = true;
        return 0;
    case OPTION_CHECK:
        options->check = true;
        return 0;
    case OPTION_GUEST:
        options->guest = true;
        return 0;
    case OPTION_HOLD:
        options->hold = true;
        return 0;
    case OPTION_HELP:
        options->help = true;
        return 0;
    case OPTION_VERSION:
        options->version = true;
        return 0;
    default:
        return wrong("unknown option, or a value is missing");
    }
}

/* 256 MiB, or less in small guests: each arm has memory of that size, and so has this program. */
static size_t usual_max_size(void)
{
    size_t memory = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    size_t most = (size_t)256 << 20;
    return memory / 16 < most ? memory / 16 : most;
}

int apir_bench_options_parse(struct apir_bench_options *options, int argc, char **argv)
{
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        const char **text = text_of(options, option);
        if (option == 'h')
            options->help = true;
        else if (text)
            *text = optarg;
        else if (take_option(options, option))
            return -1;
    }
    if (optind != argc)
        return wrong("arguments are not taken, only options");
    if (!getenv("GGML_VIRTGPU_SOCKET") && !options->floor)
        options->guest = true;
    if (!options->rounds)
        options->rounds = options->quick ? 3 : 9;
    if (!options->max_size)
        options->max_size = options->quick ? (size_t)1 << 20 : usual_max_size();
    return 0;
}

bool apir_bench_options_wants(const struct apir_bench_options *options, enum apir_measure measure)
{
    char list[512], *rest = list, *key;
    if (!options->only)
        return true;
    snprintf(list, sizeof list, "%s", options->only);
    while ((key = strsep(&rest, ",")))
        if (apir_measure_find(key) == measure)
            return true;
    return false;
}
