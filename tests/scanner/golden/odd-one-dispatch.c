/* generated from odd.yaml by apir-scanner; do not edit */
#include "odd-one-dispatch.h"

#include <errno.h>
#include <string.h>

#include "odd-one-codec.h"
#include "wire/cs.h"

static int dispatch_zero(const struct odd_one_handlers *h, void *ctx, struct apir_dec *in,
                         struct apir_arena *scratch, struct apir_enc *out)
{
    struct odd_one_zero_args args;
    struct odd_one_zero_reply reply;
    if (!h->zero)
        return -ENOSYS;
    odd_one_decode_zero_args(in, &args);
    if (!apir_dec_finish(in))
        return -EBADMSG;
    memset(&reply, 0, sizeof reply);
    int ret = h->zero(ctx, scratch, &args, &reply);
    if (ret < 0)
        return ret;
    odd_one_encode_zero_reply(out, &reply);
    return apir_enc_ok(out) ? 0 : -EMSGSIZE;
}

static int dispatch_tail(const struct odd_one_handlers *h, void *ctx, struct apir_dec *in,
                         struct apir_arena *scratch, struct apir_enc *out)
{
    struct odd_one_tail_args args;
    struct odd_one_tail_reply reply;
    if (!h->tail)
        return -ENOSYS;
    odd_one_decode_tail_args(in, &args);
    if (!apir_dec_finish(in))
        return -EBADMSG;
    memset(&reply, 0, sizeof reply);
    int ret = h->tail(ctx, scratch, &args, &reply);
    if (ret < 0)
        return ret;
    odd_one_encode_tail_reply(out, &reply);
    return apir_enc_ok(out) ? 0 : -EMSGSIZE;
}

int odd_one_dispatch(const struct odd_one_handlers *h, void *ctx, uint32_t call,
                     struct apir_dec *in, struct apir_arena *scratch, struct apir_enc *out)
{
    switch (call) {
    case ODD_ONE_CALL_ZERO:
        return dispatch_zero(h, ctx, in, scratch, out);
    case ODD_ONE_CALL_TAIL:
        return dispatch_tail(h, ctx, in, scratch, out);
    default: /* unknown, or disabled */
        return -ENOSYS;
    }
}
