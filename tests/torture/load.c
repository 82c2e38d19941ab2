#include "load.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ggml-alloc.h>
#include <ggml.h>

enum { OTHER_SIZE = 300 * 1000 };

uint64_t load_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t load_random(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

ggml_backend_dev_t load_find_device(void)
{
    static const char prefix[] = "[virtgpu]";
    ggml_backend_load_all();
    for (size_t i = 0; i < ggml_backend_dev_count(); i++) {
        ggml_backend_dev_t device = ggml_backend_dev_get(i);
        if (strncmp(ggml_backend_dev_name(device), prefix, sizeof prefix - 1) == 0)
            return device;
    }
    return NULL;
}

/* The weight that belongs to an element: small whole numbers, so that sums are exact. */
static float weight(int column, int row)
{
    return (float)((column * 7 + row * 3) % 5 - 2);
}

static bool set_weights(struct load *load)
{
    size_t count = (size_t)load->columns * (size_t)load->rows;
    float *weights = malloc(count * sizeof *weights);
    if (!weights)
        return false;
    for (int row = 0; row < load->rows; row++)
        for (int column = 0; column < load->columns; column++)
            weights[(size_t)row * (size_t)load->columns + (size_t)column] = weight(column, row);
    ggml_backend_tensor_set(load->weights, weights, 0, count * sizeof *weights);
    free(weights);
    return true;
}

static bool make_graph(struct load *load)
{
    struct ggml_init_params params = {
        .mem_size = 16 * ggml_tensor_overhead() + ggml_graph_overhead(),
        .no_alloc = true,
    };
    load->context = ggml_init(params);
    if (!load->context)
        return false;
    load->input = ggml_new_tensor_1d(load->context, GGML_TYPE_F32, load->columns);
    load->weights = ggml_new_tensor_2d(load->context, GGML_TYPE_F32, load->columns, load->rows);
    load->output = ggml_mul_mat(load->context, load->weights, load->input);
    load->output = ggml_add(load->context, load->output, load->output);
    load->graph = ggml_new_graph(load->context);
    ggml_build_forward_expand(load->graph, load->output);
    load->buffer = ggml_backend_alloc_ctx_tensors(load->context, load->backend);
    return load->buffer && set_weights(load);
}

struct load *load_create(ggml_backend_dev_t device, int columns, int rows, uint64_t seed)
{
    struct load *load = calloc(1, sizeof *load);
    if (!load)
        return NULL;
    load->columns = columns;
    load->rows = rows;
    load->random = seed;
    load->data = calloc((size_t)columns, sizeof *load->data);
    load->result = calloc((size_t)rows, sizeof *load->result);
    load->backend = ggml_backend_dev_init(device, NULL);
    if (load->data && load->result && load->backend && make_graph(load))
        return load;
    load_destroy(load);
    return NULL;
}

void load_destroy(struct load *load)
{
    if (!load)
        return;
    ggml_backend_buffer_free(load->buffer);
    ggml_backend_free(load->backend);
    ggml_free(load->context);
    free(load->data);
    free(load->result);
    free(load);
}

static bool is_right(const struct load *load)
{
    for (int row = 0; row < load->rows; row++) {
        float sum = 0;
        for (int column = 0; column < load->columns; column++)
            sum += weight(column, row) * load->data[column];
        if (fabsf(load->result[row] - 2 * sum) > 0.01f)
            return false;
    }
    return true;
}

enum load_result load_turn(struct load *load)
{
    size_t size = (size_t)load->columns * sizeof *load->data;
    for (int i = 0; i < load->columns; i++)
        load->data[i] = (float)(load_random(&load->random) % 9);
    ggml_backend_tensor_set(load->input, load->data, 0, size);
    if (ggml_backend_graph_compute(load->backend, load->graph) != GGML_STATUS_SUCCESS)
        return LOAD_FAILED;
    ggml_backend_tensor_get(load->output, load->result, 0, (size_t)load->rows * sizeof *load->result);
    if (is_right(load))
        return LOAD_GOOD;
    /* a get tells nothing; the next status does */
    return ggml_backend_graph_compute(load->backend, load->graph) != GGML_STATUS_SUCCESS ? LOAD_FAILED : LOAD_WRONG;
}

bool load_others(struct load *load, ggml_backend_dev_t device)
{
    size_t free_memory, total;
    ggml_backend_dev_memory(device, &free_memory, &total);
    ggml_backend_buffer_t buffer =
        ggml_backend_buft_alloc_buffer(ggml_backend_dev_buffer_type(device), OTHER_SIZE + load_random(&load->random) % 9);
    if (!buffer)
        return false;
    ggml_backend_buffer_clear(buffer, 7);
    ggml_backend_buffer_free(buffer);
    return true;
}
