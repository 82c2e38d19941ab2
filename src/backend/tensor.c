#include "backend/tensor.h"

#include "util/checked.h"

struct apir_buffer *apir_tensor_place(const struct apir_reg *reg, const struct ggml_tensor *tensor,
                                      uint64_t *offset)
{
    struct apir_buffer *buffer =
        reg->abi->buffer_context(tensor->view_src ? tensor->view_src->buffer : tensor->buffer);
    if (!buffer || !tensor->data)
        return NULL;
    uint64_t start = (uintptr_t)tensor->data - (uintptr_t)buffer->base;
    if (!apir_checked_range(start, 0, buffer->size))
        return NULL;
    *offset = start;
    return buffer;
}

struct apir_buffer *apir_tensor_describe_data(const struct apir_reg *reg,
                                              const struct ggml_tensor *tensor,
                                              struct apir_tensor *to)
{
    static_assert(GGML_MAX_DIMS == APIR_MAX_DIMS && GGML_MAX_SRC == APIR_MAX_SRC,
                  "limits of the protocol");
    uint64_t offset = 0;
    struct apir_buffer *buffer = apir_tensor_place(reg, tensor, &offset);
    *to = (struct apir_tensor){
        .type = apir_names_type(&reg->names, tensor->type),
        .op = apir_names_op(&reg->names, GGML_OP_NONE),
        .flags = (uint32_t)tensor->flags,
        .buffer = buffer ? buffer->handle : 0,
        .offset = offset,
        .name = tensor->name,
    };
    for (int i = 0; i < GGML_MAX_DIMS; i++) {
        to->ne[i] = (uint64_t)tensor->ne[i];
        to->nb[i] = tensor->nb[i];
    }
    return buffer;
}

struct apir_buffer *apir_tensor_describe(const struct apir_reg *reg,
                                         const struct ggml_tensor *tensor, struct apir_tensor *to)
{
    struct apir_buffer *buffer = apir_tensor_describe_data(reg, tensor, to);
    to->op = apir_names_op(&reg->names, tensor->op);
    apir_names_op_params(&reg->names, tensor, to->op_params);
    return buffer;
}
