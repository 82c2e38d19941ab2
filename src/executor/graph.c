/* Graphs: rebuilt from the wire with ggml's public functions, so that the backend finds what it would find natively:
 * the order of nodes, and the use counts by which it decides what to fuse. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apir-codec.h"
#include "util/arena.h"
#include "wire/cs.h"
#include "executor/private.h"
#include "util/checked.h"

enum {
    OVERWRITE_WINDOW = 64, /* nodes: more than a layer's part between two that use the same memory */
};

/* A graph on its way from the wire to the backend. */
struct rebuilt {
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
    bool unbound;                     /* its tensors have to be bound anew before it is computed again */
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
    memcpy(copy, (char *)memory->data + offset, size);
    apir_dec_init(dec, copy, size, arena);
    ret = 0;
out:
    apir_shm_table_put(executor->memory, memory);
    return ret;
}

static int describe(struct rebuilt *self)
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
static int check_order(struct rebuilt *self)
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

static int bind(struct rebuilt *self, enum ggml_status *status)
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
static void set_building_flags(struct rebuilt *self)
{
    for (uint32_t i = 0; i < self->wire->n_tensors; i++) {
        bool is_parameter = self->place[i] && self->tensors[i].op == GGML_OP_NONE;
        self->tensors[i].flags = is_parameter ? GGML_TENSOR_FLAG_PARAM : 0;
    }
}

/* Whether a node soon after this one writes over its value, so that nobody else can use it. Allocators give memory that
 * is free again to the next who need some, and many ops work in place. */
static bool is_overwritten(const struct rebuilt *self, uint32_t position)
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
static bool is_used_elsewhere(const struct rebuilt *self, uint32_t tensor)
{
    if (self->deployed)
        return self->uses[tensor] > 0 && !is_overwritten(self, self->place[tensor] - 1);
    return self->wire->tensors[tensor].use_count > self->uses[tensor];
}

/* The guest's flags. A value that the guest's whole graph uses more often than this part of it must not be fused away:
 * it is marked as an output. */
static void set_running_flags(struct rebuilt *self)
{
    for (uint32_t i = 0; i < self->wire->n_tensors; i++) {
        self->tensors[i].flags = (int32_t)self->wire->tensors[i].flags;
        if (self->place[i] && is_used_elsewhere(self, i))
            self->tensors[i].flags |= GGML_TENSOR_FLAG_OUTPUT;
    }
}

static int build(struct rebuilt *self)
{
    size_t size = (size_t)self->wire->n_tensors + 1;
    struct ggml_init_params params = {.mem_size = ggml_graph_overhead_custom(size, false) + 1024, .no_alloc = true};
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

static void finish(struct rebuilt *self)
{
    if (self->context)
        ggml_free(self->context);
    apir_buffer_uses_finish(self->executor, &self->buffers);
}

/* Whether the device can compute every node: one that cannot would end the process. */
static bool is_supported(const struct rebuilt *self, const struct apir_stream *stream)
{
    ggml_backend_dev_t device = ggml_backend_get_device(stream->host);
    for (uint32_t i = 0; i < self->wire->n_nodes; i++) {
        const struct ggml_tensor *node = &self->tensors[self->wire->nodes[i]];
        if (ggml_backend_dev_supports_op(device, node))
            continue;
        apir_executor_complain(self->executor, "node %u of a graph: the device cannot compute %s", i,
                               ggml_op_desc(node));
        return false;
    }
    return true;
}

/* Makes everything up to the graph that can be computed. */
static int make(struct rebuilt *self, const struct apir_stream *stream, enum ggml_status *status)
{
    *status = GGML_STATUS_FAILED;
    int ret = describe(self);
    if (ret == 0)
        ret = check_order(self);
    if (ret == 0)
        ret = bind(self, status);
    if (ret == 0 && *status == GGML_STATUS_SUCCESS && self->deployed && !is_supported(self, stream))
        *status = GGML_STATUS_FAILED;
    return ret == 0 && *status == GGML_STATUS_SUCCESS ? build(self) : ret;
}

static enum ggml_status compute_locked(struct rebuilt *self, struct apir_stream *stream)
{
    enum ggml_status status = ggml_backend_graph_compute(stream->host, self->graph);
    atomic_fetch_add_explicit(&self->executor->graphs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&self->executor->nodes, self->wire->n_nodes, memory_order_relaxed);
    return status;
}

int apir_graph_run(struct apir_executor *executor, struct apir_arena *arena, const struct apir_graph *graph,
                   struct apir_stream *stream, bool deployed, enum ggml_status *status)
{
    struct rebuilt self = {.executor = executor, .arena = arena, .wire = graph, .deployed = deployed};
    int ret = make(&self, stream, status);
    if (ret == 0 && *status == GGML_STATUS_SUCCESS) {
        pthread_mutex_lock(&stream->lock);
        *status = compute_locked(&self, stream);
        pthread_mutex_unlock(&stream->lock);
    }
    finish(&self);
    return ret;
}

/* A graph that stays, at the same addresses: backends recognise what they have seen. It does not keep its buffers. */
struct apir_kept_graph {
    struct apir_arena arena; /* of all below */
    struct apir_graph wire;
    struct rebuilt rebuilt;
};

void apir_kept_graph_destroy(struct apir_kept_graph *kept)
{
    if (!kept)
        return;
    finish(&kept->rebuilt);
    apir_arena_finish(&kept->arena);
    free(kept);
}

static int fetch(struct apir_executor *executor, struct apir_arena *arena, const struct apir_graph_compute_args *args,
                 struct apir_graph *graph)
{
    struct apir_dec dec;
    int ret = apir_graph_fetch(executor, arena, args->shm, args->shm_offset, args->size, &dec);
    if (ret < 0)
        return ret;
    apir_decode_graph(&dec, graph);
    return apir_dec_finish(&dec) ? 0 : -EBADMSG;
}

/* Fetches the graph and runs it. */
static int run_once(struct apir_executor *executor, const struct apir_graph_compute_args *args,
                    struct apir_stream *stream, enum ggml_status *status)
{
    struct apir_arena arena = {0};
    struct apir_graph graph;
    int ret = fetch(executor, &arena, args, &graph);
    if (ret == 0)
        ret = apir_graph_run(executor, &arena, &graph, stream, false, status);
    apir_arena_finish(&arena);
    return ret;
}

static void keep_locked(struct apir_stream *stream, uint32_t number, struct apir_kept_graph *kept)
{
    apir_kept_graph_destroy(stream->kept[number - 1]);
    stream->kept[number - 1] = kept;
}

/* The same, and keeps it after success. */
static int run_and_keep(struct apir_executor *executor, const struct apir_graph_compute_args *args,
                        struct apir_stream *stream, enum ggml_status *status)
{
    struct apir_kept_graph *kept = calloc(1, sizeof *kept);
    if (!kept)
        return -ENOMEM;
    kept->rebuilt = (struct rebuilt){.executor = executor, .arena = &kept->arena, .wire = &kept->wire};
    int ret = fetch(executor, &kept->arena, args, &kept->wire);
    if (ret == 0)
        ret = make(&kept->rebuilt, stream, status);
    if (ret == 0 && *status == GGML_STATUS_SUCCESS) {
        pthread_mutex_lock(&stream->lock);
        *status = compute_locked(&kept->rebuilt, stream);
        apir_buffer_uses_release(executor, &kept->rebuilt.buffers);
        if (*status == GGML_STATUS_SUCCESS) {
            keep_locked(stream, args->graph, kept);
            kept = NULL;
        }
        pthread_mutex_unlock(&stream->lock);
    }
    apir_kept_graph_destroy(kept);
    return ret;
}

static struct apir_stream *get_stream(struct apir_executor *executor, uint64_t handle)
{
    return (struct apir_stream *)apir_object_table_get(&executor->objects, handle, APIR_OBJECT_STREAM);
}

/* A stream whose graph has failed computes none until the guest was told: those that follow may need its results. */
static bool has_failed(struct apir_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    bool failed = stream->status != GGML_STATUS_SUCCESS;
    pthread_mutex_unlock(&stream->lock);
    return failed;
}

/* What a handler returns for the outcome of a graph: status if all else was good. */
static int conclude(struct apir_stream *stream, int ret, enum ggml_status status)
{
    if (ret < 0 || status == GGML_STATUS_SUCCESS)
        return ret;
    pthread_mutex_lock(&stream->lock);
    stream->status = status;
    pthread_mutex_unlock(&stream->lock);
    return (int)apir_graph_status_from_ggml(status);
}

int handle_graph_compute(void *data, struct apir_arena *scratch, const struct apir_graph_compute_args *args)
{
    (void)scratch; /* a graph's memory is not kept for later calls */
    struct apir_executor *executor = data;
    struct apir_stream *stream = get_stream(executor, args->stream);
    if (!stream)
        return -ENOENT;
    enum ggml_status status = GGML_STATUS_SUCCESS;
    int ret = 0;
    if (!has_failed(stream))
        ret = args->graph ? run_and_keep(executor, args, stream, &status) : run_once(executor, args, stream, &status);
    ret = conclude(stream, ret, status);
    apir_object_table_put(&executor->objects, &stream->object);
    return ret;
}

int handle_stream_collect(void *data, struct apir_arena *scratch, const struct apir_stream_collect_args *args,
                          struct apir_stream_collect_reply *reply)
{
    (void)scratch;
    struct apir_executor *executor = data;
    struct apir_stream *stream = get_stream(executor, args->stream);
    if (!stream)
        return -ENOENT;
    pthread_mutex_lock(&stream->lock);
    reply->status = apir_graph_status_from_ggml(stream->status);
    stream->status = GGML_STATUS_SUCCESS;
    pthread_mutex_unlock(&stream->lock);
    apir_object_table_put(&executor->objects, &stream->object);
    return 0;
}

/* What backends attach to tensors is gone with the reset of a buffer. */
static int bind_anew(struct rebuilt *self, enum ggml_status *status)
{
    for (uint32_t i = 0; i < self->wire->n_tensors; i++) {
        self->tensors[i].buffer = NULL;
        self->tensors[i].data = NULL;
        self->tensors[i].extra = NULL;
    }
    return bind(self, status);
}

static int rerun_locked(struct apir_stream *stream, uint32_t number, enum ggml_status *status)
{
    struct apir_kept_graph *kept = stream->kept[number - 1];
    if (!kept)
        return -ENOENT;
    struct rebuilt *rebuilt = &kept->rebuilt;
    int ret = apir_buffer_uses_hold(rebuilt->executor, &rebuilt->buffers);
    if (ret < 0)
        return ret;
    *status = GGML_STATUS_SUCCESS;
    if (ret == 1 || rebuilt->unbound)
        ret = bind_anew(rebuilt, status);
    rebuilt->unbound = ret < 0 || *status != GGML_STATUS_SUCCESS;
    if (!rebuilt->unbound)
        *status = compute_locked(rebuilt, stream);
    apir_buffer_uses_release(rebuilt->executor, &rebuilt->buffers);
    return ret;
}

int handle_graph_recompute(void *data, struct apir_arena *scratch, const struct apir_graph_recompute_args *args)
{
    (void)scratch;
    struct apir_executor *executor = data;
    struct apir_stream *stream = get_stream(executor, args->stream);
    if (!stream)
        return -ENOENT;
    enum ggml_status status = GGML_STATUS_SUCCESS;
    int ret = 0;
    if (!has_failed(stream)) {
        pthread_mutex_lock(&stream->lock);
        ret = rerun_locked(stream, args->graph, &status);
        pthread_mutex_unlock(&stream->lock);
    }
    ret = conclude(stream, ret, status);
    apir_object_table_put(&executor->objects, &stream->object);
    return ret;
}
