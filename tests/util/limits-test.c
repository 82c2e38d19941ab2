#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "util/limits.h"

static void sizes_have_suffixes(void **state)
{
    (void)state;
    struct apir_limits limits = {0};
    char reason[APIR_LIMITS_TEXT];
    assert_int_equal(apir_limits_set(&limits, "max-memory", "4G", reason), 0);
    assert_true(limits.memory == UINT64_C(4) << 30);
    assert_int_equal(apir_limits_set(&limits, "max-memory", "1T", reason), 0);
    assert_true(limits.memory == UINT64_C(1) << 40);
    assert_int_equal(apir_limits_set(&limits, "max-memory", "5000", reason), 0);
    assert_true(limits.memory == 5000);
    assert_int_equal(apir_limits_set(&limits, "max-memory", "none", reason), 0);
    assert_true(limits.memory == APIR_NO_LIMIT);
}

static void nonsense_is_refused_with_a_reason(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"max-memory", ""},      {"max-memory", "-1"},       {"max-memory", "0"},   {"max-memory", "4GB"},
        {"max-memory", "G"},     {"max-memory", "257T"},     {"max-memory", " 5G"}, {"max-memory", "99999999999999999999"},
        {"max-buffers", "10K"},  {"max-buffers", "65537"},   {"max-buffers", "none"}, {"max-queues", "1"},
        {"max-compute-time", "1s"}, {"max-graph-memory", "4K"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct apir_limits limits = {0};
        char reason[APIR_LIMITS_TEXT] = "";
        assert_int_equal(apir_limits_set(&limits, bad[i][0], bad[i][1], reason), -EINVAL);
        assert_non_null(strstr(reason, bad[i][0]));
        assert_non_null(strstr(reason, "expected"));
        assert_memory_equal(&limits, &(struct apir_limits){0}, sizeof limits);
    }
}

static void unknown_limit_is_named(void **state)
{
    (void)state;
    struct apir_limits limits = {0};
    char reason[APIR_LIMITS_TEXT];
    assert_int_equal(apir_limits_set(&limits, "max-mem", "4G", reason), -ENOENT);
    assert_non_null(strstr(reason, "max-mem"));
    assert_int_equal(apir_limits_parse(&limits, "max-buffers=3,max-memory", reason), -EINVAL);
    assert_int_equal(apir_limits_parse(&limits, "max-buffers=3,=4", reason), -ENOENT);
}

static void list_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct apir_limits limits = {0}, again = {0};
    char text[APIR_LIMITS_TEXT], reason[APIR_LIMITS_TEXT];
    const char *list = "max-memory=256T,max-buffers=65536,max-queues=64,max-shared-memory=256T,"
                       "max-graph-nodes=262144,max-graph-memory=none,max-compute-time=1000000,client-memory=5G";
    assert_int_equal(apir_limits_parse(&limits, list, reason), 0);
    apir_limits_print(&limits, text);
    assert_int_equal(apir_limits_parse(&again, text, reason), 0);
    assert_memory_equal(&limits, &again, sizeof limits);
}

static void what_is_not_set_is_at_its_default(void **state)
{
    (void)state;
    struct apir_limits limits = {.buffers = 7};
    char text[APIR_LIMITS_TEXT];
    apir_limits_print(&(struct apir_limits){0}, text);
    assert_string_equal(text, "");
    apir_limits_complete(&limits);
    assert_true(limits.memory == APIR_NO_LIMIT && limits.buffers == 7 && limits.queues == 64);
    assert_true(limits.shared_memory > 0 && limits.graph_nodes > 0 && limits.graph_memory > 0 &&
                limits.compute_seconds > 0);
}

static void quota_gives_what_it_has_and_no_more(void **state)
{
    (void)state;
    struct apir_quota quota = {.limit = 100};
    assert_true(apir_quota_charge(&quota, 60));
    assert_false(apir_quota_charge(&quota, 41));
    assert_false(apir_quota_charge(&quota, UINT64_MAX));
    assert_true(apir_quota_charge(&quota, 40));
    assert_true(apir_quota_left(&quota) == 0);
    apir_quota_uncharge(&quota, 60);
    assert_true(apir_quota_left(&quota) == 60);
}

static void quota_without_limit_does_not_wrap(void **state)
{
    (void)state;
    struct apir_quota quota = {.limit = APIR_NO_LIMIT};
    assert_true(apir_quota_charge(&quota, UINT64_MAX - 1));
    assert_false(apir_quota_charge(&quota, 2));
    assert_true(apir_quota_charge(&quota, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_have_suffixes),
        cmocka_unit_test(nonsense_is_refused_with_a_reason),
        cmocka_unit_test(unknown_limit_is_named),
        cmocka_unit_test(list_is_read_as_it_was_written),
        cmocka_unit_test(what_is_not_set_is_at_its_default),
        cmocka_unit_test(quota_gives_what_it_has_and_no_more),
        cmocka_unit_test(quota_without_limit_does_not_wrap),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
