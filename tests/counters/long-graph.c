#include "long-graph.h"

#include <stdio.h>
#include <time.h>

#include <ggml-alloc.h>

enum {
    SIDE = 512,
    MAX_NODES = 4096,
    REPEATS = 5,
    LONG_MS = 100,
};

struct work {
    ggml_backend_t backend;
    struct ggml_context *context;
    ggml_backend_buffer_t buffer;
    struct ggml_tensor *factor, *start;
};

static double clock_ms(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void finish(struct work *work)
{
    ggml_backend_buffer_free(work->buffer);
    ggml_free(work->context);
    if (work->backend)
        ggml_backend_free(work->backend);
}

/* Products of zeros. */
static struct ggml_cgraph *init(struct work *work, ggml_backend_dev_t device, int nodes)
{
    size_t size = (size_t)(nodes + 2) * ggml_tensor_overhead() + ggml_graph_overhead_custom((size_t)nodes + 2, false);
    struct ggml_init_params params = {.mem_size = size, .no_alloc = true};
    *work = (struct work){.backend = ggml_backend_dev_init(device, NULL), .context = ggml_init(params)};
    if (!work->backend)
        return NULL;
    work->factor = ggml_new_tensor_2d(work->context, GGML_TYPE_F32, SIDE, SIDE);
    struct ggml_tensor *value = ggml_new_tensor_2d(work->context, GGML_TYPE_F32, SIDE, SIDE);
    for (int i = 0; i < nodes; i++)
        value = ggml_mul_mat(work->context, work->factor, value);
    struct ggml_cgraph *graph = ggml_new_graph_custom(work->context, (size_t)nodes + 2, false);
    ggml_build_forward_expand(graph, value);
    work->buffer = ggml_backend_alloc_ctx_tensors(work->context, work->backend);
    if (work->buffer)
        ggml_backend_buffer_clear(work->buffer, 0);
    return work->buffer ? graph : NULL;
}

/* The times that a graph of so many nodes takes, of the clock and of this thread's processor. */
static int measure(ggml_backend_dev_t device, int nodes, int repeats, double *wall, double *own)
{
    struct work work;
    struct ggml_cgraph *graph = init(&work, device, nodes);
    enum ggml_status status = graph ? ggml_backend_graph_compute(work.backend, graph) : GGML_STATUS_FAILED;
    double wall_start = clock_ms(CLOCK_MONOTONIC), own_start = clock_ms(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < repeats && status == GGML_STATUS_SUCCESS; i++)
        status = ggml_backend_graph_compute(work.backend, graph);
    *wall = clock_ms(CLOCK_MONOTONIC) - wall_start;
    *own = clock_ms(CLOCK_THREAD_CPUTIME_ID) - own_start;
    finish(&work);
    return status == GGML_STATUS_SUCCESS ? 0 : -1;
}

int long_graph_wait(ggml_backend_dev_t device, double *percent, double *ms)
{
    double wall = 0, own = 0;
    for (int nodes = 8; nodes <= MAX_NODES && wall < REPEATS * LONG_MS; nodes *= 2) {
        if (measure(device, nodes, REPEATS, &wall, &own) < 0) {
            fputs("a graph cannot be computed\n", stderr);
            return -1;
        }
    }
    *percent = 100 * own / wall;
    *ms = wall;
    return 0;
}
