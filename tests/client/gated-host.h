/* A fake host that gets no further than the test lets it. */
#ifndef APIR_TESTS_CLIENT_GATED_HOST_H
#define APIR_TESTS_CLIENT_GATED_HOST_H

#include "fake-host.h"

struct gated_host {
    struct fake_host host;
    struct apir_session *session;
    struct apir_queue *queue;       /* one beside the control queue */
    _Atomic uint64_t fail_at, refuse_at; /* calls of `queue` that fail in normal use, or are refused; 0: none */
    _Atomic uint32_t fail_with;
    _Atomic uint64_t last;          /* served of `queue` */
    _Atomic bool in_order;
    _Atomic bool stop;              /* the test's own */

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    uint64_t gate; /* calls of `queue` from this one on are not served yet */
    struct apir_request_header header; /* of the last request of any queue */
    struct apir_dependency waits[APIR_MAX_WAITS];
};

/* Opens the session; gate: the first call of the queue that is to wait (1: all). */
void gated_host_open(struct gated_host *g, uint64_t gate);

/* Moves the gate. */
void gated_host_let(struct gated_host *g, uint64_t gate);

/* Opens the gate and ends all. */
void gated_host_close(struct gated_host *g);

#endif
