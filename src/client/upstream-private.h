/* What the handlers of the deployed protocol share. */
#ifndef APIR_CLIENT_UPSTREAM_PRIVATE_H
#define APIR_CLIENT_UPSTREAM_PRIVATE_H

#include "apir-dispatch.h"
#include "apir-upstream-calls.h"
#include "client/upstream-link.h"
#include "client/upstream.h"
#include "transport/transport.h"

enum {
    UPSTREAM_STREAM = 1, /* handle of every stream: the host has one backend for all */
};

struct apir_upstream_buffer;

struct apir_upstream {
    struct apir_session *session;         /* borrowed */
    struct apir_upstream_link *link;      /* owned; its lock guards what is below */
    uint64_t buffer_type;                 /* the host's handle of the device's one */
    struct apir_upstream_buffer *buffers; /* owned; live ones */
    struct apir_session_get_stats_reply stats;
    uint32_t failed; /* status of the first graph that failed, until it is collected */
};

/* upstream-tensor.c: tensors as the deployed protocol has them. -EOVERFLOW: a size or stride takes more than 32 bits;
 * -EOPNOTSUPP: the op cannot be put into words of that protocol. */
int apir_upstream_describe(const struct apir_tensor *tensor, struct apir_upstream_tensor *to);
int apir_upstream_describe_op(const struct apir_op_query *query, struct apir_upstream_raw_op *op,
                              struct apir_upstream_raw_tensor sources[APIR_MAX_SRC]);

/* upstream-buffer.c; of alloc_size: all ones when the host cannot be asked. */
int apir_upstream_ask_alloc_size(struct apir_upstream *upstream, const struct apir_op_query *query, uint64_t *size);
void apir_upstream_forget_buffers(struct apir_upstream *upstream);
int apir_upstream_handle_buffer_alloc(void *data, struct apir_arena *scratch, const struct apir_buffer_alloc_args *args,
                                      struct apir_buffer_alloc_reply *reply);
int apir_upstream_handle_buffer_free(void *data, struct apir_arena *scratch, const struct apir_buffer_free_args *args);
int apir_upstream_handle_buffer_set_usage(void *data, struct apir_arena *scratch,
                                          const struct apir_buffer_set_usage_args *args);
int apir_upstream_handle_buffer_init_tensor(void *data, struct apir_arena *scratch,
                                            const struct apir_buffer_init_tensor_args *args,
                                            struct apir_buffer_init_tensor_reply *reply);
int apir_upstream_handle_buffer_clear(void *data, struct apir_arena *scratch,
                                      const struct apir_buffer_clear_args *args);
int apir_upstream_handle_buffer_reset(void *data, struct apir_arena *scratch,
                                      const struct apir_buffer_reset_args *args);
int apir_upstream_handle_tensor_memset(void *data, struct apir_arena *scratch,
                                       const struct apir_tensor_memset_args *args);
int apir_upstream_handle_tensor_set(void *data, struct apir_arena *scratch, const struct apir_tensor_set_args *args);
int apir_upstream_handle_tensor_get(void *data, struct apir_arena *scratch, const struct apir_tensor_get_args *args);
int apir_upstream_handle_tensor_copy(void *data, struct apir_arena *scratch, const struct apir_tensor_copy_args *args,
                                     struct apir_tensor_copy_reply *reply);

#endif
