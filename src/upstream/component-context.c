#include "upstream/component-context.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "upstream/bounds.h"

enum { KEY_SIZE = 64 };

/* The size of shared memory as a renderer of ours says it; 0: it does not. */
static uint64_t told_size(const struct apir_component_context *context, uint32_t id)
{
    char key[KEY_SIZE], *end;
    snprintf(key, sizeof key, APIR_COMPONENT_KEY_SHMEM_SIZE "%" PRIu32, id);
    const char *text = context->callbacks.get_config(context->id, key);
    if (!text || *text < '0' || *text > '9')
        return 0;
    errno = 0;
    uint64_t size = strtoull(text, &end, 10);
    return *end == '\0' && errno == 0 ? size : 0;
}

/* Ids are used again, and memory moves: nothing is kept from one use to the next. */
static int find_memory(void *owner, uint32_t id, void **data, uint64_t *size)
{
    const struct apir_component_context *context = owner;
    void *pointer = context->callbacks.get_shmem_ptr(context->id, id);
    uint64_t found = pointer ? told_size(context, id) : 0;
    if (pointer && !found)
        found = apir_bounds_find(pointer);
    if (!found)
        return -ENOENT;
    *data = pointer;
    *size = found;
    return 0;
}

static void destroy(struct apir_component_context *context)
{
    apir_executor_destroy(context->executor);
    apir_shm_table_finish(&context->memory);
    free(context->library);
    free(context->symbol);
    free(context);
}

/* A copy of a value of the configuration; true unless memory is short. */
static bool copy_config(const struct apir_component_context *context, const char *key, char **value)
{
    const char *text = context->callbacks.get_config(context->id, key);
    *value = text ? strdup(text) : NULL;
    return !text || *value;
}

static struct apir_component_context *create(uint32_t id, const struct apir_component_callbacks *callbacks,
                                             const struct apir_log *log)
{
    struct apir_component_context *context = calloc(1, sizeof *context);
    if (!context)
        return NULL;
    context->id = id;
    context->callbacks = *callbacks;
    apir_shm_table_init(&context->memory);
    context->memory.find = find_memory;
    context->memory.find_owner = context;
    struct apir_executor_options options = {.memory = &context->memory, .log = log};
    if (copy_config(context, APIR_COMPONENT_KEY_LIBRARY, &context->library) &&
        copy_config(context, APIR_COMPONENT_KEY_REG, &context->symbol)) {
        options.library = context->library;
        options.symbol = context->symbol;
        context->executor = apir_executor_create(&options);
    }
    if (context->executor)
        return context;
    destroy(context);
    return NULL;
}

static struct apir_component_context **find_locked(struct apir_component_contexts *contexts, uint32_t id)
{
    struct apir_component_context **link = &contexts->first;
    while (*link && (*link)->id != id)
        link = &(*link)->next;
    return link;
}

struct apir_component_context *apir_component_contexts_add(struct apir_component_contexts *contexts, uint32_t id,
                                                           const struct apir_component_callbacks *callbacks,
                                                           const struct apir_log *log)
{
    struct apir_component_context *context = create(id, callbacks, log);
    if (!context) {
        errno = ENOMEM;
        return NULL;
    }
    pthread_mutex_lock(&contexts->lock);
    struct apir_component_context **link = find_locked(contexts, id);
    bool exists = *link != NULL;
    if (!exists) {
        *link = context;
        context->refs = 2;
    }
    pthread_mutex_unlock(&contexts->lock);
    if (!exists)
        return context;
    destroy(context);
    errno = EEXIST;
    return NULL;
}

struct apir_component_context *apir_component_contexts_get(struct apir_component_contexts *contexts, uint32_t id)
{
    pthread_mutex_lock(&contexts->lock);
    struct apir_component_context *context = *find_locked(contexts, id);
    if (context && !context->ready)
        context = NULL;
    if (context)
        context->refs++;
    pthread_mutex_unlock(&contexts->lock);
    return context;
}

void apir_component_contexts_set_ready(struct apir_component_contexts *contexts,
                                       struct apir_component_context *context)
{
    pthread_mutex_lock(&contexts->lock);
    context->ready = true;
    pthread_mutex_unlock(&contexts->lock);
}

bool apir_component_contexts_remove(struct apir_component_contexts *contexts, uint32_t id)
{
    pthread_mutex_lock(&contexts->lock);
    struct apir_component_context **link = find_locked(contexts, id), *context = *link;
    if (context)
        *link = context->next;
    pthread_mutex_unlock(&contexts->lock);
    if (context)
        apir_component_contexts_put(contexts, context);
    return context != NULL;
}

void apir_component_contexts_put(struct apir_component_contexts *contexts, struct apir_component_context *context)
{
    pthread_mutex_lock(&contexts->lock);
    bool last = --context->refs == 0;
    pthread_mutex_unlock(&contexts->lock);
    if (last)
        destroy(context);
}
