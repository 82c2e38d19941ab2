#include "backend/op-ask.h"

#include "apir-calls.h"
#include "backend/device.h"
#include "client/session.h"

static int ask_support(const struct apir_device *device, const struct apir_op_query *query,
                       struct apir_op_answer *answer)
{
    struct apir_arena arena = {0};
    struct apir_device_supports_op_args args = {
        .device = device->index, .queries = query, .n_queries = 1};
    struct apir_device_supports_op_reply reply;
    int ret = apir_call_device_supports_op(apir_session_control(device->reg->session), &arena,
                                           &args, &reply);
    if (ret == 0 && reply.n_supported == 1 && reply.n_offload == 1) {
        answer->has_support = true;
        answer->supported = reply.supported[0];
        answer->offload = reply.offload[0];
    }
    apir_arena_finish(&arena);
    return ret;
}

static int ask_alloc_size(const struct apir_device *device, const struct apir_op_query *query,
                          struct apir_op_answer *answer)
{
    struct apir_arena arena = {0};
    struct apir_device_get_alloc_size_args args = {
        .device = device->index, .queries = query, .n_queries = 1};
    struct apir_device_get_alloc_size_reply reply;
    int ret = apir_call_device_get_alloc_size(apir_session_control(device->reg->session), &arena,
                                              &args, &reply);
    if (ret == 0 && reply.n_sizes == 1) {
        answer->has_size = true;
        answer->size = reply.sizes[0];
    }
    apir_arena_finish(&arena);
    return ret;
}

/* Looks the signature up, and asks the host on a miss; no lock is held meanwhile, so that two
 * threads may both ask. */
static struct apir_op_answer look_up(const struct apir_device *device,
                                     const struct apir_op_list *list, bool size)
{
    struct apir_reg *reg = device->reg;
    struct apir_op_key key;
    apir_op_key_init(&key, reg, device->index, list);
    struct apir_op_answer answer = apir_op_cache_get(reg->answers, &key);
    if (size ? answer.has_size : answer.has_support)
        return answer;

    struct apir_op_query query;
    struct apir_op_query_storage storage;
    apir_op_query_init(&query, &storage, reg, list);
    int ret = size ? ask_alloc_size(device, &query, &answer) : ask_support(device, &query, &answer);
    if (ret == 0)
        apir_op_cache_put(reg->answers, &key, answer);
    return answer;
}

struct apir_op_answer apir_op_ask_support(const struct apir_device *device,
                                          const struct ggml_tensor *op)
{
    struct apir_op_list list;
    if (apir_session_error(device->reg->session) < 0 ||
        apir_op_list_collect(&list, device->reg, op) < 0)
        return (struct apir_op_answer){0};
    return look_up(device, &list, false);
}

uint64_t apir_op_ask_alloc_size(const struct apir_device *device, const struct ggml_tensor *tensor)
{
    struct apir_op_list list;
    if (apir_session_error(device->reg->session) < 0 ||
        apir_op_list_collect(&list, device->reg, tensor) < 0)
        return UINT64_MAX;
    struct apir_op_answer answer = look_up(device, &list, true);
    return answer.has_size ? answer.size : UINT64_MAX;
}
