#include "backend/graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka-all.h"
#include "fake.h"

struct fixture {
    struct fake fake;
    struct apir_graph_builder builder;
    struct apir_graph graph;
    uint64_t next_offset;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fake_init(&fixture->fake, 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    apir_graph_builder_finish(&fixture->builder);
    fake_finish(&fixture->fake);
    free(fixture);
    return 0;
}

/* Puts a tensor somewhere in the first buffer. */
static struct ggml_tensor *placed(struct fixture *fixture, struct ggml_tensor *tensor)
{
    fake_place(tensor, &fixture->fake.buffers[0], fixture->next_offset);
    fixture->next_offset += 256;
    return tensor;
}

static struct ggml_tensor *leaf(struct fixture *fixture)
{
    return placed(fixture, ggml_new_tensor_1d(fixture->fake.ctx, GGML_TYPE_F32, 8));
}

static struct ggml_cgraph *graph_of(struct fixture *fixture, struct ggml_tensor *result)
{
    struct ggml_cgraph *cgraph = ggml_new_graph(fixture->fake.ctx);
    ggml_build_forward_expand(cgraph, result);
    return cgraph;
}

static int build(struct fixture *fixture, struct ggml_cgraph *cgraph)
{
    return apir_graph_build(&fixture->builder, &fixture->fake.reg, cgraph, &fixture->graph);
}

static const struct apir_tensor *node(const struct fixture *fixture, uint32_t i)
{
    assert_true(i < fixture->graph.n_nodes);
    return &fixture->graph.tensors[fixture->graph.nodes[i]];
}

static void node_refers_to_its_sources(void **state)
{
    struct fixture *fixture = *state;
    struct ggml_tensor *a = leaf(fixture), *b = leaf(fixture);
    struct ggml_tensor *sum = placed(fixture, ggml_add(fixture->fake.ctx, a, b));
    ggml_set_name(sum, "sum");
    assert_int_equal(build(fixture, graph_of(fixture, sum)), 0);
    assert_int_equal(fixture->graph.n_tensors, 3);
    assert_int_equal(fixture->graph.n_nodes, 1);
    const struct apir_tensor *to = node(fixture, 0);
    assert_string_equal(to->name, "sum");
    assert_int_equal(to->op, GGML_OP_ADD);
    assert_int_equal(to->buffer, 101);
    assert_int_equal(to->offset, 512);
    assert_int_equal(to->n_src, 2);
    assert_int_equal(fixture->graph.tensors[to->src[0] - 1].offset, 0);
    assert_int_equal(fixture->graph.tensors[to->src[1] - 1].offset, 256);
    assert_int_equal(to->ne[0], 8);
    assert_int_equal(to->nb[1], 32);
}

static void missing_source_between_others_is_0(void **state)
{
    struct fixture *fixture = *state;
    struct ggml_tensor *sum =
        placed(fixture, ggml_add(fixture->fake.ctx, leaf(fixture), leaf(fixture)));
    sum->src[3] = sum->src[1];
    sum->src[1] = NULL;
    assert_int_equal(build(fixture, graph_of(fixture, sum)), 0);
    assert_int_equal(node(fixture, 0)->n_src, 4);
    assert_int_equal(node(fixture, 0)->src[1], 0);
    assert_int_equal(node(fixture, 0)->src[2], 0);
    assert_int_not_equal(node(fixture, 0)->src[3], 0);
}

static void tensor_used_twice_is_listed_once(void **state)
{
    struct fixture *fixture = *state;
    struct ggml_tensor *a = leaf(fixture);
    struct ggml_tensor *sum = placed(fixture, ggml_add(fixture->fake.ctx, a, a));
    assert_int_equal(build(fixture, graph_of(fixture, sum)), 0);
    assert_int_equal(fixture->graph.n_tensors, 2);
    assert_int_equal(node(fixture, 0)->src[0], node(fixture, 0)->src[1]);
}

static void cast_that_is_its_own_source_has_the_memory_it_writes_as_source(void **state)
{
    struct fixture *fixture = *state;
    struct ggml_tensor *cast =
        placed(fixture, ggml_cast(fixture->fake.ctx, leaf(fixture), GGML_TYPE_F16));
    assert_ptr_equal(cast->src[1], cast);
    assert_int_equal(build(fixture, graph_of(fixture, cast)), 0);
    assert_int_equal(fixture->graph.n_tensors, 3);
    assert_int_equal(node(fixture, 0)->op, GGML_OP_CPY);
    const struct apir_tensor *memory = &fixture->graph.tensors[node(fixture, 0)->src[1] - 1];
    assert_int_equal(memory->op, GGML_OP_NONE);
    assert_int_equal(memory->buffer, node(fixture, 0)->buffer);
    assert_int_equal(memory->offset, node(fixture, 0)->offset);
    assert_int_equal(memory->type, GGML_TYPE_F16);
    assert_true(fixture->graph.nodes[0] > node(fixture, 0)->src[1] - 1);
}

static void viewed_tensor_precedes_its_view(void **state)
{
    struct fixture *fixture = *state;
    struct ggml_tensor *root = leaf(fixture);
    struct ggml_tensor *view = ggml_view_1d(fixture->fake.ctx, root, 4, 16);
    struct ggml_tensor *sum = placed(fixture, ggml_sqr(fixture->fake.ctx, view));
    view->op = GGML_OP_NONE; /* not a node, as an input that an application made by hand */
    view->src[0] = NULL;
    assert_int_equal(build(fixture, graph_of(fixture, sum)), 0);
    for (uint32_t i = 0; i < fixture->graph.n_tensors; i++)
        assert_true(fixture->graph.tensors[i].view_src <= i);
    const struct apir_tensor *to = &fixture->graph.tensors[node(fixture, 0)->src[0] - 1];
    assert_int_equal(to->view_src, 1);
    assert_int_equal(to->view_offs, 16);
    assert_int_equal(to->offset, 16);
    assert_int_equal(to->buffer, 101);
}

/* The graph of a split: a view of the nodes of the whole, which shares the rest. */
static struct apir_gen3_cgraph part(struct ggml_cgraph *whole, int first, int n)
{
    struct apir_gen3_cgraph view = *(struct apir_gen3_cgraph *)whole;
    view.nodes += first;
    view.n_nodes = n;
    view.n_leafs = 0;
    view.leafs = NULL;
    view.size = 0;
    return view;
}

static void source_outside_the_part_is_only_data(void **state)
{
    struct fixture *fixture = *state;
    struct ggml_tensor *first = placed(fixture, ggml_sqr(fixture->fake.ctx, leaf(fixture)));
    struct ggml_tensor *second = placed(fixture, ggml_sqrt(fixture->fake.ctx, first));
    struct apir_gen3_cgraph split = part(graph_of(fixture, second), 1, 1);
    assert_int_equal(build(fixture, (struct ggml_cgraph *)&split), 0);
    assert_int_equal(fixture->graph.n_tensors, 2);
    const struct apir_tensor *source = &fixture->graph.tensors[node(fixture, 0)->src[0] - 1];
    assert_int_equal(source->op, GGML_OP_NONE);
    assert_int_equal(source->n_src, 0);
}

static void use_counts_are_those_of_the_whole_graph(void **state)
{
    struct fixture *fixture = *state;
    struct ggml_tensor *first = placed(fixture, ggml_sqr(fixture->fake.ctx, leaf(fixture)));
    struct ggml_tensor *second = placed(fixture, ggml_sqrt(fixture->fake.ctx, first));
    struct ggml_tensor *third = placed(fixture, ggml_add(fixture->fake.ctx, second, first));
    struct apir_gen3_cgraph split = part(graph_of(fixture, third), 0, 2);
    assert_int_equal(build(fixture, (struct ggml_cgraph *)&split), 0);
    assert_int_equal(node(fixture, 0)->use_count, 2);
    assert_int_equal(node(fixture, 1)->use_count, 1);
}

static void tensor_that_the_graph_never_saw_has_no_uses(void **state)
{
    struct fixture *fixture = *state;
    struct ggml_tensor *result = placed(fixture, ggml_sqr(fixture->fake.ctx, leaf(fixture)));
    struct ggml_cgraph *cgraph = graph_of(fixture, result);
    result->src[0] = leaf(fixture); /* as the scheduler does with copies of inputs */
    assert_int_equal(build(fixture, cgraph), 0);
    assert_int_equal(fixture->graph.tensors[node(fixture, 0)->src[0] - 1].use_count, 0);
}

static void parameter_without_op_stays_a_node(void **state)
{
    struct fixture *fixture = *state;
    struct ggml_tensor *weight = leaf(fixture);
    ggml_set_param(weight);
    struct ggml_tensor *result = placed(fixture, ggml_sqr(fixture->fake.ctx, weight));
    struct ggml_cgraph *cgraph = graph_of(fixture, result);
    assert_int_equal(ggml_graph_n_nodes(cgraph), 2);
    assert_int_equal(build(fixture, cgraph), 0);
    assert_int_equal(fixture->graph.n_nodes, 2);
    assert_int_equal(node(fixture, 0)->op, GGML_OP_NONE);
    assert_true(node(fixture, 0)->flags & GGML_TENSOR_FLAG_PARAM);
}

static void view_in_a_foreign_buffer_is_left_out(void **state)
{
    struct fixture *fixture = *state;
    struct ggml_tensor *root = ggml_new_tensor_1d(fixture->fake.ctx, GGML_TYPE_F32, 8);
    fake_place_foreign(root, &fixture->fake);
    struct ggml_tensor *view = ggml_view_1d(fixture->fake.ctx, root, 4, 16);
    struct ggml_tensor *result = placed(fixture, ggml_sqr(fixture->fake.ctx, leaf(fixture)));
    struct ggml_cgraph *cgraph = graph_of(fixture, result);
    ggml_graph_add_node(cgraph, view);
    assert_int_equal(build(fixture, cgraph), 0);
    assert_int_equal(fixture->graph.n_nodes, 1);
    assert_int_equal(node(fixture, 0)->op, GGML_OP_SQR);
}

static void source_in_a_foreign_buffer_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct ggml_tensor *root = ggml_new_tensor_1d(fixture->fake.ctx, GGML_TYPE_F32, 8);
    fake_place_foreign(root, &fixture->fake);
    struct ggml_tensor *result = placed(fixture, ggml_sqr(fixture->fake.ctx, root));
    assert_int_equal(build(fixture, graph_of(fixture, result)), -EINVAL);
}

static void empty_tensor_without_buffer_gets_that_of_another(void **state)
{
    struct fixture *fixture = *state;
    struct ggml_tensor *empty = ggml_new_tensor_1d(fixture->fake.ctx, GGML_TYPE_F32, 0);
    struct ggml_tensor *result =
        placed(fixture, ggml_concat(fixture->fake.ctx, empty, leaf(fixture), 0));
    assert_int_equal(build(fixture, graph_of(fixture, result)), 0);
    const struct apir_tensor *source = &fixture->graph.tensors[node(fixture, 0)->src[0] - 1];
    assert_int_equal(source->ne[0], 0);
    assert_int_equal(source->buffer, 101);
    assert_int_equal(source->offset, 0);
}

static void graph_of_nothing_but_empty_tensors_has_no_nodes(void **state)
{
    struct fixture *fixture = *state;
    struct ggml_tensor *empty = ggml_new_tensor_1d(fixture->fake.ctx, GGML_TYPE_F32, 0);
    assert_int_equal(build(fixture, graph_of(fixture, ggml_sqr(fixture->fake.ctx, empty))), 0);
    assert_int_equal(fixture->graph.n_nodes, 0);
}

static void data_outside_its_buffer_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct ggml_tensor *result = placed(fixture, ggml_sqr(fixture->fake.ctx, leaf(fixture)));
    result->data = (char *)fixture->fake.buffers[0].ours.base - 32;
    assert_int_equal(build(fixture, graph_of(fixture, result)), -EINVAL);
}

static void node_used_before_it_is_computed_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct ggml_tensor *first = placed(fixture, ggml_sqr(fixture->fake.ctx, leaf(fixture)));
    struct ggml_tensor *second = placed(fixture, ggml_sqrt(fixture->fake.ctx, first));
    struct ggml_cgraph *cgraph = graph_of(fixture, second);
    ggml_graph_nodes(cgraph)[0] = second;
    ggml_graph_nodes(cgraph)[1] = first;
    assert_int_equal(build(fixture, cgraph), -EINVAL);
}

static void empty_graph_has_no_nodes(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(build(fixture, ggml_new_graph(fixture->fake.ctx)), 0);
    assert_int_equal(fixture->graph.n_nodes, 0);
}

static void second_build_reuses_the_memory(void **state)
{
    struct fixture *fixture = *state;
    struct ggml_cgraph *cgraph =
        graph_of(fixture, placed(fixture, ggml_sqr(fixture->fake.ctx, leaf(fixture))));
    assert_int_equal(build(fixture, cgraph), 0);
    const struct apir_graph_builder before = fixture->builder;
    assert_int_equal(build(fixture, cgraph), 0);
    assert_ptr_equal(fixture->builder.tensors, before.tensors);
    assert_ptr_equal(fixture->builder.nodes, before.nodes);
    assert_ptr_equal(fixture->builder.map.slots, before.map.slots);
    assert_int_equal(fixture->graph.n_tensors, 2);
}

static void large_graph_keeps_its_links(void **state)
{
    struct fixture *fixture = *state;
    enum { NODES = 2000 };
    struct ggml_context *ctx =
        ggml_init((struct ggml_init_params){.mem_size = 8 << 20, .no_alloc = true});
    struct ggml_tensor *last = leaf(fixture);
    for (int i = 0; i < NODES; i++) {
        last = ggml_sqr(ctx, last);
        fake_place(last, &fixture->fake.buffers[i % 2], (uint64_t)i * 64);
    }
    struct ggml_cgraph *cgraph = ggml_new_graph(ctx);
    ggml_build_forward_expand(cgraph, last);
    assert_int_equal(build(fixture, cgraph), 0);
    assert_int_equal(fixture->graph.n_nodes, NODES);
    for (uint32_t i = 1; i < NODES; i++) {
        assert_int_equal(node(fixture, i)->src[0], fixture->graph.nodes[i - 1] + 1);
        assert_int_equal(node(fixture, i)->buffer, 101 + i % 2);
    }
    ggml_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(node_refers_to_its_sources, setup, teardown),
        cmocka_unit_test_setup_teardown(missing_source_between_others_is_0, setup, teardown),
        cmocka_unit_test_setup_teardown(tensor_used_twice_is_listed_once, setup, teardown),
        cmocka_unit_test_setup_teardown(
            cast_that_is_its_own_source_has_the_memory_it_writes_as_source, setup, teardown),
        cmocka_unit_test_setup_teardown(viewed_tensor_precedes_its_view, setup, teardown),
        cmocka_unit_test_setup_teardown(source_outside_the_part_is_only_data, setup, teardown),
        cmocka_unit_test_setup_teardown(use_counts_are_those_of_the_whole_graph, setup, teardown),
        cmocka_unit_test_setup_teardown(tensor_that_the_graph_never_saw_has_no_uses, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(parameter_without_op_stays_a_node, setup, teardown),
        cmocka_unit_test_setup_teardown(view_in_a_foreign_buffer_is_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(source_in_a_foreign_buffer_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(empty_tensor_without_buffer_gets_that_of_another, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(graph_of_nothing_but_empty_tensors_has_no_nodes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(data_outside_its_buffer_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(node_used_before_it_is_computed_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(empty_graph_has_no_nodes, setup, teardown),
        cmocka_unit_test_setup_teardown(second_build_reuses_the_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(large_graph_keeps_its_links, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
