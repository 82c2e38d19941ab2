/* Rules of matrices, attention and recurrent layers. */
#include "executor/op-layout.h"
#include "executor/op-rules.h"

/* A hint says that a is the matrix of a transform, whose values are not looked at then. */
static bool has_good_hint(const struct ggml_tensor *op)
{
    int64_t n = op->src[0]->ne[0];
    return op->op_params[1] == GGML_HINT_NONE ||
           (op->op_params[1] == GGML_HINT_SRC0_IS_HADAMARD && (n & (n - 1)) == 0 && n == op->src[0]->ne[1]);
}

bool apir_op_mul_mat(const struct ggml_tensor *op)
{
    const struct ggml_tensor *a = op->src[0], *b = op->src[1];
    return has_good_hint(op) && a->ne[0] == b->ne[0] && apir_op_divides(a->ne[2], b->ne[2]) &&
           apir_op_divides(a->ne[3], b->ne[3]) && (ggml_is_empty(a) || !ggml_is_transposed(a)) &&
           apir_op_is(op, a->ne[1], b->ne[1], b->ne[2], b->ne[3]);
}

/* Of the matrices in a, each column of b is multiplied with those that ids has for it. */
bool apir_op_mul_mat_id(const struct ggml_tensor *op)
{
    const struct ggml_tensor *a = op->src[0], *b = op->src[1], *ids = op->src[2];
    return ids->type == GGML_TYPE_I32 && b->type == GGML_TYPE_F32 && a->ne[0] == b->ne[0] && a->ne[3] == 1 &&
           b->ne[3] == 1 && !ggml_is_transposed(a) && apir_op_is(ids, ids->ne[0], b->ne[2], 1, 1) &&
           apir_op_divides(b->ne[1], ids->ne[0]) && apir_op_is(op, a->ne[1], ids->ne[0], b->ne[2], 1);
}

bool apir_op_out_prod(const struct ggml_tensor *op)
{
    const struct ggml_tensor *a = op->src[0], *b = op->src[1];
    return a->ne[1] == b->ne[1] && apir_op_divides(a->ne[2], b->ne[2]) && apir_op_divides(a->ne[3], b->ne[3]) &&
           apir_op_is(op, a->ne[0], b->ne[0], b->ne[2], b->ne[3]);
}

/* Sinks are a number for each head. */
static bool has_sinks(const struct ggml_tensor *sinks, int64_t n_heads)
{
    return !sinks || (sinks->type == GGML_TYPE_F32 && apir_op_is(sinks, n_heads, 1, 1, 1));
}

bool apir_op_soft_max(const struct ggml_tensor *op)
{
    const struct ggml_tensor *a = op->src[0], *mask = op->src[1];
    if (!ggml_are_same_shape(op, a) || !ggml_is_contiguous(a) || !has_sinks(op->src[2], a->ne[2]))
        return false;
    if (!mask)
        return apir_op_float(op, 1) == 0; /* a bias is added to the mask */
    return (mask->type == GGML_TYPE_F16 || mask->type == GGML_TYPE_F32) && ggml_is_contiguous(mask) &&
           mask->ne[0] == a->ne[0] && mask->ne[1] >= a->ne[1] && apir_op_divides(mask->ne[2], a->ne[2]) &&
           apir_op_divides(mask->ne[3], a->ne[3]);
}

enum {
    ROPE_DIMS = 1, /* places among the parameters */
    ROPE_MODE = 2,
    ROPE_SECTIONS = 11,
    ROPE_OFFSET = 15,
    ROPE_MAX_ROW = 1024,
};

/* Sections share out the dimensions; a kernel divides by their sum. */
static bool has_sections(const struct ggml_tensor *op)
{
    const int32_t *sections = &op->op_params[ROPE_SECTIONS];
    return apir_op_params_from(op, ROPE_SECTIONS, ROPE_SECTIONS + GGML_MROPE_SECTIONS - 1, 0) &&
           (sections[0] > 0 || sections[1] > 0 || sections[2] > 0) &&
           sections[0] + sections[1] + sections[2] + sections[3] <= op->ne[0];
}

static bool rotates(const struct ggml_tensor *op, int32_t dims, int32_t offset)
{
    int64_t ne0 = op->ne[0];
    switch (op->op_params[ROPE_MODE]) {
    case GGML_ROPE_TYPE_NORMAL:
    case GGML_ROPE_TYPE_NEOX:
        return dims <= ne0 && offset <= ne0 - dims;
    case GGML_ROPE_TYPE_MROPE:
    case GGML_ROPE_TYPE_IMROPE:
        return dims <= ne0 && offset <= ne0 - dims && has_sections(op);
    case GGML_ROPE_TYPE_VISION:
        return dims == ne0 / 2 && offset == 0 && has_sections(op);
    default:
        return false;
    }
}

/* b has the positions, c perhaps a factor for each pair that is rotated. ggml's kernels read factors for the other
 * pairs too, and forget them: rows that are longer than any model's are not let do so. */
bool apir_op_rope(const struct ggml_tensor *op)
{
    const struct ggml_tensor *a = op->src[0], *b = op->src[1], *c = op->src[2];
    int32_t dims = op->op_params[ROPE_DIMS], offset = op->op_params[ROPE_OFFSET];
    int64_t positions = a->ne[2] * (op->op_params[ROPE_MODE] & GGML_ROPE_TYPE_MROPE ? 4 : 1);
    return ggml_are_same_shape(op, a) && a->ne[0] % 2 == 0 && b->type == GGML_TYPE_I32 &&
           apir_op_is(b, positions, 1, 1, 1) && dims > 0 && dims % 2 == 0 && offset >= 0 && offset % 2 == 0 &&
           rotates(op, dims, offset) &&
           (!c || (c->type == GGML_TYPE_F32 && ggml_is_vector(c) && c->ne[0] >= dims / 2 &&
                   (c->ne[0] >= a->ne[0] / 2 || a->ne[0] <= ROPE_MAX_ROW)));
}

static bool is_precision(int32_t number)
{
    return number == GGML_PREC_UNDEFINED || number == GGML_PREC_F32 || number == GGML_PREC_BF16 ||
           number == GGML_PREC_F16;
}

bool apir_op_flash_attn(const struct ggml_tensor *op)
{
    const struct ggml_tensor *q = op->src[0], *k = op->src[1], *v = op->src[2], *mask = op->src[3];
    if (q->ne[0] != k->ne[0] || v->ne[1] != k->ne[1] || k->ne[2] != v->ne[2] || !apir_op_divides(k->ne[2], q->ne[2]) ||
        q->ne[3] != k->ne[3] || q->ne[3] != v->ne[3] || !has_sinks(op->src[4], q->ne[2]) ||
        !apir_op_is(op, v->ne[0], q->ne[2], q->ne[1], q->ne[3]) || !is_precision(op->op_params[3]) ||
        op->op_params[4] < 0)
        return false;
    if (!mask)
        return apir_op_float(op, 1) == 0;
    return mask->type == GGML_TYPE_F16 && ggml_is_contiguous(mask) && mask->ne[0] >= k->ne[1] &&
           mask->ne[1] >= q->ne[1] && apir_op_divides(mask->ne[2], q->ne[2]) && apir_op_divides(mask->ne[3], q->ne[3]);
}

/* a has for each sequence the last values of the one before, and then its own. */
bool apir_op_ssm_conv(const struct ggml_tensor *op)
{
    const struct ggml_tensor *a = op->src[0], *c = op->src[1];
    return ggml_is_3d(a) && ggml_is_matrix(c) && c->ne[0] > 0 && c->ne[1] == a->ne[1] &&
           apir_op_is(op, a->ne[1], a->ne[0] - c->ne[0] + 1, a->ne[2], 1);
}

/* Elements of the outputs, then of n states. */
static bool packs(const struct ggml_tensor *op, int64_t outputs, int64_t state, int64_t n)
{
    int64_t states = apir_op_times(state, n);
    return states >= 0 && outputs >= 0 && ggml_nelements(op) - outputs == states && ggml_is_contiguous(op);
}

/* The first two dimensions lie densely. */
static bool has_dense_pairs(const struct ggml_tensor *tensor)
{
    return tensor->nb[0] == sizeof(float) && tensor->nb[1] == (size_t)tensor->ne[0] * tensor->nb[0];
}

bool apir_op_ssm_scan(const struct ggml_tensor *op)
{
    const struct ggml_tensor *s = op->src[0], *x = op->src[1], *dt = op->src[2], *A = op->src[3], *B = op->src[4],
                             *C = op->src[5], *ids = op->src[6];
    int64_t d_state = s->ne[0], head_dim = x->ne[0], n_head = x->ne[1], n_tokens = x->ne[2], n_seqs = x->ne[3];
    int32_t snapshots = op->op_params[0];
    return snapshots >= 1 && apir_op_is_new(s) && apir_op_is_new(dt) && apir_op_is_new(A) && has_dense_pairs(x) &&
           has_dense_pairs(B) && has_dense_pairs(C) && s->ne[1] == head_dim && s->ne[2] == n_head && s->ne[3] >= 1 &&
           apir_op_is(dt, n_head, n_tokens, n_seqs, 1) && apir_op_is(A, A->ne[0], n_head, 1, 1) &&
           (A->ne[0] == 1 || (A->ne[0] == d_state && snapshots == 1)) && ggml_are_same_shape(B, C) &&
           apir_op_is(B, d_state, B->ne[1], n_tokens, n_seqs) && apir_op_divides(B->ne[1], n_head) &&
           ids->type == GGML_TYPE_I32 && apir_op_is(ids, n_seqs, 1, 1, 1) &&
           packs(op, ggml_nelements(x), d_state * head_dim * n_head, apir_op_times(snapshots, n_seqs));
}

/* Of linear attention: the first sources [size, heads, tokens], the last a row of states for each sequence; the result
 * has a row for each token, and then the new states. */
static bool is_linear(const struct ggml_tensor *op, int n_like, int state_index)
{
    const struct ggml_tensor *a = op->src[0], *state = op->src[state_index];
    int64_t size = a->ne[0], row = apir_op_times(size, a->ne[1]), tokens = a->ne[2], n_seqs = state->ne[1];
    for (int i = 0; i < n_like; i++)
        if (!ggml_is_3d(op->src[i]) || !ggml_are_same_shape(a, op->src[i]) || !ggml_is_contiguous(op->src[i]))
            return false;
    return apir_op_divides(n_seqs, tokens) && ggml_is_contiguous(state) &&
           ggml_nelements(state) == apir_op_times(apir_op_times(row, size), n_seqs) && ggml_is_contiguous(op) &&
           apir_op_is(op, row, tokens + apir_op_times(size, n_seqs), 1, 1);
}

bool apir_op_wkv6(const struct ggml_tensor *op)
{
    const struct ggml_tensor *first = op->src[3];
    return is_linear(op, 3, 5) && ggml_are_same_shape(op->src[0], op->src[4]) && ggml_is_contiguous(op->src[4]) &&
           ggml_is_contiguous(first) && ggml_nelements(first) == apir_op_times(op->src[0]->ne[0], op->src[0]->ne[1]);
}

bool apir_op_gated_linear(const struct ggml_tensor *op)
{
    return is_linear(op, 4, 4);
}

/* Kernels take this many numbers at once and do not look whether there are as many. */
enum {
    WKV7_STEP = 64,
};

bool apir_op_wkv7(const struct ggml_tensor *op)
{
    return is_linear(op, 6, 6) && op->src[0]->ne[0] % WKV7_STEP == 0;
}

bool apir_op_solve_tri(const struct ggml_tensor *op)
{
    const struct ggml_tensor *a = op->src[0], *b = op->src[1];
    return a->ne[0] == a->ne[1] && a->ne[1] == b->ne[1] && a->ne[2] == b->ne[2] && a->ne[3] == b->ne[3] &&
           ggml_is_contiguous(a) && ggml_is_contiguous(b) && ggml_is_contiguous(op) && ggml_are_same_shape(op, b);
}

bool apir_op_delta_net(const struct ggml_tensor *op)
{
    const struct ggml_tensor *q = op->src[0], *k = op->src[1], *v = op->src[2], *g = op->src[3], *beta = op->src[4],
                             *state = op->src[5];
    int64_t size = v->ne[0], n_head = v->ne[1], n_tokens = v->ne[2], n_seqs = v->ne[3];
    return ggml_are_same_shape(q, k) && apir_op_is(q, size, q->ne[1], n_tokens, q->ne[3]) &&
           apir_op_divides(q->ne[1], n_head) && apir_op_divides(q->ne[3], n_seqs) &&
           (g->ne[0] == 1 || g->ne[0] == size) && apir_op_is(g, g->ne[0], n_head, n_tokens, n_seqs) &&
           apir_op_is(beta, 1, n_head, n_tokens, n_seqs) && apir_op_is(state, size, size, n_head, n_seqs) &&
           apir_op_is_new(g) && apir_op_is_new(beta) && apir_op_is_new(state) && op->op_params[0] >= 1 &&
           packs(op, ggml_nelements(v), ggml_nelements(state), op->op_params[0]);
}

bool apir_op_indexer(const struct ggml_tensor *op)
{
    const struct ggml_tensor *q = op->src[0], *k = op->src[1], *weights = op->src[2], *mask = op->src[3];
    return q->ne[0] == k->ne[0] && k->ne[1] == 1 && k->ne[3] == q->ne[3] &&
           apir_op_is(weights, q->ne[1], q->ne[2], 1, q->ne[3]) && mask->type == GGML_TYPE_F16 &&
           weights->type == GGML_TYPE_F32 && apir_op_is(mask, k->ne[2], q->ne[2], 1, mask->ne[3]) &&
           apir_op_divides(mask->ne[3], q->ne[3]) && apir_op_is(op, k->ne[2], q->ne[2], 1, q->ne[3]);
}

enum {
    HC_STREAMS = 4, /* the one number of streams that ggml has */
};

bool apir_op_hc_comb(const struct ggml_tensor *op)
{
    const struct ggml_tensor *mixes = op->src[0], *scale = op->src[1], *base = op->src[2];
    int64_t mix = (2 + HC_STREAMS) * HC_STREAMS;
    return apir_op_is(mixes, mix, mixes->ne[1], 1, 1) && scale->ne[0] >= 3 && ggml_is_vector(scale) &&
           apir_op_is(base, mix, 1, 1, 1) && op->op_params[1] > 0 && op->op_params[1] <= APIR_OP_MAX_PARAM &&
           apir_op_is(op, HC_STREAMS, HC_STREAMS, mixes->ne[1], 1);
}

/* The second parameter tells whether there is a weight for each element or for each stream. */
bool apir_op_hc_pre(const struct ggml_tensor *op)
{
    const struct ggml_tensor *x = op->src[0], *weights = op->src[1];
    return x->ne[1] > 0 && x->ne[3] == 1 &&
           (op->op_params[1] ? ggml_are_same_shape(x, weights) : apir_op_is(weights, x->ne[1], x->ne[2], 1, 1)) &&
           apir_op_is(op, x->ne[0], x->ne[2], 1, 1);
}

bool apir_op_hc_post(const struct ggml_tensor *op)
{
    const struct ggml_tensor *x = op->src[0], *residual = op->src[1], *post = op->src[2], *comb = op->src[3];
    int64_t streams = residual->ne[1], tokens = x->ne[1];
    return streams > 0 && apir_op_is(x, x->ne[0], tokens, 1, 1) && apir_op_is(residual, x->ne[0], streams, tokens, 1) &&
           apir_op_is(post, streams, tokens, 1, 1) && (!comb || apir_op_is(comb, streams, streams, tokens, 1)) &&
           ggml_are_same_shape(op, residual);
}
