/* Questions about several ops for one trip to the host: the one that is asked now, and those that it is computed from,
 * which programs ask about soon. */
#ifndef APIR_BACKEND_OP_BATCH_H
#define APIR_BACKEND_OP_BATCH_H

#include "backend/op-query.h"

enum {
    APIR_OP_BATCH_TENSORS = 200, /* about 240 bytes each: they fit a request */
};

struct apir_op_batch {
    const struct apir_reg *reg; /* borrowed */
    uint32_t device;
    uint32_t n, n_tensors;
    struct apir_op_list first; /* what belongs to the op that is asked about */
    const struct ggml_tensor *ops[APIR_MAX_BATCH];
    struct apir_op_key keys[APIR_MAX_BATCH];
    struct apir_op_query queries[APIR_MAX_BATCH]; /* refer to storage */
    struct apir_op_query_storage storage[APIR_MAX_BATCH];
};

/* Starts a batch with op. 0; -EOPNOTSUPP when it cannot be put to the host. Refers to the names of tensors; nothing
 * needs to be ended. */
int apir_op_batch_init(struct apir_op_batch *batch, const struct apir_reg *reg, uint32_t device,
                       const struct ggml_tensor *op);

/* Adds what the op is computed from, as far as it is not known whether the device supports it. Nobody has asked for
 * these, so none is told in a buffer that the first does not mention, too: it might be gone. */
void apir_op_batch_extend(struct apir_op_batch *batch);

#endif
