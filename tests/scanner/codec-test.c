/* Generated encoders and decoders: round trips, and every way in which each field can be refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sample.h"
#include "test-codec.h"
#include "wide-codec.h"

enum { MAX_MESSAGE = 4096 };

/* A message, and where to write and read it. */
struct message {
    uint8_t bytes[MAX_MESSAGE];
    struct apir_enc enc;
    struct apir_dec dec;
    struct apir_arena arena;
};

static int message_setup(void **state)
{
    struct message *m = calloc(1, sizeof *m);
    if (!m)
        return -1;
    apir_enc_init(&m->enc, m->bytes, sizeof m->bytes);
    *state = m;
    return 0;
}

static int message_teardown(void **state)
{
    struct message *m = *state;
    apir_arena_finish(&m->arena);
    free(m);
    return 0;
}

/* Starts reading the first size bytes. They are copied to the end of a block, where a sanitizer
 * sees a read beyond. */
static void read_part(struct message *m, uint8_t *copy, size_t size)
{
    memcpy(copy, m->bytes, size);
    apir_arena_reset(&m->arena);
    apir_dec_init(&m->dec, copy, size, &m->arena);
}

static void read_all(struct message *m)
{
    assert_true(apir_enc_ok(&m->enc));
    apir_arena_reset(&m->arena);
    apir_dec_init(&m->dec, m->bytes, apir_enc_used(&m->enc), &m->arena);
}

static void assert_refused(const struct message *m, const char *why)
{
    assert_false(apir_dec_ok(&m->dec));
    assert_string_equal(m->dec.fatal, why);
}

/* --- round trips --- */

static void item_comes_back(void **state)
{
    struct message *m = *state;
    struct test_item sent = sample_item();
    struct test_item got;
    test_encode_item(&m->enc, &sent);
    read_all(m);
    test_decode_item(&m->dec, &got);
    assert_true(apir_dec_finish(&m->dec));
    assert_same_item(&sent, &got);
}

static void tree_comes_back(void **state)
{
    struct message *m = *state;
    struct test_group groups[2];
    struct test_tree sent = sample_tree(groups);
    struct test_tree got;
    test_encode_tree(&m->enc, &sent);
    read_all(m);
    test_decode_tree(&m->dec, &got);
    assert_true(apir_dec_finish(&m->dec));
    assert_same_tree(&sent, &got);
}

static void group_has_the_bytes_of_the_manual(void **state)
{
    struct message *m = *state;
    uint8_t bytes[MAX_MESSAGE];
    struct apir_enc raw;
    struct test_group group = sample_group();
    struct raw_group values = raw_sample_group();
    apir_enc_init(&raw, bytes, sizeof bytes);
    test_encode_group(&m->enc, &group);
    write_raw_group(&raw, &values);
    assert_true(apir_enc_ok(&m->enc) && apir_enc_ok(&raw));
    assert_int_equal(apir_enc_used(&m->enc), apir_enc_used(&raw));
    assert_memory_equal(m->bytes, bytes, apir_enc_used(&raw));
}

static void strings_and_bytes_stay_in_the_message(void **state)
{
    struct message *m = *state;
    struct test_group sent = sample_group();
    struct test_group got;
    test_encode_group(&m->enc, &sent);
    read_all(m);
    test_decode_group(&m->dec, &got);
    assert_ptr_equal(got.data, m->bytes + 4);
    assert_true((const uint8_t *)got.names[2] > m->bytes &&
                (const uint8_t *)got.names[2] < m->dec.end);
}

static void decoding_overwrites_all(void **state)
{
    struct message *m = *state;
    struct test_ask_reply reply;
    memset(&reply, 0xff, sizeof reply);
    apir_dec_init(&m->dec, m->bytes, 0, &m->arena);
    test_decode_ask_reply(&m->dec, &reply);
    assert_int_equal(reply.answer, 0);
    assert_string_equal(reply.reason, "");
    assert_false(apir_dec_ok(&m->dec));
}

static void without_arena_arrays_are_refused(void **state)
{
    struct message *m = *state;
    struct test_group sent = sample_group();
    struct test_group got;
    test_encode_group(&m->enc, &sent);
    read_all(m);
    m->dec.arena = NULL;
    test_decode_group(&m->dec, &got);
    assert_false(apir_dec_ok(&m->dec));
    assert_null(got.numbers);
    assert_int_equal(got.n_numbers, 0);
}

/* --- truncation and trailing bytes --- */

static void truncated_tree_is_refused(void **state)
{
    struct message *m = *state;
    struct test_group groups[2];
    struct test_tree tree = sample_tree(groups);
    test_encode_tree(&m->enc, &tree);
    for (size_t size = 0; size < apir_enc_used(&m->enc); size++) {
        uint8_t *copy = malloc(size ? size : 1);
        assert_non_null(copy);
        read_part(m, copy, size);
        test_decode_tree(&m->dec, &tree);
        assert_false(apir_dec_finish(&m->dec));
        free(copy);
    }
}

static void truncated_item_is_refused(void **state)
{
    struct message *m = *state;
    struct test_item item = sample_item();
    test_encode_item(&m->enc, &item);
    for (size_t size = 0; size < apir_enc_used(&m->enc); size++) {
        uint8_t *copy = malloc(size ? size : 1);
        assert_non_null(copy);
        read_part(m, copy, size);
        test_decode_item(&m->dec, &item);
        assert_false(apir_dec_finish(&m->dec));
        free(copy);
    }
}

static void trailing_bytes_are_refused(void **state)
{
    struct message *m = *state;
    struct test_item item = sample_item();
    test_encode_item(&m->enc, &item);
    apir_enc_u32(&m->enc, 0);
    read_all(m);
    test_decode_item(&m->dec, &item);
    assert_true(apir_dec_ok(&m->dec));
    assert_false(apir_dec_finish(&m->dec));
}

static void encoding_into_too_little_is_refused(void **state)
{
    struct message *m = *state;
    struct test_group groups[2];
    struct test_tree tree = sample_tree(groups);
    test_encode_tree(&m->enc, &tree);
    size_t needed = apir_enc_used(&m->enc);
    for (size_t size = 0; size < needed; size++) {
        uint8_t *room = malloc(size ? size : 1);
        assert_non_null(room);
        apir_enc_init(&m->enc, room, size);
        test_encode_tree(&m->enc, &tree);
        assert_false(apir_enc_ok(&m->enc));
        free(room);
    }
}

/* --- refused words of an item --- */

struct bad_word {
    const char *name;
    size_t offset; /* in the bytes of sample_item() */
    uint64_t value;
    bool wide; /* 8 bytes */
    const char *why;
};

static const struct bad_word bad_words[] = {
    {"item_b_below_its_minimum", 4, TEST_MIN_LEVEL - 1, false, "item.b is out of range"},
    {"item_b_above_its_maximum", 4, TEST_MAX_LEVEL + 1, false, "item.b is out of range"},
    {"item_c_below_its_minimum", 8, 0, true, "item.c is out of range"},
    {"item_c_above_its_maximum", 8, TEST_MAX_FAR + 1, true, "item.c is out of range"},
    {"item_e_neither_0_nor_1", 24, 2, false, "bool is neither 0 nor 1"},
    {"item_shm_0", 32, 0, false, "item.shm is 0"},
    {"item_owner_0", 40, 0, true, "item.owner is 0"},
    {"item_color_unknown", 56, 2, false, "item.color has an unknown value"},
    {"item_color_beyond_int", 56, 0xffffffff, false, "item.color has an unknown value"},
    {"item_at_x_below_its_minimum", 60, (uint32_t)-6, false, "point.x is out of range"},
    {"item_at_x_above_its_maximum", 60, 6, false, "point.x is out of range"},
    {"item_name_without_size", 68, 0, true, "string is too long or has no size"},
    {"item_name_too_long", 68, TEST_MAX_NAME + 1, true, "string is too long or has no size"},
    {"item_name_longer_than_memory", 68, UINT64_MAX, true, "string is too long or has no size"},
    {"item_name_without_nul", 68, 5, true, "string does not end with its only NUL"},
    {"item_name_with_two_nuls", 68, 7, true, "string does not end with its only NUL"},
};

enum { N_BAD_WORDS = sizeof bad_words / sizeof *bad_words };

static void put_word(struct message *m, size_t offset, uint64_t value, bool wide)
{
    for (size_t i = 0; i < (wide ? 8 : 4); i++)
        m->bytes[offset + i] = (uint8_t)(value >> (8 * i));
}

static void word_is_refused(void **state)
{
    const struct bad_word *bad = *state;
    struct message m = {0};
    struct test_item item = sample_item();
    apir_enc_init(&m.enc, m.bytes, sizeof m.bytes);
    test_encode_item(&m.enc, &item);
    put_word(&m, bad->offset, bad->value, bad->wide);
    read_all(&m);
    test_decode_item(&m.dec, &item);
    assert_refused(&m, bad->why);
    apir_arena_finish(&m.arena);
}

/* --- refused lists --- */

struct bad_group {
    const char *name;
    void (*spoil)(struct raw_group *raw);
    const char *why;
};

static void short_data(struct raw_group *raw)
{
    raw->n_data = 1;
}

static void long_data(struct raw_group *raw)
{
    raw->n_data = 11;
}

static void many_numbers(struct raw_group *raw)
{
    raw->n_numbers = TEST_MAX_ITEMS + 1;
}

static void endless_numbers(struct raw_group *raw)
{
    raw->n_numbers = UINT32_MAX;
}

static void low_number(struct raw_group *raw)
{
    raw->number = -2;
}

static void high_number(struct raw_group *raw)
{
    raw->number = 17;
}

static void no_wide(struct raw_group *raw)
{
    raw->n_wide = 0;
}

static void many_wide(struct raw_group *raw)
{
    raw->n_wide = TEST_MAX_ITEMS + 1;
}

static void high_wide(struct raw_group *raw)
{
    raw->wide++;
}

static void many_flags(struct raw_group *raw)
{
    raw->n_flags = TEST_MAX_ITEMS + 1;
}

static void odd_flag(struct raw_group *raw)
{
    raw->flag = 0x80000000;
}

static void many_weights(struct raw_group *raw)
{
    raw->n_weights = TEST_MAX_ITEMS + 1;
}

static void many_colors(struct raw_group *raw)
{
    raw->n_colors = TEST_MAX_ITEMS + 1;
}

static void odd_color(struct raw_group *raw)
{
    raw->color = 0;
}

static void many_names(struct raw_group *raw)
{
    raw->n_names = TEST_MAX_ITEMS + 1;
}

static void long_name(struct raw_group *raw)
{
    raw->name = "eight!!!";
}

static void many_points(struct raw_group *raw)
{
    raw->n_points = TEST_MAX_ITEMS + 1;
}

static void odd_point(struct raw_group *raw)
{
    raw->point_x = INT32_MIN;
}

static void many_things(struct raw_group *raw)
{
    raw->n_things = TEST_MAX_ITEMS + 1;
}

static void no_thing(struct raw_group *raw)
{
    raw->thing = 0;
}

static void many_shms(struct raw_group *raw)
{
    raw->n_shms = TEST_MAX_ITEMS + 1;
}

static void high_offset(struct raw_group *raw)
{
    raw->offset = 1001;
}

static void odd_corner(struct raw_group *raw)
{
    raw->corner_x = 6;
}

static void odd_palette(struct raw_group *raw)
{
    raw->palette = 0;
}

static const struct bad_group bad_groups[] = {
    {"data_too_short", short_data, "group.data is too short"},
    {"data_too_long", long_data, "byte count exceeds its maximum"},
    {"too_many_numbers", many_numbers, "array count exceeds its maximum"},
    {"endless_numbers", endless_numbers, "array count exceeds its maximum"},
    {"number_below_its_minimum", low_number, "group.numbers[] is out of range"},
    {"number_above_its_maximum", high_number, "group.numbers[] is out of range"},
    {"too_few_wide", no_wide, "group.wide is too short"},
    {"too_many_wide", many_wide, "array count exceeds its maximum"},
    {"wide_above_its_maximum", high_wide, "group.wide[] is out of range"},
    {"too_many_flags", many_flags, "array count exceeds its maximum"},
    {"flag_neither_0_nor_1", odd_flag, "bool is neither 0 nor 1"},
    {"too_many_weights", many_weights, "array count exceeds its maximum"},
    {"too_many_colors", many_colors, "array count exceeds its maximum"},
    {"color_unknown", odd_color, "group.colors[] has an unknown value"},
    {"too_many_names", many_names, "array count exceeds its maximum"},
    {"name_too_long", long_name, "string is too long or has no size"},
    {"too_many_points", many_points, "array count exceeds its maximum"},
    {"point_out_of_range", odd_point, "point.x is out of range"},
    {"too_many_things", many_things, "array count exceeds its maximum"},
    {"thing_0", no_thing, "group.things[] is 0"},
    {"too_many_shms", many_shms, "array count exceeds its maximum"},
    {"offset_above_its_maximum", high_offset, "group.offsets[] is out of range"},
    {"corner_out_of_range", odd_corner, "point.x is out of range"},
    {"palette_unknown", odd_palette, "group.palette[] has an unknown value"},
};

enum { N_BAD_GROUPS = sizeof bad_groups / sizeof *bad_groups };

static void group_is_refused(void **state)
{
    const struct bad_group *bad = *state;
    struct message m = {0};
    struct raw_group raw = raw_sample_group();
    struct test_group group;
    apir_enc_init(&m.enc, m.bytes, sizeof m.bytes);
    bad->spoil(&raw);
    write_raw_group(&m.enc, &raw);
    read_all(&m);
    test_decode_group(&m.dec, &group);
    assert_refused(&m, bad->why);
    apir_arena_finish(&m.arena);
}

/* The maximum allows 12 items, but the message has no room for them. */
static void count_beyond_the_message_takes_no_memory(void **state)
{
    struct message *m = *state;
    struct test_tree tree;
    apir_enc_u32(&m->enc, 2);
    for (int i = 0; i < 20; i++)
        apir_enc_u32(&m->enc, 0);
    read_all(m);
    test_decode_tree(&m->dec, &tree);
    assert_refused(m, "tree.groups exceeds the message");
    assert_int_equal(m->arena.used, 0);
    assert_int_equal(tree.n_groups, 0);
    assert_null(tree.groups);
}

/* --- refused by the encoder --- */

struct bad_value {
    const char *name;
    void (*spoil_item)(struct test_item *item);
    void (*spoil_group)(struct test_group *group);
    const char *why;
};

static void item_b(struct test_item *item)
{
    item->b = 1;
}

static void item_c(struct test_item *item)
{
    item->c = TEST_MAX_FAR + 1;
}

static void item_shm(struct test_item *item)
{
    item->shm = 0;
}

static void item_owner(struct test_item *item)
{
    item->owner = 0;
}

static void item_color(struct test_item *item)
{
    item->color = (enum test_color)2;
}

static void item_at(struct test_item *item)
{
    item->at.x = 6;
}

static void item_long_name(struct test_item *item)
{
    item->name = "eight!!!";
}

static void item_no_name(struct test_item *item)
{
    item->name = NULL;
}

static void group_short_data(struct test_group *group)
{
    group->n_data = 1;
}

static void group_long_data(struct test_group *group)
{
    group->n_data = 11;
}

static void group_no_data(struct test_group *group)
{
    group->data = NULL;
}

static void group_many_numbers(struct test_group *group)
{
    group->n_numbers = UINT32_MAX;
}

static void group_no_numbers(struct test_group *group)
{
    group->numbers = NULL;
}

static void group_no_wide(struct test_group *group)
{
    group->n_wide = 0;
}

static void group_offset(struct test_group *group)
{
    group->offsets[2] = 1001;
}

static void group_palette(struct test_group *group)
{
    group->palette[1] = (enum test_color)0;
}

static const struct bad_value bad_values[] = {
    {"encode_item_b", item_b, NULL, "item.b is out of range"},
    {"encode_item_c", item_c, NULL, "item.c is out of range"},
    {"encode_item_shm", item_shm, NULL, "item.shm is 0"},
    {"encode_item_owner", item_owner, NULL, "item.owner is 0"},
    {"encode_item_color", item_color, NULL, "item.color has an unknown value"},
    {"encode_item_at", item_at, NULL, "point.x is out of range"},
    {"encode_item_long_name", item_long_name, NULL, "item.name is too long"},
    {"encode_item_no_name", item_no_name, NULL, "string is missing"},
    {"encode_group_short_data", NULL, group_short_data, "group.data has a bad count"},
    {"encode_group_long_data", NULL, group_long_data, "group.data has a bad count"},
    {"encode_group_no_data", NULL, group_no_data, "group.data has a bad count"},
    {"encode_group_many_numbers", NULL, group_many_numbers, "group.numbers has a bad count"},
    {"encode_group_no_numbers", NULL, group_no_numbers, "group.numbers has a bad count"},
    {"encode_group_no_wide", NULL, group_no_wide, "group.wide has a bad count"},
    {"encode_group_offset", NULL, group_offset, "group.offsets[] is out of range"},
    {"encode_group_palette", NULL, group_palette, "group.palette[] has an unknown value"},
};

enum { N_BAD_VALUES = sizeof bad_values / sizeof *bad_values };

static void value_is_refused(void **state)
{
    const struct bad_value *bad = *state;
    uint8_t bytes[MAX_MESSAGE];
    struct apir_enc enc;
    struct test_item item = sample_item();
    struct test_group group = sample_group();
    apir_enc_init(&enc, bytes, sizeof bytes);
    if (bad->spoil_item)
        bad->spoil_item(&item);
    if (bad->spoil_group)
        bad->spoil_group(&group);
    test_encode_item(&enc, &item);
    test_encode_group(&enc, &group);
    assert_false(apir_enc_ok(&enc));
    assert_string_equal(enc.fatal, bad->why);
}

/* --- spoiled at random --- */

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33);
}

/* What the decoder lets through, the encoder takes: both know the same rules. */
static void what_is_decoded_can_be_encoded(void **state)
{
    struct message *m = *state;
    struct test_group groups[2];
    struct test_tree tree = sample_tree(groups);
    uint8_t again[MAX_MESSAGE];
    uint64_t seed = 1;
    int decoded = 0;
    test_encode_tree(&m->enc, &tree);
    size_t size = apir_enc_used(&m->enc);
    for (int i = 0; i < 50000; i++) {
        uint8_t bytes[MAX_MESSAGE];
        struct apir_enc enc;
        memcpy(bytes, m->bytes, size);
        for (uint32_t n = next_random(&seed) % 3; n < 3; n++)
            bytes[next_random(&seed) % size] =
                (uint8_t)(next_random(&seed) % 4 ? next_random(&seed) % 14 : 0xff);
        apir_arena_reset(&m->arena);
        apir_dec_init(&m->dec, bytes, size, &m->arena);
        test_decode_tree(&m->dec, &tree);
        if (!apir_dec_finish(&m->dec))
            continue;
        decoded++;
        apir_enc_init(&enc, again, sizeof again);
        test_encode_tree(&enc, &tree);
        assert_true(apir_enc_ok(&enc));
        assert_int_equal(apir_enc_used(&enc), size);
    }
    assert_true(decoded > 1000 && decoded < 49000);
}

/* --- names --- */

static void names_are_those_of_the_file(void **state)
{
    (void)state;
    assert_string_equal(test_color_name(TEST_COLOR_BLUE), "blue");
    assert_null(test_color_name(0));
    assert_null(test_color_name(UINT32_MAX));
    assert_string_equal(test_call_name(TEST_CALL_FAR), "far");
    assert_string_equal(test_call_name(TEST_CALL_OLD), "old");
    assert_null(test_call_name(0));
    assert_int_equal(TEST_CALL_FAR, 0x10000);
    assert_int_equal(TEST_PROTOCOL_MAJOR, 3);
    assert_int_equal(TEST_PROTOCOL_MINOR, 7);
}

/* --- counts of 8 bytes --- */

static const uint32_t wide_numbers[] = {1, 2, 3, 4};
static const char *const wide_names[] = {"a", "seven!!"};
static const uint8_t wide_data[] = {1};

static struct wide_send_args sample_wide(void)
{
    return (struct wide_send_args){
        .numbers = wide_numbers,
        .n_numbers = 4,
        .names = wide_names,
        .n_names = 2,
        .data = wide_data,
        .n_data = 1,
    };
}

static void wide_counts_come_back(void **state)
{
    struct message *m = *state;
    struct wide_send_args sent = sample_wide();
    struct wide_send_args got;
    wide_encode_send_args(&m->enc, &sent);
    read_all(m);
    wide_decode_send_args(&m->dec, &got);
    assert_true(apir_dec_finish(&m->dec));
    assert_int_equal(apir_enc_used(&m->enc), (8 + 16) + (8 + 12 + 16) + (4 + 4));
    assert_memory_equal(got.numbers, sent.numbers, 16);
    assert_string_equal(got.names[1], "seven!!");
    assert_int_equal(got.data[0], 1);
}

static void wide_count_is_not_cut_to_32_bits(void **state)
{
    struct message *m = *state;
    struct wide_send_args args = sample_wide();
    wide_encode_send_args(&m->enc, &args);
    put_word(m, 0, UINT64_C(0x100000004), true);
    read_all(m);
    wide_decode_send_args(&m->dec, &args);
    assert_refused(m, "array count exceeds its maximum");
}

static void wide_count_beyond_the_message_is_refused(void **state)
{
    struct message *m = *state;
    struct wide_send_args args;
    apir_enc_u64(&m->enc, 4);
    apir_enc_u64(&m->enc, 0);
    read_all(m);
    wide_decode_send_args(&m->dec, &args);
    assert_refused(m, "array count exceeds the message");
}

/* --- */

static const struct CMUnitTest single_tests[] = {
    cmocka_unit_test_setup_teardown(item_comes_back, message_setup, message_teardown),
    cmocka_unit_test_setup_teardown(tree_comes_back, message_setup, message_teardown),
    cmocka_unit_test_setup_teardown(group_has_the_bytes_of_the_manual, message_setup,
                                    message_teardown),
    cmocka_unit_test_setup_teardown(strings_and_bytes_stay_in_the_message, message_setup,
                                    message_teardown),
    cmocka_unit_test_setup_teardown(decoding_overwrites_all, message_setup, message_teardown),
    cmocka_unit_test_setup_teardown(without_arena_arrays_are_refused, message_setup,
                                    message_teardown),
    cmocka_unit_test_setup_teardown(truncated_tree_is_refused, message_setup, message_teardown),
    cmocka_unit_test_setup_teardown(truncated_item_is_refused, message_setup, message_teardown),
    cmocka_unit_test_setup_teardown(trailing_bytes_are_refused, message_setup, message_teardown),
    cmocka_unit_test_setup_teardown(encoding_into_too_little_is_refused, message_setup,
                                    message_teardown),
    cmocka_unit_test_setup_teardown(count_beyond_the_message_takes_no_memory, message_setup,
                                    message_teardown),
    cmocka_unit_test_setup_teardown(what_is_decoded_can_be_encoded, message_setup,
                                    message_teardown),
    cmocka_unit_test(names_are_those_of_the_file),
    cmocka_unit_test_setup_teardown(wide_counts_come_back, message_setup, message_teardown),
    cmocka_unit_test_setup_teardown(wide_count_is_not_cut_to_32_bits, message_setup,
                                    message_teardown),
    cmocka_unit_test_setup_teardown(wide_count_beyond_the_message_is_refused, message_setup,
                                    message_teardown),
};

enum { N_SINGLE_TESTS = sizeof single_tests / sizeof *single_tests };

/* The rows of a table as tests; cmocka hands them on, it does not write to them. */
static struct CMUnitTest test_of_row(const char *name, CMUnitTestFunction work, const void *row)
{
    return (struct CMUnitTest){.name = name, .test_func = work, .initial_state = (void *)row};
}

int main(void)
{
    struct CMUnitTest tests[N_SINGLE_TESTS + N_BAD_WORDS + N_BAD_GROUPS + N_BAD_VALUES];
    size_t n = N_SINGLE_TESTS;
    memcpy(tests, single_tests, sizeof single_tests);
    for (size_t i = 0; i < N_BAD_WORDS; i++)
        tests[n++] = test_of_row(bad_words[i].name, word_is_refused, &bad_words[i]);
    for (size_t i = 0; i < N_BAD_GROUPS; i++)
        tests[n++] = test_of_row(bad_groups[i].name, group_is_refused, &bad_groups[i]);
    for (size_t i = 0; i < N_BAD_VALUES; i++)
        tests[n++] = test_of_row(bad_values[i].name, value_is_refused, &bad_values[i]);
    return _cmocka_run_group_tests("codec", tests, n, NULL, NULL);
}
