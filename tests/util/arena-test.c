#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "util/arena.h"
#include "util/quota.h"

static void memory_is_zeroed_and_aligned(void **state)
{
    (void)state;
    struct apir_arena arena = {0};
    for (size_t size = 1; size < 200; size++) {
        unsigned char *memory = apir_arena_alloc(&arena, size);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(memory[i], 0);
        memset(memory, 0xff, size);
    }
    apir_arena_finish(&arena);
}

static void pieces_do_not_overlap(void **state)
{
    (void)state;
    struct apir_arena arena = {0};
    unsigned char *pieces[100];
    for (unsigned i = 0; i < 100; i++)
        memset(pieces[i] = apir_arena_alloc(&arena, 1000), (int)i, 1000);
    for (unsigned i = 0; i < 100; i++)
        for (unsigned k = 0; k < 1000; k++)
            assert_int_equal(pieces[i][k], i);
    apir_arena_finish(&arena);
}

static void size_zero_gives_a_pointer(void **state)
{
    (void)state;
    struct apir_arena arena = {0};
    void *a = apir_arena_alloc(&arena, 0), *b = apir_arena_alloc(&arena, 0);
    assert_non_null(a);
    assert_non_null(b);
    apir_arena_finish(&arena);
}

static void large_piece_gets_a_block_of_its_own(void **state)
{
    (void)state;
    struct apir_arena arena = {0};
    unsigned char *large = apir_arena_alloc(&arena, 1 << 20);
    assert_non_null(large);
    large[(1 << 20) - 1] = 1;
    assert_non_null(apir_arena_alloc(&arena, 16));
    apir_arena_finish(&arena);
}

static void size_that_wraps_fails(void **state)
{
    (void)state;
    struct apir_arena arena = {0};
    for (size_t i = 0; i < 32; i++)
        assert_null(apir_arena_alloc(&arena, SIZE_MAX - i));
    assert_int_equal(arena.used, 0);
    assert_non_null(apir_arena_alloc(&arena, 1));
    apir_arena_finish(&arena);
}

static void reset_gives_zeroed_memory_again(void **state)
{
    (void)state;
    struct apir_arena arena = {0};
    for (int i = 0; i < 10; i++) {
        unsigned char *memory = apir_arena_alloc(&arena, 4096);
        for (unsigned k = 0; k < 4096; k++)
            assert_int_equal(memory[k], 0);
        memset(memory, 0xff, 4096);
        apir_arena_alloc(&arena, 20000);
        apir_arena_reset(&arena);
        assert_int_equal(arena.used, 0);
    }
    apir_arena_finish(&arena);
}

static void finish_of_an_empty_arena_is_a_no_op(void **state)
{
    (void)state;
    struct apir_arena arena = {0};
    apir_arena_reset(&arena);
    apir_arena_finish(&arena);
    apir_arena_finish(&arena);
    assert_null(arena.blocks);
}

static void memory_beyond_the_quota_is_not_given(void **state)
{
    (void)state;
    struct apir_quota quota = {.limit = 100000};
    struct apir_arena arena = {.quota = &quota};
    assert_non_null(apir_arena_alloc(&arena, 60000));
    assert_false(arena.is_short);
    assert_null(apir_arena_alloc(&arena, 60000));
    assert_true(arena.is_short);
    apir_arena_finish(&arena);
    assert_true(apir_quota_left(&quota) == 100000);
    assert_non_null(apir_arena_alloc(&arena, 60000));
    apir_arena_finish(&arena);
}

static void reset_does_not_keep_a_large_block(void **state)
{
    (void)state;
    struct apir_quota quota = {.limit = APIR_NO_LIMIT};
    struct apir_arena arena = {.quota = &quota};
    apir_arena_alloc(&arena, 100);
    apir_arena_alloc(&arena, 1 << 20);
    apir_arena_reset(&arena);
    assert_true(apir_quota_left(&quota) == APIR_NO_LIMIT);
    apir_arena_alloc(&arena, 100000);
    apir_arena_reset(&arena);
    assert_true(apir_quota_left(&quota) < APIR_NO_LIMIT);
    apir_arena_finish(&arena);
    assert_true(apir_quota_left(&quota) == APIR_NO_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_aligned),
        cmocka_unit_test(pieces_do_not_overlap),
        cmocka_unit_test(size_zero_gives_a_pointer),
        cmocka_unit_test(large_piece_gets_a_block_of_its_own),
        cmocka_unit_test(size_that_wraps_fails),
        cmocka_unit_test(reset_gives_zeroed_memory_again),
        cmocka_unit_test(memory_beyond_the_quota_is_not_given),
        cmocka_unit_test(reset_does_not_keep_a_large_block),
        cmocka_unit_test(finish_of_an_empty_arena_is_a_no_op),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
