/* A link to a host that speaks the deployed protocol (protocol/apir-upstream.yaml): one reply blob, one call at a time.
 */
#ifndef APIR_CLIENT_UPSTREAM_LINK_H
#define APIR_CLIENT_UPSTREAM_LINK_H

#include <stdint.h>

#include "wire/cs.h"

struct apir_session;
struct apir_session_options;
struct apir_upstream_link;

/* Makes the link of a session whose handshake is done; its status page becomes the reply blob. Borrows the session,
 * copies the options. NULL with errno. destroy before the session's shared memory ends; NULL is a no-op. */
struct apir_upstream_link *apir_upstream_link_create(struct apir_session *session,
                                                     const struct apir_session_options *options);
void apir_upstream_link_destroy(struct apir_upstream_link *link);

/* Locks and unlocks the link around several calls that must stay together; nests. */
void apir_upstream_link_lock(struct apir_upstream_link *link);
void apir_upstream_link_unlock(struct apir_upstream_link *link);

/* Has the host load its libraries: the load code of its answer, at least 0, or -errno when there is none. */
int64_t apir_upstream_link_load(struct apir_upstream_link *link);

/* The three steps of a call, for generated stubs. begin locks the link and starts the request; after an error nothing
 * is to be ended. submit sends it and waits: 0 and *reply on the results (in arena if given, else in memory of the link
 * until end), or -errno. end finishes reply (NULL: there is none), unlocks, and returns ret or the error of the reply.
 * -EREMOTEIO: the host's function failed, -ENOSYS: the host does not know it; the session goes on after those two. */
int apir_upstream_link_begin(struct apir_upstream_link *link, uint32_t function, struct apir_enc *request);
int apir_upstream_link_submit(struct apir_upstream_link *link, struct apir_enc *request, struct apir_arena *arena,
                              struct apir_dec *reply);
int apir_upstream_link_end(struct apir_upstream_link *link, struct apir_dec *reply, int ret);

#endif
