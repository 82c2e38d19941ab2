#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/session.h"
#include "client/upstream-private.h"

enum {
    PAGE = 4096,                /* of buffer_alloc_reply.base_residue */
    TYPE_I8 = 24,               /* of ggml */
    MAX_FILL = 8 * 1024 * 1024, /* bytes that travel at once to fill memory */
};

/* A buffer of the host. */
struct apir_upstream_buffer {
    struct apir_upstream_buffer *next; /* apir_upstream.buffers */
    uint64_t handle;
    uint64_t size;
};

void apir_upstream_forget_buffers(struct apir_upstream *upstream)
{
    while (upstream->buffers) {
        struct apir_upstream_buffer *buffer = upstream->buffers;
        upstream->buffers = buffer->next;
        free(buffer);
    }
}

static void remember(struct apir_upstream *upstream, struct apir_upstream_buffer *buffer)
{
    buffer->next = upstream->buffers;
    upstream->buffers = buffer;
    upstream->stats.buffers++;
    upstream->stats.buffer_bytes += buffer->size;
}

static void forget(struct apir_upstream *upstream, uint64_t handle)
{
    struct apir_upstream_buffer **link = &upstream->buffers;
    while (*link && (*link)->handle != handle)
        link = &(*link)->next;
    struct apir_upstream_buffer *buffer = *link;
    if (!buffer)
        return;
    *link = buffer->next;
    upstream->stats.buffers--;
    upstream->stats.buffer_bytes -= buffer->size;
    free(buffer);
}

static int free_on_host(struct apir_upstream *upstream, uint64_t handle)
{
    const struct apir_upstream_buffer_free_buffer_args args = {.buffer = handle};
    return apir_upstream_call_buffer_free_buffer(upstream->link, NULL, &args);
}

/* Allocates, and asks where: 0 and a buffer whose handle is 0 when the host has not that much memory. */
static int alloc_on_host(struct apir_upstream *upstream, struct apir_upstream_buffer *buffer, uint64_t *base)
{
    const struct apir_upstream_buffer_type_alloc_buffer_args args = {.buffer_type = upstream->buffer_type,
                                                                     .size = buffer->size};
    struct apir_upstream_buffer_type_alloc_buffer_reply reply;
    int ret = apir_upstream_call_buffer_type_alloc_buffer(upstream->link, NULL, &args, &reply);
    if (ret < 0 || reply.buffer == 0)
        return ret;
    buffer->handle = reply.buffer;
    const struct apir_upstream_buffer_get_base_args base_args = {.buffer = buffer->handle};
    struct apir_upstream_buffer_get_base_reply base_reply;
    ret = apir_upstream_call_buffer_get_base(upstream->link, NULL, &base_args, &base_reply);
    if (ret == 0)
        *base = base_reply.base;
    else
        free_on_host(upstream, buffer->handle);
    return ret;
}

int apir_upstream_handle_buffer_alloc(void *data, struct apir_arena *scratch, const struct apir_buffer_alloc_args *args,
                                      struct apir_buffer_alloc_reply *reply)
{
    struct apir_upstream *upstream = data;
    (void)scratch;
    uint64_t base = 0;
    struct apir_upstream_buffer *buffer = calloc(1, sizeof *buffer);
    if (!buffer)
        return -ENOMEM;
    buffer->size = args->size;
    int ret = args->device == 0 ? alloc_on_host(upstream, buffer, &base) : -EINVAL;
    if (ret < 0 || buffer->handle == 0) {
        free(buffer); /* the reply is zeroed: no buffer */
        return ret;
    }
    remember(upstream, buffer);
    *reply =
        (struct apir_buffer_alloc_reply){.buffer = buffer->handle, .size = buffer->size, .base_residue = base % PAGE};
    return 0;
}

int apir_upstream_handle_buffer_free(void *data, struct apir_arena *scratch, const struct apir_buffer_free_args *args)
{
    struct apir_upstream *upstream = data;
    (void)scratch;
    forget(upstream, args->buffer);
    return free_on_host(upstream, args->buffer);
}

int apir_upstream_handle_buffer_set_usage(void *data, struct apir_arena *scratch,
                                          const struct apir_buffer_set_usage_args *args)
{
    (void)data;
    (void)scratch;
    (void)args;
    return 0; /* the host has no use for it */
}

int apir_upstream_handle_buffer_clear(void *data, struct apir_arena *scratch, const struct apir_buffer_clear_args *args)
{
    struct apir_upstream *upstream = data;
    (void)scratch;
    const struct apir_upstream_buffer_clear_args clear = {.buffer = args->buffer, .value = (uint8_t)args->value};
    return apir_upstream_call_buffer_clear(upstream->link, NULL, &clear);
}

int apir_upstream_handle_buffer_reset(void *data, struct apir_arena *scratch, const struct apir_buffer_reset_args *args)
{
    (void)data;
    (void)scratch;
    (void)args;
    return 0; /* nothing is attached to tensors, which live for one call */
}

static int set(struct apir_upstream *upstream, const struct apir_upstream_tensor *tensor, uint32_t shm, uint64_t offset,
               uint64_t size)
{
    const struct apir_upstream_buffer_set_tensor_args args = {
        .buffer = tensor->buffer, .tensor = *tensor, .shm = shm, .offset = offset, .size = size};
    return apir_upstream_call_buffer_set_tensor(upstream->link, NULL, &args);
}

/* Sets bytes of a tensor to value: they travel. */
static int fill(struct apir_upstream *upstream, const struct apir_upstream_tensor *tensor, uint8_t value,
                uint64_t offset, uint64_t size)
{
    struct apir_shm shm;
    uint64_t most = size < MAX_FILL ? size : MAX_FILL;
    if (size == 0)
        return 0;
    int ret = apir_session_shm_create(upstream->session, most, &shm);
    if (ret < 0)
        return ret;
    memset(shm.data, value, most);
    for (uint64_t done = 0; done < size && ret == 0; done += most)
        ret = set(upstream, tensor, shm.id, offset + done, size - done < most ? size - done : most);
    apir_session_shm_destroy(upstream->session, &shm);
    return ret;
}

int apir_upstream_handle_tensor_memset(void *data, struct apir_arena *scratch,
                                       const struct apir_tensor_memset_args *args)
{
    struct apir_upstream_tensor tensor;
    (void)scratch;
    int ret = apir_upstream_describe(&args->tensor, &tensor);
    return ret < 0 ? ret : fill(data, &tensor, (uint8_t)args->value, args->offset, args->size);
}

int apir_upstream_handle_tensor_set(void *data, struct apir_arena *scratch, const struct apir_tensor_set_args *args)
{
    struct apir_upstream_tensor tensor;
    (void)scratch;
    int ret = apir_upstream_describe(&args->tensor, &tensor);
    if (ret == 0 && args->shm_offset != 0) /* the deployed protocol has no such thing */
        ret = -EINVAL;
    return ret < 0 ? ret : set(data, &tensor, args->shm, args->offset, args->size);
}

int apir_upstream_handle_tensor_get(void *data, struct apir_arena *scratch, const struct apir_tensor_get_args *args)
{
    struct apir_upstream *upstream = data;
    struct apir_upstream_buffer_get_tensor_args get = {
        .buffer = args->tensor.buffer, .shm = args->shm, .offset = args->offset, .size = args->size};
    (void)scratch;
    int ret = apir_upstream_describe(&args->tensor, &get.tensor);
    if (ret == 0 && args->shm_offset != 0)
        ret = -EINVAL;
    return ret < 0 ? ret : apir_upstream_call_buffer_get_tensor(upstream->link, NULL, &get);
}

int apir_upstream_handle_tensor_copy(void *data, struct apir_arena *scratch, const struct apir_tensor_copy_args *args,
                                     struct apir_tensor_copy_reply *reply)
{
    struct apir_upstream *upstream = data;
    struct apir_upstream_buffer_cpy_tensor_args copy = {.buffer = args->destination.buffer};
    struct apir_upstream_buffer_cpy_tensor_reply result;
    (void)scratch;
    int ret = apir_upstream_describe(&args->source, &copy.src);
    if (ret == 0)
        ret = apir_upstream_describe(&args->destination, &copy.dst);
    if (ret == 0)
        ret = apir_upstream_call_buffer_cpy_tensor(upstream->link, NULL, &copy, &result);
    if (ret == 0)
        reply->done = result.done;
    return ret;
}

int apir_upstream_ask_alloc_size(struct apir_upstream *upstream, const struct apir_op_query *query, uint64_t *size)
{
    struct apir_upstream_raw_tensor sources[APIR_MAX_SRC];
    struct apir_upstream_buffer_type_get_alloc_size_args args = {.buffer_type = upstream->buffer_type};
    struct apir_upstream_buffer_type_get_alloc_size_reply reply;
    int ret = apir_upstream_describe_op(query, &args.op, sources);
    *size = UINT64_MAX;
    if (ret == -EOVERFLOW || ret == -EOPNOTSUPP)
        return 0;
    if (ret == 0)
        ret = apir_upstream_call_buffer_type_get_alloc_size(upstream->link, NULL, &args, &reply);
    if (ret == 0)
        *size = reply.size;
    return ret;
}

/* Bytes of a quantized tensor, whose rows are dense. */
static uint64_t bytes_of(const struct apir_tensor *tensor)
{
    uint64_t bytes = tensor->nb[1];
    for (uint32_t i = 0; i < APIR_MAX_DIMS; i++)
        if (tensor->ne[i] == 0)
            return 0;
    for (uint32_t i = 1; i < APIR_MAX_DIMS; i++)
        bytes += (tensor->ne[i] - 1) * tensor->nb[i];
    return bytes;
}

/* Some backends want the padding behind quantized tensors to be zero, and see to it when a tensor is put into a buffer,
 * of which this protocol's hosts are not told. */
int apir_upstream_handle_buffer_init_tensor(void *data, struct apir_arena *scratch,
                                            const struct apir_buffer_init_tensor_args *args,
                                            struct apir_buffer_init_tensor_reply *reply)
{
    const struct apir_op_query query = {.tensors = &args->tensor, .n_tensors = 1};
    uint64_t size, bytes = bytes_of(&args->tensor);
    (void)scratch;
    int ret = apir_upstream_ask_alloc_size(data, &query, &size);
    if (ret < 0)
        return ret;
    reply->status = APIR_GRAPH_STATUS_SUCCESS;
    if (size <= bytes || size - bytes > UINT32_MAX)
        return 0;
    uint32_t padding = (uint32_t)(size - bytes);
    const struct apir_upstream_tensor tensor = {
        .id = 1,
        .type = TYPE_I8,
        .buffer = args->tensor.buffer,
        .ne = {padding, 1, 1, 1},
        .nb = {1, padding, padding, padding},
        .data = args->tensor.offset + bytes,
        .name = "",
    };
    return fill(data, &tensor, 0, 0, padding);
}
