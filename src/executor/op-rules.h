/* The rules of op-check.c that need more than a comparison of shapes: each tells whether the sources, the parameters
 * and the shape of a node fit, as ggml.h has it at the function that makes such a node. Its sources are there; no
 * product of dimensions of one tensor is more than 2^48, even if it is empty. */
#ifndef APIR_EXECUTOR_OP_RULES_H
#define APIR_EXECUTOR_OP_RULES_H

#include <ggml.h>
#include <stdbool.h>
#include <string.h>

enum {
    APIR_OP_MAX_PARAM = 1 << 20, /* of strides, paddings and the like: products with sizes cannot overflow */
};

static inline bool apir_op_is(const struct ggml_tensor *tensor, int64_t ne0, int64_t ne1, int64_t ne2, int64_t ne3)
{
    return tensor->ne[0] == ne0 && tensor->ne[1] == ne1 && tensor->ne[2] == ne2 && tensor->ne[3] == ne3;
}

/* Whether n is a multiple; of 0 only 0 is. */
static inline bool apir_op_divides(int64_t divisor, int64_t n)
{
    return divisor > 0 ? n % divisor == 0 : divisor == n;
}

/* a * b, or -1 when that is more than any tensor has or one of them is negative. */
static inline int64_t apir_op_times(int64_t a, int64_t b)
{
    int64_t product;
    return a < 0 || b < 0 || __builtin_mul_overflow(a, b, &product) ? -1 : product;
}

static inline float apir_op_float(const struct ggml_tensor *op, int i)
{
    float value;
    memcpy(&value, &op->op_params[i], sizeof value);
    return value;
}

/* Whether parameters first to last are from min to APIR_OP_MAX_PARAM. */
static inline bool apir_op_params_from(const struct ggml_tensor *op, int first, int last, int32_t min)
{
    for (int i = first; i <= last; i++)
        if (op->op_params[i] < min || op->op_params[i] > APIR_OP_MAX_PARAM)
            return false;
    return true;
}

/* op-rules-rows.c: arithmetic, copies, rows */
bool apir_op_like_first(const struct ggml_tensor *op);
bool apir_op_like_all(const struct ggml_tensor *op);
bool apir_op_any(const struct ggml_tensor *op);
bool apir_op_broadcast(const struct ggml_tensor *op);
bool apir_op_add_id(const struct ggml_tensor *op);
bool apir_op_add1(const struct ggml_tensor *op);
bool apir_op_window(const struct ggml_tensor *op);
bool apir_op_total(const struct ggml_tensor *op);
bool apir_op_total_of_two(const struct ggml_tensor *op);
bool apir_op_count_equal(const struct ggml_tensor *op);
bool apir_op_per_row(const struct ggml_tensor *op);
bool apir_op_argmax(const struct ggml_tensor *op);
bool apir_op_repeat(const struct ggml_tensor *op);
bool apir_op_repeat_back(const struct ggml_tensor *op);
bool apir_op_concat(const struct ggml_tensor *op);
bool apir_op_norm(const struct ggml_tensor *op);
bool apir_op_group_norm(const struct ggml_tensor *op);
bool apir_op_same_elements(const struct ggml_tensor *op);
bool apir_op_copy(const struct ggml_tensor *op);
bool apir_op_get_rows(const struct ggml_tensor *op);
bool apir_op_get_rows_back(const struct ggml_tensor *op);
bool apir_op_set_rows(const struct ggml_tensor *op);
bool apir_op_diag(const struct ggml_tensor *op);
bool apir_op_diag_mask(const struct ggml_tensor *op);
bool apir_op_tri(const struct ggml_tensor *op);
bool apir_op_roll(const struct ggml_tensor *op);
bool apir_op_arange(const struct ggml_tensor *op);
bool apir_op_timestep(const struct ggml_tensor *op);
bool apir_op_argsort(const struct ggml_tensor *op);
bool apir_op_top_k(const struct ggml_tensor *op);
bool apir_op_unary(const struct ggml_tensor *op);
bool apir_op_glu(const struct ggml_tensor *op);
bool apir_op_loss_back(const struct ggml_tensor *op);
bool apir_op_adamw(const struct ggml_tensor *op);
bool apir_op_sgd(const struct ggml_tensor *op);

/* op-rules-model.c: matrices, attention, recurrent layers */
bool apir_op_mul_mat(const struct ggml_tensor *op);
bool apir_op_mul_mat_id(const struct ggml_tensor *op);
bool apir_op_out_prod(const struct ggml_tensor *op);
bool apir_op_soft_max(const struct ggml_tensor *op);
bool apir_op_rope(const struct ggml_tensor *op);
bool apir_op_flash_attn(const struct ggml_tensor *op);
bool apir_op_ssm_conv(const struct ggml_tensor *op);
bool apir_op_ssm_scan(const struct ggml_tensor *op);
bool apir_op_wkv6(const struct ggml_tensor *op);
bool apir_op_gated_linear(const struct ggml_tensor *op);
bool apir_op_wkv7(const struct ggml_tensor *op);
bool apir_op_solve_tri(const struct ggml_tensor *op);
bool apir_op_delta_net(const struct ggml_tensor *op);
bool apir_op_indexer(const struct ggml_tensor *op);
bool apir_op_hc_comb(const struct ggml_tensor *op);
bool apir_op_hc_pre(const struct ggml_tensor *op);
bool apir_op_hc_post(const struct ggml_tensor *op);

/* op-rules-image.c: convolutions, pools, windows */
bool apir_op_conv_transpose_1d(const struct ggml_tensor *op);
bool apir_op_conv_transpose_2d(const struct ggml_tensor *op);
bool apir_op_im2col(const struct ggml_tensor *op);
bool apir_op_im2col_back(const struct ggml_tensor *op);
bool apir_op_im2col_3d(const struct ggml_tensor *op);
bool apir_op_col2im_1d(const struct ggml_tensor *op);
bool apir_op_conv_2d(const struct ggml_tensor *op);
bool apir_op_conv_2d_dw(const struct ggml_tensor *op);
bool apir_op_conv_3d(const struct ggml_tensor *op);
bool apir_op_pool_1d(const struct ggml_tensor *op);
bool apir_op_pool_2d(const struct ggml_tensor *op);
bool apir_op_pool_2d_back(const struct ggml_tensor *op);
bool apir_op_upscale(const struct ggml_tensor *op);
bool apir_op_pad(const struct ggml_tensor *op);
bool apir_op_pad_reflect(const struct ggml_tensor *op);
bool apir_op_win_part(const struct ggml_tensor *op);
bool apir_op_win_unpart(const struct ggml_tensor *op);
bool apir_op_rel_pos(const struct ggml_tensor *op);
bool apir_op_add_rel_pos(const struct ggml_tensor *op);

#endif
