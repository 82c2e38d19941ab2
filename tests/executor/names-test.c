#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"

static struct apir_negotiate_reply negotiate(struct fixture *f, const struct apir_negotiate_args *args)
{
    struct apir_negotiate_reply reply = {0};
    fixture_open(f, LIBRARIES "/fake-good.so", NULL);
    assert_int_equal(handle_negotiate(f->executor, &f->scratch, args, &reply), 0);
    assert_int_equal(reply.n_ops, args->n_ops);
    assert_int_equal(reply.n_types, args->n_types);
    return reply;
}

static bool has_pointers(const char *op)
{
    return strncmp(op, "MAP_CUSTOM", 10) == 0 || strcmp(op, "CUSTOM") == 0;
}

static void own_names_in_any_order_are_all_known(void **state)
{
    (void)state;
    static const unsigned rotations[] = {0, 1, 17, 50};
    for (size_t r = 0; r < 4; r++) {
        struct fixture f;
        struct test_lists lists;
        test_lists_init(&lists, rotations[r]);
        struct apir_negotiate_reply reply = negotiate(&f, &lists.args);
        for (uint32_t i = 0; i < reply.n_ops; i++) {
            assert_int_equal(reply.ops[i], !has_pointers(lists.ops[i]));
            if (reply.ops[i])
                assert_string_equal(ggml_op_name((enum ggml_op)f.executor->names.ops[i]), lists.ops[i]);
        }
        for (uint32_t i = 0; i < reply.n_types; i++) {
            assert_int_equal(reply.types[i], lists.types[i].block_size != 0);
            if (reply.types[i])
                assert_string_equal(ggml_type_name((enum ggml_type)f.executor->names.types[i]), lists.types[i].name);
        }
        fixture_close(&f);
    }
}

static void sub_ops_follow_their_own_order(void **state)
{
    (void)state;
    struct fixture f;
    struct test_lists lists;
    test_lists_init(&lists, 3);
    negotiate(&f, &lists.args);
    for (uint32_t i = 0; i < GGML_UNARY_OP_COUNT; i++)
        assert_string_equal(ggml_unary_op_name((enum ggml_unary_op)f.executor->names.unary_ops[i]),
                            lists.unary_ops[i]);
    for (uint32_t i = 0; i < GGML_GLU_OP_COUNT; i++)
        assert_string_equal(ggml_glu_op_name((enum ggml_glu_op)f.executor->names.glu_ops[i]), lists.glu_ops[i]);
    fixture_close(&f);
}

static void unknown_names_are_not_known(void **state)
{
    (void)state;
    struct fixture f;
    struct test_lists lists;
    test_lists_init(&lists, 0);
    lists.ops[GGML_OP_ADD] = "ADD2";
    lists.ops[GGML_OP_MUL] = "";
    lists.ops[GGML_OP_SUB] = "sub";
    lists.types[GGML_TYPE_F16].name = "f17";
    struct apir_negotiate_reply reply = negotiate(&f, &lists.args);
    assert_false(reply.ops[GGML_OP_ADD]);
    assert_false(reply.ops[GGML_OP_MUL]);
    assert_false(reply.ops[GGML_OP_SUB]);
    assert_true(reply.ops[GGML_OP_DIV]);
    assert_false(reply.types[GGML_TYPE_F16]);
    assert_true(reply.types[GGML_TYPE_F32]);
    fixture_close(&f);
}

static void types_of_another_size_are_not_known(void **state)
{
    (void)state;
    struct fixture f;
    struct test_lists lists;
    test_lists_init(&lists, 0);
    lists.types[GGML_TYPE_Q4_0].type_size++;
    lists.types[GGML_TYPE_Q8_0].block_size *= 2;
    lists.types[GGML_TYPE_F16].block_size = 0;
    struct apir_negotiate_reply reply = negotiate(&f, &lists.args);
    assert_false(reply.types[GGML_TYPE_Q4_0]);
    assert_false(reply.types[GGML_TYPE_Q8_0]);
    assert_false(reply.types[GGML_TYPE_F16]);
    assert_true(reply.types[GGML_TYPE_Q4_1]);
    fixture_close(&f);
}

static void expect_only_stable_ops(const struct test_lists *lists)
{
    struct fixture f;
    struct apir_negotiate_reply reply = negotiate(&f, &lists->args);
    assert_true(reply.ops[GGML_OP_ADD]);
    assert_true(reply.ops[GGML_OP_MUL_MAT]);
    assert_true(reply.ops[GGML_OP_NONE]);
    assert_false(reply.ops[GGML_OP_ROPE]);
    assert_false(reply.ops[GGML_OP_UNARY]);
    assert_false(reply.ops[GGML_OP_FLASH_ATTN_EXT]);
    assert_true(reply.types[GGML_TYPE_F32]);
    fixture_close(&f);
}

static void other_release_has_only_stable_ops(void **state)
{
    (void)state;
    static const char *const versions[] = {"", "0", "0.1.0", "0.270.0", "99.27.0", "0.27", "0.2.0"};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        struct test_lists lists;
        test_lists_init(&lists, 0);
        lists.args.ggml_version = versions[i];
        expect_only_stable_ops(&lists);
    }
}

static void other_limits_have_only_stable_ops(void **state)
{
    (void)state;
    struct test_lists lists;
    test_lists_init(&lists, 0);
    lists.args.max_src++;
    expect_only_stable_ops(&lists);
    lists.args.max_src--;
    lists.args.max_dims++;
    expect_only_stable_ops(&lists);
    lists.args.max_dims--;
    lists.args.max_op_params *= 2;
    expect_only_stable_ops(&lists);
}

static void other_patch_level_has_all_ops(void **state)
{
    (void)state;
    char version[64];
    struct fixture f;
    struct test_lists lists;
    strcpy(version, ggml_version());
    strcpy(strrchr(version, '.'), ".999");
    test_lists_init(&lists, 0);
    lists.args.ggml_version = version;
    struct apir_negotiate_reply reply = negotiate(&f, &lists.args);
    assert_true(reply.ops[GGML_OP_ROPE]);
    fixture_close(&f);
}

static void lists_may_be_empty_or_as_long_as_allowed(void **state)
{
    (void)state;
    struct fixture f;
    struct apir_negotiate_args args = {.ggml_version = ""};
    negotiate(&f, &args);
    fixture_close(&f);
    const char *names[APIR_MAX_OPS];
    struct apir_type_info types[APIR_MAX_OPS];
    for (uint32_t i = 0; i < APIR_MAX_OPS; i++) {
        names[i] = "ADD";
        types[i] = (struct apir_type_info){.name = "f32", .block_size = 1, .type_size = 4};
    }
    args = (struct apir_negotiate_args){.ggml_version = "", .ops = names, .n_ops = APIR_MAX_OPS, .unary_ops = names,
                                        .n_unary_ops = APIR_MAX_OPS, .glu_ops = names, .n_glu_ops = APIR_MAX_OPS,
                                        .types = types, .n_types = APIR_MAX_OPS};
    struct apir_negotiate_reply reply = negotiate(&f, &args);
    assert_true(reply.ops[APIR_MAX_OPS - 1]);
    assert_true(reply.types[APIR_MAX_OPS - 1]);
    fixture_close(&f);
}

enum { RIVALS = 4 };

/* Threads that negotiate at the same moment. */
struct rivals {
    struct fixture f;
    pthread_barrier_t start;
};

static void *negotiate_once(void *data)
{
    struct rivals *rivals = data;
    struct apir_arena scratch = {0};
    struct test_lists lists;
    struct apir_negotiate_reply reply;
    test_lists_init(&lists, 0);
    pthread_barrier_wait(&rivals->start);
    long ret = handle_negotiate(rivals->f.executor, &scratch, &lists.args, &reply);
    apir_arena_finish(&scratch);
    return (void *)ret;
}

static void of_several_at_once_one_negotiates(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct rivals rivals;
        pthread_t threads[RIVALS];
        int good = 0;
        fixture_open(&rivals.f, LIBRARIES "/fake-good.so", NULL);
        pthread_barrier_init(&rivals.start, NULL, RIVALS);
        for (int i = 0; i < RIVALS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, negotiate_once, &rivals), 0);
        for (int i = 0; i < RIVALS; i++) {
            void *ret;
            pthread_join(threads[i], &ret);
            assert_true(ret == NULL || (long)ret == -EALREADY);
            good += ret == NULL;
        }
        assert_int_equal(good, 1);
        pthread_barrier_destroy(&rivals.start);
        fixture_close(&rivals.f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_names_in_any_order_are_all_known),
        cmocka_unit_test(sub_ops_follow_their_own_order),
        cmocka_unit_test(unknown_names_are_not_known),
        cmocka_unit_test(types_of_another_size_are_not_known),
        cmocka_unit_test(other_release_has_only_stable_ops),
        cmocka_unit_test(other_limits_have_only_stable_ops),
        cmocka_unit_test(other_patch_level_has_all_ops),
        cmocka_unit_test(lists_may_be_empty_or_as_long_as_allowed),
        cmocka_unit_test(of_several_at_once_one_negotiates),
    };
    return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
