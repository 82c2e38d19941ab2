#include <errno.h>
#include <string.h>

#include "executor/op-check.h"
#include "executor/private.h"

ggml_backend_dev_t apir_device_get(struct apir_executor *executor, uint32_t index)
{
    struct apir_library *library = &executor->library;
    pthread_mutex_lock(&library->lock);
    ggml_backend_dev_t device = index < library->n_devices ? library->devices[index].host : NULL;
    pthread_mutex_unlock(&library->lock);
    return device;
}

/* Which of the names given before are to be looked at. */
enum name_kind {
    NAME_DEVICE,
    NAME_BUFFER_TYPE,
};

static bool is_named(const struct apir_library *library, enum name_kind kind, const char *name)
{
    for (uint32_t i = 0; i < library->n_devices; i++) {
        const struct apir_library_device *device = &library->devices[i];
        if (strcmp(kind == NAME_DEVICE ? device->name : device->buffer_type_name, name) == 0)
            return true;
    }
    return false;
}

/* Programs find devices and buffer types by name: what shares its name with one before gets a number, as in "CPU #2". */
static void make_name(const struct apir_library *library, enum name_kind kind, const char *from,
                      char name[APIR_MAX_STRING])
{
    snprintf(name, APIR_MAX_STRING, "%.200s", from);
    for (unsigned number = 2; is_named(library, kind, name); number++)
        snprintf(name, APIR_MAX_STRING, "%.200s #%u", from, number);
}

static void name_device(const struct apir_library *library, struct apir_library_device *device)
{
    ggml_backend_buffer_type_t buft = ggml_backend_dev_buffer_type(device->host);
    make_name(library, NAME_DEVICE, ggml_backend_dev_name(device->host), device->name);
    make_name(library, NAME_BUFFER_TYPE, ggml_backend_buft_name(buft), device->buffer_type_name);
}

void apir_library_add_devices(struct apir_library *library, ggml_backend_reg_t reg)
{
    size_t count = ggml_backend_reg_dev_count(reg);
    for (size_t i = 0; i < count && library->n_devices < APIR_MAX_DEVICES; i++) {
        struct apir_library_device *device = &library->devices[library->n_devices];
        device->host = ggml_backend_reg_dev_get(reg, i);
        name_device(library, device);
        library->n_devices++;
    }
}

static enum apir_device_type device_type(ggml_backend_dev_t device)
{
    switch (ggml_backend_dev_type(device)) {
    case GGML_BACKEND_DEVICE_TYPE_CPU:
        return APIR_DEVICE_TYPE_CPU;
    case GGML_BACKEND_DEVICE_TYPE_IGPU:
        return APIR_DEVICE_TYPE_IGPU;
    case GGML_BACKEND_DEVICE_TYPE_ACCEL:
        return APIR_DEVICE_TYPE_ACCEL;
    case GGML_BACKEND_DEVICE_TYPE_META:
        return APIR_DEVICE_TYPE_META;
    case GGML_BACKEND_DEVICE_TYPE_GPU:
        break;
    }
    return APIR_DEVICE_TYPE_GPU;
}

/* Whether one is there to help the other, in the other's memory. */
static bool is_helped(ggml_backend_dev_t a, ggml_backend_dev_t b)
{
    return ggml_backend_dev_type(a) == GGML_BACKEND_DEVICE_TYPE_ACCEL ||
           ggml_backend_dev_type(b) == GGML_BACKEND_DEVICE_TYPE_ACCEL;
}

/* Two devices that compute side by side each have their own memory, even where they could use the other's: a value that
 * passes between them is copied, so that the first can compute the next while the second reads. */
static uint64_t usable_buffer_types(const struct apir_library *library, ggml_backend_dev_t device)
{
    uint64_t mask = 0;
    for (uint32_t i = 0; i < library->n_devices; i++) {
        ggml_backend_dev_t other = library->devices[i].host;
        if ((other == device || is_helped(device, other)) &&
            ggml_backend_dev_supports_buft(device, ggml_backend_dev_buffer_type(other)))
            mask |= UINT64_C(1) << i;
    }
    return mask;
}

/* Whether a tensor may need more memory than its data. ggml's public interface does not tell, but its own buffer type for
 * the CPU is known to ask for no more; a program that makes its graphs anew asks a thousand times for each token. */
static bool may_need_more(ggml_backend_buffer_type_t buft)
{
    return buft != ggml_backend_cpu_buffer_type();
}

int handle_device_get_info(void *data, struct apir_arena *scratch, const struct apir_device_get_info_args *args,
                           struct apir_device_get_info_reply *reply)
{
    (void)scratch;
    struct apir_executor *executor = data;
    ggml_backend_dev_t device = apir_device_get(executor, args->device);
    if (!device)
        return -ENODEV;
    ggml_backend_buffer_type_t buft = ggml_backend_dev_buffer_type(device);
    uint64_t max_size = ggml_backend_buft_get_max_size(buft);
    reply->info = (struct apir_device_info){
        .name = executor->library.devices[args->device].name,
        .description = ggml_backend_dev_description(device),
        .type = device_type(device),
        .buffer_type_name = executor->library.devices[args->device].buffer_type_name,
        .alignment = ggml_backend_buft_get_alignment(buft),
        .max_buffer_size = max_size == SIZE_MAX ? UINT64_MAX : max_size,
        .has_alloc_size = may_need_more(buft),
        .buffer_types = usable_buffer_types(&executor->library, device),
    };
    return 0;
}

int handle_device_get_memory(void *data, struct apir_arena *scratch,
                             const struct apir_device_get_memory_args *args,
                             struct apir_device_get_memory_reply *reply)
{
    (void)scratch;
    ggml_backend_dev_t device = apir_device_get(data, args->device);
    if (!device)
        return -ENODEV;
    apir_memory_report(data, device, &reply->free, &reply->total);
    return 0;
}

bool apir_device_takes(ggml_backend_dev_t device, const struct ggml_tensor *op)
{
    if (ggml_backend_dev_type(device) == GGML_BACKEND_DEVICE_TYPE_CPU && !apir_op_check_cpu(op))
        return false;
    return ggml_backend_dev_supports_op(device, op);
}

/* Builds the tensors of a query, those with a buffer placed in it. 1: built. 0: the host does not know an op or type,
 * or the op is none that ggml could have made. -errno: refused. */
static int build_query(struct apir_executor *executor, struct apir_arena *scratch, struct apir_buffer_uses *uses,
                       const struct apir_op_query *query, struct ggml_tensor **op)
{
    struct ggml_tensor *tensors = apir_arena_alloc(scratch, query->n_tensors * sizeof *tensors);
    if (!tensors)
        return -ENOMEM;
    int ret = apir_tensor_describe_list(executor, query->tensors, query->n_tensors, tensors);
    if (ret < 0)
        return ret == -EOPNOTSUPP ? 0 : ret;
    for (uint32_t i = 0; i < query->n_tensors; i++) {
        if (!query->tensors[i].buffer)
            continue;
        struct apir_buffer *buffer = apir_buffer_uses_get(executor, uses, query->tensors[i].buffer);
        if (!buffer)
            return -ENOENT;
        tensors[i].buffer = buffer->host; /* no data: nothing is computed */
    }
    *op = &tensors[query->n_tensors - 1];
    return apir_op_check(*op) ? 0 : 1; /* the host's functions rely on it as well */
}

int handle_device_supports_op(void *data, struct apir_arena *scratch,
                              const struct apir_device_supports_op_args *args,
                              struct apir_device_supports_op_reply *reply)
{
    struct apir_executor *executor = data;
    ggml_backend_dev_t device = apir_device_get(executor, args->device);
    bool *supported = apir_arena_alloc(scratch, args->n_queries * sizeof *supported);
    bool *offload = apir_arena_alloc(scratch, args->n_queries * sizeof *offload);
    if (!device)
        return -ENODEV;
    if (!supported || !offload)
        return -ENOMEM;

    struct apir_buffer_uses uses = {0};
    int ret = 0;
    for (uint32_t i = 0; i < args->n_queries && ret >= 0; i++) {
        struct ggml_tensor *op;
        ret = build_query(executor, scratch, &uses, &args->queries[i], &op);
        if (ret == 1) {
            supported[i] = apir_device_takes(device, op);
            offload[i] = ggml_backend_dev_offload_op(device, op);
        }
    }
    apir_buffer_uses_finish(executor, &uses);
    reply->supported = supported;
    reply->n_supported = args->n_queries;
    reply->offload = offload;
    reply->n_offload = args->n_queries;
    return ret < 0 ? ret : 0;
}

int handle_device_get_alloc_size(void *data, struct apir_arena *scratch,
                                 const struct apir_device_get_alloc_size_args *args,
                                 struct apir_device_get_alloc_size_reply *reply)
{
    struct apir_executor *executor = data;
    ggml_backend_dev_t device = apir_device_get(executor, args->device);
    uint64_t *sizes = apir_arena_alloc(scratch, args->n_queries * sizeof *sizes);
    if (!device)
        return -ENODEV;
    if (!sizes)
        return -ENOMEM;

    ggml_backend_buffer_type_t buft = ggml_backend_dev_buffer_type(device);
    struct apir_buffer_uses uses = {0};
    int ret = 0;
    for (uint32_t i = 0; i < args->n_queries && ret >= 0; i++) {
        struct ggml_tensor *op;
        ret = build_query(executor, scratch, &uses, &args->queries[i], &op);
        sizes[i] = ret == 1 ? ggml_backend_buft_get_alloc_size(buft, op) : UINT64_MAX;
    }
    apir_buffer_uses_finish(executor, &uses);
    reply->sizes = sizes;
    reply->n_sizes = args->n_queries;
    return ret < 0 ? ret : 0;
}
