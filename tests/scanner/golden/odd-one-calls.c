/* generated from odd.yaml by apir-scanner; do not edit */
#include "odd-one-calls.h"

#include <stddef.h>

#include "client/upstream-link.h"
#include "odd-one-codec.h"
#include "wire/cs.h"

int odd_one_call_zero(struct apir_upstream_link *link, struct apir_arena *arena,
                      const struct odd_one_zero_args *args, struct odd_one_zero_reply *reply)
{
    struct apir_enc enc;
    struct apir_dec dec;
    struct odd_one_zero_reply result;
    int ret = apir_upstream_link_begin(link, ODD_ONE_CALL_ZERO, &enc);
    if (ret)
        return ret;
    odd_one_encode_zero_args(&enc, args);
    ret = apir_upstream_link_submit(link, &enc, arena, &dec);
    if (!ret)
        odd_one_decode_zero_reply(&dec, &result);
    ret = apir_upstream_link_end(link, ret ? NULL : &dec, ret);
    if (!ret)
        *reply = result;
    return ret;
}

int odd_one_call_tail(struct apir_upstream_link *link, struct apir_arena *arena,
                      const struct odd_one_tail_args *args, struct odd_one_tail_reply *reply)
{
    struct apir_enc enc;
    struct apir_dec dec;
    struct odd_one_tail_reply result;
    int ret = apir_upstream_link_begin(link, ODD_ONE_CALL_TAIL, &enc);
    if (ret)
        return ret;
    odd_one_encode_tail_args(&enc, args);
    ret = apir_upstream_link_submit(link, &enc, arena, &dec);
    if (!ret)
        odd_one_decode_tail_reply(&dec, &result);
    ret = apir_upstream_link_end(link, ret ? NULL : &dec, ret);
    if (!ret)
        *reply = result;
    return ret;
}
