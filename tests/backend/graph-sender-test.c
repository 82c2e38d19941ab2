/* What it costs to tell the host of graphs, as the plug-in's counters say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "apir-counters.h"
#include "plugin.h"

enum {
    LENGTH = 200, /* nodes */
    ROUNDS = 40,
};

static struct daemon host;

static int start_host(void **state)
{
    (void)state;
    return daemon_start(&host, true);
}

static int stop_host(void **state)
{
    (void)state;
    daemon_stop(&host);
    return 0;
}

/* A chain of nodes that each multiply by a factor. */
struct chain {
    struct ggml_context *context;
    ggml_backend_t backend;
    ggml_backend_buffer_t buffer;
    struct ggml_tensor *input, *nodes[LENGTH];
    struct ggml_cgraph *graph;
    apir_get_counters get_counters;
};

static void set_factor(struct ggml_tensor *node, float factor)
{
    memcpy(node->op_params, &factor, sizeof factor);
}

static void open_chain(struct chain *chain)
{
    ggml_backend_dev_t device = load_device();
    void *address = ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device),
                                                      "ggml_backend_virtgpu_get_counters");
    require(address != NULL, "counters");
    memcpy(&chain->get_counters, &address, sizeof address);
    chain->backend = ggml_backend_dev_init(device, NULL);
    chain->context = ggml_init((struct ggml_init_params){.mem_size = 1 << 20, .no_alloc = true});
    chain->input = ggml_new_tensor_1d(chain->context, GGML_TYPE_F32, 4);
    struct ggml_tensor *tensor = chain->input;
    for (int i = 0; i < LENGTH; i++)
        chain->nodes[i] = tensor = ggml_scale(chain->context, tensor, 1.0f);
    chain->graph = ggml_new_graph(chain->context);
    ggml_build_forward_expand(chain->graph, tensor);
    chain->buffer = ggml_backend_alloc_ctx_tensors(chain->context, chain->backend);
    require(chain->buffer != NULL, "memory");
    ggml_backend_tensor_set(chain->input, (const float[]){1, 2, 3, 4}, 0, 16);
}

static void close_chain(struct chain *chain)
{
    ggml_backend_buffer_free(chain->buffer);
    ggml_backend_free(chain->backend);
    ggml_free(chain->context);
}

/* Computes, checks that the chain multiplies by factor, and returns the bytes of messages that it took. */
static uint64_t compute(struct chain *chain, float factor)
{
    struct apir_counters before, after;
    float out[4];
    chain->get_counters(&before);
    require(ggml_backend_graph_compute(chain->backend, chain->graph) == GGML_STATUS_SUCCESS, "computation");
    ggml_backend_tensor_get(chain->nodes[LENGTH - 1], out, 0, sizeof out);
    chain->get_counters(&after);
    require(out[0] == factor && out[3] == 4 * factor, "result");
    return after.message_bytes - before.message_bytes;
}

/* One node of many changes from graph to graph. */
static void change_one(void *data)
{
    (void)data;
    struct chain chain;
    open_chain(&chain);
    uint64_t whole = compute(&chain, 1.0f);
    for (int i = 1; i < ROUNDS; i++) {
        set_factor(chain.nodes[i], (float)i + 1.0f);
        uint64_t changed = compute(&chain, (float)i + 1.0f);
        require(changed < whole / 20, "a graph that differs little costs little");
        set_factor(chain.nodes[i], 1.0f);
    }
    close_chain(&chain);
}

static void graph_that_differs_little_costs_little(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, change_one, NULL, NULL, 0));
}

/* All nodes change: told as a whole. */
static void change_all(void *data)
{
    (void)data;
    struct chain chain;
    open_chain(&chain);
    compute(&chain, 1.0f);
    for (int i = 1; i < ROUNDS; i++) {
        for (int k = 0; k < LENGTH; k++)
            set_factor(chain.nodes[k], i % 2 ? -1.0f : 1.0f);
        set_factor(chain.nodes[0], (float)i + 1.0f);
        compute(&chain, i % 2 ? -(float)i - 1.0f : (float)i + 1.0f);
    }
    close_chain(&chain);
}

static void graph_that_differs_everywhere_is_computed(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, change_all, NULL, NULL, 0));
}

/* A few graphs in turn: each is told once. */
static void alternate(void *data)
{
    (void)data;
    struct chain chain;
    open_chain(&chain);
    for (int i = 0; i < ROUNDS; i++) {
        float factor = (float)(i % 4) + 1.0f;
        set_factor(chain.nodes[7], factor);
        uint64_t bytes = compute(&chain, factor);
        require(i < 4 || bytes < 256, "a graph seen before costs a number");
    }
    close_chain(&chain);
}

static void graph_seen_before_costs_a_number(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, alternate, NULL, NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(graph_that_differs_little_costs_little),
        cmocka_unit_test(graph_that_differs_everywhere_is_computed),
        cmocka_unit_test(graph_seen_before_costs_a_number),
    };
    return cmocka_run_group_tests_name("graph sender", tests, start_host, stop_host);
}
