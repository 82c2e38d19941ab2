#include "backend/op-quick.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka-all.h"

static int setup(void **state)
{
    struct apir_op_quick *quick = aligned_alloc(64, sizeof *quick);
    assert_non_null(quick);
    memset(quick, 0, sizeof *quick);
    *state = quick;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static struct apir_print print_of(uint64_t i)
{
    return apir_print_add((struct apir_print){{0}}, i, i);
}

static void unknown_print_knows_nothing(void **state)
{
    struct apir_op_answer answer = apir_op_quick_get(*state, print_of(1));
    struct apir_op_answer zero = apir_op_quick_get(*state, (struct apir_print){{0}});
    assert_false(answer.has_support || answer.has_size);
    assert_false(zero.has_support || zero.has_size);
}

static void every_answer_is_given_back(void **state)
{
    const uint64_t sizes[] = {0, 1, 4096, UINT64_C(1) << 48, UINT64_MAX};
    for (unsigned flags = 0; flags < 4; flags++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            struct apir_op_answer put = {
                .has_support = true,
                .supported = flags & 1,
                .offload = flags & 2,
                .has_size = true,
                .size = sizes[i],
            };
            apir_op_quick_put(*state, print_of(7), put);
            struct apir_op_answer got = apir_op_quick_get(*state, print_of(7));
            assert_true(got.has_support && got.has_size);
            assert_true(got.supported == put.supported && got.offload == put.offload);
            assert_true(got.size == put.size);
        }
}

static void answers_of_both_kinds_are_kept_together(void **state)
{
    apir_op_quick_put(*state, print_of(1), (struct apir_op_answer){.has_support = true, .supported = true});
    assert_false(apir_op_quick_get(*state, print_of(1)).has_size);
    apir_op_quick_put(*state, print_of(1), (struct apir_op_answer){.has_size = true, .size = 64});
    struct apir_op_answer answer = apir_op_quick_get(*state, print_of(1));
    assert_true(answer.has_support && answer.supported && answer.has_size);
    assert_int_equal(answer.size, 64);
}

static void size_without_room_is_not_kept(void **state)
{
    apir_op_quick_put(*state, print_of(1), (struct apir_op_answer){.has_size = true, .size = UINT64_MAX - 1});
    assert_false(apir_op_quick_get(*state, print_of(1)).has_size);
}

/* As many in one set as it can have, and one more. */
static void newest_answers_of_a_set_are_kept(void **state)
{
    for (uint64_t i = 0; i <= APIR_OP_QUICK_WAYS; i++)
        apir_op_quick_put(*state, (struct apir_print){{5, i}}, (struct apir_op_answer){.has_size = true, .size = i});
    assert_false(apir_op_quick_get(*state, (struct apir_print){{5, 0}}).has_size);
    for (uint64_t i = 1; i <= APIR_OP_QUICK_WAYS; i++)
        assert_int_equal(apir_op_quick_get(*state, (struct apir_print){{5, i}}).size, i);
}

/* Either word of the print, or the answer, is of another entry: as when two threads write at once. */
static void torn_entry_is_no_answer(void **state)
{
    struct apir_op_quick *quick = *state;
    struct apir_print a = {{5, 1}}, b = {{5, 2}};
    for (unsigned torn = 0; torn < 3; torn++) {
        memset(quick, 0, sizeof *quick);
        apir_op_quick_put(quick, a, (struct apir_op_answer){.has_size = true, .size = 111});
        apir_op_quick_put(quick, b, (struct apir_op_answer){.has_size = true, .size = 222});
        struct apir_op_quick_entry *new = &quick->sets[0].entries[0], *old = &quick->sets[0].entries[1];
        if (torn == 0)
            atomic_store(&new->answer, atomic_load(&old->answer));
        else
            atomic_store(&new->tags[torn - 1], atomic_load(&old->tags[torn - 1]));
        assert_false(apir_op_quick_get(quick, b).has_size);
        assert_int_equal(apir_op_quick_get(quick, a).size, 111);
    }
}

enum {
    THREADS = 4,
    ROUNDS = 20000,
    PRINTS = 3 * APIR_OP_QUICK_WAYS, /* all in one set */
};

static uint64_t size_of(uint64_t i)
{
    return 1000 * i + 64;
}

/* Counts wrong answers. */
static void *get_and_put(void *data)
{
    uintptr_t wrong = 0;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t i = round * 7 % PRINTS;
        struct apir_print print = {{9, i}};
        struct apir_op_answer answer = apir_op_quick_get(data, print);
        if (answer.has_size && answer.size != size_of(i))
            wrong++;
        if (answer.has_support && (answer.supported != (i & 1) || answer.offload))
            wrong++;
        if (!answer.has_size)
            apir_op_quick_put(data, print, (struct apir_op_answer){.has_size = true, .size = size_of(i)});
        else if (!answer.has_support)
            apir_op_quick_put(data, print, (struct apir_op_answer){.has_support = true, .supported = i & 1});
    }
    return (void *)wrong;
}

static void threads_that_write_at_once_never_see_a_wrong_answer(void **state)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, get_and_put, *state), 0);
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_ptr_equal(wrong, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(unknown_print_knows_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(every_answer_is_given_back, setup, teardown),
        cmocka_unit_test_setup_teardown(answers_of_both_kinds_are_kept_together, setup, teardown),
        cmocka_unit_test_setup_teardown(size_without_room_is_not_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(newest_answers_of_a_set_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(torn_entry_is_no_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(threads_that_write_at_once_never_see_a_wrong_answer, setup, teardown),
    };
    return cmocka_run_group_tests_name("op quick", tests, NULL, NULL);
}
