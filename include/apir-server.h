/* libapir-server: serves apir's protocol to one client, with handlers of one's own. For embedders that do not want
 * apird-worker, whose handlers call ggml: a hypervisor with an accelerator of its own, a simulator, a test.
 *
 * What comes from the client is checked before a handler sees it: every number, length and index is within the limits
 * of the protocol (apir-protocol.h, generated from protocol/apir.yaml). A client that breaks the protocol is refused:
 * its service ends. No function ends the process, prints, or touches signals; a process that serves should ignore
 * SIGPIPE. */
#ifndef APIR_SERVER_H
#define APIR_SERVER_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "apir-dispatch.h"

#ifdef __cplusplus
extern "C" {
#endif

#define APIR_SERVER_API __attribute__((visibility("default")))

/* One client's service. */
struct apir_service;

struct apir_service_options {
    int fd;                               /* connected SOCK_STREAM Unix socket; the service takes ownership */
    const struct apir_handlers *handlers; /* one function a call, apir-dispatch.h; NULL members are refused. Borrowed */
    void *handler_data;                   /* first argument of each handler. Borrowed */
    FILE *log;                            /* where lines about the client go; NULL: nowhere. Borrowed */
    int log_level;                        /* 1 errors, 2 warnings, 3 also versions, 4 everything */
};

/* Prepares to serve; nothing is read yet. NULL with errno; the fd is closed then, too. */
APIR_SERVER_API struct apir_service *apir_service_create(const struct apir_service_options *options);

/* Serves until the client closes the connection or breaks the protocol. Each queue of the client has a thread that
 * runs its handlers, in order; queues run side by side. All have ended when this returns: 0 when the client closed the
 * connection, -EPROTO after a refusal, -errno when the connection failed. Once for a service. */
APIR_SERVER_API int apir_service_run(struct apir_service *service);

/* Frees a service that does not run. NULL is a no-op. */
APIR_SERVER_API void apir_service_destroy(struct apir_service *service);

/* For handlers: size zeroed bytes that live until the reply is sent, for what the reply points to. NULL when memory is
 * short. */
APIR_SERVER_API void *apir_service_alloc(struct apir_arena *scratch, size_t size);

/* For handlers: memory that the client shares. It can be written by the client at any time: copy, then check, then use
 * the copy. */
struct apir_service_memory {
    void *data;
    uint64_t size; /* bytes */
    void *handle;  /* the service's */
};

/* Finds the memory with this id, the value of a `shm` argument, and keeps it until it is put. 0 or -ENOENT. */
APIR_SERVER_API int apir_service_get_memory(struct apir_service *service, uint32_t id,
                                            struct apir_service_memory *memory);

/* Gives memory back; *memory is no longer valid. */
APIR_SERVER_API void apir_service_put_memory(struct apir_service *service, struct apir_service_memory *memory);

#ifdef __cplusplus
}
#endif

#endif
