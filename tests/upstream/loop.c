#include "upstream/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the sample of a graph, of two nodes and four tensors, has what; and where its request has the size. */
enum {
    SAMPLE_NODES = 2,
    TENSOR_SIZE = 304,
    TENSORS = 4 + 8 * SAMPLE_NODES + 4,
    LEAFS = 2,
    GRAPH_SIZE = 16,
    FIRST_ID = 0x1000,
};

struct loop {
    struct replay *replay;
    struct sample props, set, get, compute;
    uint8_t *graph;
    size_t graph_size;
};

static int call(struct loop *loop, const struct sample *sample)
{
    uint32_t notif = 0;
    int ret = deployed_guest_call(loop->replay->guest, sample->request.data, sample->request.size, &notif);
    if (ret == 0 && notif == DEPLOYED_OK)
        return 0;
    snprintf(loop->replay->error, sizeof loop->replay->error, "function %u: notif %u, %s",
             deployed_u32(sample->request.data + DEPLOYED_FUNCTION), notif, strerror(-ret));
    return -1;
}

/* The sample's leafs, and its first node again and again. */
static int make_graph(struct loop *loop)
{
    const uint8_t *from = loop->compute.shm.data;
    size_t nodes_size = 4 + 8 * LOOP_NODES;
    loop->graph_size = nodes_size + 4 + TENSOR_SIZE * (LEAFS + LOOP_NODES);
    loop->graph = calloc(1, loop->graph_size);
    if (!loop->graph)
        return -1;
    uint8_t *tensors = loop->graph + nodes_size + 4;
    deployed_put_u32(loop->graph, LOOP_NODES);
    deployed_put_u32(loop->graph + nodes_size, LEAFS + LOOP_NODES);
    memcpy(tensors, from + TENSORS, LEAFS * TENSOR_SIZE);
    for (unsigned i = 0; i < LOOP_NODES; i++) {
        uint8_t *node = tensors + TENSOR_SIZE * (LEAFS + i);
        memcpy(node, from + TENSORS + TENSOR_SIZE * LEAFS, TENSOR_SIZE);
        deployed_put_u64(node, FIRST_ID + i);
        deployed_put_u64(loop->graph + 4 + 8 * i, FIRST_ID + i);
    }
    deployed_put_u64(loop->compute.request.data + GRAPH_SIZE, loop->graph_size);
    return 0;
}

static int compute(struct loop *loop)
{
    memcpy(loop->replay->guest->data.data, loop->graph, loop->graph_size);
    return call(loop, &loop->compute);
}

static int run(struct loop *loop, unsigned calls)
{
    const struct sample *in_turn[] = {&loop->props, &loop->set, &loop->get};
    for (unsigned i = 0; i < calls; i++)
        if (call(loop, in_turn[i % 3]) < 0 || (i % 10 == 9 && compute(loop) < 0))
            return -1;
    return 0;
}

int loop_run(struct replay *replay, unsigned calls)
{
    struct loop loop = {.replay = replay};
    if (!replay_prepare(replay, "device_get_props", &loop.props) ||
        !replay_prepare(replay, "buffer_set_tensor", &loop.set) ||
        !replay_prepare(replay, "buffer_get_tensor", &loop.get) ||
        !replay_prepare(replay, "backend_graph_compute", &loop.compute) || make_graph(&loop) < 0)
        return -1;
    int ret = run(&loop, calls);
    free(loop.graph);
    return ret;
}
