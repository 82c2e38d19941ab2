#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "micro.h"
#include "util/clock.h"
#include "work.h"

enum { LEAST_GRAPH_NS = 8000000 }; /* "5 ms and more", with room for noise */

/* One context of the two. */
struct half {
    struct apir_work work;
    ggml_backend_t backend;
    uint64_t duration_ns;
    double per_second; /* graphs */
    int err;
};

static int init_half(struct half *half, const struct apir_arm *arm, int nodes, uint64_t duration_ns)
{
    *half = (struct half){.backend = apir_arm_make_backend(arm), .duration_ns = duration_ns};
    if (!half->backend)
        return -ENODEV;
    int err = apir_work_init_products(&half->work, half->backend, nodes);
    if (err)
        ggml_backend_free(half->backend);
    return err;
}

static void finish_half(struct half *half)
{
    apir_work_finish(&half->work);
    ggml_backend_free(half->backend);
}

/* Computes until the time is over. */
static void *run_half(void *argument)
{
    struct half *half = argument;
    uint64_t start = apir_clock_now(), now;
    float result;
    int graphs = 0;
    do {
        half->err = apir_work_run(&half->work, &result, sizeof result);
        graphs++;
        now = apir_clock_now();
    } while (!half->err && now - start < half->duration_ns);
    half->per_second = graphs * 1e9 / (double)(now - start);
    return NULL;
}

static int run_both(struct half *halves, double *per_second)
{
    pthread_t thread;
    int err = pthread_create(&thread, NULL, run_half, &halves[1]);
    if (err)
        return -err;
    run_half(&halves[0]);
    pthread_join(thread, NULL);
    *per_second = halves[0].per_second + halves[1].per_second;
    return halves[0].err ? halves[0].err : halves[1].err;
}

static int take_arm(struct apir_bench *bench, struct half *halves, const char *name, unsigned int round)
{
    double both;
    run_half(&halves[0]);
    double alone = halves[0].per_second;
    if (halves[0].err)
        return halves[0].err;
    int err = run_both(halves, &both);
    if (err)
        return err;
    return apir_samples_add(&bench->samples, APIR_MEASURE_PAIR, 0, name, round, both / alone);
}

/* How many nodes a graph needs to take long enough on the first arm. 0 when it cannot be found out. */
static int find_nodes(const struct apir_arms *arms)
{
    enum { TRIED = 20 };
    struct half half;
    if (init_half(&half, &arms->list[0], TRIED, LEAST_GRAPH_NS * 4))
        return 0;
    run_half(&half);
    double ns = 1e9 / half.per_second;
    finish_half(&half);
    return half.err ? 0 : 1 + (int)(TRIED * LEAST_GRAPH_NS / ns);
}

int apir_pair_measure(struct apir_bench *bench)
{
    struct half halves[APIR_MAX_ARMS][2];
    const struct apir_arms *arms = bench->arms;
    size_t ready = 0;
    int err = 0;
    if (!apir_bench_options_wants(bench->options, APIR_MEASURE_PAIR))
        return 0;
    apir_bench_progress("two contexts at once");
    int nodes = find_nodes(arms);
    if (!nodes)
        return -EIO;
    for (; !err && ready < 2 * arms->count; ready += !err)
        err = init_half(&halves[ready / 2][ready % 2], &arms->list[ready / 2], nodes,
                        bench->options->quick ? 20000000 : 400000000);
    for (unsigned int round = 0; !err && round < bench->options->rounds; round++)
        for (size_t i = 0; !err && i < arms->count; i++)
            err = take_arm(bench, halves[i], arms->list[i].name, round);
    while (ready-- > 0)
        finish_half(&halves[ready / 2][ready % 2]);
    return err;
}
