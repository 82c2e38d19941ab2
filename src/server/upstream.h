/* A session of the deployed APIR protocol, 0.x (protocol/apir-upstream.yaml): one request after the other, each answered
 * in the reply blob that it names. What executes the functions is handed in: the executor, or a backend library. */
#ifndef APIR_SERVER_UPSTREAM_H
#define APIR_SERVER_UPSTREAM_H

#include <stddef.h>
#include <stdint.h>

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

#endif
