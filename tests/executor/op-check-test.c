/* Nodes made by ggml's own functions pass; every way to make them something else does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "executor/op-check.h"
#include "op-samples.h"

static int open_context(void **state)
{
    struct ggml_init_params params = {.mem_size = 1 << 20, .no_alloc = true};
    *state = ggml_init(params);
    return *state ? 0 : -1;
}

static int close_context(void **state)
{
    ggml_free(*state);
    return 0;
}

static struct ggml_tensor *f32(struct ggml_context *context, int64_t ne0, int64_t ne1)
{
    return ggml_new_tensor_2d(context, GGML_TYPE_F32, ne0, ne1);
}

/* A release of ggml with ops that have no rule is to be looked at: the host would not compute them. */
static void every_op_has_a_rule(void **state)
{
    (void)state;
    for (int op = 0; op < GGML_OP_COUNT; op++) {
        bool without = op == GGML_OP_CUSTOM || op == GGML_OP_MAP_CUSTOM1 || op == GGML_OP_MAP_CUSTOM2 ||
                       op == GGML_OP_MAP_CUSTOM3 || op == GGML_OP_FLASH_ATTN_BACK;
        if (apir_op_check_knows((enum ggml_op)op) == without)
            fail_msg("%s", ggml_op_name((enum ggml_op)op));
    }
    assert_false(apir_op_check_knows(GGML_OP_COUNT));
}

/* Of every op with a rule there is a sample, so that changes to it are tried; views run nothing, and what adds one
 * number to all has been given up by ggml. */
static void what_ggml_makes_passes(void **state)
{
    enum { VARIANTS = 60 };
    bool seen[GGML_OP_COUNT] = {[GGML_OP_NONE] = true,    [GGML_OP_RESHAPE] = true,   [GGML_OP_VIEW] = true,
                                [GGML_OP_PERMUTE] = true, [GGML_OP_TRANSPOSE] = true, [GGML_OP_ADD1] = true};
    for (unsigned n = 0; n < op_sample_count(); n++) {
        for (unsigned variant = 0; variant < VARIANTS; variant++) {
            ggml_reset(*state);
            struct ggml_tensor *op = op_sample(*state, n, variant);
            if (apir_op_check(op) || !apir_op_check_cpu(op))
                fail_msg("%s, variant %u: %s", ggml_op_desc(op), variant, apir_op_check(op));
            seen[op->op] = true;
        }
    }
    for (int op = 0; op < GGML_OP_COUNT; op++)
        if (apir_op_check_knows((enum ggml_op)op) && !seen[op])
            fail_msg("no sample of %s", ggml_op_name((enum ggml_op)op));
}

static void call_nothing(struct ggml_tensor *to, const struct ggml_tensor *a, int index, int count, void *data)
{
    (void)to;
    (void)a;
    (void)index;
    (void)count;
    (void)data;
}

static void ops_that_call_back_are_refused(void **state)
{
    struct ggml_tensor *op = ggml_map_custom1(*state, f32(*state, 4, 1), call_nothing, 1, NULL);
    assert_string_equal(apir_op_check(op), "the op is not known");
}

static void missing_sources_are_refused(void **state)
{
    struct ggml_tensor *op = ggml_mul_mat(*state, f32(*state, 4, 2), f32(*state, 4, 3));
    assert_null(apir_op_check(op));
    op->src[1] = NULL;
    assert_string_equal(apir_op_check(op), "a source is missing");
    op->src[0] = NULL;
    assert_string_equal(apir_op_check(op), "a source is missing");
}

static void further_sources_are_refused(void **state)
{
    struct ggml_tensor *op = ggml_sqr(*state, f32(*state, 4, 2));
    assert_null(apir_op_check(op));
    op->src[9] = op->src[0];
    assert_string_equal(apir_op_check(op), "there are too many sources");
}

static void results_larger_than_their_sources_are_refused(void **state)
{
    struct ggml_tensor *op = ggml_add(*state, f32(*state, 4, 2), f32(*state, 4, 1));
    assert_null(apir_op_check(op));
    op->ne[1] = 3;
    assert_string_equal(apir_op_check(op), "shapes and parameters do not fit");
}

static void types_without_kernels_are_refused(void **state)
{
    struct ggml_tensor *op = ggml_soft_max(*state, f32(*state, 4, 2));
    assert_null(apir_op_check(op));
    op->type = GGML_TYPE_F16;
    assert_string_equal(apir_op_check(op), "the result has a type that the op does not give");
    op->src[0]->type = GGML_TYPE_Q4_0;
    assert_string_equal(apir_op_check(op), "a source has a type that the op does not take");
}

static void empty_sources_are_refused(void **state)
{
    struct ggml_tensor *op = ggml_sum(*state, f32(*state, 4, 2));
    assert_null(apir_op_check(op));
    op->src[0]->ne[2] = 0;
    assert_string_equal(apir_op_check(op), "a source is empty");
}

/* As a device computes that has no head of a model's: the stride of what there is none of is 0. */
static void nodes_without_elements_pass(void **state)
{
    struct ggml_tensor *heads = ggml_new_tensor_3d(*state, GGML_TYPE_F32, 64, 0, 2);
    struct ggml_tensor *op = ggml_rope(*state, heads, ggml_new_tensor_1d(*state, GGML_TYPE_I32, 2), 64, 0);
    assert_int_equal(op->nb[2], 0);
    assert_null(apir_op_check(op));
    assert_true(apir_op_check_cpu(op));
    op = ggml_flash_attn_ext(*state, heads, heads, heads, NULL, 1, 0, 0);
    assert_null(apir_op_check(op));
    assert_true(apir_op_check_cpu(op));
    op = ggml_mul_mat(*state, ggml_new_tensor_2d(*state, GGML_TYPE_Q8_0, 32, 128), f32(*state, 32, 2));
    for (int i = 0; i < 2; i++) { /* ggml asserts that there is something, but cuts tensors for its devices later */
        op->src[i]->ne[0] = 0;
        op->src[i]->nb[1] = op->src[i]->nb[2] = op->src[i]->nb[3] = 0;
    }
    assert_null(apir_op_check(op));
    assert_true(apir_op_check_cpu(op));
}

static void overlapping_elements_are_refused(void **state)
{
    struct ggml_tensor *op = ggml_sqr(*state, f32(*state, 4, 2));
    op->src[0]->nb[1] = 0;
    assert_string_equal(apir_op_check(op), "strides are not what the op takes");
    op->src[0]->nb[1] = 1024;
    assert_null(apir_op_check(op));
}

/* Planes far apart do not make up for it. */
static void overlapping_rows_are_refused(void **state)
{
    struct ggml_tensor *op = ggml_sqr(*state, ggml_new_tensor_3d(*state, GGML_TYPE_F32, 10, 10, 2));
    op->src[0]->nb[2] = 4096;
    assert_null(apir_op_check(op));
    op->src[0]->nb[1] = 20;
    assert_string_equal(apir_op_check(op), "strides are not what the op takes");
}

static void more_rows_than_kernels_count_are_refused(void **state)
{
    assert_null(apir_op_check(ggml_sqr(*state, f32(*state, 1, INT32_MAX))));
    assert_non_null(apir_op_check(ggml_sqr(*state, f32(*state, 1, INT64_C(1) << 31))));
    assert_non_null(apir_op_check(ggml_sqr(*state, f32(*state, INT64_C(1) << 31, 1))));
}

static void images_of_places_that_floats_cannot_tell_are_refused(void **state)
{
    struct ggml_tensor *a = f32(*state, 1 << 20, 2);
    assert_null(apir_op_check(ggml_interpolate(*state, a, 1 << 20, 4, 1, 1, GGML_SCALE_MODE_NEAREST)));
    assert_non_null(apir_op_check(ggml_interpolate(*state, a, (1 << 20) + 1, 4, 1, 1, GGML_SCALE_MODE_NEAREST)));
}

/* Parameters that a kernel takes for places or divides by; the number of the parameter, what it may not be. */
static void parameters_that_lead_astray_are_refused(void **state)
{
    struct ggml_tensor *a = f32(*state, 24, 6), *image = ggml_new_tensor_4d(*state, GGML_TYPE_F32, 9, 8, 4, 1);
    struct ggml_tensor *kernel = ggml_new_tensor_4d(*state, GGML_TYPE_F32, 3, 3, 4, 2);
    struct ggml_tensor *rope = ggml_rope(*state, ggml_new_tensor_3d(*state, GGML_TYPE_F32, 64, 2, 3),
                                         ggml_new_tensor_1d(*state, GGML_TYPE_I32, 3), 32, 0);
    const struct {
        struct ggml_tensor *op;
        int index;
        int32_t value;
    } cases[] = {
        {ggml_set(*state, a, f32(*state, 4, 2), 96, 576, 576, 16), 3, 500}, /* offset behind the last row's place */
        {ggml_set(*state, a, f32(*state, 4, 2), 96, 576, 576, 16), 3, -4},
        {ggml_set(*state, a, f32(*state, 4, 2), 96, 576, 576, 16), 0, INT32_MAX},
        {ggml_concat(*state, a, f32(*state, 24, 2), 1), 0, 4},
        {ggml_concat(*state, a, f32(*state, 24, 2), 1), 0, -1},
        {ggml_group_norm(*state, image, 2, 1e-5F), 0, 0},
        {rope, 1, 66}, /* dimensions */
        {rope, 1, 31},
        {rope, 2, GGML_ROPE_TYPE_MROPE},
        {rope, 15, 34}, /* offset */
        {ggml_roll(*state, a, 1, 1, 0, 0), 0, 24},
        {ggml_pad_reflect_1d(*state, a, 3, 3), 0, 24},
        {ggml_pad(*state, a, 1, 1, 0, 0), 1, 2},
        {ggml_argsort(*state, a, GGML_SORT_ORDER_ASC), 0, 2},
        {ggml_unary(*state, a, GGML_UNARY_OP_ABS), 0, GGML_UNARY_OP_COUNT},
        {ggml_unary(*state, a, GGML_UNARY_OP_ABS), 0, -1},
        {ggml_conv_2d_direct(*state, kernel, image, 1, 1, 0, 0, 1, 1), 0, 0}, /* stride */
        {ggml_conv_2d_direct(*state, kernel, image, 1, 1, 0, 0, 1, 1), 4, 2},
        {ggml_pool_2d(*state, image, GGML_OP_POOL_MAX, 2, 2, 2, 2, 0, 0), 3, 0},
        {ggml_win_part(*state, f32(*state, 4, 9), 4), 2, 0},
        {ggml_interpolate(*state, image, 4, 4, 4, 1, GGML_SCALE_MODE_NEAREST), 0, GGML_SCALE_MODE_COUNT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ggml_tensor *op = cases[i].op;
        if (apir_op_check(op))
            fail_msg("case %zu: %s: %s", i, ggml_op_desc(op), apir_op_check(op));
        int32_t good = op->op_params[cases[i].index];
        op->op_params[cases[i].index] = cases[i].value;
        if (!apir_op_check(op))
            fail_msg("case %zu: passed", i);
        op->op_params[cases[i].index] = good;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_op_has_a_rule),
        cmocka_unit_test(what_ggml_makes_passes),
        cmocka_unit_test(ops_that_call_back_are_refused),
        cmocka_unit_test(missing_sources_are_refused),
        cmocka_unit_test(further_sources_are_refused),
        cmocka_unit_test(results_larger_than_their_sources_are_refused),
        cmocka_unit_test(types_without_kernels_are_refused),
        cmocka_unit_test(empty_sources_are_refused),
        cmocka_unit_test(nodes_without_elements_pass),
        cmocka_unit_test(overlapping_elements_are_refused),
        cmocka_unit_test(overlapping_rows_are_refused),
        cmocka_unit_test(more_rows_than_kernels_count_are_refused),
        cmocka_unit_test(images_of_places_that_floats_cannot_tell_are_refused),
        cmocka_unit_test(parameters_that_lead_astray_are_refused),
    };
    return cmocka_run_group_tests_name("op check", tests, open_context, close_context);
}
