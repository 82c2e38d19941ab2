/* A host for tests: a worker's server and executor on a thread of the test, at the other end of a socket pair. */
#ifndef APIR_TESTS_SUPPORT_HOST_H
#define APIR_TESTS_SUPPORT_HOST_H

#include <pthread.h>

#include "executor/executor.h"
#include "server/server.h"

struct test_host {
    pthread_t thread;
    struct apir_log log;
    struct apir_shm_table memory;
    struct apir_executor *executor;
    int fd;     /* the server's end */
    int result; /* of the server, once stopped */
};

/* Starts a host of ggml's CPU library (or of environment variable APIR_TEST_LIBRARY) and returns the client's end of
 * the connection, owned by the caller. */
int test_host_start(struct test_host *host);

/* Waits for the server to end, which it does when the client's end is closed or after a refusal; returns its result. */
int test_host_stop(struct test_host *host);

#endif
