/* The plug-in with a worker that runs ggml's CPU library: in apir's own protocol, or in that of deployed hosts when the
 * program is built with PROTOCOL. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka-all.h"
#include "plugin.h"

static struct daemon host;

#ifndef PROTOCOL
#define PROTOCOL "1"
#endif

static int start_host(void **state)
{
    (void)state;
    setenv("GGML_VIRTGPU_PROTOCOL", PROTOCOL, 1);
    return daemon_start(&host, true);
}

static int stop_host(void **state)
{
    (void)state;
    daemon_stop(&host);
    return 0;
}

static void exports_only_what_ggml_looks_up(void **state)
{
    (void)state;
    char line[256];
    int n = 0;
    FILE *names = popen("nm -D --defined-only --format=posix " PLUGIN, "r");
    assert_non_null(names);
    while (fgets(line, sizeof line, names)) {
        assert_true(strncmp(line, "ggml_backend_init ", 18) == 0 ||
                    strncmp(line, "ggml_backend_score ", 19) == 0);
        n++;
    }
    assert_int_equal(pclose(names), 0);
    assert_int_equal(n, 2);
}

static void needs_only_ggml_base_of_ggml(void **state)
{
    (void)state;
    char line[256];
    FILE *needed = popen("readelf -d " PLUGIN " | grep NEEDED | grep ggml", "r");
    assert_non_null(needed);
    assert_non_null(fgets(line, sizeof line, needed));
    assert_non_null(strstr(line, "libggml-base.so"));
    assert_null(fgets(line, sizeof line, needed));
    pclose(needed);
}

/* A context for tensors whose memory is on the device. */
static struct ggml_context *no_memory(void)
{
    return ggml_init((struct ggml_init_params){.mem_size = 1 << 20, .no_alloc = true});
}

static void fill(unsigned char *data, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)((i * 2654435761u + seed) >> 13);
}

static void describe_device(void *data)
{
    (void)data;
    ggml_backend_dev_t device = load_device();
    struct ggml_backend_dev_props props;
    ggml_backend_dev_get_props(device, &props);
    require(strcmp(props.name, "[virtgpu] CPU") == 0, "name");
    require(strcmp(ggml_backend_buft_name(ggml_backend_dev_buffer_type(device)), "[virtgpu] CPU") ==
                0,
            "name of the buffer type");
    require(*props.description != '\0', "description");
    require(props.type == GGML_BACKEND_DEVICE_TYPE_GPU, "a CPU of the host is announced as a GPU");
    require(props.memory_total > 0 && props.memory_free <= props.memory_total, "memory");
    require(props.caps.async && props.caps.events && props.caps.host_buffer &&
                !props.caps.buffer_from_host_ptr,
            "capabilities");
    require(strcmp(ggml_backend_reg_name(ggml_backend_dev_backend_reg(device)), "virtgpu") == 0,
            "registration");
    require(!ggml_backend_buft_is_host(ggml_backend_dev_buffer_type(device)), "not host memory");
}

static void device_is_described(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, describe_device, NULL, NULL, 0));
}

static void init_twice(void *data)
{
    (void)data;
    ggml_backend_reg_t reg = ggml_backend_load(PLUGIN);
    require(reg != NULL && ggml_backend_load(PLUGIN) == reg, "the same registration");
}

static void init_is_idempotent(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, init_twice, NULL, NULL, 0));
}

/* ggml opens a library for its score, closes it, and opens the best again. */
static void score_and_reopen(void *data)
{
    (void)data;
    void *library = dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL);
    require(library != NULL, "it can be opened");
    int (*score)(void);
    *(void **)&score = dlsym(library, "ggml_backend_score");
    require(score != NULL && score() > 0, "score");
    dlclose(library);
    load_device();
}

static void library_can_be_closed_after_its_score(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, score_and_reopen, NULL, NULL, 0));
}

static struct ggml_tensor *bytes_tensor(struct ggml_context *ctx, size_t size)
{
    return ggml_new_tensor_1d(ctx, GGML_TYPE_I8, (int64_t)size);
}

static void round_trip(ggml_backend_dev_t device, size_t size, size_t offset)
{
    struct ggml_context *ctx = no_memory();
    struct ggml_tensor *tensor = bytes_tensor(ctx, size + offset);
    ggml_backend_buffer_t buffer =
        ggml_backend_alloc_ctx_tensors_from_buft(ctx, ggml_backend_dev_buffer_type(device));
    require(buffer != NULL, "allocation");
    unsigned char *sent = malloc(size), *got = malloc(size + offset);
    fill(sent, size, (unsigned)size);
    ggml_backend_buffer_clear(buffer, 0x5a);
    ggml_backend_tensor_set(tensor, sent, offset, size);
    ggml_backend_tensor_get(tensor, got, 0, size + offset);
    for (size_t i = 0; i < offset; i++)
        require(got[i] == 0x5a, "bytes before are as they were");
    require(memcmp(got + offset, sent, size) == 0, "bytes come back");
    free(sent);
    free(got);
    ggml_backend_buffer_free(buffer);
    ggml_free(ctx);
}

static void round_trips(void *data)
{
    (void)data;
    static const size_t sizes[] = {1, 4095, 65535, 65536, 65537, 8 << 20, (8 << 20) + 1, 20 << 20};
    ggml_backend_dev_t device = load_device();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        round_trip(device, sizes[i], 0);
        round_trip(device, sizes[i], 77);
    }
}

static void data_of_any_size_come_back(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, round_trips, NULL, NULL, 0));
}

/* Rows of `size` bytes, `tensor_stride` apart in the tensor and `data_stride` in memory. */
static void rows(ggml_backend_dev_t device, size_t size, size_t n, size_t tensor_stride,
                 size_t data_stride)
{
    struct ggml_context *ctx = no_memory();
    size_t total = n * tensor_stride + 3;
    struct ggml_tensor *tensor = bytes_tensor(ctx, total);
    ggml_backend_buffer_t buffer =
        ggml_backend_alloc_ctx_tensors_from_buft(ctx, ggml_backend_dev_buffer_type(device));
    unsigned char *sent = malloc(n * data_stride), *got = calloc(n, data_stride),
                  *all = malloc(total);
    fill(sent, n * data_stride, 5);
    ggml_backend_buffer_clear(buffer, 0x11);
    ggml_backend_tensor_set_2d(tensor, sent, 3, size, n, tensor_stride, data_stride);
    ggml_backend_tensor_get_2d(tensor, got, 3, size, n, tensor_stride, data_stride);
    ggml_backend_tensor_get(tensor, all, 0, total);
    for (size_t i = 0; i < n; i++) {
        require(memcmp(got + i * data_stride, sent + i * data_stride, size) == 0, "rows come back");
        require(memcmp(all + 3 + i * tensor_stride, sent + i * data_stride, size) == 0,
                "rows are where they belong");
        require(size == tensor_stride || all[3 + i * tensor_stride + size] == 0x11,
                "bytes between are as they were");
        require(size == data_stride || got[i * data_stride + size] == 0,
                "memory between is as it was");
    }
    free(sent);
    free(got);
    free(all);
    ggml_backend_buffer_free(buffer);
    ggml_free(ctx);
}

static void all_rows(void *data)
{
    (void)data;
    ggml_backend_dev_t device = load_device();
    rows(device, 4, 5, 16, 8);
    rows(device, 100, 1000, 100, 128);
    rows(device, 3000, 7000, 3001, 3000);              /* 20 MB: several pieces */
    rows(device, 9 << 20, 2, (9 << 20) + 64, 9 << 20); /* a row alone needs two pieces */
}

static void rows_go_where_they_belong(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, all_rows, NULL, NULL, 0));
}

static void set_bytes(void *data)
{
    (void)data;
    struct ggml_context *ctx = no_memory();
    struct ggml_tensor *tensor = bytes_tensor(ctx, 256);
    struct ggml_tensor *view = ggml_view_1d(ctx, tensor, 64, 64);
    ggml_backend_buffer_t buffer =
        ggml_backend_alloc_ctx_tensors_from_buft(ctx, ggml_backend_dev_buffer_type(load_device()));
    unsigned char got[256];
    ggml_backend_buffer_clear(buffer, 1);
    ggml_backend_tensor_memset(tensor, 2, 10, 20);
    ggml_backend_tensor_memset(view, 3, 4, 8);
    ggml_backend_tensor_set(view, "views too", 32, 9);
    ggml_backend_tensor_get(tensor, got, 0, sizeof got);
    require(got[9] == 1 && got[10] == 2 && got[29] == 2 && got[30] == 1, "memset");
    require(got[67] == 1 && got[68] == 3 && got[75] == 3 && got[76] == 1, "memset of a view");
    require(memcmp(got + 96, "views too", 9) == 0, "set of a view");
    ggml_backend_buffer_free(buffer);
    ggml_free(ctx);
}

static void bytes_are_set_in_tensors_and_views(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, set_bytes, NULL, NULL, 0));
}

static void copy_tensors(void *data)
{
    (void)data;
    ggml_backend_buffer_type_t buft = ggml_backend_dev_buffer_type(load_device());
    struct ggml_context *ctx_a = no_memory(), *ctx_b = no_memory();
    struct ggml_tensor *a = bytes_tensor(ctx_a, 1000), *b = bytes_tensor(ctx_b, 1000);
    ggml_backend_buffer_t buffer_a = ggml_backend_alloc_ctx_tensors_from_buft(ctx_a, buft);
    ggml_backend_buffer_t buffer_b = ggml_backend_alloc_ctx_tensors_from_buft(ctx_b, buft);
    unsigned char sent[1000], got[1000];
    fill(sent, sizeof sent, 1);
    ggml_backend_tensor_set(a, sent, 0, sizeof sent);
    ggml_backend_tensor_copy(a, b);
    ggml_backend_tensor_get(b, got, 0, sizeof got);
    require(memcmp(sent, got, sizeof sent) == 0, "copy");
    ggml_backend_buffer_free(buffer_a);
    ggml_backend_buffer_free(buffer_b);
    ggml_free(ctx_a);
    ggml_free(ctx_b);
}

static void tensors_are_copied_between_buffers(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, copy_tensors, NULL, NULL, 0));
}

static void allocate_too_much(void *data)
{
    (void)data;
    ggml_backend_buffer_type_t buft = ggml_backend_dev_buffer_type(load_device());
    require(ggml_backend_buft_alloc_buffer(buft, (size_t)1 << 46) == NULL, "64 TiB are not there");
    require(ggml_backend_buft_alloc_buffer(buft, SIZE_MAX / 2) == NULL,
            "nor is more than the protocol can say");
    ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(buft, 4096);
    require(buffer != NULL, "after which the session still works");
    ggml_backend_buffer_free(buffer);
}

static void too_large_allocation_gives_null(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, allocate_too_much, NULL, NULL, 0));
}

enum {
    COLUMNS = 256,
    ROWS = 64,
};

/* Every kind of number that is negotiated: ops, sub-ops of both kinds, a quantized type; and a
 * cast, which ggml makes its own source. */
static enum ggml_status compute(ggml_backend_t backend, float result[ROWS])
{
    struct ggml_context *ctx = no_memory();
    struct ggml_tensor *weights = ggml_new_tensor_2d(ctx, GGML_TYPE_Q8_0, COLUMNS, ROWS);
    struct ggml_tensor *x = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, COLUMNS);
    struct ggml_tensor *rounded = ggml_cast(ctx, ggml_cast(ctx, x, GGML_TYPE_F16), GGML_TYPE_F32);
    struct ggml_tensor *y = ggml_mul_mat(ctx, weights, ggml_gelu(ctx, ggml_add(ctx, rounded, x)));
    struct ggml_tensor *z = ggml_swiglu_split(ctx, y, ggml_tanh(ctx, y));
    struct ggml_cgraph *cgraph = ggml_new_graph(ctx);
    ggml_build_forward_expand(cgraph, z);
    for (int i = 0; i < ggml_graph_n_nodes(cgraph); i++)
        require(ggml_backend_supports_op(backend, ggml_graph_node(cgraph, i)), "support of a node");
    ggml_backend_buffer_t buffer = ggml_backend_alloc_ctx_tensors(ctx, backend);
    require(buffer != NULL, "allocation of a graph");

    float values[COLUMNS * ROWS];
    for (int i = 0; i < COLUMNS * ROWS; i++)
        values[i] = (float)(i * 37 % 101) / 101.0f - 0.5f;
    unsigned char quantized[COLUMNS * ROWS * 2];
    ggml_quantize_chunk(GGML_TYPE_Q8_0, values, quantized, 0, ROWS, COLUMNS, NULL);
    ggml_backend_tensor_set(weights, quantized, 0, ggml_nbytes(weights));
    ggml_backend_tensor_set(x, values, 0, ggml_nbytes(x));
    enum ggml_status status = ggml_backend_graph_compute(backend, cgraph);
    ggml_backend_tensor_get(z, result, 0, ROWS * sizeof *result);
    ggml_backend_buffer_free(buffer);
    ggml_free(ctx);
    return status;
}

static void compute_once(void *data)
{
    ggml_backend_t backend = ggml_backend_dev_init(load_device(), NULL);
    require(backend != NULL, "backend");
    require(compute(backend, data) == GGML_STATUS_SUCCESS, "computation");
    ggml_backend_free(backend);
}

static void compute_shuffled(void *data)
{
    setenv("GGML_VIRTGPU_SHUFFLE", "20250101", 1);
    compute_once(data);
}

static void permuted_numbers_compute_the_same(void **state)
{
    (void)state;
    size_t size = 2 * ROWS * sizeof(float);
    float *results = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(in_child(host.socket, compute_once, results, NULL, 0));
    assert_true(in_child(host.socket, compute_shuffled, results + ROWS, NULL, 0));
    assert_memory_equal(results, results + ROWS, ROWS * sizeof *results);
    bool different = false;
    for (int i = 0; i < ROWS; i++)
        different = different || results[i] != 0.0f;
    assert_true(different);
    munmap(results, size);
}

static void compute_otherwise(void *data)
{
    setenv("GGML_VIRTGPU_PROTOCOL", *PROTOCOL == '0' ? "1" : "0", 1);
    compute_once(data);
}

static void both_protocols_compute_the_same(void **state)
{
    (void)state;
    size_t size = 2 * ROWS * sizeof(float);
    float *results = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(in_child(host.socket, compute_once, results, NULL, 0));
    assert_true(in_child(host.socket, compute_otherwise, results + ROWS, NULL, 0));
    assert_memory_equal(results, results + ROWS, ROWS * sizeof *results);
    munmap(results, size);
}

static void tell_protocol(void *data)
{
    (void)data;
    setenv("GGML_VIRTGPU_DEBUG", "1", 1);
    load_device();
}

static void protocol_is_the_one_that_was_asked_for(void **state)
{
    (void)state;
    char output[4096];
    assert_true(in_child(host.socket, tell_protocol, NULL, output, sizeof output));
    assert_non_null(strstr(output, *PROTOCOL == '0' ? "host is running with 0.2" : "host is running with 1.0"));
}

static void *compute_often(void *data)
{
    static const float zeros[ROWS];
    float first[ROWS], result[ROWS];
    ggml_backend_t backend = ggml_backend_dev_init(data, NULL);
    require(backend != NULL, "backend of a thread");
    require(compute(backend, first) == GGML_STATUS_SUCCESS, "computation on a thread");
    require(memcmp(first, zeros, sizeof first) != 0, "a result");
    for (int i = 0; i < 20; i++) {
        require(compute(backend, result) == GGML_STATUS_SUCCESS, "computation on a thread");
        require(memcmp(first, result, sizeof first) == 0, "the same result");
    }
    ggml_backend_free(backend);
    return NULL;
}

static void compute_on_threads(void *data)
{
    (void)data;
    pthread_t threads[4];
    ggml_backend_dev_t device = load_device();
    for (int i = 0; i < 4; i++)
        require(pthread_create(&threads[i], NULL, compute_often, device) == 0, "thread");
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

static void backends_compute_side_by_side(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, compute_on_threads, NULL, NULL, 0));
}

static void use_up_queues(void *data)
{
    (void)data;
    ggml_backend_t backends[80];
    ggml_backend_dev_t device = load_device();
    int n = 0;
    while (n < 80 && (backends[n] = ggml_backend_dev_init(device, NULL)))
        n++;
    require(n >= 32 && n < 80, "there is an end to backends");
    for (int i = 0; i < n; i++)
        ggml_backend_free(backends[i]);
    ggml_backend_t again = ggml_backend_dev_init(device, NULL);
    require(again != NULL, "freed ones can be had again");
    ggml_backend_free(again);
}

static void too_many_backends_give_null(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, use_up_queues, NULL, NULL, 0));
}

/* All that must fail cleanly once the session is gone. */
static void use_dead_session(ggml_backend_t backend, struct ggml_tensor *tensor)
{
    float result[ROWS];
    ggml_backend_dev_t device = ggml_backend_get_device(backend);
    unsigned char got[16] = "not overwritten";
    size_t free_bytes = 1, total = 1;
    ggml_backend_tensor_set(tensor, got, 0, sizeof got);
    ggml_backend_tensor_get(tensor, got, 0, sizeof got);
    for (size_t i = 0; i < sizeof got; i++)
        require(got[i] == 0, "get gives zeros");
    require(ggml_backend_buft_alloc_buffer(ggml_backend_dev_buffer_type(device), 4096) == NULL,
            "no buffer");
    require(ggml_backend_dev_init(device, NULL) == NULL, "no backend");
    ggml_backend_dev_memory(device, &free_bytes, &total);
    require(free_bytes == 0 && total == 0, "no memory");
    struct ggml_context *ctx = no_memory();
    struct ggml_tensor *sum = ggml_sqr(ctx, ggml_view_1d(ctx, tensor, 4, 0));
    sum->buffer = tensor->buffer;
    sum->data = tensor->data;
    require(!ggml_backend_dev_supports_op(device, sum), "no op");
    struct ggml_cgraph *cgraph = ggml_new_graph(ctx);
    ggml_build_forward_expand(cgraph, sum);
    require(ggml_backend_graph_compute(backend, cgraph) != GGML_STATUS_SUCCESS, "no computation");
    ggml_free(ctx);
    ggml_backend_buffer_reset(tensor->buffer);
    ggml_backend_buffer_clear(tensor->buffer, 0);
    (void)result;
}

static struct ggml_tensor *tensor_on(ggml_backend_t backend, struct ggml_context *ctx)
{
    struct ggml_tensor *tensor = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, ROWS);
    require(ggml_backend_alloc_ctx_tensors(ctx, backend) != NULL, "allocation");
    return tensor;
}

static void lose_worker(void *data)
{
    float result[ROWS];
    ggml_backend_t backend = ggml_backend_dev_init(load_device(), NULL);
    struct ggml_context *ctx = no_memory();
    struct ggml_tensor *tensor = tensor_on(backend, ctx);
    require(compute(backend, result) == GGML_STATUS_SUCCESS, "computation before");
    daemon_kill_workers(data);
    use_dead_session(backend, tensor);
    ggml_backend_buffer_free(tensor->buffer);
    ggml_backend_free(backend);
    ggml_free(ctx);
}

/* Else a program would compute on elsewhere, with zeros for what is lost. */
static void known_support_outlives_the_session(void *data)
{
    ggml_backend_dev_t device = load_device();
    struct ggml_context *ctx = no_memory();
    struct ggml_tensor *x = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, ROWS);
    struct ggml_tensor *known = ggml_sqr(ctx, x), *same = ggml_sqr(ctx, ggml_dup_tensor(ctx, x));
    struct ggml_tensor *unknown = ggml_sqrt(ctx, x);
    require(ggml_backend_dev_supports_op(device, known), "support before");
    daemon_kill_workers(data);
    require(!ggml_backend_dev_supports_op(device, unknown), "nothing new is supported");
    require(ggml_backend_dev_supports_op(device, known), "support of the same op");
    require(ggml_backend_dev_supports_op(device, same), "support of an op with the same signature");
    ggml_free(ctx);
}

static void lost_session_does_not_move_work_elsewhere(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, known_support_outlives_the_session, &host, NULL, 0));
}

enum {
    ASKING_THREADS = 4,
    ASKED_OPS = 300, /* each of another shape */
};

/* Every thread has tensors of its own, and all ask about the same shapes. */
static void *ask_all(void *data)
{
    ggml_backend_buffer_type_t buft = ggml_backend_dev_buffer_type(data);
    uintptr_t wrong = 0;
    for (int round = 0; round < 3; round++) {
        struct ggml_context *ctx = no_memory();
        for (int64_t i = 1; i <= ASKED_OPS; i++) {
            struct ggml_tensor *op = ggml_sqr(ctx, ggml_new_tensor_1d(ctx, GGML_TYPE_F32, i));
            wrong += !ggml_backend_dev_supports_op(data, op);
            wrong += ggml_backend_buft_get_alloc_size(buft, op) < (size_t)i * sizeof(float);
            wrong += ggml_backend_buft_get_alloc_size(buft, op) > (size_t)i * sizeof(float) + 1024;
        }
        ggml_free(ctx);
    }
    return (void *)wrong;
}

static void ask_from_threads(void *data)
{
    (void)data;
    pthread_t threads[ASKING_THREADS];
    ggml_backend_dev_t device = load_device();
    for (int i = 0; i < ASKING_THREADS; i++)
        require(pthread_create(&threads[i], NULL, ask_all, device) == 0, "thread");
    for (int i = 0; i < ASKING_THREADS; i++) {
        void *wrong;
        require(pthread_join(threads[i], &wrong) == 0 && wrong == NULL, "the host's answers");
    }
}

static void threads_may_ask_at_once(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, ask_from_threads, NULL, NULL, 0));
}

static void killed_worker_fails_cleanly_and_logs_one_line(void **state)
{
    (void)state;
    char output[2048];
    assert_true(in_child(host.socket, lose_worker, &host, output, sizeof output));
    const char *line = strstr(output, "ggml-virtgpu: ");
    assert_non_null(line);
    assert_null(strstr(line + 1, "ggml-virtgpu: "));
}

static void use_after_fork(void *data)
{
    (void)data;
    float result[ROWS];
    ggml_backend_t backend = ggml_backend_dev_init(load_device(), NULL);
    struct ggml_context *ctx = no_memory();
    struct ggml_tensor *tensor = tensor_on(backend, ctx);
    pid_t pid = fork();
    if (pid == 0) {
        use_dead_session(backend, tensor);
        ggml_backend_buffer_free(tensor->buffer);
        ggml_backend_free(backend);
        _exit(0);
    }
    int status;
    require(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0,
            "child");
    require(compute(backend, result) == GGML_STATUS_SUCCESS, "parent computes on");
    ggml_backend_buffer_free(tensor->buffer);
    ggml_backend_free(backend);
    ggml_free(ctx);
}

static void forked_child_fails_cleanly_and_parent_goes_on(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, use_after_fork, NULL, NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exports_only_what_ggml_looks_up),
        cmocka_unit_test(needs_only_ggml_base_of_ggml),
        cmocka_unit_test(device_is_described),
        cmocka_unit_test(init_is_idempotent),
        cmocka_unit_test(library_can_be_closed_after_its_score),
        cmocka_unit_test(data_of_any_size_come_back),
        cmocka_unit_test(rows_go_where_they_belong),
        cmocka_unit_test(bytes_are_set_in_tensors_and_views),
        cmocka_unit_test(tensors_are_copied_between_buffers),
        cmocka_unit_test(too_large_allocation_gives_null),
        cmocka_unit_test(permuted_numbers_compute_the_same),
        cmocka_unit_test(both_protocols_compute_the_same),
        cmocka_unit_test(protocol_is_the_one_that_was_asked_for),
        cmocka_unit_test(backends_compute_side_by_side),
        cmocka_unit_test(too_many_backends_give_null),
        cmocka_unit_test(killed_worker_fails_cleanly_and_logs_one_line),
        cmocka_unit_test(lost_session_does_not_move_work_elsewhere),
        cmocka_unit_test(threads_may_ask_at_once),
        cmocka_unit_test(forked_child_fails_cleanly_and_parent_goes_on),
    };
    return cmocka_run_group_tests(tests, start_host, stop_host);
}
