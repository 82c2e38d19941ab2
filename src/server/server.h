/* The host end of one context: takes frames from its client or from the daemon, and runs the calls of its queues, or
 * those of a guest that speaks only the deployed protocol. The first handshake decides which it is. Untrusted bytes end here and in the generated decoders. A bad message fails the context: one line is logged, the
 * status page says dead, and the server ends. */
#ifndef APIR_SERVER_SERVER_H
#define APIR_SERVER_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "apir-dispatch.h"
#include "server/shm.h"
#include "server/upstream.h"
#include "util/limits.h"
#include "util/log.h"

struct apir_server_options {
    int fd;                               /* connected stream socket; the server takes ownership */
    const struct apir_handlers *handlers; /* borrowed; what serves the calls */
    void *handler_data;                   /* borrowed; their first argument */
    struct apir_shm_table *memory;        /* borrowed; filled from the frames */
    const struct apir_log *log;           /* borrowed */
    const struct apir_upstream_backend *upstream; /* borrowed; serves guests of the deployed protocol, which are declined
                                                     if it is NULL */
    void *upstream_data;                  /* borrowed; its first argument */
    bool upstream_only;                   /* guests that offer apir's own protocol are served in the deployed one */
    void (*ended)(void *handler_data);    /* may be NULL; called when the last frame was served, before the calls that
                                             still run are waited for */
    unsigned handshake_ms;                /* how long a peer may be silent before it has shaken hands; 0: 30 s */
    struct apir_limits limits;            /* of queues, and of time; zero-initialised: the defaults */
    void (*expired)(void *data);          /* a call takes longer than it may: the connection has been ended, and it is for
                                             the callee to see that the process ends, too. Called by another thread. May be
                                             NULL: calls may take as long as they like */
    void *expired_data;
};

/* Serves until the peer closes the connection or breaks the protocol, then ends all queues. Handlers run on one thread
 * a queue, the deployed protocol's requests on one thread. 0 when the peer closed, -EPROTO after a refusal, -errno when the connection failed. */
int apir_server_run(const struct apir_server_options *options);

#endif
