/* Makes inputs of what a program computes, or asks whether it can: serves one connection as a worker does, and writes an input
 * for each graph that is small enough and of an op, with a type, that was not there yet.
 *   fuzz-record SOCKET FOLDER    then a program with GGML_VIRTGPU_SOCKET=SOCKET; fills FOLDER/dispatch, graph, dispatch-upstream */
#include <assert.h>
#include <errno.h>
#include <ggml.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "apir-codec.h"
#include "executor/private.h"
#include "host.h"
#include "inputs.h"
#include "server/server.h"

enum { MAX_KEYS = 4096, PER_OP = 3, LARGE = 48, MAX_ELEMENTS = 1 << 20 };

static struct {
    const char *folder;
    uint64_t keys[MAX_KEYS];
    unsigned n_keys;
    unsigned per_op[GGML_OP_COUNT][64];
} state;

static void write_file(const char *target, const struct input *input)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", state.folder, target);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/op-%u", state.folder, target, state.n_keys);
    FILE *file = input->full ? NULL : fopen(path, "w");
    if (!file)
        return;
    fwrite(input->bytes, 1, input->size, file);
    fclose(file);
}

/* Whether the targets will compute it: the guest is a program that means well. */
static bool is_small(const struct apir_graph *graph)
{
    uint64_t all = 0;
    for (uint32_t i = 0; i < graph->n_tensors && all <= MAX_ELEMENTS; i++)
        all += graph->tensors[i].ne[0] * graph->tensors[i].ne[1] * graph->tensors[i].ne[2] * graph->tensors[i].ne[3];
    return all <= MAX_ELEMENTS;
}

/* Whether the op of the last node, with the type of its first source, is new; and notes it. */
static bool is_new(const struct apir_graph *graph)
{
    const struct apir_tensor *node = &graph->tensors[graph->nodes[graph->n_nodes - 1]];
    bool has_sub_op = node->op == GGML_OP_UNARY || node->op == GGML_OP_GLU;
    uint32_t sub_op = has_sub_op ? (uint32_t)node->op_params[0] % 64 : 0;
    uint32_t type = node->n_src && node->src[0] ? graph->tensors[node->src[0] - 1].type : node->type;
    uint64_t key = (uint64_t)node->op << 32 | sub_op << 16 | type;
    if (node->op >= GGML_OP_COUNT || state.n_keys == MAX_KEYS || state.per_op[node->op][sub_op] >= PER_OP)
        return false;
    for (unsigned i = 0; i < state.n_keys && graph->n_nodes < LARGE; i++)
        if (state.keys[i] == key)
            return false;
    state.keys[state.n_keys++] = key;
    state.per_op[node->op][sub_op]++;
    return true;
}

static void record(struct apir_graph *graph)
{
    uint64_t sizes[INPUT_BUFFERS];
    bool small = is_small(graph);
    if (graph->n_nodes == 0 || (!small && graph->n_nodes < LARGE) || !is_new(graph))
        return;
    unsigned n = input_number_buffers(graph, sizes);
    struct input *own = calloc(1, sizeof *own), *upstream = calloc(1, sizeof *upstream);
    assert(own && upstream);
    input_write_own(graph, sizes, n, own);
    input_write_upstream(graph, sizes, n, upstream);
    if (n > 0 && small)
        write_file("dispatch", own);
    if (n > 0 && small)
        write_file("dispatch-upstream", upstream);
    if (n > 0)
        write_file("graph", own);
    free(own);
    free(upstream);
}

/* A graph of an op that is only asked about. */
static void record_query(struct apir_arena *arena, const struct apir_op_query *query)
{
    struct apir_tensor *tensors = apir_arena_alloc(arena, query->n_tensors * sizeof *tensors);
    uint32_t node = query->n_tensors - 1;
    assert(tensors);
    memcpy(tensors, query->tensors, query->n_tensors * sizeof *tensors);
    input_arrange(tensors, query->n_tensors);
    record(&(struct apir_graph){.tensors = tensors, .n_tensors = query->n_tensors, .nodes = &node, .n_nodes = 1});
}

static void record_queries(struct apir_dec *in)
{
    struct apir_arena arena = {0};
    struct apir_device_supports_op_args args;
    in->arena = &arena;
    apir_decode_device_supports_op_args(in, &args);
    for (uint32_t i = 0; i < args.n_queries; i++)
        record_query(&arena, &args.queries[i]);
    apir_arena_finish(&arena);
}

int __real_apir_dispatch(const struct apir_handlers *h, void *ctx, uint32_t call, struct apir_dec *in,
                         struct apir_arena *scratch, struct apir_enc *out);
int __wrap_apir_dispatch(const struct apir_handlers *h, void *ctx, uint32_t call, struct apir_dec *in,
                         struct apir_arena *scratch, struct apir_enc *out);

int __wrap_apir_dispatch(const struct apir_handlers *h, void *ctx, uint32_t call, struct apir_dec *in,
                         struct apir_arena *scratch, struct apir_enc *out)
{
    struct apir_dec copy = *in, dec;
    struct apir_arena arena = {0};
    struct apir_graph_compute_args args;
    struct apir_graph graph;
    if (call == APIR_CALL_GRAPH_COMPUTE) {
        apir_decode_graph_compute_args(&copy, &args);
        if (apir_graph_fetch(ctx, &arena, args.shm, args.shm_offset, args.size, &dec) == 0) {
            apir_decode_graph(&dec, &graph);
            if (apir_dec_finish(&dec))
                record(&graph);
        }
        apir_arena_finish(&arena);
    }
    if (call == APIR_CALL_DEVICE_SUPPORTS_OP)
        record_queries(&copy);
    return __real_apir_dispatch(h, ctx, call, in, scratch, out);
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unlink(path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 1) < 0)
        return -1;
    return fd;
}

int main(int argc, char **argv)
{
    struct host host;
    int listener = argc == 3 ? listen_at(argv[1]) : -1;
    if (listener < 0) {
        fprintf(stderr, "usage: fuzz-record SOCKET FOLDER\n");
        return 2;
    }
    state.folder = argv[2];
    host_prepare();
    host_init(&host, 0);
    struct apir_server_options options = {.fd = accept(listener, NULL, NULL),
                                          .handlers = apir_executor_handlers(),
                                          .handler_data = host.executor,
                                          .memory = &host.memory,
                                          .log = &host.log};
    int result = apir_server_run(&options);
    host_finish(&host);
    printf("%u graphs recorded, result %d\n", state.n_keys, result);
    return 0;
}
