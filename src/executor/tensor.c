/* Tensors from the wire: every number is checked before ggml sees it, since ggml asserts. */
#include <errno.h>
#include <string.h>

#include "executor/private.h"
#include "util/checked.h"

/* Host number of a session number, APIR_NO_NUMBER if there is none. */
static int translate(const int16_t *numbers, uint32_t count, uint32_t number)
{
    return number < count ? numbers[number] : APIR_NO_NUMBER;
}

/* The sub-op of UNARY and GLU is the first parameter and has a numbering of its own. */
static int translate_sub_op(const struct apir_names *names, struct ggml_tensor *tensor)
{
    int sub_op = 0;
    if (tensor->op == GGML_OP_UNARY)
        sub_op = translate(names->unary_ops, names->n_unary_ops, (uint32_t)tensor->op_params[0]);
    else if (tensor->op == GGML_OP_GLU)
        sub_op = translate(names->glu_ops, names->n_glu_ops, (uint32_t)tensor->op_params[0]);
    else
        return 0;
    tensor->op_params[0] = sub_op;
    return sub_op == APIR_NO_NUMBER ? -EOPNOTSUPP : 0;
}

/* Of an empty tensor, the other dimensions have a limit, too: they are multiplied with each other. */
static int check_shape(const struct apir_tensor *from, enum ggml_type type)
{
    uint64_t elements = 1;
    for (int i = 0; i < GGML_MAX_DIMS; i++) {
        if (from->ne[i] > APIR_MAX_SIZE || from->nb[i] > APIR_MAX_SIZE)
            return -EINVAL;
        if (!apir_checked_mul(elements, from->ne[i] ? from->ne[i] : 1, &elements) || elements > APIR_MAX_SIZE)
            return -EINVAL;
    }
    return from->ne[0] % (uint64_t)ggml_blck_size(type) == 0 ? 0 : -EINVAL;
}

int apir_tensor_describe(const struct apir_executor *executor, const struct apir_tensor *from,
                         struct ggml_tensor *tensor)
{
    const struct apir_names *names = &executor->names;
    if (!atomic_load_explicit(&names->negotiated, memory_order_acquire))
        return -EPROTO;
    int type = translate(names->types, names->n_types, from->type);
    int op = translate(names->ops, names->n_ops, from->op);
    if (from->type >= names->n_types || from->op >= names->n_ops)
        return -EINVAL;
    if (type == APIR_NO_NUMBER || op == APIR_NO_NUMBER)
        return -EOPNOTSUPP;
    int ret = check_shape(from, (enum ggml_type)type);
    if (ret < 0)
        return ret;

    memset(tensor, 0, sizeof *tensor);
    tensor->type = (enum ggml_type)type;
    tensor->op = (enum ggml_op)op;
    tensor->flags = (int32_t)from->flags;
    for (int i = 0; i < GGML_MAX_DIMS; i++) {
        tensor->ne[i] = (int64_t)from->ne[i];
        tensor->nb[i] = from->nb[i];
    }
    memcpy(tensor->op_params, from->op_params, sizeof tensor->op_params);
    ggml_set_name(tensor, from->name);
    return translate_sub_op(names, tensor);
}

int apir_tensor_describe_data(const struct apir_executor *executor, const struct apir_tensor *from,
                              struct ggml_tensor *tensor)
{
    int ret = apir_tensor_describe(executor, from, tensor);
    if (ret == 0)
        tensor->op = GGML_OP_NONE;
    return ret;
}

static int link_sources(const struct apir_tensor *from, uint32_t n, struct ggml_tensor *tensors, uint32_t self)
{
    struct ggml_tensor *tensor = &tensors[self];
    for (uint32_t i = 0; i < from->n_src; i++) {
        if (from->src[i] > n || from->src[i] == self + 1)
            return -EINVAL;
        tensor->src[i] = from->src[i] ? &tensors[from->src[i] - 1] : NULL;
    }
    if (from->view_src == 0)
        return 0;
    /* only back, so that what is viewed is complete, and never to another view */
    if (from->view_src > self || tensors[from->view_src - 1].view_src)
        return -EINVAL;
    tensor->view_src = &tensors[from->view_src - 1];
    tensor->view_offs = from->view_offs;
    return 0;
}

int apir_tensor_describe_list(const struct apir_executor *executor, const struct apir_tensor *from, uint32_t n,
                              struct ggml_tensor *tensors)
{
    for (uint32_t i = 0; i < n; i++) {
        int ret = apir_tensor_describe(executor, &from[i], &tensors[i]);
        if (ret < 0)
            return ret;
    }
    for (uint32_t i = 0; i < n; i++) {
        int ret = link_sources(&from[i], n, tensors, i);
        if (ret < 0)
            return ret;
    }
    return 0;
}

/* Bytes from the first to behind the last element. -EINVAL when that exceeds any buffer. Not every kernel looks at the
 * first stride: one that is smaller than a block counts as a block. */
static int64_t extent(const struct ggml_tensor *tensor)
{
    uint64_t blck = (uint64_t)ggml_blck_size(tensor->type), size = ggml_type_size(tensor->type), bytes, step;
    for (int i = 0; i < GGML_MAX_DIMS; i++)
        if (tensor->ne[i] == 0)
            return 0;
    uint64_t first = tensor->nb[0] < size ? size : tensor->nb[0];
    if (!apir_checked_mul((uint64_t)tensor->ne[0] / blck - 1, first, &bytes) ||
        !apir_checked_add(bytes, blck == 1 ? size : first, &bytes))
        return -EINVAL;
    for (int i = 1; i < GGML_MAX_DIMS; i++)
        if (!apir_checked_mul((uint64_t)tensor->ne[i] - 1, tensor->nb[i], &step) ||
            !apir_checked_add(bytes, step, &bytes))
            return -EINVAL;
    return bytes <= APIR_MAX_SIZE ? (int64_t)bytes : -EINVAL;
}

static int check_extent(const struct ggml_tensor *tensor, uint64_t offset, uint64_t total)
{
    int64_t bytes = extent(tensor);
    return bytes >= 0 && apir_checked_range(offset, (uint64_t)bytes, total) ? 0 : -ERANGE;
}

int apir_tensor_place(struct ggml_tensor *tensor, struct apir_buffer *buffer, uint64_t offset)
{
    int ret = check_extent(tensor, offset, buffer->size);
    if (ret < 0)
        return ret;
    tensor->buffer = buffer->host;
    tensor->data = buffer->base + offset;
    return 0;
}

int apir_tensor_bind(struct ggml_tensor *tensor, struct apir_buffer *buffer, uint64_t offset,
                     enum ggml_status *status)
{
    int ret = check_extent(tensor, offset, buffer->size);
    if (ret < 0)
        return ret;
    /* ggml asserts that what the backend wants for the tensor, padding included, fits */
    uint64_t wanted = ggml_backend_buffer_get_alloc_size(buffer->host, tensor);
    if (!apir_checked_range(offset, wanted, buffer->size))
        return -ERANGE;
    *status = ggml_backend_tensor_alloc(buffer->host, tensor, buffer->base + offset);
    return 0;
}

int apir_tensor_bind_view(struct ggml_tensor *tensor, enum ggml_status *status)
{
    const struct ggml_tensor *source = tensor->view_src;
    if (!source->buffer || !source->data)
        return -EINVAL;
    uint64_t start = (uint64_t)((char *)source->data - (char *)ggml_backend_buffer_get_base(source->buffer)), offset;
    if (!apir_checked_add(start, tensor->view_offs, &offset))
        return -ERANGE;
    int ret = check_extent(tensor, offset, ggml_backend_buffer_get_size(source->buffer));
    if (ret < 0)
        return ret;
    *status = ggml_backend_view_init(tensor);
    return 0;
}
