/* generated from odd.yaml by apir-scanner; do not edit */
#ifndef ODD_ONE_CODEC_H
#define ODD_ONE_CODEC_H

/* Encoders and decoders. Both are sticky, as wire/cs.h says: ask the cursor once at the end.
 * Both check every maximum, enum value and id. Decoders zero *v first; strings and bytes in it
 * point into the message, arrays into the arena of the cursor. */
#include "odd-one-protocol.h"

struct apir_enc;
struct apir_dec;

void odd_one_encode_entry(struct apir_enc *enc, const struct odd_one_entry *v);
void odd_one_decode_entry(struct apir_dec *dec, struct odd_one_entry *v);
void odd_one_encode_head(struct apir_enc *enc, const struct odd_one_head *v);
void odd_one_decode_head(struct apir_dec *dec, struct odd_one_head *v);
void odd_one_encode_cluster(struct apir_enc *enc, const struct odd_one_cluster *v);
void odd_one_decode_cluster(struct apir_dec *dec, struct odd_one_cluster *v);
void odd_one_encode_zero_args(struct apir_enc *enc, const struct odd_one_zero_args *v);
void odd_one_decode_zero_args(struct apir_dec *dec, struct odd_one_zero_args *v);
void odd_one_encode_zero_reply(struct apir_enc *enc, const struct odd_one_zero_reply *v);
void odd_one_decode_zero_reply(struct apir_dec *dec, struct odd_one_zero_reply *v);
void odd_one_encode_tail_args(struct apir_enc *enc, const struct odd_one_tail_args *v);
void odd_one_decode_tail_args(struct apir_dec *dec, struct odd_one_tail_args *v);
void odd_one_encode_tail_reply(struct apir_enc *enc, const struct odd_one_tail_reply *v);
void odd_one_decode_tail_reply(struct apir_dec *dec, struct odd_one_tail_reply *v);

#endif
