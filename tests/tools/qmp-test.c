/* What is found in QEMU's answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "qmp.h"

static void strings_and_numbers_are_found(void **state)
{
    (void)state;
    static const char json[] = "{\"a\": \"text\", \"b\" : -12, \"c\": {\"d\": \"inner\"}}";
    char text[16];
    assert_non_null(apir_qmp_find(json, "a", text, sizeof text));
    assert_string_equal(text, "text");
    assert_non_null(apir_qmp_find(json, "b", text, sizeof text));
    assert_string_equal(text, "-12");
    assert_non_null(apir_qmp_find(json, "d", text, sizeof text));
    assert_string_equal(text, "inner");
    assert_null(apir_qmp_find(json, "text", text, sizeof text));
}

static void a_key_within_a_string_is_none(void **state)
{
    (void)state;
    char text[16];
    assert_null(apir_qmp_find("{\"a\": \"say \\\"b\\\": 3\"}", "b", text, sizeof text));
    assert_non_null(apir_qmp_find("{\"a\": \"\\\"b\\\": 3\", \"b\": 4}", "b", text, sizeof text));
    assert_string_equal(text, "4");
}

static void escapes_are_undone(void **state)
{
    (void)state;
    char text[16];
    assert_non_null(apir_qmp_find("{\"a\": \"x\\\\y\\\"z\\/\"}", "a", text, sizeof text));
    assert_string_equal(text, "x\\y\"z/");
}

static void what_does_not_fit_or_ends_early_is_not_found(void **state)
{
    (void)state;
    char text[4];
    assert_null(apir_qmp_find("{\"a\": \"1234\"}", "a", text, sizeof text));
    assert_null(apir_qmp_find("{\"a\": \"12", "a", text, sizeof text));
    assert_null(apir_qmp_find("{\"a\"", "a", text, sizeof text));
    assert_null(apir_qmp_find("{\"a\": null}", "a", text, sizeof text));
    assert_null(apir_qmp_find("\"", "a", text, sizeof text));
}

static void quoting_escapes_and_refuses_control_characters(void **state)
{
    (void)state;
    char text[12];
    assert_true(apir_qmp_quote("a\"b\\c", text, sizeof text));
    assert_string_equal(text, "\"a\\\"b\\\\c\"");
    assert_false(apir_qmp_quote("a\nb", text, sizeof text));
    assert_false(apir_qmp_quote("0123456789", text, sizeof text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_and_numbers_are_found),
        cmocka_unit_test(a_key_within_a_string_is_none),
        cmocka_unit_test(escapes_are_undone),
        cmocka_unit_test(what_does_not_fit_or_ends_early_is_not_found),
        cmocka_unit_test(quoting_escapes_and_refuses_control_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
