/* A ggml backend library with what deployed hosts do not expect: several devices, methods that are optional and
 * missing, free memory that changes, and devices that cannot be used. FAULT_DEVICES says how many devices; with
 * FAULT_UNUSABLE none of them makes a backend. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/gen3.h"

#ifndef FAULT_UNUSABLE
#define FAULT_UNUSABLE 0
#endif

enum { SIZE = 1 << 20, ALIGNMENT = 64 };

/* Asked once more, one byte less is free. */
static _Atomic size_t free_bytes = SIZE;

static const char *const names[] = {"FAULT0", "FAULT1"};
static const char *const descriptions[] = {"the first", "the second"};
static struct apir_gen3_device devices[2];
static struct apir_gen3_buffer_type buffer_types[2];
static ggml_guid guid = {14};

static size_t index_of(ggml_backend_dev_t device)
{
    return (size_t)((struct apir_gen3_device *)device - devices);
}

/* --- buffers: the memory of malloc, without a method that can be left out ------------------------------------- */

static void free_buffer(ggml_backend_buffer_t buffer)
{
    free(((struct apir_gen3_buffer *)buffer)->context);
}

static void *get_base(ggml_backend_buffer_t buffer)
{
    return ((struct apir_gen3_buffer *)buffer)->context;
}

static void set_tensor(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor, const void *data, size_t offset,
                       size_t size)
{
    (void)buffer;
    memcpy((char *)tensor->data + offset, data, size);
}

static void get_tensor(ggml_backend_buffer_t buffer, const struct ggml_tensor *tensor, void *data, size_t offset,
                       size_t size)
{
    (void)buffer;
    memcpy(data, (const char *)tensor->data + offset, size);
}

static void clear(ggml_backend_buffer_t buffer, uint8_t value)
{
    memset(get_base(buffer), value, ((struct apir_gen3_buffer *)buffer)->size);
}

static ggml_backend_buffer_t alloc_buffer(ggml_backend_buffer_type_t buft, size_t size)
{
    const struct apir_gen3_buffer_i iface = {.free_buffer = free_buffer,
                                             .get_base = get_base,
                                             .set_tensor = set_tensor,
                                             .get_tensor = get_tensor,
                                             .clear = clear};
    void *memory = size <= SIZE ? aligned_alloc(ALIGNMENT, (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT) : NULL;
    return memory ? ggml_backend_buffer_init(buft, iface, memory, size) : NULL;
}

static const char *buffer_type_name(ggml_backend_buffer_type_t buft)
{
    return names[(struct apir_gen3_buffer_type *)buft - buffer_types];
}

static size_t get_alignment(ggml_backend_buffer_type_t buft)
{
    (void)buft;
    return ALIGNMENT;
}

/* --- backends: no synchronize, no events, nothing asynchronous ------------------------------------------------ */

static const char *backend_name(ggml_backend_t backend)
{
    return names[index_of(((struct apir_gen3_backend *)backend)->device)];
}

static void free_backend(ggml_backend_t backend)
{
    free(backend);
}

/* Computes nothing, but touches all that an op may: a sanitizer sees what does not lie in a buffer. */
static enum ggml_status graph_compute(ggml_backend_t backend, struct ggml_cgraph *graph)
{
    (void)backend;
    unsigned sum = 0;
    for (int i = 0; i < ggml_graph_n_nodes(graph); i++) {
        struct ggml_tensor *node = ggml_graph_node(graph, i);
        for (int j = 0; j < GGML_MAX_SRC && node->src[j]; j++)
            for (size_t at = 0; at < ggml_nbytes(node->src[j]); at++)
                sum += ((unsigned char *)node->src[j]->data)[at];
        memset(node->data, (int)sum, ggml_nbytes(node));
    }
    return GGML_STATUS_SUCCESS;
}

static ggml_backend_t init_backend(ggml_backend_dev_t device, const char *params)
{
    (void)params;
    struct apir_gen3_backend *backend = FAULT_UNUSABLE ? NULL : calloc(1, sizeof *backend);
    if (!backend)
        return NULL;
    backend->guid = &guid;
    backend->iface.get_name = backend_name;
    backend->iface.free = free_backend;
    backend->iface.graph_compute = graph_compute;
    backend->device = device;
    return (ggml_backend_t)backend;
}

/* --- devices -------------------------------------------------------------------------------------------------- */

static const char *device_name(ggml_backend_dev_t device)
{
    return names[index_of(device)];
}

static const char *device_description(ggml_backend_dev_t device)
{
    return descriptions[index_of(device)];
}

static void device_memory(ggml_backend_dev_t device, size_t *free_memory, size_t *total)
{
    (void)device;
    *free_memory = --free_bytes;
    *total = SIZE;
}

static enum ggml_backend_dev_type device_type(ggml_backend_dev_t device)
{
    (void)device;
    return GGML_BACKEND_DEVICE_TYPE_GPU;
}

static void device_props(ggml_backend_dev_t device, struct ggml_backend_dev_props *props)
{
    memset(props, 0, sizeof *props);
    props->name = device_name(device);
    props->description = device_description(device);
    props->type = device_type(device);
    props->memory_free = props->memory_total = SIZE;
}

static ggml_backend_buffer_type_t buffer_type(ggml_backend_dev_t device)
{
    return (ggml_backend_buffer_type_t)&buffer_types[index_of(device)];
}

static bool supports_op(ggml_backend_dev_t device, const struct ggml_tensor *op)
{
    (void)device;
    (void)op;
    return true;
}

static bool supports_buft(ggml_backend_dev_t device, ggml_backend_buffer_type_t buft)
{
    return buft == buffer_type(device);
}

static const char *reg_name(ggml_backend_reg_t reg)
{
    (void)reg;
    return "FAULT";
}

static size_t reg_device_count(ggml_backend_reg_t reg)
{
    (void)reg;
    return FAULT_DEVICES;
}

static ggml_backend_dev_t reg_device(ggml_backend_reg_t reg, size_t index)
{
    (void)reg;
    return (ggml_backend_dev_t)&devices[index];
}

static struct apir_gen3_reg registry = {
    .api_version = APIR_GEN3_API_VERSION,
    .iface = {.get_name = reg_name, .get_device_count = reg_device_count, .get_device = reg_device},
};

static void make_device(size_t index)
{
    buffer_types[index] = (struct apir_gen3_buffer_type){
        .iface = {.get_name = buffer_type_name, .alloc_buffer = alloc_buffer, .get_alignment = get_alignment},
        .device = (ggml_backend_dev_t)&devices[index],
    };
    devices[index] = (struct apir_gen3_device){
        .iface = {.get_name = device_name,
                  .get_description = device_description,
                  .get_memory = device_memory,
                  .get_type = device_type,
                  .get_props = device_props,
                  .init_backend = init_backend,
                  .get_buffer_type = buffer_type,
                  .supports_op = supports_op,
                  .supports_buft = supports_buft},
        .reg = (ggml_backend_reg_t)&registry,
    };
}

ggml_backend_reg_t ggml_backend_init(void);

__attribute__((visibility("default"))) ggml_backend_reg_t ggml_backend_init(void)
{
    for (size_t i = 0; i < FAULT_DEVICES; i++)
        make_device(i);
    return (ggml_backend_reg_t)&registry;
}
