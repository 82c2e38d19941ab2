#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/path-list.h"

static void expect_next(const char **list, const char *path)
{
    size_t length = 0;
    const char *next = apir_path_list_next(list, &length);
    if (!path) {
        assert_null(next);
        return;
    }
    assert_non_null(next);
    assert_int_equal(length, strlen(path));
    assert_memory_equal(next, path, length);
}

static void paths_come_out_in_order(void **state)
{
    (void)state;
    const char *list = "vulkan:/lib/a b.so:cpu";
    expect_next(&list, "vulkan");
    expect_next(&list, "/lib/a b.so");
    expect_next(&list, "cpu");
    expect_next(&list, NULL);
    expect_next(&list, NULL);
}

static void nothing_between_separators_is_no_path(void **state)
{
    (void)state;
    const char *list = "::a:::b:", *empty = "", *separator = ":";
    expect_next(&list, "a");
    expect_next(&list, "b");
    expect_next(&list, NULL);
    expect_next(&empty, NULL);
    expect_next(&separator, NULL);
}

static void added_paths_are_behind_the_others(void **state)
{
    (void)state;
    char *list = NULL;
    assert_int_equal(apir_path_list_add(&list, "a"), 0);
    assert_string_equal(list, "a");
    assert_int_equal(apir_path_list_add(&list, "/b:c"), 0);
    assert_int_equal(apir_path_list_add(&list, ""), 0);
    const char *left = list;
    expect_next(&left, "a");
    expect_next(&left, "/b");
    expect_next(&left, "c");
    expect_next(&left, NULL);
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_come_out_in_order),
        cmocka_unit_test(nothing_between_separators_is_no_path),
        cmocka_unit_test(added_paths_are_behind_the_others),
    };
    return cmocka_run_group_tests_name("path-list", tests, NULL, NULL);
}
