/* The functions of the deployed protocol, in terms of the executor's own. */
#ifndef APIR_EXECUTOR_UPSTREAM_PRIVATE_H
#define APIR_EXECUTOR_UPSTREAM_PRIVATE_H

#include "apir-upstream-dispatch.h"
#include "executor/private.h"

/* Handles of what there is one of. Their first byte is none of those of objects. */
#define APIR_UPSTREAM_BUFFER_TYPE (UINT64_C(0x10) << 56 | 1)
#define APIR_UPSTREAM_DEVICE (UINT64_C(0x11) << 56 | 1)

/* The one device that guests of this protocol see; NULL before the library is loaded. */
ggml_backend_dev_t apir_upstream_device(struct apir_executor *executor);

/* A copy of a text of the host, as long as the wire may have it; NULL: no memory. */
const char *apir_upstream_text(struct apir_arena *scratch, const char *text);

/* The address that guests take for the base of a buffer. */
uint64_t apir_upstream_base(uint64_t handle, const struct apir_buffer *buffer);

/* Puts a tensor in the words of the own protocol, without the tensors that it refers to. */
void apir_upstream_convert(const struct apir_upstream_tensor *from, struct apir_tensor *to);

/* Builds the tensor about which something is asked, with sources and view. */
int apir_upstream_build_op(struct apir_executor *executor, struct apir_arena *scratch,
                           const struct apir_upstream_raw_op *from, struct ggml_tensor **op);

/* Puts a graph in the words of the own protocol: tensors in an order that it accepts, indices for ids, and only what
 * nodes refer to. Everything is in the arena. */
int apir_upstream_convert_graph(struct apir_arena *arena, const struct apir_upstream_graph *from,
                                struct apir_graph *to);

/* Backends of the later revision. */
int apir_upstream_backend_create(struct apir_executor *executor, struct apir_upstream_backend_id *id);
int apir_upstream_backend_destroy(struct apir_executor *executor, const struct apir_upstream_backend_id *id);

/* The stream of a backend, or with NULL the one of guests that know of no backends; to be put. -ENOENT, -ENODEV. */
int apir_upstream_stream_get(struct apir_executor *executor, const struct apir_upstream_backend_id *id,
                             struct apir_stream **stream);

/* Handlers. */
int handle_upstream_device_get_device_count(void *data, struct apir_arena *scratch,
                                            struct apir_upstream_device_get_device_count_reply *reply);
int handle_upstream_device_get_count(void *data, struct apir_arena *scratch,
                                     struct apir_upstream_device_get_count_reply *reply);
int handle_upstream_device_get_name(void *data, struct apir_arena *scratch,
                                    struct apir_upstream_device_get_name_reply *reply);
int handle_upstream_device_get_description(void *data, struct apir_arena *scratch,
                                           struct apir_upstream_device_get_description_reply *reply);
int handle_upstream_device_get_type(void *data, struct apir_arena *scratch,
                                    struct apir_upstream_device_get_type_reply *reply);
int handle_upstream_device_get_memory(void *data, struct apir_arena *scratch,
                                      struct apir_upstream_device_get_memory_reply *reply);
int handle_upstream_device_supports_op(void *data, struct apir_arena *scratch,
                                       const struct apir_upstream_device_supports_op_args *args,
                                       struct apir_upstream_device_supports_op_reply *reply);
int handle_upstream_device_get_buffer_type(void *data, struct apir_arena *scratch,
                                           struct apir_upstream_device_get_buffer_type_reply *reply);
int handle_upstream_device_get_props(void *data, struct apir_arena *scratch,
                                     struct apir_upstream_device_get_props_reply *reply);
int handle_upstream_device_buffer_from_ptr(void *data, struct apir_arena *scratch,
                                           const struct apir_upstream_device_buffer_from_ptr_args *args,
                                           struct apir_upstream_device_buffer_from_ptr_reply *reply);
int handle_upstream_buffer_type_get_name(void *data, struct apir_arena *scratch,
                                         const struct apir_upstream_buffer_type_get_name_args *args,
                                         struct apir_upstream_buffer_type_get_name_reply *reply);
int handle_upstream_buffer_type_get_alignment(void *data, struct apir_arena *scratch,
                                              const struct apir_upstream_buffer_type_get_alignment_args *args,
                                              struct apir_upstream_buffer_type_get_alignment_reply *reply);
int handle_upstream_buffer_type_get_max_size(void *data, struct apir_arena *scratch,
                                             const struct apir_upstream_buffer_type_get_max_size_args *args,
                                             struct apir_upstream_buffer_type_get_max_size_reply *reply);
int handle_upstream_buffer_type_is_host(void *data, struct apir_arena *scratch,
                                        const struct apir_upstream_buffer_type_is_host_args *args,
                                        struct apir_upstream_buffer_type_is_host_reply *reply);
int handle_upstream_buffer_type_alloc_buffer(void *data, struct apir_arena *scratch,
                                             const struct apir_upstream_buffer_type_alloc_buffer_args *args,
                                             struct apir_upstream_buffer_type_alloc_buffer_reply *reply);
int handle_upstream_buffer_type_get_alloc_size(void *data, struct apir_arena *scratch,
                                               const struct apir_upstream_buffer_type_get_alloc_size_args *args,
                                               struct apir_upstream_buffer_type_get_alloc_size_reply *reply);
int handle_upstream_buffer_get_base(void *data, struct apir_arena *scratch,
                                    const struct apir_upstream_buffer_get_base_args *args,
                                    struct apir_upstream_buffer_get_base_reply *reply);
int handle_upstream_buffer_set_tensor(void *data, struct apir_arena *scratch,
                                      const struct apir_upstream_buffer_set_tensor_args *args);
int handle_upstream_buffer_get_tensor(void *data, struct apir_arena *scratch,
                                      const struct apir_upstream_buffer_get_tensor_args *args);
int handle_upstream_buffer_cpy_tensor(void *data, struct apir_arena *scratch,
                                      const struct apir_upstream_buffer_cpy_tensor_args *args,
                                      struct apir_upstream_buffer_cpy_tensor_reply *reply);
int handle_upstream_buffer_clear(void *data, struct apir_arena *scratch,
                                 const struct apir_upstream_buffer_clear_args *args);
int handle_upstream_buffer_free_buffer(void *data, struct apir_arena *scratch,
                                       const struct apir_upstream_buffer_free_buffer_args *args);
int handle_upstream_backend_graph_compute(void *data, struct apir_arena *scratch,
                                          const struct apir_upstream_backend_graph_compute_args *args,
                                          struct apir_upstream_backend_graph_compute_reply *reply);

#endif
