#include "backend/op-batch.h"

#include <assert.h>
#include <string.h>

#include "backend/op-cache.h"

static void put(struct apir_op_batch *batch, const struct apir_op_list *list)
{
    uint32_t at = batch->n++;
    batch->ops[at] = list->tensors[list->n - 1];
    apir_op_query_init(&batch->queries[at], &batch->storage[at], batch->reg, list);
    batch->n_tensors += list->n;
}

int apir_op_batch_init(struct apir_op_batch *batch, const struct apir_reg *reg, uint32_t device,
                       const struct ggml_tensor *op)
{
    batch->reg = reg;
    batch->device = device;
    batch->n = 0;
    batch->n_tensors = 0;
    int ret = apir_op_list_collect(&batch->first, reg, op);
    if (ret < 0)
        return ret;
    apir_op_key_init(&batch->keys[0], reg, device, &batch->first);
    put(batch, &batch->first);
    return 0;
}

static bool is_mentioned(const struct apir_op_batch *batch, ggml_backend_buffer_t buffer)
{
    for (uint32_t i = 0; i < batch->first.n; i++)
        if (batch->first.tensors[i]->buffer == buffer)
            return true;
    return false;
}

static bool may_be_told(const struct apir_op_batch *batch, const struct apir_op_list *list)
{
    for (uint32_t i = 0; i < list->n; i++)
        if (list->tensors[i]->buffer && !is_mentioned(batch, list->tensors[i]->buffer))
            return false;
    return true;
}

static bool is_in(const struct apir_op_batch *batch, const struct apir_op_key *key)
{
    for (uint32_t i = 0; i < batch->n; i++)
        if (batch->keys[i].hash == key->hash && batch->keys[i].n_words == key->n_words &&
            memcmp(batch->keys[i].words, key->words, key->n_words * sizeof *key->words) == 0)
            return true;
    return false;
}

static void add(struct apir_op_batch *batch, const struct ggml_tensor *op)
{
    struct apir_op_list list;
    if (batch->n == APIR_MAX_BATCH || apir_op_list_collect(&list, batch->reg, op) < 0 ||
        list.n > APIR_OP_BATCH_TENSORS - batch->n_tensors || !may_be_told(batch, &list))
        return;
    struct apir_op_key *key = &batch->keys[batch->n];
    apir_op_key_init(key, batch->reg, batch->device, &list);
    if (!is_in(batch, key) && !apir_op_cache_get(batch->reg->answers, key).has_support)
        put(batch, &list);
}

void apir_op_batch_extend(struct apir_op_batch *batch)
{
    static_assert(APIR_MAX_CALL_TENSORS <= APIR_OP_BATCH_TENSORS, "the first fits");
    for (uint32_t i = 0; i < batch->n; i++) /* grows while it runs */
        for (int k = 0; k < GGML_MAX_SRC; k++)
            if (batch->ops[i]->src[k])
                add(batch, batch->ops[i]->src[k]);
}
