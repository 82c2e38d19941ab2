#include "backend/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apir-calls.h"
#include "backend/buffer.h"
#include "backend/device.h"
#include "backend/graph-memory.h"
#include "backend/graph-sender.h"
#include "backend/host-buffer.h"
#include "backend/reg.h"
#include "backend/tensor.h"
#include "backend/transfer.h"
#include "client/queue.h"

enum {
    MAX_PENDING = 32, /* gets under way */
};

/* Owned by ggml, which ends it with ggml_backend_free. Used by one thread at a time, as ggml
 * demands. */
struct apir_stream {
    union apir_abi_backend base; /* first: a ggml_backend_t of ours points here */
    struct apir_device *device;  /* borrowed */
    struct apir_queue *queue;    /* owned */
    uint64_t handle;
    struct apir_graph_sender sender;
    struct apir_graph_memory memory; /* what the host keeps */
    struct apir_transfer pending[MAX_PENDING]; /* gets whose bytes come by themselves, unless the host fails */
    uint32_t n_pending;
    uint64_t work;                   /* sequence number of the last call that somebody may wait for */
    bool told;                       /* the user knows of the failure that is to be collected */
};

/* Tells our backends from others; ggml wants it writable, and does not write. */
static const uint8_t guid[16] = {0x61, 0x70, 0x69, 0x72, 0x2d, 0x76, 0x69, 0x72,
                                 0x74, 0x67, 0x70, 0x75, 0x2d, 0x67, 0x67, 0x01};

static bool is_ours(ggml_backend_t backend)
{
    return ggml_backend_guid(backend) == (ggml_guid_t)(uintptr_t)guid;
}

static struct apir_stream *of(ggml_backend_t backend)
{
    return (struct apir_stream *)backend;
}

static int create_on_host(struct apir_stream *stream)
{
    struct apir_stream_create_args args = {.device = stream->device->index};
    struct apir_stream_create_reply reply;
    int ret = apir_call_stream_create(stream->queue, NULL, &args, &reply);
    if (ret < 0)
        return ret;
    if (reply.stream == 0)
        return -ENODEV;
    stream->handle = reply.stream;
    return 0;
}

struct apir_queue *apir_stream_queue(ggml_backend_t backend)
{
    return of(backend)->queue;
}

ggml_backend_t apir_stream_create(struct apir_device *device)
{
    struct apir_reg *reg = device->reg;
    struct apir_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return NULL;
    stream->device = device;
    stream->queue = apir_queue_open(reg->session);
    if (!stream->queue && errno == ENOMEM && apir_reg_free_staging(reg))
        stream->queue = apir_queue_open(reg->session);
    if (!stream->queue)
        goto err_stream;
    if (create_on_host(stream) < 0)
        goto err_queue;
    stream->sender.reg = reg;
    stream->sender.queue = stream->queue;
    stream->sender.stream = stream->handle;
    reg->abi->init_backend(&stream->base, (ggml_guid_t)(uintptr_t)guid, (ggml_backend_dev_t)device);
    return (ggml_backend_t)stream;

err_queue:
    apir_queue_close(stream->queue);
err_stream:
    apir_info(reg->log, "%s: cannot make a backend", device->name);
    free(stream);
    return NULL;
}

const char *apir_stream_get_name(ggml_backend_t backend)
{
    return of(backend)->device->name;
}

void apir_stream_free(ggml_backend_t backend)
{
    struct apir_stream *stream = of(backend);
    struct apir_stream_destroy_args args = {.stream = stream->handle};
    apir_stream_synchronize(backend);
    apir_call_stream_destroy(stream->queue, &args);
    apir_queue_clear_failed(stream->queue); /* it goes on to serve buffers, and other streams */
    apir_queue_forget_sources(stream->queue);
    apir_queue_close(stream->queue);
    apir_graph_sender_finish(&stream->sender);
    apir_graph_memory_finish(&stream->memory);
    free(stream);
}

static bool has_failed(const struct apir_stream *stream)
{
    return apir_queue_is_spoilt(stream->queue) || apir_session_error(stream->device->reg->session) < 0;
}

/* The application may have freed the memory since. */
static void zero_pending(const struct apir_stream *stream, const struct apir_transfer *transfer)
{
    uint32_t shm;
    uint64_t offset;
    if (apir_host_buffer_find(stream->device->reg, transfer->data, transfer->rows * transfer->size, &shm, &offset))
        apir_transfer_zero(transfer);
}

/* Waits for graphs, and for what uses the application's memory. A set whose bytes were copied is no work of the stream:
 * whoever looks for its effect comes after it in the queue. */
void apir_stream_synchronize(ggml_backend_t backend)
{
    struct apir_stream *stream = of(backend);
    int ret = apir_queue_sync_to(stream->queue, stream->work);
    if (stream->n_pending && has_failed(stream))
        for (uint32_t i = 0; i < stream->n_pending; i++)
            zero_pending(stream, &stream->pending[i]);
    stream->n_pending = 0;
    if (ret == 0 && !stream->told && apir_queue_failed(stream->queue)) {
        apir_error(stream->device->reg->log, "%s: a graph has failed; its results are zeros", stream->device->name);
        stream->told = true;
    }
}

/* The buffer of ours that a tensor is in; NULL if it is in none of this session. */
static struct apir_buffer *own_buffer(const struct apir_stream *stream, const struct ggml_tensor *tensor)
{
    uint64_t offset;
    struct apir_buffer *buffer = apir_tensor_place(stream->device->reg, tensor, &offset);
    return buffer && buffer->device->reg == stream->device->reg ? buffer : NULL;
}

/* The lock of its queue is held, or nobody else calls. */
static uint64_t last_call(const struct apir_stream *stream)
{
    return apir_queue_next(stream->queue) - 1;
}

/* Its bytes are still under way. */
static void note_pending(struct apir_stream *stream, const struct apir_transfer *transfer)
{
    if (stream->n_pending == MAX_PENDING)
        apir_stream_synchronize((ggml_backend_t)stream);
    stream->pending[stream->n_pending++] = *transfer;
}

/* A transfer as work of the stream. */
static void move(struct apir_stream *stream, struct apir_transfer *transfer)
{
    struct apir_session *session = stream->device->reg->session;
    transfer->buffer = own_buffer(stream, transfer->tensor);
    int ret = transfer->buffer ? apir_session_error(session) : -EINVAL;
    if (ret == 0) {
        apir_queue_lock(stream->queue);
        apir_order_stream(stream->device->reg, stream->queue, &transfer->buffer, 1);
        ret = apir_transfer_run(transfer, stream->queue);
        apir_order_stream_end(stream->device->reg, stream->queue, transfer->buffer);
        apir_queue_unlock(stream->queue);
    }
    if (ret < 0)
        apir_session_fail(session, ret, "transfer of tensor data");
    if (!transfer->to_host && (ret < 0 || has_failed(stream)))
        apir_transfer_zero(transfer);
    if (ret == 1)
        stream->work = last_call(stream);
    if (ret == 1 && !transfer->to_host)
        note_pending(stream, transfer);
}

void apir_stream_set_tensor_2d_async(ggml_backend_t backend, struct ggml_tensor *tensor, const void *data,
                                     size_t offset, size_t size, size_t n_copies, size_t stride_tensor,
                                     size_t stride_data)
{
    struct apir_transfer transfer = {.tensor = tensor, .data = (char *)(uintptr_t)data, .to_host = true,
                                     .async = true, .offset = offset, .size = size, .rows = n_copies,
                                     .stride_tensor = stride_tensor, .stride_data = stride_data};
    move(of(backend), &transfer);
}

void apir_stream_get_tensor_2d_async(ggml_backend_t backend, const struct ggml_tensor *tensor, void *data,
                                     size_t offset, size_t size, size_t n_copies, size_t stride_tensor,
                                     size_t stride_data)
{
    struct apir_transfer transfer = {.tensor = tensor, .data = data, .async = true, .offset = offset, .size = size,
                                     .rows = n_copies, .stride_tensor = stride_tensor, .stride_data = stride_data};
    move(of(backend), &transfer);
}

void apir_stream_set_tensor_async(ggml_backend_t backend, struct ggml_tensor *tensor, const void *data, size_t offset,
                                  size_t size)
{
    apir_stream_set_tensor_2d_async(backend, tensor, data, offset, size, 1, 0, 0);
}

void apir_stream_get_tensor_async(ggml_backend_t backend, const struct ggml_tensor *tensor, void *data, size_t offset,
                                  size_t size)
{
    apir_stream_get_tensor_2d_async(backend, tensor, data, offset, size, 1, 0, 0);
}

/* Runs on the queue of the source, which must not be written over before; the destination's next work waits for it. The
 * destination may be in use: until an event of its backend that this backend waits for next, as ggml's scheduler has it, else
 * until all that was queued there is done, as its splitting of tensors expects. */
bool apir_stream_cpy_tensor_async(ggml_backend_t from, ggml_backend_t to, const struct ggml_tensor *src,
                                  struct ggml_tensor *dst)
{
    if (!is_ours(from) || !is_ours(to))
        return false;
    struct apir_stream *source = of(from), *destination = of(to);
    struct apir_reg *reg = source->device->reg;
    struct apir_buffer *buffers[] = {own_buffer(source, src), own_buffer(source, dst)};
    struct apir_tensor_copy_async_args args;
    apir_queue_take_from(destination->queue, source->queue); /* also if ggml copies in another way */
    if (buffers[1])
        apir_order_give(reg, buffers[1], destination->queue);
    if (!apir_session_posts_copies(reg->session) || !buffers[0] || !buffers[1] || has_failed(source) || apir_buffer_mirror_usage(buffers[1]) < 0 ||
        !apir_names_knows_type(&reg->names, src) || !apir_names_knows_type(&reg->names, dst))
        return false;
    apir_tensor_describe_data(reg, src, &args.source);
    apir_tensor_describe_data(reg, dst, &args.destination);
    if (!apir_queue_wait_as(source->queue, destination->queue))
        apir_queue_wait_for(source->queue, apir_queue_id(destination->queue), destination->work);
    apir_queue_lock(source->queue);
    apir_order_stream(reg, source->queue, buffers, 2);
    int ret = apir_call_tensor_copy_async(source->queue, &args);
    source->work = last_call(source);
    apir_queue_unlock(source->queue);
    apir_order_give(reg, buffers[1], destination->queue);
    apir_queue_wait_for(destination->queue, apir_queue_id(source->queue), source->work);
    return ret == 0;
}

static enum ggml_status to_ggml(enum apir_graph_status status)
{
    switch (status) {
    case APIR_GRAPH_STATUS_SUCCESS:
        return GGML_STATUS_SUCCESS;
    case APIR_GRAPH_STATUS_ALLOC_FAILED:
        return GGML_STATUS_ALLOC_FAILED;
    case APIR_GRAPH_STATUS_ABORTED:
        return GGML_STATUS_ABORTED;
    case APIR_GRAPH_STATUS_FAILED:
        break;
    }
    return GGML_STATUS_FAILED;
}

/* Has the host compute a graph that it keeps. */
static int recompute(struct apir_stream *stream, const struct apir_graph_note *note)
{
    struct apir_graph_recompute_args args = {.stream = stream->handle, .graph = note->number};
    int ret = apir_graph_mirror_usages(note->buffers, note->n_buffers);
    if (ret < 0)
        return ret;
    apir_queue_lock(stream->queue);
    apir_order_stream(stream->device->reg, stream->queue, note->buffers, note->n_buffers);
    ret = apir_call_graph_recompute(stream->queue, &args);
    stream->work = last_call(stream);
    apir_queue_expect_long(stream->queue);
    apir_queue_unlock(stream->queue);
    return ret;
}

/* The same of one that it does not. */
static int compute_new(struct apir_stream *stream, struct ggml_cgraph *cgraph)
{
    int ret = apir_graph_sender_send(&stream->sender, &stream->memory, cgraph);
    if (ret == 1)
        stream->work = last_call(stream);
    return ret < 0 ? ret : 0;
}

/* How the stream has failed. The host computes again, and has forgotten the graph. */
static enum ggml_status collect(struct apir_stream *stream)
{
    struct apir_stream_collect_args args = {.stream = stream->handle};
    struct apir_stream_collect_reply reply;
    apir_stream_synchronize((ggml_backend_t)stream);
    int ret = apir_call_stream_collect(stream->queue, NULL, &args, &reply);
    apir_queue_clear_failed(stream->queue);
    apir_graph_memory_finish(&stream->memory);
    stream->memory = (struct apir_graph_memory){0};
    apir_graph_sender_forget(&stream->sender);
    apir_queue_forget_sources(stream->queue);
    stream->told = false;
    return ret == 0 && reply.status != APIR_GRAPH_STATUS_SUCCESS ? to_ggml(reply.status) : GGML_STATUS_FAILED;
}

enum ggml_status apir_stream_graph_compute(ggml_backend_t backend, struct ggml_cgraph *cgraph)
{
    struct apir_stream *stream = of(backend);
    const struct apir_reg *reg = stream->device->reg;
    if (apir_session_error(reg->session) < 0)
        return GGML_STATUS_FAILED;
    if (apir_queue_failed(stream->queue))
        return collect(stream);
    if (has_failed(stream)) { /* another has, of whose results this one's are made */
        apir_queue_forget_sources(stream->queue);
        return GGML_STATUS_FAILED;
    }
    const struct apir_graph_note *note = apir_graph_memory_find(&stream->memory, reg, cgraph);
    int ret = note ? recompute(stream, note) : compute_new(stream, cgraph);
    if (ret == -EOVERFLOW)
        apir_error(reg->log, "cannot compute a graph: a tensor of 4 GiB does not fit the protocol of this host");
    if (ret < 0)
        return ret == -ENOMEM ? GGML_STATUS_ALLOC_FAILED : GGML_STATUS_FAILED;
    bool is_over = !apir_session_keeps_graphs(reg->session); /* the deployed protocol waits for each */
    return is_over && apir_queue_failed(stream->queue) ? collect(stream) : GGML_STATUS_SUCCESS;
}
