/* Rules of convolutions, pools and windows. */
#include "executor/op-rules.h"

/* How often a kernel fits, -1 if that cannot be told. All but in are checked to be small. */
static int64_t count_steps(int64_t in, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation)
{
    if (kernel > INT32_MAX || stride < 1)
        return -1;
    return (in + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
}

/* The same for dimension i of both tensors, with the parameters at these places. */
static int64_t count_outputs(const struct ggml_tensor *op, const struct ggml_tensor *kernel,
                             const struct ggml_tensor *in, int i, const int places[3])
{
    if (!apir_op_params_from(op, places[0], places[0], 1) || !apir_op_params_from(op, places[1], places[1], 0) ||
        !apir_op_params_from(op, places[2], places[2], 1))
        return -1;
    return count_steps(in->ne[i], kernel->ne[i], op->op_params[places[0]], op->op_params[places[1]],
                       op->op_params[places[2]]);
}

/* Stride, padding, dilation of the first two dimensions, and of three. */
static const int flat[2][3] = {{0, 2, 4}, {1, 3, 5}};
static const int deep[3][3] = {{0, 3, 6}, {1, 4, 7}, {2, 5, 8}};

bool apir_op_conv_transpose_1d(const struct ggml_tensor *op)
{
    const struct ggml_tensor *kernel = op->src[0], *in = op->src[1];
    int64_t stride = op->op_params[0];
    return apir_op_params_from(op, 0, 0, 1) && op->op_params[1] == 0 && op->op_params[2] == 1 && ggml_is_matrix(in) &&
           kernel->ne[2] == in->ne[1] && kernel->ne[3] == 1 && kernel->ne[0] <= INT32_MAX && in->ne[0] <= INT32_MAX &&
           apir_op_is(op, (in->ne[0] - 1) * stride + kernel->ne[0], kernel->ne[1], in->ne[2], 1);
}

bool apir_op_conv_transpose_2d(const struct ggml_tensor *op)
{
    const struct ggml_tensor *kernel = op->src[0], *in = op->src[1];
    int64_t stride = op->op_params[0];
    return apir_op_params_from(op, 0, 0, 1) && kernel->ne[3] == in->ne[2] && in->ne[0] <= INT32_MAX &&
           in->ne[1] <= INT32_MAX &&
           apir_op_is(op, (in->ne[0] - 1) * stride + kernel->ne[0], (in->ne[1] - 1) * stride + kernel->ne[1],
                      kernel->ne[2], in->ne[3]);
}

/* Whether columns is what IM2COL makes of in. */
static bool are_columns(const struct ggml_tensor *op, const struct ggml_tensor *kernel, const struct ggml_tensor *in,
                        const struct ggml_tensor *columns)
{
    const int64_t *k = kernel->ne;
    bool is_2d = op->op_params[6] == 1;
    if (is_2d)
        return k[2] == in->ne[2] && apir_op_is(columns, k[0] * k[1] * k[2], count_outputs(op, kernel, in, 0, flat[0]),
                                               count_outputs(op, kernel, in, 1, flat[1]), in->ne[3]);
    return k[1] == in->ne[1] && in->ne[3] == 1 &&
           apir_op_is(columns, k[0] * k[1], count_outputs(op, kernel, in, 0, flat[0]), in->ne[2], 1);
}

bool apir_op_im2col(const struct ggml_tensor *op)
{
    return ggml_is_contiguous(op) && are_columns(op, op->src[0], op->src[1], op);
}

/* The gradient of the columns, and the kernel. */
bool apir_op_im2col_back(const struct ggml_tensor *op)
{
    return ggml_is_contiguous(op) && are_columns(op, op->src[1], op, op->src[0]);
}

bool apir_op_im2col_3d(const struct ggml_tensor *op)
{
    const struct ggml_tensor *kernel = op->src[0], *in = op->src[1];
    int64_t channels = op->op_params[9], depth = count_outputs(op, kernel, in, 2, deep[2]);
    return channels > 0 && depth >= 0 && ggml_is_contiguous(op) &&
           apir_op_is(op, apir_op_times(kernel->ne[0] * kernel->ne[1] * kernel->ne[2], channels),
                      count_outputs(op, kernel, in, 0, deep[0]), count_outputs(op, kernel, in, 1, deep[1]),
                      apir_op_times(in->ne[3] / channels, depth));
}

bool apir_op_col2im_1d(const struct ggml_tensor *op)
{
    const struct ggml_tensor *columns = op->src[0];
    int64_t stride = op->op_params[0], channels = op->op_params[1], padding = op->op_params[2];
    if (!apir_op_params_from(op, 0, 0, 1) || !apir_op_params_from(op, 2, 2, 0) || !ggml_is_matrix(columns) ||
        !apir_op_divides(channels, columns->ne[0]) || columns->ne[1] > INT32_MAX)
        return false;
    int64_t kernel = columns->ne[0] / channels;
    return ggml_is_contiguous(op) && kernel > 0 &&
           apir_op_is(op, (columns->ne[1] - 1) * stride + kernel - 2 * padding, channels, 1, 1);
}

bool apir_op_conv_2d(const struct ggml_tensor *op)
{
    const struct ggml_tensor *kernel = op->src[0], *in = op->src[1];
    return kernel->ne[2] == in->ne[2] && ggml_is_contiguous(kernel) &&
           apir_op_is(op, count_outputs(op, kernel, in, 0, flat[0]), count_outputs(op, kernel, in, 1, flat[1]),
                      kernel->ne[3], in->ne[3]);
}

bool apir_op_conv_2d_dw(const struct ggml_tensor *op)
{
    const struct ggml_tensor *kernel = op->src[0], *in = op->src[1];
    return kernel->ne[2] == 1 && kernel->ne[3] == in->ne[2] &&
           (ggml_is_contiguous(in) || ggml_is_contiguous_channels(in)) &&
           apir_op_is(op, count_outputs(op, kernel, in, 0, flat[0]), count_outputs(op, kernel, in, 1, flat[1]),
                      in->ne[2], in->ne[3]);
}

bool apir_op_conv_3d(const struct ggml_tensor *op)
{
    const struct ggml_tensor *kernel = op->src[0], *in = op->src[1];
    int64_t channels = op->op_params[9], batch = op->op_params[10], outputs = op->op_params[11];
    return channels > 0 && batch > 0 && outputs > 0 && ggml_is_contiguous(kernel) &&
           kernel->ne[3] == channels * outputs && in->ne[3] == channels * batch &&
           apir_op_is(op, count_outputs(op, kernel, in, 0, deep[0]), count_outputs(op, kernel, in, 1, deep[1]),
                      count_outputs(op, kernel, in, 2, deep[2]), batch * outputs);
}

/* How often a window fits; ggml counts in floats. */
static int64_t count_windows(int64_t in, int32_t size, int32_t stride, int32_t padding)
{
    return (int64_t)((float)(in + 2 * (int64_t)padding - size) / (float)stride + 1);
}

bool apir_op_pool_1d(const struct ggml_tensor *op)
{
    const int32_t *params = op->op_params;
    const int64_t *a = op->src[0]->ne;
    return params[0] >= 0 && params[0] < GGML_OP_POOL_COUNT && apir_op_params_from(op, 1, 2, 1) &&
           apir_op_params_from(op, 3, 3, 0) &&
           apir_op_is(op, count_windows(a[0], params[1], params[2], params[3]), a[1], a[2], a[3]);
}

static bool is_pooled(const struct ggml_tensor *op, const struct ggml_tensor *in, const struct ggml_tensor *out)
{
    const int32_t *params = op->op_params;
    return params[0] >= 0 && params[0] < GGML_OP_POOL_COUNT && apir_op_params_from(op, 1, 4, 1) &&
           apir_op_params_from(op, 5, 6, 0) &&
           apir_op_is(out, count_windows(in->ne[0], params[1], params[3], params[5]),
                      count_windows(in->ne[1], params[2], params[4], params[6]), in->ne[2], in->ne[3]);
}

bool apir_op_pool_2d(const struct ggml_tensor *op)
{
    return is_pooled(op, op->src[0], op);
}

/* The gradient of the result, and what was pooled. */
bool apir_op_pool_2d_back(const struct ggml_tensor *op)
{
    return op->type == op->src[1]->type && ggml_are_same_shape(op, op->src[1]) && is_pooled(op, op->src[1], op->src[0]);
}

/* Kernels compute places in floats, which are exact enough for images. */
static bool is_small(const struct ggml_tensor *tensor)
{
    for (int i = 0; i < GGML_MAX_DIMS; i++)
        if (tensor->ne[i] > APIR_OP_MAX_PARAM)
            return false;
    return true;
}

bool apir_op_upscale(const struct ggml_tensor *op)
{
    int32_t flags = GGML_SCALE_FLAG_ALIGN_CORNERS | GGML_SCALE_FLAG_ANTIALIAS;
    int32_t mode = op->op_params[0] & ~flags;
    bool smooths = op->op_params[0] & GGML_SCALE_FLAG_ANTIALIAS;
    return mode >= 0 && mode < GGML_SCALE_MODE_COUNT && (!smooths || mode == GGML_SCALE_MODE_BILINEAR) &&
           is_small(op) && is_small(op->src[0]);
}

bool apir_op_pad(const struct ggml_tensor *op)
{
    const int32_t *params = op->op_params;
    for (int i = 0; i < GGML_MAX_DIMS; i++)
        if (!apir_op_params_from(op, 2 * i, 2 * i + 1, 0) ||
            op->ne[i] != op->src[0]->ne[i] + params[2 * i] + params[2 * i + 1])
            return false;
    return true;
}

bool apir_op_pad_reflect(const struct ggml_tensor *op)
{
    const int64_t *a = op->src[0]->ne;
    int64_t left = op->op_params[0], right = op->op_params[1];
    return left >= 0 && left < a[0] && right >= 0 && right < a[0] &&
           apir_op_is(op, a[0] + left + right, a[1], a[2], a[3]);
}

/* Windows that cover n. */
static int64_t count_parts(int64_t n, int64_t window)
{
    return n / window + (n % window != 0);
}

bool apir_op_win_part(const struct ggml_tensor *op)
{
    const int64_t *a = op->src[0]->ne;
    int64_t window = op->op_params[2];
    if (window < 1 || a[3] != 1)
        return false;
    int64_t across = count_parts(a[1], window), down = count_parts(a[2], window);
    return op->op_params[0] == across && op->op_params[1] == down && ggml_is_contiguous(op) &&
           ggml_is_contiguous(op->src[0]) && apir_op_is(op, a[0], window, window, apir_op_times(across, down));
}

bool apir_op_win_unpart(const struct ggml_tensor *op)
{
    const int64_t *a = op->src[0]->ne;
    int64_t window = op->op_params[0];
    return window >= 1 && ggml_is_contiguous(op) && ggml_is_contiguous(op->src[0]) &&
           apir_op_is(op->src[0], a[0], window, window,
                      apir_op_times(count_parts(op->ne[1], window), count_parts(op->ne[2], window))) &&
           apir_op_is(op, a[0], op->ne[1], op->ne[2], 1);
}

bool apir_op_rel_pos(const struct ggml_tensor *op)
{
    const struct ggml_tensor *a = op->src[0];
    int64_t n = op->ne[1];
    return ggml_is_matrix(a) && a->type == op->type && a->ne[1] == 2 * n - 1 && ggml_is_contiguous(a) &&
           ggml_is_contiguous(op) && apir_op_is(op, a->ne[0], n, n, 1);
}

bool apir_op_add_rel_pos(const struct ggml_tensor *op)
{
    const struct ggml_tensor *a = op->src[0], *w = op->src[1], *h = op->src[2];
    return ggml_are_same_shape(op, a) && ggml_are_same_shape(w, h) && ggml_is_contiguous(a) && ggml_is_contiguous(op) &&
           ggml_is_contiguous(w) && ggml_is_contiguous(h) && w->ne[3] == a->ne[2] &&
           apir_op_times(w->ne[0], w->ne[0]) == a->ne[0] && apir_op_times(w->ne[1], w->ne[2]) == a->ne[1];
}
