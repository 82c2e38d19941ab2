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
#include "apir-upstream-codec.h"
#include "executor/private.h"
#include "host.h"
#include "server/server.h"
#include "steps.h"

enum { MAX_INPUT = 60000, MAX_KEYS = 4096, MAX_BUFFERS = 8, PER_OP = 3, OWN_BUFFER = 1, LARGE = 48, MAX_ELEMENTS = 1 << 20 };

static struct {
    const char *folder;
    uint64_t keys[MAX_KEYS];
    unsigned n_keys;
    unsigned per_op[GGML_OP_COUNT][64];
} state;

struct input {
    uint8_t bytes[MAX_INPUT];
    size_t size;
    bool full;
};

static uint8_t index_of(const struct fuzz_protocol *protocol, const char *name)
{
    for (size_t i = 0; i < protocol->n_messages; i++)
        if (strcmp(protocol->messages[i].name, name) == 0)
            return (uint8_t)i;
    abort();
}

/* Where the bytes of the next step go, and how many fit. */
static struct apir_enc open_step(struct input *input)
{
    struct apir_enc enc;
    size_t start = input->size + FUZZ_STEP_HEADER < MAX_INPUT ? input->size + FUZZ_STEP_HEADER : MAX_INPUT;
    apir_enc_init(&enc, input->bytes + start, MAX_INPUT - start);
    return enc;
}

static void close_step(struct input *input, uint8_t what, const struct apir_enc *enc)
{
    size_t size = fuzz_step_write(input->bytes + input->size, MAX_INPUT - input->size, what, 0, enc->start,
                                  apir_enc_used(enc));
    input->full |= size == 0 || !apir_enc_ok(enc);
    input->size += size;
}

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

/* Bytes from the start of the buffer to behind the tensor. */
static uint64_t end_of(const struct apir_tensor *tensor)
{
    uint64_t end = tensor->offset + ggml_type_size((enum ggml_type)tensor->type);
    for (int d = 0; d < GGML_MAX_DIMS; d++)
        end += (tensor->ne[d] ? tensor->ne[d] - 1 : 0) * tensor->nb[d];
    return end;
}

/* Buffers get the numbers that an input's own will have; their sizes. The number of buffers, 0 if there are too many. */
static unsigned number_buffers(struct apir_graph *graph, uint64_t sizes[MAX_BUFFERS])
{
    struct apir_tensor *tensors = (struct apir_tensor *)(uintptr_t)graph->tensors;
    uint64_t handles[MAX_BUFFERS] = {0};
    unsigned n = 0;
    for (uint32_t i = 0; i < graph->n_tensors; i++) {
        unsigned b = 0;
        while (b < n && handles[b] != tensors[i].buffer)
            b++;
        if (b == MAX_BUFFERS)
            return 0;
        if (b == n)
            handles[n] = tensors[i].buffer, sizes[n++] = 0;
        if (end_of(&tensors[i]) > sizes[b])
            sizes[b] = end_of(&tensors[i]);
        tensors[i].buffer = OWN_BUFFER + 1 + b;
    }
    return n;
}

static void write_own(const struct apir_graph *graph, const uint64_t *sizes, unsigned n, struct input *input)
{
    const struct fuzz_protocol *p = &apir_fuzz_protocol;
    struct apir_enc enc = open_step(input);
    close_step(input, (uint8_t)p->n_messages, &enc);
    for (unsigned i = 0; i < n; i++) {
        enc = open_step(input);
        apir_encode_buffer_alloc_args(&enc, &(struct apir_buffer_alloc_args){.size = sizes[i]});
        close_step(input, index_of(p, "buffer_alloc"), &enc);
    }
    enc = open_step(input);
    apir_encode_graph(&enc, graph);
    close_step(input, index_of(p, "graph"), &enc);
    enc = open_step(input);
    apir_encode_graph_compute_args(&enc, &(struct apir_graph_compute_args){.stream = 1, .shm = 1, .graph = 1});
    close_step(input, index_of(p, "graph_compute"), &enc);
    enc = open_step(input);
    apir_encode_graph_recompute_args(&enc, &(struct apir_graph_recompute_args){.stream = 1, .graph = 1});
    close_step(input, index_of(p, "graph_recompute"), &enc);
}

static void convert(const struct apir_tensor *from, uint32_t id, struct apir_upstream_tensor *to)
{
    *to = (struct apir_upstream_tensor){.id = id,
                                        .type = from->type,
                                        .buffer = from->buffer,
                                        .op = from->op,
                                        .flags = (int32_t)from->flags,
                                        .view_src = from->view_src,
                                        .view_offs = from->view_offs,
                                        .data = from->offset,
                                        .name = ""};
    for (int d = 0; d < GGML_MAX_DIMS; d++) {
        to->ne[d] = (uint32_t)from->ne[d];
        to->nb[d] = (uint32_t)from->nb[d];
    }
    memcpy(to->op_params, from->op_params, sizeof to->op_params);
    for (uint32_t s = 0; s < from->n_src; s++)
        to->src[s] = from->src[s];
}

static void write_upstream(const struct apir_graph *graph, const uint64_t *sizes, unsigned n, struct input *input)
{
    const struct fuzz_protocol *p = &apir_upstream_fuzz_protocol;
    struct apir_upstream_tensor *tensors = calloc(graph->n_tensors, sizeof *tensors);
    uint64_t *nodes = calloc(graph->n_nodes, sizeof *nodes);
    assert(tensors && nodes);
    for (uint32_t i = 0; i < graph->n_tensors; i++)
        convert(&graph->tensors[i], i + 1, &tensors[i]);
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        nodes[i] = graph->nodes[i] + 1;
    struct apir_enc enc = open_step(input);
    close_step(input, (uint8_t)p->n_messages, &enc);
    for (unsigned i = 0; i < n; i++) {
        enc = open_step(input);
        apir_enc_u64(&enc, 1); /* the buffer type */
        apir_enc_u64(&enc, sizes[i]);
        close_step(input, index_of(p, "buffer_type_alloc_buffer"), &enc);
    }
    enc = open_step(input);
    apir_upstream_encode_graph(&enc, &(struct apir_upstream_graph){.nodes = nodes,
                                                                   .n_nodes = graph->n_nodes,
                                                                   .tensors = tensors,
                                                                   .n_tensors = graph->n_tensors});
    close_step(input, index_of(p, "graph"), &enc);
    enc = open_step(input);
    apir_enc_u32(&enc, 1);
    apir_enc_u64(&enc, 0);
    close_step(input, index_of(p, "backend_graph_compute"), &enc);
    free(tensors);
    free(nodes);
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
    uint64_t sizes[MAX_BUFFERS];
    bool small = is_small(graph);
    if (graph->n_nodes == 0 || (!small && graph->n_nodes < LARGE) || !is_new(graph))
        return;
    unsigned n = number_buffers(graph, sizes);
    struct input *own = calloc(1, sizeof *own), *upstream = calloc(1, sizeof *upstream);
    assert(own && upstream);
    write_own(graph, sizes, n, own);
    write_upstream(graph, sizes, n, upstream);
    if (n > 0 && small)
        write_file("dispatch", own);
    if (n > 0 && small)
        write_file("dispatch-upstream", upstream);
    if (n > 0)
        write_file("graph", own);
    free(own);
    free(upstream);
}

/* A graph of an op that is only asked about: its sources are values, one behind the other in one buffer. */
static void record_query(struct apir_arena *arena, const struct apir_op_query *query)
{
    struct apir_tensor *tensors = apir_arena_alloc(arena, query->n_tensors * sizeof *tensors);
    uint32_t node = query->n_tensors - 1;
    uint64_t used = 0;
    assert(tensors);
    memcpy(tensors, query->tensors, query->n_tensors * sizeof *tensors);
    for (uint32_t i = 0; i < query->n_tensors; i++) {
        tensors[i].offset = used;
        tensors[i].buffer = 1;
        used = (end_of(&tensors[i]) + 255) / 256 * 256;
        if (i < node) {
            tensors[i].op = GGML_OP_NONE;
            tensors[i].n_src = 0;
        }
    }
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
