/* The host's answers about ops: from memory, else from the host. */
#ifndef APIR_BACKEND_OP_ASK_H
#define APIR_BACKEND_OP_ASK_H

#include <ggml.h>

#include "backend/op-cache.h"

struct apir_device;

/* Whether the device can compute op, and whether it wants it offloaded from the CPU. After an error
 * of the session what is known stays so, or a program would go on without the device, with data that
 * it has lost; of all else both are false. */
struct apir_op_answer apir_op_ask_support(const struct apir_device *device,
                                          const struct ggml_tensor *op);

/* Bytes that the tensor needs in a buffer of the device; UINT64_MAX when the host cannot tell. */
uint64_t apir_op_ask_alloc_size(const struct apir_device *device, const struct ggml_tensor *tensor);

#endif
