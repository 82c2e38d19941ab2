/* Questions about ops: what the host must be told to answer them, and their signature, under which
 * answers are kept. */
#ifndef APIR_BACKEND_OP_QUERY_H
#define APIR_BACKEND_OP_QUERY_H

#include "apir-protocol.h"
#include "backend/reg.h"

/* An op with its sources and what those are views of; what is viewed comes before its views, the op
 * is last. An op that is its own source, as ggml's cast is, is listed as a source, too. */
struct apir_op_list {
    const struct ggml_tensor *tensors[APIR_MAX_CALL_TENSORS];
    uint32_t n;
};

/* Lists what belongs to op. 0; -EOPNOTSUPP when it cannot be put to the host: too many tensors, a
 * type or op that the host does not know, a view of a view. */
int apir_op_list_collect(struct apir_op_list *list, const struct apir_reg *reg,
                         const struct ggml_tensor *op);

enum {
    APIR_OP_KEY_TENSOR_WORDS = 20, /* of one tensor in a key, at most */
    APIR_OP_KEY_WORDS = 1 + APIR_MAX_CALL_TENSORS * APIR_OP_KEY_TENSOR_WORDS,
};

/* All that a host's answer can depend on, exactly. Where data are in a buffer is left out: ggml
 * asks before it allocates. Of a buffer only device and usage count. */
struct apir_op_key {
    uint64_t hash;
    uint32_t n_words;
    uint64_t words[APIR_OP_KEY_WORDS];
};

void apir_op_key_init(struct apir_op_key *key, const struct apir_reg *reg, uint32_t device,
                      const struct apir_op_list *list);

/* A print of at least that, made faster: equal prints mean equal signatures. Addresses count, too; a program that makes
 * its graph anew mostly makes it at the same ones. */
struct apir_print apir_op_print(const struct apir_reg *reg, uint32_t device, const struct ggml_tensor *op);

/* The memory that a query needs. */
struct apir_op_query_storage {
    struct apir_tensor tensors[APIR_MAX_CALL_TENSORS];
    uint32_t sources[GGML_MAX_SRC];
};

/* The list as the protocol describes it; *query refers to storage. */
void apir_op_query_init(struct apir_op_query *query, struct apir_op_query_storage *storage,
                        const struct apir_reg *reg, const struct apir_op_list *list);

#endif
