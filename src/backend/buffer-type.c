#include "backend/buffer-type.h"

#include <stdio.h>

#include "backend/buffer.h"
#include "backend/device.h"
#include "backend/op-ask.h"
#include "backend/reg.h"

static struct apir_buffer_type *of(ggml_backend_buffer_type_t buft)
{
    return (struct apir_buffer_type *)buft;
}

void apir_buffer_type_init(struct apir_buffer_type *buft, struct apir_device *device,
                           const struct apir_device_info *info)
{
    *buft = (struct apir_buffer_type){
        .device = device,
        .alignment = info->alignment,
        .max_size = info->max_buffer_size,
        .has_alloc_size = info->has_alloc_size,
    };
    snprintf(buft->name, sizeof buft->name, "[virtgpu] %s", info->buffer_type_name);
    device->reg->abi->init_buffer_type(&buft->base, (ggml_backend_dev_t)device);
}

const char *apir_buffer_type_get_name(ggml_backend_buffer_type_t buft)
{
    return of(buft)->name;
}

ggml_backend_buffer_t apir_buffer_type_alloc_buffer(ggml_backend_buffer_type_t buft, size_t size)
{
    return apir_buffer_create(of(buft)->device, size);
}

size_t apir_buffer_type_get_alignment(ggml_backend_buffer_type_t buft)
{
    return of(buft)->alignment;
}

size_t apir_buffer_type_get_max_size(ggml_backend_buffer_type_t buft)
{
    return of(buft)->max_size;
}

size_t apir_buffer_type_get_alloc_size(ggml_backend_buffer_type_t buft,
                                       const struct ggml_tensor *tensor)
{
    size_t size = ggml_nbytes(tensor);
    if (!of(buft)->has_alloc_size)
        return size;
    uint64_t answer = apir_op_ask_alloc_size(of(buft)->device, tensor);
    /* ggml asserts that a tensor needs no less than its data, and cannot be told of an error */
    return answer == UINT64_MAX || answer < size ? size : answer;
}

bool apir_buffer_type_is_host(ggml_backend_buffer_type_t buft)
{
    (void)buft;
    return false;
}
