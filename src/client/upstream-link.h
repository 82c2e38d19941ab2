/* A link to a host that speaks the deployed protocol (protocol/apir-upstream.yaml): one reply blob, one call at a time. */
#ifndef APIR_CLIENT_UPSTREAM_LINK_H
#define APIR_CLIENT_UPSTREAM_LINK_H

#include <stdint.h>

#include "wire/cs.h"

struct apir_upstream_link;

/* The three steps of a call, for generated stubs. begin locks the link and starts the request; after an error nothing
 * is to be ended. submit sends it and waits: 0 and *reply on the results (in arena if given, else in memory of the link
 * until end), or -errno. end finishes reply (NULL: there is none), unlocks, and returns ret or the error of the reply. */
int apir_upstream_link_begin(struct apir_upstream_link *link, uint32_t function, struct apir_enc *request);
int apir_upstream_link_submit(struct apir_upstream_link *link, struct apir_enc *request, struct apir_arena *arena,
                              struct apir_dec *reply);
int apir_upstream_link_end(struct apir_upstream_link *link, struct apir_dec *reply, int ret);

#endif
