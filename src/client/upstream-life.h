/* How long a call of the deployed protocol is waited for. Its hosts do not tell when they die, and on most of them
 * fences never signal: a host is given up when it has shown no sign of life for a while, and no earlier. */
#ifndef APIR_CLIENT_UPSTREAM_LIFE_H
#define APIR_CLIENT_UPSTREAM_LIFE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "transport/transport.h"

struct apir_session;
struct apir_session_options;

/* Zeroed is finished. */
struct apir_upstream_life {
    struct apir_session *session; /* borrowed */
    uint64_t silence_ns;          /* so long without a sign of life, and the host is given up */
    uint64_t interval_ns;         /* between two probes */
    uint64_t fence_ns;            /* for the fence of a probe */
    struct apir_shm blob;         /* owned; takes the answers to probes */
    bool signals;                 /* a fence has signalled in this session */
    bool is_mute;                 /* none has when it was tried: it is not tried again */
};

/* 0 or -errno. */
int apir_upstream_life_init(struct apir_upstream_life *life, struct apir_session *session,
                            const struct apir_session_options *options);
void apir_upstream_life_finish(struct apir_upstream_life *life);

/* Waits until *notif is not 0. limit_ns: at most so long; UINT64_MAX: as long as the host shows signs of life. 0;
 * -ETIMEDOUT; -EPIPE when the host is gone; or the session's error. */
int apir_upstream_life_wait(struct apir_upstream_life *life, _Atomic uint32_t *notif, uint64_t limit_ns);

#endif
