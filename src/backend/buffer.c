#include "backend/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apir-calls.h"
#include "backend/device.h"
#include "backend/reg.h"
#include "backend/tensor.h"
#include "client/queue.h"

/* Tensor data on its way: rows of size bytes, from or to memory of the application that is
 * stride_data apart. */
struct transfer {
    struct apir_buffer *buffer;
    struct apir_tensor tensor;
    char *data; /* borrowed; only read when it goes to the host */
    bool to_host;
    uint64_t offset; /* of the first row in the tensor */
    uint64_t size;
    uint64_t rows;
    uint64_t stride_tensor;
    uint64_t stride_data;
};

static struct apir_session *session_of(const struct apir_buffer *buffer)
{
    return buffer->device->reg->session;
}

static struct apir_queue *control_of(const struct apir_buffer *buffer)
{
    return apir_session_control(session_of(buffer));
}

static struct apir_buffer *of(ggml_backend_buffer_t buffer)
{
    const struct apir_buffer_type *buft =
        (const struct apir_buffer_type *)ggml_backend_buffer_get_type(buffer);
    return buft->device->reg->abi->buffer_context(buffer);
}

void apir_buffer_mark_use(struct apir_buffer *buffer, uint32_t queue, uint64_t sequence)
{
    /* release: wait_for_queues acquires the bit and then finds the number */
    atomic_store_explicit(&buffer->last[queue], sequence, memory_order_relaxed);
    atomic_fetch_or_explicit(&buffer->queues, UINT64_C(1) << queue, memory_order_release);
}

/* Makes the next control call wait for the queues that use the buffer. */
static void wait_for_queues_locked(struct apir_buffer *buffer)
{
    uint64_t queues = atomic_load_explicit(&buffer->queues, memory_order_acquire);
    for (; queues; queues &= queues - 1) {
        uint32_t queue = (uint32_t)__builtin_ctzll(queues);
        apir_queue_wait_for(control_of(buffer), queue,
                            atomic_load_explicit(&buffer->last[queue], memory_order_relaxed));
    }
}

static int mirror_usage_locked(struct apir_buffer *buffer)
{
    enum ggml_backend_buffer_usage usage = ggml_backend_buffer_get_usage(buffer->of_ggml);
    if (usage == buffer->usage)
        return 0;
    struct apir_buffer_set_usage_args args = {.buffer = buffer->handle,
                                              .usage = (enum apir_buffer_usage)usage};
    int ret = apir_call_buffer_set_usage(control_of(buffer), NULL, &args);
    if (ret == 0)
        buffer->usage = usage;
    return ret;
}

int apir_buffer_mirror_usage(struct apir_buffer *buffer)
{
    int ret = apir_session_error(session_of(buffer));
    if (ret < 0)
        return ret;
    apir_queue_lock(control_of(buffer));
    ret = mirror_usage_locked(buffer);
    apir_queue_unlock(control_of(buffer));
    return ret;
}

/* Starts calls about the buffer: locks the control queue, orders the calls after what uses the
 * buffer. After an error nothing is to be ended. */
static int begin(struct apir_buffer *buffer)
{
    int ret = apir_session_error(session_of(buffer));
    if (ret < 0)
        return ret;
    apir_queue_lock(control_of(buffer));
    wait_for_queues_locked(buffer);
    ret = mirror_usage_locked(buffer);
    if (ret < 0)
        apir_queue_unlock(control_of(buffer));
    return ret;
}

/* Ends them. Since ggml cannot be told, an error ends the session: the next graph reports it. */
static int end(struct apir_buffer *buffer, int ret, const char *what)
{
    apir_queue_unlock(control_of(buffer));
    if (ret < 0)
        apir_session_fail(session_of(buffer), ret, what);
    return ret;
}

static int alloc_on_host(struct apir_buffer *buffer, size_t size)
{
    struct apir_reg *reg = buffer->device->reg;
    struct apir_buffer_alloc_args args = {.device = buffer->device->index, .size = size};
    struct apir_buffer_alloc_reply reply;
    int ret = apir_call_buffer_alloc(apir_session_control(reg->session), NULL, &args, &reply);
    if (ret < 0)
        return ret;
    if (reply.buffer == 0)
        return -ENOMEM;
    if (reply.size < size || reply.size > APIR_MAX_SIZE)
        return -EBADMSG;
    buffer->handle = reply.buffer;
    buffer->size = reply.size;
    buffer->base = apir_reg_take_base(reg, reply.size, reply.base_residue);
    return 0;
}

static void free_on_host(struct apir_buffer *buffer)
{
    if (begin(buffer) < 0)
        return;
    struct apir_buffer_free_args args = {.buffer = buffer->handle};
    end(buffer, apir_call_buffer_free(control_of(buffer), NULL, &args), "free of a buffer");
}

ggml_backend_buffer_t apir_buffer_create(struct apir_device *device, size_t size)
{
    if (size > APIR_MAX_SIZE)
        return NULL;
    struct apir_buffer *buffer = calloc(1, sizeof *buffer);
    if (!buffer)
        return NULL;
    buffer->device = device;
    if (alloc_on_host(buffer, size) < 0) {
        apir_info(device->reg->log, "%s: cannot allocate %zu bytes", device->name, size);
        free(buffer);
        return NULL;
    }
    ggml_backend_buffer_type_t buft = (ggml_backend_buffer_type_t)&device->buffer_type;
    buffer->of_ggml = device->reg->abi->make_buffer(buft, buffer, buffer->size);
    return buffer->of_ggml; /* never NULL: ggml throws when memory is short */
}

void apir_buffer_free(ggml_backend_buffer_t buffer)
{
    free_on_host(of(buffer));
    free(of(buffer));
}

void *apir_buffer_get_base(ggml_backend_buffer_t buffer)
{
    return of(buffer)->base;
}

enum ggml_status apir_buffer_init_tensor(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor)
{
    struct apir_buffer *self = of(buffer);
    const struct apir_reg *reg = self->device->reg;
    struct apir_buffer_init_tensor_args args;
    struct apir_buffer_init_tensor_reply reply;
    /* only quantized tensors have padding that a backend must clear; a view has that of what it
     * views */
    if (tensor->view_src || !apir_names_knows_type(&reg->names, tensor) ||
        !ggml_is_quantized(tensor->type))
        return GGML_STATUS_SUCCESS;
    if (apir_tensor_describe_data(reg, tensor, &args.tensor) != self || begin(self) < 0)
        return GGML_STATUS_FAILED;
    int ret = apir_call_buffer_init_tensor(control_of(self), NULL, &args, &reply);
    apir_queue_unlock(control_of(self));
    if (ret < 0)
        return GGML_STATUS_FAILED;
    return reply.status == APIR_GRAPH_STATUS_SUCCESS        ? GGML_STATUS_SUCCESS
           : reply.status == APIR_GRAPH_STATUS_ALLOC_FAILED ? GGML_STATUS_ALLOC_FAILED
                                                            : GGML_STATUS_FAILED;
}

/* Describes the tensor of a call. The session fails when the tensor is not in the buffer: data
 * would be lost. */
static int describe(struct apir_buffer *buffer, const struct ggml_tensor *tensor,
                    struct apir_tensor *to)
{
    const struct apir_reg *reg = buffer->device->reg;
    if (apir_session_error(reg->session) < 0)
        return -EPIPE;
    if (apir_names_knows_type(&reg->names, tensor) &&
        apir_tensor_describe_data(reg, tensor, to) == buffer)
        return 0;
    apir_session_fail(reg->session, -EINVAL,
                      "tensor that is not in its buffer, or of a type unknown to the host");
    return -EINVAL;
}

void apir_buffer_memset_tensor(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor,
                               uint8_t value, size_t offset, size_t size)
{
    struct apir_buffer *self = of(buffer);
    struct apir_tensor_memset_args args = {.value = value, .offset = offset, .size = size};
    if (describe(self, tensor, &args.tensor) < 0 || begin(self) < 0)
        return;
    end(self, apir_call_tensor_memset(control_of(self), NULL, &args), "memset of a tensor");
}

/* Copies rows of the application from or to the dense rows in staging memory. */
static void copy_rows(const struct transfer *transfer, char *staging, uint64_t first, uint64_t rows)
{
    for (uint64_t i = 0; i < rows; i++) {
        char *ours = staging + i * transfer->size,
             *theirs = transfer->data + (first + i) * transfer->stride_data;
        memcpy(transfer->to_host ? ours : theirs, transfer->to_host ? theirs : ours,
               transfer->size);
    }
}

static int call_rows(const struct transfer *transfer, uint32_t shm, uint64_t first, uint64_t rows)
{
    struct apir_queue *control = control_of(transfer->buffer);
    uint64_t offset = transfer->offset + first * transfer->stride_tensor;
    if (transfer->to_host) {
        struct apir_tensor_set_2d_args args = {.tensor = transfer->tensor,
                                               .offset = offset,
                                               .size = transfer->size,
                                               .copies = rows,
                                               .stride = transfer->stride_tensor,
                                               .shm = shm};
        return apir_call_tensor_set_2d(control, NULL, &args);
    }
    struct apir_tensor_get_2d_args args = {.tensor = transfer->tensor,
                                           .offset = offset,
                                           .size = transfer->size,
                                           .copies = rows,
                                           .stride = transfer->stride_tensor,
                                           .shm = shm};
    return apir_call_tensor_get_2d(control, NULL, &args);
}

static int call_bytes(const struct transfer *transfer, uint32_t shm, uint64_t offset, uint64_t size)
{
    struct apir_queue *control = control_of(transfer->buffer);
    if (transfer->to_host) {
        struct apir_tensor_set_args args = {
            .tensor = transfer->tensor, .offset = offset, .size = size, .shm = shm};
        return apir_call_tensor_set(control, NULL, &args);
    }
    struct apir_tensor_get_args args = {
        .tensor = transfer->tensor, .offset = offset, .size = size, .shm = shm};
    return apir_call_tensor_get(control, NULL, &args);
}

/* One row, in pieces as large as staging memory. */
static int move_row_locked(const struct transfer *transfer, uint64_t row)
{
    struct apir_staging *staging = &transfer->buffer->device->reg->staging;
    char *theirs = transfer->data + row * transfer->stride_data;
    uint64_t offset = transfer->offset + row * transfer->stride_tensor;
    for (uint64_t done = 0; done < transfer->size;) {
        int64_t piece =
            apir_staging_reserve(staging, session_of(transfer->buffer), transfer->size - done);
        if (piece < 0)
            return (int)piece;
        if (transfer->to_host)
            memcpy(staging->shm.data, theirs + done, (size_t)piece);
        int ret = call_bytes(transfer, staging->shm.id, offset + done, (uint64_t)piece);
        if (ret < 0)
            return ret;
        if (!transfer->to_host)
            memcpy(theirs + done, staging->shm.data, (size_t)piece);
        done += (uint64_t)piece;
    }
    return 0;
}

/* Several rows at once, which fit staging memory. */
static int move_rows_locked(const struct transfer *transfer, uint64_t first, uint64_t rows)
{
    struct apir_staging *staging = &transfer->buffer->device->reg->staging;
    if (transfer->to_host)
        copy_rows(transfer, staging->shm.data, first, rows);
    int ret = call_rows(transfer, staging->shm.id, first, rows);
    if (ret == 0 && !transfer->to_host)
        copy_rows(transfer, staging->shm.data, first, rows);
    return ret;
}

static int move_locked(const struct transfer *transfer)
{
    struct apir_staging *staging = &transfer->buffer->device->reg->staging;
    for (uint64_t row = 0; row < transfer->rows;) {
        uint64_t rows = apir_session_has_rows(session_of(transfer->buffer)) ? transfer->rows - row : 1;
        int64_t room = apir_staging_reserve(
            staging, session_of(transfer->buffer),
            rows > APIR_STAGING_MAX / transfer->size ? APIR_STAGING_MAX : rows * transfer->size);
        if (room < 0)
            return (int)room;
        if (rows > (uint64_t)room / transfer->size)
            rows = (uint64_t)room / transfer->size;
        int ret = rows > 1 ? move_rows_locked(transfer, row, rows) : move_row_locked(transfer, row);
        if (ret < 0)
            return ret;
        row += rows > 1 ? rows : 1;
    }
    return 0;
}

static void give_zeros(const struct transfer *transfer)
{
    for (uint64_t row = 0; row < transfer->rows; row++)
        memset(transfer->data + row * transfer->stride_data, 0, transfer->size);
}

static void move(struct transfer *transfer, const struct ggml_tensor *tensor)
{
    struct apir_buffer *buffer = transfer->buffer;
    int ret = transfer->size == 0 ? 0 : describe(buffer, tensor, &transfer->tensor);
    if (ret == 0 && transfer->size != 0) {
        ret = begin(buffer);
        if (ret == 0)
            ret = end(buffer, move_locked(transfer), "transfer of tensor data");
    }
    if (ret < 0 && !transfer->to_host)
        give_zeros(transfer);
}

void apir_buffer_set_tensor_2d(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor,
                               const void *data, size_t offset, size_t size, size_t n_copies,
                               size_t stride_tensor, size_t stride_data)
{
    struct transfer transfer = {.buffer = of(buffer),
                                .data = (char *)(uintptr_t)data,
                                .to_host = true,
                                .offset = offset,
                                .size = size,
                                .rows = n_copies,
                                .stride_tensor = stride_tensor,
                                .stride_data = stride_data};
    move(&transfer, tensor);
}

void apir_buffer_get_tensor_2d(ggml_backend_buffer_t buffer, const struct ggml_tensor *tensor,
                               void *data, size_t offset, size_t size, size_t n_copies,
                               size_t stride_tensor, size_t stride_data)
{
    struct transfer transfer = {.buffer = of(buffer),
                                .data = data,
                                .to_host = false,
                                .offset = offset,
                                .size = size,
                                .rows = n_copies,
                                .stride_tensor = stride_tensor,
                                .stride_data = stride_data};
    move(&transfer, tensor);
}

void apir_buffer_set_tensor(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor,
                            const void *data, size_t offset, size_t size)
{
    apir_buffer_set_tensor_2d(buffer, tensor, data, offset, size, 1, 0, 0);
}

void apir_buffer_get_tensor(ggml_backend_buffer_t buffer, const struct ggml_tensor *tensor,
                            void *data, size_t offset, size_t size)
{
    apir_buffer_get_tensor_2d(buffer, tensor, data, offset, size, 1, 0, 0);
}

/* The buffer of ours that a tensor is in, if it is of the given session. */
static struct apir_buffer *own_buffer(const struct apir_reg *reg, const struct ggml_tensor *tensor)
{
    uint64_t offset;
    struct apir_buffer *buffer = apir_tensor_place(reg, tensor, &offset);
    return buffer && buffer->device->reg == reg ? buffer : NULL;
}

bool apir_buffer_cpy_tensor(ggml_backend_buffer_t buffer, const struct ggml_tensor *src,
                            struct ggml_tensor *dst)
{
    struct apir_buffer *to = of(buffer), *from = own_buffer(to->device->reg, src);
    struct apir_tensor_copy_args args;
    struct apir_tensor_copy_reply reply;
    if (!from || describe(from, src, &args.source) < 0 ||
        describe(to, dst, &args.destination) < 0 || begin(to) < 0)
        return false;
    wait_for_queues_locked(from);
    int ret = mirror_usage_locked(from);
    if (ret == 0)
        ret = apir_call_tensor_copy(control_of(to), NULL, &args, &reply);
    return end(to, ret, "copy of a tensor") == 0 && reply.done;
}

void apir_buffer_clear(ggml_backend_buffer_t buffer, uint8_t value)
{
    struct apir_buffer *self = of(buffer);
    struct apir_buffer_clear_args args = {.buffer = self->handle, .value = value};
    if (begin(self) < 0)
        return;
    end(self, apir_call_buffer_clear(control_of(self), NULL, &args), "clear of a buffer");
}

void apir_buffer_reset(ggml_backend_buffer_t buffer)
{
    struct apir_buffer *self = of(buffer);
    struct apir_buffer_reset_args args = {.buffer = self->handle};
    if (begin(self) < 0)
        return;
    end(self, apir_call_buffer_reset(control_of(self), NULL, &args), "reset of a buffer");
}
