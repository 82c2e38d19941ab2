#include "backend/op-ask.h"

#include <stdlib.h>

#include "apir-calls.h"
#include "backend/device.h"
#include "backend/op-batch.h"
#include "client/session.h"

/* Asks about all ops of the batch, and keeps the answers. */
static int ask_support(const struct apir_device *device, const struct apir_op_batch *batch)
{
    struct apir_arena arena = {0};
    struct apir_device_supports_op_args args = {
        .device = device->index, .queries = batch->queries, .n_queries = batch->n};
    struct apir_device_supports_op_reply reply;
    int ret = apir_call_device_supports_op(apir_session_control(device->reg->session), &arena, &args, &reply);
    bool good = ret == 0 && reply.n_supported == batch->n && reply.n_offload == batch->n;
    for (uint32_t i = 0; good && i < batch->n; i++) {
        struct apir_op_answer answer = {
            .has_support = true, .supported = reply.supported[i], .offload = reply.offload[i]};
        apir_op_cache_put(device->reg->answers, &batch->keys[i], answer);
    }
    apir_arena_finish(&arena);
    return ret;
}

static int ask_alloc_size(const struct apir_device *device, const struct apir_op_batch *batch)
{
    struct apir_arena arena = {0};
    struct apir_device_get_alloc_size_args args = {
        .device = device->index, .queries = batch->queries, .n_queries = batch->n};
    struct apir_device_get_alloc_size_reply reply;
    int ret = apir_call_device_get_alloc_size(apir_session_control(device->reg->session), &arena, &args, &reply);
    bool good = ret == 0 && reply.n_sizes == batch->n;
    for (uint32_t i = 0; good && i < batch->n; i++) {
        struct apir_op_answer answer = {.has_size = true, .size = reply.sizes[i]};
        apir_op_cache_put(device->reg->answers, &batch->keys[i], answer);
    }
    apir_arena_finish(&arena);
    return ret;
}

static bool knows(const struct apir_op_answer *answer, bool size)
{
    return size ? answer->has_size : answer->has_support;
}

/* Asks the host; no lock is held meanwhile, so that two threads may both ask. The sizes of what an op is computed from
 * were asked before, if they are asked at all; hence only the op's own. */
static void ask_host(const struct apir_device *device, const struct ggml_tensor *op, bool size)
{
    struct apir_reg *reg = device->reg;
    struct apir_op_batch *batch = malloc(sizeof *batch);
    if (!batch || apir_op_batch_init(batch, reg, device->index, op) < 0)
        goto err_batch;
    if (!size && apir_session_has_numbering(reg->session)) /* else a batch is no faster: it goes op by op */
        apir_op_batch_extend(batch);
    if (size)
        ask_alloc_size(device, batch);
    else
        ask_support(device, batch);

err_batch:
    free(batch);
}

/* What cannot be put to the host is not supported, and of no known size. */
static const struct apir_op_answer beyond_host = {
    .has_support = true,
    .has_size = true,
    .size = UINT64_MAX,
};

/* Looks the signature up, and asks on a miss. */
static struct apir_op_answer look_up(const struct apir_device *device, const struct ggml_tensor *op, bool size)
{
    struct apir_reg *reg = device->reg;
    struct apir_op_list list;
    struct apir_op_key key;
    if (apir_op_list_collect(&list, reg, op) < 0)
        return beyond_host;
    apir_op_key_init(&key, reg, device->index, &list);
    struct apir_op_answer answer = apir_op_cache_get(reg->answers, &key);
    if (knows(&answer, size) || apir_session_error(reg->session) < 0)
        return answer;
    ask_host(device, op, size);
    return apir_op_cache_get(reg->answers, &key);
}

static struct apir_op_answer ask(const struct apir_device *device, const struct ggml_tensor *op, bool size)
{
    struct apir_reg *reg = device->reg;
    struct apir_print print = apir_op_print(reg, device->index, op);
    struct apir_op_answer answer = apir_op_cache_recall(reg->answers, print);
    if (knows(&answer, size))
        return answer;
    answer = look_up(device, op, size);
    apir_op_cache_remember(reg->answers, print, answer);
    return answer;
}

struct apir_op_answer apir_op_ask_support(const struct apir_device *device, const struct ggml_tensor *op)
{
    return ask(device, op, false);
}

uint64_t apir_op_ask_alloc_size(const struct apir_device *device, const struct ggml_tensor *tensor)
{
    struct apir_op_answer answer = ask(device, tensor, true);
    return answer.has_size ? answer.size : UINT64_MAX;
}
