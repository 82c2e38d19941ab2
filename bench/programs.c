#include "programs.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "trace.h"
#include "util/clock.h"
#include "work.h"

static void add_option(struct apir_command *command, const char *name, const char *value)
{
    if (!value)
        return;
    apir_command_add(command, name);
    apir_command_add(command, value);
}

void apir_programs_add_arms(struct apir_command *command, const struct apir_bench_options *options)
{
    add_option(command, "--floor", options->floor);
    add_option(command, "--plugin", options->plugin);
    add_option(command, "--rpc", options->rpc);
    add_option(command, "--device", options->device);
    if (options->guest)
        apir_command_add(command, "--guest");
    if (options->quick)
        apir_command_add(command, "--quick");
}

/* The plug-in reads how it is to wait when it is loaded: so in a program of its own. */
static int measure_pair(struct apir_bench *bench)
{
    const char *wait = getenv("GGML_VIRTGPU_WAIT");
    char rounds[16];
    if (!apir_bench_options_wants(bench->options, APIR_MEASURE_PAIR))
        return 0;
    if (wait && strcmp(wait, "sleep") == 0)
        return apir_pair_measure(bench);
    struct apir_command command = {.count = 0};
    struct apir_child child;
    char self[PATH_MAX];
    int err = apir_child_beside("apir-bench", self, sizeof self);
    if (err)
        return err;
    snprintf(rounds, sizeof rounds, "%u", bench->options->rounds);
    const char *const first[] = {"env", "GGML_VIRTGPU_WAIT=sleep", self, "--only", "pair", "--samples", "-", "--rounds",
                                 rounds};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        apir_command_add(&command, first[i]);
    apir_programs_add_arms(&command, bench->options);
    err = apir_child_start(&child, &command, 0);
    if (err)
        return err;
    err = apir_samples_read(&bench->samples, child.output, stderr);
    return apir_child_finish(&child) == 0 ? err : -EIO;
}

int apir_programs_hold(const struct apir_arms *arms)
{
    for (size_t i = 0; i < arms->count; i++) {
        struct apir_work work;
        float result;
        int err = apir_work_init_chain(&work, arms->list[i].backend, 1);
        if (!err)
            err = apir_work_run(&work, &result, sizeof result);
        apir_work_finish(&work);
        if (err)
            return err;
    }
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF)
        continue;
    return 0;
}

int apir_programs_start_traced(struct apir_child *child, struct apir_trace *trace, const struct apir_command *command)
{
    struct apir_pids before, pids;
    char line[64];
    apir_trace_workers(&before);
    int err = apir_child_start(child, command, 0);
    if (err)
        return err;
    pids = (struct apir_pids){.list = {child->pid}, .count = 1};
    if (fgets(line, sizeof line, child->output) && strcmp(line, "ready\n") == 0) {
        apir_trace_add_new_workers(&pids, &before);
        err = pids.count >= 2 ? apir_trace_start(trace, &pids) : -ENOENT;
    } else {
        err = -EIO;
    }
    if (err)
        apir_child_finish(child);
    return err;
}

/* Only the remote device is connected there, so that only its client and its worker are counted. */
static int measure_idle(struct apir_bench *bench)
{
    struct apir_command command = {.count = 0};
    struct apir_child child;
    struct apir_trace trace;
    char self[PATH_MAX];
    unsigned int seconds = bench->options->quick ? 1 : 10;
    if (!apir_bench_options_wants(bench->options, APIR_MEASURE_IDLE_SYSCALLS) || !apir_arms_find(bench->arms, "apir") ||
        apir_child_beside("apir-bench", self, sizeof self))
        return 0;
    apir_bench_progress("%s", apir_measure_get(APIR_MEASURE_IDLE_SYSCALLS)->title);
    apir_command_add(&command, self);
    apir_command_add(&command, "--hold");
    add_option(&command, "--plugin", bench->options->plugin);
    add_option(&command, "--device", bench->options->device);
    int err = apir_programs_start_traced(&child, &trace, &command);
    if (err) {
        apir_bench_progress("not measured: strace cannot look at client and worker: %s", strerror(-err));
        return 0;
    }
    apir_clock_sleep(seconds * UINT64_C(1000000000));
    apir_trace_end(&trace);
    apir_child_finish(&child);
    long calls = apir_trace_finish(&trace);
    if (calls < 0)
        return (int)calls;
    return apir_samples_add(&bench->samples, APIR_MEASURE_IDLE_SYSCALLS, 0, "apir", 0, (double)calls * 10 / seconds);
}

int apir_programs_measure(struct apir_bench *bench)
{
    int err = measure_pair(bench);
    if (!err)
        err = measure_idle(bench);
    if (!err && bench->options->model)
        err = apir_llama_measure(bench);
    return err;
}
