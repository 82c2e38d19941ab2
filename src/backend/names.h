/* The session's numbering of ops, types and sub-ops. The guest announces it: the position in the
 * lists of the call negotiate. Ours is that of the ggml in this process, unless a test permutes it.
 */
#ifndef APIR_BACKEND_NAMES_H
#define APIR_BACKEND_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include <ggml.h>

#include "apir-protocol.h"
#include "util/arena.h"

/* A one-to-one map of ggml's numbers 0..count-1 onto session numbers 0..count-1. */
struct apir_numbering {
    uint32_t count;
    uint16_t to_session[APIR_MAX_OPS];
};

struct apir_names {
    struct apir_numbering ops, unary_ops, glu_ops, types;
    bool
        op_known[APIR_MAX_OPS]; /* by ggml's number: the host has it, and it means the same there */
    bool type_known[APIR_MAX_OPS];
};

/* Numbers everything; the host knows nothing yet. seed 0: ggml's own numbers, else a permutation
 * that depends on seed. */
void apir_names_init(struct apir_names *names, uint64_t seed);

/* Fills the request of negotiate; its arrays live in arena. 0 or -ENOMEM. */
int apir_names_request(const struct apir_names *names, struct apir_arena *arena,
                       struct apir_negotiate_args *args);

/* Takes what the host knows from the reply. */
void apir_names_learn(struct apir_names *names, const struct apir_negotiate_reply *reply);

/* Whether the host can be told of the tensor's type, and of its op with its sub-op. */
bool apir_names_knows_type(const struct apir_names *names, const struct ggml_tensor *tensor);
bool apir_names_knows_op(const struct apir_names *names, const struct ggml_tensor *tensor);

/* Session numbers; for what the host knows. */
uint32_t apir_names_type(const struct apir_names *names, enum ggml_type type);
uint32_t apir_names_op(const struct apir_names *names, enum ggml_op op);

/* The parameters of the tensor's op, with the sub-op of UNARY and GLU in session numbers. No other
 * op of ggml 0.27 has a number there that negotiate maps: precisions, hints, pool, sort, scale,
 * triangle and rope modes are plain enums. */
void apir_names_op_params(const struct apir_names *names, const struct ggml_tensor *tensor,
                          int32_t params[APIR_MAX_OP_PARAMS]);

#endif
