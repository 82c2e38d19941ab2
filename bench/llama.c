#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "programs.h"
#include "trace.h"

enum { TRACED_TOKENS = 256 };

/* Generating 64 tokens is short and noisy: so in more rounds than others. */
static unsigned int rounds_of(const struct apir_bench_options *options)
{
    unsigned int rounds = 3 * options->rounds;
    return options->quick ? 1 : rounds > APIR_MAX_ROUNDS ? APIR_MAX_ROUNDS : rounds;
}

static bool is_native(const struct apir_arm *arm)
{
    return strstr(arm->name, "native") != NULL;
}

/* ---- llama-bench, as it is, one arm at a time ---- */

/* Which library it is to load besides those that it finds. */
static const char *library_of(const struct apir_bench_options *options, const struct apir_arm *arm)
{
    if (strcmp(arm->name, "floor") == 0)
        return options->floor;
    if (strcmp(arm->name, "apir") == 0 || strcmp(arm->name, "vm") == 0)
        return options->plugin;
    return NULL;
}

static void make_command(struct apir_command *command, const struct apir_bench_options *options,
                         const struct apir_arm *arm, bool no_reuse, char *path, size_t size)
{
    const char *library = library_of(options, arm);
    const char *const common[] = {"llama-bench", "-m", options->model, "-p", no_reuse ? "0" : "64",
                                  "-n",          "64", "-r",           "1",  "-t",
                                  "1",           "-o", "jsonl"};
    snprintf(path, size, "GGML_BACKEND_PATH=%s", library ? library : "");
    const char *const first[] = {
        "env", library ? path : "GGML_BACKEND_PATH=", no_reuse ? "LLAMA_GRAPH_REUSE_DISABLE=1" : "APIR_BENCH=1"};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        apir_command_add(command, first[i]);
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        apir_command_add(command, common[i]);
    if (strcmp(arm->name, "rpc") == 0) { /* before -dev, which looks for its device at once */
        apir_command_add(command, "--rpc");
        apir_command_add(command, options->rpc);
    }
    const char *const native[] = {"-dev", "none", "-ngl", "0", "--repack", "0"};
    const char *const remote[] = {"-dev", ggml_backend_dev_name(arm->device), "-ngl", "99"};
    for (size_t i = 0; is_native(arm) && i < sizeof native / sizeof *native; i++)
        apir_command_add(command, native[i]);
    for (size_t i = 0; !is_native(arm) && i < sizeof remote / sizeof *remote; i++)
        apir_command_add(command, remote[i]);
}

/* One of its lines of JSON: a test of n_gen or of n_prompt tokens, and their speed. */
static int take_line(struct apir_bench *bench, const char *line, const char *arm, bool no_reuse, unsigned int round)
{
    const char *generated = strstr(line, "\"n_gen\": "), *speed = strstr(line, "\"avg_ts\": ");
    if (!generated || !speed)
        return 0;
    enum apir_measure measure = atoi(generated + strlen("\"n_gen\": ")) == 0 ? APIR_MEASURE_PP
                                : no_reuse                                   ? APIR_MEASURE_TG_NO_REUSE
                                                                             : APIR_MEASURE_TG;
    return apir_samples_add(&bench->samples, measure, 0, arm, round, atof(speed + strlen("\"avg_ts\": ")));
}

/* -ENOENT: there is no llama-bench; -EIO: it failed on this arm. */
static int take_arm(struct apir_bench *bench, const struct apir_arm *arm, bool no_reuse, unsigned int round)
{
    struct apir_command command = {.count = 0};
    struct apir_child child;
    char path[PATH_MAX + 32], line[8192];
    make_command(&command, bench->options, arm, no_reuse, path, sizeof path);
    int err = apir_child_start(&child, &command, 1);
    if (err)
        return err;
    while (fgets(line, sizeof line, child.output))
        if (!err)
            err = take_line(bench, line, arm->name, no_reuse, round);
    int code = apir_child_finish(&child);
    if (code == 0 || err)
        return err;
    apir_bench_progress("llama-bench ended with exit code %d on %s", code, arm->name);
    return code == 127 ? -ENOENT : -EIO;
}

static bool takes_part(const struct apir_arm *arm, bool no_reuse)
{
    return !no_reuse || is_native(arm) || strcmp(arm->name, "apir") == 0 || strcmp(arm->name, "vm") == 0;
}

static int measure_llama_bench(struct apir_bench *bench, bool no_reuse)
{
    unsigned int rounds = rounds_of(bench->options);
    bool failed[APIR_MAX_ARMS] = {false}; /* no reason to go without the others */
    for (unsigned int round = 0; round < rounds; round++) {
        if (round % 5 == 0)
            apir_bench_progress("llama-bench%s, round %u of %u", no_reuse ? " without graph reuse" : "", round + 1,
                                rounds);
        for (size_t i = 0; i < bench->arms->count; i++) {
            const struct apir_arm *arm = &bench->arms->list[i];
            int err = !failed[i] && takes_part(arm, no_reuse) ? take_arm(bench, arm, no_reuse, round) : 0;
            failed[i] = failed[i] || err == -EIO;
            if (err && err != -EIO)
                return err;
        }
    }
    return 0;
}

/* ---- our own, which has the counters ---- */

static void make_decode_command(struct apir_command *command, const struct apir_bench_options *options,
                                const char *program, const char *how_often, const char *number)
{
    const char *const first[] = {program, "--model", options->model, how_often, number};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        apir_command_add(command, first[i]);
}

static int measure_decode(struct apir_bench *bench, const char *program)
{
    struct apir_command command = {.count = 0};
    struct apir_child child;
    char rounds[16];
    apir_bench_progress("tg64 and pp64 of all arms in one process, counters");
    snprintf(rounds, sizeof rounds, "%u", rounds_of(bench->options));
    make_decode_command(&command, bench->options, program, "--rounds", rounds);
    apir_programs_add_arms(&command, bench->options);
    int err = apir_child_start(&child, &command, 0);
    if (err)
        return err;
    err = apir_samples_read(&bench->samples, child.output, stderr);
    return apir_child_finish(&child) == 0 ? err : -EIO;
}

/* System calls in the time of so many tokens. What strace slows down are the calls that it counts. */
static int measure_syscalls(struct apir_bench *bench, const char *program)
{
    struct apir_command command = {.count = 0};
    struct apir_child child;
    struct apir_trace trace;
    char tokens[16], line[64];
    if (!apir_bench_options_wants(bench->options, APIR_MEASURE_SYSCALLS) || !apir_arms_find(bench->arms, "apir"))
        return 0;
    apir_bench_progress("%s", apir_measure_get(APIR_MEASURE_SYSCALLS)->title);
    snprintf(tokens, sizeof tokens, "%d", TRACED_TOKENS);
    make_decode_command(&command, bench->options, program, "--tokens", tokens);
    apir_command_add(&command, "--hold");
    if (bench->options->plugin) {
        apir_command_add(&command, "--plugin");
        apir_command_add(&command, bench->options->plugin);
    }
    int err = apir_programs_start_traced(&child, &trace, &command);
    if (err) {
        apir_bench_progress("not measured: strace cannot look at client and worker: %s", strerror(-err));
        return 0;
    }
    fputs("go\n", child.input);
    fflush(child.input);
    bool done = fgets(line, sizeof line, child.output) != NULL;
    apir_trace_end(&trace);
    apir_child_finish(&child);
    long calls = apir_trace_finish(&trace);
    if (!done || calls < 0)
        return -EIO;
    return apir_samples_add(&bench->samples, APIR_MEASURE_SYSCALLS, 0, "apir", 0,
                            (double)calls / (double)TRACED_TOKENS);
}

static bool is_any_wanted(const struct apir_bench_options *options, enum apir_measure first, enum apir_measure last)
{
    for (enum apir_measure measure = first; measure <= last; measure++)
        if (apir_bench_options_wants(options, measure))
            return true;
    return false;
}

int apir_llama_measure(struct apir_bench *bench)
{
    const struct apir_bench_options *options = bench->options;
    char program[PATH_MAX];
    int err = 0;
    if (apir_child_beside("apir-bench-decode", program, sizeof program) || access(program, X_OK) != 0) {
        apir_bench_progress("counters of each token are not measured: apir-bench-decode is not there");
    } else {
        if (is_any_wanted(options, APIR_MEASURE_TG_ALTERNATING, APIR_MEASURE_DATA_BYTES))
            err = measure_decode(bench, program);
        if (!err)
            err = measure_syscalls(bench, program);
    }
    if (!err && is_any_wanted(options, APIR_MEASURE_TG, APIR_MEASURE_PP))
        err = measure_llama_bench(bench, false);
    if (!err && apir_bench_options_wants(options, APIR_MEASURE_TG_NO_REUSE))
        err = measure_llama_bench(bench, true);
    if (err != -ENOENT)
        return err;
    apir_bench_progress("not measured: there is no llama-bench");
    return 0;
}
