/* ggml's tensors as the protocol describes them. */
#ifndef APIR_BACKEND_TENSOR_H
#define APIR_BACKEND_TENSOR_H

#include "apir-protocol.h"
#include "backend/buffer.h"
#include "backend/reg.h"

/* The buffer of ours that holds the tensor's data and the offset of the data there; a view is in
 * the buffer of what it is a view of. NULL if it has no data yet, or they are elsewhere. */
struct apir_buffer *apir_tensor_place(const struct apir_reg *reg, const struct ggml_tensor *tensor,
                                      uint64_t *offset);

/* Describes a tensor with its op, but without what refers to other tensors: sources and view. The
 * op must be known to the host. Strings are borrowed from tensor. Returns the buffer that holds it,
 * as apir_tensor_place. */
struct apir_buffer *apir_tensor_describe(const struct apir_reg *reg,
                                         const struct ggml_tensor *tensor, struct apir_tensor *to);

/* The same for a tensor that is only data: op NONE. */
struct apir_buffer *apir_tensor_describe_data(const struct apir_reg *reg,
                                              const struct ggml_tensor *tensor,
                                              struct apir_tensor *to);

#endif
