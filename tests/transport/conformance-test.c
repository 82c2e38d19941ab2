/* What every transport must do, from handshake to graphs. APIR_CONFORMANCE selects: "loopback" (default), or "open" for
 * the door that the environment of the plug-in selects (a socket, or the virtio-gpu device inside a virtual machine). */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "apir-codec.h"
#include "util/arena.h"
#include "wire/cs.h"
#include "client/queue.h"
#include "client/session.h"
#include "support/host.h"
#include "support/numbering.h"

/* A session under test, with its host when that is in this process. */
struct fixture {
    bool loopback;
    struct test_host host;
    struct apir_log log;
    struct apir_session *session;
    struct apir_queue *control;
    struct test_numbering numbering;
};

static struct apir_transport *open_transport(struct fixture *f, char *reason, size_t size)
{
    const char *door = getenv("APIR_CONFORMANCE");
    f->loopback = !door || strcmp(door, "loopback") == 0;
    if (f->loopback)
        return apir_transport_socket_from_fd(test_host_start(&f->host));
    return apir_transport_open(&f->log, reason, size);
}

static void open_session(struct fixture *f)
{
    char reason[512] = "";
    f->log = (struct apir_log){
        .stream = getenv("APIR_TEST_DEBUG") ? stderr : NULL, .level = APIR_LOG_DEBUG, .prefix = "guest"};
    struct apir_transport *transport = open_transport(f, reason, sizeof reason);
    if (!transport)
        fail_msg("no transport: %s", reason);
    f->session = apir_session_open(transport, &f->log, reason, sizeof reason);
    if (!f->session)
        fail_msg("no session: %s", reason);
    f->control = apir_session_control(f->session);
}

static void close_session(struct fixture *f)
{
    apir_session_close(f->session);
    if (f->loopback)
        test_host_stop(&f->host);
}

static void open_ready(struct fixture *f, unsigned rotation)
{
    memset(f, 0, sizeof *f);
    f->numbering.rotation = rotation;
    open_session(f);
    assert_int_equal(test_negotiate(f->control, &f->numbering), 0);
}

static uint64_t alloc_buffer(struct fixture *f, uint64_t size)
{
    struct apir_buffer_alloc_args args = {.device = 0, .size = size};
    struct apir_buffer_alloc_reply reply;
    assert_int_equal(apir_call_buffer_alloc(f->control, NULL, &args, &reply), 0);
    assert_int_not_equal(reply.buffer, 0);
    assert_true(reply.size >= size);
    return reply.buffer;
}

static void set_bytes(struct fixture *f, const struct apir_tensor *tensor, const struct apir_shm *shm, const void *data,
                      uint64_t size)
{
    memcpy(shm->data, data, size);
    struct apir_tensor_set_args args = {.tensor = *tensor, .size = size, .shm = shm->id};
    assert_int_equal(apir_call_tensor_set(f->control, &args), 0);
    assert_int_equal(apir_queue_sync(f->control), 0);
}

static void get_bytes(struct fixture *f, const struct apir_tensor *tensor, const struct apir_shm *shm, void *data,
                      uint64_t size)
{
    memset(shm->data, 0xaa, size);
    struct apir_tensor_get_args args = {.tensor = *tensor, .size = size, .shm = shm->id};
    assert_int_equal(apir_call_tensor_get(f->control, &args), 0);
    assert_int_equal(apir_queue_sync(f->control), 0);
    memcpy(data, shm->data, size);
}

static void handshake_tells_versions(void **state)
{
    (void)state;
    struct fixture f = {0};
    open_session(&f);
    uint32_t major, minor;
    apir_session_host_version(f.session, &major, &minor);
    assert_int_equal(major, APIR_PROTOCOL_MAJOR);
    assert_int_equal(minor, APIR_PROTOCOL_MINOR);
    assert_int_equal(apir_session_error(f.session), 0);
    close_session(&f);
}

static void library_and_devices_are_described(void **state)
{
    (void)state;
    struct fixture f;
    open_ready(&f, 0);
    struct apir_arena arena = {0};
    struct apir_load_library_reply library;
    assert_int_equal(apir_call_load_library(f.control, &arena, &library), 0);
    assert_int_equal(library.status, APIR_LOAD_STATUS_OK);
    assert_true(library.devices >= 1);
    assert_string_not_equal(library.library, "");
    struct apir_device_get_info_args args = {.device = 0};
    struct apir_device_get_info_reply device;
    assert_int_equal(apir_call_device_get_info(f.control, &arena, &args, &device), 0);
    assert_string_not_equal(device.info.name, "");
    assert_int_equal(device.info.alignment & (device.info.alignment - 1), 0);
    assert_true(device.info.buffer_types & 1);
    struct apir_device_get_memory_args which = {.device = 0};
    struct apir_device_get_memory_reply memory;
    assert_int_equal(apir_call_device_get_memory(f.control, NULL, &which, &memory), 0);
    assert_true(memory.total > 0 && memory.free <= memory.total);
    apir_arena_finish(&arena);
    close_session(&f);
}

static void data_comes_back_as_it_went(void **state)
{
    (void)state;
    struct fixture f;
    open_ready(&f, 0);
    static const uint64_t sizes[] = {4, 64, 4096, 1000004, 16 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct apir_shm shm;
        assert_int_equal(apir_session_shm_create(f.session, sizes[i], &shm), 0);
        struct apir_tensor tensor = test_tensor(&f.numbering, GGML_TYPE_F32, sizes[i] / 4, 1);
        tensor.buffer = alloc_buffer(&f, sizes[i]);
        unsigned char *out = malloc(sizes[i]), *in = malloc(sizes[i]);
        for (uint64_t k = 0; k < sizes[i]; k++)
            out[k] = (unsigned char)(k * 7 + k / 251);
        set_bytes(&f, &tensor, &shm, out, sizes[i]);
        get_bytes(&f, &tensor, &shm, in, sizes[i]);
        assert_memory_equal(in, out, sizes[i]);
        free(out);
        free(in);
        struct apir_buffer_free_args args = {.buffer = tensor.buffer};
        assert_int_equal(apir_call_buffer_free(f.control, &args), 0);
        apir_session_shm_destroy(f.session, &shm);
    }
    close_session(&f);
}

static void fill_calls_fill(void **state)
{
    (void)state;
    struct fixture f;
    open_ready(&f, 0);
    struct apir_shm shm;
    assert_int_equal(apir_session_shm_create(f.session, 4096, &shm), 0);
    struct apir_tensor tensor = test_tensor(&f.numbering, GGML_TYPE_F32, 16, 1);
    tensor.buffer = alloc_buffer(&f, 4096);
    struct apir_buffer_clear_args clear = {.buffer = tensor.buffer, .value = 0x11};
    assert_int_equal(apir_call_buffer_clear(f.control, &clear), 0);
    struct apir_tensor_memset_args set = {.tensor = tensor, .value = 0x22, .offset = 8, .size = 4};
    assert_int_equal(apir_call_tensor_memset(f.control, &set), 0);
    unsigned char bytes[64];
    get_bytes(&f, &tensor, &shm, bytes, sizeof bytes);
    for (unsigned i = 0; i < sizeof bytes; i++)
        assert_int_equal(bytes[i], i >= 8 && i < 12 ? 0x22 : 0x11);
    apir_session_shm_destroy(f.session, &shm);
    close_session(&f);
}

static void rows_go_to_their_places(void **state)
{
    (void)state;
    struct fixture f;
    open_ready(&f, 0);
    struct apir_shm shm;
    assert_int_equal(apir_session_shm_create(f.session, 4096, &shm), 0);
    struct apir_tensor tensor = test_tensor(&f.numbering, GGML_TYPE_F32, 4, 4);
    tensor.buffer = alloc_buffer(&f, 64);
    struct apir_buffer_clear_args clear = {.buffer = tensor.buffer};
    assert_int_equal(apir_call_buffer_clear(f.control, &clear), 0);
    for (int i = 0; i < 8; i++)
        ((uint32_t *)shm.data)[i] = (uint32_t)i + 1;
    struct apir_tensor_set_2d_args set = {
        .tensor = tensor, .offset = 4, .size = 8, .copies = 4, .stride = 16, .shm = shm.id};
    assert_int_equal(apir_call_tensor_set_2d(f.control, &set), 0);
    assert_int_equal(apir_queue_sync(f.control), 0);
    uint32_t all[16];
    get_bytes(&f, &tensor, &shm, all, sizeof all);
    for (uint32_t i = 0; i < 16; i++)
        assert_int_equal(all[i], i % 4 == 1 ? i / 4 * 2 + 1 : i % 4 == 2 ? i / 4 * 2 + 2 : 0);
    memset(shm.data, 0, 64);
    struct apir_tensor_get_2d_args get = {
        .tensor = tensor, .offset = 4, .size = 8, .copies = 4, .stride = 16, .shm = shm.id};
    assert_int_equal(apir_call_tensor_get_2d(f.control, &get), 0);
    assert_int_equal(apir_queue_sync(f.control), 0);
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(((uint32_t *)shm.data)[i], i + 1);
    apir_session_shm_destroy(f.session, &shm);
    close_session(&f);
}

static void tensors_copy_between_buffers(void **state)
{
    (void)state;
    struct fixture f;
    open_ready(&f, 0);
    struct apir_shm shm;
    assert_int_equal(apir_session_shm_create(f.session, 4096, &shm), 0);
    struct apir_tensor a = test_tensor(&f.numbering, GGML_TYPE_F32, 8, 1), b = a;
    a.buffer = alloc_buffer(&f, 4096);
    b.buffer = alloc_buffer(&f, 4096);
    b.offset = 256;
    const char text[32] = "bytes that are copied";
    char back[32];
    set_bytes(&f, &a, &shm, text, sizeof text);
    struct apir_tensor_copy_args args = {.source = a, .destination = b};
    struct apir_tensor_copy_reply reply;
    assert_int_equal(apir_call_tensor_copy(f.control, NULL, &args, &reply), 0);
    assert_true(reply.done);
    get_bytes(&f, &b, &shm, back, sizeof back);
    assert_memory_equal(back, text, sizeof text);
    apir_session_shm_destroy(f.session, &shm);
    close_session(&f);
}

static void shared_memory_is_a_buffer(void **state)
{
    (void)state;
    struct fixture f;
    open_ready(&f, 0);
    struct apir_shm memory, shm;
    assert_int_equal(apir_session_shm_create(f.session, 8192, &memory), 0);
    assert_int_equal(apir_session_shm_create(f.session, 4096, &shm), 0);
    struct apir_buffer_from_shm_args args = {
        .shm = memory.id, .shm_offset = 4096, .size = 4096, .max_tensor_size = 64};
    struct apir_buffer_from_shm_reply reply;
    assert_int_equal(apir_call_buffer_from_shm(f.control, NULL, &args, &reply), 0);
    if (reply.buffer) { /* not every device can */
        struct apir_tensor tensor = test_tensor(&f.numbering, GGML_TYPE_F32, 4, 1);
        assert_int_equal(reply.size, 4096);
        tensor.buffer = reply.buffer;
        tensor.offset = 128;
        set_bytes(&f, &tensor, &shm, "0123456789abcdef", 16);
        assert_memory_equal((char *)memory.data + 4096 + 128, "0123456789abcdef", 16);
        struct apir_buffer_free_args which = {.buffer = reply.buffer};
        assert_int_equal(apir_call_buffer_free(f.control, &which), 0);
    }
    apir_session_shm_destroy(f.session, &memory);
    apir_session_shm_destroy(f.session, &shm);
    close_session(&f);
}

static void too_large_a_buffer_is_a_result(void **state)
{
    (void)state;
    struct fixture f;
    open_ready(&f, 0);
    struct apir_buffer_alloc_args args = {.device = 0, .size = UINT64_C(1) << 47};
    struct apir_buffer_alloc_reply reply;
    assert_int_equal(apir_call_buffer_alloc(f.control, NULL, &args, &reply), 0);
    assert_int_equal(reply.buffer, 0);
    assert_int_equal(apir_session_error(f.session), 0);
    close_session(&f);
}

/* A stream with its queue, two inputs and a result of 16 floats. */
struct adder {
    struct fixture *f;
    struct apir_queue *queue;
    uint64_t stream;
    struct apir_tensor tensors[3];
    struct apir_shm graph, data;
    uint32_t number; /* under which the host keeps the graph; 0: it does not */
    bool is_kept;
};

static void adder_open(struct adder *adder, struct fixture *f)
{
    adder->f = f;
    adder->queue = apir_queue_open(f->session);
    assert_non_null(adder->queue);
    struct apir_stream_create_args args = {.device = 0};
    struct apir_stream_create_reply reply;
    assert_int_equal(apir_call_stream_create(adder->queue, NULL, &args, &reply), 0);
    assert_int_not_equal(reply.stream, 0);
    adder->stream = reply.stream;
    uint64_t buffer = alloc_buffer(f, 4096);
    for (int i = 0; i < 3; i++) {
        adder->tensors[i] = test_tensor(&f->numbering, GGML_TYPE_F32, 16, 1);
        adder->tensors[i].buffer = buffer;
        adder->tensors[i].offset = 256 * (uint64_t)i;
    }
    assert_int_equal(apir_session_shm_create(f->session, 8192, &adder->graph), 0);
    assert_int_equal(apir_session_shm_create(f->session, 4096, &adder->data), 0);
}

static void adder_close(struct adder *adder)
{
    struct apir_stream_destroy_args args = {.stream = adder->stream};
    assert_int_equal(apir_call_stream_destroy(adder->queue, &args), 0);
    apir_queue_close(adder->queue);
    apir_session_shm_destroy(adder->f->session, &adder->graph);
    apir_session_shm_destroy(adder->f->session, &adder->data);
}

/* Has the host compute the graph; with a number it keeps it, and is sent only that when it has it. */
static int adder_compute(struct adder *adder)
{
    static const uint32_t src[] = {1, 2}, nodes[] = {2};
    adder->tensors[2].op = test_op(&adder->f->numbering, GGML_OP_ADD);
    adder->tensors[2].src = src;
    adder->tensors[2].n_src = 2;
    adder->tensors[2].flags = 16; /* GGML_TENSOR_FLAG_COMPUTE */
    struct apir_graph graph = {.tensors = adder->tensors, .n_tensors = 3, .nodes = nodes, .n_nodes = 1};
    struct apir_enc enc;
    apir_enc_init(&enc, adder->graph.data, adder->graph.size);
    apir_encode_graph(&enc, &graph);
    struct apir_graph_compute_args args = {
        .stream = adder->stream, .shm = adder->graph.id, .size = apir_enc_used(&enc), .graph = adder->number};
    struct apir_graph_recompute_args again = {.stream = adder->stream, .graph = adder->number};
    int ret = adder->is_kept ? apir_call_graph_recompute(adder->queue, &again)
                             : apir_call_graph_compute(adder->queue, &args);
    if (ret == 0)
        ret = apir_queue_sync(adder->queue);
    if (ret < 0)
        return ret;
    return apir_queue_failed(adder->queue) ? -EIO : 0;
}

/* Adds on the host; the number of wrong elements, or -errno. */
static int adder_run(struct adder *adder, float a, float b)
{
    struct fixture *f = adder->f;
    float in[2][16], out[16];
    for (int i = 0; i < 16; i++) {
        in[0][i] = a + (float)i;
        in[1][i] = b;
    }
    for (int i = 0; i < 2; i++) {
        memcpy(adder->data.data, in[i], sizeof in[i]);
        struct apir_tensor_set_args set = {.tensor = adder->tensors[i], .size = 64, .shm = adder->data.id};
        int ret = apir_call_tensor_set(f->control, &set);
        if (ret == 0)
            ret = apir_queue_sync(f->control);
        if (ret < 0)
            return ret;
    }
    int ret = adder_compute(adder);
    if (ret < 0)
        return ret;
    struct apir_tensor_get_args get = {.tensor = adder->tensors[2], .size = 64, .shm = adder->data.id};
    ret = apir_call_tensor_get(f->control, &get);
    if (ret == 0)
        ret = apir_queue_sync(f->control);
    if (ret < 0)
        return ret;
    memcpy(out, adder->data.data, sizeof out);
    int wrong = 0;
    for (int i = 0; i < 16; i++)
        wrong += out[i] < a + (float)i + b || out[i] > a + (float)i + b;
    return wrong;
}

static void graph_is_computed(void **state)
{
    (void)state;
    struct fixture f;
    open_ready(&f, 0);
    struct adder adder = {0};
    adder_open(&adder, &f);
    assert_int_equal(adder_run(&adder, 1, 2), 0);
    assert_int_equal(adder_run(&adder, -3, 0.5f), 0);
    struct apir_session_get_stats_reply stats;
    assert_int_equal(apir_call_session_get_stats(f.control, NULL, &stats), 0);
    assert_int_equal(stats.graphs, 2);
    assert_int_equal(stats.nodes, 2);
    adder_close(&adder);
    close_session(&f);
}

static void kept_graph_is_computed_with_new_data(void **state)
{
    (void)state;
    struct fixture f;
    open_ready(&f, 0);
    struct adder adder = {0};
    adder_open(&adder, &f);
    adder.number = 7;
    assert_int_equal(adder_run(&adder, 1, 2), 0);
    adder.is_kept = true;
    memset(adder.graph.data, 0xff, 64);
    for (int i = 0; i < 10; i++)
        assert_int_equal(adder_run(&adder, (float)i, 0.5f), 0);
    adder_close(&adder);
    close_session(&f);
}

static void other_numbering_computes_the_same(void **state)
{
    (void)state;
    struct fixture f;
    open_ready(&f, 17);
    struct adder adder = {0};
    adder_open(&adder, &f);
    assert_int_equal(adder_run(&adder, 1, 2), 0);
    adder_close(&adder);
    close_session(&f);
}

static void *run_many(void *data)
{
    struct adder *adder = data;
    long wrong = 0;
    for (int i = 0; i < 50 && wrong == 0; i++)
        wrong = adder_run(adder, (float)i, 1);
    return (void *)wrong;
}

static void streams_run_side_by_side(void **state)
{
    (void)state;
    enum { STREAMS = 4 };
    struct fixture f;
    open_ready(&f, 0);
    struct adder adders[STREAMS] = {0};
    pthread_t threads[STREAMS];
    for (int i = 0; i < STREAMS; i++)
        adder_open(&adders[i], &f);
    for (int i = 0; i < STREAMS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_many, &adders[i]), 0);
    for (int i = 0; i < STREAMS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    for (int i = 0; i < STREAMS; i++)
        adder_close(&adders[i]);
    close_session(&f);
}

static void sessions_are_apart(void **state)
{
    (void)state;
    struct fixture one, other;
    open_ready(&one, 0);
    open_ready(&other, 0);
    struct adder a = {0}, b = {0};
    adder_open(&a, &one);
    adder_open(&b, &other);
    assert_int_equal(adder_run(&a, 1, 2), 0);
    assert_int_equal(adder_run(&b, 3, 4), 0);
    adder_close(&a);
    close_session(&one);
    assert_int_equal(adder_run(&b, 5, 6), 0);
    adder_close(&b);
    close_session(&other);
}

static void shared_memory_is_reused_and_zeroed(void **state)
{
    (void)state;
    struct fixture f = {0};
    open_session(&f);
    for (int i = 0; i < 100; i++) {
        struct apir_shm shm;
        assert_int_equal(apir_session_shm_create(f.session, 65536, &shm), 0);
        for (uint64_t k = 0; k < shm.size; k++)
            assert_int_equal(((unsigned char *)shm.data)[k], 0);
        memset(shm.data, 0x5a, shm.size);
        apir_session_shm_destroy(f.session, &shm);
    }
    close_session(&f);
}

static void queue_numbers_are_reused(void **state)
{
    (void)state;
    struct fixture f = {0};
    open_session(&f);
    for (int i = 0; i < 20; i++) {
        struct apir_queue *queue = apir_queue_open(f.session);
        assert_non_null(queue);
        assert_int_equal(apir_queue_id(queue), 1);
        struct apir_session_get_stats_reply stats;
        assert_int_equal(apir_call_session_get_stats(queue, NULL, &stats), 0);
        apir_queue_close(queue);
    }
    close_session(&f);
}

static void stale_handle_ends_the_session(void **state)
{
    (void)state;
    struct fixture f;
    open_ready(&f, 0);
    struct apir_buffer_free_args args = {.buffer = alloc_buffer(&f, 64)};
    assert_int_equal(apir_call_buffer_free(f.control, &args), 0);
    assert_int_equal(apir_call_buffer_free(f.control, &args), 0); /* nobody waits */
    assert_int_equal(apir_queue_sync(f.control), -ENOENT);
    assert_int_equal(apir_session_error(f.session), -ENOENT);
    struct apir_session_get_stats_reply stats;
    assert_int_equal(apir_call_session_get_stats(f.control, NULL, &stats), -ENOENT);
    close_session(&f);
}

static void forked_child_has_no_session(void **state)
{
    (void)state;
    struct fixture f;
    open_ready(&f, 0);
    pid_t child = fork();
    if (child == 0) {
        struct apir_session_get_stats_reply stats;
        _exit(apir_call_session_get_stats(f.control, NULL, &stats) == -EOWNERDEAD ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    struct apir_session_get_stats_reply stats;
    assert_int_equal(apir_call_session_get_stats(f.control, NULL, &stats), 0);
    close_session(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake_tells_versions),
        cmocka_unit_test(library_and_devices_are_described),
        cmocka_unit_test(data_comes_back_as_it_went),
        cmocka_unit_test(fill_calls_fill),
        cmocka_unit_test(rows_go_to_their_places),
        cmocka_unit_test(tensors_copy_between_buffers),
        cmocka_unit_test(shared_memory_is_a_buffer),
        cmocka_unit_test(too_large_a_buffer_is_a_result),
        cmocka_unit_test(graph_is_computed),
        cmocka_unit_test(kept_graph_is_computed_with_new_data),
        cmocka_unit_test(other_numbering_computes_the_same),
        cmocka_unit_test(streams_run_side_by_side),
        cmocka_unit_test(sessions_are_apart),
        cmocka_unit_test(shared_memory_is_reused_and_zeroed),
        cmocka_unit_test(queue_numbers_are_reused),
        cmocka_unit_test(stale_handle_ends_the_session),
        cmocka_unit_test(forked_child_has_no_session),
    };
    return cmocka_run_group_tests_name("conformance", tests, NULL, NULL);
}
