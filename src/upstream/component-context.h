/* The contexts of a backend library (component.h). Each has an executor of its own, hence buffers of its own. Thread-safe. */
#ifndef APIR_UPSTREAM_COMPONENT_CONTEXT_H
#define APIR_UPSTREAM_COMPONENT_CONTEXT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "executor/executor.h"
#include "server/shm.h"
#include "upstream/component.h"

struct apir_component_context {
    struct apir_component_context *next; /* apir_component_contexts.first */
    uint32_t id;
    uint32_t refs; /* guarded by the table's lock; one of them is the table's */
    bool ready;    /* guarded by the table's lock; its library is loaded */
    struct apir_component_callbacks callbacks;
    struct apir_shm_table memory; /* empty: the renderer is asked at each use */
    struct apir_executor *executor;
    char *library, *symbol; /* owned; NULL: not configured */
};

struct apir_component_contexts {
    pthread_mutex_t lock; /* guards all below */
    struct apir_component_context *first;
};

/* Enters a new context, not ready yet; to be put. NULL with errno EEXIST or ENOMEM. */
struct apir_component_context *apir_component_contexts_add(struct apir_component_contexts *contexts, uint32_t id,
                                                           const struct apir_component_callbacks *callbacks,
                                                           const struct apir_log *log);

/* The context of an id if it is ready, to be put; NULL if there is none. */
struct apir_component_context *apir_component_contexts_get(struct apir_component_contexts *contexts, uint32_t id);

/* Calls find the context from now on. */
void apir_component_contexts_set_ready(struct apir_component_contexts *contexts,
                                       struct apir_component_context *context);

/* Takes the context out; it goes, with all of its buffers, when nobody uses it any more. False if there is none. */
bool apir_component_contexts_remove(struct apir_component_contexts *contexts, uint32_t id);

/* The caller no longer uses context. */
void apir_component_contexts_put(struct apir_component_contexts *contexts, struct apir_component_context *context);

#endif
