/* generated from odd.yaml by apir-scanner; do not edit */
#ifndef ODD_ONE_DISPATCH_H
#define ODD_ONE_DISPATCH_H

#include "odd-one-protocol.h"

struct apir_arena;
struct apir_dec;
struct apir_enc;

/* What serves the calls; NULL: refused. A handler gets arguments that are within the limits of
 * the protocol, and a zeroed reply. What it puts into the reply may live in scratch, and is to
 * be valid until the dispatch returns. 0, or a negative errno: the call is refused and there is
 * no reply. A call without results may also give a positive number: it failed in normal use. */
struct odd_one_handlers {
    /* The number 0 is one like others. */
    int (*zero)(void *ctx, struct apir_arena *scratch, const struct odd_one_zero_args *args,
                struct odd_one_zero_reply *reply);
    /* Messages that end sooner or later. */
    int (*tail)(void *ctx, struct apir_arena *scratch, const struct odd_one_tail_args *args,
                struct odd_one_tail_reply *reply);
};

/* Serves one call: decodes the arguments in in, calls the handler, encodes its reply to out.
 * Arrays of the arguments live in the arena of in. 0, or -ENOSYS: there is no such call, it is
 * disabled, or it has no handler; -EBADMSG: the arguments are malformed; -EMSGSIZE: the reply
 * does not fit out, or breaks the protocol; else what the handler returned, also if it is
 * positive. After an error out holds nothing of use. The handler is not called unless all
 * arguments are good. */
int odd_one_dispatch(const struct odd_one_handlers *h, void *ctx, uint32_t call,
                     struct apir_dec *in, struct apir_arena *scratch, struct apir_enc *out);

#endif
