/* Streams: a ggml_backend_t is a backend on the host with a queue of its own. Its work is posted: only synchronize, and
 * what must have a result, waits. */
#ifndef APIR_BACKEND_STREAM_H
#define APIR_BACKEND_STREAM_H

#include <ggml-backend.h>

struct apir_device;
struct apir_queue;

/* Makes a backend on the host; ggml_backend_free ends it. NULL when the host cannot, or all queues
 * are in use. */
ggml_backend_t apir_stream_create(struct apir_device *device);

/* The queue of a backend of ours. */
struct apir_queue *apir_stream_queue(ggml_backend_t backend);

/* What ggml calls. */
const char *apir_stream_get_name(ggml_backend_t backend);
void apir_stream_free(ggml_backend_t backend);
void apir_stream_set_tensor_async(ggml_backend_t backend, struct ggml_tensor *tensor, const void *data, size_t offset,
                                  size_t size);
void apir_stream_get_tensor_async(ggml_backend_t backend, const struct ggml_tensor *tensor, void *data, size_t offset,
                                  size_t size);
void apir_stream_set_tensor_2d_async(ggml_backend_t backend, struct ggml_tensor *tensor, const void *data,
                                     size_t offset, size_t size, size_t n_copies, size_t stride_tensor,
                                     size_t stride_data);
void apir_stream_get_tensor_2d_async(ggml_backend_t backend, const struct ggml_tensor *tensor, void *data,
                                     size_t offset, size_t size, size_t n_copies, size_t stride_tensor,
                                     size_t stride_data);
bool apir_stream_cpy_tensor_async(ggml_backend_t from, ggml_backend_t to, const struct ggml_tensor *src,
                                  struct ggml_tensor *dst);
void apir_stream_synchronize(ggml_backend_t backend);

/* SUCCESS says that the graph is on its way; how an earlier one failed, if it did, and then this one is not computed. */
enum ggml_status apir_stream_graph_compute(ggml_backend_t backend, struct ggml_cgraph *cgraph);

#endif
