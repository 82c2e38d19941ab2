/* A session of the deployed APIR protocol, 0.x (protocol/apir-upstream.yaml): one request after the other, each answered
 * in the reply blob that it names. What executes the functions is handed in: the executor, or a backend library. */
#ifndef APIR_SERVER_UPSTREAM_H
#define APIR_SERVER_UPSTREAM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/shm.h"
#include "server/watchdog.h"
#include "util/log.h"
#include "wire/cs.h"

/* What executes LOADLIBRARY and FORWARD. Called by one thread of a session at a time. */
struct apir_upstream_backend {
    /* Loads what there is to load; asked once a session. A load code: enum apir_upstream_load_code, or its backend_base
     * plus a backend code. */
    uint32_t (*load)(void *data);

    /* Runs a function on args_size bytes of arguments, private memory. Writes up to capacity bytes of results and
     * their number to *used. A forward code: enum apir_upstream_forward_code, or its function_base plus a function
     * code; *used counts only with function_base. */
    uint32_t (*forward)(void *data, uint32_t function, const void *args, size_t args_size, void *results,
                        size_t capacity, size_t *used);
};

enum {
    /* Deployed guests have a request or two under way for each of their threads. */
    APIR_UPSTREAM_MAX_PENDING = 256,
    APIR_UPSTREAM_MAX_PENDING_BYTES = 1024 * 1024,
};

struct apir_upstream_request;

/* Zero-initialised, it is a session that has not begun. The owner calls finish. */
struct apir_upstream_session {
    const struct apir_upstream_backend *backend; /* borrowed; NULL: not begun */
    void *backend_data;
    struct apir_shm_table *memory; /* borrowed */
    const struct apir_log *log;    /* borrowed */
    struct apir_watchdog *watchdog; /* borrowed; of the requests */
    bool greeted;                  /* the versions were logged; of the thread that submits */

    /* of the session's thread, which runs the requests */
    pthread_t thread;
    uint8_t *results;   /* private memory, as large as a reply blob */
    uint32_t load_code; /* of the first LOADLIBRARY */
    bool load_tried;
    bool complained; /* about a request, once: a guest must not fill the log */

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    struct apir_upstream_request *first; /* pending, in order */
    struct apir_upstream_request **last; /* the NULL at their end */
    uint32_t count;
    size_t bytes;
    bool ending;
};

/* Begins a session, with the thread that runs its requests. 0 or -errno. */
int apir_upstream_session_begin(struct apir_upstream_session *session, const struct apir_upstream_backend *backend,
                                void *backend_data, struct apir_shm_table *memory, struct apir_watchdog *watchdog,
                                const struct apir_log *log);

/* Takes one request, payload (private memory, from its first word); never waits for what runs. A handshake is answered
 * at once, all else in order by the thread. 0, or -EPROTO after a line in the log: the request is malformed, its reply
 * blob unknown, or too many are pending. */
int apir_upstream_session_submit(struct apir_upstream_session *session, const void *payload, size_t size);

/* Answers what is pending with TIMEOUT, waits for the request that runs, and ends the thread. A session that has not
 * begun is a no-op. */
void apir_upstream_session_finish(struct apir_upstream_session *session);

#endif
