/* Graphs told by what differs from a kept one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "apir-codec.h"
#include "executor/private.h"
#include "fake-library.h"
#include "graph-maker.h"

/* Has the stream compute what differs from `base` in n changes, and keep it as `number`. */
static int derive(struct graph_maker *m, uint32_t base, uint32_t number, const struct apir_graph_change *changes,
                  uint32_t n)
{
    struct apir_enc enc;
    apir_enc_init(&enc, m->data, GRAPH_MAKER_SHM_SIZE);
    apir_encode_graph_changes(&enc, &(struct apir_graph_changes){.changes = changes, .n_changes = n});
    assert_true(apir_enc_ok(&enc));
    const struct apir_graph_derive_args args = {
        .stream = m->stream, .base = base, .shm = GRAPH_MAKER_SHM, .size = apir_enc_used(&enc), .graph = number};
    return handle_graph_derive(m->f.executor, &m->f.scratch, &args);
}

/* The chain's node c, under another name. */
static struct apir_graph_change renamed(const struct graph_maker *m, const char *name)
{
    struct apir_graph_change change = {.index = 2, .tensor = m->tensors[2]};
    change.tensor.name = name;
    return change;
}

static void changes_are_applied_to_the_base(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open_chain(&m);
    assert_int_equal(graph_maker_compute_as(&m, 1), 0);
    struct apir_graph_change change = renamed(&m, "changed");
    assert_int_equal(derive(&m, 1, 2, &change, 1), 0);
    assert_int_equal(m.seen->n_nodes, 2);
    assert_string_equal(m.seen->nodes[0].name, "changed");
    assert_string_equal(m.seen->nodes[1].name, "d");
    graph_maker_close(&m);
}

static void both_are_kept(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open_chain(&m);
    assert_int_equal(graph_maker_compute_as(&m, 1), 0);
    struct apir_graph_change change = renamed(&m, "changed");
    assert_int_equal(derive(&m, 1, 2, &change, 1), 0);
    memset(m.data, 0xff, GRAPH_MAKER_SHM_SIZE);
    assert_int_equal(graph_maker_recompute(&m, m.stream, 1), 0);
    assert_string_equal(m.seen->nodes[0].name, "c");
    assert_int_equal(graph_maker_recompute(&m, m.stream, 2), 0);
    assert_string_equal(m.seen->nodes[0].name, "changed");
    graph_maker_close(&m);
}

static void what_is_derived_outlives_its_base(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open_chain(&m);
    assert_int_equal(graph_maker_compute_as(&m, 1), 0);
    for (uint32_t i = 0; i < 20; i++) { /* each is made of the one before, which is then replaced */
        struct apir_graph_change change = renamed(&m, i % 2 ? "odd" : "even");
        assert_int_equal(derive(&m, i % 2 ? 2 : 1, i % 2 ? 1 : 2, &change, 1), 0);
        assert_string_equal(m.seen->nodes[0].name, i % 2 ? "odd" : "even");
        assert_string_equal(m.seen->nodes[1].name, "d");
    }
    struct apir_graph_change change = renamed(&m, "itself");
    assert_int_equal(derive(&m, 1, 1, &change, 1), 0);
    assert_int_equal(graph_maker_recompute(&m, m.stream, 1), 0);
    assert_string_equal(m.seen->nodes[0].name, "itself");
    graph_maker_close(&m);
}

static void base_that_is_not_kept_is_refused(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open_chain(&m);
    struct apir_graph_change change = renamed(&m, "changed");
    assert_int_equal(derive(&m, 1, 2, &change, 1), -ENOENT);
    assert_int_equal(graph_maker_compute_as(&m, 1), 0);
    assert_int_equal(derive(&m, 2, 1, &change, 1), -ENOENT);
    assert_int_equal(graph_maker_recompute(&m, m.stream, 2), -ENOENT);
    graph_maker_close(&m);
}

/* The guest does not know yet that the base has failed. */
static void base_that_has_failed_is_no_mistake(void **state)
{
    (void)state;
    struct graph_maker m;
    struct apir_stream_collect_reply reply = {0};
    const int32_t failed = GGML_STATUS_FAILED;
    graph_maker_open_chain(&m);
    m.tensors[2].name = FAKE_JUDGE;
    const struct apir_buffer_write_args word = {
        .buffer = m.buffer, .offset = 0, .data = (const uint8_t *)&failed, .n_data = sizeof failed};
    assert_int_equal(handle_buffer_write(m.f.executor, &m.f.scratch, &word), 0);
    assert_int_equal(graph_maker_compute_as(&m, 1), APIR_GRAPH_STATUS_FAILED);
    struct apir_graph_change change = renamed(&m, "changed");
    assert_int_equal(derive(&m, 1, 2, &change, 1), 0);
    assert_int_equal(
        handle_stream_collect(m.f.executor, &m.f.scratch, &(struct apir_stream_collect_args){m.stream}, &reply), 0);
    assert_int_equal(reply.status, APIR_GRAPH_STATUS_FAILED);
    assert_int_equal(graph_maker_recompute(&m, m.stream, 2), -ENOENT); /* it was skipped */
    graph_maker_close(&m);
}

/* A graph that is put together of good parts is checked as any other. */
static void changes_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open_chain(&m);
    assert_int_equal(graph_maker_compute_as(&m, 1), 0);
    int graphs = m.seen->graphs;
    struct apir_graph_change change = renamed(&m, "c");
    change.index = m.n_tensors;
    assert_int_equal(derive(&m, 1, 2, &change, 1), -EINVAL);
    const uint32_t itself[] = {3, 3}, later[] = {4, 1}, outside[] = {1, 99};
    const uint32_t *const sources[] = {itself, later, outside};
    for (unsigned i = 0; i < 3; i++) {
        change = renamed(&m, "c");
        change.tensor.src = sources[i];
        change.tensor.n_src = 2;
        assert_int_equal(derive(&m, 1, 2, &change, 1), -EINVAL);
    }
    change = renamed(&m, "c");
    change.tensor.offset = UINT64_C(1) << 40;
    assert_int_equal(derive(&m, 1, 2, &change, 1), -ERANGE);
    change = renamed(&m, "c");
    change.tensor.buffer ^= 1;
    assert_int_equal(derive(&m, 1, 2, &change, 1), -ENOENT);
    assert_int_equal(m.seen->graphs, graphs);
    assert_int_equal(graph_maker_recompute(&m, m.stream, 1), 0); /* the base is as it was */
    assert_string_equal(m.seen->nodes[0].name, "c");
    graph_maker_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_applied_to_the_base),
        cmocka_unit_test(both_are_kept),
        cmocka_unit_test(what_is_derived_outlives_its_base),
        cmocka_unit_test(base_that_is_not_kept_is_refused),
        cmocka_unit_test(base_that_has_failed_is_no_mistake),
        cmocka_unit_test(changes_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests_name("derived graphs", tests, NULL, NULL);
}
