/* A host of the deployed protocol in the test's own process, with a time of its own: a transport whose commands are
 * answered at once, by default with the samples' replies. What it should not do is the test's to choose. */
#ifndef APIR_TESTS_CLIENT_DEPLOYED_HOST_H
#define APIR_TESTS_CLIENT_DEPLOYED_HOST_H

#include <stdbool.h>
#include <stdio.h>

#include "client/options.h"
#include "client/session.h"
#include "transport/transport.h"
#include "util/log.h"

enum {
    DEPLOYED_MAX_REQUESTS = 64,
    DEPLOYED_MAX_REQUEST = 4096,
    DEPLOYED_MAX_BLOBS = 16,
    DEPLOYED_FIRST_ID = 3, /* of the blobs: the samples' */
    DEPLOYED_SILENT = -1,  /* in place of a return code: no answer */
};

struct deployed_request {
    uint32_t command; /* without the base of a Venus context */
    uint32_t flags;
    size_t size; /* of bytes */
    uint8_t bytes[DEPLOYED_MAX_REQUEST];
};

struct deployed_host {
    struct apir_transport transport; /* first */

    /* The test's: return codes in place of the samples', where has_code; results stay the samples'. */
    bool has_code[3];
    int64_t code[3]; /* of each command */
    uint32_t major, minor;
    bool has_trailer;                            /* it speaks apir's own protocol, too, to those who offer it */
    int wait_result;                             /* of every wait */
    void (*on_wait)(struct deployed_host *host); /* called in every wait; NULL: nothing */
    bool has_probe;
    int probe_result;
    bool probe_tells_dead; /* the probe's answer is that of a host of ours whose worker has died */
    const char *results;   /* of FORWARD in place of the sample's, with results_size */
    size_t results_size;
    void *test;

    /* What it has seen. */
    struct deployed_request requests[DEPLOYED_MAX_REQUESTS];
    unsigned n_requests, n_waits, n_probes;
    bool blob_was_zero; /* behind notif, at the latest request */

    struct apir_shm blobs[DEPLOYED_MAX_BLOBS];
    uint32_t next_id;
    struct apir_log log;
    char *log_text;
    size_t log_size;
};

/* Opens a session with the host, whose first part is set; options as deployed_host_options gives them. */
struct apir_session *deployed_host_open(struct deployed_host *host, const struct apir_session_options *options,
                                        char *reason, size_t reason_size);
struct apir_session *deployed_host_must_open(struct deployed_host *host, const struct apir_session_options *options);

/* The limits that users have, in protocol 0.x. */
struct apir_session_options deployed_host_options(void);

/* Milliseconds since a test began it: time in these tests is made up, and passes in waits only. */
void deployed_host_start_watch(void);
uint64_t deployed_host_watch(void);

/* Frees what the host has; after the session was closed or did not open. */
void deployed_host_finish(struct deployed_host *host);

/* The log so far. */
const char *deployed_host_log(struct deployed_host *host);

/* Answers the request that waits: stores notif. */
void deployed_host_answer(struct deployed_host *host, uint32_t code);

#endif
