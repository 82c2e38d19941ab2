#include "client/upstream.h"

#include <errno.h>
#include <stdlib.h>

#include "client/session-private.h"
#include "client/upstream-code.h"
#include "client/upstream-private.h"
#include "util/arena.h"

/* What ggml_status is on the wire. */
enum {
    STATUS_ALLOC_FAILED = -2,
    STATUS_SUCCESS = 0,
    STATUS_ABORTED = 1,
};

/* What the host's first device is called is told without asking for its number: hosts serve no other. */
static int ask_devices(struct apir_upstream *upstream, int32_t *count)
{
    struct apir_upstream_device_get_count_reply devices;
    struct apir_upstream_device_get_buffer_type_reply type;
    int ret = apir_upstream_call_device_get_count(upstream->link, NULL, &devices);
    if (ret < 0)
        return ret;
    *count = devices.count;
    if (devices.count < 1)
        return 0;
    ret = apir_upstream_call_device_get_buffer_type(upstream->link, NULL, &type);
    if (ret == 0)
        upstream->buffer_type = type.buffer_type;
    return ret;
}

static int handle_load_library(void *data, struct apir_arena *scratch, struct apir_load_library_reply *reply)
{
    struct apir_upstream *upstream = data;
    int32_t count = 0;
    char *message = apir_arena_alloc(scratch, APIR_MAX_MESSAGE);
    if (!message)
        return -ENOMEM;
    int64_t code = apir_upstream_link_load(upstream->link);
    if (code < 0)
        return (int)code;
    *reply = (struct apir_load_library_reply){
        .status = apir_upstream_code_load_status((uint32_t)code, message, APIR_MAX_MESSAGE),
        .message = message,
        .library = "a library that it does not name",
        .ggml_version = "unknown",
        .sandbox = "",
        .sandbox_lacks = "",
    };
    if (reply->status != APIR_LOAD_STATUS_OK)
        return 0;
    int ret = ask_devices(upstream, &count);
    reply->devices = count > 0;
    if (count < 1) {
        reply->status = APIR_LOAD_STATUS_NO_DEVICE;
        reply->message = "the host's ggml library has no device: check the host's driver";
    }
    return ret;
}

static bool *all_true(struct apir_arena *arena, uint32_t n)
{
    bool *list = apir_arena_alloc(arena, n * sizeof *list);
    for (uint32_t i = 0; list && i < n; i++)
        list[i] = true;
    return list;
}

/* Numbers are ggml's, and whether those of the host are the same cannot be asked. */
static int handle_negotiate(void *data, struct apir_arena *scratch, const struct apir_negotiate_args *args,
                            struct apir_negotiate_reply *reply)
{
    struct apir_upstream *upstream = data;
    apir_info(upstream->session->log,
              "this host cannot tell its version of ggml: it must have the same one as this guest, %s",
              args->ggml_version);
    reply->ops = all_true(scratch, args->n_ops);
    reply->n_ops = args->n_ops;
    reply->types = all_true(scratch, args->n_types);
    reply->n_types = args->n_types;
    return reply->ops && reply->types ? 0 : -ENOMEM;
}

static int ask_device(struct apir_upstream *upstream, struct apir_arena *arena, struct apir_device_info *info)
{
    struct apir_upstream_device_get_name_reply name;
    struct apir_upstream_device_get_description_reply description;
    struct apir_upstream_device_get_type_reply type;
    int ret = apir_upstream_call_device_get_name(upstream->link, arena, &name);
    if (ret == 0)
        ret = apir_upstream_call_device_get_description(upstream->link, arena, &description);
    if (ret == 0)
        ret = apir_upstream_call_device_get_type(upstream->link, NULL, &type);
    if (ret < 0)
        return ret;
    info->name = name.name;
    info->description = description.description;
    info->type = (enum apir_device_type)type.type; /* the same numbers: ggml's */
    return 0;
}

static int ask_buffer_type(struct apir_upstream *upstream, struct apir_arena *arena, struct apir_device_info *info)
{
    const struct apir_upstream_buffer_type_get_name_args which_name = {.buffer_type = upstream->buffer_type};
    const struct apir_upstream_buffer_type_get_alignment_args which_alignment = {.buffer_type = upstream->buffer_type};
    const struct apir_upstream_buffer_type_get_max_size_args which_size = {.buffer_type = upstream->buffer_type};
    struct apir_upstream_buffer_type_get_name_reply name;
    struct apir_upstream_buffer_type_get_alignment_reply alignment;
    struct apir_upstream_buffer_type_get_max_size_reply size;
    int ret = apir_upstream_call_buffer_type_get_name(upstream->link, arena, &which_name, &name);
    if (ret == 0)
        ret = apir_upstream_call_buffer_type_get_alignment(upstream->link, NULL, &which_alignment, &alignment);
    if (ret == 0)
        ret = apir_upstream_call_buffer_type_get_max_size(upstream->link, NULL, &which_size, &size);
    if (ret < 0)
        return ret;
    info->buffer_type_name = name.name;
    info->alignment = alignment.alignment;
    info->max_buffer_size = size.max_size;
    return 0;
}

static int handle_device_get_info(void *data, struct apir_arena *scratch, const struct apir_device_get_info_args *args,
                                  struct apir_device_get_info_reply *reply)
{
    struct apir_device_info info = {.has_alloc_size = true, .buffer_types = 1};
    int ret = args->device == 0 ? ask_device(data, scratch, &info) : -EINVAL;
    if (ret == 0)
        ret = ask_buffer_type(data, scratch, &info);
    if (ret == 0)
        reply->info = info;
    return ret;
}

static int handle_device_get_memory(void *data, struct apir_arena *scratch,
                                    const struct apir_device_get_memory_args *args,
                                    struct apir_device_get_memory_reply *reply)
{
    struct apir_upstream *upstream = data;
    struct apir_upstream_device_get_memory_reply memory;
    (void)scratch;
    int ret = args->device == 0 ? apir_upstream_call_device_get_memory(upstream->link, NULL, &memory) : -EINVAL;
    if (ret == 0)
        *reply = (struct apir_device_get_memory_reply){.free = memory.free, .total = memory.total};
    return ret;
}

static int ask_support(struct apir_upstream *upstream, const struct apir_op_query *query, bool *supported)
{
    struct apir_upstream_raw_tensor sources[APIR_MAX_SRC];
    struct apir_upstream_device_supports_op_args args;
    struct apir_upstream_device_supports_op_reply reply;
    int ret = apir_upstream_describe_op(query, &args.op, sources);
    if (ret == -EOVERFLOW || ret == -EOPNOTSUPP)
        return 0; /* false: ggml computes it in the guest */
    if (ret == 0)
        ret = apir_upstream_call_device_supports_op(upstream->link, NULL, &args, &reply);
    if (ret == 0)
        *supported = reply.supported;
    return ret;
}

static int handle_device_supports_op(void *data, struct apir_arena *scratch,
                                     const struct apir_device_supports_op_args *args,
                                     struct apir_device_supports_op_reply *reply)
{
    bool *supported = apir_arena_alloc(scratch, args->n_queries * sizeof *supported);
    bool *offload = apir_arena_alloc(scratch, args->n_queries * sizeof *offload);
    int ret = supported && offload ? 0 : -ENOMEM;
    for (uint32_t i = 0; ret == 0 && i < args->n_queries; i++)
        ret = ask_support(data, &args->queries[i], &supported[i]);
    reply->supported = supported;
    reply->n_supported = args->n_queries;
    reply->offload = offload; /* false: there is no such question */
    reply->n_offload = args->n_queries;
    return ret;
}

static int handle_device_get_alloc_size(void *data, struct apir_arena *scratch,
                                        const struct apir_device_get_alloc_size_args *args,
                                        struct apir_device_get_alloc_size_reply *reply)
{
    uint64_t *sizes = apir_arena_alloc(scratch, args->n_queries * sizeof *sizes);
    int ret = sizes ? 0 : -ENOMEM;
    for (uint32_t i = 0; ret == 0 && i < args->n_queries; i++)
        ret = apir_upstream_ask_alloc_size(data, &args->queries[i], &sizes[i]);
    reply->sizes = sizes;
    reply->n_sizes = args->n_queries;
    return ret;
}

static int handle_stream_create(void *data, struct apir_arena *scratch, const struct apir_stream_create_args *args,
                                struct apir_stream_create_reply *reply)
{
    (void)data;
    (void)scratch;
    reply->stream = args->device == 0 ? UPSTREAM_STREAM : 0;
    return 0;
}

static int handle_stream_destroy(void *data, struct apir_arena *scratch, const struct apir_stream_destroy_args *args)
{
    (void)data;
    (void)scratch;
    return args->stream == UPSTREAM_STREAM ? 0 : -ENOENT;
}

static enum apir_graph_status graph_status(int32_t status)
{
    switch (status) {
    case STATUS_SUCCESS:
        return APIR_GRAPH_STATUS_SUCCESS;
    case STATUS_ALLOC_FAILED:
        return APIR_GRAPH_STATUS_ALLOC_FAILED;
    case STATUS_ABORTED:
        return APIR_GRAPH_STATUS_ABORTED;
    default:
        return APIR_GRAPH_STATUS_FAILED;
    }
}

/* Returns how it failed, as calls without results do. */
static int handle_graph_compute(void *data, struct apir_arena *scratch, const struct apir_graph_compute_args *args)
{
    struct apir_upstream *upstream = data;
    const struct apir_upstream_backend_graph_compute_args compute = {.shm = args->shm, .size = args->size};
    struct apir_upstream_backend_graph_compute_reply result;
    (void)scratch;
    if (args->stream != UPSTREAM_STREAM || args->shm_offset != 0)
        return -EINVAL;
    int ret = apir_upstream_call_backend_graph_compute(upstream->link, NULL, &compute, &result);
    if (ret < 0)
        return ret;
    upstream->stats.graphs++;
    upstream->failed = upstream->failed ? upstream->failed : (uint32_t)graph_status(result.status);
    return (int)graph_status(result.status);
}

static int handle_stream_collect(void *data, struct apir_arena *scratch, const struct apir_stream_collect_args *args,
                                 struct apir_stream_collect_reply *reply)
{
    struct apir_upstream *upstream = data;
    (void)scratch;
    if (args->stream != UPSTREAM_STREAM)
        return -ENOENT;
    reply->status = (enum apir_graph_status)upstream->failed;
    upstream->failed = 0;
    return 0;
}

static int handle_session_get_stats(void *data, struct apir_arena *scratch, struct apir_session_get_stats_reply *reply)
{
    (void)scratch;
    *reply = ((struct apir_upstream *)data)->stats;
    return 0;
}

/* Calls that are missing here are not made: apir_session_has_rows. */
static const struct apir_handlers handlers = {
    .load_library = handle_load_library,
    .negotiate = handle_negotiate,
    .device_get_info = handle_device_get_info,
    .device_get_memory = handle_device_get_memory,
    .device_supports_op = handle_device_supports_op,
    .device_get_alloc_size = handle_device_get_alloc_size,
    .buffer_alloc = apir_upstream_handle_buffer_alloc,
    .buffer_free = apir_upstream_handle_buffer_free,
    .buffer_set_usage = apir_upstream_handle_buffer_set_usage,
    .buffer_init_tensor = apir_upstream_handle_buffer_init_tensor,
    .buffer_clear = apir_upstream_handle_buffer_clear,
    .buffer_reset = apir_upstream_handle_buffer_reset,
    .tensor_memset = apir_upstream_handle_tensor_memset,
    .tensor_set = apir_upstream_handle_tensor_set,
    .tensor_get = apir_upstream_handle_tensor_get,
    .tensor_copy = apir_upstream_handle_tensor_copy,
    .stream_create = handle_stream_create,
    .stream_destroy = handle_stream_destroy,
    .stream_collect = handle_stream_collect,
    .graph_compute = handle_graph_compute,
    .session_get_stats = handle_session_get_stats,
};

struct apir_upstream *apir_upstream_create(struct apir_session *session, const struct apir_session_options *options)
{
    struct apir_upstream *upstream = calloc(1, sizeof *upstream);
    if (!upstream)
        return NULL;
    upstream->session = session;
    upstream->link = apir_upstream_link_create(session, options);
    if (!upstream->link) {
        free(upstream); /* keeps errno */
        return NULL;
    }
    return upstream;
}

void apir_upstream_destroy(struct apir_upstream *upstream)
{
    if (!upstream)
        return;
    apir_upstream_forget_buffers(upstream);
    apir_upstream_link_destroy(upstream->link);
    free(upstream);
}

int apir_upstream_serve(struct apir_upstream *upstream, uint32_t call, struct apir_dec *args,
                        struct apir_arena *scratch, struct apir_enc *reply)
{
    int ret = apir_session_error(upstream->session);
    if (ret < 0)
        return ret; /* a forked child has not the lock */
    apir_upstream_link_lock(upstream->link);
    ret = apir_dispatch(&handlers, upstream, call, args, scratch, reply);
    apir_upstream_link_unlock(upstream->link);
    return ret;
}
