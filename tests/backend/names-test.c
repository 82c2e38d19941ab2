#include "backend/names.h"

#include <string.h>

#include "cmocka-all.h"
#include "fake.h"

static void seed_0_keeps_ggmls_numbers(void **state)
{
    (void)state;
    struct apir_names names;
    apir_names_init(&names, 0);
    for (int op = 0; op < GGML_OP_COUNT; op++)
        assert_int_equal(apir_names_op(&names, (enum ggml_op)op), op);
    for (int type = 0; type < GGML_TYPE_COUNT; type++)
        assert_int_equal(apir_names_type(&names, (enum ggml_type)type), type);
}

static void seed_permutes_every_numbering(void **state)
{
    (void)state;
    struct apir_names names;
    apir_names_init(&names, 7);
    const struct apir_numbering *all[] = {&names.ops, &names.unary_ops, &names.glu_ops,
                                          &names.types};
    for (size_t n = 0; n < sizeof all / sizeof *all; n++) {
        bool taken[APIR_MAX_OPS] = {false}, moved = false;
        for (uint32_t i = 0; i < all[n]->count; i++) {
            assert_true(all[n]->to_session[i] < all[n]->count);
            assert_false(taken[all[n]->to_session[i]]);
            taken[all[n]->to_session[i]] = true;
            moved = moved || all[n]->to_session[i] != i;
        }
        assert_true(moved);
    }
}

static void request_lists_names_by_session_number(void **state)
{
    (void)state;
    struct apir_names names;
    struct apir_arena arena = {0};
    struct apir_negotiate_args args;
    apir_names_init(&names, 3);
    assert_int_equal(apir_names_request(&names, &arena, &args), 0);
    assert_string_equal(args.ggml_version, ggml_version());
    assert_string_equal(args.ops[apir_names_op(&names, GGML_OP_MUL_MAT)], "MUL_MAT");
    const struct apir_type_info *q8_0 = &args.types[apir_names_type(&names, GGML_TYPE_Q8_0)];
    assert_string_equal(q8_0->name, "q8_0");
    assert_int_equal(q8_0->block_size, 32);
    assert_int_equal(q8_0->type_size, 34);
    for (uint32_t i = 0; i < args.n_unary_ops; i++)
        assert_non_null(args.unary_ops[i]);
    for (uint32_t i = 0; i < args.n_glu_ops; i++)
        assert_non_null(args.glu_ops[i]);
    apir_arena_finish(&arena);
}

static void removed_type_has_no_name_and_no_blocks(void **state)
{
    (void)state;
    struct apir_names names;
    struct apir_arena arena = {0};
    struct apir_negotiate_args args;
    apir_names_init(&names, 0);
    assert_int_equal(apir_names_request(&names, &arena, &args), 0);
    assert_string_equal(args.types[4].name, "");
    assert_int_equal(args.types[4].block_size, 0);
    apir_arena_finish(&arena);
}

static void function_pointers_are_never_known(void **state)
{
    (void)state;
    static const enum ggml_op ops[] = {GGML_OP_MAP_CUSTOM1, GGML_OP_MAP_CUSTOM2,
                                       GGML_OP_MAP_CUSTOM3, GGML_OP_CUSTOM};
    struct fake fake;
    fake_init(&fake, 5);
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        struct ggml_tensor tensor = {.op = ops[i]};
        assert_false(apir_names_knows_op(&fake.reg.names, &tensor));
    }
    fake_finish(&fake);
}

static void what_the_host_lacks_is_not_known(void **state)
{
    (void)state;
    struct apir_names names;
    bool ops[APIR_MAX_OPS] = {false}, types[APIR_MAX_OPS] = {false};
    apir_names_init(&names, 9);
    ops[apir_names_op(&names, GGML_OP_ADD)] = true;
    types[apir_names_type(&names, GGML_TYPE_F16)] = true;
    struct apir_negotiate_reply reply = {
        .ops = ops, .n_ops = GGML_OP_COUNT, .types = types, .n_types = GGML_TYPE_COUNT};
    apir_names_learn(&names, &reply);
    struct ggml_tensor add = {.op = GGML_OP_ADD, .type = GGML_TYPE_F16};
    struct ggml_tensor mul = {.op = GGML_OP_MUL, .type = GGML_TYPE_F32};
    assert_true(apir_names_knows_op(&names, &add));
    assert_true(apir_names_knows_type(&names, &add));
    assert_false(apir_names_knows_op(&names, &mul));
    assert_false(apir_names_knows_type(&names, &mul));
}

static void short_reply_leaves_the_rest_unknown(void **state)
{
    (void)state;
    struct apir_names names;
    static const bool yes[1] = {true};
    apir_names_init(&names, 0);
    struct apir_negotiate_reply reply = {.ops = yes, .n_ops = 1, .types = yes, .n_types = 1};
    apir_names_learn(&names, &reply);
    assert_true(names.op_known[0]);
    assert_false(names.op_known[1]);
    assert_false(names.type_known[1]);
}

static void sub_op_is_translated_and_nothing_else(void **state)
{
    (void)state;
    struct fake fake;
    int32_t params[APIR_MAX_OP_PARAMS];
    fake_init(&fake, 11);
    const struct apir_names *names = &fake.reg.names;
    struct ggml_tensor unary = {.op = GGML_OP_UNARY, .op_params = {GGML_UNARY_OP_GELU, 5}};
    struct ggml_tensor glu = {.op = GGML_OP_GLU, .op_params = {GGML_GLU_OP_SWIGLU, 1}};
    struct ggml_tensor scale = {.op = GGML_OP_SCALE, .op_params = {GGML_UNARY_OP_GELU, 7}};
    apir_names_op_params(names, &unary, params);
    assert_int_equal(params[0], names->unary_ops.to_session[GGML_UNARY_OP_GELU]);
    assert_int_equal(params[1], 5);
    apir_names_op_params(names, &glu, params);
    assert_int_equal(params[0], names->glu_ops.to_session[GGML_GLU_OP_SWIGLU]);
    assert_int_equal(params[1], 1);
    apir_names_op_params(names, &scale, params);
    assert_memory_equal(params, scale.op_params, sizeof params);
    fake_finish(&fake);
}

static void sub_op_out_of_range_is_not_known(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake, 0);
    struct ggml_tensor unary = {.op = GGML_OP_UNARY, .op_params = {GGML_UNARY_OP_COUNT}};
    struct ggml_tensor glu = {.op = GGML_OP_GLU, .op_params = {-1}};
    assert_false(apir_names_knows_op(&fake.reg.names, &unary));
    assert_false(apir_names_knows_op(&fake.reg.names, &glu));
    fake_finish(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seed_0_keeps_ggmls_numbers),
        cmocka_unit_test(seed_permutes_every_numbering),
        cmocka_unit_test(request_lists_names_by_session_number),
        cmocka_unit_test(removed_type_has_no_name_and_no_blocks),
        cmocka_unit_test(function_pointers_are_never_known),
        cmocka_unit_test(what_the_host_lacks_is_not_known),
        cmocka_unit_test(short_reply_leaves_the_rest_unknown),
        cmocka_unit_test(sub_op_is_translated_and_nothing_else),
        cmocka_unit_test(sub_op_out_of_range_is_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
