#include "backend/op-cache.h"

#include "cmocka-all.h"

static struct apir_op_key key_of(uint64_t word, uint64_t hash)
{
    return (struct apir_op_key){.hash = hash, .n_words = 2, .words = {1, word}};
}

static void unknown_signature_knows_nothing(void **state)
{
    (void)state;
    struct apir_op_cache *cache = apir_op_cache_create(4);
    struct apir_op_key key = key_of(1, 1);
    struct apir_op_answer answer = apir_op_cache_get(cache, &key);
    assert_false(answer.has_support);
    assert_false(answer.has_size);
    apir_op_cache_destroy(cache);
}

static void answers_of_both_kinds_are_kept_together(void **state)
{
    (void)state;
    struct apir_op_cache *cache = apir_op_cache_create(4);
    struct apir_op_key key = key_of(1, 1);
    apir_op_cache_put(
        cache, &key,
        (struct apir_op_answer){.has_support = true, .supported = true, .offload = true});
    apir_op_cache_put(cache, &key, (struct apir_op_answer){.has_size = true, .size = 512});
    struct apir_op_answer answer = apir_op_cache_get(cache, &key);
    assert_true(answer.has_support && answer.supported && answer.offload);
    assert_true(answer.has_size);
    assert_int_equal(answer.size, 512);
    assert_int_equal(apir_op_cache_count(cache), 1);
    apir_op_cache_destroy(cache);
}

static void equal_hashes_do_not_make_equal_signatures(void **state)
{
    (void)state;
    struct apir_op_cache *cache = apir_op_cache_create(4);
    struct apir_op_key a = key_of(1, 42), b = key_of(2, 42);
    apir_op_cache_put(cache, &a, (struct apir_op_answer){.has_size = true, .size = 1});
    assert_false(apir_op_cache_get(cache, &b).has_size);
    apir_op_cache_put(cache, &b, (struct apir_op_answer){.has_size = true, .size = 2});
    assert_int_equal(apir_op_cache_get(cache, &a).size, 1);
    assert_int_equal(apir_op_cache_get(cache, &b).size, 2);
    apir_op_cache_destroy(cache);
}

static void prefix_is_another_signature(void **state)
{
    (void)state;
    struct apir_op_cache *cache = apir_op_cache_create(4);
    struct apir_op_key whole = key_of(1, 42), prefix = key_of(1, 42);
    prefix.n_words = 1;
    apir_op_cache_put(cache, &whole, (struct apir_op_answer){.has_size = true, .size = 1});
    assert_false(apir_op_cache_get(cache, &prefix).has_size);
    apir_op_cache_destroy(cache);
}

static void full_cache_starts_anew(void **state)
{
    (void)state;
    struct apir_op_cache *cache = apir_op_cache_create(4);
    for (uint64_t i = 0; i < 5; i++) {
        struct apir_op_key key = key_of(i, i);
        apir_op_cache_put(cache, &key, (struct apir_op_answer){.has_size = true, .size = i});
    }
    struct apir_op_key oldest = key_of(0, 0), newest = key_of(4, 4);
    assert_int_equal(apir_op_cache_count(cache), 1);
    assert_false(apir_op_cache_get(cache, &oldest).has_size);
    assert_true(apir_op_cache_get(cache, &newest).has_size);
    apir_op_cache_destroy(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_signature_knows_nothing),
        cmocka_unit_test(answers_of_both_kinds_are_kept_together),
        cmocka_unit_test(equal_hashes_do_not_make_equal_signatures),
        cmocka_unit_test(prefix_is_another_signature),
        cmocka_unit_test(full_cache_starts_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
