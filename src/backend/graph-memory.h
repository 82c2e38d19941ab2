/* The graphs that the host keeps for a stream: known again by what they contain. A program computes the same few graphs
 * over and over, with other data; one that is known costs a number instead of its description. */
#ifndef APIR_BACKEND_GRAPH_MEMORY_H
#define APIR_BACKEND_GRAPH_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include <ggml.h>

#include "apir-protocol.h"
#include "backend/graph.h"
#include "backend/reg.h"

struct apir_buffer;

/* One graph that the host keeps. Empty: n_nodes is 0. */
struct apir_graph_note {
    uint32_t number; /* the host's */
    uint32_t n_nodes;
    uint32_t n_direct, n_leafs;       /* leafs that nodes refer to; and all */
    struct ggml_tensor **nodes;       /* where its nodes are; never followed before they are known to be there */
    const struct ggml_tensor **leafs; /* what is referred to and is no node, direct ones first */
    struct apir_uses uses;            /* of the nodes; owned */
    struct apir_print of_nodes, of_direct, of_rest;
    struct apir_buffer **buffers; /* each once; never followed before they are known to be there */
    struct apir_graph_buffer {
        ggml_backend_buffer_t of_ggml; /* what tensors refer to */
        uint64_t handle;
    } *identities; /* of the buffers */
    uint32_t n_buffers;
    uint64_t last_use;
};

/* Zero-initialised is empty and ready; the owner calls finish. */
struct apir_graph_memory {
    struct apir_graph_note notes[APIR_MAX_GRAPHS];
    struct apir_tensor_map map;
    uint64_t clock;
};

/* The note of a graph with exactly this content, or NULL. */
struct apir_graph_note *apir_graph_memory_find(struct apir_graph_memory *memory, const struct apir_reg *reg,
                                               struct ggml_cgraph *cgraph);

/* An empty note, of which the number may be used: that of the graph that was not used for longest is taken. */
struct apir_graph_note *apir_graph_memory_take(struct apir_graph_memory *memory);

/* Fills an empty note with what was built from cgraph. Without memory it stays empty. */
void apir_graph_memory_fill(struct apir_graph_memory *memory, struct apir_graph_note *note, const struct apir_reg *reg,
                            struct ggml_cgraph *cgraph, const struct apir_graph_builder *builder);

void apir_graph_memory_finish(struct apir_graph_memory *memory);

#endif
