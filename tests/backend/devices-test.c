/* The plug-in with a host that has two devices, under ggml's scheduler. */
#include <stdio.h>

#include "../executor/fake-pipeline.h"
#include "cmocka-all.h"
#include "plugin.h"

enum { WIDTH = 16, GRAPH_SIZE = 64 };

static struct daemon host;

static int start_host(void **state)
{
    (void)state;
    return daemon_start_with(&host, LIBRARIES "/fake-pipeline.so");
}

static int stop_host(void **state)
{
    (void)state;
    daemon_stop(&host);
    return 0;
}

/* The backends of a scheduler: two devices of the host, and the processor of the guest. */
struct desk {
    ggml_backend_t backends[3];
    ggml_backend_sched_t scheduler;
};

static void open_desk(struct desk *desk)
{
    ggml_backend_reg_t reg = ggml_backend_dev_backend_reg(load_device());
    require(ggml_backend_reg_dev_count(reg) == 2, "the host has two devices");
    ggml_backend_load_all();
    for (size_t i = 0; i < 2; i++)
        desk->backends[i] = ggml_backend_dev_init(ggml_backend_reg_dev_get(reg, i), NULL);
    desk->backends[2] = ggml_backend_init_by_type(GGML_BACKEND_DEVICE_TYPE_CPU, NULL);
    for (size_t i = 0; i < 3; i++)
        require(desk->backends[i] != NULL, "a backend");
    desk->scheduler = ggml_backend_sched_new(desk->backends, NULL, 3, GRAPH_SIZE, true, false);
    require(ggml_backend_sched_get_n_copies(desk->scheduler) > 1, "the scheduler pipelines");
}

static void close_desk(struct desk *desk)
{
    ggml_backend_sched_free(desk->scheduler);
    for (size_t i = 0; i < 3; i++)
        ggml_backend_free(desk->backends[i]);
}

/* A value that goes through both devices. */
static struct ggml_cgraph *build(struct desk *desk, struct ggml_context *context)
{
    struct ggml_tensor *input = ggml_new_tensor_1d(context, GGML_TYPE_F32, WIDTH);
    ggml_set_input(input);
    struct ggml_tensor *first = ggml_sqr(context, input), *second = ggml_sqrt(context, first);
    ggml_set_output(second);
    ggml_backend_sched_set_tensor_backend(desk->scheduler, first, desk->backends[0]);
    ggml_backend_sched_set_tensor_backend(desk->scheduler, second, desk->backends[1]);
    struct ggml_cgraph *graph = ggml_new_graph_custom(context, GRAPH_SIZE, false);
    ggml_build_forward_expand(graph, second);
    return graph;
}

static struct ggml_context *open_context(void)
{
    return ggml_init((struct ggml_init_params){.mem_size = 1 << 20, .no_alloc = true});
}

/* The scheduler runs graph after graph without waiting for any; the devices wait for each other. */
static void run_pipeline(void *data)
{
    (void)data;
    struct desk desk;
    struct ggml_context *contexts[FAKE_PIPELINE_GRAPHS + 1];
    open_desk(&desk);
    contexts[FAKE_PIPELINE_GRAPHS] = open_context();
    require(ggml_backend_sched_reserve(desk.scheduler, build(&desk, contexts[FAKE_PIPELINE_GRAPHS])), "memory");
    for (int i = 0; i < FAKE_PIPELINE_GRAPHS; i++) {
        contexts[i] = open_context();
        ggml_backend_sched_reset(desk.scheduler);
        struct ggml_cgraph *graph = build(&desk, contexts[i]);
        require(ggml_backend_sched_alloc_graph(desk.scheduler, graph), "memory");
        require(ggml_backend_sched_graph_compute_async(desk.scheduler, graph) == GGML_STATUS_SUCCESS, "graph");
    }
    ggml_backend_sched_synchronize(desk.scheduler);
    /* a graph that has failed is told by the next */
    for (int i = 0; i < 2; i++) {
        struct ggml_cgraph *nothing = ggml_new_graph_custom(contexts[0], GRAPH_SIZE, false);
        require(ggml_backend_graph_compute(desk.backends[i], nothing) == GGML_STATUS_SUCCESS,
                "each device met the other");
    }
    close_desk(&desk);
    for (int i = 0; i <= FAKE_PIPELINE_GRAPHS; i++)
        ggml_free(contexts[i]);
}

static void devices_compute_side_by_side_under_one_scheduler(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, run_pipeline, NULL, NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices_compute_side_by_side_under_one_scheduler),
    };
    return cmocka_run_group_tests_name("devices", tests, start_host, stop_host);
}
