#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/cs.h"

/* A message: written, then read from a copy of just its size, so that a read past its end is seen. */
struct message {
    uint8_t bytes[256];
    struct apir_enc enc;
    uint8_t *copy;
    struct apir_arena arena;
    struct apir_dec dec;
};

static void write_message(struct message *m)
{
    memset(m, 0, sizeof *m);
    memset(m->bytes, 0xee, sizeof m->bytes);
    apir_enc_init(&m->enc, m->bytes, sizeof m->bytes);
}

static void read_bytes(struct message *m, const void *bytes, size_t size)
{
    free(m->copy);
    m->copy = malloc(size ? size : 1);
    assert_non_null(m->copy);
    memcpy(m->copy, bytes, size);
    apir_dec_init(&m->dec, m->copy, size, &m->arena);
}

static void read_message(struct message *m)
{
    assert_true(apir_enc_ok(&m->enc));
    read_bytes(m, m->bytes, apir_enc_used(&m->enc));
}

static void close_message(struct message *m)
{
    free(m->copy);
    apir_arena_finish(&m->arena);
}

static void u32_round_trips(void **state)
{
    (void)state;
    static const uint32_t values[] = {0, 1, 0x7fffffff, 0x80000000, UINT32_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct message m;
        write_message(&m);
        apir_enc_u32(&m.enc, values[i]);
        assert_int_equal(apir_enc_used(&m.enc), 4);
        read_message(&m);
        assert_int_equal(apir_dec_u32(&m.dec), values[i]);
        assert_true(apir_dec_finish(&m.dec));
        close_message(&m);
    }
}

static void i32_round_trips(void **state)
{
    (void)state;
    static const int32_t values[] = {0, -1, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct message m;
        write_message(&m);
        apir_enc_i32(&m.enc, values[i]);
        read_message(&m);
        assert_int_equal(apir_dec_i32(&m.dec), values[i]);
        assert_true(apir_dec_finish(&m.dec));
        close_message(&m);
    }
}

static void u64_and_size_round_trip_at_4_byte_alignment(void **state)
{
    (void)state;
    static const uint64_t values[] = {0, 1, UINT32_MAX, UINT64_C(1) << 63, UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct message m;
        write_message(&m);
        apir_enc_u32(&m.enc, 1);
        apir_enc_u64(&m.enc, values[i]);
        apir_enc_size(&m.enc, values[i]);
        assert_int_equal(apir_enc_used(&m.enc), 20);
        read_message(&m);
        apir_dec_u32(&m.dec);
        assert_true(apir_dec_u64(&m.dec) == values[i]);
        assert_true(apir_dec_size(&m.dec) == values[i]);
        assert_true(apir_dec_finish(&m.dec));
        close_message(&m);
    }
}

static void numbers_are_little_endian(void **state)
{
    (void)state;
    static const uint8_t expected[] = {4, 3, 2, 1, 8, 7, 6, 5, 4, 3, 2, 1};
    struct message m;
    write_message(&m);
    apir_enc_u32(&m.enc, 0x01020304);
    apir_enc_u64(&m.enc, UINT64_C(0x0102030405060708));
    assert_memory_equal(m.bytes, expected, sizeof expected);
    close_message(&m);
}

static void bool_round_trips_in_4_bytes(void **state)
{
    (void)state;
    struct message m;
    write_message(&m);
    apir_enc_bool(&m.enc, true);
    apir_enc_bool(&m.enc, false);
    assert_int_equal(apir_enc_used(&m.enc), 8);
    read_message(&m);
    assert_true(apir_dec_bool(&m.dec));
    assert_false(apir_dec_bool(&m.dec));
    assert_true(apir_dec_finish(&m.dec));
    close_message(&m);
}

static void float_round_trips_bit_by_bit(void **state)
{
    (void)state;
    static const uint32_t bits[] = {0, 0x80000000, 0x3f800000, 0x7f800000, 0x7fc00001, 1};
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
        float in, out;
        struct message m;
        memcpy(&in, &bits[i], sizeof in);
        write_message(&m);
        apir_enc_f32(&m.enc, in);
        read_message(&m);
        out = apir_dec_f32(&m.dec);
        assert_memory_equal(&in, &out, sizeof in);
        close_message(&m);
    }
}

static void strings_round_trip_padded_with_zeros(void **state)
{
    (void)state;
    static const char *const values[] = {"", "a", "ab", "abc", "abcd", "a longer one\n\xff"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct message m;
        write_message(&m);
        apir_enc_string(&m.enc, values[i]);
        size_t used = apir_enc_used(&m.enc), length = strlen(values[i]);
        assert_int_equal(used, 8 + (length + 1 + 3) / 4 * 4);
        for (size_t k = 8 + length; k < used; k++)
            assert_int_equal(m.bytes[k], 0);
        read_message(&m);
        assert_string_equal(apir_dec_string(&m.dec, 256), values[i]);
        assert_true(apir_dec_finish(&m.dec));
        close_message(&m);
    }
}

static void bytes_round_trip_in_place(void **state)
{
    (void)state;
    for (uint32_t size = 0; size < 9; size++) {
        static const uint8_t data[] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
        struct message m;
        uint32_t count;
        write_message(&m);
        apir_enc_bytes(&m.enc, data, size);
        assert_int_equal(apir_enc_used(&m.enc), 4 + (size + 3) / 4 * 4);
        read_message(&m);
        const uint8_t *read = apir_dec_bytes(&m.dec, 9, &count);
        assert_int_equal(count, size);
        assert_ptr_equal(read, m.copy + 4);
        assert_memory_equal(read, data, size);
        assert_true(apir_dec_finish(&m.dec));
        close_message(&m);
    }
}

static void shm_id_round_trips(void **state)
{
    (void)state;
    struct message m;
    write_message(&m);
    apir_enc_shm(&m.enc, UINT32_MAX);
    read_message(&m);
    assert_int_equal(apir_dec_shm(&m.dec), UINT32_MAX);
    assert_true(apir_dec_finish(&m.dec));
    close_message(&m);
}

/* A byte, then 3 that are written as zero. */
static void bytes_of_one_round_trip_in_4(void **state)
{
    (void)state;
    static const uint8_t expected[] = {0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0};
    struct message m;
    write_message(&m);
    apir_enc_u8(&m.enc, 0xff);
    apir_enc_byte_bool(&m.enc, true);
    apir_enc_byte_bool(&m.enc, false);
    assert_int_equal(apir_enc_used(&m.enc), sizeof expected);
    assert_memory_equal(m.bytes, expected, sizeof expected);
    read_message(&m);
    assert_int_equal(apir_dec_u8(&m.dec), 0xff);
    assert_true(apir_dec_byte_bool(&m.dec));
    assert_false(apir_dec_byte_bool(&m.dec));
    assert_true(apir_dec_finish(&m.dec));
    close_message(&m);
}

static void three_bytes_behind_one_may_be_anything(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {7, 0xff, 0xff, 0xff, 1, 0x80, 0, 1, 0, 0xff, 0xff, 0xff};
    struct message m;
    write_message(&m);
    read_bytes(&m, bytes, sizeof bytes);
    assert_int_equal(apir_dec_u8(&m.dec), 7);
    assert_true(apir_dec_byte_bool(&m.dec));
    assert_false(apir_dec_byte_bool(&m.dec));
    assert_true(apir_dec_finish(&m.dec));
    close_message(&m);
}

static void byte_bool_two_is_refused(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {2, 0, 0, 0};
    struct message m;
    write_message(&m);
    read_bytes(&m, bytes, sizeof bytes);
    assert_false(apir_dec_byte_bool(&m.dec));
    assert_false(apir_dec_finish(&m.dec));
    close_message(&m);
}

static void chars_round_trip_filled_up_with_zeros(void **state)
{
    (void)state;
    static const char *const values[] = {"", "a", "1234567"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char expected[8] = {0};
        struct message m;
        write_message(&m);
        memcpy(expected, values[i], strlen(values[i]));
        apir_enc_chars(&m.enc, values[i], 8);
        assert_int_equal(apir_enc_used(&m.enc), 8);
        assert_memory_equal(m.bytes, expected, 8);
        read_message(&m);
        assert_string_equal(apir_dec_chars(&m.dec, 8), values[i]);
        assert_true(apir_dec_finish(&m.dec));
        close_message(&m);
    }
}

static void bytes_behind_the_nul_of_chars_may_be_anything(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {'a', 0, 'b', 0xff};
    struct message m;
    write_message(&m);
    read_bytes(&m, bytes, sizeof bytes);
    assert_string_equal(apir_dec_chars(&m.dec, 4), "a");
    assert_true(apir_dec_finish(&m.dec));
    close_message(&m);
}

static void chars_without_nul_are_refused(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {'a', 'b', 'c', 'd', 0};
    struct message m;
    write_message(&m);
    read_bytes(&m, bytes, sizeof bytes);
    assert_string_equal(apir_dec_chars(&m.dec, 4), "");
    assert_string_equal(m.dec.fatal, "string has no NUL");
    close_message(&m);
}

static void chars_without_room_for_their_nul_are_not_written(void **state)
{
    (void)state;
    static const char *const values[] = {"1234", "12345", NULL};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct message m;
        write_message(&m);
        apir_enc_chars(&m.enc, values[i], 4);
        assert_false(apir_enc_ok(&m.enc));
        assert_int_equal(apir_enc_used(&m.enc), 0);
        assert_int_equal(m.bytes[0], 0xee);
        close_message(&m);
    }
}

static void padding_is_written_as_zeros_and_skipped(void **state)
{
    (void)state;
    struct message m;
    write_message(&m);
    apir_enc_pad(&m.enc, 8);
    apir_enc_u32(&m.enc, 5);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(m.bytes[i], 0);
    memset(m.bytes, 0xff, 8);
    read_message(&m);
    apir_dec_pad(&m.dec, 8);
    assert_int_equal(apir_dec_u32(&m.dec), 5);
    assert_true(apir_dec_finish(&m.dec));
    close_message(&m);
}

/* One value of every type. */
static void write_all(struct apir_enc *enc)
{
    apir_enc_i32(enc, -5);
    apir_enc_u32(enc, 5);
    apir_enc_u64(enc, 6);
    apir_enc_size(enc, 7);
    apir_enc_bool(enc, true);
    apir_enc_f32(enc, 1.5f);
    apir_enc_string(enc, "name");
    apir_enc_bytes(enc, "\1\2\3\4\5", 5);
    apir_enc_shm(enc, 9);
    apir_enc_u8(enc, 10);
    apir_enc_byte_bool(enc, true);
    apir_enc_chars(enc, "name", 8);
    apir_enc_pad(enc, 8);
    apir_enc_u32(enc, 1); /* an array of one */
    apir_enc_u32(enc, 77);
}

static bool read_all(struct apir_dec *dec)
{
    uint32_t count;
    apir_dec_i32(dec);
    apir_dec_u32(dec);
    apir_dec_u64(dec);
    apir_dec_size(dec);
    apir_dec_bool(dec);
    apir_dec_f32(dec);
    apir_dec_string(dec, 64);
    apir_dec_bytes(dec, 64, &count);
    apir_dec_shm(dec);
    apir_dec_u8(dec);
    apir_dec_byte_bool(dec);
    apir_dec_chars(dec, 8);
    apir_dec_pad(dec, 8);
    uint32_t n = apir_dec_count(dec, 64);
    uint32_t *items = apir_dec_alloc(dec, n, sizeof *items);
    for (uint32_t i = 0; items && i < n; i++)
        items[i] = apir_dec_u32(dec);
    return apir_dec_finish(dec);
}

static void message_truncated_at_any_byte_is_refused(void **state)
{
    (void)state;
    struct message m;
    write_message(&m);
    write_all(&m.enc);
    size_t used = apir_enc_used(&m.enc);
    for (size_t size = 0; size < used; size++) {
        read_bytes(&m, m.bytes, size);
        assert_false(read_all(&m.dec));
        assert_int_equal(apir_dec_left(&m.dec), 0);
    }
    read_bytes(&m, m.bytes, used);
    assert_true(read_all(&m.dec));
    close_message(&m);
}

static void message_that_exceeds_its_buffer_is_not_written(void **state)
{
    (void)state;
    struct message m;
    write_message(&m);
    write_all(&m.enc);
    size_t used = apir_enc_used(&m.enc);
    for (size_t size = 0; size < used; size++) {
        uint8_t *small = malloc(size ? size : 1);
        struct apir_enc enc;
        apir_enc_init(&enc, small, size);
        write_all(&enc);
        assert_false(apir_enc_ok(&enc));
        assert_true(apir_enc_used(&enc) <= size);
        free(small);
    }
    close_message(&m);
}

static void bytes_left_over_are_refused(void **state)
{
    (void)state;
    struct message m;
    write_message(&m);
    apir_enc_u32(&m.enc, 1);
    apir_enc_u32(&m.enc, 2);
    read_message(&m);
    apir_dec_u32(&m.dec);
    assert_false(apir_dec_finish(&m.dec));
    close_message(&m);
}

static void bool_two_is_refused(void **state)
{
    (void)state;
    static const uint32_t values[] = {2, 0x100, 0x80000000, UINT32_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct message m;
        write_message(&m);
        apir_enc_u32(&m.enc, values[i]);
        read_message(&m);
        assert_false(apir_dec_bool(&m.dec));
        assert_false(apir_dec_ok(&m.dec));
        close_message(&m);
    }
}

static void shm_id_zero_is_refused_on_both_sides(void **state)
{
    (void)state;
    struct message m;
    write_message(&m);
    apir_enc_u32(&m.enc, 0);
    read_message(&m);
    assert_int_equal(apir_dec_shm(&m.dec), 0);
    assert_false(apir_dec_ok(&m.dec));
    apir_enc_shm(&m.enc, 0);
    assert_false(apir_enc_ok(&m.enc));
    close_message(&m);
}

/* Reads a string of the given size field and characters; true if it is taken. */
static bool takes_string(uint64_t size, const char *characters, size_t n, uint32_t max)
{
    struct message m;
    write_message(&m);
    apir_enc_u64(&m.enc, size);
    memcpy(m.enc.cur, characters, n);
    m.enc.cur += n;
    read_message(&m);
    const char *string = apir_dec_string(&m.dec, max);
    bool taken = apir_dec_finish(&m.dec);
    assert_non_null(string);
    if (!taken)
        assert_string_equal(string, "");
    close_message(&m);
    return taken;
}

static void string_with_one_nul_at_its_end_is_taken(void **state)
{
    (void)state;
    assert_true(takes_string(4, "abc\0", 4, 4));
    assert_true(takes_string(1, "\0\0\0\0", 4, 4));
    assert_true(takes_string(3, "ab\0x", 4, 4));
}

static void string_without_nul_is_refused(void **state)
{
    (void)state;
    assert_false(takes_string(4, "abcd", 4, 8));
    assert_false(takes_string(3, "abc\0", 4, 8));
}

static void string_with_two_nuls_is_refused(void **state)
{
    (void)state;
    assert_false(takes_string(4, "ab\0\0", 4, 8));
    assert_false(takes_string(4, "\0bc\0", 4, 8));
}

static void string_of_size_zero_is_refused(void **state)
{
    (void)state;
    assert_false(takes_string(0, "", 0, 8));
    assert_false(takes_string(0, "\0\0\0\0", 4, 8));
}

static void string_longer_than_its_maximum_is_refused(void **state)
{
    (void)state;
    assert_true(takes_string(8, "abcdefg\0", 8, 8));
    assert_false(takes_string(8, "abcdefg\0", 8, 7));
}

static void string_of_a_wrapping_size_is_refused(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {UINT64_MAX, UINT64_MAX - 2, UINT32_MAX, UINT64_C(1) << 32, (UINT64_C(1) << 32) + 4,
                                     UINT64_C(1) << 63};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        assert_false(takes_string(sizes[i], "abc\0", 4, UINT32_MAX));
}

static void missing_string_is_not_written(void **state)
{
    (void)state;
    struct message m;
    write_message(&m);
    apir_enc_string(&m.enc, NULL);
    assert_false(apir_enc_ok(&m.enc));
    close_message(&m);
}

static void bytes_over_their_maximum_are_refused(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {5, 9, 0x7fffffff, UINT32_MAX, UINT32_MAX - 2};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint32_t count = 1, max = i == 0 ? 4 : UINT32_MAX;
        struct message m;
        write_message(&m);
        apir_enc_u32(&m.enc, sizes[i]);
        apir_enc_u64(&m.enc, 0);
        read_message(&m);
        assert_null(apir_dec_bytes(&m.dec, max, &count));
        assert_int_equal(count, 0);
        assert_false(apir_dec_ok(&m.dec));
        close_message(&m);
    }
}

/* The count that is read of an array that claims n elements and has room elements behind it. */
static uint32_t count_of(uint32_t n, uint32_t room, uint32_t max, bool *ok)
{
    struct message m;
    write_message(&m);
    apir_enc_u32(&m.enc, n);
    for (uint32_t i = 0; i < room; i++)
        apir_enc_u32(&m.enc, i);
    read_message(&m);
    uint32_t count = apir_dec_count(&m.dec, max);
    *ok = apir_dec_ok(&m.dec);
    close_message(&m);
    return count;
}

static void count_within_maximum_and_message_is_taken(void **state)
{
    (void)state;
    bool ok;
    assert_int_equal(count_of(0, 0, 0, &ok), 0);
    assert_true(ok);
    assert_int_equal(count_of(3, 3, 3, &ok), 3);
    assert_true(ok);
}

static void count_over_maximum_or_message_is_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t n, room, max;
    } bad[] = {{4, 4, 3}, {4, 3, 4}, {1, 0, 1}, {UINT32_MAX, 3, UINT32_MAX}, {0x40000001, 4, UINT32_MAX}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bool ok;
        assert_int_equal(count_of(bad[i].n, bad[i].room, bad[i].max, &ok), 0);
        assert_false(ok);
    }
}

static void array_without_arena_is_refused(void **state)
{
    (void)state;
    struct apir_dec dec;
    apir_dec_init(&dec, "", 0, NULL);
    assert_null(apir_dec_alloc(&dec, 1, 4));
    assert_false(apir_dec_ok(&dec));
}

static void array_whose_size_wraps_is_refused(void **state)
{
    (void)state;
    struct message m;
    write_message(&m);
    read_message(&m);
    assert_null(apir_dec_alloc(&m.dec, UINT32_MAX, SIZE_MAX / 2));
    assert_false(apir_dec_ok(&m.dec));
    close_message(&m);
}

static void array_of_none_has_a_pointer(void **state)
{
    (void)state;
    struct message m;
    write_message(&m);
    read_message(&m);
    assert_non_null(apir_dec_alloc(&m.dec, 0, 8));
    assert_true(apir_dec_finish(&m.dec));
    close_message(&m);
}

static void peek_does_not_move(void **state)
{
    (void)state;
    struct message m;
    write_message(&m);
    apir_enc_u32(&m.enc, 11);
    read_message(&m);
    assert_int_equal(apir_dec_peek_u32(&m.dec), 11);
    assert_int_equal(apir_dec_peek_u32(&m.dec), 11);
    assert_int_equal(apir_dec_u32(&m.dec), 11);
    assert_true(apir_dec_finish(&m.dec));
    close_message(&m);
}

static void peek_past_the_end_is_refused(void **state)
{
    (void)state;
    static const uint8_t three[] = {1, 2, 3};
    struct message m;
    write_message(&m);
    read_bytes(&m, three, sizeof three);
    assert_int_equal(apir_dec_peek_u32(&m.dec), 0);
    assert_false(apir_dec_ok(&m.dec));
    close_message(&m);
}

static void reader_after_an_error_gives_zeros_and_keeps_the_first_cause(void **state)
{
    (void)state;
    uint32_t count = 1;
    struct message m;
    write_message(&m);
    for (int i = 0; i < 8; i++)
        apir_enc_u32(&m.enc, UINT32_MAX);
    read_message(&m);
    apir_dec_bool(&m.dec);
    const char *first = m.dec.fatal;
    assert_non_null(first);
    assert_int_equal(apir_dec_u32(&m.dec), 0);
    assert_int_equal(apir_dec_i32(&m.dec), 0);
    assert_true(apir_dec_u64(&m.dec) == 0);
    assert_false(apir_dec_bool(&m.dec));
    assert_true(apir_dec_f32(&m.dec) >= 0 && apir_dec_f32(&m.dec) <= 0);
    assert_string_equal(apir_dec_string(&m.dec, 64), "");
    assert_null(apir_dec_bytes(&m.dec, 64, &count));
    assert_int_equal(count, 0);
    assert_int_equal(apir_dec_count(&m.dec, 64), 0);
    assert_int_equal(apir_dec_peek_u32(&m.dec), 0);
    assert_int_equal(apir_dec_shm(&m.dec), 0);
    assert_int_equal(apir_dec_u8(&m.dec), 0);
    assert_false(apir_dec_byte_bool(&m.dec));
    assert_string_equal(apir_dec_chars(&m.dec, 64), "");
    assert_null(apir_dec_alloc(&m.dec, 1, 1));
    apir_dec_set_fatal(&m.dec, "later");
    assert_ptr_equal(m.dec.fatal, first);
    assert_false(apir_dec_finish(&m.dec));
    close_message(&m);
}

static void writer_after_an_error_writes_nothing_and_keeps_the_first_cause(void **state)
{
    (void)state;
    struct message m;
    write_message(&m);
    apir_enc_u32(&m.enc, 1);
    apir_enc_set_fatal(&m.enc, "first");
    write_all(&m.enc);
    apir_enc_set_fatal(&m.enc, "later");
    assert_string_equal(m.enc.fatal, "first");
    assert_int_equal(apir_enc_used(&m.enc), 4);
    assert_int_equal(m.bytes[4], 0xee);
    close_message(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(u32_round_trips),
        cmocka_unit_test(i32_round_trips),
        cmocka_unit_test(u64_and_size_round_trip_at_4_byte_alignment),
        cmocka_unit_test(numbers_are_little_endian),
        cmocka_unit_test(bool_round_trips_in_4_bytes),
        cmocka_unit_test(float_round_trips_bit_by_bit),
        cmocka_unit_test(strings_round_trip_padded_with_zeros),
        cmocka_unit_test(bytes_round_trip_in_place),
        cmocka_unit_test(shm_id_round_trips),
        cmocka_unit_test(bytes_of_one_round_trip_in_4),
        cmocka_unit_test(three_bytes_behind_one_may_be_anything),
        cmocka_unit_test(byte_bool_two_is_refused),
        cmocka_unit_test(chars_round_trip_filled_up_with_zeros),
        cmocka_unit_test(bytes_behind_the_nul_of_chars_may_be_anything),
        cmocka_unit_test(chars_without_nul_are_refused),
        cmocka_unit_test(chars_without_room_for_their_nul_are_not_written),
        cmocka_unit_test(padding_is_written_as_zeros_and_skipped),
        cmocka_unit_test(message_truncated_at_any_byte_is_refused),
        cmocka_unit_test(message_that_exceeds_its_buffer_is_not_written),
        cmocka_unit_test(bytes_left_over_are_refused),
        cmocka_unit_test(bool_two_is_refused),
        cmocka_unit_test(shm_id_zero_is_refused_on_both_sides),
        cmocka_unit_test(string_with_one_nul_at_its_end_is_taken),
        cmocka_unit_test(string_without_nul_is_refused),
        cmocka_unit_test(string_with_two_nuls_is_refused),
        cmocka_unit_test(string_of_size_zero_is_refused),
        cmocka_unit_test(string_longer_than_its_maximum_is_refused),
        cmocka_unit_test(string_of_a_wrapping_size_is_refused),
        cmocka_unit_test(missing_string_is_not_written),
        cmocka_unit_test(bytes_over_their_maximum_are_refused),
        cmocka_unit_test(count_within_maximum_and_message_is_taken),
        cmocka_unit_test(count_over_maximum_or_message_is_refused),
        cmocka_unit_test(array_without_arena_is_refused),
        cmocka_unit_test(array_whose_size_wraps_is_refused),
        cmocka_unit_test(array_of_none_has_a_pointer),
        cmocka_unit_test(peek_does_not_move),
        cmocka_unit_test(peek_past_the_end_is_refused),
        cmocka_unit_test(reader_after_an_error_gives_zeros_and_keeps_the_first_cause),
        cmocka_unit_test(writer_after_an_error_writes_nothing_and_keeps_the_first_cause),
    };
    return cmocka_run_group_tests_name("cs", tests, NULL, NULL);
}
