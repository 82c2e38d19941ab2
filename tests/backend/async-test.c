/* Work that is not waited for, through ggml's own functions: transfers, copies between backends, events, host buffers. In
 * apir's own protocol, or in that of deployed hosts when the program is built with PROTOCOL. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka-all.h"
#include "plugin.h"

enum {
    WIDTH = 64,
    MARK = 0x5a,
};

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

static struct ggml_context *no_memory(void)
{
    return ggml_init((struct ggml_init_params){.mem_size = 1 << 20, .no_alloc = true});
}

static void fill(unsigned char *data, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)((i * 2654435761u + seed) >> 13);
}

/* A device, and two backends of it. */
struct desk {
    ggml_backend_dev_t device;
    ggml_backend_t a, b;
    struct ggml_context *ctx; /* for tensors */
};

static struct desk open_desk(void)
{
    struct desk desk = {.device = load_device(), .ctx = no_memory()};
    desk.a = ggml_backend_dev_init(desk.device, NULL);
    desk.b = ggml_backend_dev_init(desk.device, NULL);
    require(desk.a && desk.b, "backends");
    return desk;
}

static void close_desk(struct desk *desk)
{
    ggml_backend_free(desk->a);
    ggml_backend_free(desk->b);
    ggml_free(desk->ctx);
}

static ggml_backend_buffer_t allocate(struct ggml_context *ctx, ggml_backend_t backend)
{
    ggml_backend_buffer_t buffer = ggml_backend_alloc_ctx_tensors(ctx, backend);
    require(buffer != NULL, "memory for tensors");
    return buffer;
}

static ggml_backend_buffer_t host_memory(ggml_backend_dev_t device, size_t size)
{
    ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(ggml_backend_dev_host_buffer_type(device), size);
    require(buffer && ggml_backend_buffer_is_host(buffer), "a host buffer");
    return buffer;
}

/* Both ends in memory of the application: sent, and got, which has room for offset more. */
static void round_trip(ggml_backend_t backend, unsigned char *sent, unsigned char *got, size_t size, size_t offset)
{
    struct ggml_context *ctx = no_memory();
    struct ggml_tensor *tensor = ggml_new_tensor_1d(ctx, GGML_TYPE_I8, (int64_t)(size + offset));
    ggml_backend_buffer_t buffer = allocate(ctx, backend);
    fill(sent, size, (unsigned)size);
    memset(got, 0, size + offset);
    ggml_backend_buffer_clear(buffer, MARK);
    ggml_backend_tensor_set_async(backend, tensor, sent, offset, size);
    ggml_backend_tensor_get_async(backend, tensor, got, 0, size + offset);
    ggml_backend_synchronize(backend);
    for (size_t i = 0; i < offset; i++)
        require(got[i] == MARK, "bytes before are as they were");
    require(memcmp(got + offset, sent, size) == 0, "bytes come back");
    ggml_backend_buffer_free(buffer);
    ggml_free(ctx);
}

static const size_t sizes[] = {1,     63,    64,    4095,      4096,          4097,          65535,           65536,
                               65537, 99999, 1 << 20, (1 << 20) + 1, (4 << 20) - 1, (4 << 20) + 63, (20 << 20) + 5};
enum {
    N_SIZES = sizeof sizes / sizeof *sizes,
    LARGEST = (20 << 20) + 200,
};

static void round_trips(void *data)
{
    (void)data;
    struct desk desk = open_desk();
    ggml_backend_buffer_t shared = host_memory(desk.device, 2 * (size_t)LARGEST);
    unsigned char *plain = malloc(2 * (size_t)LARGEST), *in_shared = ggml_backend_buffer_get_base(shared);
    for (size_t i = 0; i < N_SIZES; i++) {
        round_trip(desk.a, plain, plain + LARGEST, sizes[i], 0);
        round_trip(desk.a, plain, plain + LARGEST, sizes[i], 77);
        round_trip(desk.b, in_shared, in_shared + LARGEST, sizes[i], 0);
        round_trip(desk.b, in_shared + 3, in_shared + LARGEST + 1, sizes[i], 77);
        round_trip(desk.a, plain, in_shared + 5, sizes[i], 3);
        round_trip(desk.a, in_shared + 7, plain, sizes[i], 3);
    }
    free(plain);
    ggml_backend_buffer_free(shared);
    close_desk(&desk);
}

static void data_of_any_size_come_back(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, round_trips, NULL, NULL, 0));
}

/* Rows of size bytes, from and to `memory`, dense or data_stride apart there. */
static void rows(ggml_backend_t backend, unsigned char *memory, size_t size, size_t n, size_t tensor_stride, size_t data_stride)
{
    struct ggml_context *ctx = no_memory();
    struct ggml_tensor *tensor = ggml_new_tensor_1d(ctx, GGML_TYPE_I8, (int64_t)(n * tensor_stride + 3));
    ggml_backend_buffer_t buffer = allocate(ctx, backend);
    unsigned char *sent = memory, *got = memory + n * data_stride;
    fill(sent, n * data_stride, 5);
    memset(got, 0, n * data_stride);
    ggml_backend_buffer_clear(buffer, MARK);
    ggml_backend_tensor_set_2d_async(backend, tensor, sent, 3, size, n, tensor_stride, data_stride);
    ggml_backend_tensor_get_2d_async(backend, tensor, got, 3, size, n, tensor_stride, data_stride);
    ggml_backend_synchronize(backend);
    for (size_t i = 0; i < n; i++)
        require(memcmp(got + i * data_stride, sent + i * data_stride, size) == 0, "rows come back");
    require(size == data_stride || got[size] == 0, "memory between is as it was");
    unsigned char between = 0;
    if (size < tensor_stride)
        ggml_backend_tensor_get(tensor, &between, 3 + size, 1);
    require(size == tensor_stride || between == MARK, "the tensor between is as it was");
    ggml_backend_buffer_free(buffer);
    ggml_free(ctx);
}

static void all_rows(void *data)
{
    (void)data;
    struct desk desk = open_desk();
    ggml_backend_buffer_t shared = host_memory(desk.device, 40 << 20);
    unsigned char *plain = malloc(40 << 20), *memories[] = {plain, ggml_backend_buffer_get_base(shared)};
    for (int i = 0; i < 2; i++) {
        rows(desk.a, memories[i], 4, 5, 16, 8);
        rows(desk.a, memories[i], 100, 1000, 100, 128);
        rows(desk.a, memories[i], 3000, 6000, 3001, 3000); /* dense in memory */
        rows(desk.a, memories[i], 5 << 20, 2, (5 << 20) + 64, 5 << 20); /* a row is more than a piece */
        rows(desk.a, memories[i], 1, 1, 1, 1);
    }
    free(plain);
    ggml_backend_buffer_free(shared);
    close_desk(&desk);
}

static void rows_go_where_they_belong(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, all_rows, NULL, NULL, 0));
}

/* Blocks of quantized tensors, a view of one, and parts that are no whole blocks. */
static void move_quantized(void *data)
{
    (void)data;
    static const enum ggml_type types[] = {GGML_TYPE_Q8_0, GGML_TYPE_Q4_0, GGML_TYPE_Q6_K, GGML_TYPE_F16};
    struct desk desk = open_desk();
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        struct ggml_context *ctx = no_memory();
        struct ggml_tensor *tensor = ggml_new_tensor_2d(ctx, types[t], 4096, 500);
        struct ggml_tensor *view = ggml_view_2d(ctx, tensor, 4096, 100, tensor->nb[1], 7 * tensor->nb[1]);
        ggml_backend_buffer_t buffer = allocate(ctx, desk.a);
        size_t size = ggml_nbytes(tensor), half = size / 2 + 1;
        unsigned char *sent = malloc(size), *got = malloc(size);
        fill(sent, size, (unsigned)t);
        ggml_backend_tensor_set_async(desk.a, tensor, sent, 0, half);
        ggml_backend_tensor_set_async(desk.a, tensor, sent + half, half, size - half);
        ggml_backend_tensor_get_async(desk.a, tensor, got, 0, size);
        ggml_backend_synchronize(desk.a);
        require(memcmp(sent, got, size) == 0, "blocks come back");
        ggml_backend_tensor_set_async(desk.a, view, sent + 1, 0, ggml_nbytes(view)); /* nothing looks at the values */
        ggml_backend_tensor_get(tensor, got, 7 * tensor->nb[1], ggml_nbytes(view));
        require(memcmp(sent + 1, got, ggml_nbytes(view)) == 0, "a view is where it belongs");
        free(sent);
        free(got);
        ggml_backend_buffer_free(buffer);
        ggml_free(ctx);
    }
    close_desk(&desk);
}

static void quantized_tensors_and_views_come_back(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, move_quantized, NULL, NULL, 0));
}

/* More gets than a stream keeps under way. */
static void get_many(void *data)
{
    (void)data;
    enum { N = 200 };
    struct desk desk = open_desk();
    struct ggml_tensor *tensor = ggml_new_tensor_1d(desk.ctx, GGML_TYPE_I32, N);
    ggml_backend_buffer_t buffer = allocate(desk.ctx, desk.a), shared = host_memory(desk.device, N * sizeof(int32_t));
    int32_t *got = ggml_backend_buffer_get_base(shared);
    for (int32_t i = 0; i < N; i++) {
        int32_t value = 3 * i;
        ggml_backend_tensor_set_async(desk.a, tensor, &value, (size_t)i * sizeof value, sizeof value); /* is copied */
    }
    for (size_t i = 0; i < N; i++)
        ggml_backend_tensor_get_async(desk.a, tensor, got + i, i * sizeof *got, sizeof *got);
    ggml_backend_synchronize(desk.a);
    for (int32_t i = 0; i < N; i++)
        require(got[i] == 3 * i, "each value");
    ggml_backend_buffer_free(shared);
    ggml_backend_buffer_free(buffer);
    close_desk(&desk);
}

static void any_number_of_gets_may_be_under_way(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, get_many, NULL, NULL, 0));
}

/* to = from + 1, in the memory of `to`. */
static struct ggml_cgraph *add_one(struct ggml_context *ctx, struct ggml_tensor *from, struct ggml_tensor *one, struct ggml_tensor *to)
{
    struct ggml_cgraph *graph = ggml_new_graph_custom(ctx, 8, false);
    ggml_build_forward_expand(graph, ggml_cpy(ctx, ggml_add(ctx, from, one), to));
    return graph;
}

static void set_all(struct ggml_tensor *tensor, float value)
{
    float values[WIDTH];
    for (int i = 0; i < WIDTH; i++)
        values[i] = value;
    ggml_backend_tensor_set(tensor, values, 0, sizeof values);
}

static void expect_all(struct ggml_tensor *tensor, float value, const char *what)
{
    float values[WIDTH];
    ggml_backend_tensor_get(tensor, values, 0, sizeof values);
    for (int i = 0; i < WIDTH; i++)
        require(values[i] == value, what);
}

static void post(ggml_backend_t backend, struct ggml_cgraph *graph)
{
    require(ggml_backend_graph_compute_async(backend, graph) == GGML_STATUS_SUCCESS, "graph");
}

/* Two backends take turns with one value, by events; whoever comes too early or too late spoils it. */
static void take_turns(void *data)
{
    (void)data;
    enum { TURNS = 300 };
    struct desk desk = open_desk();
    struct ggml_tensor *x = ggml_new_tensor_1d(desk.ctx, GGML_TYPE_F32, WIDTH);
    struct ggml_tensor *y = ggml_new_tensor_1d(desk.ctx, GGML_TYPE_F32, WIDTH);
    struct ggml_tensor *one = ggml_new_tensor_1d(desk.ctx, GGML_TYPE_F32, WIDTH);
    struct ggml_cgraph *there = add_one(desk.ctx, x, one, y), *back = add_one(desk.ctx, y, one, x);
    ggml_backend_buffer_t buffer = allocate(desk.ctx, desk.a);
    ggml_backend_event_t from_a = ggml_backend_event_new(desk.device), from_b = ggml_backend_event_new(desk.device);
    ggml_backend_event_wait(desk.a, from_b); /* never recorded: nothing to wait for */
    ggml_backend_event_synchronize(from_b);
    set_all(x, 0);
    set_all(one, 1);
    for (int i = 0; i < TURNS; i++) {
        post(desk.a, there);
        ggml_backend_event_record(from_a, desk.a);
        ggml_backend_event_wait(desk.b, from_a);
        post(desk.b, back);
        ggml_backend_event_record(from_b, desk.b);
        ggml_backend_event_wait(desk.a, from_b);
    }
    ggml_backend_event_synchronize(from_b);
    expect_all(x, 2 * TURNS, "no turn was missed");
    ggml_backend_event_free(from_a);
    ggml_backend_event_free(from_b);
    ggml_backend_buffer_free(buffer);
    close_desk(&desk);
}

static void backends_take_turns_by_events(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, take_turns, NULL, NULL, 0));
}

/* a counts; each value is copied to b, which adds it up, while a counts on. */
static void pass_values_on(void *data)
{
    (void)data;
    enum { VALUES = 300 };
    struct desk desk = open_desk();
    struct ggml_context *other = no_memory();
    struct ggml_tensor *count = ggml_new_tensor_1d(desk.ctx, GGML_TYPE_F32, WIDTH);
    struct ggml_tensor *one = ggml_new_tensor_1d(desk.ctx, GGML_TYPE_F32, WIDTH);
    struct ggml_tensor *copy = ggml_new_tensor_1d(other, GGML_TYPE_F32, WIDTH);
    struct ggml_tensor *sum = ggml_new_tensor_1d(other, GGML_TYPE_F32, WIDTH);
    struct ggml_cgraph *step = add_one(desk.ctx, count, one, count), *add = add_one(other, sum, copy, sum);
    ggml_backend_buffer_t buffer = allocate(desk.ctx, desk.a), other_buffer = allocate(other, desk.b);
    ggml_backend_event_t used = ggml_backend_event_new(desk.device); /* b no longer needs the copy */
    set_all(count, 0);
    set_all(one, 1);
    set_all(sum, 0);
    for (int i = 0; i < VALUES; i++) {
        post(desk.a, step);
        ggml_backend_event_wait(desk.b, used);
        ggml_backend_tensor_copy_async(desk.a, desk.b, count, copy);
        post(desk.b, add);
        ggml_backend_event_record(used, desk.b);
    }
    ggml_backend_synchronize(desk.b);
    expect_all(sum, VALUES * (VALUES + 1) / 2, "each value was passed on once");
    ggml_backend_event_free(used);
    ggml_backend_buffer_free(buffer);
    ggml_backend_buffer_free(other_buffer);
    ggml_free(other);
    close_desk(&desk);
}

static void values_are_copied_from_backend_to_backend(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, pass_values_on, NULL, NULL, 0));
}

/* What ggml's functions without a backend do is between the graphs before and after. */
static void mix_with_buffer_calls(void *data)
{
    (void)data;
    struct desk desk = open_desk();
    struct ggml_tensor *x = ggml_new_tensor_1d(desk.ctx, GGML_TYPE_F32, WIDTH);
    struct ggml_tensor *y = ggml_new_tensor_1d(desk.ctx, GGML_TYPE_F32, WIDTH);
    struct ggml_tensor *one = ggml_new_tensor_1d(desk.ctx, GGML_TYPE_F32, WIDTH);
    struct ggml_cgraph *graph = add_one(desk.ctx, x, one, y);
    ggml_backend_buffer_t buffer = allocate(desk.ctx, desk.a);
    set_all(one, 1);
    for (int i = 0; i < 200; i++) {
        ggml_backend_t backend = i % 3 ? desk.a : desk.b;
        set_all(x, (float)i);
        post(backend, graph);
        ggml_backend_synchronize(backend);
        ggml_backend_tensor_memset(x, 0xff, 0, ggml_nbytes(x));
        expect_all(y, (float)i + 1, "a graph sees what was set before, and nothing later");
        ggml_backend_tensor_copy(y, x);
        ggml_backend_tensor_memset(y, 0, 0, ggml_nbytes(y));
        expect_all(x, (float)i + 1, "a copy, too");
    }
    ggml_backend_buffer_free(buffer);
    close_desk(&desk);
}

static void buffer_calls_are_in_order_with_graphs(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, mix_with_buffer_calls, NULL, NULL, 0));
}

static void free_host_memory(void *data)
{
    (void)data;
    enum { SIZE = 8 << 20 };
    struct desk desk = open_desk();
    struct ggml_tensor *tensor = ggml_new_tensor_1d(desk.ctx, GGML_TYPE_I8, SIZE);
    ggml_backend_buffer_t buffer = allocate(desk.ctx, desk.a);
    ggml_backend_buffer_clear(buffer, MARK);
    for (int i = 0; i < 20; i++) {
        ggml_backend_buffer_t shared = host_memory(desk.device, SIZE);
        ggml_backend_tensor_get_async(desk.a, tensor, ggml_backend_buffer_get_base(shared), 0, SIZE);
        ggml_backend_buffer_free(shared); /* without synchronize */
    }
    unsigned char got = 0;
    ggml_backend_tensor_get(tensor, &got, SIZE - 1, 1);
    require(got == MARK, "the session goes on");
    ggml_backend_buffer_free(buffer);
    close_desk(&desk);
}

static void host_memory_may_be_freed_with_gets_under_way(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, free_host_memory, NULL, NULL, 0));
}

/* Memory of a host buffer as memory of the device. */
static void compute_in_host_memory(void *data)
{
    (void)data;
    enum { SIZE = 1 << 20 };
    struct desk desk = open_desk();
    ggml_backend_buffer_t shared = host_memory(desk.device, SIZE);
    char *base = ggml_backend_buffer_get_base(shared), *plain = aligned_alloc(4096, SIZE);
    require(ggml_backend_dev_buffer_from_host_ptr(desk.device, plain, SIZE, SIZE) == NULL, "not other memory");
    require(ggml_backend_dev_buffer_from_host_ptr(desk.device, base + SIZE - 4096, 8192, 4096) == NULL, "not more than there is");
    ggml_backend_buffer_t buffer = ggml_backend_dev_buffer_from_host_ptr(desk.device, base, SIZE, SIZE);
    require(buffer && ggml_backend_buffer_get_base(buffer) == base, "a buffer in place");
    struct ggml_tensor *x = ggml_new_tensor_1d(desk.ctx, GGML_TYPE_F32, WIDTH), *y = ggml_sqr(desk.ctx, x);
    require(ggml_backend_tensor_alloc(buffer, x, base) == GGML_STATUS_SUCCESS, "a place");
    require(ggml_backend_tensor_alloc(buffer, y, base + 4096) == GGML_STATUS_SUCCESS, "a place");
    struct ggml_cgraph *graph = ggml_new_graph_custom(desk.ctx, 8, false);
    ggml_build_forward_expand(graph, y);
    for (int i = 0; i < WIDTH; i++)
        ((float *)(void *)base)[i] = (float)i;
    post(desk.a, graph);
    ggml_backend_synchronize(desk.a);
    for (int i = 0; i < WIDTH; i++)
        require(((float *)(void *)(base + 4096))[i] == (float)(i * i), "results are in the application's memory");
    ggml_backend_buffer_free(buffer);
    ggml_backend_buffer_free(shared);
    free(plain);
    close_desk(&desk);
}

static void host_memory_can_be_computed_in(void **state)
{
    (void)state;
    if (*PROTOCOL == '0')
        skip(); /* hosts of that protocol cannot */
    assert_true(in_child(host.socket, compute_in_host_memory, NULL, NULL, 0));
}

/* Weights of all threads. */
struct shared_weights {
    ggml_backend_dev_t device;
    struct ggml_tensor *weights;
};

static void *compute_with_shared_weights(void *data)
{
    const struct shared_weights *shared = data;
    ggml_backend_t backend = ggml_backend_dev_init(shared->device, NULL);
    struct ggml_context *ctx = no_memory();
    struct ggml_tensor *x = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, WIDTH);
    struct ggml_tensor *y = ggml_mul(ctx, x, shared->weights);
    struct ggml_cgraph *graph = ggml_new_graph_custom(ctx, 8, false);
    ggml_build_forward_expand(graph, y);
    ggml_backend_buffer_t buffer = allocate(ctx, backend);
    for (int i = 0; i < 300; i++) {
        set_all(x, (float)i);
        post(backend, graph);
        expect_all(y, 2 * (float)i, "the product");
        if (i % 50 == 0)
            expect_all(shared->weights, 2, "the weights");
    }
    ggml_backend_buffer_free(buffer);
    ggml_backend_free(backend);
    ggml_free(ctx);
    return NULL;
}

static void share_weights(void *data)
{
    (void)data;
    pthread_t threads[3];
    struct desk desk = open_desk();
    struct shared_weights shared = {.device = desk.device,
                                    .weights = ggml_new_tensor_1d(desk.ctx, GGML_TYPE_F32, WIDTH)};
    ggml_backend_buffer_t buffer = allocate(desk.ctx, desk.a);
    ggml_backend_buffer_set_usage(buffer, GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    set_all(shared.weights, 2);
    for (int i = 0; i < 3; i++)
        require(pthread_create(&threads[i], NULL, compute_with_shared_weights, &shared) == 0, "thread");
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    ggml_backend_buffer_free(buffer);
    close_desk(&desk);
}

static void threads_share_weights(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, share_weights, NULL, NULL, 0));
}

/* A get of a stream that is under way when something happens. */
struct underway {
    struct desk desk;
    ggml_backend_buffer_t buffer, shared;
    unsigned char *memory;
};

enum { UNDERWAY_SIZE = 1 << 20 };

static struct underway begin_get(void)
{
    struct underway u = {.desk = open_desk()};
    struct ggml_tensor *tensor = ggml_new_tensor_1d(u.desk.ctx, GGML_TYPE_I8, UNDERWAY_SIZE);
    u.buffer = allocate(u.desk.ctx, u.desk.a);
    u.shared = host_memory(u.desk.device, UNDERWAY_SIZE);
    u.memory = ggml_backend_buffer_get_base(u.shared);
    memset(u.memory, 1, UNDERWAY_SIZE);
    ggml_backend_buffer_clear(u.buffer, MARK);
    ggml_backend_tensor_get_async(u.desk.a, tensor, u.memory, 0, UNDERWAY_SIZE);
    return u;
}

static void lose_worker_and_synchronize(void *data)
{
    struct underway u = begin_get();
    daemon_kill_workers(data);
    ggml_backend_tensor_get_async(u.desk.b, ggml_get_first_tensor(u.desk.ctx), u.memory, 0, 16);
    ggml_backend_synchronize(u.desk.b);
    unsigned char got[16] = {MARK};
    while (got[0] != 0) /* until the session notices */
        ggml_backend_tensor_get(ggml_get_first_tensor(u.desk.ctx), got, 0, sizeof got);
    ggml_backend_synchronize(u.desk.a);
    const unsigned char rest = *PROTOCOL == '0' ? MARK : 0; /* that protocol has nothing under way */
    for (size_t i = 0; i < UNDERWAY_SIZE; i++)
        require(u.memory[i] == (i < 16 ? 0 : rest), "zeros");
    ggml_backend_buffer_free(u.shared);
    ggml_backend_buffer_free(u.buffer);
    close_desk(&u.desk);
}

static void lost_worker_leaves_zeros_of_gets_under_way(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, lose_worker_and_synchronize, &host, NULL, 0));
}

/* As a program does that ends after an error: its memory goes before its backend. */
static void lose_worker_and_free(void *data)
{
    struct underway u = begin_get();
    daemon_kill_workers(data);
    ggml_backend_buffer_free(u.shared);
    ggml_backend_buffer_free(u.buffer);
    close_desk(&u.desk);
}

static void memory_may_go_before_the_backend_that_failed(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, lose_worker_and_free, &host, NULL, 0));
}

static void fork_with_a_get_under_way(void *data)
{
    (void)data;
    struct underway u = begin_get();
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct ggml_tensor *tensor = ggml_get_first_tensor(u.desk.ctx);
        unsigned char got = 1;
        ggml_backend_synchronize(u.desk.a);
        ggml_backend_tensor_get_async(u.desk.a, tensor, u.memory, 0, 16); /* which is not there */
        ggml_backend_tensor_get(tensor, u.memory, 0, 16);
        ggml_backend_tensor_get(tensor, &got, 0, 1);
        require(got == 0, "zeros");
        ggml_backend_buffer_free(u.shared);
        ggml_backend_buffer_free(u.buffer);
        close_desk(&u.desk);
        _exit(0);
    }
    require(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0, "child");
    ggml_backend_synchronize(u.desk.a);
    require(u.memory[0] == MARK && u.memory[UNDERWAY_SIZE - 1] == MARK, "the parent gets what it asked for");
    ggml_backend_buffer_free(u.shared);
    ggml_backend_buffer_free(u.buffer);
    close_desk(&u.desk);
}

static void forked_child_leaves_gets_under_way_alone(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, fork_with_a_get_under_way, NULL, NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_of_any_size_come_back),
        cmocka_unit_test(rows_go_where_they_belong),
        cmocka_unit_test(quantized_tensors_and_views_come_back),
        cmocka_unit_test(any_number_of_gets_may_be_under_way),
        cmocka_unit_test(backends_take_turns_by_events),
        cmocka_unit_test(values_are_copied_from_backend_to_backend),
        cmocka_unit_test(buffer_calls_are_in_order_with_graphs),
        cmocka_unit_test(host_memory_may_be_freed_with_gets_under_way),
        cmocka_unit_test(host_memory_can_be_computed_in),
        cmocka_unit_test(threads_share_weights),
        cmocka_unit_test(lost_worker_leaves_zeros_of_gets_under_way),
        cmocka_unit_test(memory_may_go_before_the_backend_that_failed),
        cmocka_unit_test(forked_child_leaves_gets_under_way_alone),
    };
    return cmocka_run_group_tests_name("async", tests, start_host, stop_host);
}
