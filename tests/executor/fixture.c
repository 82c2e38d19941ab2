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

void fixture_make_ready(struct fixture *f)
{
    struct test_lists lists;
    struct apir_negotiate_reply reply;
    apir_library_load(f->executor);
    if (f->executor->library.status != APIR_LOAD_STATUS_OK)
        fail_msg("%s", f->executor->library.message);
    test_lists_init(&lists, 0);
    assert_int_equal(handle_negotiate(f->executor, &f->scratch, &lists.args, &reply), 0);
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
