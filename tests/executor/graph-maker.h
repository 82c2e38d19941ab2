/* Graphs on their way to the executor's handlers. */
#ifndef APIR_TESTS_EXECUTOR_GRAPH_MAKER_H
#define APIR_TESTS_EXECUTOR_GRAPH_MAKER_H

#include "fixture.h"

enum {
    GRAPH_MAKER_SHM = 1,
    GRAPH_MAKER_SHM_SIZE = 1 << 20,
    COMPUTE = GGML_TENSOR_FLAG_COMPUTE,
};

/* An executor whose device notes graphs, and a graph being made. */
struct graph_maker {
    struct fixture f;
    void *data; /* shared memory SHM */
    uint64_t buffer, stream;
    struct fake_seen *seen;
    struct apir_tensor tensors[8];
    uint32_t sources[8][2];
    uint32_t n_tensors;
    uint32_t nodes[8], n_nodes;
};

void graph_maker_open(struct graph_maker *m);
void graph_maker_open_limited(struct graph_maker *m, const struct apir_limits *limits);
void graph_maker_close(struct graph_maker *m);

/* The same, with a and b, c = a + b, d = c * b. */
void graph_maker_open_chain(struct graph_maker *m);
void graph_maker_add_chain(struct graph_maker *m);

/* Adds a tensor of an op with up to two sources (0: none, else 1 + index); its index. */
uint32_t graph_maker_add(struct graph_maker *m, const char *name, enum ggml_op op, uint32_t a, uint32_t b);

void graph_maker_add_node(struct graph_maker *m, uint32_t index);

/* number: under which the stream keeps it, 0: not. What the handler returns. */
int graph_maker_compute_as(struct graph_maker *m, uint32_t number);
int graph_maker_compute(struct graph_maker *m);
int graph_maker_recompute(struct graph_maker *m, uint64_t stream, uint32_t number);

#endif
