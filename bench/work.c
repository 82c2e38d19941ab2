#include "work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ggml-alloc.h>

#include "backend/abi/gen3.h"

static int start(struct apir_work *work, ggml_backend_t backend, int nodes)
{
    size_t tensors = (size_t)nodes + 2;
    const struct ggml_init_params memory = {
        .mem_size = tensors * ggml_tensor_overhead() + ggml_graph_overhead_custom(tensors, false),
        .no_alloc = true,
    };
    *work = (struct apir_work){.backend = backend, .context = ggml_init(memory)};
    if (!work->context)
        return -ENOMEM;
    work->graph = ggml_new_graph_custom(work->context, tensors, false);
    return 0;
}

/* ggml's scheduler numbers the graphs that it hands out; backends may know them again by that, and ggml-rpc knows them
 * by nothing else. Only releases whose graphs we know are written to. */
static void number_graph(struct ggml_cgraph *graph)
{
    if (strncmp(ggml_version(), "0.27.", 5) == 0)
        ((struct apir_gen3_cgraph *)graph)->uid = (uint64_t)(uintptr_t)graph | UINT64_C(1) << 63;
}

/* Gives the tensors memory, and fills the inputs. */
static int place(struct apir_work *work, struct ggml_tensor *factor, float value)
{
    int64_t count = ggml_nelements(factor);
    float *values = malloc((size_t)count * sizeof *values);
    work->buffer = ggml_backend_alloc_ctx_tensors(work->context, work->backend);
    if (!values || !work->buffer) {
        free(values);
        apir_work_finish(work);
        return -ENOMEM;
    }
    ggml_backend_buffer_clear(work->buffer, 0);
    for (int64_t i = 0; i < count; i++)
        values[i] = value;
    ggml_backend_tensor_set(factor, values, 0, (size_t)count * sizeof *values);
    free(values);
    return 0;
}

int apir_work_init_chain(struct apir_work *work, ggml_backend_t backend, int nodes)
{
    int err = start(work, backend, nodes);
    if (err)
        return err;
    struct ggml_tensor *addend = ggml_new_tensor_1d(work->context, GGML_TYPE_F32, 16);
    work->input = ggml_new_tensor_1d(work->context, GGML_TYPE_F32, 16);
    work->result = work->input;
    for (int i = 0; i < nodes; i++)
        work->result = ggml_add(work->context, work->result, addend);
    ggml_build_forward_expand(work->graph, work->result);
    number_graph(work->graph);
    return place(work, addend, 1.0f);
}

int apir_work_init_products(struct apir_work *work, ggml_backend_t backend, int nodes)
{
    enum { SIDE = 512, COLUMNS = 64 };
    int err = start(work, backend, nodes);
    if (err)
        return err;
    struct ggml_tensor *matrix = ggml_new_tensor_2d(work->context, GGML_TYPE_F32, SIDE, SIDE);
    work->input = ggml_new_tensor_2d(work->context, GGML_TYPE_F32, SIDE, COLUMNS);
    work->result = work->input;
    for (int i = 0; i < nodes; i++)
        work->result = ggml_mul_mat(work->context, matrix, work->result);
    ggml_build_forward_expand(work->graph, work->result);
    number_graph(work->graph);
    return place(work, matrix, 1.0f / (float)SIDE);
}

int apir_work_init_data(struct apir_work *work, ggml_backend_t backend, size_t size)
{
    int err = start(work, backend, 0);
    if (err)
        return err;
    work->input = ggml_new_tensor_1d(work->context, GGML_TYPE_I8, (int64_t)size);
    work->result = work->input;
    work->buffer = ggml_backend_alloc_ctx_tensors(work->context, backend);
    if (work->buffer)
        return 0;
    apir_work_finish(work);
    return -ENOMEM;
}

void apir_work_finish(struct apir_work *work)
{
    ggml_backend_buffer_free(work->buffer);
    ggml_free(work->context);
    *work = (struct apir_work){0};
}

int apir_work_run(struct apir_work *work, void *data, size_t size)
{
    if (ggml_backend_graph_compute_async(work->backend, work->graph) != GGML_STATUS_SUCCESS)
        return -EIO;
    ggml_backend_tensor_get_async(work->backend, work->result, data, 0, size);
    ggml_backend_synchronize(work->backend);
    return 0;
}
