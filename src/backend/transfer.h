/* Data of tensors on their way from and to the host. */
#ifndef APIR_BACKEND_TRANSFER_H
#define APIR_BACKEND_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

#include <ggml.h>

struct apir_buffer;
struct apir_queue;

/* Rows of size bytes, from or to memory of the application that is stride_data apart; from or to a tensor in a buffer of
 * ours, stride_tensor apart there. */
struct apir_transfer {
    struct apir_buffer *buffer;
    const struct ggml_tensor *tensor;
    char *data; /* borrowed; only read when it goes to the host */
    bool to_host;
    bool async; /* data stays as it is, or is not looked at, until its call is done */
    uint64_t offset; /* of the first row in the tensor */
    uint64_t size;
    uint64_t rows;
    uint64_t stride_tensor;
    uint64_t stride_data;
};

/* Moves them in calls of the queue, whose lock the caller holds. 0: the bytes have been copied, and arrive before later
 * calls; or are there, from the host. 1, with async only: data is used by the last call until that is done. -errno: the
 * session has failed, or the tensor is not in the buffer. */
int apir_transfer_run(const struct apir_transfer *transfer, struct apir_queue *queue);

/* Fills what would have come from the host with zeros. */
void apir_transfer_zero(const struct apir_transfer *transfer);

#endif
