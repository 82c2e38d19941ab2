/* libggml-virtgpu-backend.so: the executor as a backend library of a renderer that has the APIR component. */
#include "upstream/component.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apir-upstream-protocol.h"
#include "executor/ggml-log.h"
#include "upstream/component-context.h"

#define EXPORT __attribute__((visibility("default")))
#define LOG_VARIABLE "APIR_LLAMA_CPP_LOG_TO_FILE"

enum {
    MAX_RESULTS = 1024, /* bytes: the longest is a string of APIR_UPSTREAM_MAX_STRING */
};

/* The interface hands no state from call to call: the only one of the library, which stays loaded once it is used. */
static struct {
    struct apir_component_contexts contexts;
    pthread_mutex_t lock; /* held while a ggml library is loaded: ggml's list of them has none */
    bool has_log;         /* guarded by lock */
    struct apir_log log;  /* written once, before the first context has it */
    struct apir_ggml_log ggml_log;
    _Atomic bool complained; /* about a call to a context that is not initialised */
} component = {
    .contexts = {.lock = PTHREAD_MUTEX_INITIALIZER},
    .lock = PTHREAD_MUTEX_INITIALIZER,
};

/* Several processes may write to one file: each line is appended as a whole. The file stays open, like ggml's library. */
static void open_log_locked(void)
{
    if (component.has_log)
        return;
    const char *path = getenv(LOG_VARIABLE);
    FILE *file = path && *path ? fopen(path, "a") : NULL;
    component.log = (struct apir_log){
        .stream = file ? file : stderr, .level = APIR_LOG_INFO, .prefix = "ggml-virtgpu-backend"};
    component.has_log = true;
    if (path && *path && !file)
        apir_warn(&component.log, "cannot open the file that " LOG_VARIABLE " names: %s", strerror(errno));
    component.ggml_log.log = component.log;
    apir_ggml_log_attach(&component.ggml_log);
}

/* A code of our own, as apir_backend_initialize returns it. */
static uint32_t own_code(enum apir_upstream_backend_code code)
{
    return APIR_COMPONENT_INITIALIZED_BASE + (uint32_t)code;
}

static uint32_t load_locked(struct apir_component_context *context)
{
    uint32_t code = apir_executor_upstream_backend()->load(context->executor);
    if (code != APIR_UPSTREAM_LOAD_CODE_SUCCESS)
        return code - APIR_UPSTREAM_LOAD_CODE_BACKEND_BASE; /* which the renderer adds */
    apir_info(&component.log, "context %u: device %s of %s", context->id,
              apir_executor_device_name(context->executor), apir_executor_library_name(context->executor));
    return APIR_COMPONENT_INITIALIZED;
}

EXPORT uint32_t apir_backend_initialize(uint32_t ctx_id, struct apir_component_callbacks *callbacks)
{
    if (!callbacks || !callbacks->get_config || !callbacks->get_shmem_ptr)
        return APIR_UPSTREAM_LOAD_CODE_HYPERCALL_INITIALIZATION_ERROR;
    pthread_mutex_lock(&component.lock);
    open_log_locked();
    uint32_t ret = own_code(APIR_UPSTREAM_BACKEND_CODE_BACKEND_FAILED);
    struct apir_component_context *context =
        apir_component_contexts_add(&component.contexts, ctx_id, callbacks, &component.log);
    if (context)
        ret = load_locked(context);
    else if (errno == EEXIST)
        ret = own_code(APIR_UPSTREAM_BACKEND_CODE_ALREADY_INITED);
    if (ret == APIR_COMPONENT_INITIALIZED)
        apir_component_contexts_set_ready(&component.contexts, context);
    else
        apir_error(&component.log, "context %u: cannot be initialised: code %u", ctx_id, ret);
    if (context && ret != APIR_COMPONENT_INITIALIZED)
        apir_component_contexts_remove(&component.contexts, ctx_id); /* nothing is left of it */
    pthread_mutex_unlock(&component.lock);
    if (context)
        apir_component_contexts_put(&component.contexts, context);
    return ret;
}

EXPORT void apir_backend_deinit(uint32_t ctx_id)
{
    /* a failed initialisation is cleaned up, too, and has left nothing */
    if (!apir_component_contexts_remove(&component.contexts, ctx_id))
        apir_warn(&component.log, "context %u: cannot be cleaned up: it is not initialised", ctx_id);
}

/* Runs the function on a copy of the arguments, which may be in shared memory, and copies the results when all is well.
 * A function code; invalid_index when there is no such function. */
static uint32_t run(struct apir_component_context *context, uint32_t function, const char *args, size_t args_size,
                    char *results, size_t capacity, size_t *used)
{
    uint8_t copy[APIR_UPSTREAM_MAX_REQUEST], answer[MAX_RESULTS];
    *used = 0;
    if (args_size > sizeof copy)
        return APIR_UPSTREAM_FUNCTION_CODE_REFUSED;
    if (args_size > 0)
        memcpy(copy, args, args_size);
    size_t room = capacity < sizeof answer ? capacity : sizeof answer, size = 0;
    uint32_t code =
        apir_executor_upstream_backend()->forward(context->executor, function, copy, args_size, answer, room, &size);
    if (code < APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE)
        return APIR_UPSTREAM_FUNCTION_CODE_INVALID_INDEX;
    if (code == APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE && size > 0) {
        memcpy(results, answer, size);
        *used = size;
    }
    return code - APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE;
}

EXPORT uint32_t apir_backend_dispatcher(uint32_t ctx_id, struct apir_component_callbacks *callbacks,
                                        uint32_t function, char *dec_cur, const char *dec_end, char *enc_cur,
                                        const char *enc_end, char **enc_cur_after)
{
    (void)callbacks; /* those of the initialisation */
    size_t used = 0;
    if (!enc_cur_after || dec_cur > dec_end || enc_cur > enc_end)
        return APIR_UPSTREAM_FUNCTION_CODE_REFUSED;
    *enc_cur_after = enc_cur;
    struct apir_component_context *context = apir_component_contexts_get(&component.contexts, ctx_id);
    if (!context) {
        /* once: calls are the guest's; relaxed: a flag, nothing is published by it */
        bool again = atomic_exchange_explicit(&component.complained, true, memory_order_relaxed);
        apir_log_print(&component.log, again ? APIR_LOG_DEBUG : APIR_LOG_WARN,
                       "context %u: function %u refused: it is not initialised", ctx_id, function);
        return APIR_UPSTREAM_FUNCTION_CODE_REFUSED;
    }
    uint32_t code = run(context, function, dec_cur, (size_t)(dec_end - dec_cur), enc_cur, (size_t)(enc_end - enc_cur),
                        &used);
    apir_component_contexts_put(&component.contexts, context);
    /* a renderer knows by the missing end that there is no such function */
    *enc_cur_after = code == APIR_UPSTREAM_FUNCTION_CODE_INVALID_INDEX ? NULL : enc_cur + used;
    return code;
}
