#include "support/ggml-lists.h"

static unsigned rotate(unsigned number, unsigned rotation, unsigned count)
{
    return (number + rotation) % count;
}

static struct apir_type_info describe_type(enum ggml_type type)
{
    const char *name = ggml_type_name(type);
    return (struct apir_type_info){.name = name ? name : "",
                                   .block_size = (uint64_t)ggml_blck_size(type),
                                   .type_size = ggml_type_size(type)};
}

void test_lists_init(struct test_lists *lists, unsigned rotation)
{
    for (unsigned i = 0; i < GGML_OP_COUNT; i++)
        lists->ops[i] = ggml_op_name((enum ggml_op)rotate(i, rotation, GGML_OP_COUNT));
    for (unsigned i = 0; i < GGML_UNARY_OP_COUNT; i++)
        lists->unary_ops[i] = ggml_unary_op_name((enum ggml_unary_op)rotate(i, rotation, GGML_UNARY_OP_COUNT));
    for (unsigned i = 0; i < GGML_GLU_OP_COUNT; i++)
        lists->glu_ops[i] = ggml_glu_op_name((enum ggml_glu_op)rotate(i, rotation, GGML_GLU_OP_COUNT));
    for (unsigned i = 0; i < GGML_TYPE_COUNT; i++)
        lists->types[i] = describe_type((enum ggml_type)rotate(i, rotation, GGML_TYPE_COUNT));
    lists->args = (struct apir_negotiate_args){.ggml_version = ggml_version(),
                                               .max_src = GGML_MAX_SRC,
                                               .max_dims = GGML_MAX_DIMS,
                                               .max_op_params = GGML_MAX_OP_PARAMS,
                                               .ops = lists->ops,
                                               .n_ops = GGML_OP_COUNT,
                                               .unary_ops = lists->unary_ops,
                                               .n_unary_ops = GGML_UNARY_OP_COUNT,
                                               .glu_ops = lists->glu_ops,
                                               .n_glu_ops = GGML_GLU_OP_COUNT,
                                               .types = lists->types,
                                               .n_types = GGML_TYPE_COUNT};
}
