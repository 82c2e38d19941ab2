/* Tensors of the deployed protocol in the words of the own. */
#include <errno.h>
#include <string.h>

#include "executor/upstream-private.h"

void apir_upstream_convert(const struct apir_upstream_tensor *from, struct apir_tensor *to)
{
    *to = (struct apir_tensor){.type = from->type,
                               .op = from->op,
                               .flags = (uint32_t)from->flags,
                               .view_offs = from->view_offs,
                               .buffer = from->buffer,
                               .offset = from->data,
                               .name = from->name};
    for (unsigned i = 0; i < APIR_UPSTREAM_MAX_DIMS; i++) {
        to->ne[i] = from->ne[i];
        to->nb[i] = from->nb[i];
    }
    memcpy(to->op_params, from->op_params, sizeof to->op_params);
}

static void convert_raw(const struct apir_upstream_raw_tensor *from, struct apir_tensor *to)
{
    *to = (struct apir_tensor){.type = from->type,
                               .op = from->op,
                               .flags = (uint32_t)from->flags,
                               .view_offs = from->view_offs,
                               .name = from->name};
    memcpy(to->ne, from->ne, sizeof to->ne);
    memcpy(to->nb, from->nb, sizeof to->nb);
    memcpy(to->op_params, from->op_params, sizeof to->op_params);
}

/* The tensor itself comes last, after its sources and what it is a view of. None has memory: what stands for a buffer is
 * of the guest. */
int apir_upstream_build_op(struct apir_executor *executor, struct apir_arena *scratch,
                           const struct apir_upstream_raw_op *from, struct ggml_tensor **op)
{
    struct apir_tensor list[APIR_UPSTREAM_MAX_SRC + 2];
    uint32_t sources[APIR_UPSTREAM_MAX_SRC], n = 0;
    for (uint32_t i = 0; i < from->n_sources; i++) {
        convert_raw(&from->sources[i], &list[n++]);
        sources[i] = n;
    }
    if (from->op.view_src)
        convert_raw(&from->view, &list[n++]);
    struct apir_tensor *self = &list[n];
    convert_raw(&from->op, self);
    self->src = sources;
    self->n_src = from->n_sources;
    self->view_src = from->op.view_src ? n : 0;
    n++;

    struct ggml_tensor *tensors = apir_arena_alloc(scratch, n * sizeof *tensors);
    if (!tensors)
        return -ENOMEM;
    int ret = apir_tensor_describe_list(executor, list, n, tensors);
    if (ret == 0)
        *op = &tensors[n - 1];
    return ret;
}
