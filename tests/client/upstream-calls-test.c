/* Calls of apir's own protocol become those of deployed guests: made in the order of the samples, from what the samples
 * say, they are the same bytes. Ids of tensors are any numbers, and padding means nothing: both are made equal first.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apir-calls.h"
#include "apir-upstream-codec.h"
#include "client/queue.h"
#include "deployed-host.h"
#include "upstream/sample.h"
#include "util/arena.h"

enum {
    TENSOR_SIZE = 304,
    RAW_SIZE = 336,
    HEADER_SIZE = 12,
    MAX_TENSORS = 8,
};

/* Where things are in a tensor. */
enum {
    TENSOR_ID = 0,
    TENSOR_PAD0 = 12,
    TENSOR_SRC = 128,
    TENSOR_VIEW_SRC = 208,
    TENSOR_NAME = 232,
    TENSOR_PAD1 = 296,
    RAW_PAD0 = 4,
    RAW_SRC = 152,
    RAW_VIEW_SRC = 232,
    RAW_EXTRA = 320,
};

struct fixture {
    struct deployed_host host;
    struct apir_session *session;
    struct apir_queue *queue;
    struct apir_arena arena;
    unsigned seen; /* requests that were compared */
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct apir_session_options options = deployed_host_options();
    struct apir_load_library_reply reply;
    f->host.minor = 1;
    f->session = deployed_host_must_open(&f->host, &options);
    f->queue = apir_session_control(f->session);
    assert_int_equal(apir_call_load_library(f->queue, &f->arena, &reply), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    apir_session_close(f->session);
    deployed_host_finish(&f->host);
    apir_arena_finish(&f->arena);
    free(f);
    return 0;
}

static struct sample sample_of(const char *name)
{
    struct sample_folder folder;
    struct sample sample;
    sample_folder_init(&folder, UPSTREAM_VECTORS);
    if (!sample_read(&folder, name, &sample))
        fail_msg("no sample %s", name);
    return sample;
}

/* --- making equal --- */

static void clear(uint8_t *bytes, size_t offset, size_t size)
{
    memset(bytes + offset, 0, size);
}

/* Behind the end of the name there is anything. */
static void clear_name(uint8_t *name)
{
    size_t length = strnlen((const char *)name, APIR_UPSTREAM_MAX_NAME);
    clear(name, length, APIR_UPSTREAM_MAX_NAME - length);
}

static void clear_tensor(uint8_t *tensor)
{
    clear(tensor, TENSOR_ID, 8);
    clear(tensor, TENSOR_PAD0, 4);
    clear(tensor, TENSOR_SRC, TENSOR_VIEW_SRC + 8 - TENSOR_SRC);
    clear(tensor, TENSOR_PAD1, 8);
    clear_name(tensor + TENSOR_NAME);
}

/* A pointer that is not 0 is any other. */
static void make_one(uint8_t *pointer)
{
    uint64_t value;
    memcpy(&value, pointer, sizeof value);
    value = value != 0;
    memcpy(pointer, &value, sizeof value);
}

static void clear_raw(uint8_t *tensor)
{
    clear(tensor, RAW_PAD0, 4);
    for (unsigned i = 0; i < APIR_UPSTREAM_MAX_SRC; i++)
        make_one(tensor + RAW_SRC + 8 * i);
    make_one(tensor + RAW_VIEW_SRC);
    clear(tensor, RAW_EXTRA, RAW_SIZE - RAW_EXTRA);
}

/* What of a request behind its header is tensors: n of them from offset on. */
struct form {
    size_t offset;
    unsigned tensors, raws;
};

static void clear_all(uint8_t *request, const struct form *form)
{
    for (unsigned i = 0; i < form->tensors; i++)
        clear_tensor(request + HEADER_SIZE + form->offset + i * TENSOR_SIZE);
    for (unsigned i = 0; i < form->raws; i++)
        clear_raw(request + HEADER_SIZE + form->offset + i * RAW_SIZE);
}

/* The next request that was sent is the sample's. */
static void expect_with(struct fixture *f, const char *name, struct form form)
{
    struct sample sample = sample_of(name);
    struct deployed_request *request = &f->host.requests[f->seen++];
    assert_true(f->seen <= f->host.n_requests);
    if (request->size != sample.request.size)
        fail_msg("%s: %zu bytes instead of %zu", name, request->size, sample.request.size);
    clear_all(request->bytes, &form);
    clear_all(sample.request.data, &form);
    for (size_t i = 0; i < request->size; i++)
        if (request->bytes[i] != sample.request.data[i])
            fail_msg("%s: byte %zu is %02x instead of %02x", name, i, request->bytes[i], sample.request.data[i]);
}

static void expect(struct fixture *f, const char *name)
{
    expect_with(f, name, (struct form){0});
}

static void expect_no_more(const struct fixture *f)
{
    assert_int_equal(f->seen, f->host.n_requests);
}

/* --- what the samples say, in words of our own protocol --- */

static struct apir_tensor own_tensor(const struct apir_upstream_tensor *tensor)
{
    struct apir_tensor own = {
        .type = tensor->type,
        .op = tensor->op,
        .flags = (uint32_t)tensor->flags,
        .buffer = tensor->buffer,
        .offset = tensor->data,
        .view_offs = tensor->view_offs,
        .name = tensor->name,
    };
    for (int i = 0; i < 4; i++) {
        own.ne[i] = tensor->ne[i];
        own.nb[i] = tensor->nb[i];
    }
    memcpy(own.op_params, tensor->op_params, sizeof own.op_params);
    return own;
}

static struct apir_tensor own_raw(const struct apir_upstream_raw_tensor *tensor)
{
    struct apir_tensor own = {
        .type = tensor->type, .op = tensor->op, .flags = (uint32_t)tensor->flags, .name = tensor->name};
    memcpy(own.ne, tensor->ne, sizeof own.ne);
    memcpy(own.nb, tensor->nb, sizeof own.nb);
    memcpy(own.op_params, tensor->op_params, sizeof own.op_params);
    return own;
}

static struct apir_dec arguments(struct fixture *f, const struct sample *sample)
{
    struct apir_dec dec;
    apir_dec_init(&dec, sample->request.data + HEADER_SIZE, sample->request.size - HEADER_SIZE, &f->arena);
    return dec;
}

static uint64_t alloc(struct fixture *f)
{
    struct sample sample = sample_of("buffer_type_alloc_buffer");
    struct apir_dec dec = arguments(f, &sample);
    struct apir_upstream_buffer_type_alloc_buffer_args from;
    apir_upstream_decode_buffer_type_alloc_buffer_args(&dec, &from);
    struct apir_buffer_alloc_args args = {.device = 0, .size = from.size};
    struct apir_buffer_alloc_reply reply;
    assert_int_equal(apir_call_buffer_alloc(f->queue, NULL, &args, &reply), 0);
    assert_int_equal(reply.size, from.size);
    assert_true(reply.base_residue < 4096);
    return reply.buffer;
}

/* --- the tests --- */

static void start_of_a_session(void **state)
{
    struct fixture *f = *state;
    struct apir_device_get_info_args args = {.device = 0};
    struct apir_device_get_info_reply reply;
    struct apir_device_get_memory_args memory_args = {.device = 0};
    struct apir_device_get_memory_reply memory;
    assert_int_equal(apir_call_device_get_info(f->queue, &f->arena, &args, &reply), 0);
    assert_string_equal(reply.info.name, "CPU");
    assert_string_equal(reply.info.description, "Intel(R) Xeon(R) Processor");
    assert_string_equal(reply.info.buffer_type_name, "CPU");
    assert_int_equal(reply.info.type, APIR_DEVICE_TYPE_CPU);
    assert_int_equal(reply.info.alignment, 32);
    assert_true(reply.info.has_alloc_size);
    assert_int_equal(apir_call_device_get_memory(f->queue, NULL, &memory_args, &memory), 0);
    expect(f, "HANDSHAKE");
    expect(f, "LOADLIBRARY");
    expect(f, "device_get_count");
    expect(f, "device_get_buffer_type");
    expect(f, "device_get_name");
    expect(f, "device_get_description");
    expect(f, "device_get_type");
    expect(f, "buffer_type_get_name");
    expect(f, "buffer_type_get_alignment");
    expect(f, "buffer_type_get_max_size");
    expect(f, "device_get_memory");
    expect_no_more(f);
}

static void life_of_a_buffer(void **state)
{
    struct fixture *f = *state;
    f->seen = f->host.n_requests;
    uint64_t buffer = alloc(f);
    struct apir_buffer_clear_args clear_args = {.buffer = buffer, .value = 0};
    struct sample sample = sample_of("buffer_clear");
    clear_args.value = sample.request.data[HEADER_SIZE + 8];
    struct apir_buffer_set_usage_args usage = {.buffer = buffer, .usage = APIR_BUFFER_USAGE_WEIGHTS};
    struct apir_buffer_reset_args reset = {.buffer = buffer};
    struct apir_buffer_free_args free_args = {.buffer = buffer};
    struct apir_session_get_stats_reply stats;
    assert_int_equal(apir_call_buffer_clear(f->queue, &clear_args), 0);
    assert_int_equal(apir_call_buffer_set_usage(f->queue, &usage), 0);
    assert_int_equal(apir_call_buffer_reset(f->queue, &reset), 0);
    assert_int_equal(apir_call_session_get_stats(f->queue, NULL, &stats), 0);
    assert_int_equal(stats.buffers, 1);
    assert_int_equal(apir_call_buffer_free(f->queue, &free_args), 0);
    assert_int_equal(apir_call_session_get_stats(f->queue, NULL, &stats), 0);
    assert_int_equal(stats.buffers, 0);
    assert_int_equal(stats.buffer_bytes, 0);
    expect(f, "buffer_type_alloc_buffer");
    expect(f, "buffer_get_base");
    sample = sample_of("buffer_clear");
    /* three bytes of the value mean nothing */
    uint8_t *bytes = f->host.requests[f->seen++].bytes;
    assert_memory_equal(bytes, sample.request.data, HEADER_SIZE + 9);
    expect(f, "buffer_free_buffer.2");
    expect_no_more(f);
}

static void data_to_and_from_tensors(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"buffer_set_tensor", "buffer_set_tensor.2", "buffer_set_tensor.3",
                                        "buffer_get_tensor", "buffer_get_tensor.2", "buffer_get_tensor.3"};
    f->seen = f->host.n_requests;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct sample sample = sample_of(names[i]);
        struct apir_dec dec = arguments(f, &sample);
        struct apir_upstream_buffer_set_tensor_args from;
        apir_upstream_decode_buffer_set_tensor_args(&dec, &from);
        assert_true(apir_dec_finish(&dec));
        struct apir_tensor_set_args set = {
            .tensor = own_tensor(&from.tensor), .offset = from.offset, .size = from.size, .shm = from.shm};
        struct apir_tensor_get_args get = {
            .tensor = set.tensor, .offset = from.offset, .size = from.size, .shm = from.shm};
        if (names[i][7] == 's')
            assert_int_equal(apir_call_tensor_set(f->queue, &set), 0);
        else
            assert_int_equal(apir_call_tensor_get(f->queue, &get), 0);
        expect_with(f, names[i], (struct form){.offset = 8, .tensors = 1});
    }
    expect_no_more(f);
}

static void copies_between_tensors(void **state)
{
    struct fixture *f = *state;
    f->seen = f->host.n_requests;
    struct sample sample = sample_of("buffer_cpy_tensor");
    struct apir_dec dec = arguments(f, &sample);
    struct apir_upstream_buffer_cpy_tensor_args from;
    apir_upstream_decode_buffer_cpy_tensor_args(&dec, &from);
    struct apir_tensor_copy_args args = {.source = own_tensor(&from.src), .destination = own_tensor(&from.dst)};
    struct apir_tensor_copy_reply reply;
    assert_int_equal(apir_call_tensor_copy(f->queue, NULL, &args, &reply), 0);
    assert_true(reply.done);
    expect_with(f, "buffer_cpy_tensor", (struct form){.offset = 8, .tensors = 2});
    expect_no_more(f);
}

static void bytes_of_a_tensor_travel_to_be_set(void **state)
{
    struct fixture *f = *state;
    f->seen = f->host.n_requests;
    struct sample sample = sample_of("buffer_set_tensor");
    struct apir_dec dec = arguments(f, &sample);
    struct apir_upstream_buffer_set_tensor_args from, sent;
    apir_upstream_decode_buffer_set_tensor_args(&dec, &from);
    struct apir_tensor_memset_args args = {
        .tensor = own_tensor(&from.tensor), .value = 0x5a, .offset = 4, .size = (8 << 20) + 5};
    assert_int_equal(apir_call_tensor_memset(f->queue, &args), 0);
    assert_int_equal(f->host.n_requests - f->seen, 2); /* pieces of 8 MiB */
    uint64_t next = 4;
    for (unsigned i = 0; i < 2; i++) {
        const struct deployed_request *request = &f->host.requests[f->seen + i];
        assert_int_equal(request->flags, APIR_UPSTREAM_CALL_BUFFER_SET_TENSOR);
        apir_dec_init(&dec, request->bytes + HEADER_SIZE, request->size - HEADER_SIZE, &f->arena);
        apir_upstream_decode_buffer_set_tensor_args(&dec, &sent);
        assert_int_equal(sent.offset, next);
        next += sent.size;
    }
    assert_int_equal(next, 4 + (8 << 20) + 5);
}

static void questions_about_ops(void **state)
{
    struct fixture *f = *state;
    f->seen = f->host.n_requests;
    struct sample sample = sample_of("device_supports_op");
    struct apir_dec dec = arguments(f, &sample);
    struct apir_upstream_device_supports_op_args from;
    apir_upstream_decode_device_supports_op_args(&dec, &from);
    uint32_t src[] = {1, 2};
    struct apir_tensor tensors[] = {own_raw(&from.op.sources[0]), own_raw(&from.op.sources[1]), own_raw(&from.op.op)};
    tensors[2].src = src;
    tensors[2].n_src = 2;
    struct apir_op_query query = {.tensors = tensors, .n_tensors = 3};
    struct apir_device_supports_op_args args = {.device = 0, .queries = &query, .n_queries = 1};
    struct apir_device_supports_op_reply reply;
    assert_int_equal(apir_call_device_supports_op(f->queue, &f->arena, &args, &reply), 0);
    assert_true(reply.n_supported == 1 && reply.supported[0]);
    assert_true(reply.n_offload == 1 && !reply.offload[0]);
    expect_with(f, "device_supports_op", (struct form){.raws = 3});

    sample = sample_of("buffer_type_get_alloc_size");
    dec = arguments(f, &sample);
    struct apir_upstream_buffer_type_get_alloc_size_args size_of;
    apir_upstream_decode_buffer_type_get_alloc_size_args(&dec, &size_of);
    struct apir_tensor tensor = own_raw(&size_of.op.op);
    query = (struct apir_op_query){.tensors = &tensor, .n_tensors = 1};
    struct apir_device_get_alloc_size_args size_args = {.device = 0, .queries = &query, .n_queries = 1};
    struct apir_device_get_alloc_size_reply sizes;
    assert_int_equal(apir_call_device_get_alloc_size(f->queue, &f->arena, &size_args, &sizes), 0);
    assert_int_equal(sizes.sizes[0], 144);
    expect_with(f, "buffer_type_get_alloc_size", (struct form){.offset = 8, .raws = 1});
    expect_no_more(f);
}

/* An ADD of two vectors, about which a test asks. */
struct question {
    struct apir_tensor tensors[3];
    uint32_t src[2];
    struct apir_op_query query;
};

static void ask_init(struct question *question)
{
    const struct apir_tensor vector = {.ne = {4, 1, 1, 1}, .nb = {4, 16, 16, 16}, .name = ""};
    *question = (struct question){.tensors = {vector, vector, vector}, .src = {1, 2}};
    question->tensors[2].op = 2;
    question->tensors[2].src = question->src;
    question->tensors[2].n_src = 2;
    question->query = (struct apir_op_query){.tensors = question->tensors, .n_tensors = 3};
}

static bool is_supported(struct fixture *f, const struct question *question)
{
    struct apir_device_supports_op_args args = {.device = 0, .queries = &question->query, .n_queries = 1};
    struct apir_device_supports_op_reply reply;
    assert_int_equal(apir_call_device_supports_op(f->queue, &f->arena, &args, &reply), 0);
    return reply.supported[0];
}

static void what_the_wire_cannot_say_is_not_supported(void **state)
{
    struct fixture *f = *state;
    struct question question;
    ask_init(&question);
    assert_true(is_supported(f, &question));
    unsigned asked = f->host.n_requests;
    question.tensors[0].nb[3] = UINT64_C(1) << 32;
    assert_false(is_supported(f, &question));
    ask_init(&question);
    question.tensors[2].nb[2] = (UINT64_C(1) << 32) + 4;
    assert_false(is_supported(f, &question));
    ask_init(&question);
    question.tensors[1].ne[0] = UINT64_C(1) << 32;
    assert_false(is_supported(f, &question));
    ask_init(&question);
    question.src[0] = 0; /* the second source would not be told */
    assert_false(is_supported(f, &question));
    assert_int_equal(f->host.n_requests, asked);
}

static void largest_numbers_fit(void **state)
{
    struct fixture *f = *state;
    struct question question;
    ask_init(&question);
    question.tensors[0].nb[3] = UINT32_MAX;
    question.tensors[1].ne[0] = UINT32_MAX;
    assert_true(is_supported(f, &question));
}

static void strides_that_do_not_fit_are_an_error_elsewhere(void **state)
{
    struct fixture *f = *state;
    unsigned before = f->host.n_requests;
    struct apir_tensor tensor = {.ne = {4, 1, 1, 1}, .nb = {4, 16, 16, UINT64_C(1) << 32}, .buffer = 7, .name = "x"};
    struct apir_tensor_set_args set = {.tensor = tensor, .size = 16, .shm = 4};
    struct apir_tensor_get_args get = {.tensor = tensor, .size = 16, .shm = 4};
    struct apir_tensor_copy_args copy = {.source = tensor, .destination = tensor};
    struct apir_tensor_copy_reply copied;
    assert_int_equal(apir_call_tensor_set(f->queue, &set), -EOVERFLOW);
    assert_int_equal(apir_call_tensor_get(f->queue, &get), -EOVERFLOW);
    assert_int_equal(apir_call_tensor_copy(f->queue, NULL, &copy, &copied), -EOVERFLOW);
    uint8_t bytes[1024];
    struct apir_enc enc;
    uint32_t node = 0;
    struct apir_graph graph = {.tensors = &tensor, .n_tensors = 1, .nodes = &node, .n_nodes = 1};
    apir_enc_init(&enc, bytes, sizeof bytes);
    assert_int_equal(apir_session_encode_graph(f->session, &enc, &graph), -EOVERFLOW);
    assert_int_equal(f->host.n_requests, before);
}

static void data_are_at_the_start_of_their_memory(void **state)
{
    struct fixture *f = *state;
    struct apir_tensor tensor = {.ne = {4, 1, 1, 1}, .nb = {4, 16, 16, 16}, .buffer = 7, .name = "x"};
    struct apir_tensor_set_args set = {.tensor = tensor, .size = 16, .shm = 4, .shm_offset = 4};
    struct apir_tensor_get_args get = {.tensor = tensor, .size = 16, .shm = 4, .shm_offset = 4};
    assert_int_equal(apir_call_tensor_set(f->queue, &set), -EINVAL);
    assert_int_equal(apir_call_tensor_get(f->queue, &get), -EINVAL);
}

/* Index + 1 of the tensor of a graph that has the id. */
static uint32_t number_of(const struct apir_upstream_graph *graph, uint64_t id)
{
    for (uint32_t i = 0; id && i < graph->n_tensors; i++)
        if (graph->tensors[i].id == id)
            return i + 1;
    assert_int_equal(id, 0);
    return 0;
}

static void rename_id(const struct apir_upstream_graph *graph, uint8_t *id)
{
    uint64_t value;
    memcpy(&value, id, sizeof value);
    value = number_of(graph, value);
    memcpy(id, &value, sizeof value);
}

/* Numbers the ids in a graph's bytes, and clears what means nothing. */
static void rename_all(const struct apir_upstream_graph *graph, uint8_t *bytes)
{
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        rename_id(graph, bytes + 4 + 8 * i);
    uint8_t *tensor = bytes + 4 + 8 * graph->n_nodes + 4;
    for (uint32_t i = 0; i < graph->n_tensors; i++, tensor += TENSOR_SIZE) {
        rename_id(graph, tensor + TENSOR_ID);
        for (unsigned k = 0; k <= APIR_UPSTREAM_MAX_SRC; k++) /* and the view behind the sources */
            rename_id(graph, tensor + TENSOR_SRC + 8 * k);
        clear(tensor, TENSOR_PAD0, 4);
        clear(tensor, TENSOR_PAD1, 8);
        clear_name(tensor + TENSOR_NAME);
    }
}

static struct apir_graph own_graph(struct fixture *f, const struct apir_upstream_graph *from)
{
    struct apir_tensor *tensors = apir_arena_alloc(&f->arena, MAX_TENSORS * sizeof *tensors);
    uint32_t *nodes = apir_arena_alloc(&f->arena, MAX_TENSORS * sizeof *nodes);
    assert_true(from->n_tensors <= MAX_TENSORS);
    for (uint32_t i = 0; i < from->n_nodes; i++)
        nodes[i] = number_of(from, from->nodes[i]) - 1;
    for (uint32_t i = 0; i < from->n_tensors; i++) {
        uint32_t *src = apir_arena_alloc(&f->arena, APIR_MAX_SRC * sizeof *src);
        tensors[i] = own_tensor(&from->tensors[i]);
        tensors[i].view_src = number_of(from, from->tensors[i].view_src);
        for (uint32_t k = 0; k < APIR_MAX_SRC; k++)
            src[k] = number_of(from, from->tensors[i].src[k]);
        tensors[i].src = src;
        tensors[i].n_src = APIR_MAX_SRC;
    }
    return (struct apir_graph){
        .tensors = tensors, .n_tensors = from->n_tensors, .nodes = nodes, .n_nodes = from->n_nodes};
}

static void compute(struct fixture *f, const char *name)
{
    struct sample sample = sample_of(name);
    struct apir_upstream_graph from;
    struct apir_dec dec;
    struct apir_shm shm;
    struct apir_enc enc;
    apir_dec_init(&dec, sample.shm.data, sample.shm.size, &f->arena);
    apir_upstream_decode_graph(&dec, &from);
    assert_true(apir_dec_finish(&dec));
    struct apir_graph graph = own_graph(f, &from);
    assert_int_equal(apir_session_shm_create(f->session, 0x4000, &shm), 0);
    apir_enc_init(&enc, shm.data, shm.size);
    assert_int_equal(apir_session_encode_graph(f->session, &enc, &graph), 0);
    assert_true(apir_enc_ok(&enc));
    assert_int_equal(apir_enc_used(&enc), sample.shm.size);
    rename_all(&from, sample.shm.data);
    assert_memory_equal(shm.data, sample.shm.data, sample.shm.size);

    struct apir_stream_create_args create = {.device = 0};
    struct apir_stream_create_reply stream;
    assert_int_equal(apir_call_stream_create(f->queue, NULL, &create, &stream), 0);
    struct apir_graph_compute_args args = {.stream = stream.stream, .shm = shm.id, .size = apir_enc_used(&enc)};
    assert_int_equal(apir_call_graph_compute(f->queue, &args), 0);
    assert_int_equal(apir_queue_failed(f->queue), 0);
    /* the blob is another one */
    memcpy(f->host.requests[f->seen].bytes + HEADER_SIZE, sample.request.data + HEADER_SIZE, 4);
    expect(f, name);
    apir_session_shm_destroy(f->session, &shm);
}

static void graphs_are_those_of_deployed_guests(void **state)
{
    struct fixture *f = *state;
    f->seen = f->host.n_requests;
    compute(f, "backend_graph_compute");
    compute(f, "backend_graph_compute.2");
    expect_no_more(f);
}

static void graph_status_is_told(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int32_t status;
        enum apir_graph_status told;
    } cases[] = {{0, APIR_GRAPH_STATUS_SUCCESS},
                 {-1, APIR_GRAPH_STATUS_FAILED},
                 {-2, APIR_GRAPH_STATUS_ALLOC_FAILED},
                 {1, APIR_GRAPH_STATUS_ABORTED},
                 {77, APIR_GRAPH_STATUS_FAILED}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct apir_graph_compute_args args = {.stream = 1, .shm = 4, .size = 8};
        struct apir_stream_collect_args which = {.stream = 1};
        struct apir_stream_collect_reply collected;
        f->host.results = (const char *)&cases[i].status;
        f->host.results_size = sizeof cases[i].status;
        assert_int_equal(apir_call_graph_compute(f->queue, &args), 0);
        assert_int_equal(apir_queue_failed(f->queue), cases[i].told);
        assert_int_equal(apir_call_stream_collect(f->queue, NULL, &which, &collected), 0);
        assert_int_equal(collected.status, cases[i].told);
        apir_queue_clear_failed(f->queue);
    }
}

static void no_buffer_is_no_memory(void **state)
{
    struct fixture *f = *state;
    static const char nothing[8];
    struct apir_buffer_alloc_args args = {.device = 0, .size = 64};
    struct apir_buffer_alloc_reply reply;
    f->host.results = nothing;
    f->host.results_size = sizeof nothing;
    assert_int_equal(apir_call_buffer_alloc(f->queue, NULL, &args, &reply), 0);
    assert_int_equal(reply.buffer, 0);
    assert_int_equal(apir_session_error(f->session), 0);
}

static void there_is_one_device(void **state)
{
    struct fixture *f = *state;
    struct apir_device_get_memory_args memory = {.device = 1};
    struct apir_device_get_memory_reply memory_reply;
    struct apir_buffer_alloc_args alloc_args = {.device = 1, .size = 64};
    struct apir_buffer_alloc_reply alloc_reply;
    struct apir_stream_create_args stream = {.device = 1};
    struct apir_stream_create_reply stream_reply;
    assert_int_equal(apir_call_device_get_memory(f->queue, NULL, &memory, &memory_reply), -EINVAL);
    assert_int_equal(apir_call_buffer_alloc(f->queue, NULL, &alloc_args, &alloc_reply), -EINVAL);
    assert_int_equal(apir_call_stream_create(f->queue, NULL, &stream, &stream_reply), 0);
    assert_int_equal(stream_reply.stream, 0);
}

static void no_device_is_no_device(void **state)
{
    struct fixture *f = *state;
    static const char none[4];
    struct apir_load_library_reply reply;
    f->host.results = none;
    f->host.results_size = sizeof none;
    assert_int_equal(apir_call_load_library(f->queue, &f->arena, &reply), 0);
    assert_int_equal(reply.status, APIR_LOAD_STATUS_NO_DEVICE);
    assert_non_null(strstr(reply.message, "no device"));
}

static void padding_of_quantized_tensors_becomes_zero(void **state)
{
    struct fixture *f = *state;
    static const uint64_t size = 200; /* that the host wants; the rows have 144 */
    struct apir_buffer_init_tensor_args args = {
        .tensor = {.type = 2, .ne = {64, 4, 1, 1}, .nb = {18, 36, 144, 144}, .buffer = 7, .offset = 64, .name = "q"}};
    struct apir_buffer_init_tensor_reply reply;
    struct apir_upstream_buffer_set_tensor_args sent;
    struct apir_dec dec;
    f->seen = f->host.n_requests;
    f->host.results = (const char *)&size;
    f->host.results_size = sizeof size;
    assert_int_equal(apir_call_buffer_init_tensor(f->queue, NULL, &args, &reply), 0);
    assert_int_equal(reply.status, APIR_GRAPH_STATUS_SUCCESS);
    assert_int_equal(f->host.n_requests - f->seen, 2);
    const struct deployed_request *request = &f->host.requests[f->seen + 1];
    assert_int_equal(request->flags, APIR_UPSTREAM_CALL_BUFFER_SET_TENSOR);
    apir_dec_init(&dec, request->bytes + HEADER_SIZE, request->size - HEADER_SIZE, &f->arena);
    apir_upstream_decode_buffer_set_tensor_args(&dec, &sent);
    assert_int_equal(sent.buffer, 7);
    assert_int_equal(sent.tensor.data, 64 + 144);
    assert_int_equal(sent.tensor.ne[0], 56);
    assert_int_equal(sent.offset, 0);
    assert_int_equal(sent.size, 56);
}

static void all_numbers_are_taken_for_the_hosts(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"NONE", "ADD"};
    struct apir_type_info types[] = {{.name = "f32", .block_size = 1, .type_size = 4}};
    struct apir_negotiate_args args = {
        .ggml_version = "0.27.0", .ops = names, .n_ops = 2, .types = types, .n_types = 1};
    struct apir_negotiate_reply reply;
    unsigned before = f->host.n_requests;
    assert_int_equal(apir_call_negotiate(f->queue, &f->arena, &args, &reply), 0);
    assert_int_equal(reply.n_ops, 2);
    assert_true(reply.ops[0] && reply.ops[1]);
    assert_true(reply.n_types == 1 && reply.types[0]);
    assert_int_equal(f->host.n_requests, before);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(start_of_a_session),
        TEST(life_of_a_buffer),
        TEST(data_to_and_from_tensors),
        TEST(copies_between_tensors),
        TEST(bytes_of_a_tensor_travel_to_be_set),
        TEST(questions_about_ops),
        TEST(what_the_wire_cannot_say_is_not_supported),
        TEST(largest_numbers_fit),
        TEST(strides_that_do_not_fit_are_an_error_elsewhere),
        TEST(data_are_at_the_start_of_their_memory),
        TEST(graphs_are_those_of_deployed_guests),
        TEST(graph_status_is_told),
        TEST(no_buffer_is_no_memory),
        TEST(there_is_one_device),
        TEST(no_device_is_no_device),
        TEST(padding_of_quantized_tensors_becomes_zero),
        TEST(all_numbers_are_taken_for_the_hosts),
    };
    return cmocka_run_group_tests_name("upstream-calls", tests, NULL, NULL);
}
