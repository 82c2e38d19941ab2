#include "backend/abi/gen3.h"

#include "backend/abi/abi.h"
#include "backend/buffer-type.h"
#include "backend/buffer.h"
#include "backend/device.h"
#include "backend/event.h"
#include "backend/host-buffer.h"
#include "backend/reg.h"
#include "backend/stream.h"

static void init_reg(union apir_abi_reg *reg)
{
    reg->gen3 = (struct apir_gen3_reg){
        .api_version = APIR_GEN3_API_VERSION,
        .iface =
            {
                .get_name = apir_reg_get_name,
                .get_device_count = apir_reg_get_device_count,
                .get_device = apir_reg_get_device,
                .get_proc_address = apir_reg_get_proc_address,
            },
    };
}

static void init_device(union apir_abi_device *device, ggml_backend_reg_t reg)
{
    device->gen3 = (struct apir_gen3_device){
        .iface =
            {
                .get_name = apir_device_get_name,
                .get_description = apir_device_get_description,
                .get_memory = apir_device_get_memory,
                .get_type = apir_device_get_type,
                .get_props = apir_device_get_props,
                .init_backend = apir_device_init_backend,
                .get_buffer_type = apir_device_get_buffer_type,
                .get_host_buffer_type = apir_device_get_host_buffer_type,
                .buffer_from_host_ptr = apir_buffer_from_host_ptr,
                .supports_op = apir_device_supports_op,
                .supports_buft = apir_device_supports_buft,
                .offload_op = apir_device_offload_op,
                .event_new = apir_event_new,
                .event_free = apir_event_free,
                .event_synchronize = apir_event_synchronize,
            },
        .reg = reg,
    };
}

static void init_buffer_type(union apir_abi_buffer_type *buft, ggml_backend_dev_t device)
{
    buft->gen3 = (struct apir_gen3_buffer_type){
        .iface =
            {
                .get_name = apir_buffer_type_get_name,
                .alloc_buffer = apir_buffer_type_alloc_buffer,
                .get_alignment = apir_buffer_type_get_alignment,
                .get_max_size = apir_buffer_type_get_max_size,
                .get_alloc_size = apir_buffer_type_get_alloc_size,
                .is_host = apir_buffer_type_is_host,
            },
        .device = device,
    };
}

static void init_host_buffer_type(union apir_abi_buffer_type *buft, ggml_backend_dev_t device)
{
    buft->gen3 = (struct apir_gen3_buffer_type){
        .iface =
            {
                .get_name = apir_host_buffer_type_get_name,
                .alloc_buffer = apir_host_buffer_type_alloc_buffer,
                .get_alignment = apir_host_buffer_type_get_alignment,
                .is_host = apir_host_buffer_type_is_host,
            },
        .device = device,
    };
}

static void init_event(union apir_abi_event *event, ggml_backend_dev_t device)
{
    event->gen3 = (struct apir_gen3_event){.device = device};
}

static void init_backend(union apir_abi_backend *backend, ggml_guid_t guid,
                         ggml_backend_dev_t device)
{
    backend->gen3 = (struct apir_gen3_backend){
        .guid = guid,
        .iface =
            {
                .get_name = apir_stream_get_name,
                .free = apir_stream_free,
                .set_tensor_async = apir_stream_set_tensor_async,
                .get_tensor_async = apir_stream_get_tensor_async,
                .set_tensor_2d_async = apir_stream_set_tensor_2d_async,
                .get_tensor_2d_async = apir_stream_get_tensor_2d_async,
                .cpy_tensor_async = apir_stream_cpy_tensor_async,
                .synchronize = apir_stream_synchronize,
                .graph_compute = apir_stream_graph_compute,
                .event_record = apir_event_record,
                .event_wait = apir_event_wait,
            },
        .device = device,
    };
}

static const struct apir_gen3_buffer_i buffer_functions = {
    .free_buffer = apir_buffer_free,
    .get_base = apir_buffer_get_base,
    .init_tensor = apir_buffer_init_tensor,
    .memset_tensor = apir_buffer_memset_tensor,
    .set_tensor = apir_buffer_set_tensor,
    .get_tensor = apir_buffer_get_tensor,
    .set_tensor_2d = apir_buffer_set_tensor_2d,
    .get_tensor_2d = apir_buffer_get_tensor_2d,
    .cpy_tensor = apir_buffer_cpy_tensor,
    .clear = apir_buffer_clear,
    .reset = apir_buffer_reset,
};

static ggml_backend_buffer_t make_buffer(ggml_backend_buffer_type_t buft, void *context,
                                         size_t size)
{
    return ggml_backend_buffer_init(buft, buffer_functions, context, size);
}

static ggml_backend_buffer_t make_host_buffer(ggml_backend_buffer_type_t buft, void *data, size_t size)
{
    ggml_backend_buffer_t buffer = ggml_backend_cpu_buffer_from_ptr(data, size);
    struct apir_gen3_buffer *of_ggml = (struct apir_gen3_buffer *)buffer;
    if (!of_ggml)
        return NULL;
    of_ggml->buft = buft;
    of_ggml->iface.free_buffer = apir_host_buffer_free;
    return buffer;
}

static void *buffer_context(ggml_backend_buffer_t buffer)
{
    const struct apir_gen3_buffer *of_ggml = (const struct apir_gen3_buffer *)buffer;
    return of_ggml && of_ggml->iface.free_buffer == apir_buffer_free ? of_ggml->context : NULL;
}

/* Position of a tensor in the set, or SIZE_MAX. */
static size_t find(const struct apir_gen3_hash_set *set, const struct ggml_tensor *tensor)
{
    if (set->size == 0)
        return SIZE_MAX;
    size_t start = ((uintptr_t)tensor >> 4) % set->size, at = start;
    do {
        if (!(set->used[at / 32] >> (at % 32) & 1))
            return SIZE_MAX;
        if (set->keys[at] == tensor)
            return at;
        at = at + 1 == set->size ? 0 : at + 1;
    } while (at != start);
    return SIZE_MAX;
}

static uint32_t use_count(const struct ggml_cgraph *cgraph, const struct ggml_tensor *tensor)
{
    const struct apir_gen3_cgraph *of_ggml = (const struct apir_gen3_cgraph *)cgraph;
    size_t at = of_ggml->use_counts ? find(&of_ggml->visited_hash_set, tensor) : SIZE_MAX;
    return at == SIZE_MAX ? 0 : (uint32_t)of_ggml->use_counts[at];
}

static void use_counts(const struct ggml_cgraph *cgraph, struct ggml_tensor *const *tensors, size_t n,
                       struct apir_uses *uses)
{
    const struct apir_gen3_cgraph *of_ggml = (const struct apir_gen3_cgraph *)cgraph;
    uses->table_size = of_ggml->use_counts ? of_ggml->visited_hash_set.size : 0;
    for (size_t i = 0; i < n; i++) {
        size_t at = find(&of_ggml->visited_hash_set, tensors[i]);
        if (at >= UINT32_MAX)
            uses->table_size = 0;
        uses->list[i] = (struct apir_use){.at = (uint32_t)at, .count = use_count(cgraph, tensors[i])};
    }
}

/* Whether all are where they were, as often. The table has the size that it had. */
static bool are_there(const struct apir_gen3_cgraph *of_ggml, struct ggml_tensor *const *tensors, size_t n,
                      const struct apir_use *list)
{
    const struct apir_gen3_hash_set set = of_ggml->visited_hash_set;
    const int32_t *counts = of_ggml->use_counts;
    uintptr_t difference = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t at = list[i].at;
        difference |= (uintptr_t)set.keys[at] ^ (uintptr_t)tensors[i];
        difference |= (uint32_t)counts[at] ^ list[i].count;
        difference |= ~set.used[at / 32] >> (at % 32) & 1;
    }
    return difference == 0;
}

static bool has_use_counts(const struct ggml_cgraph *cgraph, struct ggml_tensor *const *tensors, size_t n,
                           const struct apir_uses *uses)
{
    const struct apir_gen3_cgraph *of_ggml = (const struct apir_gen3_cgraph *)cgraph;
    if (of_ggml->use_counts && uses->table_size > 0 && of_ggml->visited_hash_set.size == uses->table_size &&
        are_there(of_ggml, tensors, n, uses->list))
        return true;
    size_t i = 0;
    while (i < n && use_count(cgraph, tensors[i]) == uses->list[i].count)
        i++;
    return i == n;
}

const struct apir_abi apir_abi_gen3 = {
    .releases = "0.27.",
    .init_reg = init_reg,
    .init_device = init_device,
    .init_buffer_type = init_buffer_type,
    .init_host_buffer_type = init_host_buffer_type,
    .init_event = init_event,
    .init_backend = init_backend,
    .make_buffer = make_buffer,
    .make_host_buffer = make_host_buffer,
    .buffer_context = buffer_context,
    .use_count = use_count,
    .use_counts = use_counts,
    .has_use_counts = has_use_counts,
};
