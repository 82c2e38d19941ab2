/* Which calls data of tensors become, and whether they are waited for. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apir-counters.h"
#include "backend/transfer.h"
#include "client/session-private.h"
#include "cmocka-all.h"
#include "fake.h"
#include "gated-host.h"

enum {
    SIZE = FAKE_BUFFER_SIZE / 2,
};

/* A device with a session, a tensor in its buffer, and memory on both sides of the border. */
struct fixture {
    struct gated_host g;
    struct fake fake;
    struct ggml_tensor *tensor;
    ggml_backend_buffer_t shared;
    char *in_shared, *plain;
};

static void set_up(struct fixture *f, enum ggml_type type)
{
    gated_host_open(&f->g, UINT64_MAX);
    fake_init(&f->fake, 0);
    f->fake.reg.session = f->g.session;
    pthread_mutex_init(&f->fake.reg.host_lock, NULL);
    apir_host_buffer_type_init(&f->fake.devices[0].host_buffer_type, &f->fake.devices[0]);
    int64_t elements = (int64_t)(SIZE / ggml_type_size(type)) * ggml_blck_size(type);
    f->tensor = ggml_new_tensor_1d(f->fake.ctx, type, elements);
    fake_place(f->tensor, &f->fake.buffers[0], 4096);
    f->shared = ggml_backend_buft_alloc_buffer((ggml_backend_buffer_type_t)&f->fake.devices[0].host_buffer_type, SIZE);
    assert_non_null(f->shared);
    f->in_shared = ggml_backend_buffer_get_base(f->shared);
    f->plain = malloc(SIZE);
}

static void tear_down(struct fixture *f)
{
    for (uint32_t i = 0; i < APIR_MAX_QUEUES; i++)
        apir_session_shm_destroy(f->g.session, &f->fake.reg.staging[i].shm);
    ggml_backend_buffer_free(f->shared);
    free(f->plain);
    pthread_mutex_destroy(&f->fake.reg.host_lock);
    fake_finish(&f->fake);
    gated_host_close(&f->g);
}

static struct apir_transfer transfer_of(struct fixture *f, char *data, uint64_t size, bool to_host, bool async)
{
    return (struct apir_transfer){.buffer = &f->fake.buffers[0].ours, .tensor = f->tensor, .data = data,
                                  .to_host = to_host, .async = async, .size = size, .rows = 1};
}

static int run(struct fixture *f, const struct apir_transfer *transfer)
{
    apir_queue_lock(f->g.queue);
    int ret = apir_transfer_run(transfer, f->g.queue);
    apir_queue_unlock(f->g.queue);
    return ret;
}

/* The transfer returns ret and is `calls` calls, the last of which is `call`. */
static void expect(struct fixture *f, const struct apir_transfer *transfer, int ret, uint64_t calls, uint32_t call)
{
    uint64_t before = apir_queue_next(f->g.queue);
    assert_int_equal(run(f, transfer), ret);
    assert_int_equal(apir_queue_next(f->g.queue) - before, calls);
    assert_int_equal(apir_queue_sync(f->g.queue), 0);
    pthread_mutex_lock(&f->g.lock);
    uint32_t last = f->g.header.call;
    pthread_mutex_unlock(&f->g.lock);
    assert_int_equal(last, call);
}

static void few_bytes_travel_in_the_call(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, GGML_TYPE_F32);
    for (uint64_t size = 1; size <= APIR_MAX_INLINE; size += 1365) {
        struct apir_transfer transfer = transfer_of(&f, f.plain, size, true, false);
        expect(&f, &transfer, 0, 1, APIR_CALL_BUFFER_WRITE);
        transfer.data = f.in_shared; /* faster than to wait for */
        expect(&f, &transfer, 0, 1, APIR_CALL_BUFFER_WRITE);
    }
    assert_null(f.fake.reg.staging[1].shm.data);
    tear_down(&f);
}

static void sets_do_not_wait(void **state)
{
    (void)state;
    struct fixture f;
    struct apir_counters counters;
    set_up(&f, GGML_TYPE_F32);
    gated_host_let(&f.g, 1);
    struct apir_transfer small = transfer_of(&f, f.plain, 64, true, false), large = transfer_of(&f, f.plain, SIZE, true, false);
    assert_int_equal(run(&f, &small), 0);
    gated_host_let(&f.g, UINT64_MAX);
    assert_int_equal(run(&f, &large), 0); /* makes memory, for which the host is needed */
    assert_int_equal(apir_queue_sync(f.g.queue), 0);
    apir_session_get_counters(f.g.session, &counters);
    uint64_t waits = counters.waits;
    gated_host_let(&f.g, apir_queue_next(f.g.queue));
    assert_int_equal(run(&f, &small), 0);
    assert_int_equal(run(&f, &large), 0);
    memset(f.plain, 0xff, SIZE); /* is ours again */
    apir_session_get_counters(f.g.session, &counters);
    assert_int_equal(counters.waits, waits);
    gated_host_let(&f.g, UINT64_MAX);
    tear_down(&f);
}

static void blocks_travel_as_a_tensor(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, GGML_TYPE_Q8_0);
    struct apir_transfer set = transfer_of(&f, f.plain, 34, true, false), get = transfer_of(&f, f.plain, 34, false, false);
    expect(&f, &set, 0, 1, APIR_CALL_TENSOR_SET);
    expect(&f, &get, 0, 1, APIR_CALL_TENSOR_GET);
    tear_down(&f);
}

static void gets_go_straight_into_shared_memory(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, GGML_TYPE_F32);
    struct apir_transfer transfer = transfer_of(&f, f.in_shared, SIZE, false, false);
    expect(&f, &transfer, 0, 1, APIR_CALL_BUFFER_READ);
    transfer.data = f.in_shared + 1;
    transfer.size = 1;
    expect(&f, &transfer, 0, 1, APIR_CALL_BUFFER_READ);
    transfer.async = true;
    expect(&f, &transfer, 1, 1, APIR_CALL_BUFFER_READ);
    assert_null(f.fake.reg.staging[1].shm.data);
    tear_down(&f);
}

static void asynchronous_gets_of_shared_memory_do_not_wait(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, GGML_TYPE_F32);
    gated_host_let(&f.g, 1);
    struct apir_transfer get = transfer_of(&f, f.in_shared, SIZE, false, true), set = transfer_of(&f, f.in_shared, SIZE, true, true);
    assert_int_equal(run(&f, &get), 1);
    assert_int_equal(run(&f, &set), 1);
    assert_false(apir_queue_is_done(f.g.queue, 1));
    gated_host_let(&f.g, UINT64_MAX);
    assert_int_equal(apir_queue_sync(f.g.queue), 0);
    tear_down(&f);
}

static void sets_of_much_shared_memory_are_not_copied(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, GGML_TYPE_F32);
    struct apir_transfer transfer = transfer_of(&f, f.in_shared, SIZE, true, false);
    expect(&f, &transfer, 0, 1, APIR_CALL_TENSOR_SET);
    assert_null(f.fake.reg.staging[1].shm.data);
    transfer.async = true;
    expect(&f, &transfer, 1, 1, APIR_CALL_TENSOR_SET);
    tear_down(&f);
}

static void dense_rows_in_shared_memory_are_one_call(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, GGML_TYPE_F32);
    struct apir_transfer transfer = transfer_of(&f, f.in_shared, 1000, false, false);
    transfer.rows = 100;
    transfer.stride_tensor = 2000;
    transfer.stride_data = 1000;
    expect(&f, &transfer, 0, 1, APIR_CALL_TENSOR_GET_2D);
    assert_null(f.fake.reg.staging[1].shm.data);
    transfer.stride_data = 1001; /* by way of other memory */
    uint64_t before = apir_queue_next(f.g.queue);
    assert_int_equal(run(&f, &transfer), 0);
    assert_true(apir_queue_next(f.g.queue) > before);
    assert_non_null(f.fake.reg.staging[1].shm.data);
    tear_down(&f);
}

static void nothing_is_no_call(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, GGML_TYPE_F32);
    struct apir_transfer transfer = transfer_of(&f, f.plain, 0, true, false);
    uint64_t before = apir_queue_next(f.g.queue);
    assert_int_equal(run(&f, &transfer), 0);
    transfer.size = 8;
    transfer.rows = 0;
    assert_int_equal(run(&f, &transfer), 0);
    assert_int_equal(apir_queue_next(f.g.queue), before);
    tear_down(&f);
}

static void tensor_of_another_buffer_ends_the_session(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, GGML_TYPE_F32);
    struct apir_transfer transfer = transfer_of(&f, f.plain, 64, true, false);
    transfer.buffer = &f.fake.buffers[1].ours;
    assert_int_equal(run(&f, &transfer), -EINVAL);
    assert_int_equal(apir_session_error(f.g.session), -EINVAL);
    tear_down(&f);
}

static void zeros_go_where_data_would(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, GGML_TYPE_F32);
    struct apir_transfer transfer = transfer_of(&f, f.plain + 1, 3, false, false);
    memset(f.plain, 1, 16);
    transfer.rows = 2;
    transfer.stride_data = 5;
    apir_transfer_zero(&transfer);
    assert_memory_equal(f.plain, "\1\0\0\0\1\1\0\0\0\1\1", 11);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_bytes_travel_in_the_call),
        cmocka_unit_test(sets_do_not_wait),
        cmocka_unit_test(blocks_travel_as_a_tensor),
        cmocka_unit_test(gets_go_straight_into_shared_memory),
        cmocka_unit_test(asynchronous_gets_of_shared_memory_do_not_wait),
        cmocka_unit_test(sets_of_much_shared_memory_are_not_copied),
        cmocka_unit_test(dense_rows_in_shared_memory_are_one_call),
        cmocka_unit_test(nothing_is_no_call),
        cmocka_unit_test(tensor_of_another_buffer_ends_the_session),
        cmocka_unit_test(zeros_go_where_data_would),
    };
    return cmocka_run_group_tests_name("transfer", tests, NULL, NULL);
}
