#include "backend/device.h"

#include <errno.h>
#include <stdio.h>

#include "apir-calls.h"
#include "backend/op-ask.h"
#include "backend/reg.h"
#include "backend/stream.h"

static struct apir_device *of(ggml_backend_dev_t device)
{
    return (struct apir_device *)device;
}

/* A CPU is announced as a GPU: applications offload to nothing less. */
static enum ggml_backend_dev_type announced_type(enum apir_device_type type)
{
    switch (type) {
    case APIR_DEVICE_TYPE_IGPU:
        return GGML_BACKEND_DEVICE_TYPE_IGPU;
    case APIR_DEVICE_TYPE_ACCEL:
        return GGML_BACKEND_DEVICE_TYPE_ACCEL;
    case APIR_DEVICE_TYPE_META:
        return GGML_BACKEND_DEVICE_TYPE_META;
    case APIR_DEVICE_TYPE_CPU:
    case APIR_DEVICE_TYPE_GPU:
        break;
    }
    return GGML_BACKEND_DEVICE_TYPE_GPU;
}

int apir_device_init(struct apir_device *device, struct apir_reg *reg, uint32_t index)
{
    struct apir_arena arena = {0};
    struct apir_device_get_info_args args = {.device = index};
    struct apir_device_get_info_reply reply;
    int ret = apir_call_device_get_info(apir_session_control(reg->session), &arena, &args, &reply);
    if (ret < 0)
        goto err_arena;
    const struct apir_device_info *info = &reply.info;
    if (info->alignment == 0 || (info->alignment & (info->alignment - 1)) != 0) {
        ret = -EBADMSG;
        goto err_arena;
    }
    *device = (struct apir_device){.reg = reg,
                                   .index = index,
                                   .type = announced_type(info->type),
                                   .buffer_types = info->buffer_types};
    snprintf(device->name, sizeof device->name, "[virtgpu] %s", info->name);
    snprintf(device->description, sizeof device->description, "%s", info->description);
    reg->abi->init_device(&device->base, (ggml_backend_reg_t)reg);
    apir_buffer_type_init(&device->buffer_type, device, info);
    apir_host_buffer_type_init(&device->host_buffer_type, device);

err_arena:
    apir_arena_finish(&arena);
    return ret;
}

const char *apir_device_get_name(ggml_backend_dev_t device)
{
    return of(device)->name;
}

const char *apir_device_get_description(ggml_backend_dev_t device)
{
    return of(device)->description;
}

void apir_device_get_memory(ggml_backend_dev_t device, size_t *free, size_t *total)
{
    struct apir_device_get_memory_args args = {.device = of(device)->index};
    struct apir_device_get_memory_reply reply = {0};
    int ret = apir_call_device_get_memory(apir_session_control(of(device)->reg->session), NULL,
                                          &args, &reply);
    *free = ret == 0 ? reply.free : 0;
    *total = ret == 0 ? reply.total : 0;
}

enum ggml_backend_dev_type apir_device_get_type(ggml_backend_dev_t device)
{
    return of(device)->type;
}

void apir_device_get_props(ggml_backend_dev_t device, struct ggml_backend_dev_props *props)
{
    *props = (struct ggml_backend_dev_props){
        .name = of(device)->name,
        .description = of(device)->description,
        .type = of(device)->type,
        /* weights are copied from wherever they are. buffer_from_host_ptr is there, but for memory that is shared with
         * the host only: who sees it announced takes any memory for good */
        .caps = {.async = true, .host_buffer = true, .events = true, .mmap_support = true},
    };
    apir_device_get_memory(device, &props->memory_free, &props->memory_total);
}

ggml_backend_t apir_device_init_backend(ggml_backend_dev_t device, const char *params)
{
    (void)params; /* no backend of ggml has any */
    return apir_stream_create(of(device));
}

ggml_backend_buffer_type_t apir_device_get_buffer_type(ggml_backend_dev_t device)
{
    return (ggml_backend_buffer_type_t)&of(device)->buffer_type;
}

ggml_backend_buffer_type_t apir_device_get_host_buffer_type(ggml_backend_dev_t device)
{
    return (ggml_backend_buffer_type_t)&of(device)->host_buffer_type;
}

bool apir_device_supports_op(ggml_backend_dev_t device, const struct ggml_tensor *op)
{
    return apir_op_ask_support(of(device), op).supported;
}

bool apir_device_offload_op(ggml_backend_dev_t device, const struct ggml_tensor *op)
{
    return apir_op_ask_support(of(device), op).offload;
}

bool apir_device_supports_buft(ggml_backend_dev_t device, ggml_backend_buffer_type_t buft)
{
    const struct apir_reg *reg = of(device)->reg;
    if (buft == apir_device_get_buffer_type(device))
        return true;
    for (uint32_t i = 0; i < reg->n_devices; i++)
        if (buft == (ggml_backend_buffer_type_t)&reg->devices[i].buffer_type)
            return of(device)->buffer_types >> i & 1;
    return false;
}
