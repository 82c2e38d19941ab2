#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "backend/abi/abi.h"
#include "backend/graph-memory.h"
#include "fake.h"

enum { NODES = 6 };

/* A chain of additions; nothing of it is computed. */
struct fixture {
    struct apir_reg reg;
    struct ggml_context *context;
    struct ggml_tensor *leaf, *viewed, *nodes[NODES];
    struct ggml_cgraph *graph;
    struct apir_graph_builder builder;
    struct apir_graph_memory memory;
};

static void set_up(struct fixture *f)
{
    struct ggml_init_params params = {.mem_size = 1 << 20, .no_alloc = true};
    memset(f, 0, sizeof *f);
    f->reg.abi = apir_abi_find(ggml_version());
    f->reg.print = apir_content_choose();
    f->context = ggml_init(params);
    f->leaf = ggml_new_tensor_2d(f->context, GGML_TYPE_F32, 8, 8);
    f->viewed = ggml_new_tensor_2d(f->context, GGML_TYPE_F32, 8, 16);
    struct ggml_tensor *view = ggml_view_2d(f->context, f->viewed, 8, 8, f->viewed->nb[1], 0);
    view->op = GGML_OP_NONE; /* a leaf that is a view */
    view->src[0] = NULL;
    f->nodes[0] = ggml_add(f->context, f->leaf, view);
    for (int i = 1; i < NODES; i++)
        f->nodes[i] = ggml_add(f->context, f->nodes[i - 1], f->leaf);
    f->graph = ggml_new_graph(f->context);
    ggml_build_forward_expand(f->graph, f->nodes[NODES - 1]);
    assert_int_equal(ggml_graph_n_nodes(f->graph), NODES);
}

static void tear_down(struct fixture *f)
{
    apir_graph_memory_finish(&f->memory);
    ggml_free(f->context);
}

static struct apir_graph_note *find(struct fixture *f)
{
    return apir_graph_memory_find(&f->memory, &f->reg, f->graph);
}

static struct apir_graph_note *remember(struct fixture *f)
{
    struct apir_graph_note *note = apir_graph_memory_take(&f->memory);
    apir_graph_memory_fill(&f->memory, note, &f->reg, f->graph, &f->builder);
    return note;
}

static void graph_is_known_after_it_was_noted(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    assert_null(find(&f));
    struct apir_graph_note *note = remember(&f);
    assert_true(note->number >= 1 && note->number <= APIR_MAX_GRAPHS);
    assert_ptr_equal(find(&f), note);
    assert_int_equal(note->n_direct, 2);
    assert_int_equal(note->n_leafs, 3);
    tear_down(&f);
}

static void note_that_was_only_taken_is_not_found(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    apir_graph_memory_take(&f.memory);
    assert_null(find(&f));
    tear_down(&f);
}

/* Every byte that may decide what the host computes. */
static void any_change_of_a_tensor_makes_another_graph(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    remember(&f);
    struct ggml_tensor *tensors[] = {f.nodes[0], f.nodes[NODES - 1], f.leaf, f.viewed, f.nodes[0]->src[1]};
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        for (size_t at = 0; at < offsetof(struct ggml_tensor, name); at++) {
            size_t pointers = offsetof(struct ggml_tensor, src);
            if ((at >= 4 && at < 8) || (at >= pointers && at < offsetof(struct ggml_tensor, view_offs)))
                continue; /* padding; and pointers, which would be followed */
            uint8_t *byte = (uint8_t *)tensors[i] + at;
            *byte ^= 0x10;
            assert_null(find(&f));
            *byte ^= 0x10;
        }
        assert_non_null(find(&f));
    }
    tear_down(&f);
}

static void another_source_makes_another_graph(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    remember(&f);
    f.nodes[3]->src[1] = f.viewed;
    assert_null(find(&f));
    f.nodes[3]->src[1] = f.leaf;
    assert_non_null(find(&f));
    tear_down(&f);
}

static void name_makes_no_other_graph(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    remember(&f);
    ggml_set_name(f.nodes[2], "another");
    assert_non_null(find(&f));
    tear_down(&f);
}

static int32_t *use_count_of(struct fixture *f, const struct ggml_tensor *tensor)
{
    struct apir_gen3_cgraph *graph = (struct apir_gen3_cgraph *)f->graph;
    size_t at = 0;
    while (!(graph->visited_hash_set.used[at / 32] >> at % 32 & 1) || graph->visited_hash_set.keys[at] != tensor)
        at++;
    return &graph->use_counts[at];
}

/* A part of a graph, whose value the rest uses too, is not the same as that part alone. */
static void use_by_others_makes_another_graph(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    remember(&f);
    for (int i = 0; i < NODES; i++) {
        ++*use_count_of(&f, f.nodes[i]);
        assert_null(find(&f));
        --*use_count_of(&f, f.nodes[i]);
    }
    assert_non_null(find(&f));
    tear_down(&f);
}

/* Made anew, by itself: ggml's table of the graph may be in another order. */
static void same_graph_made_anew_is_known(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    remember(&f);
    f.graph = ggml_new_graph_custom(f.context, 100, false);
    ggml_build_forward_expand(f.graph, f.nodes[NODES - 1]);
    assert_non_null(find(&f));
    tear_down(&f);
}

/* Freed, and another made at the same addresses. */
static void graph_of_a_buffer_that_is_gone_is_not_known(void **state)
{
    (void)state;
    static struct fake fake;
    struct apir_graph_builder builder = {0};
    struct apir_graph_memory memory = {0};
    struct apir_graph graph;
    fake_init(&fake, 0);
    struct ggml_tensor *x = ggml_new_tensor_1d(fake.ctx, GGML_TYPE_F32, 8), *sqr = ggml_sqr(fake.ctx, x);
    struct ggml_cgraph *cgraph = ggml_new_graph(fake.ctx);
    ggml_build_forward_expand(cgraph, sqr);
    fake_place(x, &fake.buffers[0], 0);
    fake_place(sqr, &fake.buffers[0], 64);
    assert_int_equal(apir_graph_build(&builder, &fake.reg, cgraph, &graph), 0);
    struct apir_graph_note *note = apir_graph_memory_take(&memory);
    apir_graph_memory_fill(&memory, note, &fake.reg, cgraph, &builder);
    assert_int_equal(note->n_buffers, 1);
    assert_ptr_equal(apir_graph_memory_find(&memory, &fake.reg, cgraph), note);
    fake.buffers[0].ours.handle++;
    assert_null(apir_graph_memory_find(&memory, &fake.reg, cgraph));
    fake.buffers[0].ours.handle--;
    fake.buffers[0].of_ggml.context = &fake.buffers[1].ours;
    assert_null(apir_graph_memory_find(&memory, &fake.reg, cgraph));
    apir_graph_memory_finish(&memory);
    apir_graph_builder_finish(&builder);
    fake_finish(&fake);
}

static void oldest_graph_is_forgotten_first(void **state)
{
    (void)state;
    struct fixture f;
    struct apir_graph_note *notes[APIR_MAX_GRAPHS];
    set_up(&f);
    for (unsigned i = 0; i < APIR_MAX_GRAPHS; i++) {
        f.leaf->view_offs = i; /* another graph each time */
        notes[i] = remember(&f);
        for (unsigned k = 0; k < i; k++)
            assert_true(notes[k]->number != notes[i]->number);
    }
    f.leaf->view_offs = 0;
    assert_ptr_equal(find(&f), notes[0]); /* used again */
    f.leaf->view_offs = APIR_MAX_GRAPHS;
    assert_ptr_equal(remember(&f), notes[1]);
    f.leaf->view_offs = 1;
    assert_null(find(&f));
    f.leaf->view_offs = 0;
    assert_ptr_equal(find(&f), notes[0]);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(graph_is_known_after_it_was_noted),
        cmocka_unit_test(note_that_was_only_taken_is_not_found),
        cmocka_unit_test(any_change_of_a_tensor_makes_another_graph),
        cmocka_unit_test(another_source_makes_another_graph),
        cmocka_unit_test(name_makes_no_other_graph),
        cmocka_unit_test(use_by_others_makes_another_graph),
        cmocka_unit_test(same_graph_made_anew_is_known),
        cmocka_unit_test(graph_of_a_buffer_that_is_gone_is_not_known),
        cmocka_unit_test(oldest_graph_is_forgotten_first),
    };
    return cmocka_run_group_tests_name("graph memory", tests, NULL, NULL);
}
