/* generated from wide.yaml by apir-scanner; do not edit */
#include "wide-codec.h"

#include <stddef.h>
#include <string.h>

#include "wire/cs.h"

const char *wide_call_name(uint32_t call)
{
    switch (call) {
    case WIDE_CALL_SEND:
        return "send";
    default:
        return NULL;
    }
}

/* Counts of this protocol are u64; an item takes 4 bytes or more. */
static uint32_t decode_count(struct apir_dec *dec, uint32_t max)
{
    uint64_t count = apir_dec_u64(dec);
    if (count > max)
        apir_dec_set_fatal(dec, "array count exceeds its maximum");
    else if (count > apir_dec_left(dec) / 4)
        apir_dec_set_fatal(dec, "array count exceeds the message");
    return apir_dec_ok(dec) ? (uint32_t)count : 0;
}

void wide_encode_send_args(struct apir_enc *enc, const struct wide_send_args *v)
{
    if (v->n_numbers > 4U || (v->n_numbers && !v->numbers)) {
        apir_enc_set_fatal(enc, "send.numbers has a bad count");
        return;
    }
    apir_enc_u64(enc, v->n_numbers);
    for (uint32_t i = 0; i < v->n_numbers; i++)
        apir_enc_u32(enc, v->numbers[i]);
    if (v->n_names > 4U || (v->n_names && !v->names)) {
        apir_enc_set_fatal(enc, "send.names has a bad count");
        return;
    }
    apir_enc_u64(enc, v->n_names);
    for (uint32_t i = 0; i < v->n_names; i++) {
        if (v->names[i] && strlen(v->names[i]) >= 8U)
            apir_enc_set_fatal(enc, "send.names[] is too long");
        apir_enc_string(enc, v->names[i]);
    }
    if (v->n_data > 4U || (v->n_data && !v->data)) {
        apir_enc_set_fatal(enc, "send.data has a bad count");
        return;
    }
    apir_enc_bytes(enc, v->data, v->n_data);
}

static void decode_send_args_numbers(struct apir_dec *dec, struct wide_send_args *v)
{
    uint32_t n = decode_count(dec, 4U);
    uint32_t *items = apir_dec_alloc(dec, n, sizeof *items);
    if (!items)
        return;
    for (uint32_t i = 0; i < n; i++)
        items[i] = apir_dec_u32(dec);
    v->numbers = items;
    v->n_numbers = n;
}

static void decode_send_args_names(struct apir_dec *dec, struct wide_send_args *v)
{
    uint32_t n = decode_count(dec, 4U);
    if (n > apir_dec_left(dec) / 12)
        apir_dec_set_fatal(dec, "send.names exceeds the message");
    const char **items = apir_dec_alloc(dec, n, sizeof *items);
    if (!items)
        return;
    for (uint32_t i = 0; i < n; i++)
        items[i] = apir_dec_string(dec, 8U);
    v->names = items;
    v->n_names = n;
}

void wide_decode_send_args(struct apir_dec *dec, struct wide_send_args *v)
{
    memset(v, 0, sizeof *v);
    decode_send_args_numbers(dec, v);
    decode_send_args_names(dec, v);
    v->data = apir_dec_bytes(dec, 4U, &v->n_data);
}
