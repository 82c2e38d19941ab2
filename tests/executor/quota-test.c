/* What a context may take of the host, and what it is told it can have. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "graph-maker.h"

enum {
    MIB = 1024 * 1024,
};

/* A device with that much memory. */
static void open_device(struct fixture *f, const struct apir_limits *limits, size_t free_bytes, size_t total_bytes)
{
    fixture_open_limited(f, LIBRARIES "/fake-good.so", limits);
    fixture_make_ready(f);
    struct fake_seen *seen =
        ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(apir_device_get(f->executor, 0)), FAKE_SEEN);
    assert_non_null(seen);
    seen->free_bytes = free_bytes;
    seen->total_bytes = total_bytes;
}

static void open_with(struct fixture *f, const struct apir_limits *limits)
{
    open_device(f, limits, 3 * MIB, 4 * MIB);
}

/* 0: the device is full. */
static uint64_t alloc(struct fixture *f, uint64_t size)
{
    const struct apir_buffer_alloc_args args = {.size = size};
    struct apir_buffer_alloc_reply reply = {0};
    assert_int_equal(handle_buffer_alloc(f->executor, &f->scratch, &args, &reply), 0);
    return reply.buffer;
}

static void free_buffer(struct fixture *f, uint64_t buffer)
{
    const struct apir_buffer_free_args args = {.buffer = buffer};
    assert_int_equal(handle_buffer_free(f->executor, &f->scratch, &args), 0);
}

static struct apir_device_get_memory_reply get_memory(struct fixture *f)
{
    struct apir_device_get_memory_reply reply = {0};
    const struct apir_device_get_memory_args args = {0};
    assert_int_equal(handle_device_get_memory(f->executor, &f->scratch, &args, &reply), 0);
    return reply;
}

static void memory_beyond_the_quota_is_a_full_device(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, &(struct apir_limits){.memory = MIB});
    uint64_t half = alloc(&f, MIB / 2);
    assert_true(half != 0);
    assert_true(alloc(&f, MIB) == 0);
    assert_true(alloc(&f, MIB / 2 + 1) == 0);
    assert_true(alloc(&f, MIB / 2) != 0);
    assert_true(alloc(&f, 1) == 0);
    free_buffer(&f, half);
    assert_true(alloc(&f, MIB / 4) != 0);
    fixture_close(&f);
}

static void smallest_buffer_counts_as_a_page(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, &(struct apir_limits){.memory = 3 * 4096});
    for (int i = 0; i < 3; i++)
        assert_true(alloc(&f, 1) != 0);
    assert_true(alloc(&f, 1) == 0);
    fixture_close(&f);
}

static void refused_sizes_charge_nothing(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, &(struct apir_limits){.memory = MIB});
    assert_true(alloc(&f, 0) == 0);
    assert_true(alloc(&f, APIR_MAX_SIZE) == 0);
    assert_true(alloc(&f, UINT64_MAX) == 0);
    assert_true(get_memory(&f).free == MIB);
    fixture_close(&f);
}

static void guest_is_told_what_it_can_have(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, &(struct apir_limits){.memory = MIB});
    assert_true(get_memory(&f).total == MIB);
    assert_true(get_memory(&f).free == MIB);
    uint64_t buffer = alloc(&f, MIB / 4);
    assert_true(get_memory(&f).free == MIB - MIB / 4);
    assert_true(get_memory(&f).total == MIB);
    free_buffer(&f, buffer);
    assert_true(get_memory(&f).free == MIB);
    fixture_close(&f);
}

static void what_the_device_has_not_is_not_promised(void **state)
{
    (void)state;
    struct fixture f;
    open_device(&f, &(struct apir_limits){.memory = 8 * MIB}, MIB, 2 * MIB);
    assert_true(get_memory(&f).free == MIB);
    assert_true(get_memory(&f).total == 2 * MIB);
    fixture_close(&f);
}

static void without_a_quota_the_device_is_asked(void **state)
{
    (void)state;
    struct fixture f;
    open_device(&f, &(struct apir_limits){0}, MIB, 2 * MIB);
    assert_true(alloc(&f, 3 * MIB) != 0);
    assert_true(get_memory(&f).free == MIB);
    fixture_close(&f);
}

/* malloc() gives more than there is. */
static void host_memory_is_not_given_twice(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, LIBRARIES "/fake-accelerator.so", NULL); /* has 1 MiB */
    fixture_make_ready(&f);
    assert_true(alloc(&f, MIB + 1) == 0);
    uint64_t buffer = alloc(&f, MIB - 4096);
    assert_true(buffer != 0);
    assert_true(alloc(&f, 4097) == 0);
    assert_true(alloc(&f, 4096) != 0);
    assert_true(get_memory(&f).free == 0);
    free_buffer(&f, buffer);
    assert_true(alloc(&f, MIB - 4096) != 0);
    fixture_close(&f);
}

static void buffers_are_counted(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, &(struct apir_limits){.buffers = 2});
    uint64_t first = alloc(&f, 64);
    assert_true(first != 0 && alloc(&f, 64) != 0);
    uint64_t free_bytes = get_memory(&f).free;
    assert_true(alloc(&f, 64) == 0);
    assert_true(get_memory(&f).free == free_bytes);
    free_buffer(&f, first);
    assert_true(alloc(&f, 64) != 0);
    fixture_close(&f);
}

static uint64_t create_stream(struct fixture *f)
{
    struct apir_stream_create_reply reply = {0};
    const struct apir_stream_create_args args = {0};
    assert_int_equal(handle_stream_create(f->executor, &f->scratch, &args, &reply), 0);
    return reply.stream;
}

static void backends_are_counted(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, &(struct apir_limits){.queues = 2});
    uint64_t first = create_stream(&f);
    assert_true(first != 0 && create_stream(&f) != 0);
    assert_true(create_stream(&f) == 0);
    const struct apir_stream_destroy_args destroy = {first};
    assert_int_equal(handle_stream_destroy(f.executor, &f.scratch, &destroy), 0);
    assert_true(create_stream(&f) != 0);
    fixture_close(&f);
}

static uint64_t graph_memory(const struct graph_maker *m)
{
    return atomic_load(&m->f.executor->quotas.graphs.used);
}

static enum apir_graph_status collect(struct graph_maker *m)
{
    struct apir_stream_collect_reply reply = {0};
    const struct apir_stream_collect_args args = {.stream = m->stream};
    assert_int_equal(handle_stream_collect(m->f.executor, &m->f.scratch, &args, &reply), 0);
    return reply.status;
}

static void memory_of_graphs_is_given_back(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open_chain(&m);
    assert_int_equal(graph_maker_compute(&m), 0);
    assert_true(graph_memory(&m) == 0);
    assert_int_equal(graph_maker_compute_as(&m, 1), 0);
    uint64_t one = graph_memory(&m);
    assert_true(one > 0);
    for (int i = 0; i < 5; i++) /* in place of the other */
        assert_int_equal(graph_maker_compute_as(&m, 1), 0);
    assert_true(graph_memory(&m) == one);
    m.tensors[2].op = GGML_OP_COUNT; /* refused */
    assert_true(graph_maker_compute_as(&m, 2) < 0);
    assert_true(graph_memory(&m) == one);
    assert_int_equal(
        handle_stream_destroy(m.f.executor, &m.f.scratch, &(struct apir_stream_destroy_args){m.stream}), 0);
    assert_true(graph_memory(&m) == 0);
    graph_maker_close(&m);
}

static void graph_beyond_the_quota_is_a_full_device(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open(&m);
    graph_maker_add_chain(&m);
    assert_int_equal(graph_maker_compute_as(&m, 1), 0);
    uint64_t one = graph_memory(&m);
    graph_maker_close(&m);

    graph_maker_open_limited(&m, &(struct apir_limits){.graph_memory = 2 * one + one / 2});
    graph_maker_add_chain(&m);
    assert_int_equal(graph_maker_compute_as(&m, 1), 0);
    assert_int_equal(graph_maker_compute_as(&m, 2), 0);
    assert_int_equal(graph_maker_compute_as(&m, 3), APIR_GRAPH_STATUS_ALLOC_FAILED);
    assert_int_equal(graph_maker_compute_as(&m, 3), 0); /* skipped until it was told */
    assert_int_equal(collect(&m), APIR_GRAPH_STATUS_ALLOC_FAILED);
    assert_int_equal(graph_maker_compute_as(&m, 1), 0); /* there is room again */
    assert_int_equal(graph_maker_recompute(&m, m.stream, 1), 0);
    assert_int_equal(graph_maker_recompute(&m, m.stream, 2), -ENOENT);
    graph_maker_close(&m);
}

static void graph_that_can_never_fit_is_a_full_device(void **state)
{
    (void)state;
    for (uint64_t limit = 1; limit < 40000; limit += 1000) { /* wherever it runs out */
        struct graph_maker m;
        graph_maker_open_limited(&m, &(struct apir_limits){.graph_memory = limit});
        graph_maker_add_chain(&m);
        int before = m.seen->graphs, ret = graph_maker_compute_as(&m, 1);
        assert_true(ret == APIR_GRAPH_STATUS_ALLOC_FAILED || (ret == 0 && limit > 1));
        assert_true(limit > 1 || m.seen->graphs == before);
        assert_int_equal(collect(&m), ret);
        assert_true(ret == 0 || graph_memory(&m) == 0);
        graph_maker_close(&m);
    }
}

static void graph_of_too_many_nodes_is_a_full_device(void **state)
{
    (void)state;
    struct graph_maker m;
    graph_maker_open_limited(&m, &(struct apir_limits){.graph_nodes = 1});
    graph_maker_add_chain(&m);
    assert_int_equal(graph_maker_compute(&m), APIR_GRAPH_STATUS_ALLOC_FAILED);
    assert_int_equal(collect(&m), APIR_GRAPH_STATUS_ALLOC_FAILED);
    m.n_nodes = 1;
    m.n_tensors = 3;
    assert_int_equal(graph_maker_compute(&m), 0);
    graph_maker_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_beyond_the_quota_is_a_full_device),
        cmocka_unit_test(smallest_buffer_counts_as_a_page),
        cmocka_unit_test(refused_sizes_charge_nothing),
        cmocka_unit_test(guest_is_told_what_it_can_have),
        cmocka_unit_test(what_the_device_has_not_is_not_promised),
        cmocka_unit_test(without_a_quota_the_device_is_asked),
        cmocka_unit_test(host_memory_is_not_given_twice),
        cmocka_unit_test(buffers_are_counted),
        cmocka_unit_test(backends_are_counted),
        cmocka_unit_test(memory_of_graphs_is_given_back),
        cmocka_unit_test(graph_beyond_the_quota_is_a_full_device),
        cmocka_unit_test(graph_that_can_never_fit_is_a_full_device),
        cmocka_unit_test(graph_of_too_many_nodes_is_a_full_device),
    };
    return cmocka_run_group_tests_name("quota", tests, NULL, NULL);
}
