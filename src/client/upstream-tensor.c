#include <errno.h>
#include <string.h>

#include "apir-upstream-codec.h"
#include "client/upstream-private.h"

static int fit(uint32_t to[APIR_MAX_DIMS], const uint64_t from[APIR_MAX_DIMS])
{
    for (uint32_t i = 0; i < APIR_MAX_DIMS; i++) {
        if (from[i] > UINT32_MAX)
            return -EOVERFLOW;
        to[i] = (uint32_t)from[i];
    }
    return 0;
}

int apir_upstream_describe(const struct apir_tensor *tensor, struct apir_upstream_tensor *to)
{
    *to = (struct apir_upstream_tensor){
        .id = 1, /* in a graph: see below; elsewhere it only must not be 0 */
        .type = tensor->type,
        .buffer = tensor->buffer,
        .op = tensor->op,
        .flags = (int32_t)tensor->flags,
        .data = tensor->offset,
        .name = tensor->name,
    };
    memcpy(to->op_params, tensor->op_params, sizeof to->op_params);
    int ret = fit(to->ne, tensor->ne);
    return ret < 0 ? ret : fit(to->nb, tensor->nb);
}

/* In a graph every tensor is named by its index + 1, which is how ours refers to others, too. */
static int describe_in_graph(const struct apir_tensor *tensor, uint32_t index, struct apir_upstream_tensor *to)
{
    int ret = apir_upstream_describe(tensor, to);
    to->id = index + 1;
    to->view_src = tensor->view_src;
    to->view_offs = tensor->view_offs;
    for (uint32_t i = 0; i < tensor->n_src; i++)
        to->src[i] = tensor->src[i];
    return ret;
}

int apir_upstream_write_graph(struct apir_enc *enc, const struct apir_graph *graph)
{
    /* as apir_upstream_encode_graph does, without a second copy of all tensors */
    apir_enc_u32(enc, graph->n_nodes);
    for (uint32_t i = 0; i < graph->n_nodes; i++)
        apir_enc_u64(enc, graph->nodes[i] + UINT64_C(1));
    apir_enc_u32(enc, graph->n_tensors);
    for (uint32_t i = 0; i < graph->n_tensors; i++) {
        struct apir_upstream_tensor tensor;
        int ret = describe_in_graph(&graph->tensors[i], i, &tensor);
        if (ret < 0)
            return ret;
        apir_upstream_encode_tensor(enc, &tensor);
    }
    return 0;
}

/* Pointers stay 0 unless the host is told of what they point to: it takes all others for its own. */
static int describe_raw(const struct apir_tensor *tensor, struct apir_upstream_raw_tensor *to)
{
    uint32_t unused[APIR_MAX_DIMS];
    *to = (struct apir_upstream_raw_tensor){
        .type = tensor->type,
        .op = tensor->op,
        .flags = (int32_t)tensor->flags,
        .view_offs = tensor->view_offs,
        .name = tensor->name,
    };
    memcpy(to->op_params, tensor->op_params, sizeof to->op_params);
    memcpy(to->ne, tensor->ne, sizeof to->ne);
    memcpy(to->nb, tensor->nb, sizeof to->nb);
    /* they fit here, but not into the graph that would follow */
    int ret = fit(unused, tensor->ne);
    return ret < 0 ? ret : fit(unused, tensor->nb);
}

static const struct apir_tensor *tensor_of(const struct apir_op_query *query, uint32_t number)
{
    return number >= 1 && number <= query->n_tensors ? &query->tensors[number - 1] : NULL;
}

int apir_upstream_describe_op(const struct apir_op_query *query, struct apir_upstream_raw_op *op,
                              struct apir_upstream_raw_tensor sources[APIR_MAX_SRC])
{
    const struct apir_tensor *tensor = &query->tensors[query->n_tensors - 1];
    *op = (struct apir_upstream_raw_op){.sources = sources};
    int ret = describe_raw(tensor, &op->op);
    if (ret == 0 && tensor->view_src) {
        const struct apir_tensor *viewed = tensor_of(query, tensor->view_src);
        op->op.view_src = tensor->view_src;
        ret = viewed ? describe_raw(viewed, &op->view) : -EINVAL;
    }
    for (uint32_t i = 0; ret == 0 && i < tensor->n_src; i++) {
        const struct apir_tensor *source = tensor_of(query, tensor->src[i]);
        /* the message ends at the first source that is missing */
        if (!source)
            return -EOPNOTSUPP;
        op->op.src[i] = tensor->src[i];
        ret = describe_raw(source, &sources[i]);
        op->n_sources = i + 1;
    }
    return ret;
}
