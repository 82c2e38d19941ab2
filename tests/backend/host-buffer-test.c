#include <errno.h>
#include <string.h>

#include "backend/device.h"
#include "backend/host-buffer.h"
#include "client/session-private.h"
#include "cmocka-all.h"
#include "fake.h"
#include "gated-host.h"
#include "transport/transport.h"

/* A device with a session. */
struct fixture {
    struct gated_host g;
    struct fake fake;
    struct apir_device *device;
    ggml_backend_buffer_type_t buft;
};

static void set_up(struct fixture *f)
{
    memset(&f->fake, 0, sizeof f->fake);
    gated_host_open(&f->g, UINT64_MAX);
    fake_init(&f->fake, 0);
    f->fake.reg.session = f->g.session;
    pthread_mutex_init(&f->fake.reg.host_lock, NULL);
    f->device = &f->fake.devices[0];
    apir_host_buffer_type_init(&f->device->host_buffer_type, f->device);
    f->buft = (ggml_backend_buffer_type_t)&f->device->host_buffer_type;
}

static void tear_down(struct fixture *f)
{
    pthread_mutex_destroy(&f->fake.reg.host_lock);
    fake_finish(&f->fake);
    gated_host_close(&f->g);
}

static ggml_backend_buffer_t must_alloc(struct fixture *f, size_t size)
{
    ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(f->buft, size);
    assert_non_null(buffer);
    assert_int_equal(ggml_backend_buffer_get_size(buffer), size);
    return buffer;
}

static bool is_shared(struct fixture *f, const void *data, uint64_t size)
{
    uint32_t shm;
    uint64_t offset;
    return apir_host_buffer_find(&f->fake.reg, data, size, &shm, &offset);
}

static void buffers_are_of_the_host_for_ggml(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    assert_true(ggml_backend_buft_is_host(f.buft));
    assert_non_null(strstr(ggml_backend_buft_name(f.buft), "_Host"));
    ggml_backend_buffer_t buffer = must_alloc(&f, 5000);
    char *data = ggml_backend_buffer_get_base(buffer);
    assert_int_equal((uintptr_t)data % ggml_backend_buft_get_alignment(f.buft), 0);
    ggml_backend_buffer_clear(buffer, 7);
    assert_true(data[0] == 7 && data[4999] == 7);
    ggml_backend_buffer_free(buffer);
    tear_down(&f);
}

static void bytes_are_found_in_the_buffer_that_holds_them(void **state)
{
    (void)state;
    struct fixture f;
    uint32_t shm_one = 0, shm_other = 0, shm;
    uint64_t offset = 0;
    set_up(&f);
    ggml_backend_buffer_t one = must_alloc(&f, 4096), other = must_alloc(&f, 10000);
    char *in_one = ggml_backend_buffer_get_base(one), *in_other = ggml_backend_buffer_get_base(other);
    assert_true(apir_host_buffer_find(&f.fake.reg, in_one, 4096, &shm_one, &offset));
    assert_int_equal(offset, 0);
    assert_true(apir_host_buffer_find(&f.fake.reg, in_other + 3, 9997, &shm_other, &offset));
    assert_int_equal(offset, 3);
    assert_int_not_equal(shm_one, shm_other);
    assert_true(apir_host_buffer_find(&f.fake.reg, in_one + 4095, 1, &shm, &offset));
    assert_int_equal(shm, shm_one);
    assert_int_equal(offset, 4095);
    ggml_backend_buffer_free(one);
    ggml_backend_buffer_free(other);
    tear_down(&f);
}

static void bytes_that_are_not_all_in_one_are_not_found(void **state)
{
    (void)state;
    struct fixture f;
    char elsewhere[16];
    set_up(&f);
    ggml_backend_buffer_t buffer = must_alloc(&f, 5000);
    char *data = ggml_backend_buffer_get_base(buffer);
    assert_false(is_shared(&f, data, 5001));
    assert_false(is_shared(&f, data + 4999, 2));
    assert_false(is_shared(&f, data - 1, 2));
    assert_false(is_shared(&f, data + 1, UINT64_MAX));
    assert_false(is_shared(&f, elsewhere, sizeof elsewhere));
    assert_false(is_shared(&f, NULL, 1));
    ggml_backend_buffer_free(buffer);
    assert_false(is_shared(&f, data, 1));
    tear_down(&f);
}

static void what_cannot_be_shared_is_memory_all_the_same(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    f.g.session->transport->max_host_buffer = 8192;
    ggml_backend_buffer_t small = must_alloc(&f, 8192), large = must_alloc(&f, 8193);
    assert_true(is_shared(&f, ggml_backend_buffer_get_base(small), 8192));
    assert_false(is_shared(&f, ggml_backend_buffer_get_base(large), 8193));
    ggml_backend_buffer_clear(large, 1);
    ggml_backend_buffer_free(small);
    apir_session_fail(f.g.session, -EPIPE, "a test");
    ggml_backend_buffer_t last = must_alloc(&f, 100);
    assert_false(is_shared(&f, ggml_backend_buffer_get_base(last), 1));
    ggml_backend_buffer_clear(last, 1);
    ggml_backend_buffer_free(large);
    ggml_backend_buffer_free(last);
    tear_down(&f);
}

/* The host has the call still that was posted before. */
static void free_waits_for_calls_under_way(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    ggml_backend_buffer_t buffer = must_alloc(&f, 4096);
    for (int i = 0; i < 100; i++)
        assert_int_equal(apir_call_buffer_clear(f.g.queue, &(struct apir_buffer_clear_args){.buffer = 1}), 0);
    ggml_backend_buffer_free(buffer);
    assert_true(apir_queue_is_done(f.g.queue, 100));
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffers_are_of_the_host_for_ggml),
        cmocka_unit_test(bytes_are_found_in_the_buffer_that_holds_them),
        cmocka_unit_test(bytes_that_are_not_all_in_one_are_not_found),
        cmocka_unit_test(what_cannot_be_shared_is_memory_all_the_same),
        cmocka_unit_test(free_waits_for_calls_under_way),
    };
    return cmocka_run_group_tests_name("host-buffer", tests, NULL, NULL);
}
