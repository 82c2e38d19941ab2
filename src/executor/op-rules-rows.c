/* Rules of arithmetic, copies, sums and rows. In all of them a and b are the first two sources. */
#include <math.h>
#include <stdlib.h>

#include "executor/op-rules.h"
#include "util/checked.h"

bool apir_op_any(const struct ggml_tensor *op)
{
    (void)op;
    return true;
}

bool apir_op_like_first(const struct ggml_tensor *op)
{
    return ggml_are_same_shape(op, op->src[0]);
}

bool apir_op_like_all(const struct ggml_tensor *op)
{
    for (int i = 0; i < GGML_MAX_SRC; i++)
        if (op->src[i] && (!ggml_are_same_shape(op, op->src[i]) || op->type != op->src[i]->type))
            return false;
    return true;
}

/* b has the type of a or is more exact, and so is the result. */
bool apir_op_broadcast(const struct ggml_tensor *op)
{
    const struct ggml_tensor *a = op->src[0], *b = op->src[1];
    return ggml_are_same_shape(op, a) && ggml_can_repeat(b, a) && (b->type == a->type || b->type == GGML_TYPE_F32) &&
           (op->type == a->type || (op->type == GGML_TYPE_F32 && b->type == GGML_TYPE_F32));
}

/* b has a row for each number in ids, which has one for each row of a. */
bool apir_op_add_id(const struct ggml_tensor *op)
{
    const struct ggml_tensor *a = op->src[0], *b = op->src[1], *ids = op->src[2];
    return ggml_are_same_shape(op, a) && ids->type == GGML_TYPE_I32 && b->type == GGML_TYPE_F32 &&
           a->ne[0] == b->ne[0] && a->ne[3] == 1 && apir_op_is(ids, a->ne[1], a->ne[2], 1, 1);
}

bool apir_op_add1(const struct ggml_tensor *op)
{
    return ggml_are_same_shape(op, op->src[0]) && ggml_is_scalar(op->src[1]);
}

/* ACC, SET: b lies in the result, with the strides and at the place that the parameters give. */
bool apir_op_window(const struct ggml_tensor *op)
{
    const struct ggml_tensor *a = op->src[0], *b = op->src[1];
    uint64_t size = ggml_type_size(op->type), bytes = (uint64_t)b->ne[0] * size, step;
    if (!ggml_are_same_shape(op, a) || b->type != op->type || !ggml_is_contiguous(a) || !ggml_is_contiguous(op) ||
        ggml_blck_size(op->type) != 1)
        return false;
    for (int i = 0; i < GGML_MAX_DIMS; i++)
        if (op->op_params[i] < 0)
            return false;
    for (int i = 1; i < GGML_MAX_DIMS; i++)
        if (!apir_checked_mul((uint64_t)b->ne[i] - 1, (uint64_t)op->op_params[i - 1], &step) ||
            !apir_checked_add(bytes, step, &bytes))
            return false;
    return apir_checked_range((uint64_t)op->op_params[3], bytes, ggml_nbytes(op));
}

bool apir_op_total(const struct ggml_tensor *op)
{
    return ggml_is_scalar(op);
}

/* Kernels of the CPU go astray beyond two dimensions. */
bool apir_op_count_equal(const struct ggml_tensor *op)
{
    return apir_op_total_of_two(op) && ggml_is_matrix(op->src[0]);
}

bool apir_op_total_of_two(const struct ggml_tensor *op)
{
    return ggml_is_scalar(op) && ggml_are_same_shape(op->src[0], op->src[1]);
}

bool apir_op_per_row(const struct ggml_tensor *op)
{
    const int64_t *a = op->src[0]->ne;
    return apir_op_is(op, 1, a[1], a[2], a[3]);
}

bool apir_op_argmax(const struct ggml_tensor *op)
{
    return ggml_is_matrix(op->src[0]) && apir_op_is(op, op->src[0]->ne[1], 1, 1, 1);
}

bool apir_op_repeat(const struct ggml_tensor *op)
{
    return ggml_can_repeat(op->src[0], op);
}

bool apir_op_repeat_back(const struct ggml_tensor *op)
{
    return ggml_can_repeat(op, op->src[0]);
}

bool apir_op_concat(const struct ggml_tensor *op)
{
    const struct ggml_tensor *a = op->src[0], *b = op->src[1];
    int32_t dim = op->op_params[0];
    if (dim < 0 || dim >= GGML_MAX_DIMS || a->type != b->type)
        return false;
    for (int i = 0; i < GGML_MAX_DIMS; i++)
        if (i == dim ? op->ne[i] != a->ne[i] + b->ne[i] : op->ne[i] != a->ne[i] || op->ne[i] != b->ne[i])
            return false;
    return true;
}

/* The first parameter is added to a sum of squares. */
bool apir_op_norm(const struct ggml_tensor *op)
{
    return apir_op_like_all(op) && apir_op_float(op, 0) >= 0;
}

bool apir_op_group_norm(const struct ggml_tensor *op)
{
    return ggml_are_same_shape(op, op->src[0]) && op->op_params[0] > 0 && op->op_params[0] <= op->ne[2] &&
           apir_op_float(op, 1) >= 0;
}

bool apir_op_same_elements(const struct ggml_tensor *op)
{
    return ggml_nelements(op) == ggml_nelements(op->src[0]);
}

static bool is_float(enum ggml_type type)
{
    return type == GGML_TYPE_F32 || type == GGML_TYPE_F16 || type == GGML_TYPE_BF16;
}

/* Whether a source is the result in another guise. */
static bool stands_for(const struct ggml_tensor *op, const struct ggml_tensor *source)
{
    return op->type == source->type && ggml_are_same_shape(op, source) && ggml_are_same_stride(op, source);
}

/* Copies that change the type: to one of floats, from it, or between whole and other numbers of one size. */
bool apir_op_copy(const struct ggml_tensor *op)
{
    enum ggml_type from = op->src[0]->type, to = op->type;
    bool converts = from == to || (is_float(from) && (is_float(to) || ggml_is_quantized(to))) ||
                    (ggml_is_quantized(from) && to == GGML_TYPE_F32) ||
                    (from == GGML_TYPE_F32 && to == GGML_TYPE_I32) || (from == GGML_TYPE_I32 && to == GGML_TYPE_F32);
    return converts && apir_op_same_elements(op) && stands_for(op, op->src[1]) &&
           apir_op_divides(ggml_blck_size(to), op->src[0]->ne[0]);
}

bool apir_op_get_rows(const struct ggml_tensor *op)
{
    const struct ggml_tensor *a = op->src[0], *b = op->src[1];
    return (op->type == GGML_TYPE_I32) == (a->type == GGML_TYPE_I32) && b->type == GGML_TYPE_I32 &&
           a->ne[2] == b->ne[1] && a->ne[3] == b->ne[2] && b->ne[3] == 1 &&
           apir_op_is(op, a->ne[0], b->ne[0], b->ne[1], b->ne[2]);
}

bool apir_op_get_rows_back(const struct ggml_tensor *op)
{
    const struct ggml_tensor *a = op->src[0], *b = op->src[1];
    return b->type == GGML_TYPE_I32 && ggml_is_vector(b) && ggml_is_matrix(a) && b->ne[0] <= a->ne[1] &&
           ggml_is_matrix(op) && op->ne[0] == a->ne[0];
}

/* a is what is written to rows of the result, b their numbers; the third source stands for the result. */
bool apir_op_set_rows(const struct ggml_tensor *op)
{
    const struct ggml_tensor *a = op->src[0], *b = op->src[1], *to = op->src[2];
    return (b->type == GGML_TYPE_I32 || b->type == GGML_TYPE_I64) && a->ne[0] == op->ne[0] && a->ne[1] == b->ne[0] &&
           a->ne[2] == op->ne[2] && a->ne[3] == op->ne[3] && apir_op_divides(b->ne[1], a->ne[2]) &&
           apir_op_divides(b->ne[2], a->ne[3]) && b->ne[3] == 1 && (!to || stands_for(op, to));
}

bool apir_op_diag(const struct ggml_tensor *op)
{
    const int64_t *a = op->src[0]->ne;
    return a[1] == 1 && apir_op_is(op, a[0], a[0], a[2], a[3]);
}

bool apir_op_diag_mask(const struct ggml_tensor *op)
{
    return ggml_are_same_shape(op, op->src[0]) && op->op_params[0] >= 0;
}

bool apir_op_tri(const struct ggml_tensor *op)
{
    return ggml_are_same_shape(op, op->src[0]) && op->ne[0] == op->ne[1] && op->op_params[0] >= 0 &&
           op->op_params[0] <= GGML_TRI_TYPE_LOWER;
}

bool apir_op_roll(const struct ggml_tensor *op)
{
    for (int i = 0; i < GGML_MAX_DIMS; i++)
        if (llabs((long long)op->op_params[i]) >= op->ne[i])
            return false;
    return ggml_are_same_shape(op, op->src[0]);
}

bool apir_op_arange(const struct ggml_tensor *op)
{
    float steps = ceilf((apir_op_float(op, 1) - apir_op_float(op, 0)) / apir_op_float(op, 2));
    return steps >= 0 && steps <= (float)INT32_MAX && apir_op_is(op, (int64_t)steps, 1, 1, 1);
}

bool apir_op_timestep(const struct ggml_tensor *op)
{
    return ggml_is_vector(op->src[0]) && op->op_params[1] > 0 &&
           apir_op_is(op, op->op_params[0], op->src[0]->ne[0], 1, 1);
}

bool apir_op_argsort(const struct ggml_tensor *op)
{
    return ggml_are_same_shape(op, op->src[0]) && op->ne[0] <= INT32_MAX &&
           (op->op_params[0] == GGML_SORT_ORDER_ASC || op->op_params[0] == GGML_SORT_ORDER_DESC);
}

bool apir_op_top_k(const struct ggml_tensor *op)
{
    const int64_t *a = op->src[0]->ne;
    return op->ne[0] <= a[0] && a[0] <= INT32_MAX && apir_op_is(op, op->ne[0], a[1], a[2], a[3]);
}

bool apir_op_unary(const struct ggml_tensor *op)
{
    if (op->op_params[0] == GGML_UNARY_OP_XIELU && !(ggml_is_contiguous_1(op) && ggml_is_contiguous_1(op->src[0])))
        return false;
    return ggml_are_same_shape(op, op->src[0]) && op->op_params[0] >= 0 && op->op_params[0] < GGML_UNARY_OP_COUNT;
}

/* Without a second source, the first has the gates in one half of each row. */
bool apir_op_glu(const struct ggml_tensor *op)
{
    const struct ggml_tensor *a = op->src[0], *b = op->src[1];
    if ((op->op_params[0] == GGML_GLU_OP_SWIGLU_OAI || op->op_params[0] == GGML_GLU_OP_SWIGLU_CLAMP) &&
        a->type == GGML_TYPE_BF16)
        return false;
    return op->op_params[0] >= 0 && op->op_params[0] < GGML_GLU_OP_COUNT &&
           (b ? ggml_are_same_shape(a, b) && a->type == b->type && ggml_are_same_shape(op, a)
              : apir_op_is(op, a->ne[0] / 2, a->ne[1], a->ne[2], a->ne[3]));
}

/* The gradient of the loss, then what went into it. */
bool apir_op_loss_back(const struct ggml_tensor *op)
{
    return ggml_is_scalar(op->src[0]) && ggml_are_same_shape(op, op->src[1]) && ggml_are_same_shape(op, op->src[2]);
}

static bool optimises(const struct ggml_tensor *op, int n_like, int64_t n_params)
{
    for (int i = 0; i < n_like; i++)
        if (!ggml_are_same_shape(op, op->src[i]))
            return false;
    return ggml_nelements(op->src[n_like]) == n_params && ggml_is_contiguous(op->src[n_like]);
}

bool apir_op_adamw(const struct ggml_tensor *op)
{
    return optimises(op, 4, 7);
}

bool apir_op_sgd(const struct ggml_tensor *op)
{
    return optimises(op, 2, 2);
}
