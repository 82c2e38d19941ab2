/* Graphs as ggml has them, made of those on the wire. */
#ifndef APIR_EXECUTOR_GRAPH_H
#define APIR_EXECUTOR_GRAPH_H

#include "executor/private.h"

/* A graph on its way from the wire to the backend. */
struct apir_rebuilt {
    struct apir_executor *executor;
    struct apir_arena *arena;         /* borrowed */
    const struct apir_graph *wire;    /* borrowed */
    bool deployed;                    /* from a guest of the deployed protocol, which tells and asks less */
    struct ggml_tensor *tensors;      /* one for each of the wire's */
    uint32_t *place;                  /* 1 + position of a tensor among the nodes, 0: it is not a node */
    uint32_t *uses;                   /* how many sources of nodes a tensor is */
    struct apir_buffer_uses buffers;
    struct ggml_context *context;
    struct ggml_cgraph *graph;
    uint64_t charged;                 /* of the quota of graphs, besides what the arena has */
    bool unbound;                     /* its tensors have to be bound anew before it is computed again */
};

/* Makes everything up to the graph that can be computed, from executor, arena, wire and deployed; the rest is zeroed. *status
 * is ggml's answer, or that the guest may not have so large a graph. -ENOMEM: nor so much memory. To be finished in any case. */
int apir_rebuilt_make(struct apir_rebuilt *self, const struct apir_stream *stream, enum ggml_status *status);

/* Computes it; the stream's lock is held. */
enum ggml_status apir_rebuilt_compute_locked(struct apir_rebuilt *self, struct apir_stream *stream);

/* What backends attach to tensors is gone with the reset of a buffer: attaches it anew. */
int apir_rebuilt_bind_anew(struct apir_rebuilt *self, enum ggml_status *status);

void apir_rebuilt_finish(struct apir_rebuilt *self);

#endif
