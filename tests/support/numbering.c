#include "support/numbering.h"

#include <errno.h>
#include <string.h>

#include "util/arena.h"

/* Session number n stands for ggml's number (n + rotation) % count. */
static uint32_t to_session(unsigned rotation, unsigned number, unsigned count)
{
    return (number + count - rotation % count) % count;
}

uint32_t test_op(const struct test_numbering *numbering, enum ggml_op op)
{
    return to_session(numbering->rotation, op, GGML_OP_COUNT);
}

uint32_t test_type(const struct test_numbering *numbering, enum ggml_type type)
{
    return to_session(numbering->rotation, type, GGML_TYPE_COUNT);
}

static int load(struct apir_queue *queue)
{
    struct apir_arena arena = {0};
    struct apir_load_library_reply reply;
    int ret = apir_call_load_library(queue, &arena, &reply);
    if (ret == 0 && reply.status != APIR_LOAD_STATUS_OK)
        ret = -ENODEV;
    apir_arena_finish(&arena);
    return ret;
}

int test_negotiate(struct apir_queue *queue, const struct test_numbering *numbering)
{
    const char *ops[GGML_OP_COUNT], *unary[GGML_UNARY_OP_COUNT], *glu[GGML_GLU_OP_COUNT];
    struct apir_type_info types[GGML_TYPE_COUNT];
    for (unsigned i = 0; i < GGML_OP_COUNT; i++)
        ops[test_op(numbering, (enum ggml_op)i)] = ggml_op_name((enum ggml_op)i);
    for (unsigned i = 0; i < GGML_UNARY_OP_COUNT; i++)
        unary[i] = ggml_unary_op_name((enum ggml_unary_op)i);
    for (unsigned i = 0; i < GGML_GLU_OP_COUNT; i++)
        glu[i] = ggml_glu_op_name((enum ggml_glu_op)i);
    for (unsigned i = 0; i < GGML_TYPE_COUNT; i++) {
        const char *name = ggml_type_name((enum ggml_type)i);
        types[test_type(numbering, (enum ggml_type)i)] = (struct apir_type_info){
            .name = name ? name : "",
            .block_size = (uint64_t)ggml_blck_size((enum ggml_type)i),
            .type_size = ggml_type_size((enum ggml_type)i),
        };
    }
    const struct apir_negotiate_args args = {
        .ggml_version = ggml_version(),
        .max_src = GGML_MAX_SRC,
        .max_dims = GGML_MAX_DIMS,
        .max_op_params = GGML_MAX_OP_PARAMS,
        .ops = ops,
        .n_ops = GGML_OP_COUNT,
        .unary_ops = unary,
        .n_unary_ops = GGML_UNARY_OP_COUNT,
        .glu_ops = glu,
        .n_glu_ops = GGML_GLU_OP_COUNT,
        .types = types,
        .n_types = GGML_TYPE_COUNT,
    };
    int ret = load(queue);
    if (ret < 0)
        return ret;
    struct apir_arena arena = {0};
    struct apir_negotiate_reply reply;
    ret = apir_call_negotiate(queue, &arena, &args, &reply);
    apir_arena_finish(&arena);
    return ret;
}

struct apir_tensor test_tensor(const struct test_numbering *numbering, enum ggml_type type, uint64_t ne0, uint64_t ne1)
{
    struct apir_tensor tensor = {
        .type = test_type(numbering, type),
        .op = test_op(numbering, GGML_OP_NONE),
        .ne = {ne0, ne1, 1, 1},
        .name = "t",
    };
    tensor.nb[0] = ggml_type_size(type);
    tensor.nb[1] = ggml_row_size(type, (int64_t)ne0);
    tensor.nb[2] = tensor.nb[1] * ne1;
    tensor.nb[3] = tensor.nb[2];
    return tensor;
}
