#include <errno.h>
#include <stdlib.h>

#include "micro.h"
#include "util/clock.h"
#include "work.h"

enum {
    MAX_REPEATS = 2000,
    BURST = 64,
    RESULT = 64, /* bytes of 16 floats */
    IDLE_NS = 20000000,
};

static const int graph_sizes[] = {10, 100, 500, 1000, 2000, 4000};

/* One value of one arm: the median of some repetitions, in us. 0 or -errno. */
typedef int (*take_function)(struct apir_work *work, int repeats, double *value);

static int take_runs(struct apir_work *work, int repeats, double *value)
{
    double times[MAX_REPEATS];
    char result[RESULT];
    for (int i = -3; i < repeats; i++) { /* the first three make it hot */
        uint64_t start = apir_clock_now();
        if (apir_work_run(work, result, sizeof result))
            return -EIO;
        if (i >= 0)
            times[i] = (double)(apir_clock_now() - start) / 1e3;
    }
    *value = apir_stats_median(times, (size_t)repeats);
    return 0;
}

static int take_idle_runs(struct apir_work *work, int repeats, double *value)
{
    double times[MAX_REPEATS];
    char result[RESULT];
    for (int i = 0; i < repeats; i++) {
        apir_clock_sleep(IDLE_NS);
        uint64_t start = apir_clock_now();
        if (apir_work_run(work, result, sizeof result))
            return -EIO;
        times[i] = (double)(apir_clock_now() - start) / 1e3;
    }
    *value = apir_stats_median(times, (size_t)repeats);
    return 0;
}

/* The caller's time for a set, in bursts that the other side then gets time to take. */
static int take_posts(struct apir_work *work, int repeats, double *value)
{
    double times[MAX_REPEATS];
    char data[RESULT] = {0};
    for (int i = -1; i < repeats; i++) {
        uint64_t start = apir_clock_now();
        for (int set = 0; set < BURST; set++)
            ggml_backend_tensor_set(work->input, data, 0, sizeof data);
        if (i >= 0)
            times[i] = (double)(apir_clock_now() - start) / 1e3 / (double)BURST;
        ggml_backend_tensor_get(work->input, data, 0, sizeof data);
    }
    *value = apir_stats_median(times, (size_t)repeats);
    return 0;
}

static int take_round(struct apir_bench *bench, struct apir_work *works, enum apir_measure measure, uint64_t parameter,
                      take_function take, int repeats, unsigned int round)
{
    for (size_t i = 0; i < bench->arms->count; i++) {
        double value;
        int err = take(&works[i], repeats, &value);
        if (!err)
            err = apir_samples_add(&bench->samples, measure, parameter, bench->arms->list[i].name, round, value);
        if (err)
            return err;
    }
    return 0;
}

static int measure_chain(struct apir_bench *bench, int nodes, enum apir_measure measure, uint64_t parameter,
                         take_function take, int repeats)
{
    struct apir_work works[APIR_MAX_ARMS] = {0};
    char text[32];
    int err = 0;
    if (!apir_bench_options_wants(bench->options, measure))
        return 0;
    apir_measure_print_parameter(measure, parameter, text, sizeof text);
    apir_bench_progress("%s%s%s", apir_measure_get(measure)->title, *text ? ", " : "", text);
    for (size_t i = 0; !err && i < bench->arms->count; i++)
        err = apir_work_init_chain(&works[i], bench->arms->list[i].backend, nodes);
    for (unsigned int round = 0; !err && round < bench->options->rounds; round++)
        err = take_round(bench, works, measure, parameter, take, repeats, round);
    for (size_t i = 0; i < bench->arms->count; i++)
        apir_work_finish(&works[i]);
    return err;
}

int apir_latency_measure(struct apir_bench *bench)
{
    bool quick = bench->options->quick;
    int err = measure_chain(bench, 1, APIR_MEASURE_CALL, 0, take_runs, quick ? 50 : MAX_REPEATS);
    if (!err)
        err = measure_chain(bench, 1, APIR_MEASURE_IDLE_CALL, 0, take_idle_runs, quick ? 3 : 15);
    if (!err)
        err = measure_chain(bench, 1, APIR_MEASURE_POST, 0, take_posts, quick ? 10 : 100);
    for (size_t i = 0; !err && i < sizeof graph_sizes / sizeof *graph_sizes; i++)
        err = measure_chain(bench, graph_sizes[i], APIR_MEASURE_GRAPH, (uint64_t)graph_sizes[i], take_runs,
                            quick ? 10 : 200);
    return err;
}
