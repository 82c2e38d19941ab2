/* A host for deployed guests on a thread of the test: a worker's server and executor. */
#ifndef APIR_TESTS_UPSTREAM_HOST_H
#define APIR_TESTS_UPSTREAM_HOST_H

#include <pthread.h>
#include <stdio.h>

#include "executor/executor.h"
#include "server/server.h"
#include "upstream/replay.h"

/* What the host is told. */
struct upstream_setup {
    struct apir_executor_options executor; /* memory and log are the host's; library NULL: ggml's CPU library */
    FILE *log;                             /* NULL: nowhere. Borrowed */
};

struct upstream_host {
    pthread_t thread;
    struct apir_log log;
    struct apir_shm_table memory;
    struct apir_executor *executor;
    int fd;     /* the server's end */
    int result; /* of the server, once stopped */
};

/* Starts a host (setup NULL: of ggml's CPU library) and returns the guest's end of the connection. */
int upstream_host_start(struct upstream_host *host, const struct upstream_setup *setup);

/* Waits for the server to end, which it does when the guest's end is closed or after a refusal; returns its result. */
int upstream_host_stop(struct upstream_host *host);

enum { UPSTREAM_SMALL_DATA = 0x10000 }; /* a data blob for tests with thousands of sessions */

/* A session of the samples with a host. */
struct upstream_session {
    struct upstream_host host;
    struct deployed_guest guest;
    struct replay replay;
};

/* Opens it; nothing is sent yet. Closes it; returns the server's result. Any failure fails the test. */
void upstream_session_open(struct upstream_session *session, const struct upstream_setup *setup, bool fromptr,
                           uint64_t data_size);
int upstream_session_close(struct upstream_session *session);

/* Exchanges what comes before the sample of this name (NULL: all), and fails the test if it is not as recorded. */
void upstream_session_replay(struct upstream_session *session, const char *until);

#endif
