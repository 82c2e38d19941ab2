/* generated from tests.yaml by apir-scanner; do not edit */
#ifndef TEST_DISPATCH_H
#define TEST_DISPATCH_H

#include "test-protocol.h"

struct apir_arena;
struct apir_dec;
struct apir_enc;

/* What serves the calls; NULL: refused. A handler gets arguments that are within the limits of
 * the protocol, and a zeroed reply. What it puts into the reply may live in scratch, and is to
 * be valid until the dispatch returns. 0, or a negative errno: the call is refused and there is
 * no reply. A call without results may also give a positive number: it failed in normal use. */
struct test_handlers {
    /* Neither arguments nor results. */
    int (*nothing)(void *ctx, struct apir_arena *scratch);
    /* Arguments only. */
    int (*tell)(void *ctx, struct apir_arena *scratch, const struct test_tell_args *args);
    /* Results only. */
    int (*ask)(void *ctx, struct apir_arena *scratch, struct test_ask_reply *reply);
    /* Both, with the same struct. The text of this call is long enough that the comment it
     * becomes does not fit in one line of 100 columns. */
    int (*swap)(void *ctx, struct apir_arena *scratch, const struct test_swap_args *args,
                struct test_swap_reply *reply);
    /* A number with a gap before it. */
    int (*far)(void *ctx, struct apir_arena *scratch, const struct test_far_args *args);
};

/* Serves one call: decodes the arguments in in, calls the handler, encodes its reply to out.
 * Arrays of the arguments live in the arena of in. 0, or -ENOSYS: there is no such call, it is
 * disabled, or it has no handler; -EBADMSG: the arguments are malformed; -EMSGSIZE: the reply
 * does not fit out, or breaks the protocol; else what the handler returned, also if it is
 * positive. After an error out holds nothing of use. The handler is not called unless all
 * arguments are good. */
int test_dispatch(const struct test_handlers *h, void *ctx, uint32_t call, struct apir_dec *in,
                  struct apir_arena *scratch, struct apir_enc *out);

#endif
