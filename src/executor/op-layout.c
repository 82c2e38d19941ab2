#include "executor/op-layout.h"

#include <stdint.h>

#include "util/checked.h"

/* ggml_is_contiguous(), at less cost: it is asked of each tensor of each new graph. */
static bool is_packed(const struct ggml_tensor *tensor, int64_t block, size_t size)
{
    if (tensor->ne[0] != block && tensor->nb[0] != size)
        return false;
    size_t next = size * (size_t)(tensor->ne[0] / block);
    for (int i = 1; i < GGML_MAX_DIMS; i++) {
        if (tensor->ne[i] != 1 && tensor->nb[i] != next)
            return false;
        next *= (size_t)tensor->ne[i];
    }
    return true;
}

/* Whether elements of different indices are in different bytes: else their number is no measure of the memory that a kernel
 * reaches which does not look at every stride. */
static bool is_spread(const struct ggml_tensor *tensor, int64_t block, size_t size)
{
    uint64_t blocks = (uint64_t)(ggml_nelements(tensor) / block), reach, step;
    if (!apir_checked_mul((uint64_t)(tensor->ne[0] / block) - 1, tensor->nb[0] < size ? size : tensor->nb[0], &reach))
        return true; /* more than any buffer has */
    for (int i = 1; i < GGML_MAX_DIMS; i++)
        if (!apir_checked_mul((uint64_t)tensor->ne[i] - 1, tensor->nb[i], &step) ||
            !apir_checked_add(reach, step, &reach))
            return true;
    return reach >= (blocks - 1) * size;
}

/* Blocks have no space between them, and elements not less than they need; no stride ends inside of one, or of a row that
 * is dense. Rows and their length are counted in ints. */
static bool is_sane(const struct ggml_tensor *tensor)
{
    if (tensor->ne[0] > INT32_MAX || tensor->ne[1] * tensor->ne[2] * tensor->ne[3] > INT32_MAX)
        return false;
    if (ggml_is_empty(tensor)) /* where one of several devices has no part of a tensor, ggml makes strides of 0 */
        return true;
    size_t size = ggml_type_size(tensor->type);
    int64_t block = ggml_blck_size(tensor->type);
    if (block == 1 ? tensor->ne[0] > 1 && tensor->nb[0] < size : tensor->nb[0] != size)
        return false;
    size_t row = tensor->nb[0] == size ? size * (size_t)(tensor->ne[0] / block) : 0;
    for (int i = 1; i < GGML_MAX_DIMS; i++)
        if (tensor->ne[i] > 1 && (tensor->nb[i] % size != 0 || tensor->nb[i] < row))
            return false;
    return is_packed(tensor, block, size) || is_spread(tensor, block, size);
}

static bool has_dense_rows(const struct ggml_tensor *tensor)
{
    return tensor->nb[0] == ggml_type_size(tensor->type);
}

static bool are_all(const struct ggml_tensor *op, bool (*is)(const struct ggml_tensor *tensor))
{
    for (int i = 0; i < GGML_MAX_SRC; i++)
        if (op->src[i] && !is(op->src[i]))
            return false;
    return true;
}

/* As ggml_is_contiguous_1(), but also where a dimension is 1: kernels that count rows through all dimensions take the
 * second stride for each. */
static bool is_padded(const struct ggml_tensor *tensor)
{
    return has_dense_rows(tensor) && tensor->nb[1] >= ggml_row_size(tensor->type, tensor->ne[0]) &&
           tensor->nb[2] == tensor->nb[1] * (size_t)tensor->ne[1] &&
           tensor->nb[3] == tensor->nb[2] * (size_t)tensor->ne[2];
}

bool apir_op_is_new(const struct ggml_tensor *tensor)
{
    return tensor->nb[1] == ggml_row_size(tensor->type, tensor->ne[0]) && is_padded(tensor);
}

bool apir_op_lies_well(const struct ggml_tensor *op, unsigned layout)
{
    return is_sane(op) && are_all(op, is_sane) && (!(layout & APIR_OP_NEW) || apir_op_is_new(op)) &&
           (!(layout & APIR_OP_DENSE) || (apir_op_is_new(op) && are_all(op, apir_op_is_new))) &&
           (!(layout & APIR_OP_PADDED) || are_all(op, is_padded));
}

/* Blocks are written only where they lie densely, and numbers of them read only with nothing between. */
static bool copies_on_cpu(const struct ggml_tensor *op)
{
    if (ggml_is_quantized(op->type))
        return has_dense_rows(op->src[0]) && (op->type == op->src[0]->type || ggml_is_contiguous(op));
    return !ggml_is_quantized(op->src[0]->type) || has_dense_rows(op);
}

bool apir_op_lies_well_on_cpu(const struct ggml_tensor *op, unsigned layout)
{
    if (op->op == GGML_OP_CPY && !copies_on_cpu(op))
        return false;
    if (layout & APIR_OP_CPU_DENSE && !(apir_op_is_new(op) && apir_op_is_new(op->src[0])))
        return false;
    if (layout & APIR_OP_CPU_ALL_ROWS && !are_all(op, has_dense_rows))
        return false;
    return !(layout & (APIR_OP_CPU_ROWS | APIR_OP_CPU_ALL_ROWS)) ||
           (has_dense_rows(op) && (!op->src[0] || has_dense_rows(op->src[0])));
}
