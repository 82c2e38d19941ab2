#include "support/numbering.h"

#include <errno.h>

#include "support/ggml-lists.h"
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
    struct test_lists lists;
    struct apir_arena arena = {0};
    struct apir_negotiate_reply reply;
    int ret = load(queue);
    if (ret < 0)
        return ret;
    test_lists_init(&lists, numbering->rotation);
    ret = apir_call_negotiate(queue, &arena, &lists.args, &reply);
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
