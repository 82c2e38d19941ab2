#include "reject/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ggml.h>

#include "apir-codec.h"

/* 4 x 4 floats. */
static struct apir_tensor make_tensor(const struct context *context, uint64_t offset)
{
    return (struct apir_tensor){
        .type = TYPE_F32,
        .op = OP_NONE,
        .ne = {4, 4, 1, 1},
        .nb = {4, 16, 64, 64},
        .buffer = context->buffer,
        .offset = offset,
        .name = "t",
    };
}

static void write_nothing(struct context *context, struct apir_enc *args)
{
    (void)context;
    (void)args;
}

static void write_negotiate(struct context *context, struct apir_enc *args)
{
    static const char *const ops[N_OPS] = {"NONE", "ADD", "UNARY", "NO_SUCH_OP"};
    static const char *const unary[] = {"ABS", "NO_SUCH"}, *const glu[] = {"REGLU"};
    const struct apir_type_info types[N_TYPES] = {
        {.name = "f32", .block_size = 1, .type_size = 4},
        {.name = "q4_0", .block_size = 32, .type_size = 18},
        {.name = "no_such_type", .block_size = 1, .type_size = 4},
    };
    (void)context;
    apir_encode_negotiate_args(args, &(struct apir_negotiate_args){
                                         .ggml_version = ggml_version(),
                                         .max_src = GGML_MAX_SRC,
                                         .max_dims = GGML_MAX_DIMS,
                                         .max_op_params = GGML_MAX_OP_PARAMS,
                                         .ops = ops,
                                         .n_ops = N_OPS,
                                         .unary_ops = unary,
                                         .n_unary_ops = 2,
                                         .glu_ops = glu,
                                         .n_glu_ops = 1,
                                         .types = types,
                                         .n_types = N_TYPES,
                                     });
}

static void write_device(struct context *context, struct apir_enc *args)
{
    (void)context;
    apir_encode_device_get_info_args(args, &(struct apir_device_get_info_args){.device = 0});
}

/* Of both calls that ask about ops. */
static void write_queries(struct context *context, struct apir_enc *args)
{
    static const uint32_t src[] = {1, 2};
    struct apir_tensor sum[] = {make_tensor(context, 0), make_tensor(context, 64), make_tensor(context, 128)};
    struct apir_tensor leaf[] = {make_tensor(context, 0)};
    sum[2].op = OP_ADD;
    sum[2].src = src;
    sum[2].n_src = 2;
    const struct apir_op_query queries[] = {{.tensors = leaf, .n_tensors = 1}, {.tensors = sum, .n_tensors = 3}};
    apir_encode_device_supports_op_args(
        args, &(struct apir_device_supports_op_args){.device = 0, .queries = queries, .n_queries = 2});
}

static void write_buffer_alloc(struct context *context, struct apir_enc *args)
{
    (void)context;
    apir_encode_buffer_alloc_args(args, &(struct apir_buffer_alloc_args){.device = 0, .size = BUFFER_SIZE});
}

/* Of the calls whose only argument is a buffer. */
static void write_buffer(struct context *context, struct apir_enc *args)
{
    apir_encode_buffer_free_args(args, &(struct apir_buffer_free_args){.buffer = context->buffer});
}

static void write_buffer_set_usage(struct context *context, struct apir_enc *args)
{
    apir_encode_buffer_set_usage_args(args, &(struct apir_buffer_set_usage_args){
                                                .buffer = context->buffer, .usage = APIR_BUFFER_USAGE_COMPUTE});
}

static void write_buffer_init_tensor(struct context *context, struct apir_enc *args)
{
    apir_encode_buffer_init_tensor_args(args,
                                        &(struct apir_buffer_init_tensor_args){.tensor = make_tensor(context, 0)});
}

static void write_buffer_clear(struct context *context, struct apir_enc *args)
{
    apir_encode_buffer_clear_args(args, &(struct apir_buffer_clear_args){.buffer = context->buffer, .value = 7});
}

static void write_tensor_memset(struct context *context, struct apir_enc *args)
{
    apir_encode_tensor_memset_args(
        args, &(struct apir_tensor_memset_args){
                  .tensor = make_tensor(context, 0), .value = 3, .offset = 16, .size = 32});
}

static void write_tensor_set(struct context *context, struct apir_enc *args)
{
    apir_encode_tensor_set_args(args, &(struct apir_tensor_set_args){.tensor = make_tensor(context, 0),
                                                                     .offset = 16,
                                                                     .size = 32,
                                                                     .shm = context->data.id,
                                                                     .shm_offset = 256});
}

static void write_tensor_get(struct context *context, struct apir_enc *args)
{
    apir_encode_tensor_get_args(args, &(struct apir_tensor_get_args){.tensor = make_tensor(context, 0),
                                                                     .offset = 16,
                                                                     .size = 32,
                                                                     .shm = context->data.id,
                                                                     .shm_offset = 256});
}

static void write_tensor_set_2d(struct context *context, struct apir_enc *args)
{
    apir_encode_tensor_set_2d_args(args, &(struct apir_tensor_set_2d_args){.tensor = make_tensor(context, 0),
                                                                           .offset = 4,
                                                                           .size = 8,
                                                                           .copies = 3,
                                                                           .stride = 16,
                                                                           .shm = context->data.id,
                                                                           .shm_offset = 256});
}

static void write_tensor_get_2d(struct context *context, struct apir_enc *args)
{
    apir_encode_tensor_get_2d_args(args, &(struct apir_tensor_get_2d_args){.tensor = make_tensor(context, 0),
                                                                           .offset = 4,
                                                                           .size = 8,
                                                                           .copies = 3,
                                                                           .stride = 16,
                                                                           .shm = context->data.id,
                                                                           .shm_offset = 256});
}

static void write_tensor_copy(struct context *context, struct apir_enc *args)
{
    apir_encode_tensor_copy_args(args, &(struct apir_tensor_copy_args){.source = make_tensor(context, 0),
                                                                       .destination = make_tensor(context, 1024)});
}

static void write_buffer_from_shm(struct context *context, struct apir_enc *args)
{
    apir_encode_buffer_from_shm_args(args, &(struct apir_buffer_from_shm_args){.device = 0,
                                                                               .shm = context->data.id,
                                                                               .shm_offset = 4096,
                                                                               .size = 4096,
                                                                               .max_tensor_size = 1024});
}

static void write_stream(struct context *context, struct apir_enc *args)
{
    apir_encode_stream_destroy_args(args, &(struct apir_stream_destroy_args){.stream = context->stream});
}

static void write_graph_compute(struct context *context, struct apir_enc *args)
{
    apir_encode_graph_compute_args(
        args, &(struct apir_graph_compute_args){
                  .stream = context->stream, .shm = context->graph.id, .size = context->graph_size, .graph = 1});
}

static void write_graph_recompute(struct context *context, struct apir_enc *args)
{
    apir_encode_graph_recompute_args(args, &(struct apir_graph_recompute_args){.stream = context->stream, .graph = 1});
}

static void write_buffer_write(struct context *context, struct apir_enc *args)
{
    apir_encode_buffer_write_args(args, &(struct apir_buffer_write_args){.buffer = context->buffer,
                                                                         .offset = 8,
                                                                         .data = (const uint8_t *)"0123456789ab",
                                                                         .n_data = 12});
}

static void write_buffer_read(struct context *context, struct apir_enc *args)
{
    apir_encode_buffer_read_args(args, &(struct apir_buffer_read_args){
                                           .buffer = context->buffer, .offset = 8, .size = 64, .shm = context->data.id});
}

static void write_tensor_copy_async(struct context *context, struct apir_enc *args)
{
    apir_encode_tensor_copy_async_args(
        args, &(struct apir_tensor_copy_async_args){.source = make_tensor(context, 0),
                                                    .destination = make_tensor(context, 128)});
}

/* Of the graph that a context which is used keeps: one tensor, as it was. Before that there is no shared memory. */
static void write_graph_derive(struct context *context, struct apir_enc *args)
{
    const struct apir_graph_change change = {.index = 0, .tensor = make_tensor(context, 0)};
    size_t size = 4;
    if (context->data.data) {
        struct apir_enc enc;
        apir_enc_init(&enc, context->data.data, context->data.size);
        apir_encode_graph_changes(&enc, &(struct apir_graph_changes){.changes = &change, .n_changes = 1});
        assert_true(apir_enc_ok(&enc));
        size = apir_enc_used(&enc);
    }
    apir_encode_graph_derive_args(args, &(struct apir_graph_derive_args){.stream = context->stream,
                                                                         .base = 1,
                                                                         .shm = context->data.id,
                                                                         .size = size,
                                                                         .graph = 2});
}

const struct message messages[] = {
    {APIR_CALL_LOAD_LIBRARY, "load_library", CONTEXT_OPEN, write_nothing, false},
    {APIR_CALL_NEGOTIATE, "negotiate", CONTEXT_LOADED, write_negotiate, true},
    {APIR_CALL_DEVICE_GET_INFO, "device_get_info", CONTEXT_READY, write_device, false},
    {APIR_CALL_DEVICE_GET_MEMORY, "device_get_memory", CONTEXT_READY, write_device, false},
    {APIR_CALL_DEVICE_SUPPORTS_OP, "device_supports_op", CONTEXT_READY, write_queries, false},
    {APIR_CALL_DEVICE_GET_ALLOC_SIZE, "device_get_alloc_size", CONTEXT_READY, write_queries, false},
    {APIR_CALL_BUFFER_ALLOC, "buffer_alloc", CONTEXT_READY, write_buffer_alloc, false},
    {APIR_CALL_BUFFER_FREE, "buffer_free", CONTEXT_READY, write_buffer, true},
    {APIR_CALL_BUFFER_SET_USAGE, "buffer_set_usage", CONTEXT_READY, write_buffer_set_usage, false},
    {APIR_CALL_BUFFER_INIT_TENSOR, "buffer_init_tensor", CONTEXT_READY, write_buffer_init_tensor, false},
    {APIR_CALL_BUFFER_CLEAR, "buffer_clear", CONTEXT_READY, write_buffer_clear, false},
    {APIR_CALL_BUFFER_RESET, "buffer_reset", CONTEXT_READY, write_buffer, false},
    {APIR_CALL_TENSOR_MEMSET, "tensor_memset", CONTEXT_READY, write_tensor_memset, false},
    {APIR_CALL_TENSOR_SET, "tensor_set", CONTEXT_READY, write_tensor_set, false},
    {APIR_CALL_TENSOR_GET, "tensor_get", CONTEXT_READY, write_tensor_get, false},
    {APIR_CALL_TENSOR_SET_2D, "tensor_set_2d", CONTEXT_READY, write_tensor_set_2d, false},
    {APIR_CALL_TENSOR_GET_2D, "tensor_get_2d", CONTEXT_READY, write_tensor_get_2d, false},
    {APIR_CALL_TENSOR_COPY, "tensor_copy", CONTEXT_READY, write_tensor_copy, false},
    {APIR_CALL_STREAM_CREATE, "stream_create", CONTEXT_READY, write_device, false},
    {APIR_CALL_STREAM_DESTROY, "stream_destroy", CONTEXT_READY, write_stream, true},
    {APIR_CALL_GRAPH_COMPUTE, "graph_compute", CONTEXT_READY, write_graph_compute, false},
    {APIR_CALL_BUFFER_FROM_SHM, "buffer_from_shm", CONTEXT_READY, write_buffer_from_shm, false},
    {APIR_CALL_GRAPH_RECOMPUTE, "graph_recompute", CONTEXT_READY, write_graph_recompute, false},
    {APIR_CALL_STREAM_COLLECT, "stream_collect", CONTEXT_READY, write_stream, false},
    {APIR_CALL_BUFFER_WRITE, "buffer_write", CONTEXT_READY, write_buffer_write, false},
    {APIR_CALL_BUFFER_READ, "buffer_read", CONTEXT_READY, write_buffer_read, false},
    {APIR_CALL_TENSOR_COPY_ASYNC, "tensor_copy_async", CONTEXT_READY, write_tensor_copy_async, false},
    {APIR_CALL_GRAPH_DERIVE, "graph_derive", CONTEXT_READY, write_graph_derive, false},
    {APIR_CALL_SESSION_GET_STATS, "session_get_stats", CONTEXT_READY, write_nothing, false},
};
const unsigned n_messages = sizeof messages / sizeof *messages;

size_t message_write(struct context *context, const struct message *message, uint8_t *request)
{
    struct apir_enc enc;
    size_t start = raw_guest_header(request, message->call, context->control.sequence + 1);
    apir_enc_init(&enc, request + start, MAX_MESSAGE - start);
    message->write(context, &enc);
    assert_true(apir_enc_ok(&enc));
    size_t size = start + apir_enc_used(&enc);
    raw_guest_set_size(request, (uint32_t)size);
    return size;
}

const struct message *message_of(uint32_t call)
{
    for (unsigned i = 0; i < n_messages; i++)
        if (messages[i].call == call)
            return &messages[i];
    fail_msg("no message for call %u", call);
    return NULL;
}

void message_write_graph(struct context *context)
{
    static const uint32_t src[] = {1, 2}, nodes[] = {2};
    struct apir_tensor tensors[] = {make_tensor(context, 0), make_tensor(context, 64), make_tensor(context, 128)};
    struct apir_enc enc;
    tensors[2].op = OP_ADD;
    tensors[2].src = src;
    tensors[2].n_src = 2;
    tensors[2].flags = 16; /* GGML_TENSOR_FLAG_COMPUTE */
    apir_enc_init(&enc, context->graph.data, context->graph.size);
    apir_encode_graph(&enc, &(struct apir_graph){.tensors = tensors, .n_tensors = 3, .nodes = nodes, .n_nodes = 1});
    assert_true(apir_enc_ok(&enc));
    context->graph_size = (uint32_t)apir_enc_used(&enc);
}
