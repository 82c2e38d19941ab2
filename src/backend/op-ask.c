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

static bool knows(const struct apir_op_answer *answer, bool size)
{
    return size ? answer->has_size : answer->has_support;
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
    if (knows(&answer, size) || apir_session_error(reg->session) < 0)
        return answer;

    struct apir_op_query query;
    struct apir_op_query_storage storage;
    apir_op_query_init(&query, &storage, reg, list);
    int ret = size ? ask_alloc_size(device, &query, &answer) : ask_support(device, &query, &answer);
    if (ret == 0)
        apir_op_cache_put(reg->answers, &key, answer);
    return answer;
}

/* What cannot be put to the host is not supported, and of no known size. */
static const struct apir_op_answer beyond_host = {
    .has_support = true,
    .has_size = true,
    .size = UINT64_MAX,
};

static struct apir_op_answer ask(const struct apir_device *device, const struct ggml_tensor *op, bool size)
{
    struct apir_reg *reg = device->reg;
    struct apir_print print = apir_op_print(reg, device->index, op);
    struct apir_op_answer answer = apir_op_cache_recall(reg->answers, print);
    if (knows(&answer, size))
        return answer;
    struct apir_op_list list;
    answer = apir_op_list_collect(&list, reg, op) < 0 ? beyond_host : look_up(device, &list, size);
    apir_op_cache_remember(reg->answers, print, answer);
    return answer;
}

struct apir_op_answer apir_op_ask_support(const struct apir_device *device,
                                          const struct ggml_tensor *op)
{
    return ask(device, op, false);
}

uint64_t apir_op_ask_alloc_size(const struct apir_device *device, const struct ggml_tensor *tensor)
{
    struct apir_op_answer answer = ask(device, tensor, true);
    return answer.has_size ? answer.size : UINT64_MAX;
}
