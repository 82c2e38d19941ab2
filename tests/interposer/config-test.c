#include "interposer/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stddef.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

static struct apir_config config;

static int set_up(void **state)
{
    (void)state;
    apir_config_init(&config);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    apir_config_clear(&config);
    return 0;
}

static void a_key_has_the_value_set_last(void **state)
{
    (void)state;
    assert_null(apir_config_get(&config, 1, "key"));
    assert_int_equal(apir_config_set(&config, 1, "key", "a"), 0);
    assert_int_equal(apir_config_set(&config, 1, "key", "b"), 0);
    assert_string_equal(apir_config_get(&config, 1, "key"), "b");
}

static void contexts_have_keys_of_their_own(void **state)
{
    (void)state;
    assert_int_equal(apir_config_set(&config, 1, "key", "a"), 0);
    assert_false(apir_config_has(&config, 2));
    assert_int_equal(apir_config_set(&config, 2, "key", "b"), 0);
    apir_config_drop(&config, 1);
    assert_false(apir_config_has(&config, 1));
    assert_null(apir_config_get(&config, 1, "key"));
    assert_string_equal(apir_config_get(&config, 2, "key"), "b");
}

static void what_is_missing_or_too_long_is_refused(void **state)
{
    char text[APIR_MAX_CONFIG_VALUE + 1];
    (void)state;
    memset(text, 'x', sizeof text);
    text[APIR_MAX_CONFIG_VALUE] = '\0';
    assert_int_equal(apir_config_set(&config, 1, "key", text), -EINVAL);
    assert_int_equal(apir_config_set(&config, 1, text, "a"), -EINVAL);
    assert_int_equal(apir_config_set(&config, 1, NULL, "a"), -EINVAL);
    assert_int_equal(apir_config_set(&config, 1, "key", NULL), -EINVAL);
    assert_false(apir_config_has(&config, 1));
    text[APIR_MAX_CONFIG_VALUE - 1] = '\0';
    assert_int_equal(apir_config_set(&config, 1, "key", text), 0);
}

static void a_context_has_only_so_many_keys(void **state)
{
    char key[16];
    (void)state;
    for (int i = 0; i < APIR_MAX_CONFIG_KEYS; i++) {
        snprintf(key, sizeof key, "key%d", i);
        assert_int_equal(apir_config_set(&config, 1, key, "a"), 0);
    }
    assert_int_equal(apir_config_set(&config, 1, "another", "a"), -ENOSPC);
    assert_int_equal(apir_config_set(&config, 1, "key0", "b"), 0);
}

static void there_are_only_so_many_entries(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < APIR_MAX_CONFIG_ENTRIES; i++)
        assert_int_equal(apir_config_set(&config, i, "key", "a"), 0);
    assert_int_equal(apir_config_set(&config, APIR_MAX_CONFIG_ENTRIES, "key", "a"), -ENOSPC);
    apir_config_drop(&config, 0);
    assert_int_equal(apir_config_set(&config, APIR_MAX_CONFIG_ENTRIES, "key", "a"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_key_has_the_value_set_last),           TEST(contexts_have_keys_of_their_own),
        TEST(what_is_missing_or_too_long_is_refused), TEST(a_context_has_only_so_many_keys),
        TEST(there_are_only_so_many_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
