/* generated from odd.yaml by apir-scanner; do not edit */
#include "odd-one-codec.h"

#include <stddef.h>
#include <string.h>

#include "wire/cs.h"

const char *odd_one_call_name(uint32_t call)
{
    switch (call) {
    case ODD_ONE_CALL_ZERO:
        return "zero";
    case ODD_ONE_CALL_TAIL:
        return "tail";
    case ODD_ONE_CALL_GONE:
        return "gone";
    default:
        return NULL;
    }
}

void odd_one_encode_entry(struct apir_enc *enc, const struct odd_one_entry *v)
{
    apir_enc_pad(enc, 4);
    if (v->kind < 1U || v->kind > 9U)
        apir_enc_set_fatal(enc, "entry.kind is out of range");
    apir_enc_u8(enc, v->kind);
    apir_enc_u8(enc, v->byte);
    apir_enc_byte_bool(enc, v->on);
    if (v->name && strlen(v->name) >= ODD_ONE_NAME_SIZE)
        apir_enc_set_fatal(enc, "entry.name is too long");
    apir_enc_chars(enc, v->name, ODD_ONE_NAME_SIZE);
    apir_enc_pad(enc, ODD_ONE_NAME_SIZE);
}

void odd_one_decode_entry(struct apir_dec *dec, struct odd_one_entry *v)
{
    memset(v, 0, sizeof *v);
    apir_dec_pad(dec, 4);
    v->kind = apir_dec_u8(dec);
    if (v->kind < 1U || v->kind > 9U)
        apir_dec_set_fatal(dec, "entry.kind is out of range");
    v->byte = apir_dec_u8(dec);
    v->on = apir_dec_byte_bool(dec);
    v->name = apir_dec_chars(dec, ODD_ONE_NAME_SIZE);
    apir_dec_pad(dec, ODD_ONE_NAME_SIZE);
}

void odd_one_encode_head(struct apir_enc *enc, const struct odd_one_head *v)
{
    apir_enc_u32(enc, v->flags);
    apir_enc_byte_bool(enc, v->on);
    for (uint32_t i = 0; i < ODD_ONE_MAX_REFS; i++)
        apir_enc_u64(enc, v->refs[i]);
}

void odd_one_decode_head(struct apir_dec *dec, struct odd_one_head *v)
{
    memset(v, 0, sizeof *v);
    v->flags = apir_dec_u32(dec);
    v->on = apir_dec_byte_bool(dec);
    for (uint32_t i = 0; i < ODD_ONE_MAX_REFS; i++)
        v->refs[i] = apir_dec_u64(dec);
}

/* Entries of head.refs up to the first 0. */
static uint32_t leading_cluster_entries(const struct odd_one_cluster *v)
{
    uint32_t n = 0;
    while (n < ODD_ONE_MAX_REFS && v->head.refs[n])
        n++;
    return n;
}

/* Entries of sizes up to the first 0. */
static uint32_t leading_cluster_squares(const struct odd_one_cluster *v)
{
    uint32_t n = 0;
    while (n < 2 && v->sizes[n])
        n++;
    return n;
}

void odd_one_encode_cluster(struct apir_enc *enc, const struct odd_one_cluster *v)
{
    odd_one_encode_head(enc, &v->head);
    if (v->head.flags) {
        if (v->level < -1 || v->level > 1)
            apir_enc_set_fatal(enc, "cluster.level is out of range");
        apir_enc_i32(enc, v->level);
    }
    if (v->head.flags) {
        if (v->text && strlen(v->text) >= 8U)
            apir_enc_set_fatal(enc, "cluster.text is too long");
        apir_enc_string(enc, v->text);
    }
    if (v->head.on) {
        if (v->label && strlen(v->label) >= 4U)
            apir_enc_set_fatal(enc, "cluster.label is too long");
        apir_enc_chars(enc, v->label, 4U);
    }
    if (v->head.on) {
        if (v->n_data > 5U || (v->n_data && !v->data)) {
            apir_enc_set_fatal(enc, "cluster.data has a bad count");
            return;
        }
        apir_enc_bytes(enc, v->data, v->n_data);
    }
    if (v->head.on) {
        if (v->n_list > 4U || (v->n_list && !v->list)) {
            apir_enc_set_fatal(enc, "cluster.list has a bad count");
            return;
        }
        apir_enc_u32(enc, v->n_list);
        for (uint32_t i = 0; i < v->n_list; i++) {
            if (v->list[i] > 7U)
                apir_enc_set_fatal(enc, "cluster.list[] is out of range");
            apir_enc_u8(enc, v->list[i]);
        }
    }
    if (v->head.on) {
        for (uint32_t i = 0; i < 2; i++)
            apir_enc_byte_bool(enc, v->pair[i]);
    }
    if (v->head.flags) {
        odd_one_encode_entry(enc, &v->spare);
    }
    if (v->n_entries != leading_cluster_entries(v) || (v->n_entries && !v->entries)) {
        apir_enc_set_fatal(enc, "cluster.entries has a bad count");
        return;
    }
    for (uint32_t i = 0; i < v->n_entries; i++)
        odd_one_encode_entry(enc, &v->entries[i]);
    for (uint32_t i = 0; i < 2; i++)
        apir_enc_u32(enc, v->sizes[i]);
    if (v->head.on) {
        if (v->n_squares != leading_cluster_squares(v) || (v->n_squares && !v->squares)) {
            apir_enc_set_fatal(enc, "cluster.squares has a bad count");
            return;
        }
        for (uint32_t i = 0; i < v->n_squares; i++) {
            if (v->squares[i] > 100U)
                apir_enc_set_fatal(enc, "cluster.squares[] is out of range");
            apir_enc_u32(enc, v->squares[i]);
        }
    }
}

static void decode_cluster_list(struct apir_dec *dec, struct odd_one_cluster *v)
{
    uint32_t n = apir_dec_count(dec, 4U);
    uint8_t *items = apir_dec_alloc(dec, n, sizeof *items);
    if (!items)
        return;
    for (uint32_t i = 0; i < n; i++) {
        items[i] = apir_dec_u8(dec);
        if (items[i] > 7U)
            apir_dec_set_fatal(dec, "cluster.list[] is out of range");
    }
    v->list = items;
    v->n_list = n;
}

static void decode_cluster_entries(struct apir_dec *dec, struct odd_one_cluster *v)
{
    uint32_t n = leading_cluster_entries(v);
    if (n > apir_dec_left(dec) / 32)
        apir_dec_set_fatal(dec, "cluster.entries exceeds the message");
    struct odd_one_entry *items = apir_dec_alloc(dec, n, sizeof *items);
    if (!items)
        return;
    for (uint32_t i = 0; i < n; i++)
        odd_one_decode_entry(dec, &items[i]);
    v->entries = items;
    v->n_entries = n;
}

static void decode_cluster_squares(struct apir_dec *dec, struct odd_one_cluster *v)
{
    uint32_t n = leading_cluster_squares(v);
    if (n > apir_dec_left(dec) / 4)
        apir_dec_set_fatal(dec, "cluster.squares exceeds the message");
    uint32_t *items = apir_dec_alloc(dec, n, sizeof *items);
    if (!items)
        return;
    for (uint32_t i = 0; i < n; i++) {
        items[i] = apir_dec_u32(dec);
        if (items[i] > 100U)
            apir_dec_set_fatal(dec, "cluster.squares[] is out of range");
    }
    v->squares = items;
    v->n_squares = n;
}

void odd_one_decode_cluster(struct apir_dec *dec, struct odd_one_cluster *v)
{
    memset(v, 0, sizeof *v);
    odd_one_decode_head(dec, &v->head);
    if (v->head.flags) {
        v->level = apir_dec_i32(dec);
        if (v->level < -1 || v->level > 1)
            apir_dec_set_fatal(dec, "cluster.level is out of range");
    }
    if (v->head.flags) {
        v->text = apir_dec_string(dec, 8U);
    }
    if (v->head.on) {
        v->label = apir_dec_chars(dec, 4);
    }
    if (v->head.on) {
        v->data = apir_dec_bytes(dec, 5U, &v->n_data);
    }
    if (v->head.on) {
        decode_cluster_list(dec, v);
    }
    if (v->head.on) {
        for (uint32_t i = 0; i < 2; i++)
            v->pair[i] = apir_dec_byte_bool(dec);
    }
    if (v->head.flags) {
        odd_one_decode_entry(dec, &v->spare);
    }
    decode_cluster_entries(dec, v);
    for (uint32_t i = 0; i < 2; i++)
        v->sizes[i] = apir_dec_u32(dec);
    if (v->head.on) {
        decode_cluster_squares(dec, v);
    }
}

void odd_one_encode_zero_args(struct apir_enc *enc, const struct odd_one_zero_args *v)
{
    odd_one_encode_cluster(enc, &v->cluster);
}

void odd_one_decode_zero_args(struct apir_dec *dec, struct odd_one_zero_args *v)
{
    memset(v, 0, sizeof *v);
    odd_one_decode_cluster(dec, &v->cluster);
}

void odd_one_encode_zero_reply(struct apir_enc *enc, const struct odd_one_zero_reply *v)
{
    odd_one_encode_entry(enc, &v->entry);
}

void odd_one_decode_zero_reply(struct apir_dec *dec, struct odd_one_zero_reply *v)
{
    memset(v, 0, sizeof *v);
    odd_one_decode_entry(dec, &v->entry);
}

void odd_one_encode_tail_args(struct apir_enc *enc, const struct odd_one_tail_args *v)
{
    apir_enc_u32(enc, v->size);
    if (v->has_entry) {
        odd_one_encode_entry(enc, &v->entry);
    }
}

void odd_one_decode_tail_args(struct apir_dec *dec, struct odd_one_tail_args *v)
{
    memset(v, 0, sizeof *v);
    v->size = apir_dec_u32(dec);
    v->has_entry = apir_dec_left(dec) > 0;
    if (v->has_entry) {
        odd_one_decode_entry(dec, &v->entry);
    }
}

void odd_one_encode_tail_reply(struct apir_enc *enc, const struct odd_one_tail_reply *v)
{
    apir_enc_byte_bool(enc, v->done);
    if (v->has_reason) {
        if (v->reason && strlen(v->reason) >= 8U)
            apir_enc_set_fatal(enc, "tail_reply.reason is too long");
        apir_enc_string(enc, v->reason);
    }
}

void odd_one_decode_tail_reply(struct apir_dec *dec, struct odd_one_tail_reply *v)
{
    memset(v, 0, sizeof *v);
    v->done = apir_dec_byte_bool(dec);
    v->has_reason = apir_dec_left(dec) > 0;
    if (v->has_reason) {
        v->reason = apir_dec_string(dec, 8U);
    }
}
