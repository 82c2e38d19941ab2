#include "component-caller.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

static struct caller the_caller = {.room = sizeof the_caller.results};

static const char *get_config(uint32_t ctx_id, const char *key)
{
    size_t prefix = strlen(APIR_COMPONENT_KEY_SHMEM_SIZE);
    (void)ctx_id;
    if (strncmp(key, APIR_COMPONENT_KEY_SHMEM_SIZE, prefix) == 0)
        return the_caller.size_texts[strtoul(key + prefix, NULL, 10) % CALLER_SHMS];
    if (strcmp(key, APIR_COMPONENT_KEY_LIBRARY) == 0)
        return the_caller.library;
    return strcmp(key, APIR_COMPONENT_KEY_REG) == 0 ? the_caller.symbol : NULL;
}

static void *get_shmem_ptr(uint32_t ctx_id, uint32_t res_id)
{
    if (the_caller.asked)
        the_caller.asked();
    return ctx_id < CALLER_CONTEXTS && res_id < CALLER_SHMS ? the_caller.shms[ctx_id][res_id] : NULL;
}

static struct apir_component_callbacks callbacks = {get_config, get_shmem_ptr};

struct caller *caller_get(void)
{
    struct caller *caller = &the_caller;
    if (caller->component.initialize)
        return caller;
    void *library = dlopen(COMPONENT, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        fail_msg("%s", dlerror());
    *(void **)&caller->component.initialize = dlsym(library, APIR_COMPONENT_INITIALIZE);
    *(void **)&caller->component.deinit = dlsym(library, APIR_COMPONENT_DEINIT);
    *(void **)&caller->component.dispatcher = dlsym(library, APIR_COMPONENT_DISPATCHER);
    assert_true(caller->component.initialize && caller->component.deinit && caller->component.dispatcher);
    return caller;
}

void caller_reset(void)
{
    struct caller *caller = caller_get();
    memset(caller->shms, 0, sizeof caller->shms);
    memset(caller->size_texts, 0, sizeof caller->size_texts);
    caller->library = "cpu";
    caller->symbol = NULL;
    caller->asked = NULL;
    caller->room = sizeof caller->results;
    apir_enc_init(&caller->out, caller->args, sizeof caller->args);
}

uint32_t caller_initialize(uint32_t context)
{
    return caller_get()->component.initialize(context, &callbacks);
}

void caller_make_ready(uint32_t context)
{
    assert_int_equal(caller_initialize(context), APIR_COMPONENT_INITIALIZED);
    assert_int_equal(caller_call(context, APIR_UPSTREAM_CALL_DEVICE_GET_BUFFER_TYPE), 0);
    the_caller.buft = apir_dec_u64(&the_caller.in);
}

uint32_t caller_call(uint32_t context, uint32_t function)
{
    struct caller *caller = caller_get();
    char *end = NULL;
    memset(caller->results, 0xee, sizeof caller->results);
    uint32_t code = caller->component.dispatcher(
        context, &callbacks, function, (char *)caller->args, (char *)caller->args + apir_enc_used(&caller->out),
        (char *)caller->results, (char *)caller->results + caller->room, &end);
    apir_enc_init(&caller->out, caller->args, sizeof caller->args);
    caller->has_end = end != NULL;
    size_t used = end ? (size_t)(end - (char *)caller->results) : 0;
    assert_true(used <= caller->room);
    apir_dec_init(&caller->in, caller->results, used, NULL);
    for (size_t i = used; i < sizeof caller->results; i++)
        assert_int_equal(caller->results[i], 0xee);
    return code;
}

uint64_t caller_alloc(uint32_t context)
{
    apir_enc_u64(&the_caller.out, the_caller.buft);
    apir_enc_u64(&the_caller.out, CALLER_BUFFER_SIZE);
    assert_int_equal(caller_call(context, APIR_UPSTREAM_CALL_BUFFER_TYPE_ALLOC_BUFFER), 0);
    uint64_t buffer = apir_dec_u64(&the_caller.in);
    assert_true(buffer != 0);
    return buffer;
}

void *caller_map(size_t size)
{
    char *data = mmap(NULL, size + CALLER_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(data, MAP_FAILED);
    assert_int_equal(mprotect(data, size, PROT_READ | PROT_WRITE), 0);
    assert_int_equal(munmap(data + size, CALLER_PAGE), 0);
    /* what is mapped next must not follow at once */
    assert_ptr_equal(mmap(data + size, CALLER_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
                     data + size);
    return data;
}

void caller_unmap(void *data, size_t size)
{
    munmap(data, size + CALLER_PAGE);
}

struct apir_upstream_tensor caller_tensor(uint64_t id, uint64_t buffer, uint32_t elements)
{
    return (struct apir_upstream_tensor){.id = id,
                                         .buffer = buffer,
                                         .ne = {elements, 1, 1, 1},
                                         .nb = {4, 4 * elements, 4 * elements, 4 * elements},
                                         .name = "t"};
}
