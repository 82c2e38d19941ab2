#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/capset.h"

static void capset_has_the_deployed_bytes(void **state)
{
    (void)state;
    static const uint8_t expected[APIR_CAPSET_SIZE] = {1, 0, 0, 0, 1};
    struct apir_capset capset;
    memset(&capset, 0xff, sizeof capset);
    apir_capset_fill(&capset);
    assert_int_equal(sizeof capset, APIR_CAPSET_SIZE);
    assert_memory_equal(&capset, expected, sizeof expected);
}

static void filled_capset_is_known(void **state)
{
    (void)state;
    uint8_t data[160] = {0};
    struct apir_capset capset;
    apir_capset_fill(&capset);
    memcpy(data, &capset, sizeof capset);
    assert_true(apir_capset_is_apir(data, sizeof capset));
    assert_true(apir_capset_is_apir(data, sizeof data));
}

static void short_capset_is_not_apir(void **state)
{
    (void)state;
    struct apir_capset capset;
    apir_capset_fill(&capset);
    for (size_t size = 0; size < sizeof capset; size++)
        assert_false(apir_capset_is_apir(&capset, size));
}

static void capset_with_a_changed_byte_is_not_apir(void **state)
{
    (void)state;
    for (size_t i = 0; i < APIR_CAPSET_SIZE; i++) {
        struct apir_capset capset;
        apir_capset_fill(&capset);
        ((uint8_t *)&capset)[i] ^= 0x10;
        assert_false(apir_capset_is_apir(&capset, sizeof capset));
    }
}

static void trailer_is_found_at_any_word(void **state)
{
    (void)state;
    for (size_t at = 0; at + APIR_TRAILER_SIZE <= 256; at += 4) {
        uint8_t data[256];
        memset(data, 0x5a, sizeof data);
        apir_capset_write_trailer(data + at);
        assert_true(apir_capset_has_trailer(data, sizeof data));
        assert_true(apir_capset_has_trailer(data, at + APIR_TRAILER_SIZE));
        assert_false(apir_capset_has_trailer(data, at + APIR_TRAILER_SIZE - 1));
    }
}

static void trailer_with_a_changed_byte_is_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < APIR_TRAILER_SIZE; i++) {
        uint8_t data[APIR_TRAILER_SIZE];
        apir_capset_write_trailer(data);
        data[i] ^= 0x10;
        assert_false(apir_capset_has_trailer(data, sizeof data));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trailer_is_found_at_any_word),
        cmocka_unit_test(trailer_with_a_changed_byte_is_none),
        cmocka_unit_test(capset_has_the_deployed_bytes),
        cmocka_unit_test(filled_capset_is_known),
        cmocka_unit_test(short_capset_is_not_apir),
        cmocka_unit_test(capset_with_a_changed_byte_is_not_apir),
    };
    return cmocka_run_group_tests_name("capset", tests, NULL, NULL);
}
