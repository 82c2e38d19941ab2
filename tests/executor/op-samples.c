#include "op-samples.h"

#include <stdbool.h>
#include <stddef.h>

struct maker {
    struct ggml_context *context;
    unsigned variant;
};

static struct ggml_tensor *typed(const struct maker *m, enum ggml_type type, int64_t ne0, int64_t ne1, int64_t ne2,
                                 int64_t ne3)
{
    return ggml_new_tensor_4d(m->context, type, ne0, ne1, ne2, ne3);
}

static struct ggml_tensor *f32(const struct maker *m, int64_t ne0, int64_t ne1, int64_t ne2, int64_t ne3)
{
    return typed(m, GGML_TYPE_F32, ne0, ne1, ne2, ne3);
}

static struct ggml_tensor *f16(const struct maker *m, int64_t ne0, int64_t ne1, int64_t ne2, int64_t ne3)
{
    return typed(m, GGML_TYPE_F16, ne0, ne1, ne2, ne3);
}

static struct ggml_tensor *i32(const struct maker *m, int64_t ne0, int64_t ne1, int64_t ne2, int64_t ne3)
{
    return typed(m, GGML_TYPE_I32, ne0, ne1, ne2, ne3);
}

static struct ggml_tensor *half(const struct maker *m, int64_t ne0, int64_t ne1, int64_t ne2, int64_t ne3)
{
    return typed(m, m->variant % 2 ? GGML_TYPE_F16 : GGML_TYPE_F32, ne0, ne1, ne2, ne3);
}

static enum ggml_type float_type(const struct maker *m)
{
    static const enum ggml_type types[] = {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16};
    return types[m->variant % 3];
}

/* A type of weights, those that are quantized included. */
static enum ggml_type weight_type(const struct maker *m)
{
    static const enum ggml_type types[] = {
        GGML_TYPE_F32,   GGML_TYPE_F16,   GGML_TYPE_BF16,   GGML_TYPE_Q4_0,    GGML_TYPE_Q4_1,   GGML_TYPE_Q5_0,
        GGML_TYPE_Q5_1,  GGML_TYPE_Q8_0,  GGML_TYPE_Q2_K,   GGML_TYPE_Q3_K,    GGML_TYPE_Q4_K,   GGML_TYPE_Q5_K,
        GGML_TYPE_Q6_K,  GGML_TYPE_IQ1_S, GGML_TYPE_IQ2_XS, GGML_TYPE_IQ3_XXS, GGML_TYPE_IQ4_NL, GGML_TYPE_IQ4_XS,
        GGML_TYPE_TQ1_0, GGML_TYPE_TQ2_0, GGML_TYPE_MXFP4,  GGML_TYPE_NVFP4,
    };
    return types[m->variant % (sizeof types / sizeof *types)];
}

static struct ggml_tensor *floats(const struct maker *m)
{
    return typed(m, float_type(m), 24, 5, 3, 2);
}

static struct ggml_tensor *weights(const struct maker *m, int64_t ne1, int64_t ne2, int64_t ne3)
{
    return typed(m, weight_type(m), 256, ne1, ne2, ne3);
}

static struct ggml_tensor *make_dup(const struct maker *m)
{
    return ggml_dup(m->context, floats(m));
}
static struct ggml_tensor *make_cont(const struct maker *m)
{
    return ggml_cont(m->context, ggml_permute(m->context, floats(m), 2, 0, 1, 3));
}
static struct ggml_tensor *make_cpy(const struct maker *m)
{
    return ggml_cpy(m->context, weights(m, 4, 3, 1), f32(m, 256, 3, 4, 1));
}
static struct ggml_tensor *make_cpy_to(const struct maker *m)
{
    return ggml_cpy(m->context, f32(m, 256, 3, 4, 1), weights(m, 4, 3, 1));
}
static struct ggml_tensor *make_cast(const struct maker *m)
{
    return ggml_cpy(m->context, f32(m, 24, 3, 4, 1), m->variant % 2 ? i32(m, 24, 4, 3, 1) : f16(m, 24, 4, 3, 1));
}
static struct ggml_tensor *make_add(const struct maker *m)
{
    return ggml_add(m->context, floats(m), f32(m, 24, 5, 3, 2));
}
static struct ggml_tensor *make_add_row(const struct maker *m)
{
    return ggml_add(m->context, floats(m), typed(m, float_type(m), 24, 1, 3, 1));
}
static struct ggml_tensor *make_sub(const struct maker *m)
{
    return ggml_sub(m->context, floats(m), f32(m, 1, 5, 1, 2));
}
static struct ggml_tensor *make_mul(const struct maker *m)
{
    return ggml_mul(m->context, floats(m), f32(m, 8, 5, 1, 1));
}
static struct ggml_tensor *make_div(const struct maker *m)
{
    return ggml_div(m->context, floats(m), typed(m, float_type(m), 24, 5, 3, 2));
}
static struct ggml_tensor *make_add_id(const struct maker *m)
{
    return ggml_add_id(m->context, f32(m, 24, 3, 5, 1), f32(m, 24, 7, 1, 1), i32(m, 3, 5, 1, 1));
}
static struct ggml_tensor *make_acc(const struct maker *m)
{
    struct ggml_tensor *a = f32(m, 24, 9, 2, 1), *b = f32(m, 4, 5, 2, 1);
    return m->variant % 2 ? ggml_acc(m->context, a, b, 96, 864, 1728, 16)
                          : ggml_acc_inplace(m->context, a, b, 96, 864, 1728, 16);
}
static struct ggml_tensor *make_set(const struct maker *m)
{
    enum ggml_type type = m->variant % 2 ? GGML_TYPE_I32 : GGML_TYPE_F32;
    struct ggml_tensor *a = typed(m, type, 24, 9, 2, 1), *b = typed(m, type, 4, 5, 2, 1);
    return m->variant % 4 < 2 ? ggml_set(m->context, a, b, 96, 864, 1728, 16)
                              : ggml_set_inplace(m->context, a, b, 96, 864, 1728, 16);
}
static struct ggml_tensor *make_sqr(const struct maker *m)
{
    return ggml_sqr(m->context, half(m, 24, 5, 3, 2));
}
static struct ggml_tensor *make_sqrt(const struct maker *m)
{
    return ggml_sqrt(m->context, half(m, 24, 5, 3, 2));
}
static struct ggml_tensor *make_log(const struct maker *m)
{
    return ggml_log(m->context, half(m, 24, 5, 3, 2));
}
static struct ggml_tensor *make_sin(const struct maker *m)
{
    return ggml_sin(m->context, half(m, 24, 5, 3, 2));
}
static struct ggml_tensor *make_cos(const struct maker *m)
{
    return ggml_cos(m->context, half(m, 24, 5, 3, 2));
}
static struct ggml_tensor *make_sum(const struct maker *m)
{
    return ggml_sum(m->context, floats(m));
}
static struct ggml_tensor *make_sum_rows(const struct maker *m)
{
    return ggml_sum_rows(m->context, f32(m, 24, 5, 3, 2));
}
static struct ggml_tensor *make_cumsum(const struct maker *m)
{
    return ggml_cumsum(m->context, f32(m, 24, 5, 3, 2));
}
static struct ggml_tensor *make_mean(const struct maker *m)
{
    return ggml_mean(m->context, f32(m, 24, 5, 3, 2));
}
static struct ggml_tensor *make_argmax(const struct maker *m)
{
    return ggml_argmax(m->context, f32(m, 24, 5, 1, 1));
}
static struct ggml_tensor *make_count_equal(const struct maker *m)
{
    return ggml_count_equal(m->context, i32(m, 24, 5, 1, 1), i32(m, 24, 5, 1, 1));
}
static struct ggml_tensor *make_repeat(const struct maker *m)
{
    static const enum ggml_type types[] = {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_I32, GGML_TYPE_I16};
    return ggml_repeat(m->context, typed(m, types[m->variant % 4], 24, 1, 3, 1), f32(m, 48, 5, 3, 2));
}
static struct ggml_tensor *make_repeat_back(const struct maker *m)
{
    return ggml_repeat_back(m->context, f32(m, 48, 5, 3, 2), f32(m, 24, 1, 3, 1));
}
static struct ggml_tensor *make_concat(const struct maker *m)
{
    enum ggml_type type = weight_type(m);
    int dim = (int)(m->variant % 4);
    return ggml_concat(m->context, typed(m, type, 256, 3, 2, 2),
                       typed(m, type, dim ? 256 : 512, dim == 1 ? 5 : 3, dim == 2 ? 3 : 2, dim == 3 ? 1 : 2), dim);
}
static struct ggml_tensor *make_silu_back(const struct maker *m)
{
    return ggml_silu_back(m->context, half(m, 24, 5, 3, 2), half(m, 24, 5, 3, 2));
}
static struct ggml_tensor *make_norm(const struct maker *m)
{
    return ggml_norm(m->context, f32(m, 24, 5, 3, 2), 1e-5F);
}
static struct ggml_tensor *make_rms_norm(const struct maker *m)
{
    return ggml_rms_norm(m->context, f32(m, 24, 5, 3, 2), 1e-5F);
}
/* Of two nodes, which backends compute as one. */
static struct ggml_tensor *make_norm_mul(const struct maker *m)
{
    return ggml_mul(m->context, ggml_rms_norm(m->context, f32(m, 24, 5, 3, 2), 1e-5F), f32(m, 24, 1, 3, 1));
}
static struct ggml_tensor *make_rms_norm_back(const struct maker *m)
{
    return ggml_rms_norm_back(m->context, f32(m, 24, 5, 3, 2), f32(m, 24, 5, 3, 2), 1e-5F);
}
static struct ggml_tensor *make_group_norm(const struct maker *m)
{
    return ggml_group_norm(m->context, f32(m, 8, 5, 12, 2), 4, 1e-5F);
}
static struct ggml_tensor *make_l2_norm(const struct maker *m)
{
    return ggml_l2_norm(m->context, f32(m, 24, 5, 3, 2), 1e-5F);
}
static struct ggml_tensor *make_mul_mat(const struct maker *m)
{
    return ggml_mul_mat(m->context, weights(m, 16, 2, 1), f32(m, 256, 1 + m->variant % 5, 4, 3));
}
static struct ggml_tensor *make_large_mul_mat(const struct maker *m)
{
    struct ggml_tensor *b = m->variant % 5 ? f32(m, 512, 40, 1, 1) : f16(m, 512, 40, 1, 1);
    return ggml_mul_mat(m->context, typed(m, m->variant % 5 ? weight_type(m) : GGML_TYPE_F16, 512, 64, 1, 1), b);
}
static struct ggml_tensor *make_mul_mat_id(const struct maker *m)
{
    return ggml_mul_mat_id(m->context, weights(m, 16, 4, 1), f32(m, 256, 1 + m->variant % 2, 5, 1), i32(m, 2, 5, 1, 1));
}
static struct ggml_tensor *make_out_prod(const struct maker *m)
{
    return ggml_out_prod(m->context, weights(m, 9, 1, 1), f32(m, 7, 9, 1 + m->variant % 2, 1));
}
static struct ggml_tensor *make_scale(const struct maker *m)
{
    return ggml_scale(m->context, f32(m, 24, 5, 3, 2), 2);
}
static struct ggml_tensor *make_get_rows(const struct maker *m)
{
    return ggml_get_rows(m->context, weights(m, 9, 2, 3), i32(m, 5, 2, 3, 1));
}
static struct ggml_tensor *make_get_rows_back(const struct maker *m)
{
    return ggml_get_rows_back(m->context, half(m, 24, 5, 1, 1), i32(m, 5, 1, 1, 1), f32(m, 24, 9, 1, 1));
}
static struct ggml_tensor *make_set_rows(const struct maker *m)
{
    return ggml_set_rows(m->context, weights(m, 9, 4, 3), f32(m, 256, 5, 4, 3),
                         typed(m, m->variant % 2 ? GGML_TYPE_I64 : GGML_TYPE_I32, 5, 2, 1, 1));
}
static struct ggml_tensor *make_diag(const struct maker *m)
{
    return ggml_diag(m->context, f32(m, 9, 1, 2, 3));
}
static struct ggml_tensor *make_mask_inf(const struct maker *m)
{
    return ggml_diag_mask_inf(m->context, f32(m, 9, 5, 2, 3), 3);
}
static struct ggml_tensor *make_mask_zero(const struct maker *m)
{
    return ggml_diag_mask_zero(m->context, f32(m, 9, 5, 2, 3), 3);
}
static struct ggml_tensor *make_soft_max(const struct maker *m)
{
    struct ggml_tensor *mask = m->variant % 3 ? half(m, 24, 6, 1, 2) : NULL;
    struct ggml_tensor *op = ggml_soft_max_ext(m->context, f32(m, 24, 5, 3, 2), mask, 1, mask ? 8 : 0);
    if (m->variant % 4 == 3)
        ggml_soft_max_add_sinks(op, f32(m, 3, 1, 1, 1));
    return op;
}
static struct ggml_tensor *make_soft_max_back(const struct maker *m)
{
    return ggml_soft_max_ext_back(m->context, f32(m, 24, 5, 3, 2), f32(m, 24, 5, 3, 2), 1, 0);
}
static struct ggml_tensor *make_rope(const struct maker *m)
{
    return ggml_rope_ext(m->context, half(m, 64, 3, 5, 2), i32(m, 5, 1, 1, 1),
                         m->variant % 3 ? f32(m, 16, 1, 1, 1) : NULL, 32, m->variant % 4 < 2 ? 0 : GGML_ROPE_TYPE_NEOX,
                         512, 10000, 1, 0, 1, 32, 1);
}
static struct ggml_tensor *make_rope_back(const struct maker *m)
{
    return ggml_rope_ext_back(m->context, half(m, 64, 3, 5, 2), i32(m, 5, 1, 1, 1), NULL, 32,
                              m->variant % 4 < 2 ? 0 : GGML_ROPE_TYPE_NEOX, 512, 10000, 1, 0, 1, 32, 1);
}
static struct ggml_tensor *make_rope_multi(const struct maker *m)
{
    static const int modes[] = {GGML_ROPE_TYPE_MROPE, GGML_ROPE_TYPE_VISION, GGML_ROPE_TYPE_IMROPE};
    int sections[GGML_MROPE_SECTIONS] = {4, 2, 2, 8};
    return ggml_rope_multi(m->context, half(m, 64, 3, 5, 2), i32(m, 20, 1, 1, 1), NULL, 32, sections,
                           modes[m->variant % 3], 512, 10000, 1, 0, 1, 32, 1);
}
static struct ggml_tensor *make_clamp(const struct maker *m)
{
    return ggml_clamp(m->context, half(m, 24, 5, 3, 2), -1, 1);
}
static struct ggml_tensor *make_conv_transpose_1d(const struct maker *m)
{
    return ggml_conv_transpose_1d(m->context, half(m, 3, 4, 5, 1), f32(m, 7, 5, 1, 1), 2, 0, 1);
}
static struct ggml_tensor *make_conv_transpose_2d(const struct maker *m)
{
    return ggml_conv_transpose_2d_p0(m->context, half(m, 3, 4, 5, 6), f32(m, 7, 8, 6, 2), 2);
}
static struct ggml_tensor *make_im2col(const struct maker *m)
{
    return ggml_im2col(m->context, half(m, 3, 4, 2, 5), f32(m, 10, 11, 2, 3), 1, 2, 1, 2, 2, 1, true,
                       m->variant % 4 < 2 ? GGML_TYPE_F16 : GGML_TYPE_F32);
}
static struct ggml_tensor *make_im2col_1d(const struct maker *m)
{
    return ggml_im2col(m->context, half(m, 3, 2, 4, 1), f32(m, 10, 2, 5, 1), 1, 0, 1, 0, 1, 0, false,
                       m->variant % 4 < 2 ? GGML_TYPE_F16 : GGML_TYPE_F32);
}
static struct ggml_tensor *make_im2col_back(const struct maker *m)
{
    int64_t ne[GGML_MAX_DIMS] = {10, 9, 2, 3};
    return ggml_im2col_back(m->context, f32(m, 18, 8, 7, 3), half(m, 3, 3, 2, 4), ne, 1, 1, 0, 0, 1, 1, true);
}
static struct ggml_tensor *make_im2col_3d(const struct maker *m)
{
    return ggml_im2col_3d(m->context, half(m, 3, 2, 2, 6), f32(m, 8, 7, 6, 6), 3, 1, 2, 1, 1, 0, 1, 1, 2, 1,
                          m->variant % 4 < 2 ? GGML_TYPE_F16 : GGML_TYPE_F32);
}
static struct ggml_tensor *make_col2im(const struct maker *m)
{
    return ggml_col2im_1d(m->context, typed(m, float_type(m), 12, 5, 1, 1), 2, 3, 1);
}
static struct ggml_tensor *make_conv_2d(const struct maker *m)
{
    return ggml_conv_2d_direct(m->context, half(m, 3, 4, 2, 5), f32(m, 10, 11, 2, 3), 1, 2, 1, 2, 2, 1);
}
static struct ggml_tensor *make_conv_2d_dw(const struct maker *m)
{
    return ggml_conv_2d_dw_direct(m->context, half(m, 3, 4, 1, 6), f32(m, 10, 11, 6, 3), 1, 2, 1, 2, 2, 1);
}
static struct ggml_tensor *make_conv_3d(const struct maker *m)
{
    return ggml_conv_3d_direct(m->context, half(m, 3, 2, 2, 6), f32(m, 8, 7, 6, 4), 1, 2, 1, 1, 0, 1, 1, 2, 1, 2, 2, 3);
}
static struct ggml_tensor *make_pool_1d(const struct maker *m)
{
    return ggml_pool_1d(m->context, half(m, 17, 4, 2, 2), m->variant % 4 < 2 ? GGML_OP_POOL_MAX : GGML_OP_POOL_AVG, 3,
                        2, 1);
}
static struct ggml_tensor *make_pool_2d(const struct maker *m)
{
    return ggml_pool_2d(m->context, half(m, 17, 14, 2, 2), m->variant % 4 < 2 ? GGML_OP_POOL_MAX : GGML_OP_POOL_AVG, 3,
                        2, 1, 2, 1, 1);
}
static struct ggml_tensor *make_pool_2d_back(const struct maker *m)
{
    return ggml_pool_2d_back(m->context, f32(m, 17, 8, 2, 2), f32(m, 17, 14, 2, 2),
                             m->variant % 4 < 2 ? GGML_OP_POOL_MAX : GGML_OP_POOL_AVG, 3, 2, 1, 2, 1, 1);
}
static struct ggml_tensor *make_upscale(const struct maker *m)
{
    static const uint32_t modes[] = {GGML_SCALE_MODE_NEAREST, GGML_SCALE_MODE_BILINEAR, GGML_SCALE_MODE_BICUBIC};
    static const uint32_t flags[] = {0, GGML_SCALE_FLAG_ALIGN_CORNERS, GGML_SCALE_FLAG_ANTIALIAS};
    uint32_t mode = modes[m->variant % 3], flag = mode == GGML_SCALE_MODE_BILINEAR ? flags[m->variant / 3 % 3] : 0;
    return ggml_interpolate(m->context, f32(m, 9, 8, 3, 2), 14, 5, 6, 2, mode | flag);
}
static struct ggml_tensor *make_pad(const struct maker *m)
{
    struct ggml_tensor *a = f32(m, 9, 8, 3, 2);
    return m->variant % 2 ? ggml_pad_ext(m->context, a, 1, 2, 3, 4, 1, 0, 0, 1)
                          : ggml_pad_ext_circular(m->context, a, 1, 2, 3, 4, 1, 0, 0, 1);
}
static struct ggml_tensor *make_pad_reflect(const struct maker *m)
{
    return ggml_pad_reflect_1d(m->context, f32(m, 9, 8, 3, 2), 3, 8);
}
static struct ggml_tensor *make_roll(const struct maker *m)
{
    return ggml_roll(m->context, f32(m, 9, 8, 3, 2), 3, -7, 1, -1);
}
static struct ggml_tensor *make_arange(const struct maker *m)
{
    return ggml_arange(m->context, 1, 7, 0.5F);
}
static struct ggml_tensor *make_timestep(const struct maker *m)
{
    return ggml_timestep_embedding(m->context, f32(m, 9, 1, 1, 1), 16 + (int)(m->variant % 2), 1000);
}
static struct ggml_tensor *make_argsort(const struct maker *m)
{
    return ggml_argsort(m->context, f32(m, 24, 5, 3, 2), m->variant % 2 ? GGML_SORT_ORDER_ASC : GGML_SORT_ORDER_DESC);
}
static struct ggml_tensor *make_top_k(const struct maker *m)
{
    return ggml_top_k(m->context, f32(m, 24, 5, 3, 2), 4);
}
static struct ggml_tensor *make_leaky_relu(const struct maker *m)
{
    return ggml_leaky_relu(m->context, half(m, 24, 5, 3, 2), 0.1F, false);
}
static struct ggml_tensor *make_tri(const struct maker *m)
{
    return ggml_tri(m->context, f32(m, 9, 9, 3, 2), (enum ggml_tri_type)(m->variant % 4));
}
static struct ggml_tensor *make_fill(const struct maker *m)
{
    return ggml_fill(m->context, half(m, 24, 5, 3, 2), 7);
}
static struct ggml_tensor *make_flash_attn(const struct maker *m)
{
    static const enum ggml_type types[] = {GGML_TYPE_F16, GGML_TYPE_F32, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0,
                                           GGML_TYPE_BF16};
    enum ggml_type type = types[m->variant % 5];
    struct ggml_tensor *mask = m->variant % 3 ? f16(m, 96, 8, 1, 2) : NULL;
    struct ggml_tensor *op =
        ggml_flash_attn_ext(m->context, f32(m, 64, 1 + m->variant % 7, 8, 2), typed(m, type, 64, 96, 4, 2),
                            typed(m, type, 32, 96, 4, 2), mask, 1, mask ? 8 : 0, m->variant % 2 ? 10 : 0);
    if (m->variant % 4 == 3)
        ggml_flash_attn_ext_add_sinks(op, f32(m, 8, 1, 1, 1));
    return op;
}
static struct ggml_tensor *make_large_flash_attn(const struct maker *m)
{
    return ggml_flash_attn_ext(m->context, f32(m, 64, 70, 4, 1), half(m, 64, 256, 2, 1), half(m, 64, 256, 2, 1),
                               m->variant % 3 ? f16(m, 256, 70, 1, 1) : NULL, 1, 0, 0);
}
static struct ggml_tensor *make_ssm_conv(const struct maker *m)
{
    return ggml_ssm_conv(m->context, f32(m, 3 + 5, 6, 2, 1), f32(m, 4, 6, 1, 1));
}
static struct ggml_tensor *make_ssm_scan(const struct maker *m)
{
    return ggml_ssm_scan(m->context, f32(m, 16, 4, 6, 3), f32(m, 4, 6, 5, 2), f32(m, 6, 5, 2, 1),
                         f32(m, m->variant % 2 ? 16 : 1, 6, 1, 1), f32(m, 16, 2, 5, 2), f32(m, 16, 2, 5, 2),
                         i32(m, 2, 1, 1, 1), m->variant % 2 ? 1 : 3);
}
static struct ggml_tensor *make_win_part(const struct maker *m)
{
    return ggml_win_part(m->context, f32(m, 7, 9, 10, 1), 4);
}
static struct ggml_tensor *make_win_unpart(const struct maker *m)
{
    return ggml_win_unpart(m->context, f32(m, 7, 4, 4, 9), 9, 10, 4);
}
static struct ggml_tensor *make_rel_pos(const struct maker *m)
{
    return ggml_get_rel_pos(m->context, f16(m, 7, 9, 1, 1), 5, 5);
}
static struct ggml_tensor *make_add_rel_pos(const struct maker *m)
{
    return ggml_add_rel_pos(m->context, f32(m, 9, 9, 2, 1), f32(m, 3, 3, 3, 2), f32(m, 3, 3, 3, 2));
}
static struct ggml_tensor *make_wkv6(const struct maker *m)
{
    return ggml_rwkv_wkv6(m->context, f32(m, 16, 3, 6, 1), f32(m, 16, 3, 6, 1), f32(m, 16, 3, 6, 1),
                          f32(m, 16, 3, 1, 1), f32(m, 16, 3, 6, 1), f32(m, 16 * 16 * 3, 2, 1, 1));
}
static struct ggml_tensor *make_gated_linear(const struct maker *m)
{
    return ggml_gated_linear_attn(m->context, f32(m, 16, 3, 6, 1), f32(m, 16, 3, 6, 1), f32(m, 16, 3, 6, 1),
                                  f32(m, 16, 3, 6, 1), f32(m, 16 * 16 * 3, 2, 1, 1), 1);
}
static struct ggml_tensor *make_wkv7(const struct maker *m)
{
    return ggml_rwkv_wkv7(m->context, f32(m, 64, 3, 6, 1), f32(m, 64, 3, 6, 1), f32(m, 64, 3, 6, 1),
                          f32(m, 64, 3, 6, 1), f32(m, 64, 3, 6, 1), f32(m, 64, 3, 6, 1), f32(m, 64 * 64 * 3, 2, 1, 1));
}
static struct ggml_tensor *make_solve_tri(const struct maker *m)
{
    return ggml_solve_tri(m->context, f32(m, 8, 8, 2, 3), f32(m, 5, 8, 2, 3), true, true, false);
}
static struct ggml_tensor *make_delta_net(const struct maker *m)
{
    return ggml_gated_delta_net(m->context, f32(m, 16, 2, 5, 3), f32(m, 16, 2, 5, 3), f32(m, 16, 4, 5, 3),
                                f32(m, m->variant % 2 ? 16 : 1, 4, 5, 3), f32(m, 1, 4, 5, 3), f32(m, 16, 16, 4, 3),
                                1 + m->variant % 3);
}
static struct ggml_tensor *make_indexer(const struct maker *m)
{
    static const enum ggml_type types[] = {GGML_TYPE_F16, GGML_TYPE_F32, GGML_TYPE_Q8_0, GGML_TYPE_BF16};
    return ggml_lightning_indexer(m->context, f32(m, 128, 64, 5, 2), typed(m, types[m->variant % 4], 128, 1, 7, 2),
                                  f32(m, 64, 5, 1, 2), f16(m, 7, 5, 1, 1));
}
static struct ggml_tensor *make_hc_comb(const struct maker *m)
{
    return ggml_dsv4_hc_comb(m->context, f32(m, 24, 5, 1, 1), f32(m, 3, 1, 1, 1), f32(m, 24, 1, 1, 1), 0.1F, 2);
}
static struct ggml_tensor *make_hc_pre(const struct maker *m)
{
    struct ggml_tensor *x = f32(m, 24, 4, 5, 1);
    return m->variant % 2 ? ggml_dsv4_hc_pre(m->context, x, f32(m, 4, 5, 1, 1))
                          : ggml_dsv4_hc_pre_gated(m->context, x, f32(m, 24, 4, 5, 1), 2);
}
static struct ggml_tensor *make_hc_post(const struct maker *m)
{
    return ggml_dsv4_hc_post(m->context, f32(m, 24, 5, 1, 1), f32(m, 24, 4, 5, 1), f32(m, 4, 5, 1, 1),
                             m->variant % 2 ? f32(m, 4, 4, 5, 1) : NULL);
}
static struct ggml_tensor *make_unary(const struct maker *m)
{
    return ggml_unary(m->context, floats(m), (enum ggml_unary_op)(m->variant % GGML_UNARY_OP_COUNT));
}
static struct ggml_tensor *make_glu(const struct maker *m)
{
    return ggml_glu(m->context, floats(m), (enum ggml_glu_op)(m->variant % GGML_GLU_OP_SWIGLU_OAI),
                    m->variant % 2 == 1);
}
static struct ggml_tensor *make_glu_split(const struct maker *m)
{
    return ggml_glu_split(m->context, half(m, 24, 5, 3, 2), half(m, 24, 5, 3, 2),
                          (enum ggml_glu_op)(m->variant % GGML_GLU_OP_COUNT));
}
static struct ggml_tensor *make_loss(const struct maker *m)
{
    return ggml_cross_entropy_loss(m->context, f32(m, 24, 5, 1, 1), f32(m, 24, 5, 1, 1));
}
static struct ggml_tensor *make_loss_back(const struct maker *m)
{
    return ggml_cross_entropy_loss_back(m->context, f32(m, 1, 1, 1, 1), f32(m, 24, 5, 1, 1), f32(m, 24, 5, 1, 1));
}
static struct ggml_tensor *parameter(const struct maker *m)
{
    struct ggml_tensor *tensor = f32(m, 24, 5, 3, 2);
    ggml_set_param(tensor);
    return tensor;
}
static struct ggml_tensor *make_adamw(const struct maker *m)
{
    return ggml_opt_step_adamw(m->context, parameter(m), f32(m, 24, 5, 3, 2), f32(m, 24, 5, 3, 2), f32(m, 24, 5, 3, 2),
                               f32(m, 7, 1, 1, 1));
}
static struct ggml_tensor *make_sgd(const struct maker *m)
{
    return ggml_opt_step_sgd(m->context, parameter(m), f32(m, 24, 5, 3, 2), f32(m, 2, 1, 1, 1));
}

static struct ggml_tensor *(*const makers[])(const struct maker *m) = {
    make_dup,
    make_cont,
    make_cpy,
    make_cpy_to,
    make_cast,
    make_add,
    make_add_row,
    make_sub,
    make_mul,
    make_div,
    make_add_id,
    make_acc,
    make_set,
    make_sqr,
    make_sqrt,
    make_log,
    make_sin,
    make_cos,
    make_sum,
    make_sum_rows,
    make_cumsum,
    make_mean,
    make_argmax,
    make_count_equal,
    make_repeat,
    make_repeat_back,
    make_concat,
    make_silu_back,
    make_norm,
    make_rms_norm,
    make_norm_mul,
    make_rms_norm_back,
    make_group_norm,
    make_l2_norm,
    make_mul_mat,
    make_large_mul_mat,
    make_mul_mat_id,
    make_out_prod,
    make_scale,
    make_get_rows,
    make_get_rows_back,
    make_set_rows,
    make_diag,
    make_mask_inf,
    make_mask_zero,
    make_soft_max,
    make_soft_max_back,
    make_rope,
    make_rope_back,
    make_rope_multi,
    make_clamp,
    make_conv_transpose_1d,
    make_conv_transpose_2d,
    make_im2col,
    make_im2col_1d,
    make_im2col_back,
    make_im2col_3d,
    make_col2im,
    make_conv_2d,
    make_conv_2d_dw,
    make_conv_3d,
    make_pool_1d,
    make_pool_2d,
    make_pool_2d_back,
    make_upscale,
    make_pad,
    make_pad_reflect,
    make_roll,
    make_arange,
    make_timestep,
    make_argsort,
    make_top_k,
    make_leaky_relu,
    make_tri,
    make_fill,
    make_flash_attn,
    make_large_flash_attn,
    make_ssm_conv,
    make_ssm_scan,
    make_win_part,
    make_win_unpart,
    make_rel_pos,
    make_add_rel_pos,
    make_wkv6,
    make_gated_linear,
    make_wkv7,
    make_solve_tri,
    make_delta_net,
    make_indexer,
    make_hc_comb,
    make_hc_pre,
    make_hc_post,
    make_unary,
    make_glu,
    make_glu_split,
    make_loss,
    make_loss_back,
    make_adamw,
    make_sgd,
};

unsigned op_sample_count(void)
{
    return sizeof makers / sizeof *makers;
}

struct ggml_tensor *op_sample(struct ggml_context *context, unsigned n, unsigned variant)
{
    const struct maker m = {context, variant};
    return makers[n](&m);
}
