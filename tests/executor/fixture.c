#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void say_nothing(enum ggml_log_level level, const char *text, void *data)
{
    (void)level;
    (void)text;
    (void)data;
}

void fixture_open_with(struct fixture *f, struct apir_executor_options *options)
{
    memset(f, 0, sizeof *f);
    ggml_log_set(say_nothing, NULL);
    apir_shm_table_init(&f->memory);
    options->threads = 1;
    options->memory = &f->memory;
    f->executor = apir_executor_create(options);
    assert_non_null(f->executor);
}

void fixture_open(struct fixture *f, const char *library, const char *symbol)
{
    fixture_open_with(f, &(struct apir_executor_options){.library = library, .symbol = symbol});
}

void fixture_open_limited(struct fixture *f, const char *library, const struct apir_limits *limits)
{
    fixture_open_with(f, &(struct apir_executor_options){.library = library, .limits = *limits});
}

void fixture_close(struct fixture *f)
{
    apir_executor_destroy(f->executor);
    apir_shm_table_finish(&f->memory);
    apir_arena_finish(&f->scratch);
}

static unsigned rotate(unsigned number, unsigned rotation, unsigned count)
{
    return (number + rotation) % count;
}

void numbering_init(struct numbering *numbering, unsigned rotation)
{
    for (unsigned i = 0; i < GGML_OP_COUNT; i++)
        numbering->ops[i] = ggml_op_name((enum ggml_op)rotate(i, rotation, GGML_OP_COUNT));
    for (unsigned i = 0; i < GGML_UNARY_OP_COUNT; i++)
        numbering->unary_ops[i] = ggml_unary_op_name((enum ggml_unary_op)rotate(i, rotation, GGML_UNARY_OP_COUNT));
    for (unsigned i = 0; i < GGML_GLU_OP_COUNT; i++)
        numbering->glu_ops[i] = ggml_glu_op_name((enum ggml_glu_op)rotate(i, rotation, GGML_GLU_OP_COUNT));
    for (unsigned i = 0; i < GGML_TYPE_COUNT; i++) {
        enum ggml_type type = (enum ggml_type)rotate(i, rotation, GGML_TYPE_COUNT);
        numbering->types[i] = (struct apir_type_info){.name = ggml_type_name(type) ? ggml_type_name(type) : "",
                                                      .block_size = (uint64_t)ggml_blck_size(type),
                                                      .type_size = ggml_type_size(type)};
    }
    numbering->args = (struct apir_negotiate_args){.ggml_version = ggml_version(),
                                                   .max_src = GGML_MAX_SRC,
                                                   .max_dims = GGML_MAX_DIMS,
                                                   .max_op_params = GGML_MAX_OP_PARAMS,
                                                   .ops = numbering->ops,
                                                   .n_ops = GGML_OP_COUNT,
                                                   .unary_ops = numbering->unary_ops,
                                                   .n_unary_ops = GGML_UNARY_OP_COUNT,
                                                   .glu_ops = numbering->glu_ops,
                                                   .n_glu_ops = GGML_GLU_OP_COUNT,
                                                   .types = numbering->types,
                                                   .n_types = GGML_TYPE_COUNT};
}

void fixture_make_ready(struct fixture *f)
{
    struct numbering numbering;
    struct apir_negotiate_reply reply;
    apir_library_load(f->executor);
    if (f->executor->library.status != APIR_LOAD_STATUS_OK)
        fail_msg("%s", f->executor->library.message);
    numbering_init(&numbering, 0);
    assert_int_equal(handle_negotiate(f->executor, &f->scratch, &numbering.args, &reply), 0);
}

uint64_t fixture_alloc(struct fixture *f, uint64_t size)
{
    const struct apir_buffer_alloc_args args = {.size = size};
    struct apir_buffer_alloc_reply reply = {0};
    assert_int_equal(handle_buffer_alloc(f->executor, &f->scratch, &args, &reply), 0);
    assert_true(reply.buffer != 0);
    return reply.buffer;
}

struct apir_tensor fixture_tensor(enum ggml_type type, uint64_t ne0, uint64_t ne1)
{
    struct apir_tensor tensor = {.type = (uint32_t)type, .ne = {ne0, ne1, 1, 1}, .name = "t"};
    tensor.nb[0] = ggml_type_size(type);
    tensor.nb[1] = ggml_row_size(type, (int64_t)ne0);
    tensor.nb[2] = tensor.nb[3] = tensor.nb[1] * ne1;
    return tensor;
}
