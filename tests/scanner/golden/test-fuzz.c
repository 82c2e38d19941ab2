/* generated from tests.yaml by apir-scanner; do not edit */
#include "table.h"

#include "test-codec.h"
#include "test-print.h"

static const struct fuzz_field fields_point[] = {
    {.name = "x", .kind = FUZZ_I32, .min = (uint64_t)-5, .max = 5U, .has_max = true},
    {.name = "y", .kind = FUZZ_I32},
};
static void decode_point(struct apir_dec *dec, void *v)
{
    test_decode_point(dec, v);
}
static void encode_point(struct apir_enc *enc, const void *v)
{
    test_encode_point(enc, v);
}
static const struct fuzz_record record_point = {"point", fields_point, 2U,
    decode_point, encode_point, sizeof(struct test_point)};

static const struct fuzz_field fields_item[] = {
    {.name = "a", .kind = FUZZ_I32, .min = (uint64_t)-2147483648, .max = 2147483647U, .has_max = true},
    {.name = "b", .kind = FUZZ_U32, .min = 2U, .max = 16U, .has_max = true},
    {.name = "c", .kind = FUZZ_U64, .min = 1U, .max = 1311768467463790320U, .has_max = true},
    {.name = "d", .kind = FUZZ_U64, .max = 18446744073709551615U, .has_max = true},
    {.name = "e", .kind = FUZZ_BOOL},
    {.name = "f", .kind = FUZZ_F32},
    {.name = "shm", .kind = FUZZ_SHM},
    {.name = "maybe_shm", .kind = FUZZ_SHM, .optional = true},
    {.name = "owner", .kind = FUZZ_HANDLE, .of = "thing"},
    {.name = "maybe_owner", .kind = FUZZ_HANDLE, .of = "thing", .optional = true},
    {.name = "color", .kind = FUZZ_ENUM, .values = (const uint32_t[]){TEST_COLOR_RED, TEST_COLOR_GREEN, TEST_COLOR_BLUE}, .n_values = 3U},
    {.name = "at", .kind = FUZZ_STRUCT, .record = &record_point},
    {.name = "name", .kind = FUZZ_STRING, .max = 8U, .has_max = true},
};
static void decode_item(struct apir_dec *dec, void *v)
{
    test_decode_item(dec, v);
}
static void encode_item(struct apir_enc *enc, const void *v)
{
    test_encode_item(enc, v);
}
static const struct fuzz_record record_item = {"item", fields_item, 13U,
    decode_item, encode_item, sizeof(struct test_item)};

static const struct fuzz_field fields_group[] = {
    {.name = "data", .kind = FUZZ_BYTES, .min = 2U, .max = 10U, .has_max = true},
    {.name = "numbers", .kind = FUZZ_I32, .min = (uint64_t)-1, .max = 16U, .has_max = true, .list = FUZZ_COUNTED, .count_max = 12U},
    {.name = "wide", .kind = FUZZ_U64, .max = 4294967296U, .has_max = true, .list = FUZZ_COUNTED, .count_min = 1U, .count_max = 12U},
    {.name = "flags", .kind = FUZZ_BOOL, .list = FUZZ_COUNTED, .count_max = 12U},
    {.name = "weights", .kind = FUZZ_F32, .list = FUZZ_COUNTED, .count_max = 12U},
    {.name = "colors", .kind = FUZZ_ENUM, .values = (const uint32_t[]){TEST_COLOR_RED, TEST_COLOR_GREEN, TEST_COLOR_BLUE}, .n_values = 3U, .list = FUZZ_COUNTED, .count_max = 12U},
    {.name = "names", .kind = FUZZ_STRING, .max = 8U, .has_max = true, .list = FUZZ_COUNTED, .count_max = 12U},
    {.name = "points", .kind = FUZZ_STRUCT, .record = &record_point, .list = FUZZ_COUNTED, .count_max = 12U},
    {.name = "things", .kind = FUZZ_HANDLE, .of = "thing", .list = FUZZ_COUNTED, .count_max = 12U},
    {.name = "shms", .kind = FUZZ_SHM, .optional = true, .list = FUZZ_COUNTED, .count_max = 12U},
    {.name = "offsets", .kind = FUZZ_U64, .max = 1000U, .has_max = true, .list = FUZZ_FIXED, .count_max = 3U},
    {.name = "corners", .kind = FUZZ_STRUCT, .record = &record_point, .list = FUZZ_FIXED, .count_max = 2U},
    {.name = "palette", .kind = FUZZ_ENUM, .values = (const uint32_t[]){TEST_COLOR_RED, TEST_COLOR_GREEN, TEST_COLOR_BLUE}, .n_values = 3U, .list = FUZZ_FIXED, .count_max = 2U},
    {.name = "bits", .kind = FUZZ_U32, .list = FUZZ_FIXED, .count_max = 10U},
};
static void decode_group(struct apir_dec *dec, void *v)
{
    test_decode_group(dec, v);
}
static void encode_group(struct apir_enc *enc, const void *v)
{
    test_encode_group(enc, v);
}
static const struct fuzz_record record_group = {"group", fields_group, 14U,
    decode_group, encode_group, sizeof(struct test_group)};

static const struct fuzz_field fields_tree[] = {
    {.name = "groups", .kind = FUZZ_STRUCT, .record = &record_group, .list = FUZZ_COUNTED, .count_max = 2U},
    {.name = "rows", .kind = FUZZ_STRUCT, .record = &record_item, .list = FUZZ_FIXED, .count_max = 1U},
};
static void decode_tree(struct apir_dec *dec, void *v)
{
    test_decode_tree(dec, v);
}
static void encode_tree(struct apir_enc *enc, const void *v)
{
    test_encode_tree(enc, v);
}
static const struct fuzz_record record_tree = {"tree", fields_tree, 2U,
    decode_tree, encode_tree, sizeof(struct test_tree)};

static const struct fuzz_field fields_tell_args[] = {
    {.name = "item", .kind = FUZZ_STRUCT, .record = &record_item},
};
static void decode_tell_args(struct apir_dec *dec, void *v)
{
    test_decode_tell_args(dec, v);
}
static void encode_tell_args(struct apir_enc *enc, const void *v)
{
    test_encode_tell_args(enc, v);
}
static const struct fuzz_record record_tell_args = {"tell_args", fields_tell_args, 1U,
    decode_tell_args, encode_tell_args, sizeof(struct test_tell_args)};

static const struct fuzz_field fields_ask_reply[] = {
    {.name = "answer", .kind = FUZZ_U32, .max = 42U, .has_max = true},
    {.name = "reason", .kind = FUZZ_STRING, .max = 8U, .has_max = true},
};
static void decode_ask_reply(struct apir_dec *dec, void *v)
{
    test_decode_ask_reply(dec, v);
}
static void encode_ask_reply(struct apir_enc *enc, const void *v)
{
    test_encode_ask_reply(enc, v);
}
static const struct fuzz_record record_ask_reply = {"ask_reply", fields_ask_reply, 2U,
    decode_ask_reply, encode_ask_reply, sizeof(struct test_ask_reply)};

static const struct fuzz_field fields_swap_args[] = {
    {.name = "tree", .kind = FUZZ_STRUCT, .record = &record_tree},
    {.name = "unit", .kind = FUZZ_ENUM, .values = (const uint32_t[]){TEST_UNIT_NONE}, .n_values = 1U},
};
static void decode_swap_args(struct apir_dec *dec, void *v)
{
    test_decode_swap_args(dec, v);
}
static void encode_swap_args(struct apir_enc *enc, const void *v)
{
    test_encode_swap_args(enc, v);
}
static const struct fuzz_record record_swap_args = {"swap_args", fields_swap_args, 2U,
    decode_swap_args, encode_swap_args, sizeof(struct test_swap_args)};

static const struct fuzz_field fields_swap_reply[] = {
    {.name = "tree", .kind = FUZZ_STRUCT, .record = &record_tree},
};
static void decode_swap_reply(struct apir_dec *dec, void *v)
{
    test_decode_swap_reply(dec, v);
}
static void encode_swap_reply(struct apir_enc *enc, const void *v)
{
    test_encode_swap_reply(enc, v);
}
static const struct fuzz_record record_swap_reply = {"swap_reply", fields_swap_reply, 1U,
    decode_swap_reply, encode_swap_reply, sizeof(struct test_swap_reply)};

static const struct fuzz_field fields_far_args[] = {
    {.name = "level", .kind = FUZZ_U32, .min = 1U, .max = 9U, .has_max = true},
};
static void decode_far_args(struct apir_dec *dec, void *v)
{
    test_decode_far_args(dec, v);
}
static void encode_far_args(struct apir_enc *enc, const void *v)
{
    test_encode_far_args(enc, v);
}
static const struct fuzz_record record_far_args = {"far_args", fields_far_args, 1U,
    decode_far_args, encode_far_args, sizeof(struct test_far_args)};

static const struct fuzz_message messages[] = {
    {.name = "nothing", .call = TEST_CALL_NOTHING},
    {.name = "tell", .call = TEST_CALL_TELL, .args = &record_tell_args},
    {.name = "ask", .call = TEST_CALL_ASK, .reply = &record_ask_reply},
    {.name = "swap", .call = TEST_CALL_SWAP, .args = &record_swap_args, .reply = &record_swap_reply},
    {.name = "far", .call = TEST_CALL_FAR, .args = &record_far_args},
    {.name = "point", .call = FUZZ_NO_CALL, .args = &record_point},
    {.name = "item", .call = FUZZ_NO_CALL, .args = &record_item},
    {.name = "group", .call = FUZZ_NO_CALL, .args = &record_group},
    {.name = "tree", .call = FUZZ_NO_CALL, .args = &record_tree},
};

const struct fuzz_protocol test_fuzz_protocol = {
    .messages = messages, .n_messages = sizeof messages / sizeof *messages, .counts_u64 = false,
    .print_call = test_print_call, .print_reply = test_print_reply};
