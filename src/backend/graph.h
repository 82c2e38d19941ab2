/* ggml's graphs as the protocol describes them. */
#ifndef APIR_BACKEND_GRAPH_H
#define APIR_BACKEND_GRAPH_H

#include <ggml.h>

#include "apir-protocol.h"
#include "backend/reg.h"
#include "backend/tensor-map.h"

struct apir_buffer;

/* Memory to describe graphs in, kept from one to the next. Zero-initialised is empty and ready. */
struct apir_graph_builder {
    struct apir_tensor_map map; /* tensors to indices */
    struct apir_tensor *tensors;
    uint32_t (*sources)[GGML_MAX_SRC]; /* of each tensor */
    struct apir_buffer **buffers;      /* that holds each tensor */
    uint32_t n_tensors, capacity;
    uint32_t *nodes;
    uint32_t n_nodes, nodes_capacity;
};

/* Describes the nodes of cgraph, which may be part of a larger graph, with every tensor that they
 * mention. *graph refers to builder and to the names of ggml's tensors. Nodes that compute nothing
 * and lie in a buffer that is not ours are left out: ggml's scheduler puts such views anywhere. 0,
 * -ENOMEM, or -EINVAL after a line in the log. */
int apir_graph_build(struct apir_graph_builder *builder, const struct apir_reg *reg,
                     struct ggml_cgraph *cgraph, struct apir_graph *graph);

/* Frees the memory. */
void apir_graph_builder_finish(struct apir_graph_builder *builder);

#endif
