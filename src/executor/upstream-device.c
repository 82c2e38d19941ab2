/* Functions about the device and its buffer type. */
#include <errno.h>

#include "executor/op-check.h"
#include "executor/upstream-private.h"

int handle_upstream_device_get_device_count(void *data, struct apir_arena *scratch,
                                            struct apir_upstream_device_get_device_count_reply *reply)
{
    (void)data;
    (void)scratch;
    reply->count = 1;
    return 0;
}

int handle_upstream_device_get_count(void *data, struct apir_arena *scratch,
                                     struct apir_upstream_device_get_count_reply *reply)
{
    (void)data;
    (void)scratch;
    reply->count = 1;
    return 0;
}

int handle_upstream_device_get_name(void *data, struct apir_arena *scratch,
                                    struct apir_upstream_device_get_name_reply *reply)
{
    reply->name = apir_upstream_text(scratch, ggml_backend_dev_name(apir_upstream_device(data)));
    return reply->name ? 0 : -ENOMEM;
}

int handle_upstream_device_get_description(void *data, struct apir_arena *scratch,
                                           struct apir_upstream_device_get_description_reply *reply)
{
    reply->description = apir_upstream_text(scratch, ggml_backend_dev_description(apir_upstream_device(data)));
    return reply->description ? 0 : -ENOMEM;
}

int handle_upstream_device_get_type(void *data, struct apir_arena *scratch,
                                    struct apir_upstream_device_get_type_reply *reply)
{
    (void)scratch;
    switch (ggml_backend_dev_type(apir_upstream_device(data))) {
    case GGML_BACKEND_DEVICE_TYPE_IGPU:
        reply->type = APIR_UPSTREAM_DEVICE_TYPE_IGPU;
        return 0;
    case GGML_BACKEND_DEVICE_TYPE_ACCEL:
        reply->type = APIR_UPSTREAM_DEVICE_TYPE_ACCEL;
        return 0;
    case GGML_BACKEND_DEVICE_TYPE_META:
        reply->type = APIR_UPSTREAM_DEVICE_TYPE_META;
        return 0;
    case GGML_BACKEND_DEVICE_TYPE_CPU: /* as a CPU it would be passed over: programs offload to GPUs */
    case GGML_BACKEND_DEVICE_TYPE_GPU:
        break;
    }
    reply->type = APIR_UPSTREAM_DEVICE_TYPE_GPU;
    return 0;
}

int handle_upstream_device_get_memory(void *data, struct apir_arena *scratch,
                                      struct apir_upstream_device_get_memory_reply *reply)
{
    (void)scratch;
    apir_memory_report(data, apir_upstream_device(data), &reply->free, &reply->total);
    return 0;
}

int handle_upstream_device_supports_op(void *data, struct apir_arena *scratch,
                                       const struct apir_upstream_device_supports_op_args *args,
                                       struct apir_upstream_device_supports_op_reply *reply)
{
    struct ggml_tensor *op;
    int ret = apir_upstream_build_op(data, scratch, &args->op, &op);
    if (ret < 0)
        return ret == -EOPNOTSUPP ? 0 : ret;
    reply->supported = !apir_op_check(op) && apir_device_takes(apir_upstream_device(data), op);
    return 0;
}

int handle_upstream_device_get_buffer_type(void *data, struct apir_arena *scratch,
                                           struct apir_upstream_device_get_buffer_type_reply *reply)
{
    (void)data;
    (void)scratch;
    reply->buffer_type = APIR_UPSTREAM_BUFFER_TYPE;
    return 0;
}

int handle_upstream_device_get_props(void *data, struct apir_arena *scratch,
                                     struct apir_upstream_device_get_props_reply *reply)
{
    (void)data;
    (void)scratch;
    /* the rest is false: functions wait for their end, and the guest's memory is not the device's */
    reply->mmap_support = true;
    reply->has_mmap_support = true;
    return 0;
}

/* The buffer type of a handle, NULL unless it is ours. */
static ggml_backend_buffer_type_t get_buffer_type(struct apir_executor *executor, uint64_t handle)
{
    return handle == APIR_UPSTREAM_BUFFER_TYPE ? ggml_backend_dev_buffer_type(apir_upstream_device(executor)) : NULL;
}

int handle_upstream_buffer_type_get_name(void *data, struct apir_arena *scratch,
                                         const struct apir_upstream_buffer_type_get_name_args *args,
                                         struct apir_upstream_buffer_type_get_name_reply *reply)
{
    ggml_backend_buffer_type_t buft = get_buffer_type(data, args->buffer_type);
    if (!buft)
        return -ENOENT;
    reply->name = apir_upstream_text(scratch, ggml_backend_buft_name(buft));
    return reply->name ? 0 : -ENOMEM;
}

int handle_upstream_buffer_type_get_alignment(void *data, struct apir_arena *scratch,
                                              const struct apir_upstream_buffer_type_get_alignment_args *args,
                                              struct apir_upstream_buffer_type_get_alignment_reply *reply)
{
    (void)scratch;
    ggml_backend_buffer_type_t buft = get_buffer_type(data, args->buffer_type);
    if (!buft)
        return -ENOENT;
    reply->alignment = ggml_backend_buft_get_alignment(buft);
    return 0;
}

int handle_upstream_buffer_type_get_max_size(void *data, struct apir_arena *scratch,
                                             const struct apir_upstream_buffer_type_get_max_size_args *args,
                                             struct apir_upstream_buffer_type_get_max_size_reply *reply)
{
    (void)scratch;
    ggml_backend_buffer_type_t buft = get_buffer_type(data, args->buffer_type);
    if (!buft)
        return -ENOENT;
    size_t size = ggml_backend_buft_get_max_size(buft);
    reply->max_size = size == SIZE_MAX ? UINT64_MAX : size;
    return 0;
}

int handle_upstream_buffer_type_is_host(void *data, struct apir_arena *scratch,
                                        const struct apir_upstream_buffer_type_is_host_args *args,
                                        struct apir_upstream_buffer_type_is_host_reply *reply)
{
    (void)scratch;
    reply->is_host = false;
    return get_buffer_type(data, args->buffer_type) ? 0 : -ENOENT;
}

int handle_upstream_buffer_type_get_alloc_size(void *data, struct apir_arena *scratch,
                                               const struct apir_upstream_buffer_type_get_alloc_size_args *args,
                                               struct apir_upstream_buffer_type_get_alloc_size_reply *reply)
{
    struct ggml_tensor *op;
    ggml_backend_buffer_type_t buft = get_buffer_type(data, args->buffer_type);
    if (!buft)
        return -ENOENT;
    int ret = apir_upstream_build_op(data, scratch, &args->op, &op);
    if (ret < 0)
        return ret;
    /* what cannot be computed needs no more than its data: such guests do not always ask before */
    reply->size = apir_op_check(op) ? ggml_nbytes(op) : ggml_backend_buft_get_alloc_size(buft, op);
    return 0;
}
