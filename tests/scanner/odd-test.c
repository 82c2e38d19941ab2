/* What is generated for odd.yaml: single bytes, padding, text in place, fields that may be missing, arrays without a
 * count. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/upstream-link.h"
#include "odd-one-calls.h"
#include "odd-one-codec.h"
#include "odd-one-dispatch.h"
#include "odd-one-print.h"

enum { MAX_MESSAGE = 1024, ENTRY_SIZE = 32 };

/* A message: written, then read from a copy of just its size, so that a read past its end is seen. */
struct message {
    uint8_t bytes[MAX_MESSAGE];
    uint8_t *copy;
    struct apir_enc enc;
    struct apir_dec dec;
    struct apir_arena arena;
};

static int message_setup(void **state)
{
    struct message *m = calloc(1, sizeof *m);
    if (!m)
        return -1;
    memset(m->bytes, 0xee, sizeof m->bytes);
    apir_enc_init(&m->enc, m->bytes, sizeof m->bytes);
    *state = m;
    return 0;
}

static int message_teardown(void **state)
{
    struct message *m = *state;
    free(m->copy);
    apir_arena_finish(&m->arena);
    free(m);
    return 0;
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
    assert_null(m->enc.fatal);
    read_bytes(m, m->bytes, apir_enc_used(&m->enc));
}

static struct odd_one_entry entry(uint8_t kind, const char *name)
{
    return (struct odd_one_entry){.kind = kind, .byte = 0xfe, .on = true, .name = name};
}

/* With every field. What it points to is constant, or entries. */
static struct odd_one_cluster full_cluster(struct odd_one_entry entries[2])
{
    static const uint8_t data[] = {1, 2, 3, 4, 5};
    static const uint8_t list[] = {7, 0};
    static const uint32_t squares[] = {1, 100};
    entries[0] = entry(1, "");
    entries[1] = entry(9, "seven!!");
    return (struct odd_one_cluster){
        .head = {.flags = 0x80000000, .on = true, .refs = {1, UINT64_C(0x100000000), 0}},
        .level = -1,
        .text = "text",
        .label = "abc",
        .data = data,
        .n_data = 5,
        .list = list,
        .n_list = 2,
        .pair = {false, true},
        .spare = entry(5, "spare"),
        .entries = entries,
        .n_entries = 2,
        .sizes = {1, UINT32_MAX},
        .squares = squares,
        .n_squares = 2,
    };
}

static void assert_same_entry(const struct odd_one_entry *a, const struct odd_one_entry *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->byte, b->byte);
    assert_int_equal(a->on, b->on);
    assert_string_equal(a->name, b->name);
}

/* --- an entry: 4 of padding, 3 times a byte in 4, 8 chars, 8 of padding --- */

static const uint8_t entry_bytes[ENTRY_SIZE] = {0, 0, 0, 0, 9, 0, 0, 0, 0xfe, 0, 0, 0, 1, 0, 0, 0, 'a', 'b', 'c'};

static void entry_has_the_bytes_of_a_c_struct(void **state)
{
    struct message *m = *state;
    struct odd_one_entry value = entry(9, "abc");
    odd_one_encode_entry(&m->enc, &value);
    assert_int_equal(apir_enc_used(&m->enc), ENTRY_SIZE);
    assert_memory_equal(m->bytes, entry_bytes, ENTRY_SIZE);
}

static void bytes_that_mean_nothing_may_be_anything(void **state)
{
    struct message *m = *state;
    struct odd_one_entry expected = entry(9, "abc"), value;
    uint8_t bytes[ENTRY_SIZE];
    memset(bytes, 0xff, sizeof bytes);
    bytes[4] = 9;
    bytes[8] = 0xfe;
    bytes[12] = 1;
    memcpy(bytes + 16, "abc", 4);
    read_bytes(m, bytes, sizeof bytes);
    odd_one_decode_entry(&m->dec, &value);
    assert_true(apir_dec_finish(&m->dec));
    assert_same_entry(&value, &expected);
}

static void expect_bad_entry(struct message *m, size_t offset, uint8_t bad, const char *fatal)
{
    struct odd_one_entry value;
    uint8_t bytes[ENTRY_SIZE];
    memcpy(bytes, entry_bytes, sizeof bytes);
    bytes[offset] = bad;
    read_bytes(m, bytes, sizeof bytes);
    odd_one_decode_entry(&m->dec, &value);
    assert_false(apir_dec_finish(&m->dec));
    assert_string_equal(m->dec.fatal, fatal);
}

static void byte_out_of_its_range_is_refused(void **state)
{
    expect_bad_entry(*state, 4, 0, "entry.kind is out of range");
    expect_bad_entry(*state, 4, 10, "entry.kind is out of range");
}

static void byte_bool_two_is_refused(void **state)
{
    expect_bad_entry(*state, 12, 2, "bool is neither 0 nor 1");
}

static void chars_without_nul_are_refused(void **state)
{
    struct message *m = *state;
    struct odd_one_entry value;
    uint8_t bytes[ENTRY_SIZE];
    memcpy(bytes, entry_bytes, sizeof bytes);
    memcpy(bytes + 16, "12345678", 8);
    read_bytes(m, bytes, sizeof bytes);
    odd_one_decode_entry(&m->dec, &value);
    assert_false(apir_dec_finish(&m->dec));
    assert_string_equal(value.name, "");
}

static void expect_unwritten(struct odd_one_entry value, const char *fatal)
{
    uint8_t bytes[ENTRY_SIZE];
    struct apir_enc enc;
    apir_enc_init(&enc, bytes, sizeof bytes);
    odd_one_encode_entry(&enc, &value);
    assert_string_equal(enc.fatal, fatal);
}

static void bad_entries_are_not_written(void **state)
{
    (void)state;
    expect_unwritten(entry(0, "a"), "entry.kind is out of range");
    expect_unwritten(entry(10, "a"), "entry.kind is out of range");
    expect_unwritten(entry(1, "12345678"), "entry.name is too long");
    expect_unwritten(entry(1, NULL), "string is missing");
}

/* --- a cluster --- */

static void assert_same_lists(const struct odd_one_cluster *a, const struct odd_one_cluster *b)
{
    assert_int_equal(a->n_data, b->n_data);
    assert_memory_equal(a->data, b->data, b->n_data);
    assert_int_equal(a->n_list, b->n_list);
    assert_memory_equal(a->list, b->list, b->n_list);
    assert_memory_equal(a->pair, b->pair, sizeof b->pair);
    assert_int_equal(a->n_entries, b->n_entries);
    for (uint32_t i = 0; i < b->n_entries; i++)
        assert_same_entry(&a->entries[i], &b->entries[i]);
    assert_int_equal(a->n_squares, b->n_squares);
    assert_memory_equal(a->squares, b->squares, b->n_squares * sizeof *b->squares);
}

static void fields_that_are_there_round_trip(void **state)
{
    struct message *m = *state;
    struct odd_one_entry entries[2];
    struct odd_one_cluster in = full_cluster(entries), out;
    odd_one_encode_cluster(&m->enc, &in);
    read_message(m);
    odd_one_decode_cluster(&m->dec, &out);
    assert_true(apir_dec_finish(&m->dec));
    assert_memory_equal(out.head.refs, in.head.refs, sizeof in.head.refs);
    assert_int_equal(out.level, -1);
    assert_string_equal(out.text, "text");
    assert_string_equal(out.label, "abc");
    assert_same_entry(&out.spare, &in.spare);
    assert_same_lists(&out, &in);
}

static void missing_fields_take_no_bytes_and_are_zero(void **state)
{
    struct message *m = *state;
    struct odd_one_entry entries[2];
    struct odd_one_cluster in = full_cluster(entries), out;
    in.head = (struct odd_one_head){0};
    in.n_entries = 0;
    odd_one_encode_cluster(&m->enc, &in);
    assert_int_equal(apir_enc_used(&m->enc), 4 + 4 + 3 * 8 + 2 * 4);
    read_message(m);
    odd_one_decode_cluster(&m->dec, &out);
    assert_true(apir_dec_finish(&m->dec));
    assert_int_equal(out.level, 0);
    assert_null(out.text);
    assert_null(out.label);
    assert_null(out.data);
    assert_int_equal(out.n_data + out.n_list + out.n_entries + out.n_squares, 0);
    assert_int_equal(out.spare.kind, 0);
    assert_int_equal(out.sizes[1], UINT32_MAX);
}

static void cluster_truncated_at_any_byte_is_refused(void **state)
{
    struct message *m = *state;
    struct odd_one_entry entries[2];
    struct odd_one_cluster in = full_cluster(entries), out;
    odd_one_encode_cluster(&m->enc, &in);
    for (size_t size = 0; size < apir_enc_used(&m->enc); size++) {
        read_bytes(m, m->bytes, size);
        odd_one_decode_cluster(&m->dec, &out);
        assert_false(apir_dec_finish(&m->dec));
    }
}

static void items_end_at_the_first_zero(void **state)
{
    struct message *m = *state;
    struct odd_one_entry entries[2];
    struct odd_one_cluster in = full_cluster(entries), out;
    in.head.refs[1] = 0;
    in.head.refs[2] = 3; /* after the end */
    in.n_entries = 1;
    odd_one_encode_cluster(&m->enc, &in);
    read_message(m);
    odd_one_decode_cluster(&m->dec, &out);
    assert_true(apir_dec_finish(&m->dec));
    assert_int_equal(out.n_entries, 1);
}

static void all_refs_set_give_as_many_items(void **state)
{
    struct message *m = *state;
    struct odd_one_entry entries[3];
    struct odd_one_cluster in = full_cluster(entries), out;
    in.head.refs[2] = 3;
    entries[2] = entry(3, "c");
    in.n_entries = 3;
    odd_one_encode_cluster(&m->enc, &in);
    read_message(m);
    odd_one_decode_cluster(&m->dec, &out);
    assert_true(apir_dec_finish(&m->dec));
    assert_int_equal(out.n_entries, 3);
    assert_same_entry(&out.entries[2], &entries[2]);
}

static void items_that_do_not_fit_the_refs_are_not_written(void **state)
{
    struct message *m = *state;
    struct odd_one_entry entries[2];
    struct odd_one_cluster in = full_cluster(entries);
    in.n_entries = 1;
    odd_one_encode_cluster(&m->enc, &in);
    assert_string_equal(m->enc.fatal, "cluster.entries has a bad count");
    in.n_entries = 2;
    in.entries = NULL;
    apir_enc_init(&m->enc, m->bytes, sizeof m->bytes);
    odd_one_encode_cluster(&m->enc, &in);
    assert_string_equal(m->enc.fatal, "cluster.entries has a bad count");
}

/* Refused before memory is taken. */
static void items_beyond_the_message_are_refused(void **state)
{
    struct message *m = *state;
    struct odd_one_cluster in = {.head = {.refs = {0}}}, out;
    odd_one_encode_cluster(&m->enc, &in);
    m->bytes[8] = 1; /* a ref, whose entry is not there */
    read_message(m);
    odd_one_decode_cluster(&m->dec, &out);
    assert_string_equal(m->dec.fatal, "cluster.entries exceeds the message");
}

static void missing_fields_are_not_checked(void **state)
{
    struct message *m = *state;
    struct odd_one_cluster in = {.level = 99, .n_list = 1};
    odd_one_encode_cluster(&m->enc, &in);
    assert_true(apir_enc_ok(&m->enc));
    in.head.flags = 1;
    odd_one_encode_cluster(&m->enc, &in);
    assert_string_equal(m->enc.fatal, "cluster.level is out of range");
}

/* --- messages that may end sooner --- */

static void rest_round_trips(void **state)
{
    struct message *m = *state;
    struct odd_one_tail_args in = {.size = 3, .has_entry = true, .entry = entry(2, "x")}, out;
    odd_one_encode_tail_args(&m->enc, &in);
    assert_int_equal(apir_enc_used(&m->enc), 4 + ENTRY_SIZE);
    for (size_t size = 0; size <= 4 + ENTRY_SIZE; size++) {
        read_bytes(m, m->bytes, size);
        odd_one_decode_tail_args(&m->dec, &out);
        assert_int_equal(apir_dec_finish(&m->dec), size == 4 || size == 4 + ENTRY_SIZE);
        if (size == 4)
            assert_false(out.has_entry);
    }
    assert_true(out.has_entry);
    assert_same_entry(&out.entry, &in.entry);
}

static void rest_is_not_written_unless_it_is_there(void **state)
{
    struct message *m = *state;
    struct odd_one_tail_reply reply = {.done = true, .reason = "because it is too long"};
    odd_one_encode_tail_reply(&m->enc, &reply);
    assert_true(apir_enc_ok(&m->enc));
    assert_int_equal(apir_enc_used(&m->enc), 4);
}

/* --- printer --- */

static void expect_print(struct message *m, uint32_t call, const char *expected)
{
    char *line = NULL;
    size_t size;
    FILE *file = open_memstream(&line, &size);
    assert_non_null(file);
    read_message(m);
    int ret = odd_one_print_call(file, call, &m->dec);
    fclose(file);
    assert_string_equal(line, expected);
    assert_int_equal(ret, 0);
    free(line);
}

static void missing_fields_are_not_printed(void **state)
{
    struct message *m = *state;
    struct odd_one_zero_args args = {.cluster = {.head = {.flags = 1}, .level = 1, .text = "a", .spare = entry(1, "")}};
    odd_one_encode_zero_args(&m->enc, &args);
    expect_print(m, ODD_ONE_CALL_ZERO,
                 "zero(cluster={head={flags=1, on=false, refs=[0, 0, 0]}, level=1, text=\"a\", "
                 "spare={kind=1, byte=254, on=true, name=\"\"}, entries=[], sizes=[0, 0]})");
}

static void missing_rest_is_not_printed(void **state)
{
    struct message *m = *state;
    struct odd_one_tail_args args = {.size = 3};
    odd_one_encode_tail_args(&m->enc, &args);
    expect_print(m, ODD_ONE_CALL_TAIL, "tail(size=3)");
    args = (struct odd_one_tail_args){.size = 4, .has_entry = true, .entry = entry(2, "\"")};
    apir_enc_init(&m->enc, m->bytes, sizeof m->bytes);
    odd_one_encode_tail_args(&m->enc, &args);
    expect_print(m, ODD_ONE_CALL_TAIL, "tail(size=4, entry={kind=2, byte=254, on=true, name=\"\\\"\"})");
}

/* --- both sides, joined --- */

/* Stands in for the client's link: serves the calls itself. */
struct apir_upstream_link {
    struct odd_one_handlers handlers;
    struct message request, reply;
    uint32_t call;
};

int apir_upstream_link_begin(struct apir_upstream_link *link, uint32_t function, struct apir_enc *request)
{
    link->call = function;
    apir_enc_init(request, link->request.bytes, sizeof link->request.bytes);
    return 0;
}

int apir_upstream_link_submit(struct apir_upstream_link *link, struct apir_enc *request, struct apir_arena *arena,
                              struct apir_dec *reply)
{
    struct apir_enc out;
    struct apir_dec in;
    apir_enc_init(&out, link->reply.bytes, sizeof link->reply.bytes);
    apir_dec_init(&in, link->request.bytes, apir_enc_used(request), arena);
    int ret = odd_one_dispatch(&link->handlers, link, link->call, &in, arena, &out);
    apir_dec_init(reply, link->reply.bytes, apir_enc_used(&out), arena);
    return ret;
}

int apir_upstream_link_end(struct apir_upstream_link *link, struct apir_dec *reply, int ret)
{
    (void)link;
    return reply && !apir_dec_finish(reply) ? -EBADMSG : ret;
}

static int serve_zero(void *ctx, struct apir_arena *scratch, const struct odd_one_zero_args *args,
                      struct odd_one_zero_reply *reply)
{
    (void)ctx;
    (void)scratch;
    reply->entry = args->cluster.entries[1];
    return 0;
}

static int serve_tail(void *ctx, struct apir_arena *scratch, const struct odd_one_tail_args *args,
                      struct odd_one_tail_reply *reply)
{
    (void)ctx;
    (void)scratch;
    reply->done = true;
    reply->has_reason = args->has_entry;
    reply->reason = args->has_entry ? args->entry.name : NULL;
    return 0;
}

static struct apir_upstream_link *open_link(void)
{
    struct apir_upstream_link *link = calloc(1, sizeof *link);
    assert_non_null(link);
    link->handlers = (struct odd_one_handlers){.zero = serve_zero, .tail = serve_tail};
    return link;
}

static void call_zero_is_served(void **state)
{
    struct apir_upstream_link *link = open_link();
    struct apir_arena arena = {0};
    struct odd_one_entry entries[2];
    struct odd_one_zero_args args = {.cluster = full_cluster(entries)};
    struct odd_one_zero_reply reply;
    (void)state;
    assert_int_equal(ODD_ONE_CALL_ZERO, 0);
    assert_int_equal(odd_one_call_zero(link, &arena, &args, &reply), 0);
    assert_same_entry(&reply.entry, &entries[1]);
    apir_arena_finish(&arena);
    free(link);
}

static void rest_crosses_in_both_directions(void **state)
{
    struct apir_upstream_link *link = open_link();
    struct apir_arena arena = {0};
    struct odd_one_tail_args args = {.has_entry = true, .entry = entry(1, "why")};
    struct odd_one_tail_reply reply;
    (void)state;
    assert_int_equal(odd_one_call_tail(link, &arena, &args, &reply), 0);
    assert_true(reply.done && reply.has_reason);
    assert_string_equal(reply.reason, "why");
    args.has_entry = false;
    assert_int_equal(odd_one_call_tail(link, &arena, &args, &reply), 0);
    assert_true(reply.done && !reply.has_reason);
    assert_null(reply.reason);
    apir_arena_finish(&arena);
    free(link);
}

static void disabled_call_keeps_its_number(void **state)
{
    struct apir_upstream_link *link = open_link();
    struct apir_dec in;
    struct apir_enc out;
    (void)state;
    apir_dec_init(&in, link->request.bytes, 0, NULL);
    apir_enc_init(&out, link->reply.bytes, sizeof link->reply.bytes);
    assert_int_equal(odd_one_dispatch(&link->handlers, link, ODD_ONE_CALL_GONE, &in, NULL, &out), -ENOSYS);
    assert_string_equal(odd_one_call_name(2), "gone");
    free(link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(entry_has_the_bytes_of_a_c_struct, message_setup, message_teardown),
        cmocka_unit_test_setup_teardown(bytes_that_mean_nothing_may_be_anything, message_setup, message_teardown),
        cmocka_unit_test_setup_teardown(byte_out_of_its_range_is_refused, message_setup, message_teardown),
        cmocka_unit_test_setup_teardown(byte_bool_two_is_refused, message_setup, message_teardown),
        cmocka_unit_test_setup_teardown(chars_without_nul_are_refused, message_setup, message_teardown),
        cmocka_unit_test(bad_entries_are_not_written),
        cmocka_unit_test_setup_teardown(fields_that_are_there_round_trip, message_setup, message_teardown),
        cmocka_unit_test_setup_teardown(missing_fields_take_no_bytes_and_are_zero, message_setup, message_teardown),
        cmocka_unit_test_setup_teardown(cluster_truncated_at_any_byte_is_refused, message_setup, message_teardown),
        cmocka_unit_test_setup_teardown(items_end_at_the_first_zero, message_setup, message_teardown),
        cmocka_unit_test_setup_teardown(all_refs_set_give_as_many_items, message_setup, message_teardown),
        cmocka_unit_test_setup_teardown(items_that_do_not_fit_the_refs_are_not_written, message_setup,
                                        message_teardown),
        cmocka_unit_test_setup_teardown(items_beyond_the_message_are_refused, message_setup, message_teardown),
        cmocka_unit_test_setup_teardown(missing_fields_are_not_checked, message_setup, message_teardown),
        cmocka_unit_test_setup_teardown(rest_round_trips, message_setup, message_teardown),
        cmocka_unit_test_setup_teardown(rest_is_not_written_unless_it_is_there, message_setup, message_teardown),
        cmocka_unit_test_setup_teardown(missing_fields_are_not_printed, message_setup, message_teardown),
        cmocka_unit_test_setup_teardown(missing_rest_is_not_printed, message_setup, message_teardown),
        cmocka_unit_test(call_zero_is_served),
        cmocka_unit_test(rest_crosses_in_both_directions),
        cmocka_unit_test(disabled_call_keeps_its_number),
    };
    return cmocka_run_group_tests_name("odd", tests, NULL, NULL);
}
