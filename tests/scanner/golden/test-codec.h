/* generated from tests.yaml by apir-scanner; do not edit */
#ifndef TEST_CODEC_H
#define TEST_CODEC_H

/* Encoders and decoders. Both are sticky, as wire/cs.h says: ask the cursor once at the end.
 * Both check every maximum, enum value and id. Decoders zero *v first; strings and bytes in it
 * point into the message, arrays into the arena of the cursor. */
#include "test-protocol.h"

struct apir_enc;
struct apir_dec;

void test_encode_point(struct apir_enc *enc, const struct test_point *v);
void test_decode_point(struct apir_dec *dec, struct test_point *v);
void test_encode_item(struct apir_enc *enc, const struct test_item *v);
void test_decode_item(struct apir_dec *dec, struct test_item *v);
void test_encode_group(struct apir_enc *enc, const struct test_group *v);
void test_decode_group(struct apir_dec *dec, struct test_group *v);
void test_encode_tree(struct apir_enc *enc, const struct test_tree *v);
void test_decode_tree(struct apir_dec *dec, struct test_tree *v);
void test_encode_tell_args(struct apir_enc *enc, const struct test_tell_args *v);
void test_decode_tell_args(struct apir_dec *dec, struct test_tell_args *v);
void test_encode_ask_reply(struct apir_enc *enc, const struct test_ask_reply *v);
void test_decode_ask_reply(struct apir_dec *dec, struct test_ask_reply *v);
void test_encode_swap_args(struct apir_enc *enc, const struct test_swap_args *v);
void test_decode_swap_args(struct apir_dec *dec, struct test_swap_args *v);
void test_encode_swap_reply(struct apir_enc *enc, const struct test_swap_reply *v);
void test_decode_swap_reply(struct apir_dec *dec, struct test_swap_reply *v);
void test_encode_far_args(struct apir_enc *enc, const struct test_far_args *v);
void test_decode_far_args(struct apir_dec *dec, struct test_far_args *v);

#endif
