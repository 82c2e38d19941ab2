#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apir-codec.h"
#include "graph-maker.h"
#include "wire/cs.h"

static void expect_refusal(struct graph_maker *m, int error)
{
    int before = m->seen->graphs;
    assert_int_equal(graph_maker_compute(m), error);
    assert_int_equal(m->seen->graphs, before);
    graph_maker_close(m);
}

static void device_sees_the_nodes_in_the_guests_order(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open_chain(&m);
    assert_int_equal(graph_maker_compute(&m), 0);
    assert_int_equal(m.seen->n_nodes, 2);
    assert_int_equal(m.seen->n_leafs, 2);
    assert_string_equal(m.seen->nodes[0].name, "c");
    assert_string_equal(m.seen->nodes[1].name, "d");
    assert_int_equal(m.seen->nodes[0].op, GGML_OP_ADD);
    assert_int_equal(m.seen->nodes[1].op, GGML_OP_MUL);
    graph_maker_close(&m);
}

static void independent_nodes_keep_any_order(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open(&m);
    graph_maker_add(&m, "a", GGML_OP_NONE, 0, 0);
    graph_maker_add(&m, "one", GGML_OP_SQR, 1, 0);
    graph_maker_add(&m, "two", GGML_OP_SQRT, 1, 0);
    graph_maker_add_node(&m, 2);
    graph_maker_add_node(&m, 1);
    assert_int_equal(graph_maker_compute(&m), 0);
    assert_string_equal(m.seen->nodes[0].name, "two");
    assert_string_equal(m.seen->nodes[1].name, "one");
    graph_maker_close(&m);
}

static void device_sees_how_often_a_node_is_used(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open_chain(&m);
    m.tensors[2].use_count = 1;
    assert_int_equal(graph_maker_compute(&m), 0);
    assert_int_equal(m.seen->nodes[0].use_count, 1);
    assert_int_equal(m.seen->nodes[1].use_count, 0);
    graph_maker_close(&m);
}

static void node_used_elsewhere_too_is_an_output(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open_chain(&m);
    m.tensors[2].use_count = 2; /* d uses it, and something outside of this part of the graph */
    assert_int_equal(graph_maker_compute(&m), 0);
    assert_int_equal(m.seen->nodes[0].flags, COMPUTE | GGML_TENSOR_FLAG_OUTPUT);
    assert_int_equal(m.seen->nodes[1].flags, COMPUTE);
    graph_maker_close(&m);
}

static void flags_are_the_guests(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open_chain(&m);
    m.tensors[2].use_count = 1;
    m.tensors[3].flags = COMPUTE | GGML_TENSOR_FLAG_LOSS;
    assert_int_equal(graph_maker_compute(&m), 0);
    assert_int_equal(m.seen->nodes[0].flags, COMPUTE);
    assert_int_equal(m.seen->nodes[1].flags, COMPUTE | GGML_TENSOR_FLAG_LOSS);
    graph_maker_close(&m);
}

static void parameter_without_an_op_can_be_a_node(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open(&m);
    graph_maker_add(&m, "p", GGML_OP_NONE, 0, 0);
    graph_maker_add(&m, "q", GGML_OP_SQR, 1, 0);
    m.tensors[0].flags = GGML_TENSOR_FLAG_PARAM;
    graph_maker_add_node(&m, 0);
    graph_maker_add_node(&m, 1);
    assert_int_equal(graph_maker_compute(&m), 0);
    assert_int_equal(m.seen->n_nodes, 2);
    assert_string_equal(m.seen->nodes[0].name, "p");
    assert_int_equal(m.seen->nodes[0].flags, GGML_TENSOR_FLAG_PARAM);
    graph_maker_close(&m);
}

static void node_without_an_op_needs_no_flag(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open(&m);
    graph_maker_add(&m, "p", GGML_OP_NONE, 0, 0);
    m.tensors[0].flags = 0;
    graph_maker_add_node(&m, 0);
    assert_int_equal(graph_maker_compute(&m), 0);
    assert_int_equal(m.seen->n_nodes, 1);
    assert_int_equal(m.seen->nodes[0].flags, 0);
    graph_maker_close(&m);
}

static void view_lies_where_its_offset_says(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open(&m);
    graph_maker_add(&m, "a", GGML_OP_NONE, 0, 0);
    graph_maker_add(&m, "v", GGML_OP_VIEW, 1, 0);
    graph_maker_add(&m, "w", GGML_OP_SQR, 1, 0);
    m.tensors[1].view_src = 1;
    m.tensors[1].view_offs = 8;
    m.tensors[1].buffer = 0;
    graph_maker_add_node(&m, 1);
    graph_maker_add_node(&m, 2);
    assert_int_equal(graph_maker_compute(&m), 0);
    assert_ptr_equal((char *)m.seen->nodes[0].data + 128 - 8, m.seen->nodes[1].data);
    graph_maker_close(&m);
}

static void long_chain_is_no_recursion(void **state)
{
    (void)state;
    enum { LENGTH = 5000 };
    struct graph_maker m;
    graph_maker_open(&m);
    struct apir_tensor *tensors = calloc(LENGTH, sizeof *tensors);
    uint32_t *numbers = calloc(2 * LENGTH, sizeof *numbers);
    for (uint32_t i = 0; i < LENGTH; i++) {
        tensors[i] = fixture_tensor(GGML_TYPE_F32, 4, 1);
        tensors[i].buffer = m.buffer;
        tensors[i].op = i ? GGML_OP_SQR : GGML_OP_NONE;
        numbers[i] = i; /* a source is 1 + the index before */
        numbers[LENGTH + i] = i + 1;
        tensors[i].src = &numbers[i];
        tensors[i].n_src = i ? 1 : 0;
    }
    struct apir_enc enc;
    apir_enc_init(&enc, m.data, GRAPH_MAKER_SHM_SIZE);
    apir_encode_graph(&enc, &(struct apir_graph){.tensors = tensors, .n_tensors = LENGTH,
                                                 .nodes = &numbers[LENGTH], .n_nodes = LENGTH - 1});
    assert_true(apir_enc_ok(&enc));
    const struct apir_graph_compute_args args = {.stream = m.stream, .shm = GRAPH_MAKER_SHM, .size = apir_enc_used(&enc)};
    assert_int_equal(handle_graph_compute(m.f.executor, &m.f.scratch, &args), 0);
    assert_int_equal(m.seen->n_nodes, LENGTH - 1);
    free(numbers);
    free(tensors);
    graph_maker_close(&m);
}

static void graph_without_nodes_is_computed(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open(&m);
    assert_int_equal(graph_maker_compute(&m), 0);
    assert_int_equal(m.seen->n_nodes, 0);
    graph_maker_close(&m);
}

static void computed_graphs_are_counted(void **state)
{
    (void)state;
    struct graph_maker m;
    struct apir_executor_stats stats;
    graph_maker_open_chain(&m);
    for (int i = 0; i < 3; i++)
        assert_int_equal(graph_maker_compute(&m), 0);
    apir_executor_get_stats(m.f.executor, &stats);
    assert_int_equal(stats.graphs, 3);
    assert_int_equal(stats.nodes, 6);
    assert_int_equal(stats.buffers, 1);
    assert_int_equal(stats.buffer_bytes, 65536);
    graph_maker_close(&m);
}

static void kept_graph_is_computed_again(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open_chain(&m);
    int before = m.seen->graphs;
    assert_int_equal(graph_maker_compute_as(&m, 3), 0);
    memset(m.data, 0xff, GRAPH_MAKER_SHM_SIZE); /* its description is not needed any more */
    for (int i = 0; i < 3; i++)
        assert_int_equal(graph_maker_recompute(&m, m.stream, 3), 0);
    assert_int_equal(m.seen->graphs, before + 4);
    assert_int_equal(m.seen->n_nodes, 2);
    assert_string_equal(m.seen->nodes[0].name, "c");
    assert_string_equal(m.seen->nodes[1].name, "d");
    graph_maker_close(&m);
}

static void another_graph_takes_the_place_of_a_kept_one(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open_chain(&m);
    assert_int_equal(graph_maker_compute_as(&m, 1), 0);
    m.tensors[2].name = "another";
    assert_int_equal(graph_maker_compute_as(&m, 1), 0);
    assert_int_equal(graph_maker_recompute(&m, m.stream, 1), 0);
    assert_string_equal(m.seen->nodes[0].name, "another");
    graph_maker_close(&m);
}

static void graph_that_is_not_kept_is_refused(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open_chain(&m);
    assert_int_equal(graph_maker_recompute(&m, m.stream, 1), -ENOENT);
    assert_int_equal(graph_maker_compute(&m), 0);
    for (uint32_t number = 1; number <= APIR_MAX_GRAPHS; number++)
        assert_int_equal(graph_maker_recompute(&m, m.stream, number), -ENOENT);
    assert_int_equal(graph_maker_compute_as(&m, APIR_MAX_GRAPHS), 0);
    assert_int_equal(graph_maker_recompute(&m, m.stream, APIR_MAX_GRAPHS), 0);
    assert_int_equal(graph_maker_recompute(&m, m.buffer, APIR_MAX_GRAPHS), -ENOENT);
    graph_maker_close(&m);
}

static void graphs_of_other_streams_are_not_kept_here(void **state)
{
    (void)state;
    struct graph_maker m;
    struct apir_stream_create_reply other = {0};
    graph_maker_open_chain(&m);
    assert_int_equal(
        handle_stream_create(m.f.executor, &m.f.scratch, &(struct apir_stream_create_args){0}, &other), 0);
    assert_int_equal(graph_maker_compute_as(&m, 1), 0);
    assert_int_equal(graph_maker_recompute(&m, other.stream, 1), -ENOENT);
    graph_maker_close(&m);
}

/* A kept graph does not keep the memory of a buffer that its guest has freed, and does not use it. */
static void kept_graph_whose_buffer_is_gone_is_refused(void **state)
{
    (void)state;
    struct graph_maker m;
    struct apir_executor_stats stats;
    graph_maker_open_chain(&m);
    assert_int_equal(graph_maker_compute_as(&m, 1), 0);
    assert_int_equal(
        handle_buffer_free(m.f.executor, &m.f.scratch, &(struct apir_buffer_free_args){.buffer = m.buffer}), 0);
    apir_executor_get_stats(m.f.executor, &stats);
    assert_int_equal(stats.buffers, 0);
    m.buffer = fixture_alloc(&m.f, 65536); /* perhaps at the same place */
    int before = m.seen->graphs;
    assert_int_equal(graph_maker_recompute(&m, m.stream, 1), -ENOENT);
    assert_int_equal(m.seen->graphs, before);
    graph_maker_close(&m);
}

/* Backends attach things to tensors, and forget them with the reset of a buffer. */
static void kept_graph_is_bound_anew_after_a_reset(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open_chain(&m);
    assert_int_equal(graph_maker_compute_as(&m, 1), 0);
    assert_int_equal(graph_maker_recompute(&m, m.stream, 1), 0);
    assert_non_null(m.seen->nodes[0].extra);
    void *data = m.seen->nodes[1].data;
    assert_int_equal(
        handle_buffer_reset(m.f.executor, &m.f.scratch, &(struct apir_buffer_reset_args){.buffer = m.buffer}), 0);
    assert_int_equal(graph_maker_recompute(&m, m.stream, 1), 0);
    assert_null(m.seen->nodes[0].extra);
    assert_null(m.seen->nodes[1].extra);
    assert_ptr_equal(m.seen->nodes[1].data, data);
    assert_int_equal(graph_maker_recompute(&m, m.stream, 1), 0);
    assert_non_null(m.seen->nodes[0].extra); /* once is enough */
    graph_maker_close(&m);
}

static void cycle_is_refused(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open(&m);
    graph_maker_add(&m, "a", GGML_OP_SQR, 2, 0);
    graph_maker_add(&m, "b", GGML_OP_SQR, 1, 0);
    graph_maker_add_node(&m, 0);
    graph_maker_add_node(&m, 1);
    expect_refusal(&m, -EINVAL);
}

static void node_that_is_its_own_source_is_refused(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open(&m);
    graph_maker_add(&m, "a", GGML_OP_SQR, 1, 0);
    graph_maker_add_node(&m, 0);
    expect_refusal(&m, -EINVAL);
}

static void node_listed_twice_is_refused(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open_chain(&m);
    graph_maker_add_node(&m, 2);
    expect_refusal(&m, -EINVAL);
}

static void source_after_its_use_is_refused(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open_chain(&m);
    m.nodes[0] = 3;
    m.nodes[1] = 2;
    expect_refusal(&m, -EINVAL);
}

static void op_outside_of_the_nodes_is_refused(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open_chain(&m);
    m.n_nodes = 1;
    expect_refusal(&m, -EINVAL);
}

static void sources_outside_of_the_nodes_are_refused(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open_chain(&m);
    m.tensors[1].src = m.sources[2];
    m.tensors[1].n_src = 1; /* b has no op, but a source */
    expect_refusal(&m, -EINVAL);
}

static void node_out_of_range_is_refused(void **state)
{
    (void)state;
    static const uint32_t wrong[] = {4, 5, UINT32_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct graph_maker m;
        graph_maker_open_chain(&m);
        m.nodes[1] = wrong[i];
        expect_refusal(&m, -EINVAL);
    }
}

static void source_out_of_range_is_refused(void **state)
{
    (void)state;
    static const uint32_t wrong[] = {5, UINT32_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct graph_maker m;
        graph_maker_open_chain(&m);
        m.sources[3][0] = wrong[i];
        expect_refusal(&m, -EINVAL);
    }
}

static void tensor_without_a_buffer_is_refused(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open_chain(&m);
    m.tensors[0].buffer = 0;
    expect_refusal(&m, -ENOENT);
}

static void stream_in_the_place_of_a_buffer_is_refused(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open_chain(&m);
    m.tensors[0].buffer = m.stream;
    expect_refusal(&m, -ENOENT);
}

static void buffer_in_the_place_of_a_stream_is_refused(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open_chain(&m);
    m.stream = m.buffer;
    expect_refusal(&m, -ENOENT);
}

static void op_that_the_host_does_not_know_is_refused(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open_chain(&m);
    m.tensors[2].op = GGML_OP_CUSTOM;
    expect_refusal(&m, -EOPNOTSUPP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(device_sees_the_nodes_in_the_guests_order),
        cmocka_unit_test(independent_nodes_keep_any_order),
        cmocka_unit_test(device_sees_how_often_a_node_is_used),
        cmocka_unit_test(node_used_elsewhere_too_is_an_output),
        cmocka_unit_test(flags_are_the_guests),
        cmocka_unit_test(parameter_without_an_op_can_be_a_node),
        cmocka_unit_test(node_without_an_op_needs_no_flag),
        cmocka_unit_test(view_lies_where_its_offset_says),
        cmocka_unit_test(long_chain_is_no_recursion),
        cmocka_unit_test(graph_without_nodes_is_computed),
        cmocka_unit_test(computed_graphs_are_counted),
        cmocka_unit_test(kept_graph_is_computed_again),
        cmocka_unit_test(another_graph_takes_the_place_of_a_kept_one),
        cmocka_unit_test(graph_that_is_not_kept_is_refused),
        cmocka_unit_test(graphs_of_other_streams_are_not_kept_here),
        cmocka_unit_test(kept_graph_whose_buffer_is_gone_is_refused),
        cmocka_unit_test(kept_graph_is_bound_anew_after_a_reset),
        cmocka_unit_test(cycle_is_refused),
        cmocka_unit_test(node_that_is_its_own_source_is_refused),
        cmocka_unit_test(node_listed_twice_is_refused),
        cmocka_unit_test(source_after_its_use_is_refused),
        cmocka_unit_test(op_outside_of_the_nodes_is_refused),
        cmocka_unit_test(sources_outside_of_the_nodes_are_refused),
        cmocka_unit_test(node_out_of_range_is_refused),
        cmocka_unit_test(source_out_of_range_is_refused),
        cmocka_unit_test(tensor_without_a_buffer_is_refused),
        cmocka_unit_test(stream_in_the_place_of_a_buffer_is_refused),
        cmocka_unit_test(buffer_in_the_place_of_a_stream_is_refused),
        cmocka_unit_test(op_that_the_host_does_not_know_is_refused),
    };
    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
