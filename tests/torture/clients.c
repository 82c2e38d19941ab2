/* apir-clients COUNT SECONDS: as many programs at once, each with its own session of the plug-in GGML_BACKEND_PATH, compute
 * a small graph that needs the processor (three products of matrices, about 25 million multiplications) over and over. All
 * begin together once each has computed for a while. Prints
 *     clients N per_second N least N most N spread_percent N
 * in graphs; spread: most less least, as a part of the mean. Exit code 1 if a result is wrong. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ggml-alloc.h>
#include <ggml.h>

#include "load.h"

enum {
    MAX_CLIENTS = 256,
    SIZE = 256,
    COLUMNS = 128,
    PRODUCTS = 3,
    WARM_UP = 5,
};

/* What the processes share. */
struct board {
    _Atomic unsigned ready, bad;
    _Atomic uint64_t begin, end; /* load_now() */
    _Atomic uint64_t counts[MAX_CLIENTS];
};

struct client {
    ggml_backend_t backend;
    struct ggml_context *context;
    struct ggml_tensor *input, *output;
    struct ggml_cgraph *graph;
    ggml_backend_buffer_t buffer;
    float data[SIZE * COLUMNS];
};

/* output = M^3 input, where M is twice a matrix that moves each element by one place. */
static bool set_up(struct client *client, ggml_backend_dev_t device)
{
    struct ggml_init_params params = {.mem_size = 32 * ggml_tensor_overhead() + ggml_graph_overhead(), .no_alloc = true};
    client->context = ggml_init(params);
    client->backend = ggml_backend_dev_init(device, NULL);
    if (!client->context || !client->backend)
        return false;
    client->input = ggml_new_tensor_2d(client->context, GGML_TYPE_F32, SIZE, COLUMNS);
    struct ggml_tensor *matrix = ggml_new_tensor_2d(client->context, GGML_TYPE_F32, SIZE, SIZE);
    client->output = client->input;
    for (int i = 0; i < PRODUCTS; i++)
        client->output = ggml_mul_mat(client->context, matrix, client->output);
    client->graph = ggml_new_graph(client->context);
    ggml_build_forward_expand(client->graph, client->output);
    client->buffer = ggml_backend_alloc_ctx_tensors(client->context, client->backend);
    if (!client->buffer)
        return false;
    static float values[SIZE * SIZE];
    for (int row = 0; row < SIZE; row++)
        values[row * SIZE + (row + 1) % SIZE] = 2;
    ggml_backend_tensor_set(matrix, values, 0, sizeof values);
    return true;
}

/* The input is the number of each row; so each comes out moved and 8 times as large. */
static bool turn(struct client *client, uint64_t number)
{
    float base = (float)(number % 100);
    for (int i = 0; i < SIZE * COLUMNS; i++)
        client->data[i] = base + (float)(i % SIZE);
    ggml_backend_tensor_set(client->input, client->data, 0, sizeof client->data);
    if (ggml_backend_graph_compute(client->backend, client->graph) != GGML_STATUS_SUCCESS)
        return false;
    float column[SIZE];
    ggml_backend_tensor_get(client->output, column, 0, sizeof column);
    for (int i = 0; i < SIZE; i++)
        if (column[i] != 8 * (base + (float)((i + PRODUCTS) % SIZE)))
            return false;
    return true;
}

static bool run(struct client *client, struct board *board, unsigned index)
{
    bool good = true;
    for (uint64_t i = 0; good && i < WARM_UP; i++)
        good = turn(client, i);
    /* seq_cst throughout: nothing here is hot */
    atomic_fetch_add(&board->ready, 1);
    while (good && load_now() < atomic_load(&board->begin))
        usleep(1000);
    uint64_t count = 0;
    while (good && load_now() < atomic_load(&board->end)) {
        good = turn(client, count);
        count++;
    }
    atomic_store(&board->counts[index], count);
    return good;
}

static int run_client(struct board *board, unsigned index)
{
    struct client *client = calloc(1, sizeof *client);
    ggml_backend_reg_t reg = ggml_backend_load(getenv("GGML_BACKEND_PATH"));
    bool good = client && reg && ggml_backend_reg_dev_count(reg) > 0 &&
                set_up(client, ggml_backend_reg_dev_get(reg, 0)) && run(client, board, index);
    if (!good)
        atomic_fetch_add(&board->bad, 1);
    _exit(!good);
}

static int print(const struct board *board, unsigned clients, unsigned seconds)
{
    uint64_t total = 0, least = UINT64_MAX, most = 0;
    for (unsigned i = 0; i < clients; i++) {
        uint64_t count = board->counts[i];
        total += count;
        least = count < least ? count : least;
        most = count > most ? count : most;
    }
    double mean = (double)total / clients;
    printf("clients %u per_second %.1f least %llu most %llu spread_percent %.1f\n", clients, (double)total / seconds,
           (unsigned long long)least, (unsigned long long)most, mean > 0 ? 100 * (double)(most - least) / mean : 100);
    return board->bad > 0;
}

int main(int argc, char **argv)
{
    unsigned clients = argc > 1 ? (unsigned)atoi(argv[1]) : 1, seconds = argc > 2 ? (unsigned)atoi(argv[2]) : 5;
    struct board *board =
        mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED || clients > MAX_CLIENTS || !getenv("GGML_BACKEND_PATH"))
        return 2;
    board->begin = board->end = UINT64_MAX;
    for (unsigned i = 0; i < clients; i++)
        if (fork() == 0)
            run_client(board, i);
    while (board->ready < clients && !board->bad)
        usleep(10 * 1000);
    board->end = load_now() + (UINT64_C(1) * seconds + 1) * 1000000000;
    board->begin = board->end - UINT64_C(1000000000) * seconds;
    while (wait(NULL) > 0)
        ;
    return print(board, clients, seconds);
}
