/* Runs the calls of a context on the host's ggml library, through ggml's public interface only. */
#ifndef APIR_EXECUTOR_EXECUTOR_H
#define APIR_EXECUTOR_EXECUTOR_H

#include <stdint.h>
#include <stdio.h>

#include "apir-dispatch.h"
#include "server/shm.h"
#include "server/upstream.h"
#include "util/ledger.h"
#include "util/limits.h"
#include "util/log.h"

struct apir_executor;

/* What confines this process: names of layers, with ", " between them. Of static life, or as long as the executor. */
struct apir_executor_sandbox {
    const char *holds;
    const char *lacks;   /* "": it is complete */
    const char *refusal; /* why the guest is not served like this; NULL: it is */
};

struct apir_executor_options {
    const char *library;         /* a list, separated by ':', of paths, or NAMEs of libggml-NAME*.so in ggml's directory;
                                    NULL: not configured */
    const char *symbol;          /* registration symbol; NULL: ggml_backend_init */
    unsigned threads;            /* for libraries that compute on the CPU; 0: the host's cores */
    struct apir_shm_table *memory; /* borrowed; shared memory that calls refer to */
    const struct apir_log *log;  /* borrowed */
    struct apir_limits limits;   /* what the guest may take; zero-initialised: the defaults */
    struct apir_ledger *ledger;  /* borrowed; what all contexts of its client have taken; NULL: there is none */
    /* Completes the confinement of this process; may be NULL. Called once, when the libraries are loaded and their devices
     * ready, or could not be made so, before any other call runs. */
    void (*confine)(void *data, struct apir_executor_sandbox *sandbox);
    void *confine_data;          /* borrowed; its first argument */

    /* For guests of the deployed protocol, 0.x: */
    const char *single_device;   /* name or index of the one device that they see; NULL: the first */
    uint32_t backend_initialize; /* function numbers of the later revision; 0: it is not spoken */
    uint32_t backend_cleanup;
};

/* Work done so far. */
struct apir_executor_stats {
    uint64_t graphs;
    uint64_t nodes;
    uint64_t buffers;
    uint64_t buffer_bytes;
};

/* Makes an executor; the libraries are loaded by the first load_library call. Borrows the strings. NULL: no memory. */
struct apir_executor *apir_executor_create(const struct apir_executor_options *options);

/* Frees the executor, its buffers and streams. The libraries stay loaded: not every driver survives unloading. */
void apir_executor_destroy(struct apir_executor *executor);

/* The functions that serve the calls; their first argument is the executor. */
const struct apir_handlers *apir_executor_handlers(void);

/* The same for guests of the deployed protocol; its data is the executor. */
const struct apir_upstream_backend *apir_executor_upstream_backend(void);

/* Reads the counters. */
void apir_executor_get_stats(struct apir_executor *executor, struct apir_executor_stats *stats);

/* Names of the libraries' files, and of the first device (of the one that a guest of the deployed protocol sees), or "none":
 * for people, owned by the executor. */
const char *apir_executor_library_name(const struct apir_executor *executor);
const char *apir_executor_device_name(const struct apir_executor *executor);

/* Loads the libraries, has each device compute something small, and prints a line for each device to out. 0, or with
 * the reason in message: -EPERM if the sandbox is not complete that has to be, else -ENODEV. */
int apir_executor_probe(struct apir_executor *executor, FILE *out, char *message, size_t message_size);

#endif
