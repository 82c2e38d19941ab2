/* ggml's own lists of names and types, as a guest negotiates them. */
#ifndef APIR_TESTS_SUPPORT_GGML_LISTS_H
#define APIR_TESTS_SUPPORT_GGML_LISTS_H

#include <ggml.h>

#include "apir-codec.h"

/* args names the other fields: it is not copied. */
struct test_lists {
    const char *ops[GGML_OP_COUNT], *unary_ops[GGML_UNARY_OP_COUNT], *glu_ops[GGML_GLU_OP_COUNT];
    struct apir_type_info types[GGML_TYPE_COUNT];
    struct apir_negotiate_args args;
};

/* Each list is rotated: the session's number n stands for ggml's n + rotation. 0 keeps ggml's numbers. */
void test_lists_init(struct test_lists *lists, unsigned rotation);

#endif
