#include "backend/graph.h"

#include <errno.h>
#include <stdlib.h>

#include "backend/tensor.h"

enum {
    FIRST_CAPACITY = 1024,
};

#define PENDING UINT32_MAX /* number in the map of a tensor that is not listed yet */

/* One run of apir_graph_build. */
struct build {
    struct apir_graph_builder *builder;
    const struct apir_reg *reg;
    const struct ggml_cgraph *cgraph;
};

static int refuse(const struct build *build, const struct ggml_tensor *tensor, const char *why)
{
    apir_error(build->reg->log, "cannot compute a graph: tensor \"%s\" (%s) %s", tensor->name,
               ggml_op_name(tensor->op), why);
    return -EINVAL;
}

static int resize(void *array, uint32_t count, size_t size)
{
    void **pointer = array;
    void *larger = reallocarray(*pointer, count, size);
    if (!larger)
        return -ENOMEM;
    *pointer = larger;
    return 0;
}

static int reserve_tensor(struct apir_graph_builder *builder)
{
    if (builder->n_tensors < builder->capacity)
        return 0;
    uint32_t capacity = builder->capacity ? 2 * builder->capacity : FIRST_CAPACITY;
    if (capacity > APIR_MAX_TENSORS)
        return -E2BIG;
    if (resize(&builder->tensors, capacity, sizeof *builder->tensors) < 0 ||
        resize(&builder->sources, capacity, sizeof *builder->sources) < 0 ||
        resize(&builder->buffers, capacity, sizeof *builder->buffers) < 0)
        return -ENOMEM;
    builder->capacity = capacity;
    return 0;
}

static int reserve_nodes(struct apir_graph_builder *builder, uint32_t count)
{
    if (count <= builder->nodes_capacity)
        return 0;
    if (count > APIR_MAX_TENSORS)
        return -E2BIG;
    int ret = resize(&builder->nodes, count, sizeof *builder->nodes);
    if (ret == 0)
        builder->nodes_capacity = count;
    return ret;
}

static bool computes_nothing(const struct ggml_tensor *node)
{
    return node->op == GGML_OP_NONE || node->op == GGML_OP_RESHAPE || node->op == GGML_OP_VIEW ||
           node->op == GGML_OP_PERMUTE || node->op == GGML_OP_TRANSPOSE;
}

static bool is_left_out(const struct apir_reg *reg, const struct ggml_tensor *node)
{
    uint64_t offset;
    return computes_nothing(node) && !apir_tensor_place(reg, node, &offset);
}

/* Appends the tensor, without what it refers to. */
static int append(const struct build *build, const struct ggml_tensor *tensor, bool is_node)
{
    struct apir_graph_builder *builder = build->builder;
    const struct apir_reg *reg = build->reg;
    if (!apir_names_knows_type(&reg->names, tensor))
        return refuse(build, tensor, "has a type that the host does not know");
    if (is_node && !apir_names_knows_op(&reg->names, tensor))
        return refuse(build, tensor, "is computed by an op that the host does not know");
    int ret = reserve_tensor(builder);
    if (ret < 0)
        return ret;
    struct apir_tensor *to = &builder->tensors[builder->n_tensors];
    struct apir_buffer *buffer = is_node ? apir_tensor_describe(reg, tensor, to)
                                         : apir_tensor_describe_data(reg, tensor, to);
    if (!buffer && !ggml_is_empty(tensor))
        return refuse(build, tensor, "is in no buffer of this library");
    to->use_count = reg->abi->use_count(build->cgraph, tensor);
    builder->buffers[builder->n_tensors] = buffer;
    builder->n_tensors++;
    return 0;
}

static int index_of(const struct build *build, const struct ggml_tensor *tensor, uint32_t *index);

/* Index of a source. ggml makes a cast its own source; sources come first on the wire, hence the
 * memory that the cast writes is listed as a tensor of its own. */
static int index_of_source(const struct build *build, const struct ggml_tensor *tensor,
                           const struct ggml_tensor *source, uint32_t *index)
{
    if (source != tensor)
        return index_of(build, source, index);
    int ret = append(build, tensor, false);
    if (ret == 0)
        *index = build->builder->n_tensors - 1;
    return ret;
}

/* Indices of what the tensor refers to; lists those that are not nodes. Index 0 stands for none. */
static int list_sources(const struct build *build, const struct ggml_tensor *tensor,
                        uint32_t sources[GGML_MAX_SRC], uint32_t *n)
{
    *n = 0;
    for (uint32_t i = 0; i < GGML_MAX_SRC; i++) {
        sources[i] = 0;
        if (!tensor->src[i])
            continue;
        uint32_t index;
        int ret = index_of_source(build, tensor, tensor->src[i], &index);
        if (ret < 0)
            return ret;
        sources[i] = index + 1;
        *n = i + 1;
    }
    return 0;
}

/* Lists the tensor after all that it refers to. */
static int list(const struct build *build, const struct ggml_tensor *tensor, bool is_node,
                uint32_t *index)
{
    struct apir_graph_builder *builder = build->builder;
    uint32_t sources[GGML_MAX_SRC], n_sources = 0, viewed = 0;
    int ret = is_node ? list_sources(build, tensor, sources, &n_sources) : 0;
    if (ret == 0 && tensor->view_src)
        ret = tensor->view_src->view_src ? refuse(build, tensor, "is a view of a view")
                                         : index_of(build, tensor->view_src, &viewed);
    if (ret == 0)
        ret = append(build, tensor, is_node);
    if (ret < 0)
        return ret;

    *index = builder->n_tensors - 1;
    struct apir_tensor *to = &builder->tensors[*index];
    to->n_src = n_sources;
    for (uint32_t i = 0; i < n_sources; i++)
        builder->sources[*index][i] = sources[i];
    to->view_src = tensor->view_src ? viewed + 1 : 0;
    to->view_offs = tensor->view_src ? tensor->view_offs : 0;
    bool added; /* no: it is in the map since index_of or mark_nodes */
    *apir_tensor_map_at(&builder->map, tensor, PENDING, &added) = *index;
    return 0;
}

/* Index of a tensor that a node refers to. A node must be listed before what uses it. */
static int index_of(const struct build *build, const struct ggml_tensor *tensor, uint32_t *index)
{
    bool added;
    const uint32_t *number = apir_tensor_map_at(&build->builder->map, tensor, PENDING, &added);
    if (!number)
        return -ENOMEM;
    if (added)
        return list(build, tensor, false, index);
    if (*number == PENDING)
        return refuse(build, tensor, "is used before it is computed");
    *index = *number;
    return 0;
}

/* Enters the nodes in the map, so that they can be told from other sources. Returns their number or
 * -errno. */
static int mark_nodes(const struct build *build, struct ggml_tensor **nodes, int n)
{
    int count = 0;
    for (int i = 0; i < n; i++) {
        if (is_left_out(build->reg, nodes[i]))
            continue;
        bool added;
        if (!apir_tensor_map_at(&build->builder->map, nodes[i], PENDING, &added))
            return -ENOMEM;
        if (!added)
            return refuse(build, nodes[i], "is in the graph twice");
        count++;
    }
    return count;
}

static int list_nodes(const struct build *build, struct ggml_tensor **nodes, int n)
{
    struct apir_graph_builder *builder = build->builder;
    for (int i = 0; i < n; i++) {
        if (is_left_out(build->reg, nodes[i]))
            continue;
        int ret = list(build, nodes[i], true, &builder->nodes[builder->n_nodes]);
        if (ret < 0)
            return ret;
        builder->n_nodes++;
    }
    return 0;
}

/* A tensor without elements may be in no buffer, but backends look at the buffer of every tensor:
 * it gets that of another. A graph that has none computes nothing. */
static void house_empty_tensors(struct apir_graph_builder *builder)
{
    struct apir_buffer *some = NULL;
    for (uint32_t i = 0; i < builder->n_tensors && !some; i++)
        some = builder->buffers[i];
    if (!some)
        builder->n_nodes = 0;
    for (uint32_t i = 0; i < builder->n_tensors && some; i++) {
        if (builder->buffers[i])
            continue;
        builder->buffers[i] = some;
        builder->tensors[i].buffer = some->handle;
    }
}

int apir_graph_build(struct apir_graph_builder *builder, const struct apir_reg *reg,
                     struct ggml_cgraph *cgraph, struct apir_graph *graph)
{
    const struct build build = {.builder = builder, .reg = reg, .cgraph = cgraph};
    struct ggml_tensor **nodes = ggml_graph_nodes(cgraph);
    int n = ggml_graph_n_nodes(cgraph);
    apir_tensor_map_clear(&builder->map);
    builder->n_tensors = 0;
    builder->n_nodes = 0;

    int ret = mark_nodes(&build, nodes, n);
    if (ret > 0)
        ret = reserve_nodes(builder, (uint32_t)ret);
    if (ret == 0)
        ret = list_nodes(&build, nodes, n);
    if (ret < 0)
        return ret;
    house_empty_tensors(builder);
    for (uint32_t i = 0; i < builder->n_tensors; i++) /* now that they no longer move */
        builder->tensors[i].src = builder->sources[i];
    *graph = (struct apir_graph){
        .tensors = builder->tensors,
        .n_tensors = builder->n_tensors,
        .nodes = builder->nodes,
        .n_nodes = builder->n_nodes,
    };
    return 0;
}

void apir_graph_builder_finish(struct apir_graph_builder *builder)
{
    apir_tensor_map_finish(&builder->map);
    free(builder->tensors);
    free(builder->sources);
    free(builder->buffers);
    free(builder->nodes);
    *builder = (struct apir_graph_builder){0};
}
