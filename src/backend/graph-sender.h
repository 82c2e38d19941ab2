/* Tells the host of graphs that it does not keep: as a whole, or by what differs from the one told before. */
#ifndef APIR_BACKEND_GRAPH_SENDER_H
#define APIR_BACKEND_GRAPH_SENDER_H

#include <stdint.h>

#include "backend/graph.h"
#include "client/session.h"

struct apir_graph_memory;
struct apir_queue;

enum {
    APIR_GRAPH_SENDER_SLOTS = 2, /* one is written while the host reads the other */
};

/* Belongs to a stream. Zero-initialised is ready but for the first three; the owner calls finish. */
struct apir_graph_sender {
    struct apir_reg *reg;     /* borrowed */
    struct apir_queue *queue; /* borrowed */
    uint64_t stream;          /* the host's handle */
    struct apir_graph_slot {
        struct apir_shm shm;               /* owned; what the graph is written to */
        uint64_t sequence;                 /* of the call that reads it */
        struct apir_graph_builder builder; /* what was told */
    } slots[APIR_GRAPH_SENDER_SLOTS];
    uint32_t last; /* slot of the graph that was told last */
    uint32_t base; /* its number; 0: the host does not keep it */
};

/* Has the host compute a graph, and keep it if it can; memory then knows it. The caller does not hold the queue's lock.
 * Returns 1 when a call is under way, 0 when there is nothing to compute, or -errno. */
int apir_graph_sender_send(struct apir_graph_sender *sender, struct apir_graph_memory *memory, struct ggml_cgraph *cgraph);

/* The host has forgotten the graphs. */
void apir_graph_sender_forget(struct apir_graph_sender *sender);

/* No call may be under way. */
void apir_graph_sender_finish(struct apir_graph_sender *sender);

/* Tells the host about the usage of buffers (NULL among them is skipped). 0 or -errno. */
int apir_graph_mirror_usages(struct apir_buffer *const *buffers, uint32_t n);

#endif
