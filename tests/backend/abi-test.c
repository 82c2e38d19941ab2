/* Holds generation 3's layouts against the ggml that is installed: each public function must reach
 * the slot that we believe it has. */
#include <string.h>

#include "cmocka-all.h"
#include "fake.h"

static const char *called; /* name of the slot that was reached last */

static const char *note(const char *slot)
{
    called = slot;
    return slot;
}

static const char *buft_get_name(ggml_backend_buffer_type_t buft)
{
    (void)buft;
    return note("buft get_name");
}
static ggml_backend_buffer_t buft_alloc_buffer(ggml_backend_buffer_type_t buft, size_t size)
{
    (void)buft;
    (void)size;
    note("buft alloc_buffer");
    return NULL;
}
static ggml_backend_buffer_t buft_alloc_buffer_n(ggml_backend_buffer_type_t buft,
                                                 struct ggml_tensor **tensors, int n)
{
    (void)buft;
    (void)tensors;
    (void)n;
    note("buft alloc_buffer_n");
    return NULL;
}
static size_t buft_get_alignment(ggml_backend_buffer_type_t buft)
{
    (void)buft;
    note("buft get_alignment");
    return 128;
}
static size_t buft_get_max_size(ggml_backend_buffer_type_t buft)
{
    (void)buft;
    note("buft get_max_size");
    return 12345;
}
static size_t buft_get_alloc_size(ggml_backend_buffer_type_t buft, const struct ggml_tensor *tensor)
{
    (void)buft;
    (void)tensor;
    note("buft get_alloc_size");
    return 4096;
}
static size_t buft_get_alloc_size_n(ggml_backend_buffer_type_t buft, struct ggml_tensor **tensors,
                                    int n)
{
    (void)buft;
    (void)tensors;
    (void)n;
    note("buft get_alloc_size_n");
    return 8192;
}
static bool buft_is_host(ggml_backend_buffer_type_t buft)
{
    (void)buft;
    note("buft is_host");
    return true;
}

static const struct apir_gen3_buffer_type_i buft_functions = {
    buft_get_name,     buft_alloc_buffer,   buft_alloc_buffer_n,   buft_get_alignment,
    buft_get_max_size, buft_get_alloc_size, buft_get_alloc_size_n, buft_is_host,
};

static void buffer_type_slots(void **state)
{
    (void)state;
    struct apir_gen3_device device = {0};
    struct apir_gen3_buffer_type object = {.iface = buft_functions,
                                           .device = (ggml_backend_dev_t)&device};
    ggml_backend_buffer_type_t buft = (ggml_backend_buffer_type_t)&object;
    struct ggml_tensor tensor = {.ne = {1, 1, 1, 1}}, *tensors[] = {&tensor};
    assert_string_equal(ggml_backend_buft_name(buft), "buft get_name");
    ggml_backend_buft_alloc_buffer(buft, 1);
    assert_string_equal(called, "buft alloc_buffer");
    ggml_backend_buft_alloc_buffer_n(buft, tensors, 1);
    assert_string_equal(called, "buft alloc_buffer_n");
    assert_int_equal(ggml_backend_buft_get_alignment(buft), 128);
    assert_int_equal(ggml_backend_buft_get_max_size(buft), 12345);
    assert_int_equal(ggml_backend_buft_get_alloc_size(buft, &tensor), 4096);
    assert_int_equal(ggml_backend_buft_get_alloc_size_n(buft, tensors, 1), 8192);
    assert_true(ggml_backend_buft_is_host(buft));
    assert_ptr_equal(ggml_backend_buft_get_device(buft), &device);
}

static void buffer_free_buffer(ggml_backend_buffer_t buffer)
{
    (void)buffer;
    note("free_buffer");
}
static void *buffer_get_base(ggml_backend_buffer_t buffer)
{
    note("get_base");
    return buffer;
}
static enum ggml_status buffer_init_tensor(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor)
{
    (void)buffer;
    (void)tensor;
    note("init_tensor");
    return GGML_STATUS_ALLOC_FAILED;
}
static void buffer_memset_tensor(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor,
                                 uint8_t value, size_t offset, size_t size)
{
    (void)buffer;
    (void)tensor;
    note("memset_tensor");
    assert_int_equal(value, 7);
    assert_int_equal(offset, 4);
    assert_int_equal(size, 8);
}
static void buffer_set_tensor(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor,
                              const void *data, size_t offset, size_t size)
{
    (void)buffer;
    (void)tensor;
    (void)data;
    note("set_tensor");
    assert_int_equal(offset, 4);
    assert_int_equal(size, 8);
}
static void buffer_get_tensor(ggml_backend_buffer_t buffer, const struct ggml_tensor *tensor,
                              void *data, size_t offset, size_t size)
{
    (void)buffer;
    (void)tensor;
    (void)data;
    note("get_tensor");
    assert_int_equal(offset, 4);
    assert_int_equal(size, 8);
}
static void check_2d(size_t offset, size_t size, size_t n_copies, size_t stride_tensor,
                     size_t stride_data)
{
    assert_int_equal(offset, 0);
    assert_int_equal(size, 4);
    assert_int_equal(n_copies, 2);
    assert_int_equal(stride_tensor, 8);
    assert_int_equal(stride_data, 16);
}
static void buffer_set_tensor_2d(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor,
                                 const void *data, size_t offset, size_t size, size_t n_copies,
                                 size_t stride_tensor, size_t stride_data)
{
    (void)buffer;
    (void)tensor;
    (void)data;
    note("set_tensor_2d");
    check_2d(offset, size, n_copies, stride_tensor, stride_data);
}
static void buffer_get_tensor_2d(ggml_backend_buffer_t buffer, const struct ggml_tensor *tensor,
                                 void *data, size_t offset, size_t size, size_t n_copies,
                                 size_t stride_tensor, size_t stride_data)
{
    (void)buffer;
    (void)tensor;
    (void)data;
    note("get_tensor_2d");
    check_2d(offset, size, n_copies, stride_tensor, stride_data);
}
static bool buffer_cpy_tensor(ggml_backend_buffer_t buffer, const struct ggml_tensor *src,
                              struct ggml_tensor *dst)
{
    (void)buffer;
    (void)src;
    (void)dst;
    note("cpy_tensor");
    return true;
}
static void buffer_clear(ggml_backend_buffer_t buffer, uint8_t value)
{
    (void)buffer;
    (void)value;
    note("clear");
}
static void buffer_reset(ggml_backend_buffer_t buffer)
{
    (void)buffer;
    note("reset");
}

static const struct apir_gen3_buffer_i buffer_functions = {
    .free_buffer = buffer_free_buffer,
    .get_base = buffer_get_base,
    .init_tensor = buffer_init_tensor,
    .memset_tensor = buffer_memset_tensor,
    .set_tensor = buffer_set_tensor,
    .get_tensor = buffer_get_tensor,
    .set_tensor_2d = buffer_set_tensor_2d,
    .get_tensor_2d = buffer_get_tensor_2d,
    .cpy_tensor = buffer_cpy_tensor,
    .clear = buffer_clear,
    .reset = buffer_reset,
};

static void buffer_slots_for_tensors(void **state)
{
    (void)state;
    char data[64] = {0};
    struct apir_gen3_buffer object = {.iface = buffer_functions, .size = 64};
    struct ggml_tensor tensor = {.buffer = (ggml_backend_buffer_t)&object,
                                 .ne = {8, 1, 1, 1},
                                 .nb = {4, 32, 32, 32},
                                 .data = data};
    ggml_backend_tensor_memset(&tensor, 7, 4, 8);
    assert_string_equal(called, "memset_tensor");
    ggml_backend_tensor_set(&tensor, data, 4, 8);
    assert_string_equal(called, "set_tensor");
    ggml_backend_tensor_get(&tensor, data, 4, 8);
    assert_string_equal(called, "get_tensor");
    ggml_backend_tensor_set_2d(&tensor, data, 0, 4, 2, 8, 16);
    assert_string_equal(called, "set_tensor_2d");
    ggml_backend_tensor_get_2d(&tensor, data, 0, 4, 2, 8, 16);
    assert_string_equal(called, "get_tensor_2d");
    assert_int_equal(ggml_backend_buffer_init_tensor(tensor.buffer, &tensor),
                     GGML_STATUS_ALLOC_FAILED);
}

static void copy_calls_the_destination(void **state)
{
    (void)state;
    char data[64] = {0};
    struct apir_gen3_buffer_type buft = {.iface = {.is_host = NULL}};
    struct apir_gen3_buffer from = {.buft = (ggml_backend_buffer_type_t)&buft};
    struct apir_gen3_buffer to = {.iface = buffer_functions,
                                  .buft = (ggml_backend_buffer_type_t)&buft};
    struct ggml_tensor src = {.buffer = (ggml_backend_buffer_t)&from,
                              .ne = {8, 1, 1, 1},
                              .nb = {4, 32, 32, 32},
                              .data = data};
    struct ggml_tensor dst = src;
    dst.buffer = (ggml_backend_buffer_t)&to;
    ggml_backend_tensor_copy(&src, &dst);
    assert_string_equal(called, "cpy_tensor");
}

static void buffer_slots_and_fields(void **state)
{
    (void)state;
    struct apir_gen3_buffer_type buft = {.iface = buft_functions};
    ggml_backend_buffer_t buffer =
        ggml_backend_buffer_init((ggml_backend_buffer_type_t)&buft, buffer_functions, state, 4711);
    const struct apir_gen3_buffer *object = (const struct apir_gen3_buffer *)buffer;
    assert_memory_equal(&object->iface, &buffer_functions, sizeof buffer_functions);
    assert_ptr_equal(object->context, state);
    assert_ptr_equal(ggml_backend_buffer_get_base(buffer), buffer);
    assert_int_equal(ggml_backend_buffer_get_size(buffer), 4711);
    assert_ptr_equal(ggml_backend_buffer_get_type(buffer), &buft);
    ggml_backend_buffer_set_usage(buffer, GGML_BACKEND_BUFFER_USAGE_COMPUTE);
    assert_int_equal(object->usage, GGML_BACKEND_BUFFER_USAGE_COMPUTE);
    ggml_backend_buffer_clear(buffer, 1);
    assert_string_equal(called, "clear");
    ggml_backend_buffer_reset(buffer);
    assert_string_equal(called, "reset");
    ggml_backend_buffer_free(buffer);
    assert_string_equal(called, "free_buffer");
}

static const char *backend_get_name(ggml_backend_t backend)
{
    (void)backend;
    return note("backend get_name");
}
static void backend_free(ggml_backend_t backend)
{
    (void)backend;
    note("backend free");
}
static void backend_synchronize(ggml_backend_t backend)
{
    (void)backend;
    note("synchronize");
}
static enum ggml_status backend_graph_compute(ggml_backend_t backend, struct ggml_cgraph *cgraph)
{
    (void)backend;
    (void)cgraph;
    note("graph_compute");
    return GGML_STATUS_ABORTED;
}
static void backend_event_wait(ggml_backend_t backend, ggml_backend_event_t event)
{
    (void)backend;
    (void)event;
    note("event_wait");
}

static void backend_slots(void **state)
{
    (void)state;
    static uint8_t guid[16];
    struct apir_gen3_device device = {0};
    struct apir_gen3_backend object = {.guid = &guid,
                                       .iface = {.get_name = backend_get_name,
                                                 .free = backend_free,
                                                 .synchronize = backend_synchronize,
                                                 .graph_compute = backend_graph_compute,
                                                 .event_wait = backend_event_wait},
                                       .device = (ggml_backend_dev_t)&device};
    ggml_backend_t backend = (ggml_backend_t)&object;
    assert_ptr_equal(ggml_backend_guid(backend), &guid);
    assert_string_equal(ggml_backend_name(backend), "backend get_name");
    assert_ptr_equal(ggml_backend_get_device(backend), &device);
    ggml_backend_synchronize(backend);
    assert_string_equal(called, "synchronize");
    assert_int_equal(ggml_backend_graph_compute_async(backend, NULL), GGML_STATUS_ABORTED);
    ggml_backend_event_wait(backend, (ggml_backend_event_t)&object);
    assert_string_equal(called, "event_wait");
    ggml_backend_free(backend);
    assert_string_equal(called, "backend free");
}

static const char *device_get_name(ggml_backend_dev_t device)
{
    (void)device;
    return note("device get_name");
}
static const char *device_get_description(ggml_backend_dev_t device)
{
    (void)device;
    return note("device get_description");
}
static void device_get_memory(ggml_backend_dev_t device, size_t *free, size_t *total)
{
    (void)device;
    *free = 1;
    *total = 2;
}
static enum ggml_backend_dev_type device_get_type(ggml_backend_dev_t device)
{
    (void)device;
    return GGML_BACKEND_DEVICE_TYPE_ACCEL;
}
static void device_get_props(ggml_backend_dev_t device, struct ggml_backend_dev_props *props)
{
    (void)device;
    props->memory_total = 3;
}
static ggml_backend_t device_init_backend(ggml_backend_dev_t device, const char *params)
{
    (void)device;
    (void)params;
    note("init_backend");
    return NULL;
}
static ggml_backend_buffer_type_t device_get_buffer_type(ggml_backend_dev_t device)
{
    (void)device;
    note("get_buffer_type");
    return NULL;
}
static ggml_backend_buffer_type_t device_get_host_buffer_type(ggml_backend_dev_t device)
{
    (void)device;
    note("get_host_buffer_type");
    return NULL;
}
static bool device_supports_op(ggml_backend_dev_t device, const struct ggml_tensor *op)
{
    (void)device;
    (void)op;
    note("supports_op");
    return true;
}
static bool device_supports_buft(ggml_backend_dev_t device, ggml_backend_buffer_type_t buft)
{
    (void)device;
    (void)buft;
    note("supports_buft");
    return true;
}
static bool device_offload_op(ggml_backend_dev_t device, const struct ggml_tensor *op)
{
    (void)device;
    (void)op;
    note("offload_op");
    return true;
}

static void device_slots(void **state)
{
    (void)state;
    struct apir_gen3_reg reg = {0};
    struct apir_gen3_device object = {.iface = {.get_name = device_get_name,
                                                .get_description = device_get_description,
                                                .get_memory = device_get_memory,
                                                .get_type = device_get_type,
                                                .get_props = device_get_props,
                                                .init_backend = device_init_backend,
                                                .get_buffer_type = device_get_buffer_type,
                                                .get_host_buffer_type = device_get_host_buffer_type,
                                                .supports_op = device_supports_op,
                                                .supports_buft = device_supports_buft,
                                                .offload_op = device_offload_op},
                                      .reg = (ggml_backend_reg_t)&reg};
    ggml_backend_dev_t device = (ggml_backend_dev_t)&object;
    struct ggml_tensor tensor = {0};
    struct ggml_backend_dev_props props;
    size_t free_bytes, total;
    assert_string_equal(ggml_backend_dev_name(device), "device get_name");
    assert_string_equal(ggml_backend_dev_description(device), "device get_description");
    ggml_backend_dev_memory(device, &free_bytes, &total);
    assert_int_equal(free_bytes + total, 3);
    assert_int_equal(ggml_backend_dev_type(device), GGML_BACKEND_DEVICE_TYPE_ACCEL);
    ggml_backend_dev_get_props(device, &props);
    assert_int_equal(props.memory_total, 3);
    assert_ptr_equal(ggml_backend_dev_backend_reg(device), &reg);
    ggml_backend_dev_init(device, NULL);
    assert_string_equal(called, "init_backend");
    ggml_backend_dev_buffer_type(device);
    assert_string_equal(called, "get_buffer_type");
    ggml_backend_dev_host_buffer_type(device);
    assert_string_equal(called, "get_host_buffer_type");
    assert_true(ggml_backend_dev_supports_op(device, &tensor));
    assert_string_equal(called, "supports_op");
    assert_true(ggml_backend_dev_supports_buft(device, NULL));
    assert_string_equal(called, "supports_buft");
    assert_true(ggml_backend_dev_offload_op(device, &tensor));
    assert_string_equal(called, "offload_op");
}

static void slots_that_we_leave_empty_may_be(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake, 0);
    ggml_backend_dev_t device = (ggml_backend_dev_t)&fake.devices[0];
    ggml_backend_buffer_type_t buft = ggml_backend_dev_buffer_type(device);
    struct ggml_tensor tensor = {.ne = {8, 1, 1, 1}, .nb = {4, 32, 32, 32}}, *tensors[] = {&tensor};
    assert_int_equal(ggml_backend_buft_get_alloc_size_n(buft, tensors, 1), 64); /* aligned */
    fake_finish(&fake);
}

static void our_registration_is_read_as_meant(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake, 0);
    ggml_backend_reg_t reg = (ggml_backend_reg_t)&fake.reg;
    assert_string_equal(ggml_backend_reg_name(reg), "virtgpu");
    assert_int_equal(ggml_backend_reg_dev_count(reg), FAKE_DEVICES);
    assert_ptr_equal(ggml_backend_reg_dev_get(reg, 1), &fake.devices[1]);
    assert_null(ggml_backend_reg_get_proc_address(reg, "ggml_backend_set_n_threads"));
    assert_non_null(ggml_backend_reg_get_proc_address(reg, "ggml_backend_virtgpu_get_counters"));
    assert_ptr_equal(ggml_backend_dev_backend_reg((ggml_backend_dev_t)&fake.devices[1]), reg);
    fake_finish(&fake);
}

static void graph_fields(void **state)
{
    (void)state;
    struct ggml_context *ctx =
        ggml_init((struct ggml_init_params){.mem_size = 1 << 20, .no_alloc = true});
    struct ggml_tensor *a = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 8);
    struct ggml_tensor *b = ggml_sqr(ctx, a), *c = ggml_mul(ctx, b, a), *d = ggml_add(ctx, c, a);
    struct ggml_cgraph *cgraph = ggml_new_graph(ctx);
    ggml_build_forward_expand(cgraph, d);
    const struct apir_gen3_cgraph *fields = (const struct apir_gen3_cgraph *)cgraph;
    assert_int_equal(fields->size, ggml_graph_size(cgraph));
    assert_int_equal(fields->n_nodes, ggml_graph_n_nodes(cgraph));
    assert_int_equal(fields->n_leafs, 1);
    assert_ptr_equal(fields->nodes, ggml_graph_nodes(cgraph));
    assert_ptr_equal(fields->leafs[0], a);
    assert_int_equal(apir_abi_gen3.use_count(cgraph, a), 3);
    assert_int_equal(apir_abi_gen3.use_count(cgraph, b), 1);
    assert_int_equal(apir_abi_gen3.use_count(cgraph, d), 0);
    ggml_free(ctx);
}

static void buffers_of_others_have_no_context_of_ours(void **state)
{
    (void)state;
    struct apir_gen3_buffer empty = {0}; /* ggml makes such for size 0 */
    struct apir_gen3_buffer other = {.iface = buffer_functions, .context = &other};
    assert_null(apir_abi_gen3.buffer_context(NULL));
    assert_null(apir_abi_gen3.buffer_context((ggml_backend_buffer_t)&empty));
    assert_null(apir_abi_gen3.buffer_context((ggml_backend_buffer_t)&other));
}

static void only_known_releases_have_a_generation(void **state)
{
    (void)state;
    assert_ptr_equal(apir_abi_find("0.27.0"), &apir_abi_gen3);
    assert_ptr_equal(apir_abi_find("0.27.3"), &apir_abi_gen3);
    assert_ptr_equal(apir_abi_find(ggml_version()), &apir_abi_gen3);
    static const char *const others[] = {"",       "0.2",     "0.27",   "0.26.9",
                                         "0.28.0", "0.270.0", "1.27.0", "9.9.9"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_null(apir_abi_find(others[i]));
}

static void bases_never_overlap_and_keep_the_residue(void **state)
{
    (void)state;
    struct fake fake;
    fake_init(&fake, 0);
    uintptr_t a = (uintptr_t)apir_reg_take_base(&fake.reg, 4096, 64);
    uintptr_t b = (uintptr_t)apir_reg_take_base(&fake.reg, 0, 4095);
    uintptr_t c = (uintptr_t)apir_reg_take_base(&fake.reg, 1, 0);
    assert_int_equal(a % 4096, 64);
    assert_int_equal(b % 4096, 4095);
    assert_true(a + 4096 < b && b < c && c % 4096 == 0);
    fake_finish(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_type_slots),
        cmocka_unit_test(buffer_slots_for_tensors),
        cmocka_unit_test(copy_calls_the_destination),
        cmocka_unit_test(buffer_slots_and_fields),
        cmocka_unit_test(backend_slots),
        cmocka_unit_test(device_slots),
        cmocka_unit_test(slots_that_we_leave_empty_may_be),
        cmocka_unit_test(our_registration_is_read_as_meant),
        cmocka_unit_test(graph_fields),
        cmocka_unit_test(buffers_of_others_have_no_context_of_ours),
        cmocka_unit_test(only_known_releases_have_a_generation),
        cmocka_unit_test(bases_never_overlap_and_keep_the_residue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
