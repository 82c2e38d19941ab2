/* Work of every kind in any order, on two backends of a device, is as if it had been done at once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka-all.h"
#include "plugin.h"

enum {
    TENSORS = 6,
    MAX_WIDTH = 100000, /* elements: more than a piece of what data pass through */
    SLOTS = 24,         /* of memory that is under way */
    STEPS = 1500,
};

static struct daemon host;

static int start_host(void **state)
{
    (void)state;
    return daemon_start(&host, true);
}

static int stop_host(void **state)
{
    (void)state;
    daemon_stop(&host);
    return 0;
}

/* Memory that a set reads or a get fills until its backend is synchronised. */
struct slot {
    float *memory;
    float *expected; /* of a get; NULL: of a set */
    size_t offset, count;
};

struct desk {
    ggml_backend_dev_t device;
    ggml_backend_t backends[2];
    int now; /* the backend that works; the other has been waited for */
    ggml_backend_event_t event;
    struct ggml_context *ctx;
    ggml_backend_buffer_t buffer, shared;
    size_t width;
    struct ggml_tensor *tensors[TENSORS];
    float *model[TENSORS]; /* what they hold */
    struct slot slots[SLOTS];
    int n_slots;
    uint32_t random;
};

static uint32_t draw(struct desk *desk, uint32_t below)
{
    desk->random = desk->random * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)(desk->random >> 4) * below >> 28);
}

static void draw_range(struct desk *desk, size_t *offset, size_t *count)
{
    *offset = draw(desk, 3) ? 0 : draw(desk, (uint32_t)desk->width);
    *count = 1 + draw(desk, (uint32_t)(desk->width - *offset));
    if (draw(desk, 2) && *count > 8)
        *count = 8;
}

static void draw_values(struct desk *desk, float *to, size_t count)
{
    float first = (float)draw(desk, 1000);
    for (size_t i = 0; i < count; i++)
        to[i] = first + (float)(i % 97);
}

static void open_desk(struct desk *desk, size_t width, uint32_t seed)
{
    *desk = (struct desk){.device = load_device(), .width = width, .random = seed};
    desk->ctx = ggml_init((struct ggml_init_params){.mem_size = 1 << 20, .no_alloc = true});
    for (int i = 0; i < 2; i++)
        desk->backends[i] = ggml_backend_dev_init(desk->device, NULL);
    desk->event = ggml_backend_event_new(desk->device);
    for (int i = 0; i < TENSORS; i++) {
        desk->tensors[i] = ggml_new_tensor_1d(desk->ctx, GGML_TYPE_F32, (int64_t)width);
        desk->model[i] = calloc(width, sizeof(float));
    }
    desk->buffer = ggml_backend_alloc_ctx_tensors(desk->ctx, desk->backends[0]);
    desk->shared = ggml_backend_buft_alloc_buffer(ggml_backend_dev_host_buffer_type(desk->device),
                                                  SLOTS * width * sizeof(float));
    require(desk->buffer && desk->shared, "memory");
    ggml_backend_buffer_clear(desk->buffer, 0);
}

/* Looks at what has come. */
static void synchronize(struct desk *desk)
{
    for (int i = 0; i < 2; i++)
        ggml_backend_synchronize(desk->backends[i]);
    for (int i = 0; i < desk->n_slots; i++) {
        struct slot *slot = &desk->slots[i];
        require(!slot->expected || memcmp(slot->memory, slot->expected, slot->count * sizeof(float)) == 0, "what a get brings");
        free(slot->expected);
        if (i % 2)
            free(slot->memory);
    }
    desk->n_slots = 0;
}

static void close_desk(struct desk *desk)
{
    synchronize(desk);
    for (int i = 0; i < TENSORS; i++)
        free(desk->model[i]);
    ggml_backend_event_free(desk->event);
    ggml_backend_buffer_free(desk->shared);
    ggml_backend_buffer_free(desk->buffer);
    for (int i = 0; i < 2; i++)
        ggml_backend_free(desk->backends[i]);
    ggml_free(desk->ctx);
}

/* Memory that is shared with the host, or not. */
static struct slot *take_slot(struct desk *desk)
{
    if (desk->n_slots == SLOTS)
        synchronize(desk);
    int i = desk->n_slots++;
    struct slot *slot = &desk->slots[i];
    float *shared = ggml_backend_buffer_get_base(desk->shared);
    *slot = (struct slot){.memory = i % 2 ? malloc(desk->width * sizeof(float)) : shared + (size_t)i * desk->width};
    draw_range(desk, &slot->offset, &slot->count);
    return slot;
}

static void set(struct desk *desk, int t)
{
    size_t offset, count;
    draw_range(desk, &offset, &count);
    draw_values(desk, desk->model[t] + offset, count);
    ggml_backend_tensor_set(desk->tensors[t], desk->model[t] + offset, offset * sizeof(float), count * sizeof(float));
}

static void set_async(struct desk *desk, int t)
{
    struct slot *slot = take_slot(desk);
    draw_values(desk, slot->memory, slot->count);
    memcpy(desk->model[t] + slot->offset, slot->memory, slot->count * sizeof(float));
    ggml_backend_tensor_set_async(desk->backends[desk->now], desk->tensors[t], slot->memory, slot->offset * sizeof(float),
                                  slot->count * sizeof(float));
}

static void get(struct desk *desk, int t)
{
    size_t offset, count;
    draw_range(desk, &offset, &count);
    float *got = malloc(count * sizeof(float));
    ggml_backend_tensor_get(desk->tensors[t], got, offset * sizeof(float), count * sizeof(float));
    require(memcmp(got, desk->model[t] + offset, count * sizeof(float)) == 0, "what is got");
    free(got);
}

static void get_async(struct desk *desk, int t)
{
    struct slot *slot = take_slot(desk);
    slot->expected = malloc(slot->count * sizeof(float));
    memcpy(slot->expected, desk->model[t] + slot->offset, slot->count * sizeof(float));
    ggml_backend_tensor_get_async(desk->backends[desk->now], desk->tensors[t], slot->memory, slot->offset * sizeof(float),
                                  slot->count * sizeof(float));
}

/* to = (a + b) / 2; the context goes as soon as the graph is on its way. */
static void compute(struct desk *desk, int a, int b, int to)
{
    struct ggml_context *ctx = ggml_init((struct ggml_init_params){.mem_size = 1 << 16, .no_alloc = true});
    struct ggml_tensor *sum = ggml_add(ctx, desk->tensors[a], desk->tensors[b]);
    ggml_backend_buffer_t memory = ggml_backend_alloc_ctx_tensors(ctx, desk->backends[desk->now]);
    struct ggml_tensor *half = ggml_scale_inplace(ctx, sum, 0.5f);
    struct ggml_cgraph *graph = ggml_new_graph_custom(ctx, 8, false);
    ggml_build_forward_expand(graph, ggml_cpy(ctx, half, desk->tensors[to]));
    for (int i = 0; i < ggml_graph_n_nodes(graph); i++) /* views of what has memory */
        if (!ggml_graph_node(graph, i)->buffer)
            require(ggml_backend_view_init(ggml_graph_node(graph, i)) == GGML_STATUS_SUCCESS, "a view");
    require(ggml_backend_graph_compute_async(desk->backends[desk->now], graph) == GGML_STATUS_SUCCESS, "a graph");
    for (size_t i = 0; i < desk->width; i++)
        desk->model[to][i] = (desk->model[a][i] + desk->model[b][i]) * 0.5f;
    ggml_backend_buffer_free(memory); /* after its use, whenever that is */
    ggml_free(ctx);
}

static void clear_some(struct desk *desk, int t)
{
    size_t offset, count;
    draw_range(desk, &offset, &count);
    ggml_backend_tensor_memset(desk->tensors[t], 0, offset * sizeof(float), count * sizeof(float));
    memset(desk->model[t] + offset, 0, count * sizeof(float));
}

/* After an asynchronous copy the other backend may work on: it waits for the copy. */
static void copy(struct desk *desk, int from, int to)
{
    int other = !desk->now;
    if (draw(desk, 2)) {
        ggml_backend_tensor_copy(desk->tensors[from], desk->tensors[to]);
    } else {
        ggml_backend_tensor_copy_async(desk->backends[desk->now], desk->backends[other], desk->tensors[from],
                                       desk->tensors[to]);
        desk->now = draw(desk, 2) ? other : desk->now;
    }
    memmove(desk->model[to], desk->model[from], desk->width * sizeof(float));
}

/* The other backend works on. */
static void change_backend(struct desk *desk)
{
    ggml_backend_event_record(desk->event, desk->backends[desk->now]);
    desk->now = !desk->now;
    ggml_backend_event_wait(desk->backends[desk->now], desk->event);
}

static void step(struct desk *desk)
{
    int a = (int)draw(desk, TENSORS), b = (int)draw(desk, TENSORS), c = (int)draw(desk, TENSORS);
    switch (draw(desk, 12)) {
    case 0:
        set(desk, a);
        break;
    case 1:
    case 2:
        set_async(desk, a);
        break;
    case 3:
        get(desk, a);
        break;
    case 4:
    case 5:
        get_async(desk, a);
        break;
    case 6:
    case 7:
        compute(desk, a, b, c);
        break;
    case 8:
        clear_some(desk, a);
        break;
    case 9:
    case 10:
        if (a != b)
            copy(desk, a, b);
        break;
    default:
        change_backend(desk);
    }
}

struct run {
    size_t width;
    uint32_t seed;
};

static void work(void *data)
{
    const struct run *run = data;
    struct desk desk;
    open_desk(&desk, run->width, run->seed);
    for (int i = 0; i < STEPS; i++)
        step(&desk);
    for (int i = 0; i < TENSORS; i++)
        get(&desk, i);
    close_desk(&desk);
}

static void work_is_done_as_if_in_order(void **state)
{
    (void)state;
    static struct run runs[] = {{64, 1}, {64, 2}, {64, 3}, {3000, 4}, {3000, 5}, {MAX_WIDTH, 6}};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
        if (!in_child(host.socket, work, &runs[i], NULL, 0))
            fail_msg("width %zu, seed %u", runs[i].width, runs[i].seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_is_done_as_if_in_order),
    };
    return cmocka_run_group_tests_name("random-work", tests, start_host, stop_host);
}
