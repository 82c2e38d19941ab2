#include "backend/op-query.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "backend/device.h"
#include "backend/tensor.h"

/* 1 + index of tensor in the list, 0 if it is not there. */
static uint32_t position(const struct apir_op_list *list, const struct ggml_tensor *tensor)
{
    for (uint32_t i = 0; tensor && i < list->n; i++)
        if (list->tensors[i] == tensor)
            return i + 1;
    return 0;
}

static int append(struct apir_op_list *list, const struct apir_reg *reg,
                  const struct ggml_tensor *tensor)
{
    if (list->n == APIR_MAX_CALL_TENSORS || !apir_names_knows_type(&reg->names, tensor))
        return -EOPNOTSUPP;
    list->tensors[list->n++] = tensor;
    return 0;
}

static int add(struct apir_op_list *list, const struct apir_reg *reg,
               const struct ggml_tensor *tensor)
{
    return position(list, tensor) ? 0 : append(list, reg, tensor);
}

/* ggml lets a view refer to a tensor that is none. */
static int add_viewed(struct apir_op_list *list, const struct apir_reg *reg,
                      const struct ggml_tensor *tensor)
{
    if (!tensor->view_src)
        return 0;
    return tensor->view_src->view_src ? -EOPNOTSUPP : add(list, reg, tensor->view_src);
}

int apir_op_list_collect(struct apir_op_list *list, const struct apir_reg *reg,
                         const struct ggml_tensor *op)
{
    list->n = 0;
    int ret = apir_names_knows_op(&reg->names, op) ? 0 : -EOPNOTSUPP;
    for (int i = 0; i < GGML_MAX_SRC && ret == 0; i++) {
        if (!op->src[i])
            continue;
        ret = add_viewed(list, reg, op->src[i]);
        if (ret == 0)
            ret = add(list, reg, op->src[i]);
    }
    if (ret == 0)
        ret = add_viewed(list, reg, op);
    return ret < 0 ? ret : append(list, reg, op);
}

static bool is_op(const struct apir_op_list *list, uint32_t index)
{
    return index == list->n - 1;
}

/* What a source itself computes is told if it can be; the answer may depend on it. */
static bool tells_op(const struct apir_reg *reg, const struct apir_op_list *list, uint32_t index)
{
    const struct ggml_tensor *tensor = list->tensors[index];
    bool is_own_source = !is_op(list, index) && tensor == list->tensors[list->n - 1];
    return tensor->op != GGML_OP_NONE && !is_own_source && apir_names_knows_op(&reg->names, tensor);
}

/* 0: not in a buffer of ours. */
static uint64_t buffer_class(const struct apir_reg *reg, const struct ggml_tensor *tensor)
{
    uint64_t offset;
    const struct apir_buffer *buffer = apir_tensor_place(reg, tensor, &offset);
    if (!buffer)
        return 0;
    return 1 + buffer->device->index * UINT64_C(4) +
           (uint64_t)ggml_backend_buffer_get_usage(buffer->of_ggml);
}

/* What the tensor refers to, 5 bits each: view, sources; then the class of its buffer. */
static uint64_t links(const struct apir_reg *reg, const struct apir_op_list *list, uint32_t index)
{
    static_assert(APIR_MAX_CALL_TENSORS < 32 && 5 * (1 + GGML_MAX_SRC) <= 55, "links must fit");
    const struct ggml_tensor *tensor = list->tensors[index];
    uint64_t word = position(list, tensor->view_src) | buffer_class(reg, tensor) << 55;
    for (uint32_t i = 0; is_op(list, index) && i < GGML_MAX_SRC; i++)
        word |= (uint64_t)position(list, tensor->src[i]) << 5 * (1 + i);
    return word;
}

static uint64_t *write_tensor(uint64_t *to, const struct apir_reg *reg,
                              const struct apir_op_list *list, uint32_t index)
{
    const struct ggml_tensor *tensor = list->tensors[index];
    bool with_op = tells_op(reg, list, index);
    *to++ = (uint64_t)tensor->type | (uint64_t)(with_op ? tensor->op : GGML_OP_NONE) << 16 |
            (uint64_t)(uint32_t)tensor->flags << 32;
    *to++ = links(reg, list, index);
    for (int i = 0; i < GGML_MAX_DIMS; i++) {
        *to++ = (uint64_t)tensor->ne[i];
        *to++ = tensor->nb[i];
    }
    if (tensor->view_src)
        *to++ = tensor->view_offs;
    if (with_op) {
        memcpy(to, tensor->op_params, sizeof tensor->op_params);
        to += GGML_MAX_OP_PARAMS / sizeof *to;
    }
    return to;
}

static uint64_t hash(const uint64_t *words, uint32_t n)
{
    uint64_t h = n;
    for (uint32_t i = 0; i < n; i++) {
        h = (h ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 29;
    }
    return h;
}

void apir_op_key_init(struct apir_op_key *key, const struct apir_reg *reg, uint32_t device,
                      const struct apir_op_list *list)
{
    uint64_t *to = key->words;
    *to++ = device;
    for (uint32_t i = 0; i < list->n; i++)
        to = write_tensor(to, reg, list, i);
    key->n_words = (uint32_t)(to - key->words);
    key->hash = hash(key->words, key->n_words);
}

/* The buffer, if it is ours, with all that says where a tensor is in it. */
static struct apir_print print_buffer(struct apir_print print, const struct apir_reg *reg, ggml_backend_buffer_t of_ggml)
{
    const struct apir_buffer *buffer = reg->abi->buffer_context(of_ggml);
    if (!buffer)
        return print;
    print = apir_print_add(print, (uintptr_t)buffer->base, buffer->size);
    return apir_print_add(print, buffer->handle, (uint64_t)ggml_backend_buffer_get_usage(of_ggml));
}

/* Their content says which tensors share a buffer, and which have none. */
static struct apir_print print_buffers(struct apir_print print, const struct apir_reg *reg,
                                       const struct ggml_tensor *const *tensors, size_t n)
{
    ggml_backend_buffer_t last = NULL;
    for (size_t i = 0; i < n; i++) {
        ggml_backend_buffer_t buffer = tensors[i]->view_src ? tensors[i]->view_src->buffer : tensors[i]->buffer;
        if (buffer && buffer != last)
            print = print_buffer(print, reg, buffer);
        last = buffer;
    }
    return print;
}

struct apir_print apir_op_print(const struct apir_reg *reg, uint32_t device, const struct ggml_tensor *op)
{
    const struct ggml_tensor *tensors[2 * (GGML_MAX_SRC + 1)];
    size_t n = 0;
    tensors[n++] = op;
    if (op->view_src)
        tensors[n++] = op->view_src;
    for (int i = 0; i < GGML_MAX_SRC; i++) {
        if (!op->src[i])
            continue;
        tensors[n++] = op->src[i];
        if (op->src[i]->view_src)
            tensors[n++] = op->src[i]->view_src;
    }
    return print_buffers(reg->print((struct apir_print){{device, n}}, tensors, 1, n), reg, tensors, n);
}

void apir_op_query_init(struct apir_op_query *query, struct apir_op_query_storage *storage,
                        const struct apir_reg *reg, const struct apir_op_list *list)
{
    for (uint32_t i = 0; i < list->n; i++) {
        const struct ggml_tensor *tensor = list->tensors[i];
        struct apir_tensor *to = &storage->tensors[i];
        if (tells_op(reg, list, i))
            apir_tensor_describe(reg, tensor, to);
        else
            apir_tensor_describe_data(reg, tensor, to);
        to->name = "";
        to->view_src = position(list, tensor->view_src);
        to->view_offs = tensor->view_src ? tensor->view_offs : 0;
    }
    const struct ggml_tensor *op = list->tensors[list->n - 1];
    struct apir_tensor *last = &storage->tensors[list->n - 1];
    for (uint32_t i = 0; i < GGML_MAX_SRC; i++) {
        storage->sources[i] = position(list, op->src[i]);
        if (op->src[i])
            last->n_src = i + 1;
    }
    last->src = storage->sources;
    *query = (struct apir_op_query){.tensors = storage->tensors, .n_tensors = list->n};
}
