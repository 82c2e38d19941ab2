/* A program whose host gives it no more than a share: it is told so as by a device that is full, and goes on. In apir's own
 * protocol, or in that of deployed hosts when the program is built with PROTOCOL. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka-all.h"
#include "plugin.h"

enum {
    MIB = 1024 * 1024,
    NODES = 8,
    HOST_BUFFERS = 700, /* more than all shared memory is */
};

#ifndef PROTOCOL
#define PROTOCOL "1"
#define HAS_OWN_PROTOCOL
#endif

static struct daemon host;

static int start_host(void **state)
{
    static const char *const options[] = {"--max-memory",        "64M", "--max-buffers",     "8",
                                          "--max-queues",        "3",   "--max-graph-nodes", "8",
                                          "--max-shared-memory", "2M",  "--client-memory",   "96M",
                                          NULL};
    (void)state;
    setenv("GGML_VIRTGPU_PROTOCOL", PROTOCOL, 1);
    return daemon_start_options(&host, "cpu", options);
}

static int stop_host(void **state)
{
    (void)state;
    daemon_stop(&host);
    return 0;
}

static ggml_backend_buffer_t alloc(ggml_backend_dev_t device, size_t size)
{
    return ggml_backend_buft_alloc_buffer(ggml_backend_dev_buffer_type(device), size);
}

static size_t free_memory(ggml_backend_dev_t device)
{
    size_t free_bytes, total;
    ggml_backend_dev_memory(device, &free_bytes, &total);
    require(total <= 64 * MIB && free_bytes <= total, "no more is promised than there is");
    return free_bytes;
}

static void take_all_memory(void *data)
{
    (void)data;
    ggml_backend_dev_t device = load_device();
    size_t before = free_memory(device);
    require(alloc(device, 65 * MIB) == NULL, "more than all");
    ggml_backend_buffer_t most = alloc(device, 60 * MIB);
    require(most != NULL, "most of it");
    require(free_memory(device) == before - ggml_backend_buffer_get_size(most), "it is told what is left");
    require(alloc(device, 5 * MIB) == NULL, "more than is left");
    ggml_backend_buffer_free(most);
    most = alloc(device, 60 * MIB);
    require(most != NULL, "once more");
    ggml_backend_buffer_free(most);
}

static void memory_is_given_up_to_the_quota(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, take_all_memory, NULL, NULL, 0));
}

/* Takes memory, says so, and keeps it until the other end of the pipe is closed. */
static void take_and_wait(void *data)
{
    const int *pipes = data; /* ready for reading and writing, the end for reading and writing */
    char byte = 1;
    static ggml_backend_buffer_t volatile left_behind; /* kept to the end: for valgrind it is no leak */
    left_behind = alloc(load_device(), 60 * MIB);
    require(left_behind != NULL, "the first of two programs");
    require(write(pipes[1], &byte, 1) == 1, "to tell it");
    require(read(pipes[2], &byte, 1) == 0, "to wait"); /* it ends without freeing anything */
}

static void take_what_is_left(void *data)
{
    const int *pipes = data;
    char byte;
    ggml_backend_dev_t device = load_device();
    require(read(pipes[0], &byte, 1) == 1, "the other has its memory");
    require(free_memory(device) == 36 * MIB, "it is told what is left");
    require(alloc(device, 40 * MIB) == NULL, "more than is left of both");
    ggml_backend_buffer_t buffer = alloc(device, 36 * MIB);
    require(buffer != NULL, "what is left");
    ggml_backend_buffer_free(buffer);
}

static void take_again(void *data)
{
    (void)data;
    ggml_backend_dev_t device = load_device();
    for (int i = 0; i < 1000 && free_memory(device) < 60 * MIB; i++) /* its worker has to end first */
        usleep(5000);
    ggml_backend_buffer_t buffer = alloc(device, 60 * MIB);
    require(buffer != NULL, "what a program has left behind");
    ggml_backend_buffer_free(buffer);
}

static void contexts_of_a_client_share_its_memory(void **state)
{
    (void)state;
    int pipes[4];
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(pipe(pipes + 2), 0);
    pid_t other = fork();
    if (other == 0) {
        close(pipes[3]);
        _exit(in_child(host.socket, take_and_wait, pipes, NULL, 0) ? 0 : 1);
    }
    assert_true(in_child(host.socket, take_what_is_left, pipes, NULL, 0));
    int status = 1;
    close(pipes[3]);
    assert_int_equal(waitpid(other, &status, 0), other);
    assert_int_equal(status, 0);
    assert_true(in_child(host.socket, take_again, NULL, NULL, 0));
    for (int i = 0; i < 3; i++)
        close(pipes[i]);
}

static void take_all_buffers(void *data)
{
    (void)data;
    ggml_backend_dev_t device = load_device();
    ggml_backend_buffer_t buffers[8];
    for (int i = 0; i < 8; i++) {
        buffers[i] = alloc(device, 64);
        require(buffers[i] != NULL, "a buffer");
    }
    require(alloc(device, 64) == NULL, "one too many");
    ggml_backend_buffer_free(buffers[3]);
    buffers[3] = alloc(device, 64);
    require(buffers[3] != NULL, "another");
    for (int i = 0; i < 8; i++)
        ggml_backend_buffer_free(buffers[i]);
}

static void buffers_are_given_up_to_the_quota(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, take_all_buffers, NULL, NULL, 0));
}

/* a + 1 + 1 ... in n nodes. */
static enum ggml_status count_up(ggml_backend_t backend, int n, float *result)
{
    struct ggml_context *ctx = ggml_init((struct ggml_init_params){.mem_size = 1 << 20, .no_alloc = true});
    struct ggml_tensor *one = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 1), *sum = one;
    struct ggml_cgraph *graph = ggml_new_graph(ctx);
    for (int i = 0; i < n; i++)
        sum = ggml_add(ctx, sum, one);
    ggml_build_forward_expand(graph, sum);
    ggml_backend_buffer_t buffer = ggml_backend_alloc_ctx_tensors(ctx, backend);
    require(buffer != NULL, "memory of a graph");
    const float value = 1;
    ggml_backend_tensor_set(one, &value, 0, sizeof value);
    enum ggml_status status = ggml_backend_graph_compute(backend, graph);
    if (status == GGML_STATUS_SUCCESS)
        ggml_backend_tensor_get(sum, result, 0, sizeof *result);
    ggml_backend_buffer_free(buffer);
    ggml_free(ctx);
    return status;
}

#ifdef HAS_OWN_PROTOCOL
static void take_all_backends(void *data)
{
    (void)data;
    ggml_backend_dev_t device = load_device();
    ggml_backend_t first = ggml_backend_dev_init(device, NULL), second = ggml_backend_dev_init(device, NULL);
    float result = 0;
    require(first && second, "two backends");
    for (int i = 0; i < 10; i++)
        require(ggml_backend_dev_init(device, NULL) == NULL, "a third");
    require(count_up(first, 2, &result) == GGML_STATUS_SUCCESS && result == 3.0f, "the first works");
    ggml_backend_free(first);
    first = ggml_backend_dev_init(device, NULL);
    require(first != NULL, "another");
    require(count_up(second, 3, &result) == GGML_STATUS_SUCCESS && result == 4.0f, "the second works");
    ggml_backend_free(first);
    ggml_backend_free(second);
}

static void backends_are_given_up_to_the_quota(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, take_all_backends, NULL, NULL, 0));
}
#endif

static void compute_too_much(void *data)
{
    (void)data;
    ggml_backend_t backend = ggml_backend_dev_init(load_device(), NULL);
    float result = 0;
    require(backend != NULL, "a backend");
    require(count_up(backend, NODES, &result) == GGML_STATUS_SUCCESS && result == NODES + 1, "as many as there may be");
    enum ggml_status status = count_up(backend, NODES + 1, &result);
    if (status == GGML_STATUS_SUCCESS)
        status = count_up(backend, 1, &result);
    require(status == GGML_STATUS_ALLOC_FAILED, "it, or the next one, tells that it was too much");
    require(count_up(backend, NODES, &result) == GGML_STATUS_SUCCESS && result == NODES + 1, "the one after is computed");
    ggml_backend_free(backend);
}

static void graph_of_too_many_nodes_is_a_full_device(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, compute_too_much, NULL, NULL, 0));
}

#ifdef HAS_OWN_PROTOCOL /* the other has one queue in this process, and staging memory or none */
/* Sets and gets data of a type, and rows of them. */
static void round_trip(ggml_backend_dev_t device, enum ggml_type type, size_t size)
{
    struct ggml_context *ctx = ggml_init((struct ggml_init_params){.mem_size = 1 << 20, .no_alloc = true});
    int64_t elements = (int64_t)(size / ggml_type_size(type)) * ggml_blck_size(type);
    struct ggml_tensor *tensor = ggml_new_tensor_1d(ctx, type, elements);
    ggml_backend_buffer_t buffer = ggml_backend_alloc_ctx_tensors_from_buft(ctx, ggml_backend_dev_buffer_type(device));
    require(buffer != NULL, "a buffer");
    unsigned char *sent = malloc(size), *got = malloc(size);
    size = ggml_nbytes(tensor);
    for (size_t i = 0; i < size; i++)
        sent[i] = (unsigned char)((i * 2654435761u + size) >> 13);
    ggml_backend_tensor_set(tensor, sent, 0, size);
    ggml_backend_tensor_get(tensor, got, 0, size);
    require(memcmp(sent, got, size) == 0, "data come back");
    memset(got, 0, size);
    ggml_backend_tensor_get_2d(tensor, got, 0, 100, size / 200, 200, 200);
    for (size_t i = 0; i < size / 200; i++)
        require(memcmp(sent + 200 * i, got + 200 * i, 100) == 0, "rows come back");
    free(sent);
    free(got);
    ggml_backend_buffer_free(buffer);
    ggml_free(ctx);
}

static void share_all_memory(void *data)
{
    (void)data;
    static ggml_backend_buffer_t buffers[HOST_BUFFERS];
    ggml_backend_dev_t device = load_device();
    ggml_backend_t backend = ggml_backend_dev_init(device, NULL);
    require(backend != NULL, "a backend");
    for (int i = 0; i < HOST_BUFFERS; i++) {
        buffers[i] = ggml_backend_buft_alloc_buffer(ggml_backend_dev_host_buffer_type(device), 4096);
        require(buffers[i] != NULL, "a host buffer, of ordinary memory if need be");
    }
    require(ggml_backend_dev_init(device, NULL) == NULL, "no memory for another queue");
    round_trip(device, GGML_TYPE_I8, 5 * MIB + 3);
    round_trip(device, GGML_TYPE_Q8_0, MIB);
    round_trip(device, GGML_TYPE_I8, 1);
    float result = 0;
    require(count_up(backend, 3, &result) == GGML_STATUS_ALLOC_FAILED, "no memory to describe a graph");
    for (int i = 0; i < HOST_BUFFERS; i++)
        ggml_backend_buffer_free(buffers[i]);
    require(count_up(backend, 3, &result) == GGML_STATUS_SUCCESS && result == 4.0f, "there is room again");
    ggml_backend_free(backend);
}

static void without_shared_memory_data_go_in_small_pieces(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, share_all_memory, NULL, NULL, 0));
}

static void share_much_memory(void *data)
{
    (void)data;
    ggml_backend_dev_t device = load_device();
    ggml_backend_t first = ggml_backend_dev_init(device, NULL);
    require(first != NULL, "a backend");
    round_trip(device, GGML_TYPE_I8, 5 * MIB); /* leaves 320 KiB of 2 MiB, and a queue takes 336 */
    ggml_backend_t second = ggml_backend_dev_init(device, NULL);
    require(second != NULL, "another");
    round_trip(device, GGML_TYPE_I8, 5 * MIB);
    float result = 0;
    require(count_up(second, 3, &result) == GGML_STATUS_SUCCESS && result == 4.0f, "it computes");
    ggml_backend_free(first);
    ggml_backend_free(second);
}

static void transfers_make_room_for_a_backend(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, share_much_memory, NULL, NULL, 0));
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_given_up_to_the_quota),
        cmocka_unit_test(contexts_of_a_client_share_its_memory),
        cmocka_unit_test(buffers_are_given_up_to_the_quota),
        cmocka_unit_test(graph_of_too_many_nodes_is_a_full_device),
#ifdef HAS_OWN_PROTOCOL
        cmocka_unit_test(backends_are_given_up_to_the_quota),
        cmocka_unit_test(transfers_make_room_for_a_backend),
        cmocka_unit_test(without_shared_memory_data_go_in_small_pieces),
#endif
    };
    return cmocka_run_group_tests_name("limits", tests, start_host, stop_host);
}
