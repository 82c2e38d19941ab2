/* Functions about buffers and the data in them. */
#include <errno.h>

#include "executor/upstream-private.h"

enum {
    BASE_SHIFT = 44, /* bases are 16 TiB apart, which is more than a device has */
};

uint64_t apir_upstream_base(uint64_t handle, const struct apir_buffer *buffer)
{
    uint64_t index = (uint32_t)handle; /* below APIR_MAX_OBJECTS */
    return (index + 1) << BASE_SHIFT | (uintptr_t)buffer->base % APIR_RESIDUE_MODULUS;
}

int handle_upstream_buffer_type_alloc_buffer(void *data, struct apir_arena *scratch,
                                             const struct apir_upstream_buffer_type_alloc_buffer_args *args,
                                             struct apir_upstream_buffer_type_alloc_buffer_reply *reply)
{
    struct apir_executor *executor = data;
    struct apir_buffer_alloc_reply allocated = {0};
    if (args->buffer_type != APIR_UPSTREAM_BUFFER_TYPE)
        return -ENOENT;
    const struct apir_buffer_alloc_args alloc = {.device = executor->upstream.device, .size = args->size};
    int ret = handle_buffer_alloc(executor, scratch, &alloc, &allocated);
    reply->buffer = allocated.buffer;
    return ret;
}

int handle_upstream_device_buffer_from_ptr(void *data, struct apir_arena *scratch,
                                           const struct apir_upstream_device_buffer_from_ptr_args *args,
                                           struct apir_upstream_device_buffer_from_ptr_reply *reply)
{
    (void)scratch;
    struct apir_executor *executor = data;
    const struct apir_shm_range range = {
        .shm = args->shm, .size = args->size, .max_tensor_size = args->max_tensor_size};
    struct apir_buffer_alloc_reply made = {0};
    int ret = apir_shm_buffer_add(executor, apir_upstream_device(executor), &range, &made);
    reply->buffer = made.buffer;
    reply->buffer_type = made.buffer ? APIR_UPSTREAM_BUFFER_TYPE : 0;
    return ret;
}

int handle_upstream_buffer_get_base(void *data, struct apir_arena *scratch,
                                    const struct apir_upstream_buffer_get_base_args *args,
                                    struct apir_upstream_buffer_get_base_reply *reply)
{
    (void)scratch;
    struct apir_buffer *buffer = apir_buffer_get(data, args->buffer);
    if (!buffer)
        return -ENOENT;
    reply->base = apir_upstream_base(args->buffer, buffer);
    apir_buffer_put(data, buffer);
    return 0;
}

/* The tensor of a call about a buffer. A tensor that names no buffer is in that of the call, and its data is an
 * address. */
static int convert_in(struct apir_executor *executor, uint64_t handle, const struct apir_upstream_tensor *from,
                      struct apir_tensor *to)
{
    apir_upstream_convert(from, to);
    if (from->buffer)
        return from->buffer == handle ? 0 : -EINVAL;
    struct apir_buffer *buffer = apir_buffer_get(executor, handle);
    if (!buffer)
        return -ENOENT;
    to->buffer = handle;
    to->offset = from->data - apir_upstream_base(handle, buffer); /* checked like any other when it is placed */
    apir_buffer_put(executor, buffer);
    return 0;
}

int handle_upstream_buffer_set_tensor(void *data, struct apir_arena *scratch,
                                      const struct apir_upstream_buffer_set_tensor_args *args)
{
    struct apir_tensor_set_args set = {.offset = args->offset, .size = args->size, .shm = args->shm};
    int ret = convert_in(data, args->buffer, &args->tensor, &set.tensor);
    return ret < 0 ? ret : handle_tensor_set(data, scratch, &set);
}

int handle_upstream_buffer_get_tensor(void *data, struct apir_arena *scratch,
                                      const struct apir_upstream_buffer_get_tensor_args *args)
{
    struct apir_tensor_get_args get = {.offset = args->offset, .size = args->size, .shm = args->shm};
    int ret = convert_in(data, args->buffer, &args->tensor, &get.tensor);
    return ret < 0 ? ret : handle_tensor_get(data, scratch, &get);
}

int handle_upstream_buffer_cpy_tensor(void *data, struct apir_arena *scratch,
                                      const struct apir_upstream_buffer_cpy_tensor_args *args,
                                      struct apir_upstream_buffer_cpy_tensor_reply *reply)
{
    struct apir_tensor_copy_args copy = {0};
    struct apir_tensor_copy_reply copied = {0};
    int ret = convert_in(data, args->buffer, &args->dst, &copy.destination);
    if (ret < 0)
        return ret;
    if (!args->src.buffer)
        return 0; /* not done: the source is none of ours */
    apir_upstream_convert(&args->src, &copy.source);
    ret = handle_tensor_copy(data, scratch, &copy, &copied);
    reply->done = copied.done;
    return ret;
}

int handle_upstream_buffer_clear(void *data, struct apir_arena *scratch,
                                 const struct apir_upstream_buffer_clear_args *args)
{
    return handle_buffer_clear(data, scratch, &(struct apir_buffer_clear_args){args->buffer, args->value});
}

int handle_upstream_buffer_free_buffer(void *data, struct apir_arena *scratch,
                                       const struct apir_upstream_buffer_free_buffer_args *args)
{
    return handle_buffer_free(data, scratch, &(struct apir_buffer_free_args){args->buffer});
}
