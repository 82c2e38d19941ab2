#include "upstream/foreign.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apir-upstream-protocol.h"
#include "upstream/component.h"

/* A mapping that the library was told of. */
struct held {
    struct held *next;
    struct apir_mapping *mapping;
};

struct apir_foreign {
    struct apir_foreign *next; /* in the registry */
    struct apir_foreign_options options;
    struct apir_component library;
    struct apir_component_callbacks callbacks;
    bool registered;
    bool initialized;

    pthread_mutex_t lock; /* guards all below: the library may ask from any thread */
    struct held *held;    /* until the function that asked returns */
    char text[24];        /* a size that was asked for */
};

/* The library's questions name a context by its number and nothing else, hence a list for the whole process. */
static struct {
    pthread_mutex_t lock; /* guards first and the links */
    struct apir_foreign *first;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct apir_foreign *find_locked(uint32_t context)
{
    struct apir_foreign *foreign = registry.first;
    while (foreign && foreign->options.context != context)
        foreign = foreign->next;
    return foreign;
}

/* It stays: only what calls the library ends a context, and the library asks only while it is called. */
static struct apir_foreign *find(uint32_t context)
{
    pthread_mutex_lock(&registry.lock);
    struct apir_foreign *foreign = find_locked(context);
    pthread_mutex_unlock(&registry.lock);
    return foreign;
}

static int enter(struct apir_foreign *foreign)
{
    pthread_mutex_lock(&registry.lock);
    bool taken = find_locked(foreign->options.context) != NULL;
    if (!taken) {
        foreign->next = registry.first;
        registry.first = foreign;
        foreign->registered = true;
    }
    pthread_mutex_unlock(&registry.lock);
    return taken ? -EEXIST : 0;
}

static void leave(struct apir_foreign *foreign)
{
    if (!foreign->registered)
        return;
    pthread_mutex_lock(&registry.lock);
    struct apir_foreign **link = &registry.first;
    while (*link != foreign)
        link = &(*link)->next;
    *link = foreign->next;
    foreign->registered = false;
    pthread_mutex_unlock(&registry.lock);
}

/* The size of a shared memory as text, or NULL. */
static const char *tell_size(struct apir_foreign *foreign, const char *id)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(id, &end, 10);
    if (errno || end == id || *end || number > UINT32_MAX)
        return NULL;
    struct apir_mapping *mapping = apir_shm_table_get(foreign->options.memory, (uint32_t)number);
    if (!mapping)
        return NULL;
    pthread_mutex_lock(&foreign->lock);
    snprintf(foreign->text, sizeof foreign->text, "%" PRIu64, mapping->size);
    pthread_mutex_unlock(&foreign->lock);
    apir_shm_table_put(foreign->options.memory, mapping);
    return foreign->text;
}

static const char *get_config(uint32_t context, const char *key)
{
    static const size_t prefix = sizeof APIR_COMPONENT_KEY_SHMEM_SIZE - 1;
    struct apir_foreign *foreign = find(context);
    if (!foreign || !key)
        return NULL;
    if (strcmp(key, APIR_COMPONENT_KEY_BACKEND) == 0)
        return foreign->options.path;
    if (strcmp(key, APIR_COMPONENT_KEY_LIBRARY) == 0)
        return foreign->options.ggml_library;
    if (strcmp(key, APIR_COMPONENT_KEY_REG) == 0)
        return foreign->options.ggml_reg;
    if (strcmp(key, APIR_COMPONENT_KEY_INIT) == 0)
        return foreign->options.ggml_init;
    if (strncmp(key, APIR_COMPONENT_KEY_SHMEM_SIZE, prefix) == 0)
        return tell_size(foreign, key + prefix);
    return NULL;
}

static bool is_held_locked(const struct apir_foreign *foreign, const struct apir_mapping *mapping)
{
    for (const struct held *held = foreign->held; held; held = held->next)
        if (held->mapping == mapping)
            return true;
    return false;
}

/* Keeps a mapping until the function returns; false if that is not needed, or not possible. */
static bool hold_locked(struct apir_foreign *foreign, struct apir_mapping *mapping, bool *failed)
{
    *failed = false;
    if (is_held_locked(foreign, mapping))
        return false;
    struct held *held = malloc(sizeof *held);
    *failed = !held;
    if (!held)
        return false;
    *held = (struct held){foreign->held, mapping};
    foreign->held = held;
    return true;
}

static void *get_shmem_ptr(uint32_t context, uint32_t id)
{
    struct apir_foreign *foreign = find(context);
    struct apir_mapping *mapping = foreign ? apir_shm_table_get(foreign->options.memory, id) : NULL;
    if (!mapping)
        return NULL;
    bool failed;
    void *data = mapping->data;
    pthread_mutex_lock(&foreign->lock);
    bool held = hold_locked(foreign, mapping, &failed);
    pthread_mutex_unlock(&foreign->lock);
    if (!held)
        apir_shm_table_put(foreign->options.memory, mapping);
    return failed ? NULL : data;
}

static void release_all(struct apir_foreign *foreign)
{
    pthread_mutex_lock(&foreign->lock);
    struct held *held = foreign->held;
    foreign->held = NULL;
    pthread_mutex_unlock(&foreign->lock);
    while (held) {
        struct held *next = held->next;
        apir_shm_table_put(foreign->options.memory, held->mapping);
        free(held);
        held = next;
    }
}

struct apir_foreign *apir_foreign_create(const struct apir_foreign_options *options)
{
    struct apir_foreign *foreign = calloc(1, sizeof *foreign);
    if (!foreign)
        return NULL;
    foreign->options = *options;
    foreign->callbacks = (struct apir_component_callbacks){get_config, get_shmem_ptr};
    pthread_mutex_init(&foreign->lock, NULL);
    return foreign;
}

void apir_foreign_destroy(struct apir_foreign *foreign)
{
    if (!foreign)
        return;
    if (foreign->initialized)
        foreign->library.deinit(foreign->options.context);
    release_all(foreign);
    leave(foreign);
    pthread_mutex_destroy(&foreign->lock);
    free(foreign);
}

/* Looks a function up; false if there is none. */
static bool find_symbol(const struct apir_foreign *foreign, void *handle, const char *name, void *function)
{
    void *symbol = dlsym(handle, name);
    if (!symbol)
        apir_error(foreign->options.log, "the backend library %s has no symbol %s", foreign->options.path, name);
    else
        memcpy(function, &symbol, sizeof symbol); /* of dlsym a function pointer comes as an object pointer */
    return symbol != NULL;
}

/* A load code. */
static uint32_t open_library(struct apir_foreign *foreign)
{
    struct apir_component *library = &foreign->library;
    void *handle = dlopen(foreign->options.path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        apir_error(foreign->options.log, "cannot open the backend library: %s (--backend-library)", dlerror());
        return APIR_UPSTREAM_LOAD_CODE_CANNOT_OPEN;
    }
    if (find_symbol(foreign, handle, APIR_COMPONENT_INITIALIZE, &library->initialize) &&
        find_symbol(foreign, handle, APIR_COMPONENT_DEINIT, &library->deinit) &&
        find_symbol(foreign, handle, APIR_COMPONENT_DISPATCHER, &library->dispatcher))
        return APIR_UPSTREAM_LOAD_CODE_SUCCESS;
    dlclose(handle);
    return APIR_UPSTREAM_LOAD_CODE_SYMBOL_MISSING;
}

/* The words for what apir_backend_initialize returned: below 6 load codes, from 6 on the library's own. */
static const char *describe(uint32_t code)
{
    const char *name = code < APIR_COMPONENT_INITIALIZED_BASE
                           ? apir_upstream_load_code_name(code)
                           : apir_upstream_backend_code_name(code - APIR_COMPONENT_INITIALIZED_BASE);
    return name ? name : "unknown";
}

/* base plus what a library returned, or plus other if that wraps, here or when the guest is told 1 + the sum. */
static uint32_t add_code(uint32_t base, uint32_t code, uint32_t other)
{
    return base + (code < UINT32_MAX - base ? code : other);
}

static uint32_t initialize(struct apir_foreign *foreign)
{
    if (enter(foreign) < 0) {
        apir_error(foreign->options.log, "the backend library has a context %u already", foreign->options.context);
        return APIR_UPSTREAM_LOAD_CODE_HYPERCALL_INITIALIZATION_ERROR;
    }
    uint32_t code = foreign->library.initialize(foreign->options.context, &foreign->callbacks);
    release_all(foreign);
    if (code == APIR_COMPONENT_INITIALIZED || code == APIR_COMPONENT_INITIALIZED_BASE) {
        foreign->initialized = true;
        return APIR_UPSTREAM_LOAD_CODE_SUCCESS;
    }
    apir_error(foreign->options.log, "the backend library %s failed to initialise: code %u (%s)",
               foreign->options.path, code, describe(code));
    return add_code(APIR_UPSTREAM_LOAD_CODE_BACKEND_BASE, code,
                    (uint32_t)APIR_COMPONENT_INITIALIZED_BASE + APIR_UPSTREAM_BACKEND_CODE_BACKEND_FAILED);
}

static uint32_t load(void *data)
{
    struct apir_foreign *foreign = data;
    uint32_t code = open_library(foreign);
    if (code != APIR_UPSTREAM_LOAD_CODE_SUCCESS)
        return code;
    code = initialize(foreign);
    if (foreign->options.confine && !foreign->options.confine(foreign->options.confine_data))
        return APIR_UPSTREAM_LOAD_CODE_HYPERCALL_INITIALIZATION_ERROR;
    if (code == APIR_UPSTREAM_LOAD_CODE_SUCCESS)
        apir_info(foreign->options.log, "context %u is served by %s", foreign->options.context,
                  foreign->options.path);
    return code;
}

static uint32_t forward(void *data, uint32_t function, const void *args, size_t args_size, void *results,
                        size_t capacity, size_t *used)
{
    struct apir_foreign *foreign = data;
    char *from = (char *)(uintptr_t)args; /* private memory: the library may do with it as it likes */
    char *to = results, *end = NULL;
    uint32_t code = foreign->library.dispatcher(foreign->options.context, &foreign->callbacks, function, from,
                                                from + args_size, to, to + capacity, &end);
    release_all(foreign);
    if (!end) /* that is how deployed libraries say that they do not know the function */
        return APIR_UPSTREAM_FORWARD_CODE_NO_DISPATCH_FCT;
    if (end < to || end > to + capacity) {
        apir_error(foreign->options.log, "function %u of the backend library wrote beyond its %zu bytes of results",
                   function, capacity);
        return APIR_UPSTREAM_FORWARD_CODE_FAILED_TO_SYNC_STREAMS;
    }
    *used = (size_t)(end - to);
    return add_code(APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE, code, APIR_UPSTREAM_FUNCTION_CODE_REFUSED);
}

const struct apir_upstream_backend *apir_foreign_backend(void)
{
    static const struct apir_upstream_backend backend = {load, forward};
    return &backend;
}
