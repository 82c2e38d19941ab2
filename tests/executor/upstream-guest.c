#include "upstream-guest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "util/fd.h"

/* The sanitizer's allocator ends the program where others return NULL; buffers may be asked for that are too large. */
const char *__asan_default_options(void);

__attribute__((visibility("default"))) const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void);

__attribute__((visibility("default"))) const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

void guest_open(struct guest *g, const char *library, const char *device)
{
    memset(g, 0, sizeof *g);
    fixture_open(&g->f, library, NULL);
    g->f.executor->options.single_device = device;
    int fd = apir_fd_memory("test", GUEST_SHM_SIZE);
    assert_int_equal(apir_shm_table_add(&g->f.memory, GUEST_SHM, fd, 0, GUEST_SHM_SIZE), 0);
    g->shm = mmap(NULL, GUEST_SHM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(g->shm, MAP_FAILED);
    apir_fd_close(&fd);
    apir_enc_init(&g->out, g->args, sizeof g->args);
}

void guest_close(struct guest *g)
{
    munmap(g->shm, GUEST_SHM_SIZE);
    fixture_close(&g->f);
}

uint32_t guest_load(struct guest *g)
{
    return apir_executor_upstream_backend()->load(g->f.executor);
}

void guest_make_ready(struct guest *g)
{
    uint32_t code = guest_load(g);
    if (code != APIR_UPSTREAM_LOAD_CODE_SUCCESS)
        fail_msg("code %u: %s", code, g->f.executor->library.message);
    assert_int_equal(guest_call(g, APIR_UPSTREAM_CALL_DEVICE_GET_BUFFER_TYPE), GUEST_DONE);
    g->buft = apir_dec_u64(&g->in);
    assert_true(apir_dec_finish(&g->in));
}

void guest_patch(struct guest *g, size_t at, uint64_t value, size_t size)
{
    assert_true(at + size <= apir_enc_used(&g->out));
    memcpy(g->args + at, &value, size);
}

uint32_t guest_call(struct guest *g, uint32_t function)
{
    size_t used = 0;
    assert_true(apir_enc_ok(&g->out));
    memset(g->results, 0xee, sizeof g->results);
    uint32_t code = apir_executor_upstream_backend()->forward(
        g->f.executor, function, g->args, apir_enc_used(&g->out), g->results, sizeof g->results, &used);
    apir_enc_init(&g->out, g->args, sizeof g->args);
    apir_dec_init(&g->in, g->results, used, &g->f.scratch);
    if (code != GUEST_DONE)
        for (size_t i = 0; i < sizeof g->results; i++)
            assert_int_equal(g->results[i], 0xee);
    return code;
}

uint32_t guest_call_handle(struct guest *g, uint32_t function, uint64_t handle)
{
    apir_enc_u64(&g->out, handle);
    return guest_call(g, function);
}

uint64_t guest_ask(struct guest *g, uint32_t function, uint64_t handle)
{
    assert_int_equal(guest_call_handle(g, function, handle), GUEST_DONE);
    uint64_t value = apir_dec_u64(&g->in);
    assert_true(apir_dec_finish(&g->in));
    return value;
}

uint64_t guest_alloc(struct guest *g)
{
    apir_enc_u64(&g->out, g->buft);
    apir_enc_u64(&g->out, GUEST_BUFFER_SIZE);
    assert_int_equal(guest_call(g, APIR_UPSTREAM_CALL_BUFFER_TYPE_ALLOC_BUFFER), GUEST_DONE);
    uint64_t buffer = apir_dec_u64(&g->in);
    assert_true(apir_dec_finish(&g->in) && buffer != 0);
    return buffer;
}

struct apir_upstream_tensor guest_tensor(uint64_t id, uint64_t buffer, uint64_t offset, uint32_t ne0, uint32_t ne1)
{
    return (struct apir_upstream_tensor){.id = id,
                                         .type = GGML_TYPE_F32,
                                         .buffer = buffer,
                                         .ne = {ne0, ne1, 1, 1},
                                         .nb = {4, 4 * ne0, 4 * ne0 * ne1, 4 * ne0 * ne1},
                                         .data = offset,
                                         .name = "t"};
}
