/* Graphs: rebuilt from the wire with ggml's public functions, so that the backend finds what it would find natively:
 * the order of nodes, and the use counts by which it decides what to fuse. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apir-codec.h"
#include "util/arena.h"
#include "wire/cs.h"
#include "executor/graph.h"
#include "executor/op-check.h"
#include "executor/private.h"
#include "util/checked.h"
#include "util/shared.h"

enum {
    OVERWRITE_WINDOW = 64, /* nodes: more than a layer's part between two that use the same memory */
};

enum apir_graph_status apir_graph_status_from_ggml(enum ggml_status status)
{
    switch (status) {
    case GGML_STATUS_SUCCESS:
        return APIR_GRAPH_STATUS_SUCCESS;
    case GGML_STATUS_ALLOC_FAILED:
        return APIR_GRAPH_STATUS_ALLOC_FAILED;
    case GGML_STATUS_ABORTED:
        return APIR_GRAPH_STATUS_ABORTED;
    case GGML_STATUS_FAILED:
        break;
    }
    return APIR_GRAPH_STATUS_FAILED;
}

int apir_graph_fetch(struct apir_executor *executor, struct apir_arena *arena, uint32_t shm, uint64_t offset,
                     uint64_t size, struct apir_dec *dec)
{
    struct apir_mapping *memory = apir_shm_table_get(executor->memory, shm);
    int ret = -EFAULT;
    if (!memory || !apir_checked_range(offset, size, memory->size))
        goto out;
    ret = -ENOMEM;
    void *copy = apir_arena_alloc(arena, size);
    if (!copy)
        goto out;
    apir_shared_read(copy, (char *)memory->data + offset, size);
    apir_dec_init(dec, copy, size, arena);
    ret = 0;
out:
    apir_shm_table_put(executor->memory, memory);
    return ret;
}

static int describe(struct apir_rebuilt *self)
{
    uint32_t n = self->wire->n_tensors;
    self->tensors = apir_arena_alloc(self->arena, n * sizeof *self->tensors);
    self->place = apir_arena_alloc(self->arena, n * sizeof *self->place);
    self->uses = apir_arena_alloc(self->arena, n * sizeof *self->uses);
    if (!self->tensors || !self->place || !self->uses)
        return -ENOMEM;
    return apir_tensor_describe_list(self->executor, self->wire->tensors, n, self->tensors);
}

/* Each tensor at most once among the nodes, and after all of its sources that are nodes; what is no node has no op, or
 * ggml would compute it too. */
static int check_order(struct apir_rebuilt *self)
{
    for (uint32_t i = 0; i < self->wire->n_nodes; i++) {
        uint32_t index = self->wire->nodes[i];
        if (index >= self->wire->n_tensors || self->place[index])
            return -EINVAL;
        self->place[index] = i + 1;
    }
    for (uint32_t t = 0; t < self->wire->n_tensors; t++) {
        const struct ggml_tensor *tensor = &self->tensors[t];
        if (!self->place[t] && tensor->op != GGML_OP_NONE)
            return -EINVAL;
        for (int s = 0; s < GGML_MAX_SRC; s++) {
            if (!tensor->src[s])
                continue;
            uint32_t source = (uint32_t)(tensor->src[s] - self->tensors);
            if (!self->place[t] || (self->place[source] && self->place[source] >= self->place[t]))
                return -EINVAL;
            self->uses[source]++;
        }
    }
    return 0;
}

static int bind(struct apir_rebuilt *self, enum ggml_status *status)
{
    *status = GGML_STATUS_SUCCESS;
    for (uint32_t i = 0; i < self->wire->n_tensors && *status == GGML_STATUS_SUCCESS; i++) {
        const struct apir_tensor *from = &self->wire->tensors[i];
        int ret;
        if (from->view_src) {
            ret = apir_tensor_bind_view(&self->tensors[i], status);
        } else {
            struct apir_buffer *buffer = apir_buffer_uses_get(self->executor, &self->buffers, from->buffer);
            ret = buffer ? apir_tensor_bind(&self->tensors[i], buffer, from->offset, status) : -ENOENT;
        }
        if (ret < 0)
            return ret;
    }
    return 0;
}

/* While ggml builds the graph, a tensor's flags decide whether one without an op is a node (a parameter) or a leaf. */
static void set_building_flags(struct apir_rebuilt *self)
{
    for (uint32_t i = 0; i < self->wire->n_tensors; i++) {
        bool is_parameter = self->place[i] && self->tensors[i].op == GGML_OP_NONE;
        self->tensors[i].flags = is_parameter ? GGML_TENSOR_FLAG_PARAM : 0;
    }
}

/* Whether a node soon after this one writes over its value, so that nobody else can use it. Allocators give memory that
 * is free again to the next who need some, and many ops work in place. */
static bool is_overwritten(const struct apir_rebuilt *self, uint32_t position)
{
    const struct ggml_tensor *node = &self->tensors[self->wire->nodes[position]];
    const char *start = node->data, *end = start + ggml_nbytes(node);
    for (uint32_t i = position + 1; i < self->wire->n_nodes && i - position <= OVERWRITE_WINDOW; i++) {
        const struct ggml_tensor *later = &self->tensors[self->wire->nodes[i]];
        const char *data = later->data;
        if (later->op == GGML_OP_NONE || later->op == GGML_OP_RESHAPE || later->op == GGML_OP_VIEW ||
            later->op == GGML_OP_PERMUTE || later->op == GGML_OP_TRANSPOSE)
            continue;
        if (data < end && start < data + ggml_nbytes(later))
            return true;
    }
    return false;
}

/* Whether something outside this graph may use the value of a node, too. Deployed guests do not say how often a value is
 * used in all. */
static bool is_used_elsewhere(const struct apir_rebuilt *self, uint32_t tensor)
{
    if (self->deployed)
        return self->uses[tensor] > 0 && !is_overwritten(self, self->place[tensor] - 1);
    return self->wire->tensors[tensor].use_count > self->uses[tensor];
}

/* The guest's flags. A value that the guest's whole graph uses more often than this part of it must not be fused away:
 * it is marked as an output. */
static void set_running_flags(struct apir_rebuilt *self)
{
    for (uint32_t i = 0; i < self->wire->n_tensors; i++) {
        self->tensors[i].flags = (int32_t)self->wire->tensors[i].flags;
        if (self->place[i] && is_used_elsewhere(self, i))
            self->tensors[i].flags |= GGML_TENSOR_FLAG_OUTPUT;
    }
}

/* What is not in the arena. */
static bool charge(struct apir_rebuilt *self, size_t context_size)
{
    uint64_t size = context_size + self->buffers.capacity * sizeof *self->buffers.uses;
    if (!apir_quota_charge(&self->executor->quotas.graphs, size))
        return false;
    self->charged = size;
    return true;
}

static int build(struct apir_rebuilt *self)
{
    size_t size = (size_t)self->wire->n_tensors + 1;
    struct ggml_init_params params = {.mem_size = ggml_graph_overhead_custom(size, false) + 1024, .no_alloc = true};
    if (!charge(self, params.mem_size))
        return -ENOMEM;
    self->context = ggml_init(params);
    if (!self->context)
        return -ENOMEM;
    self->graph = ggml_new_graph_custom(self->context, size, false);
    set_building_flags(self);
    for (uint32_t i = 0; i < self->wire->n_nodes; i++)
        ggml_build_forward_expand(self->graph, &self->tensors[self->wire->nodes[i]]);
    set_running_flags(self);

    if ((uint32_t)ggml_graph_n_nodes(self->graph) != self->wire->n_nodes)
        return -EINVAL;
    for (uint32_t i = 0; i < self->wire->n_nodes; i++)
        if (ggml_graph_node(self->graph, (int)i) != &self->tensors[self->wire->nodes[i]])
            return -EINVAL;
    return 0;
}

void apir_rebuilt_finish(struct apir_rebuilt *self)
{
    if (self->context)
        ggml_free(self->context);
    apir_buffer_uses_finish(self->executor, &self->buffers);
    apir_quota_uncharge(&self->executor->quotas.graphs, self->charged);
}

/* Whether every node is one that ggml could have made. Looked at before anything of ggml sees them. */
static bool is_sound(const struct apir_rebuilt *self)
{
    for (uint32_t i = 0; i < self->wire->n_nodes; i++) {
        const struct ggml_tensor *node = &self->tensors[self->wire->nodes[i]];
        const char *flaw = apir_op_check(node);
        if (!flaw)
            continue;
        apir_executor_complain(self->executor, "node %u of a graph, %s: %s", i, ggml_op_name(node->op), flaw);
        return false;
    }
    return true;
}

/* Whether the device can compute every node: one that cannot would end the process. */
static bool is_supported(const struct apir_rebuilt *self, const struct apir_stream *stream)
{
    ggml_backend_dev_t device = ggml_backend_get_device(stream->host);
    for (uint32_t i = 0; i < self->wire->n_nodes; i++) {
        const struct ggml_tensor *node = &self->tensors[self->wire->nodes[i]];
        if (!apir_op_check_runs(node) || apir_device_takes(device, node))
            continue;
        apir_executor_complain(self->executor, "node %u of a graph: the device cannot compute %s", i,
                               ggml_op_desc(node));
        return false;
    }
    return true;
}

static bool has_too_many_nodes(const struct apir_rebuilt *self)
{
    uint64_t most = self->executor->options.limits.graph_nodes;
    if (self->wire->n_nodes <= most)
        return false;
    apir_executor_complain(self->executor, "a graph of %u nodes is more than %llu (--max-graph-nodes)",
                           self->wire->n_nodes, (unsigned long long)most);
    return true;
}

int apir_rebuilt_make(struct apir_rebuilt *self, const struct apir_stream *stream, enum ggml_status *status)
{
    *status = GGML_STATUS_ALLOC_FAILED;
    if (has_too_many_nodes(self))
        return 0;
    *status = GGML_STATUS_FAILED;
    int ret = describe(self);
    if (ret == 0)
        ret = check_order(self);
    if (ret < 0 || !is_sound(self))
        return ret;
    ret = bind(self, status);
    if (ret == 0 && *status == GGML_STATUS_SUCCESS && !is_supported(self, stream))
        *status = GGML_STATUS_FAILED;
    return ret == 0 && *status == GGML_STATUS_SUCCESS ? build(self) : ret;
}

enum ggml_status apir_rebuilt_compute_locked(struct apir_rebuilt *self, struct apir_stream *stream)
{
    enum ggml_status status = ggml_backend_graph_compute(stream->host, self->graph);
    atomic_fetch_add_explicit(&self->executor->graphs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&self->executor->nodes, self->wire->n_nodes, memory_order_relaxed);
    return status;
}

int apir_graph_run(struct apir_executor *executor, struct apir_arena *arena, const struct apir_graph *graph,
                   struct apir_stream *stream, bool deployed, enum ggml_status *status)
{
    struct apir_rebuilt self = {.executor = executor, .arena = arena, .wire = graph, .deployed = deployed};
    int ret = apir_rebuilt_make(&self, stream, status);
    if (ret == 0 && *status == GGML_STATUS_SUCCESS) {
        pthread_mutex_lock(&stream->lock);
        *status = apir_rebuilt_compute_locked(&self, stream);
        pthread_mutex_unlock(&stream->lock);
    }
    apir_rebuilt_finish(&self);
    return ret;
}

static bool has_extras(const struct apir_rebuilt *self)
{
    for (uint32_t i = 0; i < self->wire->n_tensors; i++)
        if (self->tensors[i].extra)
            return true;
    return false;
}

int apir_rebuilt_bind_anew(struct apir_rebuilt *self, enum ggml_status *status)
{
    if (!self->unbound && !has_extras(self)) /* most backends attach nothing */
        return 0;
    for (uint32_t i = 0; i < self->wire->n_tensors; i++) {
        self->tensors[i].buffer = NULL;
        self->tensors[i].data = NULL;
        self->tensors[i].extra = NULL;
    }
    return bind(self, status);
}
