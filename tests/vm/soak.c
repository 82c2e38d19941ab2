/* apir-soak CALLS GRAPHS: uses the first remote device as a program does - data to and from tensors, buffers made and
 * freed, free memory asked, graphs computed and checked - and prints its own memory after a tenth and at the end, for
 * the tests of leaks. Exit code 1 when a result is wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ggml-alloc.h>
#include <ggml-backend.h>
#include <ggml.h>

enum {
    ELEMENTS = 64,
    NODES = 8,
    CALLS_A_ROUND = 12, /* 5 pairs of set and get, get_memory, clear */
    ROUNDS_A_BUFFER = 20,
};

struct soak {
    ggml_backend_dev_t device;
    ggml_backend_t backend;
    struct ggml_context *context;
    struct ggml_tensor *input, *output;
    struct ggml_cgraph *graph;
    ggml_backend_buffer_t buffer;
};

/* Resident KiB of this process that are its own. */
static long memory(void)
{
    char line[256];
    long kib = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "RssAnon: %ld", &kib);
    if (file)
        fclose(file);
    return kib;
}

static ggml_backend_dev_t find_device(void)
{
    ggml_backend_load_all();
    for (size_t i = 0; i < ggml_backend_dev_count(); i++)
        if (strncmp(ggml_backend_dev_name(ggml_backend_dev_get(i)), "[virtgpu]", strlen("[virtgpu]")) == 0)
            return ggml_backend_dev_get(i);
    return NULL;
}

/* output = input + 8 * 1: each node adds a tensor of ones. */
static int make_graph(struct soak *self)
{
    struct ggml_init_params params = {
        .mem_size = 64 * ggml_tensor_overhead() + ggml_graph_overhead(),
        .no_alloc = true,
    };
    self->context = ggml_init(params);
    self->input = ggml_new_tensor_1d(self->context, GGML_TYPE_F32, ELEMENTS);
    struct ggml_tensor *ones = ggml_new_tensor_1d(self->context, GGML_TYPE_F32, ELEMENTS);
    self->output = self->input;
    for (int i = 0; i < NODES; i++)
        self->output = ggml_add(self->context, self->output, ones);
    self->graph = ggml_new_graph(self->context);
    ggml_build_forward_expand(self->graph, self->output);
    self->buffer = ggml_backend_alloc_ctx_tensors(self->context, self->backend);
    if (!self->buffer)
        return -1;
    float one[ELEMENTS];
    for (int i = 0; i < ELEMENTS; i++)
        one[i] = 1;
    ggml_backend_tensor_set(ones, one, 0, sizeof one);
    return 0;
}

static int check_graph(struct soak *self, float start)
{
    float values[ELEMENTS];
    for (int i = 0; i < ELEMENTS; i++)
        values[i] = start + (float)i;
    ggml_backend_tensor_set(self->input, values, 0, sizeof values);
    if (ggml_backend_graph_compute(self->backend, self->graph) != GGML_STATUS_SUCCESS)
        return -1;
    ggml_backend_tensor_get(self->output, values, 0, sizeof values);
    for (int i = 0; i < ELEMENTS; i++)
        if (values[i] != start + (float)i + (float)NODES)
            return -1;
    return 0;
}

static int check_data(struct soak *self, int round)
{
    size_t free, total;
    for (int i = 0; i < 5; i++) {
        int sent = round + i, got = 0;
        size_t offset = 4 * (size_t)(round % ELEMENTS);
        ggml_backend_tensor_set(self->input, &sent, offset, sizeof sent);
        ggml_backend_tensor_get(self->input, &got, offset, sizeof got);
        if (got != sent)
            return -1;
    }
    ggml_backend_dev_memory(self->device, &free, &total);
    if (round % ROUNDS_A_BUFFER == 0) {
        ggml_backend_buffer_t other =
            ggml_backend_buft_alloc_buffer(ggml_backend_dev_buffer_type(self->device), 100000);
        if (!other)
            return -1;
        ggml_backend_buffer_clear(other, (uint8_t)round);
        ggml_backend_buffer_free(other);
    }
    return total > 0 ? 0 : -1;
}

static int run(struct soak *self, long rounds, long graphs)
{
    for (long i = 0; i < rounds || i < graphs; i++) {
        if (i < rounds && check_data(self, (int)i) < 0) {
            fprintf(stderr, "apir-soak: wrong data in round %ld\n", i);
            return -1;
        }
        if (i < graphs && check_graph(self, (float)(i % 1000)) < 0) {
            fprintf(stderr, "apir-soak: wrong result of graph %ld\n", i);
            return -1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    long calls = argc > 1 ? atol(argv[1]) : 100000, graphs = argc > 2 ? atol(argv[2]) : 10000;
    long rounds = calls / CALLS_A_ROUND;
    struct soak self = {.device = find_device()};
    if (!self.device) {
        fprintf(stderr, "apir-soak: there is no remote device\n");
        return 1;
    }
    self.backend = ggml_backend_dev_init(self.device, NULL);
    if (!self.backend || make_graph(&self) < 0 || run(&self, rounds / 10, graphs / 10) < 0)
        return 1;
    printf("start %ld\n", memory());
    fflush(stdout);
    if (run(&self, rounds - rounds / 10, graphs - graphs / 10) < 0)
        return 1;
    printf("end %ld\n", memory());
    ggml_backend_buffer_free(self.buffer);
    ggml_backend_free(self.backend);
    ggml_free(self.context);
    return 0;
}
