#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "executor/private.h"
#include "util/checked.h"

struct apir_buffer *apir_buffer_get(struct apir_executor *executor, uint64_t handle)
{
    return (struct apir_buffer *)apir_object_table_get(&executor->objects, handle, APIR_OBJECT_BUFFER);
}

void apir_buffer_put(struct apir_executor *executor, struct apir_buffer *buffer)
{
    apir_object_table_put(&executor->objects, buffer ? &buffer->object : NULL);
}

static void destroy_buffer(struct apir_object *object)
{
    struct apir_buffer *buffer = (struct apir_buffer *)object;
    atomic_fetch_sub_explicit(&buffer->executor->buffers, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&buffer->executor->buffer_bytes, buffer->size, memory_order_relaxed);
    ggml_backend_buffer_free(buffer->host);
    if (buffer->device)
        apir_memory_uncharge(buffer->executor, buffer->device, buffer->charged);
    apir_quota_uncharge(&buffer->executor->quotas.buffers, 1);
    apir_shm_table_put(buffer->executor->memory, buffer->memory);
    free(buffer);
}

/* relaxed: a guest that resets a buffer while it computes with it gets what it asked for */
static uint32_t count_resets(const struct apir_buffer *buffer)
{
    return atomic_load_explicit(&buffer->resets, memory_order_relaxed);
}

struct apir_buffer *apir_buffer_uses_get(struct apir_executor *executor, struct apir_buffer_uses *uses,
                                         uint64_t handle)
{
    /* newest first: neighbours in a graph share a buffer */
    for (uint32_t i = uses->count; i > 0; i--)
        if (uses->uses[i - 1].handle == handle)
            return uses->uses[i - 1].buffer;
    if (uses->count == uses->capacity) {
        uint32_t capacity = uses->capacity ? uses->capacity * 2 : 16;
        struct apir_buffer_use *grown = realloc(uses->uses, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        uses->uses = grown;
        uses->capacity = capacity;
    }
    struct apir_buffer *buffer = apir_buffer_get(executor, handle);
    if (buffer)
        uses->uses[uses->count++] =
            (struct apir_buffer_use){.handle = handle, .buffer = buffer, .resets = count_resets(buffer)};
    return buffer;
}

void apir_buffer_uses_release(struct apir_executor *executor, struct apir_buffer_uses *uses)
{
    for (uint32_t i = 0; i < uses->count; i++) {
        apir_buffer_put(executor, uses->uses[i].buffer);
        uses->uses[i].buffer = NULL;
    }
}

int apir_buffer_uses_hold(struct apir_executor *executor, struct apir_buffer_uses *uses)
{
    int ret = 0;
    for (uint32_t i = 0; i < uses->count; i++) {
        struct apir_buffer_use *use = &uses->uses[i];
        use->buffer = apir_buffer_get(executor, use->handle);
        if (!use->buffer) {
            apir_buffer_uses_release(executor, uses);
            return -ENOENT;
        }
        if (use->resets != count_resets(use->buffer))
            ret = 1;
        use->resets = count_resets(use->buffer);
    }
    return ret;
}

void apir_buffer_uses_finish(struct apir_executor *executor, struct apir_buffer_uses *uses)
{
    apir_buffer_uses_release(executor, uses);
    free(uses->uses);
    memset(uses, 0, sizeof *uses);
}

struct apir_buffer *apir_buffer_wrap(struct apir_executor *executor, ggml_backend_buffer_t host)
{
    struct apir_buffer *buffer = host ? calloc(1, sizeof *buffer) : NULL;
    char *base = buffer ? ggml_backend_buffer_get_base(host) : NULL;
    if (!base || !apir_quota_charge(&executor->quotas.buffers, 1)) {
        ggml_backend_buffer_free(host);
        free(buffer);
        return NULL;
    }
    *buffer = (struct apir_buffer){.object = {.kind = APIR_OBJECT_BUFFER, .destroy = destroy_buffer},
                                   .executor = executor,
                                   .host = host,
                                   .base = base,
                                   .size = ggml_backend_buffer_get_size(host)};
    atomic_fetch_add_explicit(&executor->buffers, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&executor->buffer_bytes, buffer->size, memory_order_relaxed);
    return buffer;
}

uint64_t apir_buffer_add(struct apir_executor *executor, struct apir_buffer *buffer)
{
    uint64_t handle = apir_object_table_add(&executor->objects, &buffer->object);
    if (!handle)
        destroy_buffer(&buffer->object);
    return handle;
}

/* Says why, unlike a device that is full: the limit is the host's to change. */
static bool charge(struct apir_executor *executor, ggml_backend_dev_t device, uint64_t size, uint64_t *charged)
{
    if (apir_memory_charge(executor, device, size, charged))
        return true;
    uint64_t free, total;
    apir_memory_report(executor, device, &free, &total);
    apir_executor_complain(executor,
                           "a buffer of %llu bytes is more than the context may have: %llu are left (--max-memory, "
                           "--client-memory)",
                           (unsigned long long)size, (unsigned long long)free);
    return false;
}

/* Zeroed: a device may hand out what another machine's guest, or this process, has left in its memory. */
static struct apir_buffer *alloc_buffer(struct apir_executor *executor, ggml_backend_dev_t device, uint64_t size)
{
    ggml_backend_buffer_type_t buft = ggml_backend_dev_buffer_type(device);
    uint64_t charged = 0;
    if (size == 0 || size > ggml_backend_buft_get_max_size(buft) || !charge(executor, device, size, &charged))
        return NULL;
    struct apir_buffer *buffer = apir_buffer_wrap(executor, ggml_backend_buft_alloc_buffer(buft, size));
    if (!buffer) {
        apir_memory_uncharge(executor, device, charged);
        return NULL;
    }
    buffer->device = device;
    buffer->charged = charged;
    if (buffer->size <= charged || charge(executor, device, buffer->size - charged, &buffer->charged)) {
        apir_memory_clear(buffer->host);
        return buffer;
    }
    destroy_buffer(&buffer->object);
    return NULL;
}

int handle_buffer_alloc(void *data, struct apir_arena *scratch, const struct apir_buffer_alloc_args *args,
                        struct apir_buffer_alloc_reply *reply)
{
    (void)scratch;
    struct apir_executor *executor = data;
    ggml_backend_dev_t device = apir_device_get(executor, args->device);
    if (!device)
        return -ENODEV;
    struct apir_buffer *buffer = alloc_buffer(executor, device, args->size);
    if (!buffer)
        return 0; /* no memory is a result, not a mistake */
    uint64_t size = buffer->size, residue = (uintptr_t)buffer->base % APIR_RESIDUE_MODULUS;
    reply->buffer = apir_buffer_add(executor, buffer);
    if (!reply->buffer)
        return 0;
    reply->size = size;
    reply->base_residue = residue;
    return 0;
}

int handle_buffer_free(void *data, struct apir_arena *scratch, const struct apir_buffer_free_args *args)
{
    (void)scratch;
    struct apir_executor *executor = data;
    return apir_object_table_remove(&executor->objects, args->buffer, APIR_OBJECT_BUFFER);
}

int handle_buffer_set_usage(void *data, struct apir_arena *scratch, const struct apir_buffer_set_usage_args *args)
{
    (void)scratch;
    struct apir_buffer *buffer = apir_buffer_get(data, args->buffer);
    if (!buffer)
        return -ENOENT;
    enum ggml_backend_buffer_usage usage = GGML_BACKEND_BUFFER_USAGE_ANY;
    if (args->usage == APIR_BUFFER_USAGE_WEIGHTS)
        usage = GGML_BACKEND_BUFFER_USAGE_WEIGHTS;
    else if (args->usage == APIR_BUFFER_USAGE_COMPUTE)
        usage = GGML_BACKEND_BUFFER_USAGE_COMPUTE;
    ggml_backend_buffer_set_usage(buffer->host, usage);
    apir_buffer_put(data, buffer);
    return 0;
}

int handle_buffer_clear(void *data, struct apir_arena *scratch, const struct apir_buffer_clear_args *args)
{
    (void)scratch;
    struct apir_buffer *buffer = apir_buffer_get(data, args->buffer);
    if (!buffer)
        return -ENOENT;
    ggml_backend_buffer_clear(buffer->host, (uint8_t)args->value);
    apir_buffer_put(data, buffer);
    return 0;
}

int handle_buffer_reset(void *data, struct apir_arena *scratch, const struct apir_buffer_reset_args *args)
{
    (void)scratch;
    struct apir_buffer *buffer = apir_buffer_get(data, args->buffer);
    if (!buffer)
        return -ENOENT;
    atomic_fetch_add_explicit(&buffer->resets, 1, memory_order_relaxed);
    ggml_backend_buffer_reset(buffer->host);
    apir_buffer_put(data, buffer);
    return 0;
}

/* The tensor of a call with its memory, in *tensor; the buffer is to be put. NULL and *error otherwise. */
static struct apir_buffer *get_placed(struct apir_executor *executor, const struct apir_tensor *from,
                                      struct ggml_tensor *tensor, int *error)
{
    *error = apir_tensor_describe_data(executor, from, tensor);
    if (*error < 0)
        return NULL;
    struct apir_buffer *buffer = apir_buffer_get(executor, from->buffer);
    *error = buffer ? apir_tensor_place(tensor, buffer, from->offset) : -ENOENT;
    if (*error < 0) {
        apir_buffer_put(executor, buffer);
        return NULL;
    }
    return buffer;
}

/* Whether [offset, offset + size) lies inside the tensor's data. */
static int check_inside(const struct ggml_tensor *tensor, uint64_t offset, uint64_t size)
{
    return apir_checked_range(offset, size, ggml_nbytes(tensor)) ? 0 : -ERANGE;
}

/* Rows of a tensor, a stride apart, and the shared memory that holds them densely. */
struct rows {
    uint64_t offset; /* of the first row in the tensor's data */
    uint64_t size;   /* of a row */
    uint64_t copies; /* rows */
    uint64_t stride; /* from row to row in the tensor */
    uint32_t shm;
    uint64_t shm_offset;
};

/* A copy between a tensor and shared memory, with both ends checked and held. */
struct transfer {
    struct apir_executor *executor;
    struct ggml_tensor tensor;
    struct apir_buffer *buffer;   /* counted */
    struct apir_mapping *memory;  /* counted */
    void *data;                   /* in memory */
    bool empty;                   /* nothing to copy: ggml would count through any number of empty rows */
};

static void end_transfer(struct transfer *transfer)
{
    apir_shm_table_put(transfer->executor->memory, transfer->memory);
    apir_buffer_put(transfer->executor, transfer->buffer);
}

/* Whether a buffer that is made of the guest's memory has, from bytes on, what the guest names as the other side of a
 * copy: ggml copies with memcpy(), for which nothing may overlap. */
static bool copies_onto_itself(const struct apir_buffer *buffer, const struct apir_mapping *memory, const char *bytes,
                               uint64_t span, const char *other, uint64_t size)
{
    return buffer->memory == memory && bytes < other + size && other < bytes + span;
}

static int check_rows(const struct ggml_tensor *tensor, const struct rows *rows, uint64_t *total, uint64_t *of_tensor)
{
    uint64_t span = 0;
    if (!apir_checked_mul(rows->size, rows->copies, total))
        return -ERANGE;
    if (rows->copies > 0 && (!apir_checked_mul(rows->copies - 1, rows->stride, &span) ||
                             !apir_checked_add(span, rows->size, &span)))
        return -ERANGE;
    *of_tensor = span;
    return check_inside(tensor, rows->offset, span);
}

/* 0: to be ended. -errno: nothing is held. */
static int begin_transfer(struct transfer *transfer, struct apir_executor *executor, const struct apir_tensor *from,
                          const struct rows *rows)
{
    uint64_t total = 0, span = 0;
    int ret;
    *transfer = (struct transfer){.executor = executor};
    transfer->buffer = get_placed(executor, from, &transfer->tensor, &ret);
    if (!transfer->buffer)
        return ret;
    ret = check_rows(&transfer->tensor, rows, &total, &span);
    if (ret < 0)
        goto err;
    transfer->memory = apir_shm_table_get(executor->memory, rows->shm);
    ret = -EFAULT;
    if (!transfer->memory || !apir_checked_range(rows->shm_offset, total, transfer->memory->size))
        goto err;
    transfer->data = (char *)transfer->memory->data + rows->shm_offset;
    transfer->empty = total == 0;
    ret = -EINVAL;
    if (copies_onto_itself(transfer->buffer, transfer->memory, (char *)transfer->tensor.data + rows->offset, span,
                           transfer->data, total))
        goto err;
    return 0;

err:
    end_transfer(transfer);
    return ret;
}

int handle_buffer_init_tensor(void *data, struct apir_arena *scratch,
                              const struct apir_buffer_init_tensor_args *args,
                              struct apir_buffer_init_tensor_reply *reply)
{
    (void)scratch;
    struct apir_executor *executor = data;
    struct ggml_tensor tensor;
    int ret = apir_tensor_describe_data(executor, &args->tensor, &tensor);
    if (ret < 0)
        return ret;
    struct apir_buffer *buffer = apir_buffer_get(executor, args->tensor.buffer);
    if (!buffer)
        return -ENOENT;
    enum ggml_status status = GGML_STATUS_FAILED;
    ret = apir_tensor_bind(&tensor, buffer, args->tensor.offset, &status);
    apir_buffer_put(executor, buffer);
    reply->status = apir_graph_status_from_ggml(status);
    return ret;
}

int handle_tensor_memset(void *data, struct apir_arena *scratch, const struct apir_tensor_memset_args *args)
{
    (void)scratch;
    struct ggml_tensor tensor;
    int ret;
    struct apir_buffer *buffer = get_placed(data, &args->tensor, &tensor, &ret);
    if (!buffer)
        return ret;
    ret = check_inside(&tensor, args->offset, args->size);
    if (ret == 0)
        ggml_backend_tensor_memset(&tensor, (uint8_t)args->value, args->offset, args->size);
    apir_buffer_put(data, buffer);
    return ret;
}

int handle_tensor_set(void *data, struct apir_arena *scratch, const struct apir_tensor_set_args *args)
{
    (void)scratch;
    const struct rows rows = {args->offset, args->size, 1, 0, args->shm, args->shm_offset};
    struct transfer transfer;
    int ret = begin_transfer(&transfer, data, &args->tensor, &rows);
    if (ret < 0)
        return ret;
    ggml_backend_tensor_set(&transfer.tensor, transfer.data, args->offset, args->size);
    end_transfer(&transfer);
    return 0;
}

int handle_tensor_get(void *data, struct apir_arena *scratch, const struct apir_tensor_get_args *args)
{
    (void)scratch;
    const struct rows rows = {args->offset, args->size, 1, 0, args->shm, args->shm_offset};
    struct transfer transfer;
    int ret = begin_transfer(&transfer, data, &args->tensor, &rows);
    if (ret < 0)
        return ret;
    ggml_backend_tensor_get(&transfer.tensor, transfer.data, args->offset, args->size);
    end_transfer(&transfer);
    return 0;
}

int handle_tensor_set_2d(void *data, struct apir_arena *scratch, const struct apir_tensor_set_2d_args *args)
{
    (void)scratch;
    const struct rows rows = {args->offset, args->size, args->copies, args->stride, args->shm, args->shm_offset};
    struct transfer transfer;
    int ret = begin_transfer(&transfer, data, &args->tensor, &rows);
    if (ret < 0)
        return ret;
    if (!transfer.empty)
        ggml_backend_tensor_set_2d(&transfer.tensor, transfer.data, args->offset, args->size, args->copies,
                                   args->stride, args->size);
    end_transfer(&transfer);
    return 0;
}

int handle_tensor_get_2d(void *data, struct apir_arena *scratch, const struct apir_tensor_get_2d_args *args)
{
    (void)scratch;
    const struct rows rows = {args->offset, args->size, args->copies, args->stride, args->shm, args->shm_offset};
    struct transfer transfer;
    int ret = begin_transfer(&transfer, data, &args->tensor, &rows);
    if (ret < 0)
        return ret;
    if (!transfer.empty)
        ggml_backend_tensor_get_2d(&transfer.tensor, transfer.data, args->offset, args->size, args->copies,
                                   args->stride, args->size);
    end_transfer(&transfer);
    return 0;
}

/* Bytes of a buffer as a tensor, in *tensor; the buffer is to be put. NULL and *error otherwise. */
static struct apir_buffer *get_bytes(struct apir_executor *executor, uint64_t handle, uint64_t offset, uint64_t size,
                                     struct ggml_tensor *tensor, int *error)
{
    struct apir_buffer *buffer = apir_buffer_get(executor, handle);
    *error = -ENOENT;
    if (!buffer)
        return NULL;
    *tensor = (struct ggml_tensor){.type = GGML_TYPE_I8,
                                   .ne = {(int64_t)size, 1, 1, 1},
                                   .nb = {1, (size_t)size, (size_t)size, (size_t)size}};
    *error = apir_tensor_place(tensor, buffer, offset);
    if (*error == 0)
        return buffer;
    apir_buffer_put(executor, buffer);
    return NULL;
}

int handle_buffer_write(void *data, struct apir_arena *scratch, const struct apir_buffer_write_args *args)
{
    (void)scratch;
    struct ggml_tensor tensor;
    int ret;
    struct apir_buffer *buffer = get_bytes(data, args->buffer, args->offset, args->n_data, &tensor, &ret);
    if (!buffer)
        return ret;
    ggml_backend_tensor_set(&tensor, args->data, 0, args->n_data);
    apir_buffer_put(data, buffer);
    return 0;
}

/* To a range of the memory that was checked. */
static int read_bytes(const struct apir_buffer *buffer, const struct ggml_tensor *tensor,
                      const struct apir_mapping *memory, uint64_t offset, uint64_t size)
{
    char *to = (char *)memory->data + offset;
    if (copies_onto_itself(buffer, memory, tensor->data, size, to, size))
        return -EINVAL;
    ggml_backend_tensor_get(tensor, to, 0, size);
    return 0;
}

int handle_buffer_read(void *data, struct apir_arena *scratch, const struct apir_buffer_read_args *args)
{
    (void)scratch;
    struct apir_executor *executor = data;
    struct ggml_tensor tensor;
    int ret;
    struct apir_buffer *buffer = get_bytes(executor, args->buffer, args->offset, args->size, &tensor, &ret);
    if (!buffer)
        return ret;
    struct apir_mapping *memory = apir_shm_table_get(executor->memory, args->shm);
    if (memory && apir_checked_range(args->shm_offset, args->size, memory->size))
        ret = read_bytes(buffer, &tensor, memory, args->shm_offset, args->size);
    else
        ret = -EFAULT;
    apir_shm_table_put(executor->memory, memory);
    apir_buffer_put(executor, buffer);
    return ret;
}

static bool same_layout(const struct ggml_tensor *a, const struct ggml_tensor *b)
{
    return a->type == b->type && memcmp(a->ne, b->ne, sizeof a->ne) == 0 && memcmp(a->nb, b->nb, sizeof a->nb) == 0;
}

/* Whether the tensors, of one layout, share some bytes but not all: devices copy such in any order. */
static bool overlap(const struct ggml_tensor *a, const struct ggml_tensor *b)
{
    const char *start_a = a->data, *start_b = b->data;
    size_t size = ggml_nbytes(a);
    return a->buffer == b->buffer && start_a != start_b && start_a < start_b + size && start_b < start_a + size;
}

static int copy(struct apir_executor *executor, const struct apir_tensor *from, const struct apir_tensor *to)
{
    struct ggml_tensor source, destination;
    int ret;
    struct apir_buffer *from_buffer = get_placed(executor, from, &source, &ret);
    struct apir_buffer *to_buffer = from_buffer ? get_placed(executor, to, &destination, &ret) : NULL;
    if (to_buffer && (!same_layout(&source, &destination) || overlap(&source, &destination)))
        ret = -EINVAL;
    if (to_buffer && ret == 0)
        ggml_backend_tensor_copy(&source, &destination);
    apir_buffer_put(executor, to_buffer);
    apir_buffer_put(executor, from_buffer);
    return ret;
}

int handle_tensor_copy(void *data, struct apir_arena *scratch, const struct apir_tensor_copy_args *args,
                       struct apir_tensor_copy_reply *reply)
{
    (void)scratch;
    int ret = copy(data, &args->source, &args->destination);
    reply->done = ret == 0;
    return ret;
}

int handle_tensor_copy_async(void *data, struct apir_arena *scratch, const struct apir_tensor_copy_async_args *args)
{
    (void)scratch;
    return copy(data, &args->source, &args->destination);
}
