/* The floor of any remote device: a ggml backend with one device that is the CPU device of the same process, with
 * nothing in between. Like a remote device it is no host memory for ggml, so weights are not repacked and data goes in
 * and out by set and get; unlike one, it computes the very graph that it is handed, at once, with one thread. What is
 * slower than this is the price of being remote. For benchmarks; not installed. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backend/abi/gen3.h"

/* ggml hands a backend's library no state of its own to put these into. */
static struct {
    struct apir_gen3_reg reg;
    struct apir_gen3_device device;
    struct apir_gen3_buffer_type buft;
    ggml_guid guid;
    ggml_backend_dev_t cpu;
} the_floor = {.guid = {0x61, 0x70, 0x69, 0x72, 0x20, 0x66, 0x6c, 0x6f, 0x6f, 0x72, 1}};

__attribute__((visibility("default"))) ggml_backend_reg_t ggml_backend_init(void);

/* ---- buffers ---- */

static ggml_backend_buffer_type_t cpu_buft(void)
{
    return ggml_backend_dev_buffer_type(the_floor.cpu);
}

/* A buffer's context is the CPU device's buffer. */
static ggml_backend_buffer_t inner(ggml_backend_buffer_t buffer)
{
    return ((struct apir_gen3_buffer *)buffer)->context;
}

static void buffer_free(ggml_backend_buffer_t buffer)
{
    ggml_backend_buffer_free(inner(buffer));
}

static void *buffer_get_base(ggml_backend_buffer_t buffer)
{
    return ggml_backend_buffer_get_base(inner(buffer));
}

static void buffer_memset(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor, uint8_t value, size_t offset,
                          size_t size)
{
    (void)buffer;
    memset((char *)tensor->data + offset, value, size);
}

static void buffer_set(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor, const void *data, size_t offset,
                       size_t size)
{
    (void)buffer;
    memcpy((char *)tensor->data + offset, data, size);
}

static void buffer_get(ggml_backend_buffer_t buffer, const struct ggml_tensor *tensor, void *data, size_t offset,
                       size_t size)
{
    (void)buffer;
    memcpy(data, (const char *)tensor->data + offset, size);
}

static void buffer_clear(ggml_backend_buffer_t buffer, uint8_t value)
{
    ggml_backend_buffer_clear(inner(buffer), value);
}

static const struct apir_gen3_buffer_i buffer_functions = {
    .free_buffer = buffer_free,
    .get_base = buffer_get_base,
    .memset_tensor = buffer_memset,
    .set_tensor = buffer_set,
    .get_tensor = buffer_get,
    .clear = buffer_clear,
};

static const char *buft_get_name(ggml_backend_buffer_type_t buft)
{
    (void)buft;
    return "[floor] CPU";
}

static ggml_backend_buffer_t buft_alloc(ggml_backend_buffer_type_t buft, size_t size)
{
    ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(cpu_buft(), size);
    return buffer ? ggml_backend_buffer_init(buft, buffer_functions, buffer, size) : NULL;
}

static size_t buft_get_alignment(ggml_backend_buffer_type_t buft)
{
    (void)buft;
    return ggml_backend_buft_get_alignment(cpu_buft());
}

static size_t buft_get_max_size(ggml_backend_buffer_type_t buft)
{
    (void)buft;
    return ggml_backend_buft_get_max_size(cpu_buft());
}

static size_t buft_get_alloc_size(ggml_backend_buffer_type_t buft, const struct ggml_tensor *tensor)
{
    (void)buft;
    return ggml_backend_buft_get_alloc_size(cpu_buft(), tensor);
}

static bool buft_is_host(ggml_backend_buffer_type_t buft)
{
    (void)buft;
    return false;
}

/* ---- the backend: its context is one of the CPU device ---- */

static const char *backend_get_name(ggml_backend_t backend)
{
    (void)backend;
    return "[floor] CPU";
}

static void backend_free(ggml_backend_t backend)
{
    ggml_backend_free(((struct apir_gen3_backend *)backend)->context);
    free(backend);
}

static enum ggml_status backend_graph_compute(ggml_backend_t backend, struct ggml_cgraph *graph)
{
    return ggml_backend_graph_compute(((struct apir_gen3_backend *)backend)->context, graph);
}

static ggml_backend_t make_cpu_backend(void)
{
    ggml_backend_t cpu = ggml_backend_dev_init(the_floor.cpu, NULL);
    ggml_backend_reg_t reg = ggml_backend_dev_backend_reg(the_floor.cpu);
    ggml_backend_set_n_threads_t set_threads =
        (ggml_backend_set_n_threads_t)(uintptr_t)ggml_backend_reg_get_proc_address(reg, "ggml_backend_set_n_threads");
    if (cpu && set_threads)
        set_threads(cpu, 1);
    return cpu;
}

/* ---- the device ---- */

static const char *device_get_name(ggml_backend_dev_t device)
{
    (void)device;
    return "[floor] CPU";
}

static const char *device_get_description(ggml_backend_dev_t device)
{
    (void)device;
    return "the CPU of this process as a device without a transport";
}

static void device_get_memory(ggml_backend_dev_t device, size_t *unused, size_t *total)
{
    (void)device;
    ggml_backend_dev_memory(the_floor.cpu, unused, total);
}

/* applications offload to nothing less */
static enum ggml_backend_dev_type device_get_type(ggml_backend_dev_t device)
{
    (void)device;
    return GGML_BACKEND_DEVICE_TYPE_GPU;
}

static void device_get_props(ggml_backend_dev_t device, struct ggml_backend_dev_props *props)
{
    *props = (struct ggml_backend_dev_props){
        .name = device_get_name(device),
        .description = device_get_description(device),
        .type = GGML_BACKEND_DEVICE_TYPE_GPU,
    };
    device_get_memory(device, &props->memory_free, &props->memory_total);
}

static ggml_backend_t device_init_backend(ggml_backend_dev_t device, const char *params)
{
    (void)params;
    struct apir_gen3_backend *backend = malloc(sizeof *backend);
    if (!backend)
        return NULL;
    *backend = (struct apir_gen3_backend){
        .guid = &the_floor.guid,
        .iface = {.get_name = backend_get_name, .free = backend_free, .graph_compute = backend_graph_compute},
        .device = device,
        .context = make_cpu_backend(),
    };
    if (backend->context)
        return (ggml_backend_t)backend;
    free(backend);
    return NULL;
}

static ggml_backend_buffer_type_t device_get_buffer_type(ggml_backend_dev_t device)
{
    (void)device;
    return (ggml_backend_buffer_type_t)&the_floor.buft;
}

static bool device_supports_op(ggml_backend_dev_t device, const struct ggml_tensor *op)
{
    (void)device;
    return ggml_backend_dev_supports_op(the_floor.cpu, op);
}

static bool device_supports_buft(ggml_backend_dev_t device, ggml_backend_buffer_type_t buft)
{
    (void)device;
    return buft == (ggml_backend_buffer_type_t)&the_floor.buft;
}

/* ---- the library ---- */

static const char *reg_get_name(ggml_backend_reg_t reg)
{
    (void)reg;
    return "floor";
}

static size_t reg_get_device_count(ggml_backend_reg_t reg)
{
    (void)reg;
    return the_floor.cpu ? 1 : 0;
}

static ggml_backend_dev_t reg_get_device(ggml_backend_reg_t reg, size_t index)
{
    (void)reg;
    return index == 0 ? (ggml_backend_dev_t)&the_floor.device : NULL;
}

static void *reg_get_proc_address(ggml_backend_reg_t reg, const char *name)
{
    (void)reg;
    (void)name;
    return NULL;
}

static void fill_device(struct apir_gen3_device *device)
{
    device->iface = (struct apir_gen3_device_i){
        .get_name = device_get_name,
        .get_description = device_get_description,
        .get_memory = device_get_memory,
        .get_type = device_get_type,
        .get_props = device_get_props,
        .init_backend = device_init_backend,
        .get_buffer_type = device_get_buffer_type,
        .supports_op = device_supports_op,
        .supports_buft = device_supports_buft,
    };
    device->reg = (ggml_backend_reg_t)&the_floor.reg;
}

static void fill_buffer_type(struct apir_gen3_buffer_type *buft)
{
    buft->iface = (struct apir_gen3_buffer_type_i){
        .get_name = buft_get_name,
        .alloc_buffer = buft_alloc,
        .get_alignment = buft_get_alignment,
        .get_max_size = buft_get_max_size,
        .get_alloc_size = buft_get_alloc_size,
        .is_host = buft_is_host,
    };
    buft->device = (ggml_backend_dev_t)&the_floor.device;
}

/* Called again whenever a program loads its backends again; the answer must stay the same. The structs are those of
 * generation 3, which ggml itself checks by api_version. */
ggml_backend_reg_t ggml_backend_init(void)
{
    if (the_floor.cpu)
        return (ggml_backend_reg_t)&the_floor.reg;
    the_floor.cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    fill_device(&the_floor.device);
    fill_buffer_type(&the_floor.buft);
    the_floor.reg.api_version = APIR_GEN3_API_VERSION;
    the_floor.reg.iface = (struct apir_gen3_reg_i){
        .get_name = reg_get_name,
        .get_device_count = reg_get_device_count,
        .get_device = reg_get_device,
        .get_proc_address = reg_get_proc_address,
    };
    return (ggml_backend_reg_t)&the_floor.reg;
}
