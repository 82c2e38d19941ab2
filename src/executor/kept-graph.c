/* Graphs that a stream keeps, and the calls that compute. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apir-codec.h"
#include "executor/graph.h"
#include "executor/private.h"
#include "util/arena.h"
#include "wire/cs.h"

/* A graph that stays, at the same addresses: backends recognise what they have seen. It does not keep its buffers. */
struct apir_kept_graph {
    struct apir_arena arena; /* of all below */
    struct apir_graph wire;
    struct apir_rebuilt rebuilt;
};

void apir_kept_graph_destroy(struct apir_kept_graph *kept)
{
    if (!kept)
        return;
    apir_rebuilt_finish(&kept->rebuilt);
    apir_arena_finish(&kept->arena);
    free(kept);
}

/* Fetches a graph. */
static int fetch(struct apir_executor *executor, struct apir_arena *arena, const struct apir_graph_compute_args *args,
                 struct apir_graph *graph)
{
    struct apir_dec dec;
    int ret = apir_graph_fetch(executor, arena, args->shm, args->shm_offset, args->size, &dec);
    if (ret < 0)
        return ret;
    apir_decode_graph(&dec, graph);
    return apir_dec_finish(&dec) ? 0 : arena->is_short ? -ENOMEM : -EBADMSG;
}

/* Fetches the graph and runs it. */
static int run_once(struct apir_executor *executor, const struct apir_graph_compute_args *args,
                    struct apir_stream *stream, enum ggml_status *status)
{
    struct apir_arena arena = {.quota = &executor->quotas.graphs};
    struct apir_graph graph;
    int ret = fetch(executor, &arena, args, &graph);
    if (ret == 0)
        ret = apir_graph_run(executor, &arena, &graph, stream, false, status);
    apir_arena_finish(&arena);
    return ret;
}

static struct apir_kept_graph *create_kept(struct apir_executor *executor)
{
    struct apir_kept_graph *kept = calloc(1, sizeof *kept);
    if (!kept)
        return NULL;
    kept->arena.quota = &executor->quotas.graphs;
    kept->rebuilt = (struct apir_rebuilt){.executor = executor, .arena = &kept->arena, .wire = &kept->wire};
    return kept;
}

/* Runs a graph whose wire is there, and keeps it after success; frees it else. */
static int run_and_keep(struct apir_kept_graph *kept, struct apir_stream *stream, uint32_t number,
                        enum ggml_status *status)
{
    int ret = apir_rebuilt_make(&kept->rebuilt, stream, status);
    if (ret == 0 && *status == GGML_STATUS_SUCCESS) {
        pthread_mutex_lock(&stream->lock);
        *status = apir_rebuilt_compute_locked(&kept->rebuilt, stream);
        apir_buffer_uses_release(kept->rebuilt.executor, &kept->rebuilt.buffers);
        if (*status == GGML_STATUS_SUCCESS) {
            apir_kept_graph_destroy(stream->kept[number - 1]);
            stream->kept[number - 1] = kept;
            kept = NULL;
        }
        pthread_mutex_unlock(&stream->lock);
    }
    apir_kept_graph_destroy(kept);
    return ret;
}

static int run_new(struct apir_executor *executor, const struct apir_graph_compute_args *args,
                   struct apir_stream *stream, enum ggml_status *status)
{
    struct apir_kept_graph *kept = create_kept(executor);
    if (!kept)
        return -ENOMEM;
    int ret = fetch(executor, &kept->arena, args, &kept->wire);
    if (ret == 0)
        return run_and_keep(kept, stream, args->graph, status);
    apir_kept_graph_destroy(kept);
    return ret;
}

static void *copy_bytes(struct apir_arena *arena, const void *bytes, size_t size)
{
    void *copy = apir_arena_alloc(arena, size);
    if (copy)
        memcpy(copy, bytes, size);
    return copy;
}

/* Makes *to of what *from is, in memory of its own: the other may go. */
static int copy_graph(struct apir_arena *arena, const struct apir_graph *from, struct apir_graph *to)
{
    struct apir_tensor *tensors = copy_bytes(arena, from->tensors, from->n_tensors * sizeof *tensors);
    uint32_t *nodes = copy_bytes(arena, from->nodes, from->n_nodes * sizeof *nodes);
    if (!tensors || !nodes)
        return -ENOMEM;
    for (uint32_t i = 0; i < from->n_tensors; i++) {
        if (tensors[i].n_src)
            tensors[i].src = copy_bytes(arena, tensors[i].src, tensors[i].n_src * sizeof *tensors[i].src);
        tensors[i].name = copy_bytes(arena, tensors[i].name, strlen(tensors[i].name) + 1);
        if ((tensors[i].n_src && !tensors[i].src) || !tensors[i].name)
            return -ENOMEM;
    }
    *to = (struct apir_graph){
        .tensors = tensors, .n_tensors = from->n_tensors, .nodes = nodes, .n_nodes = from->n_nodes};
    return 0;
}

static int copy_base(struct apir_kept_graph *kept, struct apir_stream *stream, uint32_t base)
{
    pthread_mutex_lock(&stream->lock);
    const struct apir_kept_graph *from = stream->kept[base - 1];
    int ret = from ? copy_graph(&kept->arena, &from->wire, &kept->wire) : -ENOENT;
    pthread_mutex_unlock(&stream->lock);
    return ret;
}

static int apply_changes(struct apir_kept_graph *kept, const struct apir_graph_derive_args *args)
{
    struct apir_graph_changes changes;
    struct apir_dec dec;
    int ret = apir_graph_fetch(kept->rebuilt.executor, &kept->arena, args->shm, args->shm_offset, args->size, &dec);
    if (ret < 0)
        return ret;
    apir_decode_graph_changes(&dec, &changes);
    if (!apir_dec_finish(&dec))
        return kept->arena.is_short ? -ENOMEM : -EBADMSG;
    struct apir_tensor *tensors = (struct apir_tensor *)(uintptr_t)kept->wire.tensors; /* our copy */
    for (uint32_t i = 0; i < changes.n_changes; i++) {
        if (changes.changes[i].index >= kept->wire.n_tensors)
            return -EINVAL;
        tensors[changes.changes[i].index] = changes.changes[i].tensor;
    }
    return 0;
}

static int run_derived(struct apir_executor *executor, const void *data, struct apir_stream *stream,
                       enum ggml_status *status)
{
    const struct apir_graph_derive_args *args = data;
    struct apir_kept_graph *kept = create_kept(executor);
    if (!kept)
        return -ENOMEM;
    int ret = copy_base(kept, stream, args->base);
    if (ret == 0)
        ret = apply_changes(kept, args);
    if (ret == 0)
        return run_and_keep(kept, stream, args->graph, status);
    apir_kept_graph_destroy(kept);
    return ret;
}

static struct apir_stream *get_stream(struct apir_executor *executor, uint64_t handle)
{
    return (struct apir_stream *)apir_object_table_get(&executor->objects, handle, APIR_OBJECT_STREAM);
}

/* A stream whose graph has failed computes none until the guest was told: those that follow may need its results. */
static bool has_failed(struct apir_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    bool failed = stream->status != GGML_STATUS_SUCCESS;
    pthread_mutex_unlock(&stream->lock);
    return failed;
}

/* Makes room. The guest is told that a graph has failed, and then takes none for kept any more. */
static void forget_graphs(struct apir_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    for (unsigned i = 0; i < APIR_MAX_GRAPHS; i++) {
        apir_kept_graph_destroy(stream->kept[i]);
        stream->kept[i] = NULL;
    }
    pthread_mutex_unlock(&stream->lock);
}

/* There was no memory for a graph, or no more of what the guest may have: that is a result, not a mistake. */
static int give_up(struct apir_stream *stream, enum ggml_status *status)
{
    apir_executor_complain(stream->executor, "no memory for a graph: %llu bytes are left (--max-graph-memory)",
                           (unsigned long long)apir_quota_left(&stream->executor->quotas.graphs));
    forget_graphs(stream);
    *status = GGML_STATUS_ALLOC_FAILED;
    return 0;
}

/* What a handler returns for the outcome of a graph: status if all else was good. */
static int conclude(struct apir_stream *stream, int ret, enum ggml_status status)
{
    if (ret < 0 || status == GGML_STATUS_SUCCESS)
        return ret;
    pthread_mutex_lock(&stream->lock);
    stream->status = status;
    pthread_mutex_unlock(&stream->lock);
    return (int)apir_graph_status_from_ggml(status);
}

/* Has a stream compute, in the way of the call that args belong to, unless it has failed. */
static int compute_in(struct apir_executor *executor, uint64_t handle,
                      int (*run)(struct apir_executor *executor, const void *args, struct apir_stream *stream,
                                 enum ggml_status *status),
                      const void *args)
{
    struct apir_stream *stream = get_stream(executor, handle);
    if (!stream)
        return -ENOENT;
    enum ggml_status status = GGML_STATUS_SUCCESS;
    int ret = has_failed(stream) ? 0 : run(executor, args, stream, &status);
    if (ret == -ENOMEM)
        ret = give_up(stream, &status);
    ret = conclude(stream, ret, status);
    apir_object_table_put(&executor->objects, &stream->object);
    return ret;
}

static int run_described(struct apir_executor *executor, const void *data, struct apir_stream *stream,
                         enum ggml_status *status)
{
    const struct apir_graph_compute_args *args = data;
    return args->graph ? run_new(executor, args, stream, status) : run_once(executor, args, stream, status);
}

int handle_graph_compute(void *data, struct apir_arena *scratch, const struct apir_graph_compute_args *args)
{
    (void)scratch; /* a graph's memory is not kept for later calls */
    return compute_in(data, args->stream, run_described, args);
}

int handle_graph_derive(void *data, struct apir_arena *scratch, const struct apir_graph_derive_args *args)
{
    (void)scratch;
    return compute_in(data, args->stream, run_derived, args);
}

int handle_stream_collect(void *data, struct apir_arena *scratch, const struct apir_stream_collect_args *args,
                          struct apir_stream_collect_reply *reply)
{
    (void)scratch;
    struct apir_executor *executor = data;
    struct apir_stream *stream = get_stream(executor, args->stream);
    if (!stream)
        return -ENOENT;
    pthread_mutex_lock(&stream->lock);
    reply->status = apir_graph_status_from_ggml(stream->status);
    stream->status = GGML_STATUS_SUCCESS;
    pthread_mutex_unlock(&stream->lock);
    apir_object_table_put(&executor->objects, &stream->object);
    return 0;
}

static int rerun_locked(struct apir_stream *stream, uint32_t number, enum ggml_status *status)
{
    struct apir_kept_graph *kept = stream->kept[number - 1];
    if (!kept)
        return -ENOENT;
    struct apir_rebuilt *rebuilt = &kept->rebuilt;
    int ret = apir_buffer_uses_hold(rebuilt->executor, &rebuilt->buffers);
    if (ret < 0)
        return ret;
    *status = GGML_STATUS_SUCCESS;
    if (ret == 1 || rebuilt->unbound)
        ret = apir_rebuilt_bind_anew(rebuilt, status);
    rebuilt->unbound = ret < 0 || *status != GGML_STATUS_SUCCESS;
    if (!rebuilt->unbound)
        *status = apir_rebuilt_compute_locked(rebuilt, stream);
    apir_buffer_uses_release(rebuilt->executor, &rebuilt->buffers);
    return ret;
}

static int run_again(struct apir_executor *executor, const void *data, struct apir_stream *stream,
                     enum ggml_status *status)
{
    const struct apir_graph_recompute_args *args = data;
    (void)executor;
    pthread_mutex_lock(&stream->lock);
    int ret = rerun_locked(stream, args->graph, status);
    pthread_mutex_unlock(&stream->lock);
    return ret;
}

int handle_graph_recompute(void *data, struct apir_arena *scratch, const struct apir_graph_recompute_args *args)
{
    (void)scratch;
    return compute_in(data, args->stream, run_again, args);
}
