#include "backend/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apir-calls.h"
#include "backend/device.h"
#include "backend/host-buffer.h"
#include "backend/reg.h"
#include "backend/tensor.h"
#include "backend/transfer.h"
#include "client/queue.h"

static struct apir_session *session_of(const struct apir_buffer *buffer)
{
    return buffer->device->reg->session;
}

static struct apir_buffer *of(ggml_backend_buffer_t buffer)
{
    const struct apir_buffer_type *buft =
        (const struct apir_buffer_type *)ggml_backend_buffer_get_type(buffer);
    return buft->device->reg->abi->buffer_context(buffer);
}

static int mirror_usage(struct apir_buffer *buffer, struct apir_queue *queue)
{
    enum ggml_backend_buffer_usage usage = ggml_backend_buffer_get_usage(buffer->of_ggml);
    if ((int)usage == atomic_load_explicit(&buffer->usage, memory_order_relaxed))
        return 0;
    struct apir_buffer_set_usage_args args = {.buffer = buffer->handle,
                                              .usage = (enum apir_buffer_usage)usage};
    int ret = apir_call_buffer_set_usage(queue, &args);
    if (ret == 0) /* relaxed: at worst it is told twice */
        atomic_store_explicit(&buffer->usage, (int)usage, memory_order_relaxed);
    return ret;
}

/* Starts calls about a buffer, or two. NULL: the session has failed, nothing is to be ended. */
static struct apir_queue *begin_both(struct apir_buffer *buffer, struct apir_buffer *other)
{
    struct apir_reg *reg = buffer->device->reg;
    if (apir_session_error(reg->session) < 0)
        return NULL;
    struct apir_queue *queue = apir_order_begin(reg, buffer, other);
    int ret = mirror_usage(buffer, queue);
    if (ret == 0 && other)
        ret = mirror_usage(other, queue);
    if (ret == 0)
        return queue;
    apir_order_end(reg, queue, buffer, other);
    return NULL;
}

static struct apir_queue *begin(struct apir_buffer *buffer)
{
    return begin_both(buffer, NULL);
}

/* Ends them. Since ggml cannot be told, an error ends the session: the next graph reports it. */
static int end_both(struct apir_buffer *buffer, struct apir_buffer *other, struct apir_queue *queue, int ret,
                    const char *what)
{
    apir_order_end(buffer->device->reg, queue, buffer, other);
    if (ret < 0)
        apir_session_fail(session_of(buffer), ret, what);
    return ret;
}

static int end(struct apir_buffer *buffer, struct apir_queue *queue, int ret, const char *what)
{
    return end_both(buffer, NULL, queue, ret, what);
}

int apir_buffer_mirror_usage(struct apir_buffer *buffer)
{
    if ((int)ggml_backend_buffer_get_usage(buffer->of_ggml) ==
        atomic_load_explicit(&buffer->usage, memory_order_relaxed))
        return 0;
    struct apir_queue *queue = begin(buffer);
    return queue ? end(buffer, queue, 0, "usage of a buffer") : -EPIPE;
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

/* Has the host use memory at ptr in place. */
static int alloc_in_shm(struct apir_buffer *buffer, void *ptr, size_t size, size_t max_tensor_size)
{
    struct apir_reg *reg = buffer->device->reg;
    struct apir_buffer_from_shm_args args = {
        .device = buffer->device->index, .size = size, .max_tensor_size = max_tensor_size};
    struct apir_buffer_from_shm_reply reply;
    if (!apir_host_buffer_find(reg, ptr, size, &args.shm, &args.shm_offset))
        return -EFAULT;
    int ret = apir_call_buffer_from_shm(apir_session_control(reg->session), NULL, &args, &reply);
    if (ret < 0)
        return ret;
    if (reply.buffer == 0)
        return -ENOMEM;
    buffer->handle = reply.buffer;
    buffer->size = size;
    buffer->base = ptr;
    return 0;
}

static struct apir_buffer *create(struct apir_device *device)
{
    struct apir_buffer *buffer = calloc(1, sizeof *buffer);
    if (buffer)
        buffer->device = device;
    return buffer;
}

static ggml_backend_buffer_t finish(struct apir_buffer *buffer)
{
    const struct apir_device *device = buffer->device;
    ggml_backend_buffer_type_t buft = (ggml_backend_buffer_type_t)&device->buffer_type;
    buffer->of_ggml = device->reg->abi->make_buffer(buft, buffer, buffer->size);
    return buffer->of_ggml; /* never NULL: ggml throws when memory is short */
}

ggml_backend_buffer_t apir_buffer_create(struct apir_device *device, size_t size)
{
    struct apir_buffer *buffer = size <= APIR_MAX_SIZE ? create(device) : NULL;
    if (!buffer)
        return NULL;
    if (alloc_on_host(buffer, size) == 0)
        return finish(buffer);
    apir_info(device->reg->log, "%s: cannot allocate %zu bytes", device->name, size);
    free(buffer);
    return NULL;
}

ggml_backend_buffer_t apir_buffer_from_host_ptr(ggml_backend_dev_t device, void *ptr, size_t size,
                                                size_t max_tensor_size)
{
    struct apir_buffer *buffer = create((struct apir_device *)device);
    if (!buffer)
        return NULL;
    if (alloc_in_shm(buffer, ptr, size, max_tensor_size) == 0)
        return finish(buffer);
    free(buffer);
    return NULL;
}

void apir_buffer_free(ggml_backend_buffer_t buffer)
{
    struct apir_buffer *self = of(buffer);
    struct apir_buffer_free_args args = {.buffer = self->handle};
    struct apir_queue *queue = begin(self);
    if (queue)
        end(self, queue, apir_call_buffer_free(queue, &args), "free of a buffer");
    free(self);
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
    struct apir_queue *queue =
        apir_tensor_describe_data(reg, tensor, &args.tensor) == self ? begin(self) : NULL;
    if (!queue)
        return GGML_STATUS_FAILED;
    int ret = apir_call_buffer_init_tensor(queue, NULL, &args, &reply);
    apir_order_end(self->device->reg, queue, self, NULL);
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
    struct apir_queue *queue = describe(self, tensor, &args.tensor) == 0 ? begin(self) : NULL;
    if (queue)
        end(self, queue, apir_call_tensor_memset(queue, &args), "memset of a tensor");
}

/* What comes from a host that has failed is zeros. */
static void move(const struct apir_transfer *transfer)
{
    struct apir_buffer *buffer = transfer->buffer;
    if (transfer->size == 0 || transfer->rows == 0)
        return;
    struct apir_queue *queue = begin(buffer);
    int ret = queue ? apir_transfer_run(transfer, queue) : -EPIPE;
    bool failed = ret < 0 || apir_queue_is_spoilt(queue);
    if (queue)
        end(buffer, queue, ret, "transfer of tensor data");
    if (failed && !transfer->to_host)
        apir_transfer_zero(transfer);
}

void apir_buffer_set_tensor_2d(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor,
                               const void *data, size_t offset, size_t size, size_t n_copies,
                               size_t stride_tensor, size_t stride_data)
{
    struct apir_transfer transfer = {.buffer = of(buffer),
                                     .tensor = tensor,
                                     .data = (char *)(uintptr_t)data,
                                     .to_host = true,
                                     .offset = offset,
                                     .size = size,
                                     .rows = n_copies,
                                     .stride_tensor = stride_tensor,
                                     .stride_data = stride_data};
    move(&transfer);
}

void apir_buffer_get_tensor_2d(ggml_backend_buffer_t buffer, const struct ggml_tensor *tensor,
                               void *data, size_t offset, size_t size, size_t n_copies,
                               size_t stride_tensor, size_t stride_data)
{
    struct apir_transfer transfer = {.buffer = of(buffer),
                                     .tensor = tensor,
                                     .data = data,
                                     .to_host = false,
                                     .offset = offset,
                                     .size = size,
                                     .rows = n_copies,
                                     .stride_tensor = stride_tensor,
                                     .stride_data = stride_data};
    move(&transfer);
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

/* What comes later in the queue finds the copy. */
static int copy(struct apir_queue *queue, const struct apir_tensor_copy_args *args, bool *done)
{
    const struct apir_tensor_copy_async_args posted = {.source = args->source, .destination = args->destination};
    struct apir_tensor_copy_reply reply;
    if (apir_session_posts_copies(apir_queue_session(queue))) {
        *done = true;
        return apir_call_tensor_copy_async(queue, &posted);
    }
    int ret = apir_call_tensor_copy(queue, NULL, args, &reply);
    *done = ret == 0 && reply.done;
    return ret;
}

bool apir_buffer_cpy_tensor(ggml_backend_buffer_t buffer, const struct ggml_tensor *src,
                            struct ggml_tensor *dst)
{
    struct apir_buffer *to = of(buffer), *from = own_buffer(to->device->reg, src);
    struct apir_tensor_copy_args args;
    if (!from || describe(from, src, &args.source) < 0 || describe(to, dst, &args.destination) < 0)
        return false;
    struct apir_queue *queue = begin_both(to, from);
    if (!queue)
        return false;
    bool done;
    int ret = copy(queue, &args, &done);
    return end_both(to, from, queue, ret, "copy of a tensor") == 0 && done;
}

void apir_buffer_clear(ggml_backend_buffer_t buffer, uint8_t value)
{
    struct apir_buffer *self = of(buffer);
    struct apir_buffer_clear_args args = {.buffer = self->handle, .value = value};
    struct apir_queue *queue = begin(self);
    if (queue)
        end(self, queue, apir_call_buffer_clear(queue, &args), "clear of a buffer");
}

void apir_buffer_reset(ggml_backend_buffer_t buffer)
{
    struct apir_buffer *self = of(buffer);
    struct apir_buffer_reset_args args = {.buffer = self->handle};
    struct apir_queue *queue = begin(self);
    if (queue)
        end(self, queue, apir_call_buffer_reset(queue, &args), "reset of a buffer");
}
