/* Graphs and backends of the deployed protocol. */
#include <errno.h>
#include <string.h>

#include "apir-upstream-codec.h"
#include "executor/upstream-private.h"

/* Makes a stream; its handle or 0. */
static uint64_t create_stream(struct apir_executor *executor)
{
    struct apir_stream_create_reply reply = {0};
    const struct apir_stream_create_args args = {.device = executor->upstream.device};
    return handle_stream_create(executor, NULL, &args, &reply) == 0 ? reply.stream : 0;
}

/* The place of a backend's number, 0 for a free one; NULL if there is none. */
static uint64_t *find_locked(struct apir_upstream_state *state, uint32_t id, uint32_t **number)
{
    for (size_t i = 0; i < sizeof state->backends / sizeof *state->backends; i++) {
        if (state->backends[i].id != id)
            continue;
        *number = &state->backends[i].id;
        return &state->backends[i].stream;
    }
    return NULL;
}

int apir_upstream_backend_create(struct apir_executor *executor, struct apir_upstream_backend_id *id)
{
    struct apir_upstream_state *state = &executor->upstream;
    uint32_t *number;
    int ret = -ENOSPC;
    pthread_mutex_lock(&state->lock);
    uint64_t *stream = state->last_id < UINT32_MAX ? find_locked(state, 0, &number) : NULL; /* no number twice */
    if (!stream)
        goto out;
    ret = -ENODEV;
    *stream = create_stream(executor);
    if (!*stream)
        goto out;
    *number = ++state->last_id;
    *id = (struct apir_upstream_backend_id){.device = APIR_UPSTREAM_DEVICE, .id = *number};
    ret = 0;
out:
    pthread_mutex_unlock(&state->lock);
    return ret;
}

int apir_upstream_backend_destroy(struct apir_executor *executor, const struct apir_upstream_backend_id *id)
{
    struct apir_upstream_state *state = &executor->upstream;
    uint64_t handle = 0;
    uint32_t *number;
    if (id->device != APIR_UPSTREAM_DEVICE || id->id == 0)
        return -ENOENT;
    pthread_mutex_lock(&state->lock);
    uint64_t *stream = find_locked(state, id->id, &number);
    if (stream) {
        handle = *stream;
        *number = 0;
    }
    pthread_mutex_unlock(&state->lock);
    return handle ? apir_object_table_remove(&executor->objects, handle, APIR_OBJECT_STREAM) : -ENOENT;
}

/* The handle of the stream of a backend or, without one, of the stream that is made at its first use. */
static uint64_t find_stream(struct apir_executor *executor, const struct apir_upstream_backend_id *id)
{
    struct apir_upstream_state *state = &executor->upstream;
    uint64_t handle = 0, *stream = NULL;
    uint32_t *number;
    pthread_mutex_lock(&state->lock);
    if (!id && !state->stream)
        state->stream = create_stream(executor);
    if (!id)
        handle = state->stream;
    else if (id->device == APIR_UPSTREAM_DEVICE && id->id != 0)
        stream = find_locked(state, id->id, &number);
    if (stream)
        handle = *stream;
    pthread_mutex_unlock(&state->lock);
    return handle;
}

/* Fetches the graph, rebuilds and computes it. */
static int run(struct apir_executor *executor, struct apir_arena *arena,
               const struct apir_upstream_backend_graph_compute_args *args, struct apir_stream *stream,
               enum ggml_status *status)
{
    struct apir_dec dec;
    struct apir_upstream_graph from;
    struct apir_graph graph;
    int ret = apir_graph_fetch(executor, arena, args->shm, 0, args->size, &dec);
    if (ret < 0)
        return ret;
    apir_upstream_decode_graph(&dec, &from);
    if (!apir_dec_finish(&dec))
        return arena->is_short ? -ENOMEM : -EBADMSG;
    ret = apir_upstream_convert_graph(arena, &from, &graph);
    return ret < 0 ? ret : apir_graph_run(executor, arena, &graph, stream, true, status);
}

int handle_upstream_backend_graph_compute(void *data, struct apir_arena *scratch,
                                          const struct apir_upstream_backend_graph_compute_args *args,
                                          struct apir_upstream_backend_graph_compute_reply *reply)
{
    struct apir_executor *executor = data;
    enum ggml_status status = GGML_STATUS_FAILED;
    uint64_t handle = find_stream(executor, args->has_backend ? &args->backend : NULL);
    struct apir_stream *stream =
        (struct apir_stream *)apir_object_table_get(&executor->objects, handle, APIR_OBJECT_STREAM);
    if (!stream)
        return -ENOENT;
    int ret = run(executor, scratch, args, stream, &status);
    if (ret == -ENOMEM) {
        apir_executor_complain(executor, "no memory for a graph (--max-graph-memory)");
        status = GGML_STATUS_ALLOC_FAILED;
        ret = 0;
    }
    apir_object_table_put(&executor->objects, &stream->object);
    reply->status = (int32_t)status;
    return ret;
}
