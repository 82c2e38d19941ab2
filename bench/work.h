/* Graphs to compute. */
#ifndef APIR_BENCH_WORK_H
#define APIR_BENCH_WORK_H

#include <ggml-backend.h>

/* A graph on a backend, with its memory. finish frees; takes {0}. */
struct apir_work {
    ggml_backend_t backend; /* borrowed */
    struct ggml_context *context;
    struct ggml_cgraph *graph;
    ggml_backend_buffer_t buffer;
    struct ggml_tensor *input, *result;
};

/* A chain of ADDs of 16 floats. 0 or -ENOMEM. */
int apir_work_init_chain(struct apir_work *work, ggml_backend_t backend, int nodes);

/* A chain of products of a 512 x 512 matrix with 64 columns. 0 or -ENOMEM. */
int apir_work_init_products(struct apir_work *work, ggml_backend_t backend, int nodes);

/* A tensor of so many bytes, and no graph. 0 or -ENOMEM. */
int apir_work_init_data(struct apir_work *work, ggml_backend_t backend, size_t size);

void apir_work_finish(struct apir_work *work);

/* Computes the graph and gets `size` bytes of its result, waiting only once. 0 or -EIO. */
int apir_work_run(struct apir_work *work, void *data, size_t size);

#endif
