/* Guests of the deployed protocol: loading, the device, buffers and tensors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "executor/upstream-private.h"
#include "upstream-guest.h"

#define GOOD LIBRARIES "/fake-good.so"
#define TWO LIBRARIES "/fake-two-devices.so"
#define CALL(name) APIR_UPSTREAM_CALL_##name

/* Reads the only string of the results. */
static const char *read_string(struct guest *g)
{
    const char *text = apir_dec_string(&g->in, APIR_UPSTREAM_MAX_STRING);
    assert_true(apir_dec_finish(&g->in));
    return text;
}

static uint32_t read_u32(struct guest *g)
{
    uint32_t value = apir_dec_u32(&g->in);
    assert_true(apir_dec_finish(&g->in));
    return value;
}

static void open_ready(struct guest *g, const char *library)
{
    guest_open(g, library, NULL);
    guest_make_ready(g);
}

static void a_library_that_cannot_be_used_has_its_code(void **state)
{
    (void)state;
    static const struct {
        const char *library;
        uint32_t code;
    } cases[] = {
        {NULL, 6 + (uint32_t)APIR_UPSTREAM_LOAD_CODE_ENV_VAR_MISSING},
        {"/nowhere/lib.so", 6 + (uint32_t)APIR_UPSTREAM_LOAD_CODE_CANNOT_OPEN},
        {LIBRARIES "/fake-other-symbol.so", 6 + (uint32_t)APIR_UPSTREAM_LOAD_CODE_SYMBOL_MISSING},
        {LIBRARIES "/fake-no-registry.so", 12 + (uint32_t)APIR_UPSTREAM_BACKEND_CODE_BACKEND_REG_FAILED},
        {LIBRARIES "/fake-no-device.so", 20},
        {LIBRARIES "/fake-no-backend.so", 12 + (uint32_t)APIR_UPSTREAM_BACKEND_CODE_BACKEND_INIT_FAILED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct guest g;
        guest_open(&g, cases[i].library, NULL);
        assert_int_equal(guest_load(&g), cases[i].code);
        for (uint32_t function = 0; function < 30; function++)
            assert_int_equal(guest_call(&g, function), GUEST_REFUSED);
        guest_close(&g);
    }
}

static void loading_twice_is_told(void **state)
{
    (void)state;
    struct guest g;
    open_ready(&g, GOOD);
    assert_int_equal(guest_load(&g), 12 + (uint32_t)APIR_UPSTREAM_BACKEND_CODE_ALREADY_INITED);
    assert_int_equal(guest_call(&g, CALL(DEVICE_GET_COUNT)), GUEST_DONE);
    guest_close(&g);
}

static void the_option_chooses_the_device(void **state)
{
    (void)state;
    static const struct {
        const char *option, *name;
    } cases[] = {{NULL, "FAKE0"}, {"", "FAKE0"}, {"0", "FAKE0"}, {"1", "FAKE1"}, {"FAKE1", "FAKE1"}, {"FAKE0", "FAKE0"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct guest g;
        guest_open(&g, TWO, cases[i].option);
        guest_make_ready(&g);
        assert_int_equal(guest_call(&g, CALL(DEVICE_GET_NAME)), GUEST_DONE);
        assert_string_equal(read_string(&g), cases[i].name);
        assert_string_equal(apir_executor_device_name(g.f.executor), cases[i].name);
        assert_int_equal(guest_call(&g, CALL(DEVICE_GET_COUNT)), GUEST_DONE);
        assert_int_equal(read_u32(&g), 1);
        assert_int_equal(guest_call(&g, CALL(DEVICE_GET_DEVICE_COUNT)), GUEST_DONE);
        assert_int_equal(read_u32(&g), 1);
        guest_close(&g);
    }
}

static void a_device_that_is_not_there_is_no_device(void **state)
{
    (void)state;
    static const char *const options[] = {"2", "FAKE2", "-1", "1x", "99999999999999999999", " "};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        struct guest g;
        guest_open(&g, TWO, options[i]);
        assert_int_equal(guest_load(&g), 20);
        guest_close(&g);
    }
}

static void a_cpu_is_announced_as_a_gpu(void **state)
{
    (void)state;
    struct guest g;
    open_ready(&g, "cpu");
    assert_int_equal(ggml_backend_dev_type(apir_upstream_device(g.f.executor)), GGML_BACKEND_DEVICE_TYPE_CPU);
    assert_int_equal(guest_call(&g, CALL(DEVICE_GET_TYPE)), GUEST_DONE);
    assert_int_equal(read_u32(&g), APIR_UPSTREAM_DEVICE_TYPE_GPU);
    guest_close(&g);
}

static void texts_are_the_hosts(void **state)
{
    (void)state;
    struct guest g;
    open_ready(&g, "cpu");
    ggml_backend_dev_t device = apir_upstream_device(g.f.executor);
    assert_int_equal(guest_call(&g, CALL(DEVICE_GET_NAME)), GUEST_DONE);
    assert_string_equal(read_string(&g), ggml_backend_dev_name(device));
    assert_int_equal(guest_call(&g, CALL(DEVICE_GET_DESCRIPTION)), GUEST_DONE);
    assert_string_equal(read_string(&g), ggml_backend_dev_description(device));
    assert_int_equal(guest_call_handle(&g, CALL(BUFFER_TYPE_GET_NAME), g.buft), GUEST_DONE);
    assert_string_equal(read_string(&g), ggml_backend_buft_name(ggml_backend_dev_buffer_type(device)));
    guest_close(&g);
}

static void free_memory_is_asked_each_time(void **state)
{
    (void)state;
    struct guest g;
    open_ready(&g, GOOD);
    struct fake_seen *seen = ggml_backend_reg_get_proc_address(g.f.executor->library.files[0].reg, FAKE_SEEN);
    for (size_t bytes = 1000; bytes > 998; bytes--) {
        seen->free_bytes = bytes;
        assert_int_equal(guest_call(&g, CALL(DEVICE_GET_MEMORY)), GUEST_DONE);
        assert_int_equal(apir_dec_u64(&g.in), bytes);
        assert_int_equal(apir_dec_u64(&g.in), 2000);
        assert_true(apir_dec_finish(&g.in));
    }
    seen->free_bytes = 1000;
    guest_close(&g);
}

static void the_guests_memory_is_not_the_devices(void **state)
{
    (void)state;
    struct guest g;
    struct apir_upstream_device_get_props_reply props;
    open_ready(&g, "cpu");
    assert_int_equal(guest_call(&g, CALL(DEVICE_GET_PROPS)), GUEST_DONE);
    apir_upstream_decode_device_get_props_reply(&g.in, &props);
    assert_true(apir_dec_finish(&g.in));
    assert_false(props.async || props.host_buffer || props.buffer_from_host_ptr || props.events);
    assert_true(props.has_mmap_support && props.mmap_support);
    assert_int_equal(guest_call_handle(&g, CALL(BUFFER_TYPE_IS_HOST), g.buft), GUEST_DONE);
    assert_int_equal(read_u32(&g), 0);
    guest_close(&g);
}

static void numbers_of_the_buffer_type_are_the_hosts(void **state)
{
    (void)state;
    struct guest g;
    open_ready(&g, "cpu");
    ggml_backend_buffer_type_t buft = ggml_backend_dev_buffer_type(apir_upstream_device(g.f.executor));
    assert_int_equal(guest_ask(&g, CALL(BUFFER_TYPE_GET_ALIGNMENT), g.buft), ggml_backend_buft_get_alignment(buft));
    assert_true(guest_ask(&g, CALL(BUFFER_TYPE_GET_MAX_SIZE), g.buft) == UINT64_MAX);
    guest_close(&g);
}

static void any_other_buffer_type_is_refused(void **state)
{
    (void)state;
    static const uint32_t functions[] = {CALL(BUFFER_TYPE_GET_NAME), CALL(BUFFER_TYPE_GET_ALIGNMENT),
                                         CALL(BUFFER_TYPE_GET_MAX_SIZE), CALL(BUFFER_TYPE_IS_HOST)};
    struct guest g;
    open_ready(&g, GOOD);
    const uint64_t handles[] = {0, 1, g.buft + 1, g.buft - 1, guest_alloc(&g), APIR_UPSTREAM_DEVICE, UINT64_MAX,
                                (uint64_t)(uintptr_t)ggml_backend_cpu_buffer_type()};
    for (size_t h = 0; h < sizeof handles / sizeof *handles; h++) {
        for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
            assert_int_equal(guest_call_handle(&g, functions[i], handles[h]), GUEST_REFUSED);
        apir_enc_u64(&g.out, handles[h]);
        apir_enc_u64(&g.out, 64);
        assert_int_equal(guest_call(&g, CALL(BUFFER_TYPE_ALLOC_BUFFER)), GUEST_REFUSED);
        struct apir_upstream_buffer_type_get_alloc_size_args args = {.buffer_type = 1,
                                                                     .op.op = {.ne = {1, 1, 1, 1}, .name = ""}};
        apir_upstream_encode_buffer_type_get_alloc_size_args(&g.out, &args);
        guest_patch(&g, 0, handles[h], 8);
        assert_int_equal(guest_call(&g, CALL(BUFFER_TYPE_GET_ALLOC_SIZE)), GUEST_REFUSED);
    }
    guest_close(&g);
}

static void a_buffer_too_large_is_none(void **state)
{
    (void)state;
    struct guest g;
    open_ready(&g, "cpu");
    apir_enc_u64(&g.out, g.buft);
    apir_enc_u64(&g.out, APIR_UPSTREAM_MAX_SIZE);
    assert_int_equal(guest_call(&g, CALL(BUFFER_TYPE_ALLOC_BUFFER)), GUEST_DONE);
    assert_int_equal(apir_dec_u64(&g.in), 0);
    apir_enc_u64(&g.out, g.buft);
    apir_enc_u64(&g.out, APIR_UPSTREAM_MAX_SIZE + 1);
    assert_int_equal(guest_call(&g, CALL(BUFFER_TYPE_ALLOC_BUFFER)), GUEST_REFUSED);
    guest_close(&g);
}

static void a_base_is_invented_with_the_hosts_place_in_its_page(void **state)
{
    (void)state;
    struct guest g;
    struct apir_buffer_uses uses = {0};
    open_ready(&g, "cpu");
    uint64_t bases[2];
    for (int i = 0; i < 2; i++) {
        uint64_t handle = guest_alloc(&g);
        const struct apir_buffer *buffer = apir_buffer_uses_get(g.f.executor, &uses, handle);
        bases[i] = guest_ask(&g, CALL(BUFFER_GET_BASE), handle);
        assert_int_equal(bases[i] % 4096, (uintptr_t)buffer->base % 4096);
        assert_true(bases[i] >= 4096 && bases[i] != (uintptr_t)buffer->base);
    }
    assert_true(bases[1] - bases[0] >= GUEST_BUFFER_SIZE && bases[0] - bases[1] >= GUEST_BUFFER_SIZE);
    apir_buffer_uses_finish(g.f.executor, &uses);
    guest_close(&g);
}

static uint32_t set(struct guest *g, uint64_t buffer, const struct apir_upstream_tensor *tensor, uint32_t shm,
                    uint64_t offset, uint64_t size)
{
    const struct apir_upstream_buffer_set_tensor_args args = {1, *tensor, shm, 0, 0};
    apir_upstream_encode_buffer_set_tensor_args(&g->out, &args);
    guest_patch(g, 0, buffer, 8);
    guest_patch(g, 316, offset, 8);
    guest_patch(g, 324, size, 8);
    return guest_call(g, CALL(BUFFER_SET_TENSOR));
}

static uint32_t get(struct guest *g, uint64_t buffer, const struct apir_upstream_tensor *tensor, uint32_t shm,
                    uint64_t offset, uint64_t size)
{
    const struct apir_upstream_buffer_get_tensor_args args = {1, *tensor, shm, 0, 0};
    apir_upstream_encode_buffer_get_tensor_args(&g->out, &args);
    guest_patch(g, 0, buffer, 8);
    guest_patch(g, 316, offset, 8);
    guest_patch(g, 324, size, 8);
    return guest_call(g, CALL(BUFFER_GET_TENSOR));
}

static void clear(struct guest *g, uint64_t buffer, uint8_t value)
{
    const struct apir_upstream_buffer_clear_args args = {buffer, value};
    apir_upstream_encode_buffer_clear_args(&g->out, &args);
    assert_int_equal(guest_call(g, CALL(BUFFER_CLEAR)), GUEST_DONE);
}

static void data_arrives_and_returns(void **state)
{
    (void)state;
    struct guest g;
    open_ready(&g, "cpu");
    uint64_t buffer = guest_alloc(&g);
    struct apir_upstream_tensor tensor = guest_tensor(1, buffer, 256, 16, 2);
    clear(&g, buffer, 0x5a);
    memset(g.shm, 0x11, 8);
    assert_int_equal(set(&g, buffer, &tensor, GUEST_SHM, 100, 8), GUEST_DONE);
    assert_int_equal(get(&g, buffer, &tensor, GUEST_SHM, 0, 128), GUEST_DONE);
    for (unsigned i = 0; i < 128; i++)
        assert_int_equal(g.shm[i], i >= 100 && i < 108 ? 0x11 : 0x5a);
    guest_close(&g);
}

static void a_tensor_without_a_buffer_is_at_its_address(void **state)
{
    (void)state;
    struct guest g;
    open_ready(&g, "cpu");
    uint64_t buffer = guest_alloc(&g), base = guest_ask(&g, CALL(BUFFER_GET_BASE), buffer);
    struct apir_upstream_tensor by_offset = guest_tensor(1, buffer, 64, 4, 1), by_address = by_offset;
    by_address.buffer = 0;
    by_address.data = base + 64;
    memset(g.shm, 0x22, 16);
    assert_int_equal(set(&g, buffer, &by_address, GUEST_SHM, 0, 16), GUEST_DONE);
    memset(g.shm, 0, 16);
    assert_int_equal(get(&g, buffer, &by_offset, GUEST_SHM, 0, 16), GUEST_DONE);
    assert_int_equal(g.shm[15], 0x22);
    by_address.data = base - 1;
    assert_int_equal(set(&g, buffer, &by_address, GUEST_SHM, 0, 16), GUEST_REFUSED);
    by_address.data = base + GUEST_BUFFER_SIZE - 12;
    assert_int_equal(set(&g, buffer, &by_address, GUEST_SHM, 0, 16), GUEST_REFUSED);
    guest_close(&g);
}

static void expect_refused(struct guest *g, uint64_t buffer, const struct apir_upstream_tensor *tensor, uint32_t shm,
                           uint64_t offset, uint64_t size)
{
    assert_int_equal(set(g, buffer, tensor, shm, offset, size), GUEST_REFUSED);
    assert_int_equal(get(g, buffer, tensor, shm, offset, size), GUEST_REFUSED);
}

static void ranges_outside_are_refused(void **state)
{
    (void)state;
    struct guest g;
    open_ready(&g, "cpu");
    uint64_t buffer = guest_alloc(&g);
    struct apir_upstream_tensor tensor = guest_tensor(1, buffer, 0, 16, 1);
    expect_refused(&g, buffer, &tensor, GUEST_SHM, 0, 65);
    expect_refused(&g, buffer, &tensor, GUEST_SHM, 64, 1);
    expect_refused(&g, buffer, &tensor, GUEST_SHM, UINT64_MAX, 1);
    expect_refused(&g, buffer, &tensor, GUEST_SHM, APIR_UPSTREAM_MAX_SIZE, APIR_UPSTREAM_MAX_SIZE);
    expect_refused(&g, buffer, &tensor, GUEST_SHM + 1, 0, 64);
    struct apir_upstream_tensor bad = guest_tensor(1, buffer, GUEST_BUFFER_SIZE - 63, 16, 1);
    expect_refused(&g, buffer, &bad, GUEST_SHM, 0, 1);
    bad = guest_tensor(1, buffer, UINT64_MAX - 31, 16, 1);
    expect_refused(&g, buffer, &bad, GUEST_SHM, 0, 1);
    bad = guest_tensor(1, buffer, 0, UINT32_MAX, 1);
    expect_refused(&g, buffer, &bad, GUEST_SHM, 0, 1);
    guest_close(&g);
}

static void size_beyond_the_blob_is_refused(void **state)
{
    (void)state;
    struct guest g;
    open_ready(&g, "cpu");
    apir_enc_u64(&g.out, g.buft);
    apir_enc_u64(&g.out, 2 * GUEST_SHM_SIZE);
    assert_int_equal(guest_call(&g, CALL(BUFFER_TYPE_ALLOC_BUFFER)), GUEST_DONE);
    uint64_t buffer = apir_dec_u64(&g.in);
    struct apir_upstream_tensor tensor = guest_tensor(1, buffer, 0, 2 * GUEST_SHM_SIZE / 4, 1);
    assert_int_equal(set(&g, buffer, &tensor, GUEST_SHM, 0, GUEST_SHM_SIZE), GUEST_DONE);
    expect_refused(&g, buffer, &tensor, GUEST_SHM, 0, GUEST_SHM_SIZE + 1);
    guest_close(&g);
}

static void tensors_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    struct guest g;
    open_ready(&g, "cpu");
    uint64_t buffer = guest_alloc(&g), other = guest_alloc(&g);
    struct apir_upstream_tensor bad = guest_tensor(1, buffer, 0, 16, 1);
    bad.type = GGML_TYPE_COUNT;
    expect_refused(&g, buffer, &bad, GUEST_SHM, 0, 4);
    bad.type = 4; /* a type that is gone */
    expect_refused(&g, buffer, &bad, GUEST_SHM, 0, 4);
    bad.type = GGML_TYPE_Q4_0; /* 16 is half a block */
    expect_refused(&g, buffer, &bad, GUEST_SHM, 0, 4);
    bad = guest_tensor(1, buffer, 0, 16, 1);
    bad.op = GGML_OP_COUNT;
    expect_refused(&g, buffer, &bad, GUEST_SHM, 0, 4);
    bad.op = GGML_OP_CUSTOM;
    expect_refused(&g, buffer, &bad, GUEST_SHM, 0, 4);
    bad = guest_tensor(1, other, 0, 16, 1);
    expect_refused(&g, buffer, &bad, GUEST_SHM, 0, 4);
    guest_close(&g);
}

static uint32_t copy(struct guest *g, uint64_t buffer, const struct apir_upstream_tensor *src,
                     const struct apir_upstream_tensor *dst)
{
    const struct apir_upstream_buffer_cpy_tensor_args args = {buffer, *src, *dst};
    apir_upstream_encode_buffer_cpy_tensor_args(&g->out, &args);
    return guest_call(g, CALL(BUFFER_CPY_TENSOR));
}

static void tensors_are_copied_between_buffers(void **state)
{
    (void)state;
    struct guest g;
    open_ready(&g, "cpu");
    uint64_t a = guest_alloc(&g), b = guest_alloc(&g);
    struct apir_upstream_tensor src = guest_tensor(1, a, 64, 4, 1), dst = guest_tensor(2, b, 128, 4, 1);
    clear(&g, a, 0x33);
    assert_int_equal(copy(&g, b, &src, &dst), GUEST_DONE);
    assert_int_equal(read_u32(&g), 1);
    assert_int_equal(get(&g, b, &dst, GUEST_SHM, 0, 16), GUEST_DONE);
    assert_int_equal(g.shm[0], 0x33);
    src.buffer = 0;
    assert_int_equal(copy(&g, b, &src, &dst), GUEST_DONE);
    assert_int_equal(read_u32(&g), 0);
    src.buffer = a + 2;
    assert_int_equal(copy(&g, b, &src, &dst), GUEST_REFUSED);
    src = guest_tensor(1, a, 64, 8, 1);
    assert_int_equal(copy(&g, b, &src, &dst), GUEST_REFUSED);
    src = guest_tensor(1, a, GUEST_BUFFER_SIZE - 8, 4, 1);
    assert_int_equal(copy(&g, b, &src, &dst), GUEST_REFUSED);
    src = guest_tensor(1, a, 64, 4, 1);
    assert_int_equal(copy(&g, a, &src, &dst), GUEST_REFUSED);
    guest_close(&g);
}

static void any_other_buffer_is_refused(void **state)
{
    (void)state;
    struct guest g;
    open_ready(&g, GOOD);
    uint64_t freed = guest_alloc(&g);
    assert_int_equal(guest_call_handle(&g, CALL(BUFFER_FREE_BUFFER), freed), GUEST_DONE);
    const uint64_t handles[] = {0, 1, freed, g.buft, APIR_UPSTREAM_DEVICE, UINT64_MAX};
    for (size_t i = 0; i < sizeof handles / sizeof *handles; i++) {
        struct apir_upstream_tensor tensor = guest_tensor(1, handles[i], 0, 4, 1);
        assert_int_equal(guest_call_handle(&g, CALL(BUFFER_FREE_BUFFER), handles[i]), GUEST_REFUSED);
        assert_int_equal(guest_call_handle(&g, CALL(BUFFER_GET_BASE), handles[i]), GUEST_REFUSED);
        apir_enc_u64(&g.out, handles[i]);
        apir_enc_u32(&g.out, 0);
        assert_int_equal(guest_call(&g, CALL(BUFFER_CLEAR)), GUEST_REFUSED);
        expect_refused(&g, handles[i], &tensor, GUEST_SHM, 0, 4);
    }
    guest_close(&g);
}

static uint32_t from_ptr(struct guest *g, uint32_t shm, uint64_t size, uint64_t largest)
{
    const struct apir_upstream_device_buffer_from_ptr_args args = {shm, 0, largest};
    apir_upstream_encode_device_buffer_from_ptr_args(&g->out, &args);
    guest_patch(g, 4, size, 8);
    return guest_call(g, CALL(DEVICE_BUFFER_FROM_PTR));
}

static void a_buffer_of_a_blob_keeps_it_alive(void **state)
{
    (void)state;
    struct guest g;
    open_ready(&g, "cpu");
    memset(g.shm, 0x44, 64);
    assert_int_equal(from_ptr(&g, GUEST_SHM, GUEST_SHM_SIZE, 64), GUEST_DONE);
    uint64_t buffer = apir_dec_u64(&g.in);
    assert_true(buffer != 0);
    assert_true(apir_dec_u64(&g.in) == g.buft);
    assert_int_equal(apir_shm_table_remove(&g.f.memory, GUEST_SHM), 0);
    clear(&g, buffer, 0x45);
    assert_int_equal(g.shm[63], 0x45);
    assert_int_equal(guest_call_handle(&g, CALL(BUFFER_FREE_BUFFER), buffer), GUEST_DONE);
    assert_int_equal(guest_call_handle(&g, CALL(BUFFER_FREE_BUFFER), buffer), GUEST_REFUSED);
    guest_close(&g);
}

static void a_device_without_buffers_of_blobs_gives_none(void **state)
{
    (void)state;
    struct guest g;
    open_ready(&g, GOOD);
    assert_int_equal(from_ptr(&g, GUEST_SHM, 4096, 64), GUEST_DONE);
    assert_int_equal(apir_dec_u64(&g.in), 0);
    assert_int_equal(apir_dec_u64(&g.in), 0);
    assert_true(apir_dec_finish(&g.in));
    guest_close(&g);
}

static void a_buffer_beyond_its_blob_is_refused(void **state)
{
    (void)state;
    struct guest g;
    open_ready(&g, "cpu");
    assert_int_equal(from_ptr(&g, GUEST_SHM, GUEST_SHM_SIZE + 1, 64), GUEST_REFUSED);
    assert_int_equal(from_ptr(&g, GUEST_SHM, UINT64_MAX, 64), GUEST_REFUSED);
    assert_int_equal(from_ptr(&g, GUEST_SHM + 1, 64, 64), GUEST_REFUSED);
    assert_int_equal(from_ptr(&g, GUEST_SHM, 64, 65), GUEST_REFUSED);
    guest_close(&g);
}

static void unknown_functions_and_arguments_are_told(void **state)
{
    (void)state;
    struct guest g;
    open_ready(&g, GOOD);
    assert_int_equal(guest_call(&g, 99), APIR_UPSTREAM_FORWARD_CODE_NO_DISPATCH_FCT);
    assert_int_equal(guest_call(&g, CALL(BACKEND_INITIALIZE)), APIR_UPSTREAM_FORWARD_CODE_NO_DISPATCH_FCT);
    assert_int_equal(guest_call(&g, UINT32_MAX), APIR_UPSTREAM_FORWARD_CODE_NO_DISPATCH_FCT);
    for (uint32_t function = 0; function <= CALL(BACKEND_GRAPH_COMPUTE); function++) {
        apir_enc_u32(&g.out, 7); /* too short for those that take arguments, too much for the others */
        assert_int_equal(guest_call(&g, function), GUEST_REFUSED);
    }
    guest_close(&g);
}

static void a_guest_cannot_fill_the_log(void **state)
{
    (void)state;
    struct guest g;
    char *text = NULL;
    size_t size = 0;
    struct apir_log log = {.stream = open_memstream(&text, &size), .level = APIR_LOG_INFO, .prefix = "test"};
    open_ready(&g, GOOD);
    g.f.executor->log = &log;
    for (int i = 0; i < 10000; i++)
        assert_int_equal(guest_call_handle(&g, CALL(BUFFER_FREE_BUFFER), 1), GUEST_REFUSED);
    fclose(log.stream);
    assert_non_null(strstr(text, "buffer_free_buffer, refused: "));
    assert_true(size < 20000);
    free(text);
    guest_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_library_that_cannot_be_used_has_its_code),
        cmocka_unit_test(loading_twice_is_told),
        cmocka_unit_test(the_option_chooses_the_device),
        cmocka_unit_test(a_device_that_is_not_there_is_no_device),
        cmocka_unit_test(a_cpu_is_announced_as_a_gpu),
        cmocka_unit_test(texts_are_the_hosts),
        cmocka_unit_test(free_memory_is_asked_each_time),
        cmocka_unit_test(the_guests_memory_is_not_the_devices),
        cmocka_unit_test(numbers_of_the_buffer_type_are_the_hosts),
        cmocka_unit_test(any_other_buffer_type_is_refused),
        cmocka_unit_test(a_buffer_too_large_is_none),
        cmocka_unit_test(a_base_is_invented_with_the_hosts_place_in_its_page),
        cmocka_unit_test(data_arrives_and_returns),
        cmocka_unit_test(a_tensor_without_a_buffer_is_at_its_address),
        cmocka_unit_test(ranges_outside_are_refused),
        cmocka_unit_test(size_beyond_the_blob_is_refused),
        cmocka_unit_test(tensors_that_make_no_sense_are_refused),
        cmocka_unit_test(tensors_are_copied_between_buffers),
        cmocka_unit_test(any_other_buffer_is_refused),
        cmocka_unit_test(a_buffer_of_a_blob_keeps_it_alive),
        cmocka_unit_test(a_device_without_buffers_of_blobs_gives_none),
        cmocka_unit_test(a_buffer_beyond_its_blob_is_refused),
        cmocka_unit_test(unknown_functions_and_arguments_are_told),
        cmocka_unit_test(a_guest_cannot_fill_the_log),
    };
    return cmocka_run_group_tests_name("upstream", tests, NULL, NULL);
}
