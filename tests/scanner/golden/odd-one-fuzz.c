/* generated from odd.yaml by apir-scanner; do not edit */
#include "table.h"

#include "odd-one-codec.h"
#include "odd-one-print.h"

static const struct fuzz_field fields_entry[] = {
    {.name = "pad0", .kind = FUZZ_PAD, .count_max = 4U},
    {.name = "kind", .kind = FUZZ_U8, .min = 1U, .max = 9U, .has_max = true},
    {.name = "byte", .kind = FUZZ_U8, .max = 255U, .has_max = true},
    {.name = "on", .kind = FUZZ_BYTE_BOOL},
    {.name = "name", .kind = FUZZ_CHARS, .count_max = 8U},
    {.name = "pad1", .kind = FUZZ_PAD, .count_max = 8U},
};
static void decode_entry(struct apir_dec *dec, void *v)
{
    odd_one_decode_entry(dec, v);
}
static void encode_entry(struct apir_enc *enc, const void *v)
{
    odd_one_encode_entry(enc, v);
}
static const struct fuzz_record record_entry = {"entry", fields_entry, 6U,
    decode_entry, encode_entry, sizeof(struct odd_one_entry)};

static const struct fuzz_field fields_head[] = {
    {.name = "flags", .kind = FUZZ_U32},
    {.name = "on", .kind = FUZZ_BYTE_BOOL},
    {.name = "refs", .kind = FUZZ_U64, .list = FUZZ_FIXED, .count_max = 3U},
};
static void decode_head(struct apir_dec *dec, void *v)
{
    odd_one_decode_head(dec, v);
}
static void encode_head(struct apir_enc *enc, const void *v)
{
    odd_one_encode_head(enc, v);
}
static const struct fuzz_record record_head = {"head", fields_head, 3U,
    decode_head, encode_head, sizeof(struct odd_one_head)};

static const struct fuzz_field fields_cluster[] = {
    {.name = "head", .kind = FUZZ_STRUCT, .record = &record_head},
    {.name = "level", .kind = FUZZ_I32, .min = (uint64_t)-1, .max = 1U, .has_max = true, .condition = "head.flags"},
    {.name = "text", .kind = FUZZ_STRING, .max = 8U, .has_max = true, .condition = "head.flags"},
    {.name = "label", .kind = FUZZ_CHARS, .count_max = 4U, .condition = "head.on"},
    {.name = "data", .kind = FUZZ_BYTES, .max = 5U, .has_max = true, .condition = "head.on"},
    {.name = "list", .kind = FUZZ_U8, .max = 7U, .has_max = true, .list = FUZZ_COUNTED, .count_max = 4U, .condition = "head.on"},
    {.name = "pair", .kind = FUZZ_BYTE_BOOL, .list = FUZZ_FIXED, .count_max = 2U, .condition = "head.on"},
    {.name = "spare", .kind = FUZZ_STRUCT, .record = &record_entry, .condition = "head.flags"},
    {.name = "entries", .kind = FUZZ_STRUCT, .record = &record_entry, .list = FUZZ_LEADING, .count_max = 3U, .leading = "head.refs"},
    {.name = "sizes", .kind = FUZZ_U32, .list = FUZZ_FIXED, .count_max = 2U},
    {.name = "squares", .kind = FUZZ_U32, .max = 100U, .has_max = true, .list = FUZZ_LEADING, .count_max = 2U, .condition = "head.on", .leading = "sizes"},
};
static void decode_cluster(struct apir_dec *dec, void *v)
{
    odd_one_decode_cluster(dec, v);
}
static void encode_cluster(struct apir_enc *enc, const void *v)
{
    odd_one_encode_cluster(enc, v);
}
static const struct fuzz_record record_cluster = {"cluster", fields_cluster, 11U,
    decode_cluster, encode_cluster, sizeof(struct odd_one_cluster)};

static const struct fuzz_field fields_zero_args[] = {
    {.name = "cluster", .kind = FUZZ_STRUCT, .record = &record_cluster},
};
static void decode_zero_args(struct apir_dec *dec, void *v)
{
    odd_one_decode_zero_args(dec, v);
}
static void encode_zero_args(struct apir_enc *enc, const void *v)
{
    odd_one_encode_zero_args(enc, v);
}
static const struct fuzz_record record_zero_args = {"zero_args", fields_zero_args, 1U,
    decode_zero_args, encode_zero_args, sizeof(struct odd_one_zero_args)};

static const struct fuzz_field fields_zero_reply[] = {
    {.name = "entry", .kind = FUZZ_STRUCT, .record = &record_entry},
};
static void decode_zero_reply(struct apir_dec *dec, void *v)
{
    odd_one_decode_zero_reply(dec, v);
}
static void encode_zero_reply(struct apir_enc *enc, const void *v)
{
    odd_one_encode_zero_reply(enc, v);
}
static const struct fuzz_record record_zero_reply = {"zero_reply", fields_zero_reply, 1U,
    decode_zero_reply, encode_zero_reply, sizeof(struct odd_one_zero_reply)};

static const struct fuzz_field fields_tail_args[] = {
    {.name = "size", .kind = FUZZ_U32},
    {.name = "entry", .kind = FUZZ_STRUCT, .record = &record_entry, .condition = "rest"},
};
static void decode_tail_args(struct apir_dec *dec, void *v)
{
    odd_one_decode_tail_args(dec, v);
}
static void encode_tail_args(struct apir_enc *enc, const void *v)
{
    odd_one_encode_tail_args(enc, v);
}
static const struct fuzz_record record_tail_args = {"tail_args", fields_tail_args, 2U,
    decode_tail_args, encode_tail_args, sizeof(struct odd_one_tail_args)};

static const struct fuzz_field fields_tail_reply[] = {
    {.name = "done", .kind = FUZZ_BYTE_BOOL},
    {.name = "reason", .kind = FUZZ_STRING, .max = 8U, .has_max = true, .condition = "rest"},
};
static void decode_tail_reply(struct apir_dec *dec, void *v)
{
    odd_one_decode_tail_reply(dec, v);
}
static void encode_tail_reply(struct apir_enc *enc, const void *v)
{
    odd_one_encode_tail_reply(enc, v);
}
static const struct fuzz_record record_tail_reply = {"tail_reply", fields_tail_reply, 2U,
    decode_tail_reply, encode_tail_reply, sizeof(struct odd_one_tail_reply)};

static const struct fuzz_message messages[] = {
    {.name = "zero", .call = ODD_ONE_CALL_ZERO, .args = &record_zero_args, .reply = &record_zero_reply},
    {.name = "tail", .call = ODD_ONE_CALL_TAIL, .args = &record_tail_args, .reply = &record_tail_reply},
    {.name = "entry", .call = FUZZ_NO_CALL, .args = &record_entry},
    {.name = "head", .call = FUZZ_NO_CALL, .args = &record_head},
    {.name = "cluster", .call = FUZZ_NO_CALL, .args = &record_cluster},
};

const struct fuzz_protocol odd_one_fuzz_protocol = {
    .messages = messages, .n_messages = sizeof messages / sizeof *messages, .counts_u64 = false,
    .print_call = odd_one_print_call, .print_reply = odd_one_print_reply};
