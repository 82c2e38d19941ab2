/* Faults 5, 6, 8 and 9 of deployed hosts: sizes, ranges and graphs that a guest makes up, and what is kept of them. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "upstream-faults/request.h"
#include "upstream/loop.h"
#include "upstream/rss.h"

enum {
    BIG = 0x40000,    /* bytes of a tensor that is larger than the small data blob */
    DEEP = 60000,     /* tensors of a chain; deeper than a thread's stack allows a frame for each */
    ROUNDS = 300,
    LEAK_CALLS = 200, /* 20 graphs of 500 nodes: a leak of a tensor's 0.4 KiB makes 4 MiB */
    MAX_GROWTH_KIB = 1024,
};

static void open_until(struct upstream_session *session, uint64_t data_size, const char *name)
{
    upstream_session_open(session, NULL, false, data_size);
    upstream_session_replay(session, name);
}

/* --- fault 5: sizes and ranges -------------------------------------------------------------------------------- */

/* Makes the sample one about a tensor of BIG bytes in a buffer of its own. */
static void make_big(struct upstream_session *session, struct sample *sample)
{
    struct request request;
    request_begin(&request, ALLOC_BUFFER);
    struct sample type;
    request_sample(session, "buffer_type_get_name", &type);
    request_u64(&request, deployed_u64(type.request.data + FIRST_ARGUMENT));
    request_u64(&request, BIG);
    assert_int_equal(request_send(session, &request), DEPLOYED_OK);
    uint64_t buffer = deployed_u64(session->guest.reply.data + FIRST_RESULT);
    uint8_t *tensor = sample->request.data + SET_TENSOR_TENSOR;
    deployed_put_u64(sample->request.data + FIRST_ARGUMENT, buffer);
    deployed_put_u64(tensor + TENSOR_BUFFER, buffer);
    deployed_put_u64(tensor + TENSOR_DATA, 0);
    deployed_put_u32(tensor + TENSOR_NE, BIG / 4);
    for (int i = 1; i < 4; i++)
        deployed_put_u32(tensor + TENSOR_NB + 4 * i, BIG);
}

static uint32_t send_range(struct upstream_session *session, struct sample *sample, uint64_t offset, uint64_t size)
{
    deployed_put_u64(sample->request.data + SET_TENSOR_OFFSET, offset);
    deployed_put_u64(sample->request.data + SET_TENSOR_SIZE, size);
    return request_send_sample(session, sample);
}

static void check_ranges(struct upstream_session *session, const char *name)
{
    const uint64_t blob = UPSTREAM_SMALL_DATA;
    struct sample sample;
    request_sample(session, name, &sample);
    make_big(session, &sample);
    assert_int_equal(send_range(session, &sample, 0, blob), DEPLOYED_OK);
    assert_int_equal(send_range(session, &sample, BIG - 4, 4), DEPLOYED_OK);
    assert_int_not_equal(send_range(session, &sample, 0, blob + 1), DEPLOYED_OK); /* the blob ends before */
    assert_int_not_equal(send_range(session, &sample, 0, BIG), DEPLOYED_OK);
    assert_int_not_equal(send_range(session, &sample, BIG - 4, 5), DEPLOYED_OK); /* the tensor does */
    assert_int_not_equal(send_range(session, &sample, 0 - UINT64_C(16), 32), DEPLOYED_OK); /* the sum is 16 */
    assert_int_not_equal(send_range(session, &sample, 32, 0 - UINT64_C(16)), DEPLOYED_OK);
}

static void fault_05_ranges_lie_in_the_tensor_and_in_the_blob(void **state)
{
    (void)state;
    struct upstream_session session;
    open_until(&session, UPSTREAM_SMALL_DATA, "backend_graph_compute");
    check_ranges(&session, "buffer_set_tensor");
    check_ranges(&session, "buffer_get_tensor");
    upstream_session_replay(&session, NULL);
    assert_int_equal(upstream_session_close(&session), 0);
}

static void fault_05_a_graph_lies_in_its_blob(void **state)
{
    (void)state;
    const uint64_t sizes[] = {UPSTREAM_SMALL_DATA + 1, UPSTREAM_SMALL_DATA + 304, 1 << 28, UINT64_MAX};
    struct upstream_session session;
    struct sample sample;
    open_until(&session, UPSTREAM_SMALL_DATA, "backend_graph_compute");
    request_sample(&session, "backend_graph_compute", &sample);
    for (int i = 0; i < 4; i++) {
        deployed_put_u64(sample.request.data + FIRST_ARGUMENT + 4, sizes[i]);
        assert_int_not_equal(request_send_sample(&session, &sample), DEPLOYED_OK);
    }
    upstream_session_replay(&session, NULL);
    assert_int_equal(upstream_session_close(&session), 0);
}

/* --- fault 5: graphs -------------------------------------------------------------------------------------------- */

/* A chain in the data blob: each tensor is the sum of the one before and the sample's second leaf. Only the last one is
 * listed as a node, if only_last. Returns the bytes. */
static size_t write_chain(struct upstream_session *session, const struct sample *sample, unsigned length,
                          bool only_last)
{
    uint8_t *data = session->guest.data.data;
    const uint8_t *leafs = sample->shm.data + 4 + 8 * 2 + 4, *sum = leafs + 2 * TENSOR_BYTES;
    unsigned n_nodes = only_last ? 1 : length;
    uint8_t *tensors = data + 4 + 8 * n_nodes + 4;
    deployed_put_u32(data, n_nodes);
    deployed_put_u32(tensors - 4, length + 2);
    memcpy(tensors, leafs, 2 * TENSOR_BYTES);
    uint64_t before = deployed_u64(leafs);
    for (unsigned i = 0; i < length; i++) {
        uint8_t *tensor = tensors + TENSOR_BYTES * (i + 2);
        memcpy(tensor, sum, TENSOR_BYTES);
        deployed_put_u64(tensor, i + 1);
        deployed_put_u64(tensor + TENSOR_SRC, before);
        deployed_put_u64(data + 4 + 8 * (only_last ? 0 : i), i + 1);
        before = i + 1;
    }
    return (size_t)(tensors - data) + TENSOR_BYTES * (length + 2);
}

static uint32_t compute(struct upstream_session *session, struct sample *sample, size_t size)
{
    deployed_put_u64(sample->request.data + FIRST_ARGUMENT + 4, size);
    sample->shm.size = 0; /* the graph is in the blob already */
    return request_send_sample(session, sample);
}

static void fault_05_no_recursion_as_deep_as_the_guest_likes(void **state)
{
    (void)state;
    struct upstream_session session;
    struct sample sample;
    open_until(&session, DEPLOYED_DATA_SIZE, "backend_graph_compute");
    for (int only_last = 0; only_last < 2; only_last++) {
        request_sample(&session, "backend_graph_compute", &sample);
        uint32_t notif = compute(&session, &sample, write_chain(&session, &sample, DEEP, only_last));
        if (!only_last)
            assert_int_equal(notif, DEPLOYED_OK);
    }
    upstream_session_replay(&session, NULL);
    assert_int_equal(upstream_session_close(&session), 0);
}

static void fault_05_a_circle_is_refused(void **state)
{
    (void)state;
    struct upstream_session session;
    struct sample sample;
    open_until(&session, UPSTREAM_SMALL_DATA, "backend_graph_compute");
    for (unsigned length = 1; length < 4; length++) {
        request_sample(&session, "backend_graph_compute", &sample);
        size_t size = write_chain(&session, &sample, length, false);
        uint8_t *first = session.guest.data.data + 4 + 8 * length + 4 + 2 * TENSOR_BYTES;
        deployed_put_u64(first + TENSOR_SRC, length); /* the last */
        uint32_t notif = compute(&session, &sample, size);
        if (length > 1) /* ggml makes a cast its own source */
            assert_int_not_equal(notif, DEPLOYED_OK);
    }
    upstream_session_replay(&session, NULL);
    assert_int_equal(upstream_session_close(&session), 0);
}

struct scribbler {
    uint8_t *data;
    size_t size;
    _Atomic bool stop; /* by the test; relaxed: nothing else is told by it */
};

static void *scribble(void *data)
{
    struct scribbler *scribbler = data;
    for (uint32_t i = 1; !atomic_load_explicit(&scribbler->stop, memory_order_relaxed); i++) {
        uint8_t *at = scribbler->data + i * 2654435761u % scribbler->size / 4 * 4, kept[4];
        memcpy(kept, at, sizeof kept);
        deployed_put_u32(at, i % 3 ? UINT32_MAX : i);
        memcpy(at, kept, sizeof kept);
    }
    return NULL;
}

/* The library touches what the graph names; a sanitizer sees it if that is not what was checked. */
static void fault_05_a_graph_that_changes_while_it_is_read(void **state)
{
    (void)state;
    static const char *const before[] = {"HANDSHAKE", "LOADLIBRARY", "device_get_buffer_type",
                                         "buffer_type_alloc_buffer", NULL};
    const struct upstream_setup setup = {.executor = {.library = FAULT_TWO}};
    struct upstream_session session;
    struct sample sample;
    pthread_t thread;
    request_open(&session, &setup, before);
    request_sample(&session, "backend_graph_compute", &sample);
    struct scribbler scribbler = {.data = session.guest.data.data, .size = sample.shm.size};
    memcpy(scribbler.data, sample.shm.data, sample.shm.size);
    assert_int_equal(pthread_create(&thread, NULL, scribble, &scribbler), 0);
    for (int i = 0; i < ROUNDS; i++)
        assert_int_not_equal(compute(&session, &sample, scribbler.size), 0);
    atomic_store_explicit(&scribbler.stop, true, memory_order_relaxed);
    pthread_join(thread, NULL);
    assert_int_equal(compute(&session, &sample, scribbler.size), DEPLOYED_OK);
    assert_int_equal(upstream_session_close(&session), 0);
}

/* --- faults 6, 8, 9 --------------------------------------------------------------------------------------------- */

/* The library has no get_alloc_size, no get_max_size, no synchronize, and nothing asynchronous. */
static void fault_06_optional_methods_may_be_missing(void **state)
{
    (void)state;
    static const char *const names[] = {
        "HANDSHAKE",         "LOADLIBRARY",           "device_get_buffer_type",     "buffer_type_get_max_size",
        "device_get_props",  "device_supports_op",    "buffer_type_get_alloc_size", "buffer_type_alloc_buffer",
        "buffer_get_base",   "buffer_clear",          "buffer_set_tensor",          "buffer_type_get_alloc_size.2",
        "backend_graph_compute", "buffer_type_is_host", "buffer_free_buffer.2", NULL,
    };
    const struct upstream_setup setup = {.executor = {.library = FAULT_TWO}};
    struct upstream_session session;
    request_open(&session, &setup, names);
    assert_int_equal(upstream_session_close(&session), 0);
}

static void fault_08_a_context_may_end_while_it_computes(void **state)
{
    (void)state;
    struct upstream_session session;
    struct sample sample;
    open_until(&session, DEPLOYED_DATA_SIZE, "backend_graph_compute");
    request_sample(&session, "backend_graph_compute", &sample);
    deployed_put_u64(sample.request.data + FIRST_ARGUMENT + 4, write_chain(&session, &sample, DEEP, false));
    for (int i = 0; i < 3; i++)
        assert_int_equal(apir_connection_send(&session.guest.connection, APIR_FRAME_SUBMIT, sample.request.data,
                                              (uint32_t)sample.request.size, -1), 0);
    assert_int_equal(upstream_session_close(&session), 0);
}

#if defined(APIR_SANITIZED)
enum { IS_SANITIZED = 1 };
#elif defined(__has_feature)
enum { IS_SANITIZED = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) };
#else
enum { IS_SANITIZED = 0 };
#endif

/* A sanitizer keeps what is freed, and tells of leaks by itself. */
static void fault_09_graphs_leave_nothing_behind(void **state)
{
    (void)state;
    struct upstream_session session;
    if (IS_SANITIZED)
        return;
    open_until(&session, DEPLOYED_DATA_SIZE, "backend_graph_compute");
    assert_int_equal(loop_run(&session.replay, LEAK_CALLS), 0);
    long before = rss_kib(0);
    assert_int_equal(loop_run(&session.replay, LEAK_CALLS), 0);
    assert_true(rss_kib(0) - before < MAX_GROWTH_KIB);
    assert_int_equal(upstream_session_close(&session), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_05_ranges_lie_in_the_tensor_and_in_the_blob),
        cmocka_unit_test(fault_05_a_graph_lies_in_its_blob),
        cmocka_unit_test(fault_05_no_recursion_as_deep_as_the_guest_likes),
        cmocka_unit_test(fault_05_a_circle_is_refused),
        cmocka_unit_test(fault_05_a_graph_that_changes_while_it_is_read),
        cmocka_unit_test(fault_06_optional_methods_may_be_missing),
        cmocka_unit_test(fault_08_a_context_may_end_while_it_computes),
        cmocka_unit_test(fault_09_graphs_leave_nothing_behind),
    };
    return cmocka_run_group_tests_name("upstream's faults with memory", tests, NULL, NULL);
}
