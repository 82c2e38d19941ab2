/* Buffers in memory that the guest shares, which devices use in place. */
#include <errno.h>

#include "executor/private.h"
#include "util/checked.h"

/* Whether the device takes memory at that address. Backends assert alignment. */
static bool device_takes(ggml_backend_dev_t device, const void *data)
{
    struct ggml_backend_dev_props props;
    ggml_backend_dev_get_props(device, &props);
    return props.caps.buffer_from_host_ptr &&
           (uintptr_t)data % ggml_backend_buft_get_alignment(ggml_backend_dev_buffer_type(device)) == 0;
}

int apir_shm_buffer_add(struct apir_executor *executor, ggml_backend_dev_t device, const struct apir_shm_range *range,
                        struct apir_buffer_alloc_reply *reply)
{
    struct apir_mapping *memory = apir_shm_table_get(executor->memory, range->shm);
    struct apir_buffer *buffer = NULL;
    int ret = -EFAULT;
    if (!memory || !apir_checked_range(range->offset, range->size, memory->size) ||
        range->max_tensor_size > range->size)
        goto out;
    ret = 0;
    char *data = (char *)memory->data + range->offset;
    /* a buffer outlives the call, so what is only borrowed for it will not do */
    if (range->size > 0 && !memory->borrowed && device_takes(device, data))
        buffer = apir_buffer_wrap(
            executor, ggml_backend_dev_buffer_from_host_ptr(device, data, range->size, range->max_tensor_size));
    if (!buffer)
        goto out;
    buffer->memory = memory;
    memory = NULL;
    reply->size = buffer->size;
    reply->base_residue = (uintptr_t)buffer->base % APIR_RESIDUE_MODULUS;
    reply->buffer = apir_buffer_add(executor, buffer);
out:
    apir_shm_table_put(executor->memory, memory);
    return ret;
}

int handle_buffer_from_shm(void *data, struct apir_arena *scratch, const struct apir_buffer_from_shm_args *args,
                           struct apir_buffer_from_shm_reply *reply)
{
    (void)scratch;
    struct apir_executor *executor = data;
    ggml_backend_dev_t device = apir_device_get(executor, args->device);
    const struct apir_shm_range range = {args->shm, args->shm_offset, args->size, args->max_tensor_size};
    struct apir_buffer_alloc_reply made = {0};
    if (!device)
        return -ENODEV;
    int ret = apir_shm_buffer_add(executor, device, &range, &made);
    if (ret < 0 || !made.buffer) /* that a device cannot is a result, not a mistake */
        return ret;
    reply->buffer = made.buffer;
    reply->size = made.size;
    reply->base_residue = made.base_residue;
    return 0;
}
