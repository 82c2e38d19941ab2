/* What a session may speak, and how long it waits. */
#ifndef APIR_CLIENT_OPTIONS_H
#define APIR_CLIENT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct apir_log;

enum apir_session_protocol {
    APIR_SESSION_ANY,      /* apir's own if the host has it, else the deployed one */
    APIR_SESSION_UPSTREAM, /* the deployed protocol 0.x, also with a host that can do more */
    APIR_SESSION_OWN,      /* apir's own; other hosts are declined */
};

/* How a thread waits for the host. */
enum apir_wait_policy {
    APIR_WAIT_HYBRID, /* looks for as long as such waits last, then sleeps */
    APIR_WAIT_SPIN,   /* never sleeps while the host is likely to be at it */
    APIR_WAIT_SLEEP,  /* sleeps at once */
};

struct apir_session_options {
    enum apir_wait_policy wait;
    enum apir_session_protocol protocol;
    uint64_t handshake_ns, load_ns; /* for the answers to these */
    uint64_t silence_ns;            /* 0.x: a host that shows no sign of life for so long is given up */
    bool silence_chosen;            /* by the user: also where the transport notices by itself that the host is gone */
    uint64_t probe_interval_ns;     /* 0.x: between two probes of a call that lasts */
    uint64_t probe_fence_ns;        /* 0.x: for the fence of a probe */
};

/* As the environment says: GGML_VIRTGPU_PROTOCOL=auto, 0 or 1, GGML_VIRTGPU_TIMEOUT=SECONDS,
 * GGML_VIRTGPU_WAIT=hybrid, spin or sleep. What makes no sense is
 * ignored with a warning. */
void apir_session_options_init(struct apir_session_options *options, const struct apir_log *log);

#endif
