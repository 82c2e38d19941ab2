/* generated from tests.yaml by apir-scanner; do not edit */
#include "test-dispatch.h"

#include <errno.h>
#include <string.h>

#include "test-codec.h"
#include "wire/cs.h"

static int dispatch_nothing(const struct test_handlers *h, void *ctx, struct apir_dec *in,
                            struct apir_arena *scratch, struct apir_enc *out)
{
    (void)out;
    if (!h->nothing)
        return -ENOSYS;
    if (!apir_dec_finish(in))
        return -EBADMSG;
    int ret = h->nothing(ctx, scratch);
    return ret;
}

static int dispatch_tell(const struct test_handlers *h, void *ctx, struct apir_dec *in,
                         struct apir_arena *scratch, struct apir_enc *out)
{
    struct test_tell_args args;
    (void)out;
    if (!h->tell)
        return -ENOSYS;
    test_decode_tell_args(in, &args);
    if (!apir_dec_finish(in))
        return -EBADMSG;
    int ret = h->tell(ctx, scratch, &args);
    return ret;
}

static int dispatch_ask(const struct test_handlers *h, void *ctx, struct apir_dec *in,
                        struct apir_arena *scratch, struct apir_enc *out)
{
    struct test_ask_reply reply;
    if (!h->ask)
        return -ENOSYS;
    if (!apir_dec_finish(in))
        return -EBADMSG;
    memset(&reply, 0, sizeof reply);
    int ret = h->ask(ctx, scratch, &reply);
    if (ret < 0)
        return ret;
    test_encode_ask_reply(out, &reply);
    return apir_enc_ok(out) ? 0 : -EMSGSIZE;
}

static int dispatch_swap(const struct test_handlers *h, void *ctx, struct apir_dec *in,
                         struct apir_arena *scratch, struct apir_enc *out)
{
    struct test_swap_args args;
    struct test_swap_reply reply;
    if (!h->swap)
        return -ENOSYS;
    test_decode_swap_args(in, &args);
    if (!apir_dec_finish(in))
        return -EBADMSG;
    memset(&reply, 0, sizeof reply);
    int ret = h->swap(ctx, scratch, &args, &reply);
    if (ret < 0)
        return ret;
    test_encode_swap_reply(out, &reply);
    return apir_enc_ok(out) ? 0 : -EMSGSIZE;
}

static int dispatch_far(const struct test_handlers *h, void *ctx, struct apir_dec *in,
                        struct apir_arena *scratch, struct apir_enc *out)
{
    struct test_far_args args;
    (void)out;
    if (!h->far)
        return -ENOSYS;
    test_decode_far_args(in, &args);
    if (!apir_dec_finish(in))
        return -EBADMSG;
    int ret = h->far(ctx, scratch, &args);
    return ret;
}

int test_dispatch(const struct test_handlers *h, void *ctx, uint32_t call, struct apir_dec *in,
                  struct apir_arena *scratch, struct apir_enc *out)
{
    switch (call) {
    case TEST_CALL_NOTHING:
        return dispatch_nothing(h, ctx, in, scratch, out);
    case TEST_CALL_TELL:
        return dispatch_tell(h, ctx, in, scratch, out);
    case TEST_CALL_ASK:
        return dispatch_ask(h, ctx, in, scratch, out);
    case TEST_CALL_SWAP:
        return dispatch_swap(h, ctx, in, scratch, out);
    case TEST_CALL_FAR:
        return dispatch_far(h, ctx, in, scratch, out);
    default: /* unknown, or disabled */
        return -ENOSYS;
    }
}
