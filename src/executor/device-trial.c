/* Has a device compute something small: what keeps it from that, such as a sandbox that is too narrow for its driver, shows at
 * once then, and not with the first guest. */
#include <ggml-alloc.h>

#include "executor/private.h"

enum { COUNT = 32 };

static struct ggml_context *make_context(void)
{
    const struct ggml_init_params params = {
        .mem_size = 8 * ggml_tensor_overhead() + ggml_graph_overhead(), .no_alloc = true};
    return ggml_init(params);
}

/* Computes sum, which adds input to itself. */
static const char *compute(struct ggml_context *context, ggml_backend_t backend, struct ggml_tensor *input,
                           struct ggml_tensor *sum)
{
    float numbers[COUNT] = {0};
    ggml_backend_tensor_set(sum, numbers, 0, sizeof numbers); /* memory may hold the result of another */
    for (int i = 0; i < COUNT; i++)
        numbers[i] = (float)i;
    struct ggml_cgraph *graph = ggml_new_graph_custom(context, 8, false);
    ggml_build_forward_expand(graph, sum);
    ggml_backend_tensor_set(input, numbers, 0, sizeof numbers);
    if (ggml_backend_graph_compute(backend, graph) != GGML_STATUS_SUCCESS)
        return "it does not compute";
    ggml_backend_tensor_get(sum, numbers, 0, sizeof numbers);
    for (int i = 0; i < COUNT; i++)
        if (numbers[i] != 2 * (float)i)
            return "it computes wrong numbers";
    return NULL;
}

static const char *try_in(struct ggml_context *context, ggml_backend_dev_t device, ggml_backend_t backend)
{
    struct ggml_tensor *input = ggml_new_tensor_1d(context, GGML_TYPE_F32, COUNT);
    struct ggml_tensor *sum = ggml_add(context, input, input);
    if (!ggml_backend_dev_supports_op(device, sum))
        return NULL;
    ggml_backend_buffer_t buffer = ggml_backend_alloc_ctx_tensors(context, backend);
    const char *problem = buffer ? compute(context, backend, input, sum) : "it has no memory";
    ggml_backend_buffer_free(buffer);
    return problem;
}

const char *apir_device_try(ggml_backend_dev_t device)
{
    ggml_backend_t backend = ggml_backend_dev_init(device, NULL);
    if (!backend)
        return "it cannot be used";
    struct ggml_context *context = make_context();
    const char *problem = context ? try_in(context, device, backend) : "out of memory";
    ggml_free(context);
    ggml_backend_free(backend);
    return problem;
}
