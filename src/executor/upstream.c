/* The executor for guests of the deployed protocol: loads the library, picks the one device that they see, and runs
 * functions. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apir-upstream-codec.h"
#include "executor/upstream-private.h"
#include "server/upstream.h"

static const struct apir_upstream_handlers handlers = {
    .device_get_device_count = handle_upstream_device_get_device_count,
    .device_get_count = handle_upstream_device_get_count,
    .device_get_name = handle_upstream_device_get_name,
    .device_get_description = handle_upstream_device_get_description,
    .device_get_type = handle_upstream_device_get_type,
    .device_get_memory = handle_upstream_device_get_memory,
    .device_supports_op = handle_upstream_device_supports_op,
    .device_get_buffer_type = handle_upstream_device_get_buffer_type,
    .device_get_props = handle_upstream_device_get_props,
    .device_buffer_from_ptr = handle_upstream_device_buffer_from_ptr,
    .buffer_type_get_name = handle_upstream_buffer_type_get_name,
    .buffer_type_get_alignment = handle_upstream_buffer_type_get_alignment,
    .buffer_type_get_max_size = handle_upstream_buffer_type_get_max_size,
    .buffer_type_is_host = handle_upstream_buffer_type_is_host,
    .buffer_type_alloc_buffer = handle_upstream_buffer_type_alloc_buffer,
    .buffer_type_get_alloc_size = handle_upstream_buffer_type_get_alloc_size,
    .buffer_get_base = handle_upstream_buffer_get_base,
    .buffer_set_tensor = handle_upstream_buffer_set_tensor,
    .buffer_get_tensor = handle_upstream_buffer_get_tensor,
    .buffer_cpy_tensor = handle_upstream_buffer_cpy_tensor,
    .buffer_clear = handle_upstream_buffer_clear,
    .buffer_free_buffer = handle_upstream_buffer_free_buffer,
    .backend_graph_compute = handle_upstream_backend_graph_compute,
};

/* What a backend library's initialisation returns for a code of its own. */
static uint32_t own_code(enum apir_upstream_backend_code code)
{
    return APIR_UPSTREAM_LOAD_CODE_BACKEND_BASE + (uint32_t)code;
}

/* What it returns when the ggml library cannot be used: what it shares with LOADLIBRARY, it tells by those codes. */
static uint32_t library_code(enum apir_load_status status)
{
    switch (status) {
    case APIR_LOAD_STATUS_OK:
        return APIR_UPSTREAM_LOAD_CODE_SUCCESS;
    case APIR_LOAD_STATUS_PATH_MISSING:
        return APIR_UPSTREAM_LOAD_CODE_ENV_VAR_MISSING;
    case APIR_LOAD_STATUS_CANNOT_OPEN:
        return APIR_UPSTREAM_LOAD_CODE_CANNOT_OPEN;
    case APIR_LOAD_STATUS_SYMBOL_MISSING:
        return APIR_UPSTREAM_LOAD_CODE_SYMBOL_MISSING;
    case APIR_LOAD_STATUS_REGISTER_FAILED:
        return own_code(APIR_UPSTREAM_BACKEND_CODE_BACKEND_REG_FAILED);
    case APIR_LOAD_STATUS_NO_DEVICE:
        return own_code(APIR_UPSTREAM_BACKEND_CODE_NO_DEVICE);
    case APIR_LOAD_STATUS_NOT_CONFINED:
        break;
    }
    return own_code(APIR_UPSTREAM_BACKEND_CODE_BACKEND_FAILED);
}

/* Index of the device that the option names, by name or by index; n_devices if there is none. */
static uint32_t choose_device(const struct apir_executor *executor)
{
    const struct apir_library *library = &executor->library;
    const char *option = executor->options.single_device;
    char *end;
    if (!option || !*option)
        return 0;
    for (uint32_t i = 0; i < library->n_devices; i++)
        if (strcmp(library->devices[i].name, option) == 0)
            return i;
    unsigned long index = strtoul(option, &end, 10);
    return *end == '\0' && index < library->n_devices ? (uint32_t)index : library->n_devices;
}

/* 0, or a code of the backend library. */
static uint32_t load_device(struct apir_executor *executor)
{
    struct apir_library *library = &executor->library;
    apir_library_load(executor);
    if (library->status != APIR_LOAD_STATUS_OK)
        return library_code(library->status);
    uint32_t device = choose_device(executor);
    if (device == library->n_devices) {
        apir_error(executor->log, "the library has no device %s (--single-device)", executor->options.single_device);
        return own_code(APIR_UPSTREAM_BACKEND_CODE_NO_DEVICE);
    }
    if (!library->devices[device].ready) {
        apir_error(executor->log, "device %s cannot be used", library->devices[device].name);
        return own_code(APIR_UPSTREAM_BACKEND_CODE_BACKEND_INIT_FAILED);
    }
    apir_names_take_own(&executor->names);
    executor->upstream.device = device;
    executor->upstream.loaded = true;
    return APIR_UPSTREAM_LOAD_CODE_SUCCESS;
}

static uint32_t load(void *data)
{
    struct apir_executor *executor = data;
    uint32_t code = executor->upstream.loaded ? own_code(APIR_UPSTREAM_BACKEND_CODE_ALREADY_INITED)
                                              : load_device(executor);
    return code ? APIR_UPSTREAM_LOAD_CODE_BACKEND_BASE + code : code;
}

ggml_backend_dev_t apir_upstream_device(struct apir_executor *executor)
{
    return executor->upstream.loaded ? executor->library.devices[executor->upstream.device].host : NULL;
}

const char *apir_upstream_text(struct apir_arena *scratch, const char *text)
{
    char *copy = apir_arena_alloc(scratch, APIR_UPSTREAM_MAX_STRING);
    if (copy)
        snprintf(copy, APIR_UPSTREAM_MAX_STRING, "%s", text ? text : "");
    return copy;
}

static int initialize_backend(struct apir_executor *executor, struct apir_dec *in, struct apir_enc *out)
{
    struct apir_upstream_backend_id id;
    apir_dec_u64(in); /* means nothing */
    if (!apir_dec_finish(in))
        return -EBADMSG;
    int ret = apir_upstream_backend_create(executor, &id);
    if (ret < 0)
        return ret;
    apir_upstream_encode_backend_id(out, &id);
    return apir_enc_ok(out) ? 0 : -EMSGSIZE;
}

static int clean_up_backend(struct apir_executor *executor, struct apir_dec *in)
{
    struct apir_upstream_backend_id id;
    apir_upstream_decode_backend_id(in, &id);
    return apir_dec_finish(in) ? apir_upstream_backend_destroy(executor, &id) : -EBADMSG;
}

static int call(struct apir_executor *executor, uint32_t function, struct apir_dec *in, struct apir_arena *arena,
                struct apir_enc *out)
{
    const struct apir_executor_options *options = &executor->options;
    if (!executor->upstream.loaded)
        return -ENODEV;
    if (options->backend_initialize && function == options->backend_initialize)
        return initialize_backend(executor, in, out);
    if (options->backend_cleanup && function == options->backend_cleanup)
        return clean_up_backend(executor, in);
    return apir_upstream_dispatch(&handlers, executor, function, in, arena, out);
}

static uint32_t forward(void *data, uint32_t function, const void *args, size_t args_size, void *results,
                        size_t capacity, size_t *used)
{
    struct apir_executor *executor = data;
    struct apir_arena arena = {.quota = &executor->quotas.graphs}; /* graphs are the most of what it holds */
    struct apir_dec in;
    struct apir_enc out;
    apir_dec_init(&in, args, args_size, &arena);
    apir_enc_init(&out, results, capacity);
    int ret = call(executor, function, &in, &arena, &out);
    apir_arena_finish(&arena);
    if (ret == -ENOSYS)
        return APIR_UPSTREAM_FORWARD_CODE_NO_DISPATCH_FCT;
    if (ret < 0) {
        const char *name = apir_upstream_call_name(function);
        apir_executor_complain(executor, "function %u, %s, refused: %s%s%s", function, name ? name : "unknown",
                               strerror(-ret), in.fatal ? ": " : "", in.fatal ? in.fatal : "");
        return (uint32_t)APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE + APIR_UPSTREAM_FUNCTION_CODE_REFUSED;
    }
    *used = apir_enc_used(&out);
    return (uint32_t)APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE + APIR_UPSTREAM_FUNCTION_CODE_SUCCESS;
}

const struct apir_upstream_backend *apir_executor_upstream_backend(void)
{
    static const struct apir_upstream_backend backend = {.load = load, .forward = forward};
    return &backend;
}
