/* A backend library of somebody else (component.h), in the place of the executor: the renderer's side of that interface,
 * for guests of the deployed protocol. */
#ifndef APIR_UPSTREAM_FOREIGN_H
#define APIR_UPSTREAM_FOREIGN_H

#include <stdbool.h>
#include <stdint.h>

#include "server/shm.h"
#include "server/upstream.h"
#include "util/log.h"

struct apir_foreign;

/* All borrowed until the end. */
struct apir_foreign_options {
    const char *path;            /* of the library */
    uint32_t context;            /* its number for the library; no other of this process may have it */
    const char *ggml_library;    /* values of the keys; NULL: not configured */
    const char *ggml_reg;
    const char *ggml_init;
    struct apir_shm_table *memory;
    const struct apir_log *log;
    bool (*confine)(void *data); /* may be NULL; called when the library is loaded, and initialised or not, before any other
                                    call: false declines the guest */
    void *confine_data;
};

/* Does not open the library yet. NULL: no memory. */
struct apir_foreign *apir_foreign_create(const struct apir_foreign_options *options);

/* Ends its context; the library stays loaded: not every driver survives unloading. NULL is a no-op. */
void apir_foreign_destroy(struct apir_foreign *foreign);

/* What serves a session; its data is a struct apir_foreign. */
const struct apir_upstream_backend *apir_foreign_backend(void);

#endif
