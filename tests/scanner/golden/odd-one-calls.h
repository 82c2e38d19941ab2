/* generated from odd.yaml by apir-scanner; do not edit */
#ifndef ODD_ONE_CALLS_H
#define ODD_ONE_CALLS_H

/* One function for each call: sends it on link and waits for the reply. 0, or -errno as
 * apir_upstream_link_submit and apir_upstream_link_end (client/upstream-link.h) give it;
 * -EBADMSG too for a reply that the protocol does not allow. *reply is written on success only;
 * its strings and arrays live in arena, which the caller owns. */
#include "odd-one-protocol.h"

struct apir_arena;
struct apir_upstream_link;

/* The number 0 is one like others. */
int odd_one_call_zero(struct apir_upstream_link *link, struct apir_arena *arena,
                      const struct odd_one_zero_args *args, struct odd_one_zero_reply *reply);

/* Messages that end sooner or later. */
int odd_one_call_tail(struct apir_upstream_link *link, struct apir_arena *arena,
                      const struct odd_one_tail_args *args, struct odd_one_tail_reply *reply);

#endif
