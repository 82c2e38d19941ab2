/* Calls of apir's own protocol with a host that speaks the deployed one, 0.x: each is served in this process, by
 * handlers as a worker has them, which make the calls that the host knows. */
#ifndef APIR_CLIENT_UPSTREAM_H
#define APIR_CLIENT_UPSTREAM_H

#include <stdint.h>

#include "apir-protocol.h"
#include "wire/cs.h"

struct apir_session;
struct apir_session_options;
struct apir_upstream;

/* Makes the handlers of a session whose handshake is done; borrows the session. NULL with errno. destroy before the
 * session's shared memory ends; NULL is a no-op. */
struct apir_upstream *apir_upstream_create(struct apir_session *session, const struct apir_session_options *options);
void apir_upstream_destroy(struct apir_upstream *upstream);

/* Serves a call with these arguments; what scratch takes may be forgotten afterwards. 0 and the results in reply, or
 * -errno. May be called from several threads. */
int apir_upstream_serve(struct apir_upstream *upstream, uint32_t call, struct apir_dec *args,
                        struct apir_arena *scratch, struct apir_enc *reply);

/* Writes a graph as the deployed protocol has it. 0, or -EOVERFLOW: a size or stride of a tensor takes more than 32
 * bits. */
int apir_upstream_write_graph(struct apir_enc *enc, const struct apir_graph *graph);

#endif
