#include "executor/executor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "executor/private.h"

static const struct apir_handlers handlers = {
    .load_library = handle_load_library,
    .negotiate = handle_negotiate,
    .device_get_info = handle_device_get_info,
    .device_get_memory = handle_device_get_memory,
    .device_supports_op = handle_device_supports_op,
    .device_get_alloc_size = handle_device_get_alloc_size,
    .buffer_alloc = handle_buffer_alloc,
    .buffer_from_shm = handle_buffer_from_shm,
    .buffer_free = handle_buffer_free,
    .buffer_set_usage = handle_buffer_set_usage,
    .buffer_init_tensor = handle_buffer_init_tensor,
    .buffer_clear = handle_buffer_clear,
    .buffer_reset = handle_buffer_reset,
    .tensor_memset = handle_tensor_memset,
    .tensor_set = handle_tensor_set,
    .tensor_get = handle_tensor_get,
    .tensor_set_2d = handle_tensor_set_2d,
    .tensor_get_2d = handle_tensor_get_2d,
    .tensor_copy = handle_tensor_copy,
    .stream_create = handle_stream_create,
    .stream_destroy = handle_stream_destroy,
    .buffer_write = handle_buffer_write,
    .buffer_read = handle_buffer_read,
    .tensor_copy_async = handle_tensor_copy_async,
    .stream_collect = handle_stream_collect,
    .graph_derive = handle_graph_derive,
    .graph_compute = handle_graph_compute,
    .graph_recompute = handle_graph_recompute,
    .session_get_stats = handle_session_get_stats,
};

const struct apir_handlers *apir_executor_handlers(void)
{
    return &handlers;
}

struct apir_executor *apir_executor_create(const struct apir_executor_options *options)
{
    struct apir_executor *executor = calloc(1, sizeof *executor);
    if (!executor)
        return NULL;
    executor->options = *options;
    executor->log = options->log;
    executor->memory = options->memory;
    apir_limits_complete(&executor->options.limits);
    apir_memory_init(executor);
    pthread_mutex_init(&executor->library.lock, NULL);
    pthread_mutex_init(&executor->upstream.lock, NULL);
    apir_object_table_init(&executor->objects);
    return executor;
}

void apir_executor_destroy(struct apir_executor *executor)
{
    if (!executor)
        return;
    apir_object_table_finish(&executor->objects);
    pthread_mutex_destroy(&executor->upstream.lock);
    apir_library_finish(&executor->library);
    free(executor);
}

void apir_executor_complain(struct apir_executor *executor, const char *format, ...)
{
    va_list args;
    /* relaxed: a counter, ordered with nothing */
    unsigned count = atomic_fetch_add_explicit(&executor->complaints, 1, memory_order_relaxed);
    va_start(args, format);
    apir_log_vprint(executor->log, count < APIR_MAX_COMPLAINTS ? APIR_LOG_WARN : APIR_LOG_DEBUG, format, args);
    va_end(args);
    if (count == APIR_MAX_COMPLAINTS - 1)
        apir_warn(executor->log, "more of the same is logged at debug level only");
}

void apir_executor_get_stats(struct apir_executor *executor, struct apir_executor_stats *stats)
{
    stats->graphs = atomic_load_explicit(&executor->graphs, memory_order_relaxed);
    stats->nodes = atomic_load_explicit(&executor->nodes, memory_order_relaxed);
    stats->buffers = atomic_load_explicit(&executor->buffers, memory_order_relaxed);
    stats->buffer_bytes = atomic_load_explicit(&executor->buffer_bytes, memory_order_relaxed);
}

int handle_session_get_stats(void *data, struct apir_arena *scratch, struct apir_session_get_stats_reply *reply)
{
    (void)scratch;
    struct apir_executor_stats stats;
    apir_executor_get_stats(data, &stats);
    reply->graphs = stats.graphs;
    reply->nodes = stats.nodes;
    reply->buffers = stats.buffers;
    reply->buffer_bytes = stats.buffer_bytes;
    return 0;
}
