/* Graphs that fail: nobody waits for them, so the stream computes none until somebody was told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "graph-maker.h"

static void decide(struct graph_maker *m, enum ggml_status status)
{
    int32_t word = (int32_t)status;
    const struct apir_buffer_write_args args = {
        .buffer = m->buffer, .offset = 0, .data = (const uint8_t *)&word, .n_data = sizeof word};
    assert_int_equal(handle_buffer_write(m->f.executor, &m->f.scratch, &args), 0);
}

/* a; judge = sqr(a), which ends the graph with the status that a holds: success at first. */
static void open_judge(struct graph_maker *m)
{
    graph_maker_open(m);
    graph_maker_add(m, "a", GGML_OP_NONE, 0, 0);
    graph_maker_add(m, FAKE_JUDGE, GGML_OP_SQR, 1, 0);
    graph_maker_add_node(m, 1);
    decide(m, GGML_STATUS_SUCCESS);
}

static void expect_collected(struct graph_maker *m, enum apir_graph_status status)
{
    struct apir_stream_collect_reply reply = {0};
    const struct apir_stream_collect_args args = {.stream = m->stream};
    assert_int_equal(handle_stream_collect(m->f.executor, &m->f.scratch, &args, &reply), 0);
    assert_int_equal(reply.status, status);
}

static void failure_is_told_as_it_is(void **state)
{
    (void)state;
    static const struct {
        enum ggml_status status;
        enum apir_graph_status told;
    } cases[] = {{GGML_STATUS_FAILED, APIR_GRAPH_STATUS_FAILED},
                 {GGML_STATUS_ALLOC_FAILED, APIR_GRAPH_STATUS_ALLOC_FAILED},
                 {GGML_STATUS_ABORTED, APIR_GRAPH_STATUS_ABORTED}};
    struct graph_maker m;
    open_judge(&m);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        decide(&m, cases[i].status);
        assert_int_equal(graph_maker_compute(&m), cases[i].told);
        expect_collected(&m, cases[i].told);
        expect_collected(&m, APIR_GRAPH_STATUS_SUCCESS); /* once */
    }
    decide(&m, GGML_STATUS_SUCCESS);
    assert_int_equal(graph_maker_compute(&m), 0);
    graph_maker_close(&m);
}

static void nothing_is_computed_until_the_failure_is_collected(void **state)
{
    (void)state;
    struct graph_maker m;
    open_judge(&m);
    assert_int_equal(graph_maker_compute_as(&m, 1), 0);
    decide(&m, GGML_STATUS_ALLOC_FAILED);
    assert_int_equal(graph_maker_recompute(&m, m.stream, 1), APIR_GRAPH_STATUS_ALLOC_FAILED);
    decide(&m, GGML_STATUS_FAILED);
    int before = m.seen->graphs;
    assert_int_equal(graph_maker_compute(&m), 0);
    assert_int_equal(graph_maker_compute_as(&m, 2), 0);
    assert_int_equal(graph_maker_recompute(&m, m.stream, 1), 0);
    assert_int_equal(graph_maker_recompute(&m, m.stream, 2), 0); /* it was skipped, too */
    assert_int_equal(m.seen->graphs, before);
    expect_collected(&m, APIR_GRAPH_STATUS_ALLOC_FAILED); /* the first one's */
    decide(&m, GGML_STATUS_SUCCESS);
    assert_int_equal(graph_maker_recompute(&m, m.stream, 1), 0);
    assert_int_equal(m.seen->graphs, before + 1);
    graph_maker_close(&m);
}

static void graph_that_fails_or_is_skipped_is_not_kept(void **state)
{
    (void)state;
    struct graph_maker m;
    open_judge(&m);
    decide(&m, GGML_STATUS_FAILED);
    assert_int_equal(graph_maker_compute_as(&m, 1), APIR_GRAPH_STATUS_FAILED);
    assert_int_equal(graph_maker_compute_as(&m, 2), 0);
    expect_collected(&m, APIR_GRAPH_STATUS_FAILED);
    assert_int_equal(graph_maker_recompute(&m, m.stream, 1), -ENOENT);
    assert_int_equal(graph_maker_recompute(&m, m.stream, 2), -ENOENT);
    graph_maker_close(&m);
}

static void failure_of_one_stream_is_not_another_s(void **state)
{
    (void)state;
    struct graph_maker m;
    struct apir_stream_create_reply other = {0};
    open_judge(&m);
    assert_int_equal(
        handle_stream_create(m.f.executor, &m.f.scratch, &(struct apir_stream_create_args){0}, &other), 0);
    decide(&m, GGML_STATUS_FAILED);
    assert_int_equal(graph_maker_compute(&m), APIR_GRAPH_STATUS_FAILED);
    decide(&m, GGML_STATUS_SUCCESS);
    uint64_t failed = m.stream;
    m.stream = other.stream;
    int before = m.seen->graphs;
    assert_int_equal(graph_maker_compute(&m), 0);
    assert_int_equal(m.seen->graphs, before + 1);
    expect_collected(&m, APIR_GRAPH_STATUS_SUCCESS);
    m.stream = failed;
    expect_collected(&m, APIR_GRAPH_STATUS_FAILED);
    graph_maker_close(&m);
}

static void refusal_is_no_failure(void **state)
{
    (void)state;
    struct graph_maker m;
    open_judge(&m);
    m.nodes[0] = 7;
    assert_int_equal(graph_maker_compute(&m), -EINVAL);
    expect_collected(&m, APIR_GRAPH_STATUS_SUCCESS);
    graph_maker_close(&m);
}

static void expect_failure(struct graph_maker *m)
{
    int before = m->seen->graphs;
    assert_int_equal(graph_maker_compute_as(m, 1), APIR_GRAPH_STATUS_FAILED);
    assert_int_equal(m->seen->graphs, before);
    expect_collected(m, APIR_GRAPH_STATUS_FAILED);
    assert_int_equal(graph_maker_recompute(m, m->stream, 1), -ENOENT);
}

static void a_node_that_ggml_does_not_make_is_a_failure(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open_chain(&m);
    m.tensors[3].ne[0] /= 2;
    expect_failure(&m);
    m.tensors[3].ne[0] *= 2;
    m.tensors[3].n_src = 1;
    expect_failure(&m);
    m.tensors[3].n_src = 2;
    assert_int_equal(graph_maker_compute(&m), 0);
    graph_maker_close(&m);
}

static void an_op_that_the_device_cannot_do_is_a_failure(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open_chain(&m);
    m.seen->unsupported_op = GGML_OP_MUL;
    expect_failure(&m);
    m.seen->unsupported_op = 0;
    assert_int_equal(graph_maker_compute(&m), 0);
    graph_maker_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failure_is_told_as_it_is),
        cmocka_unit_test(nothing_is_computed_until_the_failure_is_collected),
        cmocka_unit_test(graph_that_fails_or_is_skipped_is_not_kept),
        cmocka_unit_test(failure_of_one_stream_is_not_another_s),
        cmocka_unit_test(refusal_is_no_failure),
        cmocka_unit_test(a_node_that_ggml_does_not_make_is_a_failure),
        cmocka_unit_test(an_op_that_the_device_cannot_do_is_a_failure),
    };
    return cmocka_run_group_tests_name("graph-failure", tests, NULL, NULL);
}
