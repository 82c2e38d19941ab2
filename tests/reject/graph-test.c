/* Graphs in shared memory that must be refused before ggml sees them: c = a + b, spoiled. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "apir-protocol.h"
#include "reject/message.h"

enum {
    /* places in the encoded graph */
    N_TENSORS = 0,
    A = 4,
    B = A + TENSOR_SIZE,
    C = B + TENSOR_SIZE,          /* with two sources, 8 bytes more */
    NODES = C + TENSOR_SIZE + 8,
    GRAPH_SIZE = NODES + 8,
    /* in a tensor without sources; behind N_SRC of C all is 8 bytes later */
    TYPE = 0,
    OP = 4,
    NE = 16,
    NB = 48,
    OP_PARAMS = 80,
    N_SRC = 144,
    VIEW_SRC = 148,
    VIEW_OFFS = 152,
    BUFFER = 160,
    OFFSET = 168,
    NAME = 176,
};

/* Posts the graph as it now is in shared memory. */
static int compute(struct context *context)
{
    uint8_t request[MAX_MESSAGE];
    size_t size = message_write(context, message_of(APIR_CALL_GRAPH_COMPUTE), request);
    return raw_guest_call(&context->guest, &context->control, request, size);
}

static void must_be_refused(struct context *context, const char *what, uint64_t detail)
{
    char text[96];
    snprintf(text, sizeof text, "graph with %s %llu", what, (unsigned long long)detail);
    int status = compute(context);
    if (status >= 0)
        fail_msg("%s: status %d", text, status);
    context_assert_dead(context, text);
}

static void good_graph_is_computed_again_and_again(void **state)
{
    (void)state;
    struct context context;
    context_open(&context, CONTEXT_READY);
    assert_int_equal(context.graph_size, GRAPH_SIZE);
    for (int i = 0; i < 5; i++)
        assert_int_equal(compute(&context), 0);
    assert_int_equal(context_close(&context), 0);
}

static void truncated_graph_is_refused(void **state)
{
    (void)state;
    for (uint32_t size = 0; size < GRAPH_SIZE; size += size < B ? 1 : 4) {
        struct context context;
        context_open(&context, CONTEXT_READY);
        context.graph_size = size;
        must_be_refused(&context, "size", size);
    }
    assert_next_session_is_served();
}

static void graph_with_extra_bytes_is_refused(void **state)
{
    (void)state;
    for (uint32_t extra = 1; extra <= 8; extra++) {
        struct context context;
        context_open(&context, CONTEXT_READY);
        context.graph_size += extra;
        must_be_refused(&context, "extra bytes", extra);
    }
    assert_next_session_is_served();
}

static const struct {
    const char *what;
    size_t at;
    unsigned width;
    uint64_t value;
} bad[] = {
    {"no tensors", N_TENSORS, 4, 0},
    {"fewer tensors", N_TENSORS, 4, 2},
    {"more tensors", N_TENSORS, 4, 4},
    {"too many tensors", N_TENSORS, 4, APIR_MAX_TENSORS + 1},
    {"countless tensors", N_TENSORS, 4, UINT32_MAX},
    {"fewer nodes than bytes", NODES, 4, 0},
    {"more nodes than bytes", NODES, 4, 2},
    {"countless nodes", NODES, 4, UINT32_MAX},
    {"node out of range", NODES + 4, 4, 3},
    {"node out of range", NODES + 4, 4, UINT32_MAX},
    {"node that is another", NODES + 4, 4, 0},
    {"op outside of the nodes", A + OP, 4, OP_ADD},
    {"unknown op", C + OP, 4, OP_UNKNOWN},
    {"op out of range", C + OP, 4, N_OPS},
    {"op out of range", C + OP, 4, UINT32_MAX},
    {"unknown type", A + TYPE, 4, TYPE_UNKNOWN},
    {"type out of range", A + TYPE, 4, UINT32_MAX},
    {"type whose block is larger than a row", A + TYPE, 4, TYPE_Q4_0},
    {"source out of range", C + N_SRC + 4, 4, 4},
    {"source out of range", C + N_SRC + 4, 4, UINT32_MAX},
    {"node as its own source", C + N_SRC + 4, 4, 3},
    {"too many sources", C + N_SRC, 4, 11},
    {"countless sources", C + N_SRC, 4, UINT32_MAX},
    {"view of itself", A + VIEW_SRC, 4, 1},
    {"view of a later one", A + VIEW_SRC, 4, 2},
    {"view out of range", A + VIEW_SRC, 4, 4},
    {"view out of range", A + VIEW_SRC, 4, UINT32_MAX},
    {"offset of a view out of range", B + VIEW_OFFS, 8, APIR_MAX_SIZE + 1},
    {"no buffer", A + BUFFER, 8, 0},
    {"no such buffer", A + BUFFER, 8, UINT64_MAX},
    {"data past its buffer", A + OFFSET, 8, BUFFER_SIZE - 63},
    {"data far away", A + OFFSET, 8, APIR_MAX_SIZE},
    {"data further away", A + OFFSET, 8, UINT64_MAX - 63},
    {"endless rows", A + NE, 8, APIR_MAX_SIZE},
    {"negative rows", A + NE, 8, UINT64_MAX},
    {"strides past the buffer", A + NB + 8, 8, BUFFER_SIZE},
    {"strides that wrap", A + NB + 8, 8, UINT64_MAX / 3 + 1},
    {"name without an end", A + NAME + 9, 1, 'x'},
    {"name of no size", A + NAME, 8, 0},
    {"name that is too long", A + NAME, 8, 65},
};

/* What ggml could not have made of its sources fails as a graph, and computes nothing. */
static const struct {
    const char *what;
    size_t at;
    uint64_t value;
} unsound[] = {
    {"rows past the buffer", A + NE + 8, BUFFER_SIZE / 16 + 1},
    {"a row past the buffer", A + NE, BUFFER_SIZE},
    {"a row more", A + NE + 8, 5},
};

static void unsound_graphs_fail(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof unsound / sizeof *unsound; i++) {
        struct context context;
        context_open(&context, CONTEXT_READY);
        memcpy((char *)context.graph.data + unsound[i].at, &unsound[i].value, sizeof unsound[i].value);
        if (compute(&context) != 0)
            fail_msg("graph with %s: refused", unsound[i].what);
        assert_int_not_equal(context_collect(&context), APIR_GRAPH_STATUS_SUCCESS);
        assert_int_equal(context_close(&context), 0);
    }
    assert_next_session_is_served();
}

static void bad_graphs_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct context context;
        context_open(&context, CONTEXT_READY);
        memcpy((char *)context.graph.data + bad[i].at, &bad[i].value, bad[i].width);
        must_be_refused(&context, bad[i].what, bad[i].value);
    }
    assert_next_session_is_served();
}

static void unknown_sub_op_is_refused(void **state)
{
    (void)state;
    static const uint32_t sub_ops[] = {1, 2, 512, UINT32_MAX};
    for (size_t i = 0; i < sizeof sub_ops / sizeof *sub_ops; i++) {
        struct context context;
        const uint32_t op = OP_UNARY;
        context_open(&context, CONTEXT_READY);
        memcpy((char *)context.graph.data + C + OP, &op, sizeof op);
        memcpy((char *)context.graph.data + C + OP_PARAMS, &sub_ops[i], sizeof sub_ops[i]);
        must_be_refused(&context, "sub-op", sub_ops[i]);
    }
    assert_next_session_is_served();
}

static void view_past_its_buffer_is_refused(void **state)
{
    (void)state;
    static const uint64_t offsets[] = {BUFFER_SIZE - 63, BUFFER_SIZE, APIR_MAX_SIZE};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        struct context context;
        const uint32_t first = 1;
        context_open(&context, CONTEXT_READY);
        memcpy((char *)context.graph.data + B + VIEW_SRC, &first, sizeof first);
        memcpy((char *)context.graph.data + B + VIEW_OFFS, &offsets[i], sizeof offsets[i]);
        must_be_refused(&context, "offset of a view", offsets[i]);
    }
    assert_next_session_is_served();
}

static void stale_buffers_and_other_kinds_are_refused(void **state)
{
    (void)state;
    for (int which = 0; which < 2; which++) {
        struct context context;
        context_open(&context, CONTEXT_USED);
        const uint64_t handle = which ? context.stale_buffer : context.stream;
        memcpy((char *)context.graph.data + B + BUFFER, &handle, sizeof handle);
        must_be_refused(&context, "handle", handle);
    }
    assert_next_session_is_served();
}

static void view_inside_its_buffer_is_computed(void **state)
{
    (void)state;
    struct context context;
    const uint32_t first = 1;
    const uint64_t offset = 256;
    context_open(&context, CONTEXT_READY);
    memcpy((char *)context.graph.data + B + VIEW_SRC, &first, sizeof first);
    memcpy((char *)context.graph.data + B + VIEW_OFFS, &offset, sizeof offset);
    assert_int_equal(compute(&context), 0);
    assert_int_equal(context_close(&context), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_graph_is_computed_again_and_again),
        cmocka_unit_test(truncated_graph_is_refused),
        cmocka_unit_test(graph_with_extra_bytes_is_refused),
        cmocka_unit_test(unsound_graphs_fail),
        cmocka_unit_test(bad_graphs_are_refused),
        cmocka_unit_test(unknown_sub_op_is_refused),
        cmocka_unit_test(view_past_its_buffer_is_refused),
        cmocka_unit_test(stale_buffers_and_other_kinds_are_refused),
        cmocka_unit_test(view_inside_its_buffer_is_computed),
    };
    return cmocka_run_group_tests_name("reject graphs", tests, context_group_setup, NULL);
}
