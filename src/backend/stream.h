/* Streams: a ggml_backend_t is a backend on the host with a queue of its own. */
#ifndef APIR_BACKEND_STREAM_H
#define APIR_BACKEND_STREAM_H

#include <ggml-backend.h>

struct apir_device;

/* Makes a backend on the host; ggml_backend_free ends it. NULL when the host cannot, or all queues
 * are in use. */
ggml_backend_t apir_stream_create(struct apir_device *device);

/* What ggml calls. */
const char *apir_stream_get_name(ggml_backend_t backend);
void apir_stream_free(ggml_backend_t backend);
void apir_stream_synchronize(ggml_backend_t backend);
enum ggml_status apir_stream_graph_compute(ggml_backend_t backend, struct ggml_cgraph *cgraph);

#endif
