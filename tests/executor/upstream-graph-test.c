/* Guests of the deployed protocol: graphs, backends, and questions about ops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "executor/upstream-private.h"
#include "upstream-guest.h"

#define GOOD LIBRARIES "/fake-good.so"
#define CALL(name) APIR_UPSTREAM_CALL_##name

enum {
    MAX = 8,
    INITIALIZE = 40, /* numbers of the later revision */
    CLEANUP = 41,
};

/* A guest and the graph that it makes. Ids are as arbitrary as addresses. */
struct maker {
    struct guest g;
    struct fake_seen *seen; /* NULL: a real library */
    uint64_t buffer;
    struct apir_upstream_tensor tensors[MAX];
    uint32_t n_tensors;
    uint64_t nodes[MAX];
    uint32_t n_nodes;
};

static uint64_t id_of(uint32_t index)
{
    return UINT64_C(0x7f0012345678) + 368 * (uint64_t)index;
}

static void open_maker(struct maker *m, const char *library)
{
    memset(m, 0, sizeof *m);
    guest_open(&m->g, library, NULL);
    m->g.f.executor->options.backend_initialize = INITIALIZE;
    m->g.f.executor->options.backend_cleanup = CLEANUP;
    guest_make_ready(&m->g);
    m->seen = ggml_backend_reg_get_proc_address(m->g.f.executor->library.files[0].reg, FAKE_SEEN);
    m->buffer = guest_alloc(&m->g);
}

/* Adds a tensor of 4 numbers, with sources by index + 1; its index. */
static uint32_t add(struct maker *m, const char *name, enum ggml_op op, uint32_t a, uint32_t b)
{
    uint32_t index = m->n_tensors++;
    struct apir_upstream_tensor *tensor = &m->tensors[index];
    *tensor = guest_tensor(id_of(index), m->buffer, 64 * (uint64_t)index, 4, 1);
    tensor->name = name;
    tensor->op = (uint32_t)op;
    tensor->flags = op == GGML_OP_NONE ? 0 : GGML_TENSOR_FLAG_COMPUTE;
    tensor->src[0] = a ? id_of(a - 1) : 0;
    tensor->src[1] = b ? id_of(b - 1) : 0;
    return index;
}

static void add_node(struct maker *m, uint32_t index)
{
    m->nodes[m->n_nodes++] = id_of(index);
}

/* a, b, c = a + b, d = c * b. */
static void make_chain(struct maker *m, const char *library)
{
    open_maker(m, library);
    add(m, "a", GGML_OP_NONE, 0, 0);
    add(m, "b", GGML_OP_NONE, 0, 0);
    add(m, "c", GGML_OP_ADD, 1, 2);
    add(m, "d", GGML_OP_MUL, 3, 2);
    add_node(m, 2);
    add_node(m, 3);
}

static size_t write_graph(struct maker *m)
{
    struct apir_enc enc;
    apir_enc_init(&enc, m->g.shm, GUEST_SHM_SIZE);
    apir_upstream_encode_graph(&enc, &(struct apir_upstream_graph){m->nodes, m->n_nodes, m->tensors, m->n_tensors});
    assert_true(apir_enc_ok(&enc));
    return apir_enc_used(&enc);
}

static uint32_t compute_on(struct maker *m, const struct apir_upstream_backend_id *backend)
{
    struct apir_upstream_backend_graph_compute_args args = {.shm = GUEST_SHM, .size = write_graph(m)};
    if (backend)
        args.backend = *backend;
    args.has_backend = backend != NULL;
    apir_upstream_encode_backend_graph_compute_args(&m->g.out, &args);
    return guest_call(&m->g, CALL(BACKEND_GRAPH_COMPUTE));
}

/* ggml's status of a graph that is not refused. */
static enum ggml_status compute(struct maker *m)
{
    assert_int_equal(compute_on(m, NULL), GUEST_DONE);
    int32_t status = apir_dec_i32(&m->g.in);
    assert_true(apir_dec_finish(&m->g.in));
    return (enum ggml_status)status;
}

static void close_maker(struct maker *m)
{
    guest_close(&m->g);
}

static void expect_refusal(struct maker *m)
{
    int before = m->seen->graphs;
    assert_int_equal(compute_on(m, NULL), GUEST_REFUSED);
    assert_int_equal(m->seen->graphs, before);
    close_maker(m);
}

static void transfer(struct maker *m, uint32_t function, uint32_t index, float values[4])
{
    const struct apir_upstream_buffer_set_tensor_args args = {m->buffer, m->tensors[index], GUEST_SHM, 0, 16};
    memcpy(m->g.shm, values, 16);
    apir_upstream_encode_buffer_set_tensor_args(&m->g.out, &args); /* those of get are the same */
    assert_int_equal(guest_call(&m->g, function), GUEST_DONE);
    memcpy(values, m->g.shm, 16);
}

static void a_graph_is_computed(void **state)
{
    (void)state;
    struct maker m;
    make_chain(&m, "cpu");
    transfer(&m, CALL(BUFFER_SET_TENSOR), 0, (float[]){1, 2, 3, 4});
    transfer(&m, CALL(BUFFER_SET_TENSOR), 1, (float[]){10, 20, 30, 40});
    assert_int_equal(compute(&m), GGML_STATUS_SUCCESS);
    float result[4] = {0};
    transfer(&m, CALL(BUFFER_GET_TENSOR), 3, result);
    assert_float_equal(result[0], 110, 0);
    assert_float_equal(result[3], 1760, 0);
    close_maker(&m);
}

static void the_device_sees_what_the_guest_listed_backwards(void **state)
{
    (void)state;
    struct maker m;
    make_chain(&m, GOOD);
    for (uint32_t i = 0; i < m.n_tensors / 2; i++) {
        struct apir_upstream_tensor tensor = m.tensors[i];
        m.tensors[i] = m.tensors[m.n_tensors - 1 - i];
        m.tensors[m.n_tensors - 1 - i] = tensor;
    }
    assert_int_equal(compute(&m), GGML_STATUS_SUCCESS);
    assert_int_equal(m.seen->n_nodes, 2);
    assert_int_equal(m.seen->n_leafs, 2);
    assert_string_equal(m.seen->nodes[0].name, "c");
    assert_int_equal(m.seen->nodes[0].use_count, 1);
    assert_string_equal(m.seen->nodes[1].name, "d");
    assert_int_equal(m.seen->nodes[1].flags, GGML_TENSOR_FLAG_COMPUTE);
    close_maker(&m);
}

static void a_value_that_may_be_used_elsewhere_is_kept(void **state)
{
    (void)state;
    struct maker m;
    make_chain(&m, GOOD);
    assert_int_equal(compute(&m), GGML_STATUS_SUCCESS);
    assert_int_equal(m.seen->nodes[0].flags, GGML_TENSOR_FLAG_COMPUTE | GGML_TENSOR_FLAG_OUTPUT);
    assert_int_equal(m.seen->nodes[1].flags, GGML_TENSOR_FLAG_COMPUTE);
    close_maker(&m);
}

static void a_value_that_is_overwritten_may_be_fused_away(void **state)
{
    (void)state;
    struct maker m;
    make_chain(&m, GOOD);
    m.tensors[3].data = m.tensors[2].data;
    assert_int_equal(compute(&m), GGML_STATUS_SUCCESS);
    assert_int_equal(m.seen->nodes[0].flags, GGML_TENSOR_FLAG_COMPUTE);
    close_maker(&m);
}

static void a_view_may_be_listed_before_what_it_views(void **state)
{
    (void)state;
    struct maker m;
    open_maker(&m, GOOD);
    add(&m, "view", GGML_OP_VIEW, 2, 0);
    add(&m, "all", GGML_OP_NONE, 0, 0);
    add(&m, "sum", GGML_OP_SQR, 1, 0);
    m.tensors[0].view_src = id_of(1);
    m.tensors[0].view_offs = 8;
    m.tensors[0].ne[0] = m.tensors[2].ne[0] = 2;
    add_node(&m, 0);
    add_node(&m, 2);
    assert_int_equal(compute(&m), GGML_STATUS_SUCCESS);
    assert_string_equal(m.seen->nodes[0].name, "view");
    uint64_t base = (uintptr_t)m.seen->nodes[1].data - m.tensors[2].data;
    assert_true((uintptr_t)m.seen->nodes[0].data == base + m.tensors[1].data + 8);
    close_maker(&m);
}

static void what_no_node_refers_to_does_not_count(void **state)
{
    (void)state;
    struct maker m;
    make_chain(&m, GOOD);
    uint32_t foreign = add(&m, "elsewhere", GGML_OP_CUSTOM, 0, 0);
    m.tensors[foreign].buffer = UINT64_C(0x560963d8cf90); /* deployed guests send what their other libraries have */
    m.tensors[foreign].type = GGML_TYPE_COUNT;
    m.tensors[0].op = GGML_OP_CPY; /* computed before, by nothing that is here */
    m.tensors[0].src[0] = id_of(foreign);
    assert_int_equal(compute(&m), GGML_STATUS_SUCCESS);
    assert_int_equal(m.seen->n_nodes, 2);
    close_maker(&m);
}

static void a_cast_may_be_its_own_source(void **state)
{
    (void)state;
    struct maker m;
    open_maker(&m, "cpu");
    add(&m, "a", GGML_OP_NONE, 0, 0);
    add(&m, "cast", GGML_OP_CPY, 1, 2);
    add_node(&m, 1);
    transfer(&m, CALL(BUFFER_SET_TENSOR), 0, (float[]){5, 6, 7, 8});
    assert_int_equal(compute(&m), GGML_STATUS_SUCCESS);
    float result[4] = {0};
    transfer(&m, CALL(BUFFER_GET_TENSOR), 1, result);
    assert_float_equal(result[3], 8, 0);
    close_maker(&m);
}

static void a_view_without_memory_is_left_out(void **state)
{
    (void)state;
    struct maker m;
    make_chain(&m, GOOD);
    uint32_t view = add(&m, "nowhere", GGML_OP_RESHAPE, 0, 0);
    m.tensors[view].buffer = 0;
    add_node(&m, view);
    assert_int_equal(compute(&m), GGML_STATUS_SUCCESS);
    assert_int_equal(m.seen->n_nodes, 2);
    close_maker(&m);
}

static void an_op_that_the_device_cannot_do_is_a_failure(void **state)
{
    (void)state;
    struct maker m;
    make_chain(&m, GOOD);
    m.seen->unsupported_op = GGML_OP_MUL;
    int before = m.seen->graphs;
    assert_int_equal(compute(&m), GGML_STATUS_FAILED);
    assert_int_equal(m.seen->graphs, before);
    m.seen->unsupported_op = 0;
    close_maker(&m);
}

/* A chain of n nodes whose ids differ in a few bits only; seconds of the processor that its order takes. */
static double order_chain(uint32_t n, unsigned shift)
{
    struct apir_arena arena = {0};
    struct apir_graph graph;
    struct apir_upstream_tensor *tensors = apir_arena_alloc(&arena, n * sizeof *tensors);
    uint64_t *nodes = apir_arena_alloc(&arena, n * sizeof *nodes);
    assert_true(tensors && nodes);
    for (uint32_t i = 0; i < n; i++) {
        tensors[i] = guest_tensor((i + UINT64_C(1)) << shift, 1, 0, 4, 1);
        nodes[i] = tensors[i].id;
        for (unsigned s = 0; i > 0 && s < APIR_UPSTREAM_MAX_SRC; s++)
            tensors[i].src[s] = nodes[i - 1];
    }
    clock_t start = clock();
    assert_int_equal(apir_upstream_convert_graph(&arena, &(struct apir_upstream_graph){nodes, n, tensors, n}, &graph), 0);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    assert_int_equal(graph.n_tensors, n);
    apir_arena_finish(&arena);
    return seconds;
}

/* The worst of these took a minute, in which the session could not end. */
static void no_choice_of_ids_makes_a_graph_slow(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift <= 48; shift += 16)
        assert_true(order_chain(65535, shift) < 5);
}

static void a_graph_of_nothing_is_computed(void **state)
{
    (void)state;
    struct maker m;
    open_maker(&m, GOOD);
    assert_int_equal(compute(&m), GGML_STATUS_SUCCESS);
    close_maker(&m);
}

/* Ways to spoil the chain. */
static void id_twice(struct maker *m) { m->tensors[1].id = m->tensors[0].id; }
static void id_zero(struct maker *m) { m->tensors[1].id = 0; }
static void node_missing(struct maker *m) { m->nodes[1] = 12345; }
static void node_zero(struct maker *m) { m->nodes[1] = 0; }
static void node_twice(struct maker *m) { m->nodes[1] = m->nodes[0]; }
static void nodes_backwards(struct maker *m)
{
    m->nodes[0] = id_of(3);
    m->nodes[1] = id_of(2);
}
static void source_missing(struct maker *m) { m->tensors[3].src[9] = 12345; }
static void source_is_not_computed(struct maker *m)
{
    m->nodes[0] = id_of(3);
    m->n_nodes = 1;
    m->tensors[2].buffer = 0;
}
static void sources_in_a_circle(struct maker *m) { m->tensors[2].src[0] = id_of(3); }
static void view_missing(struct maker *m) { m->tensors[2].view_src = 12345; }
static void view_of_itself(struct maker *m) { m->tensors[2].view_src = m->tensors[2].id; }
static void view_of_a_view(struct maker *m)
{
    m->tensors[3].view_src = id_of(2);
    m->tensors[2].view_src = id_of(0);
}
static void view_outside(struct maker *m)
{
    m->tensors[2].view_src = id_of(0);
    m->tensors[2].view_offs = GUEST_BUFFER_SIZE;
}
static void view_wraps(struct maker *m)
{
    m->tensors[2].view_src = id_of(1);
    m->tensors[2].view_offs = UINT64_MAX - 63;
}
static void no_buffer(struct maker *m) { m->tensors[2].buffer = 0; }
static void invented_buffer(struct maker *m) { m->tensors[0].buffer = m->buffer + 1; }
static void data_outside(struct maker *m) { m->tensors[2].data = GUEST_BUFFER_SIZE - 15; }
static void data_wraps(struct maker *m) { m->tensors[2].data = UINT64_MAX - 7; }
static void function_pointer(struct maker *m) { m->tensors[3].op = GGML_OP_MAP_CUSTOM1; }
static void no_such_op(struct maker *m) { m->tensors[3].op = GGML_OP_COUNT; }
static void no_such_unary(struct maker *m)
{
    m->tensors[3].op = GGML_OP_UNARY;
    m->tensors[3].op_params[0] = GGML_UNARY_OP_COUNT;
}
static void no_such_type(struct maker *m) { m->tensors[3].type = 31; }
static void huge(struct maker *m)
{
    for (int i = 0; i < 4; i++)
        m->tensors[i].ne[1] = INT32_MAX;
}

static void spoiled_graphs_are_refused(void **state)
{
    (void)state;
    static void (*const spoilers[])(struct maker * m) = {
        id_twice, id_zero, node_missing, node_zero, node_twice, nodes_backwards, source_missing,
        source_is_not_computed, sources_in_a_circle, view_missing, view_of_itself, view_of_a_view, view_outside,
        view_wraps, no_buffer, invented_buffer, data_outside, data_wraps, function_pointer, no_such_op,
        no_such_unary, no_such_type, huge,
    };
    for (size_t i = 0; i < sizeof spoilers / sizeof *spoilers; i++) {
        struct maker m;
        make_chain(&m, GOOD);
        spoilers[i](&m);
        expect_refusal(&m);
    }
}

static void a_node_that_ggml_does_not_make_is_a_failure(void **state)
{
    (void)state;
    struct maker m;
    make_chain(&m, "cpu");
    m.tensors[2].ne[0] = 8; /* of sources that have half as much */
    assert_int_equal(compute(&m), GGML_STATUS_FAILED);
    m.tensors[2].ne[0] = 4;
    assert_int_equal(compute(&m), GGML_STATUS_SUCCESS);
    close_maker(&m);
}

static void bytes_that_are_no_graph_are_refused(void **state)
{
    (void)state;
    struct maker m;
    make_chain(&m, GOOD);
    uint64_t size = write_graph(&m);
    const uint64_t sizes[] = {0, 3, 4, size - 1, size + 4, GUEST_SHM_SIZE + 1, APIR_UPSTREAM_MAX_GRAPH_BYTES + 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        apir_enc_u32(&m.g.out, GUEST_SHM);
        apir_enc_u64(&m.g.out, sizes[i]);
        assert_int_equal(guest_call(&m.g, CALL(BACKEND_GRAPH_COMPUTE)), GUEST_REFUSED);
    }
    memset(m.g.shm, 0xff, 4); /* so many nodes */
    apir_enc_u32(&m.g.out, GUEST_SHM);
    apir_enc_u64(&m.g.out, size);
    assert_int_equal(guest_call(&m.g, CALL(BACKEND_GRAPH_COMPUTE)), GUEST_REFUSED);
    apir_enc_u32(&m.g.out, GUEST_SHM + 1);
    apir_enc_u64(&m.g.out, size);
    assert_int_equal(guest_call(&m.g, CALL(BACKEND_GRAPH_COMPUTE)), GUEST_REFUSED);
    close_maker(&m);
}

static struct apir_upstream_backend_id initialize(struct maker *m)
{
    struct apir_upstream_backend_id id;
    apir_enc_u64(&m->g.out, 0x1234);
    assert_int_equal(guest_call(&m->g, INITIALIZE), GUEST_DONE);
    apir_upstream_decode_backend_id(&m->g.in, &id);
    assert_true(apir_dec_finish(&m->g.in));
    return id;
}

static uint32_t clean_up(struct maker *m, const struct apir_upstream_backend_id *id)
{
    apir_upstream_encode_backend_id(&m->g.out, id);
    return guest_call(&m->g, CLEANUP);
}

static void each_backend_has_a_number_and_a_stream(void **state)
{
    (void)state;
    struct maker m;
    make_chain(&m, GOOD);
    struct apir_upstream_backend_id a = initialize(&m), b = initialize(&m);
    assert_true(a.id != b.id && a.device == b.device && a.device != 0);
    assert_int_equal(compute_on(&m, &a), GUEST_DONE);
    assert_int_equal(compute_on(&m, &b), GUEST_DONE);
    assert_int_equal(compute_on(&m, NULL), GUEST_DONE);
    assert_int_equal(clean_up(&m, &a), GUEST_DONE);
    assert_int_equal(compute_on(&m, &a), GUEST_REFUSED);
    assert_int_equal(compute_on(&m, &b), GUEST_DONE);
    assert_int_equal(clean_up(&m, &a), GUEST_REFUSED);
    assert_int_equal(clean_up(&m, &b), GUEST_DONE);
    assert_int_equal(compute_on(&m, NULL), GUEST_DONE);
    close_maker(&m);
}

static void backends_of_no_number_or_device_are_refused(void **state)
{
    (void)state;
    struct maker m;
    make_chain(&m, GOOD);
    struct apir_upstream_backend_id good = initialize(&m);
    const struct apir_upstream_backend_id bad[] = {
        {good.device, 0}, {good.device, good.id + 1}, {0, good.id}, {m.g.buft, good.id}, {good.device, UINT32_MAX}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(compute_on(&m, &bad[i]), GUEST_REFUSED);
        assert_int_equal(clean_up(&m, &bad[i]), GUEST_REFUSED);
    }
    apir_enc_u32(&m.g.out, 1);
    assert_int_equal(guest_call(&m.g, INITIALIZE), GUEST_REFUSED);
    apir_enc_u64(&m.g.out, good.device);
    assert_int_equal(guest_call(&m.g, CLEANUP), GUEST_REFUSED);
    apir_enc_u32(&m.g.out, GUEST_SHM); /* neither length */
    apir_enc_u64(&m.g.out, write_graph(&m));
    apir_enc_u64(&m.g.out, good.device);
    assert_int_equal(guest_call(&m.g, CALL(BACKEND_GRAPH_COMPUTE)), GUEST_REFUSED);
    close_maker(&m);
}

static void places_of_backends_are_used_again_but_not_numbers(void **state)
{
    (void)state;
    struct maker m;
    make_chain(&m, GOOD);
    struct apir_upstream_backend_id first = initialize(&m), last = first;
    for (int i = 1; i < APIR_UPSTREAM_MAX_BACKENDS; i++)
        last = initialize(&m);
    apir_enc_u64(&m.g.out, 0);
    assert_int_equal(guest_call(&m.g, INITIALIZE), GUEST_REFUSED);
    assert_int_equal(clean_up(&m, &first), GUEST_DONE);
    assert_true(initialize(&m).id > last.id);
    close_maker(&m);
}

static void without_numbers_there_are_no_backends(void **state)
{
    (void)state;
    struct maker m;
    open_maker(&m, GOOD);
    m.g.f.executor->options.backend_initialize = m.g.f.executor->options.backend_cleanup = 0;
    apir_enc_u64(&m.g.out, 0);
    assert_int_equal(guest_call(&m.g, INITIALIZE), APIR_UPSTREAM_FORWARD_CODE_NO_DISPATCH_FCT);
    assert_int_equal(guest_call(&m.g, 0), GUEST_DONE);
    close_maker(&m);
}

static struct apir_upstream_raw_tensor raw(enum ggml_type type, uint64_t ne0, uint64_t ne1)
{
    struct apir_upstream_raw_tensor tensor = {.type = (uint32_t)type, .ne = {ne0, ne1, 1, 1}, .name = ""};
    tensor.nb[0] = ggml_type_size(type);
    tensor.nb[1] = ggml_row_size(type, (int64_t)ne0);
    tensor.nb[2] = tensor.nb[3] = tensor.nb[1] * ne1;
    return tensor;
}

static uint32_t ask_support(struct maker *m, const struct apir_upstream_raw_op *op)
{
    apir_upstream_encode_device_supports_op_args(&m->g.out, &(struct apir_upstream_device_supports_op_args){*op});
    return guest_call(&m->g, CALL(DEVICE_SUPPORTS_OP));
}

static void the_device_is_asked_what_it_supports(void **state)
{
    (void)state;
    struct maker m;
    open_maker(&m, "cpu");
    const struct apir_upstream_raw_tensor sources[] = {raw(GGML_TYPE_F32, 64, 2), raw(GGML_TYPE_F32, 64, 3)};
    struct apir_upstream_raw_op op = {.op = raw(GGML_TYPE_F32, 2, 3), .sources = sources, .n_sources = 2};
    op.op.op = GGML_OP_MUL_MAT;
    op.op.src[0] = 0xdead0;
    op.op.src[1] = 0xbeef0;
    assert_int_equal(ask_support(&m, &op), GUEST_DONE);
    assert_true(apir_dec_bool(&m.g.in));
    op.op.ne[0] = 3; /* what the product does not have */
    assert_int_equal(ask_support(&m, &op), GUEST_DONE);
    assert_false(apir_dec_bool(&m.g.in));
    op.op.type = GGML_TYPE_F32;
    op.op.op = GGML_OP_CUSTOM;
    assert_int_equal(ask_support(&m, &op), GUEST_DONE);
    assert_false(apir_dec_bool(&m.g.in));
    op.op.op = GGML_OP_COUNT;
    assert_int_equal(ask_support(&m, &op), GUEST_REFUSED);
    op.op = raw(GGML_TYPE_F32, UINT64_MAX, 2);
    op.n_sources = 0;
    assert_int_equal(ask_support(&m, &op), GUEST_REFUSED);
    close_maker(&m);
}

static void allocation_sizes_are_the_hosts(void **state)
{
    (void)state;
    struct maker m;
    open_maker(&m, "cpu");
    struct apir_upstream_buffer_type_get_alloc_size_args args = {.buffer_type = m.g.buft};
    args.op.op = raw(GGML_TYPE_Q4_0, 64, 4);
    args.op.op.buffer = 0x558da478fb10;
    args.op.buffer = 0x7ffde06f9bf8; /* an address of the guest's stack, as deployed */
    args.op.op.view_src = 0x558da478fc00;
    args.op.view = raw(GGML_TYPE_Q4_0, 64, 8);
    apir_upstream_encode_buffer_type_get_alloc_size_args(&m.g.out, &args);
    assert_int_equal(guest_call(&m.g, CALL(BUFFER_TYPE_GET_ALLOC_SIZE)), GUEST_DONE);
    assert_int_equal(apir_dec_u64(&m.g.in), 144);
    args.op.op.op = GGML_OP_FLASH_ATTN_EXT; /* without sources: no question for the host */
    apir_upstream_encode_buffer_type_get_alloc_size_args(&m.g.out, &args);
    assert_int_equal(guest_call(&m.g, CALL(BUFFER_TYPE_GET_ALLOC_SIZE)), GUEST_DONE);
    assert_int_equal(apir_dec_u64(&m.g.in), 144);
    args.op.op.type = GGML_TYPE_COUNT;
    apir_upstream_encode_buffer_type_get_alloc_size_args(&m.g.out, &args);
    assert_int_equal(guest_call(&m.g, CALL(BUFFER_TYPE_GET_ALLOC_SIZE)), GUEST_REFUSED);
    close_maker(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_graph_is_computed),
        cmocka_unit_test(the_device_sees_what_the_guest_listed_backwards),
        cmocka_unit_test(a_value_that_may_be_used_elsewhere_is_kept),
        cmocka_unit_test(a_value_that_is_overwritten_may_be_fused_away),
        cmocka_unit_test(a_view_may_be_listed_before_what_it_views),
        cmocka_unit_test(what_no_node_refers_to_does_not_count),
        cmocka_unit_test(a_cast_may_be_its_own_source),
        cmocka_unit_test(a_view_without_memory_is_left_out),
        cmocka_unit_test(an_op_that_the_device_cannot_do_is_a_failure),
        cmocka_unit_test(no_choice_of_ids_makes_a_graph_slow),
        cmocka_unit_test(a_graph_of_nothing_is_computed),
        cmocka_unit_test(spoiled_graphs_are_refused),
        cmocka_unit_test(a_node_that_ggml_does_not_make_is_a_failure),
        cmocka_unit_test(bytes_that_are_no_graph_are_refused),
        cmocka_unit_test(each_backend_has_a_number_and_a_stream),
        cmocka_unit_test(backends_of_no_number_or_device_are_refused),
        cmocka_unit_test(places_of_backends_are_used_again_but_not_numbers),
        cmocka_unit_test(without_numbers_there_are_no_backends),
        cmocka_unit_test(the_device_is_asked_what_it_supports),
        cmocka_unit_test(allocation_sizes_are_the_hosts),
    };
    return cmocka_run_group_tests_name("upstream graphs", tests, NULL, NULL);
}
