#include "executor/op-check.h"

#include <stdint.h>

#include "executor/op-layout.h"
#include "executor/op-rules.h"

/* Sets of types. What a backend can do of them is for its own answer; none has kernels for others. */
#define TYPE(name) (UINT64_C(1) << GGML_TYPE_##name)
#define F32 TYPE(F32)
#define HALF (F32 | TYPE(F16))
#define FLOATS (HALF | TYPE(BF16))
#define I32 TYPE(I32)
/* of factors: all but those of whole numbers, and those that factors are turned into on the way to a product */
#define WEIGHTS ~(TYPE(Q8_1) | TYPE(Q8_K) | TYPE(I8) | TYPE(I16) | TYPE(I32) | TYPE(I64) | TYPE(F64))
#define STORED (WEIGHTS | TYPE(I8) | TYPE(I16) | TYPE(I32) | TYPE(I64))
#define ANY UINT64_MAX
#define SAME UINT64_C(0) /* as the first source */

enum {
    NEW = APIR_OP_NEW,
    DENSE = APIR_OP_DENSE,
    PADDED = APIR_OP_PADDED,
    CPU_ROWS = APIR_OP_CPU_ROWS,
    CPU_ALL_ROWS = APIR_OP_CPU_ALL_ROWS,
    CPU_DENSE = APIR_OP_CPU_DENSE,
};

struct op_rule {
    uint8_t required, allowed; /* sources: the first so many are there; none is beyond */
    uint64_t first, others;    /* their types; a rule has those of ids and masks */
    uint64_t result;
    unsigned layout;
    bool (*fits)(const struct ggml_tensor *op);
};

static const struct op_rule rules[GGML_OP_COUNT] = {
    [GGML_OP_NONE] = {0, 0, ANY, ANY, ANY, 0, apir_op_any},
    [GGML_OP_DUP] = {1, 1, ANY, 0, SAME, 0, apir_op_same_elements},
    [GGML_OP_ADD] = {2, 2, FLOATS, FLOATS, FLOATS, CPU_ROWS, apir_op_broadcast},
    [GGML_OP_ADD_ID] = {3, 3, F32, F32 | I32, F32, CPU_ALL_ROWS, apir_op_add_id},
    [GGML_OP_ADD1] = {2, 2, FLOATS, FLOATS, SAME, DENSE, apir_op_add1},
    [GGML_OP_ACC] = {2, 2, F32, F32, F32, CPU_ALL_ROWS, apir_op_window},
    [GGML_OP_SUB] = {2, 2, FLOATS, FLOATS, FLOATS, CPU_ROWS, apir_op_broadcast},
    [GGML_OP_MUL] = {2, 2, FLOATS, FLOATS, FLOATS, CPU_ROWS, apir_op_broadcast},
    [GGML_OP_DIV] = {2, 2, FLOATS, FLOATS, FLOATS, CPU_ROWS, apir_op_broadcast},
    [GGML_OP_SQR] = {1, 1, FLOATS, 0, SAME, CPU_ROWS, apir_op_like_first},
    [GGML_OP_SQRT] = {1, 1, FLOATS, 0, SAME, CPU_ROWS, apir_op_like_first},
    [GGML_OP_LOG] = {1, 1, FLOATS, 0, SAME, CPU_ROWS, apir_op_like_first},
    [GGML_OP_SIN] = {1, 1, FLOATS, 0, SAME, CPU_ROWS, apir_op_like_first},
    [GGML_OP_COS] = {1, 1, FLOATS, 0, SAME, CPU_ROWS, apir_op_like_first},
    [GGML_OP_SUM] = {1, 1, FLOATS, 0, SAME, NEW, apir_op_total},
    [GGML_OP_SUM_ROWS] = {1, 1, F32, 0, F32, NEW | CPU_ROWS, apir_op_per_row},
    [GGML_OP_CUMSUM] = {1, 1, F32, 0, F32, NEW | CPU_ROWS, apir_op_like_first},
    [GGML_OP_MEAN] = {1, 1, F32, 0, F32, NEW | CPU_ROWS, apir_op_per_row},
    [GGML_OP_ARGMAX] = {1, 1, F32, 0, I32, NEW | CPU_ROWS, apir_op_argmax},
    [GGML_OP_COUNT_EQUAL] = {2, 2, I32, I32, TYPE(I64), NEW | DENSE, apir_op_count_equal},
    [GGML_OP_REPEAT] = {1, 1, FLOATS | TYPE(I16) | I32, 0, SAME, NEW | CPU_ROWS, apir_op_repeat},
    [GGML_OP_REPEAT_BACK] = {1, 1, F32, 0, F32, NEW | CPU_ROWS, apir_op_repeat_back},
    [GGML_OP_CONCAT] = {2, 2, ANY, ANY, SAME, NEW | CPU_ALL_ROWS, apir_op_concat},
    [GGML_OP_SILU_BACK] = {2, 2, HALF, HALF, SAME, NEW | DENSE, apir_op_like_all},
    [GGML_OP_NORM] = {1, 1, F32, 0, F32, 0, apir_op_norm},
    [GGML_OP_RMS_NORM] = {1, 1, F32, 0, F32, CPU_ROWS, apir_op_norm},
    [GGML_OP_RMS_NORM_BACK] = {2, 2, F32, F32, F32, NEW | CPU_ALL_ROWS, apir_op_norm},
    [GGML_OP_GROUP_NORM] = {1, 1, F32, 0, F32, CPU_ROWS, apir_op_group_norm},
    [GGML_OP_L2_NORM] = {1, 1, F32, 0, F32, 0, apir_op_norm},
    [GGML_OP_MUL_MAT] = {2, 2, WEIGHTS, FLOATS, F32, NEW | CPU_ALL_ROWS, apir_op_mul_mat},
    [GGML_OP_MUL_MAT_ID] = {3, 3, WEIGHTS, F32 | I32, F32, NEW | CPU_ALL_ROWS, apir_op_mul_mat_id},
    [GGML_OP_OUT_PROD] = {2, 2, WEIGHTS, F32, F32, NEW | CPU_ROWS, apir_op_out_prod},
    [GGML_OP_SCALE] = {1, 1, F32 | TYPE(BF16), 0, SAME, CPU_DENSE, apir_op_like_first},
    [GGML_OP_SET] = {2, 2, F32 | I32, F32 | I32, SAME, CPU_ALL_ROWS, apir_op_window},
    [GGML_OP_CPY] = {2, 2, STORED, STORED, STORED, 0, apir_op_copy},
    [GGML_OP_CONT] = {1, 1, ANY, 0, SAME, 0, apir_op_same_elements},
    [GGML_OP_RESHAPE] = {1, 1, ANY, 0, SAME, 0, apir_op_any},
    [GGML_OP_VIEW] = {1, 1, ANY, 0, SAME, 0, apir_op_any},
    [GGML_OP_PERMUTE] = {1, 1, ANY, 0, SAME, 0, apir_op_any},
    [GGML_OP_TRANSPOSE] = {1, 1, ANY, 0, SAME, 0, apir_op_any},
    [GGML_OP_GET_ROWS] = {2, 2, WEIGHTS | I32, I32, F32 | I32, NEW | CPU_ALL_ROWS, apir_op_get_rows},
    [GGML_OP_GET_ROWS_BACK] = {2, 2, HALF, I32, F32, NEW | CPU_ALL_ROWS, apir_op_get_rows_back},
    [GGML_OP_SET_ROWS] = {2, 3, HALF, ANY, WEIGHTS, CPU_ALL_ROWS, apir_op_set_rows},
    [GGML_OP_DIAG] = {1, 1, F32, 0, F32, NEW | CPU_ROWS, apir_op_diag},
    [GGML_OP_DIAG_MASK_INF] = {1, 1, F32, 0, F32, DENSE, apir_op_diag_mask},
    [GGML_OP_DIAG_MASK_ZERO] = {1, 1, F32, 0, F32, DENSE, apir_op_diag_mask},
    [GGML_OP_SOFT_MAX] = {1, 3, F32, HALF, F32, CPU_ROWS, apir_op_soft_max},
    [GGML_OP_SOFT_MAX_BACK] = {2, 2, F32, F32, F32, DENSE, apir_op_like_all},
    [GGML_OP_ROPE] = {2, 3, HALF, F32 | I32, SAME, CPU_ROWS, apir_op_rope},
    [GGML_OP_ROPE_BACK] = {2, 3, HALF, F32 | I32, SAME, CPU_ROWS, apir_op_rope},
    [GGML_OP_CLAMP] = {1, 1, HALF, 0, SAME, CPU_ROWS, apir_op_like_first},
    [GGML_OP_CONV_TRANSPOSE_1D] = {2, 2, HALF, F32, F32, NEW | DENSE, apir_op_conv_transpose_1d},
    [GGML_OP_IM2COL] = {2, 2, ANY, F32, HALF, NEW | CPU_ALL_ROWS, apir_op_im2col},
    [GGML_OP_IM2COL_BACK] = {2, 2, F32, ANY, F32, NEW | CPU_ALL_ROWS, apir_op_im2col_back},
    [GGML_OP_IM2COL_3D] = {2, 2, ANY, F32, HALF, NEW | CPU_ALL_ROWS, apir_op_im2col_3d},
    [GGML_OP_COL2IM_1D] = {1, 1, FLOATS, 0, SAME, NEW | DENSE, apir_op_col2im_1d},
    [GGML_OP_CONV_2D] = {2, 2, HALF, F32, F32, NEW, apir_op_conv_2d},
    [GGML_OP_CONV_3D] = {2, 2, HALF, F32, F32, NEW, apir_op_conv_3d},
    [GGML_OP_CONV_2D_DW] = {2, 2, HALF, F32, F32, 0, apir_op_conv_2d_dw},
    [GGML_OP_CONV_TRANSPOSE_2D] = {2, 2, HALF, F32, F32, NEW | DENSE, apir_op_conv_transpose_2d},
    [GGML_OP_POOL_1D] = {1, 1, HALF, 0, F32, NEW | DENSE, apir_op_pool_1d},
    [GGML_OP_POOL_2D] = {1, 1, HALF, 0, F32, NEW | DENSE, apir_op_pool_2d},
    [GGML_OP_POOL_2D_BACK] = {2, 2, F32, HALF, HALF, NEW | DENSE, apir_op_pool_2d_back},
    [GGML_OP_UPSCALE] = {1, 1, F32, 0, F32, NEW, apir_op_upscale},
    [GGML_OP_PAD] = {1, 1, F32, 0, F32, NEW, apir_op_pad},
    [GGML_OP_PAD_REFLECT_1D] = {1, 1, F32, 0, F32, NEW, apir_op_pad_reflect},
    [GGML_OP_ROLL] = {1, 1, F32, 0, F32, NEW, apir_op_roll},
    [GGML_OP_ARANGE] = {0, 0, ANY, 0, F32, NEW, apir_op_arange},
    [GGML_OP_TIMESTEP_EMBEDDING] = {1, 1, F32, 0, F32, NEW | CPU_ROWS, apir_op_timestep},
    [GGML_OP_ARGSORT] = {1, 1, F32, 0, I32, NEW | DENSE, apir_op_argsort},
    [GGML_OP_TOP_K] = {1, 1, F32, 0, I32, NEW | DENSE, apir_op_top_k},
    [GGML_OP_LEAKY_RELU] = {1, 1, HALF, 0, SAME, DENSE, apir_op_like_first},
    [GGML_OP_TRI] = {1, 1, F32, 0, F32, NEW | DENSE, apir_op_tri},
    [GGML_OP_FILL] = {1, 1, HALF, 0, SAME, CPU_ROWS, apir_op_like_first},
    [GGML_OP_FLASH_ATTN_EXT] = {3, 5, F32, WEIGHTS, F32, NEW | CPU_ALL_ROWS, apir_op_flash_attn},
    [GGML_OP_SSM_CONV] = {2, 2, F32, F32, F32, NEW | CPU_ALL_ROWS | CPU_DENSE, apir_op_ssm_conv},
    [GGML_OP_SSM_SCAN] = {7, 7, F32, F32 | I32, F32, NEW | CPU_ALL_ROWS, apir_op_ssm_scan},
    [GGML_OP_WIN_PART] = {1, 1, F32, 0, F32, NEW | DENSE, apir_op_win_part},
    [GGML_OP_WIN_UNPART] = {1, 1, F32, 0, F32, NEW | DENSE, apir_op_win_unpart},
    [GGML_OP_GET_REL_POS] = {1, 1, TYPE(F16), 0, SAME, NEW | DENSE, apir_op_rel_pos},
    [GGML_OP_ADD_REL_POS] = {3, 3, F32, F32, F32, DENSE, apir_op_add_rel_pos},
    [GGML_OP_RWKV_WKV6] = {6, 6, F32, F32, F32, NEW | DENSE, apir_op_wkv6},
    [GGML_OP_GATED_LINEAR_ATTN] = {5, 5, F32, F32, F32, NEW | DENSE, apir_op_gated_linear},
    [GGML_OP_RWKV_WKV7] = {7, 7, F32, F32, F32, NEW | DENSE, apir_op_wkv7},
    [GGML_OP_SOLVE_TRI] = {2, 2, F32, F32, F32, NEW | DENSE, apir_op_solve_tri},
    [GGML_OP_GATED_DELTA_NET] = {6, 6, F32, F32, F32, NEW | CPU_ALL_ROWS, apir_op_delta_net},
    [GGML_OP_LIGHTNING_INDEXER] = {4, 4, F32, WEIGHTS, F32, NEW | CPU_ALL_ROWS, apir_op_indexer},
    [GGML_OP_DSV4_HC_COMB] = {3, 3, F32, F32, F32, NEW | CPU_ALL_ROWS, apir_op_hc_comb},
    [GGML_OP_DSV4_HC_PRE] = {2, 2, F32, F32, F32, NEW | CPU_ALL_ROWS, apir_op_hc_pre},
    [GGML_OP_DSV4_HC_POST] = {3, 4, F32, F32, F32, NEW | CPU_ALL_ROWS, apir_op_hc_post},
    [GGML_OP_UNARY] = {1, 1, FLOATS, 0, SAME, CPU_ROWS, apir_op_unary},
    [GGML_OP_CROSS_ENTROPY_LOSS] = {2, 2, F32, F32, F32, NEW | DENSE, apir_op_total_of_two},
    [GGML_OP_CROSS_ENTROPY_LOSS_BACK] = {3, 3, F32, F32, F32, NEW | DENSE, apir_op_loss_back},
    [GGML_OP_OPT_STEP_ADAMW] = {5, 5, F32, F32, F32, DENSE, apir_op_adamw},
    [GGML_OP_OPT_STEP_SGD] = {3, 3, F32, F32, F32, DENSE, apir_op_sgd},
    [GGML_OP_GLU] = {1, 2, FLOATS, FLOATS, SAME, NEW | PADDED, apir_op_glu},
    /* none for MAP_CUSTOM1 to 3 and CUSTOM, which would call an address of the guest's, nor for FLASH_ATTN_BACK, which
     * ggml itself has no way to make */
};

static bool has_type(const struct ggml_tensor *tensor, uint64_t types)
{
    return types >> tensor->type & 1;
}

static bool is_empty(const struct ggml_tensor *tensor)
{
    return tensor->ne[0] == 0 || tensor->ne[1] == 0 || tensor->ne[2] == 0 || tensor->ne[3] == 0;
}

/* Whether what the result has comes from somewhere. Products of nothing are zeros, as a device has them of its part of a
 * tensor when that is none. */
static bool has_elements(const struct ggml_tensor *op)
{
    if (op->op == GGML_OP_CONCAT || op->op == GGML_OP_SET_ROWS || op->op == GGML_OP_CONV_3D || op->op == GGML_OP_MUL_MAT ||
        is_empty(op))
        return true;
    for (int i = 0; i < GGML_MAX_SRC; i++)
        if (op->src[i] && is_empty(op->src[i]))
            return false;
    return true;
}

bool apir_op_check_runs(const struct ggml_tensor *op)
{
    return op->op != GGML_OP_NONE && op->op != GGML_OP_RESHAPE && op->op != GGML_OP_VIEW && op->op != GGML_OP_PERMUTE &&
           op->op != GGML_OP_TRANSPOSE;
}

static const char *check_sources(const struct op_rule *rule, const struct ggml_tensor *op)
{
    for (int i = 0; i < GGML_MAX_SRC; i++) {
        if (!op->src[i] && i < rule->required)
            return "a source is missing";
        if (op->src[i] && i >= rule->allowed)
            return "there are too many sources";
        if (op->src[i] && !has_type(op->src[i], i == 0 ? rule->first : rule->others))
            return "a source has a type that the op does not take";
    }
    return has_elements(op) ? NULL : "a source is empty";
}

/* No kernel runs for a result without elements, and when ggml cuts tensors for its devices their shapes may not fit; but
 * ggml's backend for the CPU looks at some before it sees that. */
static bool fits(const struct op_rule *rule, const struct ggml_tensor *op)
{
    bool looked_at = op->op == GGML_OP_CONV_TRANSPOSE_1D || op->op == GGML_OP_ADD || op->op == GGML_OP_SUB ||
                     op->op == GGML_OP_MUL || op->op == GGML_OP_DIV || op->op == GGML_OP_RMS_NORM;
    return (is_empty(op) && !looked_at) || rule->fits(op);
}

const char *apir_op_check(const struct ggml_tensor *op)
{
    if (!apir_op_check_knows(op->op))
        return "the op is not known";
    const struct op_rule *rule = &rules[op->op];
    const char *flaw = check_sources(rule, op);
    if (flaw)
        return flaw;
    if (rule->result == SAME ? op->type != op->src[0]->type : !has_type(op, rule->result))
        return "the result has a type that the op does not give";
    if (!fits(rule, op))
        return "shapes and parameters do not fit";
    return !apir_op_check_runs(op) || apir_op_lies_well(op, rule->layout) ? NULL : "strides are not what the op takes";
}

bool apir_op_check_cpu(const struct ggml_tensor *op)
{
    if (op->op == GGML_OP_FLASH_ATTN_EXT && op->op_params[3] != GGML_PREC_UNDEFINED &&
        op->op_params[3] != GGML_PREC_F32)
        return false;
    return apir_op_lies_well_on_cpu(op, rules[op->op].layout);
}

bool apir_op_check_knows(enum ggml_op op)
{
    return op >= 0 && op < GGML_OP_COUNT && rules[op].fits;
}
