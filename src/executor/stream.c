#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "executor/private.h"

enum {
    MAX_THREADS = 512, /* ggml's own limit */
};

static void destroy_stream(struct apir_object *object)
{
    struct apir_stream *stream = (struct apir_stream *)object;
    for (unsigned i = 0; i < APIR_MAX_GRAPHS; i++)
        apir_kept_graph_destroy(stream->kept[i]);
    ggml_backend_free(stream->host);
    pthread_mutex_destroy(&stream->lock);
    apir_quota_uncharge(&stream->executor->quotas.streams, 1);
    free(stream);
}

/* Libraries that compute on the CPU take a number of threads, by a function that only they have. */
static void set_threads(const struct apir_executor *executor, ggml_backend_dev_t device, ggml_backend_t backend)
{
    void (*set)(ggml_backend_t, int) = NULL;
    *(void **)&set = ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device), "ggml_backend_set_n_threads");
    long threads = executor->options.threads ? (long)executor->options.threads : sysconf(_SC_NPROCESSORS_ONLN);
    if (set)
        set(backend, threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : (int)threads);
}

static struct apir_stream *create_stream(struct apir_executor *executor, ggml_backend_dev_t device)
{
    if (!apir_quota_charge(&executor->quotas.streams, 1))
        return NULL;
    struct apir_stream *stream = calloc(1, sizeof *stream);
    if (stream)
        stream->host = ggml_backend_dev_init(device, NULL);
    if (!stream || !stream->host) {
        free(stream);
        apir_quota_uncharge(&executor->quotas.streams, 1);
        return NULL;
    }
    stream->executor = executor;
    stream->object = (struct apir_object){.kind = APIR_OBJECT_STREAM, .destroy = destroy_stream};
    pthread_mutex_init(&stream->lock, NULL);
    set_threads(executor, device, stream->host);
    return stream;
}

int handle_stream_create(void *data, struct apir_arena *scratch, const struct apir_stream_create_args *args,
                         struct apir_stream_create_reply *reply)
{
    (void)scratch;
    struct apir_executor *executor = data;
    ggml_backend_dev_t device = apir_device_get(executor, args->device);
    if (!device)
        return -ENODEV;
    struct apir_stream *stream = create_stream(executor, device);
    if (!stream)
        return 0; /* a device that is busy or full is a result, not a mistake */
    reply->stream = apir_object_table_add(&executor->objects, &stream->object);
    if (!reply->stream)
        destroy_stream(&stream->object);
    return 0;
}

int handle_stream_destroy(void *data, struct apir_arena *scratch, const struct apir_stream_destroy_args *args)
{
    (void)scratch;
    struct apir_executor *executor = data;
    return apir_object_table_remove(&executor->objects, args->stream, APIR_OBJECT_STREAM);
}
