#include "upstream/renderer.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    HANDSHAKE = 0,
    LOAD_LIBRARY = 1,
    FORWARD = 2,
    HANDSHAKE_CODE = 0xab1e,
    HEADER_SIZE = 12,
    REPLY_SIZE = 0x4000,
    RESULTS_SIZE = REPLY_SIZE - 4,
};

/* Codes of LOADLIBRARY and FORWARD. */
enum {
    LOAD_OK = 0,
    ALREADY_LOADED = 2,
    CFG_KEY_MISSING = 3,
    CANNOT_OPEN = 4,
    SYMBOL_MISSING = 5,
    LOAD_BASE = 6,
    NO_DISPATCH_FN = 1,
    FORWARD_BASE = 4,
};

/* The callbacks get no pointer of ours: a component is one for a process. */
static struct renderer the_renderer = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct renderer *renderer_get(void)
{
    return &the_renderer;
}

static struct renderer_context *find_context(struct renderer *renderer, uint32_t id)
{
    for (unsigned i = 0; i < RENDERER_MAX_CONTEXTS; i++)
        if (renderer->contexts[i].id == id)
            return &renderer->contexts[i];
    return NULL;
}

static struct renderer_shm *find_shm(struct renderer_context *context, uint32_t id)
{
    for (unsigned i = 0; context && i < RENDERER_MAX_SHM; i++)
        if (context->shms[i].data && context->shms[i].id == id)
            return &context->shms[i];
    return NULL;
}

static const char *say_size(struct renderer *renderer, uint32_t ctx_id, const char *id)
{
    struct renderer_shm *shm = find_shm(find_context(renderer, ctx_id), (uint32_t)strtoul(id, NULL, 10));
    if (!renderer->options.say_sizes || !shm)
        return NULL;
    snprintf(renderer->size_text, sizeof renderer->size_text, "%llu", (unsigned long long)shm->size);
    return renderer->size_text;
}

/* Both callbacks are called while the lock is held, by the library that the holder called. */
static const char *get_config(uint32_t ctx_id, const char *key)
{
    struct renderer *renderer = renderer_get();
    size_t prefix = strlen(APIR_COMPONENT_KEY_SHMEM_SIZE);
    if (strncmp(key, APIR_COMPONENT_KEY_SHMEM_SIZE, prefix) == 0)
        return say_size(renderer, ctx_id, key + prefix);
    if (strcmp(key, APIR_COMPONENT_KEY_BACKEND) == 0)
        return renderer->options.backend_library;
    if (strcmp(key, APIR_COMPONENT_KEY_LIBRARY) == 0)
        return renderer->options.ggml_library;
    return strcmp(key, APIR_COMPONENT_KEY_REG) == 0 ? renderer->options.ggml_reg : NULL;
}

static void *get_shmem_ptr(uint32_t ctx_id, uint32_t res_id)
{
    struct renderer_shm *shm = find_shm(find_context(renderer_get(), ctx_id), res_id);
    return shm ? shm->data : NULL;
}

static struct apir_component_callbacks callbacks = {.get_config = get_config, .get_shmem_ptr = get_shmem_ptr};

static uint32_t open_library(struct renderer *renderer)
{
    if (renderer->component.dispatcher)
        return LOAD_OK;
    if (!renderer->options.backend_library)
        return CFG_KEY_MISSING;
    void *library = dlopen(renderer->options.backend_library, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "apir-test-renderer: %s\n", dlerror());
        return CANNOT_OPEN;
    }
    struct apir_component component;
    *(void **)&component.initialize = dlsym(library, APIR_COMPONENT_INITIALIZE);
    *(void **)&component.deinit = dlsym(library, APIR_COMPONENT_DEINIT);
    *(void **)&component.dispatcher = dlsym(library, APIR_COMPONENT_DISPATCHER);
    if (!component.initialize || !component.deinit || !component.dispatcher)
        return SYMBOL_MISSING;
    renderer->component = component;
    return LOAD_OK;
}

static uint32_t load(struct renderer *renderer, struct renderer_context *context)
{
    if (context->loaded)
        return ALREADY_LOADED;
    uint32_t code = open_library(renderer);
    if (code != LOAD_OK)
        return code;
    code = renderer->component.initialize(context->id, &callbacks);
    if (code == APIR_COMPONENT_INITIALIZED || code == APIR_COMPONENT_INITIALIZED_BASE) {
        context->loaded = true;
        return LOAD_OK;
    }
    renderer->component.deinit(context->id);
    return LOAD_BASE + code;
}

/* The library has private copies of both; results go to *used bytes of results. */
static uint32_t forward(struct renderer *renderer, struct renderer_context *context, uint32_t function,
                        const uint8_t *args, size_t size, char *results, size_t *used)
{
    if (renderer->options.has_code)
        return renderer->options.code;
    if (!context->loaded)
        return NO_DISPATCH_FN;
    char *copy = malloc(size + 1), *end = NULL;
    if (!copy)
        abort();
    memcpy(copy, args, size);
    uint32_t code = renderer->component.dispatcher(context->id, &callbacks, function, copy, copy + size, results,
                                                   results + RESULTS_SIZE, &end);
    free(copy);
    if (!end)
        return NO_DISPATCH_FN;
    *used = (size_t)(end - results);
    if (end < results || *used > RESULTS_SIZE) {
        fprintf(stderr, "apir-test-renderer: the library wrote outside of the results\n");
        abort();
    }
    return FORWARD_BASE + code;
}

static void answer(struct renderer_shm *reply, uint32_t code, const void *results, size_t size)
{
    memcpy((uint8_t *)reply->data + 4, results, size);
    /* release: pairs with the acquire of the guest that polls */
    atomic_store_explicit((_Atomic uint32_t *)reply->data, code + 1, memory_order_release);
}

/* True: this call is not answered. */
static bool misbehave(struct renderer *renderer)
{
    unsigned call = ++renderer->calls;
    if (renderer->options.kill_after && call >= renderer->options.kill_after)
        raise(SIGKILL);
    return renderer->options.stall_after && call >= renderer->options.stall_after;
}

static bool run(struct renderer *renderer, struct renderer_context *context, const uint32_t *header,
                const uint8_t *args, size_t size)
{
    char results[RESULTS_SIZE];
    const uint32_t version[] = {renderer->options.major, renderer->options.minor};
    struct renderer_shm *reply = find_shm(context, header[2]);
    size_t used = 0;
    uint32_t code;
    if (!reply || reply->size < REPLY_SIZE || misbehave(renderer))
        return reply != NULL;
    switch (header[0] - renderer->options.base) {
    case HANDSHAKE:
        memcpy(results, version, used = sizeof version);
        code = HANDSHAKE_CODE;
        break;
    case LOAD_LIBRARY:
        code = load(renderer, context);
        break;
    case FORWARD:
        code = forward(renderer, context, header[1], args, size, results, &used);
        break;
    default:
        fprintf(stderr, "apir-test-renderer: no command %u\n", header[0]);
        return false;
    }
    answer(reply, code, results, used);
    return true;
}

bool renderer_submit(struct renderer *renderer, struct renderer_context *context, const uint8_t *payload, size_t size)
{
    uint32_t header[3];
    if (size < HEADER_SIZE)
        return false;
    memcpy(header, payload, sizeof header);
    pthread_mutex_lock(&renderer->lock);
    bool good = run(renderer, context, header, payload + HEADER_SIZE, size - HEADER_SIZE);
    pthread_mutex_unlock(&renderer->lock);
    return good;
}

struct renderer_context *renderer_context_create(struct renderer *renderer)
{
    pthread_mutex_lock(&renderer->lock);
    struct renderer_context *context = find_context(renderer, 0);
    if (context)
        *context = (struct renderer_context){.id = (uint32_t)(context - renderer->contexts) + 1};
    pthread_mutex_unlock(&renderer->lock);
    return context;
}

void renderer_context_destroy(struct renderer *renderer, struct renderer_context *context)
{
    pthread_mutex_lock(&renderer->lock);
    if (context->loaded)
        renderer->component.deinit(context->id);
    for (unsigned i = 0; i < RENDERER_MAX_SHM; i++)
        if (context->shms[i].data)
            munmap(context->shms[i].data, context->shms[i].size);
    memset(context, 0, sizeof *context);
    pthread_mutex_unlock(&renderer->lock);
}

bool renderer_shm_add(struct renderer *renderer, struct renderer_context *context, uint32_t id, int fd,
                      uint64_t offset, uint64_t size)
{
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
    if (data == MAP_FAILED)
        return false;
    pthread_mutex_lock(&renderer->lock);
    struct renderer_shm *place = NULL;
    for (unsigned i = 0; !place && i < RENDERER_MAX_SHM; i++)
        if (!context->shms[i].data)
            place = &context->shms[i];
    if (place)
        *place = (struct renderer_shm){.id = id, .data = data, .size = size};
    pthread_mutex_unlock(&renderer->lock);
    if (!place)
        munmap(data, size);
    return place != NULL;
}

void renderer_shm_remove(struct renderer *renderer, struct renderer_context *context, uint32_t id)
{
    pthread_mutex_lock(&renderer->lock);
    struct renderer_shm *shm = find_shm(context, id);
    if (shm) {
        munmap(shm->data, shm->size);
        *shm = (struct renderer_shm){0};
    }
    pthread_mutex_unlock(&renderer->lock);
}
