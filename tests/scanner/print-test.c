/* The generated printer, by the lines that it writes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sample.h"
#include "test-codec.h"
#include "test-print.h"

enum { MAX_MESSAGE = 4096 };

struct printer {
    uint8_t bytes[MAX_MESSAGE];
    struct apir_enc enc;
    struct apir_arena arena;
};

static int printer_setup(void **state)
{
    struct printer *printer = calloc(1, sizeof *printer);
    if (!printer)
        return -1;
    apir_enc_init(&printer->enc, printer->bytes, sizeof printer->bytes);
    *state = printer;
    return 0;
}

static int printer_teardown(void **state)
{
    struct printer *printer = *state;
    apir_arena_finish(&printer->arena);
    free(printer);
    return 0;
}

typedef int print_function(FILE *f, uint32_t call, struct apir_dec *dec);

static void expect_line(struct printer *printer, print_function *print, uint32_t call, int ret,
                        const char *expected)
{
    char *line = NULL;
    size_t size;
    struct apir_dec dec;
    FILE *file = open_memstream(&line, &size);
    assert_non_null(file);
    apir_dec_init(&dec, printer->bytes, apir_enc_used(&printer->enc), &printer->arena);
    int printed = print(file, call, &dec);
    fclose(file);
    assert_string_equal(line, expected);
    assert_int_equal(printed, ret);
    free(line);
}

#define ITEM                                                                                       \
    "{a=-7, b=16, c=1311768467463790320, d=18446744073709551615, e=true, f=1.5, shm=3, "           \
    "maybe_shm=0, "                                                                                \
    "owner=0x100000002, maybe_owner=0x0, color=green, at={x=-5, y=1000}, name=\"\\x1b[2J\\\\\"}"

static void call_without_arguments(void **state)
{
    expect_line(*state, test_print_call, TEST_CALL_NOTHING, 0, "nothing()");
}

static void reply_without_results(void **state)
{
    expect_line(*state, test_print_reply, TEST_CALL_FAR, 0, "far -> ()");
}

static void text_is_escaped(void **state)
{
    struct printer *printer = *state;
    struct test_tell_args args = {.item = sample_item()};
    test_encode_tell_args(&printer->enc, &args);
    expect_line(printer, test_print_call, TEST_CALL_TELL, 0, "tell(item=" ITEM ")");
}

static void reply_has_an_arrow(void **state)
{
    struct printer *printer = *state;
    struct test_ask_reply reply = {.answer = 42, .reason = "so"};
    test_encode_ask_reply(&printer->enc, &reply);
    expect_line(printer, test_print_reply, TEST_CALL_ASK, 0, "ask -> (answer=42, reason=\"so\")");
}

static void long_lists_are_cut(void **state)
{
    struct printer *printer = *state;
    struct test_group groups[2];
    struct test_swap_args args = {.tree = sample_tree(groups)};
    args.tree.n_groups = 1;
    test_encode_swap_args(&printer->enc, &args);
    expect_line(
        printer, test_print_call, TEST_CALL_SWAP, 0,
        "swap(tree={groups=[{data=[00 7f 80 ff 22], numbers=[-1, 0, 16], wide=[1, 4294967296], "
        "flags=[true, false, true], weights=[0.5, -2], colors=[red, blue], "
        "names=[\"\", \"a \\\"b\\\"\", \"seven!!\"], points=[{x=-5, y=-2147483648}, {x=5, "
        "y=2147483647}], "
        "things=[0xffffffffffffffff, 0x1, 0x2, 0x3, 0x4, 0x5, 0x6, 0x7, ... 9 in all], shms=[0, "
        "9], "
        "offsets=[0, 999, 1000], corners=[{x=1, y=2}, {x=3, y=4}], palette=[red, green], "
        "bits=[1, 2, 3, 4, 5, 6, 7, 8, ... 10 in all]}], rows=[" ITEM "]}, unit=none)");
}

static void long_bytes_are_cut(void **state)
{
    struct printer *printer = *state;
    const uint8_t data[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    struct test_group groups[2];
    struct test_swap_args args = {.tree = sample_tree(groups)};
    char *line = NULL;
    size_t size;
    FILE *file = open_memstream(&line, &size);
    assert_non_null(file);
    groups[1].data = data;
    groups[1].n_data = sizeof data;
    test_encode_swap_args(&printer->enc, &args);
    test_print_group(file, &groups[1]);
    fclose(file);
    const char expected[] = "{data=[00 01 02 03 04 05 06 07, ... 10 in all], numbers=[], ";
    assert_memory_equal(line, expected, sizeof expected - 1);
    free(line);
}

static void malformed_call_says_why(void **state)
{
    struct printer *printer = *state;
    apir_enc_u32(&printer->enc, 10);
    expect_line(printer, test_print_call, TEST_CALL_FAR, -EBADMSG,
                "far(malformed: far.level is out of range)");
}

static void malformed_reply_says_why(void **state)
{
    expect_line(*state, test_print_reply, TEST_CALL_ASK, -EBADMSG,
                "ask -> (malformed: message is truncated)");
}

static void leftover_bytes_are_malformed(void **state)
{
    struct printer *printer = *state;
    apir_enc_u32(&printer->enc, 1);
    expect_line(printer, test_print_call, TEST_CALL_NOTHING, -EBADMSG,
                "nothing(malformed: bytes are left over)");
}

static void disabled_call_is_named(void **state)
{
    expect_line(*state, test_print_call, TEST_CALL_OLD, -EBADMSG, "old(disabled)");
}

static void unknown_call_is_numbered(void **state)
{
    expect_line(*state, test_print_call, 77, -EBADMSG, "call 77(unknown)");
    expect_line(*state, test_print_reply, 77, -EBADMSG, "call 77 -> (unknown)");
}

/* Structs can be printed that were never checked. */
static void unknown_enum_value_is_a_number(void **state)
{
    char *line = NULL;
    size_t size;
    struct test_item item = {.color = (enum test_color)9, .at = {1, 2}};
    FILE *file = open_memstream(&line, &size);
    (void)state;
    assert_non_null(file);
    test_print_item(file, &item);
    fclose(file);
    assert_string_equal(
        line, "{a=0, b=0, c=0, d=0, e=false, f=0, shm=0, maybe_shm=0, owner=0x0, maybe_owner=0x0, "
              "color=9, at={x=1, y=2}, name=\"\"}");
    free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(call_without_arguments, printer_setup, printer_teardown),
        cmocka_unit_test_setup_teardown(reply_without_results, printer_setup, printer_teardown),
        cmocka_unit_test_setup_teardown(text_is_escaped, printer_setup, printer_teardown),
        cmocka_unit_test_setup_teardown(reply_has_an_arrow, printer_setup, printer_teardown),
        cmocka_unit_test_setup_teardown(long_lists_are_cut, printer_setup, printer_teardown),
        cmocka_unit_test_setup_teardown(long_bytes_are_cut, printer_setup, printer_teardown),
        cmocka_unit_test_setup_teardown(malformed_call_says_why, printer_setup, printer_teardown),
        cmocka_unit_test_setup_teardown(malformed_reply_says_why, printer_setup, printer_teardown),
        cmocka_unit_test_setup_teardown(leftover_bytes_are_malformed, printer_setup,
                                        printer_teardown),
        cmocka_unit_test_setup_teardown(disabled_call_is_named, printer_setup, printer_teardown),
        cmocka_unit_test_setup_teardown(unknown_call_is_numbered, printer_setup, printer_teardown),
        cmocka_unit_test(unknown_enum_value_is_a_number),
    };
    return cmocka_run_group_tests_name("print", tests, NULL, NULL);
}
