#include "backend/stream.h"

#include <errno.h>
#include <stdlib.h>

#include "apir-calls.h"
#include "backend/buffer.h"
#include "backend/device.h"
#include "backend/graph-memory.h"
#include "backend/graph.h"
#include "backend/reg.h"
#include "client/queue.h"

enum {
    FIRST_GRAPH_SIZE = 64 * 1024,
};

/* Owned by ggml, which ends it with ggml_backend_free. Used by one thread at a time, as ggml
 * demands. */
struct apir_stream {
    union apir_abi_backend base; /* first: a ggml_backend_t of ours points here */
    struct apir_device *device;  /* borrowed */
    struct apir_queue *queue;    /* owned */
    uint64_t handle;
    struct apir_shm graph; /* owned; what the last graph was written to */
    struct apir_graph_builder builder;
    struct apir_graph_memory memory; /* what the host keeps */
};

/* Tells our backends from others; ggml wants it writable, and does not write. */
static const uint8_t guid[16] = {0x61, 0x70, 0x69, 0x72, 0x2d, 0x76, 0x69, 0x72,
                                 0x74, 0x67, 0x70, 0x75, 0x2d, 0x67, 0x67, 0x01};

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

ggml_backend_t apir_stream_create(struct apir_device *device)
{
    struct apir_reg *reg = device->reg;
    struct apir_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return NULL;
    stream->device = device;
    stream->queue = apir_queue_open(reg->session);
    if (!stream->queue)
        goto err_stream;
    if (create_on_host(stream) < 0)
        goto err_queue;
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
    apir_call_stream_destroy(stream->queue, NULL, &args);
    apir_queue_close(stream->queue);
    apir_session_shm_destroy(stream->device->reg->session, &stream->graph);
    apir_graph_builder_finish(&stream->builder);
    apir_graph_memory_finish(&stream->memory);
    free(stream);
}

void apir_stream_synchronize(ggml_backend_t backend)
{
    (void)backend; /* every call has completed when it returns */
}

/* Replaces the shared memory by one of twice the size. */
static int grow(struct apir_stream *stream)
{
    struct apir_session *session = stream->device->reg->session;
    uint64_t size = stream->graph.size ? 2 * stream->graph.size : FIRST_GRAPH_SIZE;
    if (size > APIR_MAX_GRAPH_BYTES)
        return -E2BIG;
    apir_session_shm_destroy(session, &stream->graph);
    stream->graph = (struct apir_shm){0};
    return apir_session_shm_create(session, size, &stream->graph);
}

/* Writes the graph to shared memory. Returns its bytes or -errno. */
static int64_t write_graph(struct apir_stream *stream, const struct apir_graph *graph)
{
    struct apir_enc enc;
    int ret = stream->graph.size ? 0 : grow(stream);
    while (ret == 0) {
        uint64_t size =
            stream->graph.size < APIR_MAX_GRAPH_BYTES ? stream->graph.size : APIR_MAX_GRAPH_BYTES;
        apir_enc_init(&enc, stream->graph.data, size);
        ret = apir_session_encode_graph(stream->device->reg->session, &enc, graph);
        if (ret == 0 && apir_enc_ok(&enc))
            return (int64_t)apir_enc_used(&enc);
        ret = ret == 0 ? grow(stream) : ret;
    }
    return ret;
}

/* Tells the host about the usage of the graph's buffers. */
static int mirror_usages(struct apir_buffer *const *buffers, uint32_t n)
{
    struct apir_buffer *last = NULL;
    for (uint32_t i = 0; i < n; i++) {
        int ret = buffers[i] && buffers[i] != last ? apir_buffer_mirror_usage(buffers[i]) : 0;
        if (ret < 0)
            return ret;
        last = buffers[i];
    }
    return 0;
}

static void mark_uses(struct apir_buffer *const *buffers, uint32_t n, const struct apir_queue *queue)
{
    struct apir_buffer *last = NULL;
    for (uint32_t i = 0; i < n; i++) {
        if (buffers[i] && buffers[i] != last)
            apir_buffer_mark_use(buffers[i], apir_queue_id(queue), apir_queue_next(queue));
        last = buffers[i];
    }
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

/* Has the host compute the graph of size bytes in shared memory, and keep it under a number (0: not). */
static int compute(struct apir_stream *stream, uint64_t size, uint32_t number, enum ggml_status *status)
{
    struct apir_graph_compute_args args = {
        .stream = stream->handle, .shm = stream->graph.id, .size = size, .graph = number};
    struct apir_graph_compute_reply reply;
    apir_queue_lock(stream->queue);
    mark_uses(stream->builder.buffers, stream->builder.n_tensors, stream->queue);
    int ret = apir_call_graph_compute(stream->queue, NULL, &args, &reply);
    apir_queue_unlock(stream->queue);
    if (ret == 0)
        *status = to_ggml(reply.status);
    return ret;
}

/* The same of a graph that it keeps. */
static int recompute(struct apir_stream *stream, const struct apir_graph_note *note, enum ggml_status *status)
{
    struct apir_graph_recompute_args args = {.stream = stream->handle, .graph = note->number};
    struct apir_graph_recompute_reply reply;
    int ret = mirror_usages(note->buffers, note->n_buffers);
    if (ret < 0)
        return ret;
    apir_queue_lock(stream->queue);
    mark_uses(note->buffers, note->n_buffers, stream->queue);
    ret = apir_call_graph_recompute(stream->queue, NULL, &args, &reply);
    apir_queue_unlock(stream->queue);
    if (ret == 0)
        *status = to_ggml(reply.status);
    return ret;
}

/* Describes the graph to the host, which keeps it if it can. */
static int compute_new(struct apir_stream *stream, struct ggml_cgraph *cgraph, enum ggml_status *status)
{
    const struct apir_reg *reg = stream->device->reg;
    struct apir_graph graph;
    int ret = apir_graph_build(&stream->builder, reg, cgraph, &graph);
    if (ret == 0 && graph.n_nodes == 0)
        *status = GGML_STATUS_SUCCESS;
    if (ret < 0 || graph.n_nodes == 0)
        return ret;
    ret = mirror_usages(stream->builder.buffers, stream->builder.n_tensors);
    int64_t size = ret == 0 ? write_graph(stream, &graph) : ret;
    if (size < 0)
        return (int)size;
    struct apir_graph_note *note =
        apir_session_keeps_graphs(reg->session) ? apir_graph_memory_take(&stream->memory) : NULL;
    ret = compute(stream, (uint64_t)size, note ? note->number : 0, status);
    if (note && ret == 0 && *status == GGML_STATUS_SUCCESS)
        apir_graph_memory_fill(&stream->memory, note, reg, cgraph, &stream->builder);
    return ret;
}

enum ggml_status apir_stream_graph_compute(ggml_backend_t backend, struct ggml_cgraph *cgraph)
{
    struct apir_stream *stream = of(backend);
    const struct apir_reg *reg = stream->device->reg;
    enum ggml_status status = GGML_STATUS_FAILED;
    if (apir_session_error(reg->session) < 0)
        return GGML_STATUS_FAILED;
    const struct apir_graph_note *note = apir_graph_memory_find(&stream->memory, reg, cgraph);
    int ret = note ? recompute(stream, note, &status) : compute_new(stream, cgraph, &status);
    if (ret == -EOVERFLOW)
        apir_error(reg->log, "cannot compute a graph: a tensor of 4 GiB does not fit the protocol of this host");
    return ret == -ENOMEM ? GGML_STATUS_ALLOC_FAILED : status;
}
