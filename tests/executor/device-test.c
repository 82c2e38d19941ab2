#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"

static void open_ready(struct fixture *f)
{
    fixture_open(f, LIBRARIES "/fake-good.so", NULL);
    fixture_make_ready(f);
}

/* Asks about one op with these tensors. */
static int ask(struct fixture *f, const struct apir_tensor *tensors, uint32_t n, bool *supported, uint64_t *size)
{
    const struct apir_op_query query = {.tensors = tensors, .n_tensors = n};
    struct apir_device_supports_op_reply support = {0};
    struct apir_device_get_alloc_size_reply alloc = {0};
    int ret = handle_device_supports_op(
        f->executor, &f->scratch, &(struct apir_device_supports_op_args){.queries = &query, .n_queries = 1}, &support);
    int other = handle_device_get_alloc_size(
        f->executor, &f->scratch, &(struct apir_device_get_alloc_size_args){.queries = &query, .n_queries = 1}, &alloc);
    assert_int_equal(ret, other);
    if (ret == 0) {
        assert_int_equal(support.n_supported, 1);
        assert_int_equal(support.n_offload, 1);
        assert_int_equal(alloc.n_sizes, 1);
        *supported = support.supported[0];
        *size = alloc.sizes[0];
    }
    return ret;
}

static void known_op_is_the_devices_to_judge(void **state)
{
    (void)state;
    struct fixture f;
    bool supported;
    uint64_t size;
    open_ready(&f);
    struct apir_tensor tensor = fixture_tensor(GGML_TYPE_F32, 4, 4);
    assert_int_equal(ask(&f, &tensor, 1, &supported, &size), 0);
    assert_true(supported);
    assert_true(size == 64);
    fixture_close(&f);
}

static bool may_need_more(const char *library)
{
    struct fixture f;
    struct apir_device_get_info_reply reply;
    fixture_open(&f, library, NULL);
    fixture_make_ready(&f);
    assert_int_equal(
        handle_device_get_info(f.executor, &f.scratch, &(struct apir_device_get_info_args){.device = 0}, &reply), 0);
    bool more = reply.info.has_alloc_size;
    fixture_close(&f);
    return more;
}

static void memory_of_ggml_for_the_cpu_is_known_to_need_no_more_than_data(void **state)
{
    (void)state;
    assert_false(may_need_more(LIBRARIES "/fake-good.so"));
    assert_true(may_need_more(LIBRARIES "/fake-own-memory.so"));
}

/* What the test above takes for granted, for every type and op. */
static void memory_of_ggml_for_the_cpu_needs_no_more_than_data(void **state)
{
    (void)state;
    ggml_backend_buffer_type_t buft = ggml_backend_cpu_buffer_type();
    for (int type = 0; type < GGML_TYPE_COUNT; type++) {
        int64_t block = ggml_blck_size((enum ggml_type)type);
        if (block == 0)
            continue;
        struct ggml_tensor tensor = {.type = (enum ggml_type)type, .ne = {3 * block, 5, 2, 1}};
        tensor.nb[0] = ggml_type_size(tensor.type);
        tensor.nb[1] = 3 * tensor.nb[0];
        tensor.nb[2] = 5 * tensor.nb[1];
        tensor.nb[3] = 2 * tensor.nb[2];
        struct ggml_tensor source = tensor;
        tensor.src[0] = tensor.src[1] = tensor.src[2] = tensor.src[3] = tensor.src[4] = &source;
        for (int op = 0; op < GGML_OP_COUNT; op++) {
            tensor.op = (enum ggml_op)op;
            assert_int_equal(ggml_backend_buft_get_alloc_size(buft, &tensor), ggml_nbytes(&tensor));
        }
    }
}

static void unknown_op_is_not_supported_and_has_no_size(void **state)
{
    (void)state;
    struct fixture f;
    bool supported;
    uint64_t size;
    open_ready(&f);
    struct apir_tensor tensor = fixture_tensor(GGML_TYPE_F32, 4, 4);
    tensor.op = GGML_OP_CUSTOM;
    assert_int_equal(ask(&f, &tensor, 1, &supported, &size), 0);
    assert_false(supported);
    assert_true(size == UINT64_MAX);
    fixture_close(&f);
}

/* The host is not even asked: its functions look at sources, too. */
static void an_op_without_its_source_is_not_supported(void **state)
{
    (void)state;
    struct fixture f;
    bool supported;
    uint64_t size;
    open_ready(&f);
    struct apir_tensor tensors[2] = {fixture_tensor(GGML_TYPE_F32, 4, 4), fixture_tensor(GGML_TYPE_F32, 4, 4)};
    tensors[1].op = GGML_OP_SQR;
    assert_int_equal(ask(&f, tensors, 2, &supported, &size), 0);
    assert_false(supported);
    tensors[1].src = (uint32_t[]){1};
    tensors[1].n_src = 1;
    assert_int_equal(ask(&f, tensors, 2, &supported, &size), 0);
    assert_true(supported);
    fixture_close(&f);
}

static void ops_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    bool supported;
    uint64_t size;
    open_ready(&f);
    struct apir_tensor tensor = fixture_tensor(GGML_TYPE_F32, 4, 4), bad;
    bad = tensor;
    bad.op = GGML_OP_COUNT;
    assert_int_equal(ask(&f, &bad, 1, &supported, &size), -EINVAL);
    bad = tensor;
    bad.ne[0] = UINT64_MAX;
    assert_int_equal(ask(&f, &bad, 1, &supported, &size), -EINVAL);
    bad = tensor;
    bad.view_src = 1;
    assert_int_equal(ask(&f, &bad, 1, &supported, &size), -EINVAL);
    bad = tensor;
    bad.buffer = 12345;
    assert_int_equal(ask(&f, &bad, 1, &supported, &size), -ENOENT);
    fixture_close(&f);
}

static void no_questions_get_no_answers(void **state)
{
    (void)state;
    struct fixture f;
    struct apir_device_supports_op_reply reply = {.n_supported = 9};
    open_ready(&f);
    assert_int_equal(handle_device_supports_op(f.executor, &f.scratch, &(struct apir_device_supports_op_args){0}, &reply),
                     0);
    assert_int_equal(reply.n_supported, 0);
    fixture_close(&f);
}

static void *ask_for_info(void *data)
{
    struct fixture *f = data;
    struct apir_arena scratch = {0};
    long ret = 0;
    for (int i = 0; i < 200 && (ret == 0 || ret == -ENODEV); i++) {
        struct apir_device_get_info_reply reply;
        const struct apir_device_get_info_args args = {.device = APIR_MAX_DEVICES - 1};
        ret = handle_device_get_info(f->executor, &scratch, &args, &reply);
    }
    apir_arena_finish(&scratch);
    return (void *)ret;
}

static void devices_appear_all_at_once(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct fixture f;
        struct apir_load_library_reply reply;
        pthread_t thread;
        void *ret;
        fixture_open(&f, LIBRARIES "/fake-many-devices.so", NULL);
        assert_int_equal(pthread_create(&thread, NULL, ask_for_info, &f), 0);
        assert_int_equal(handle_load_library(f.executor, &f.scratch, &reply), 0);
        pthread_join(thread, &ret);
        assert_true(ret == NULL || (long)ret == -ENODEV);
        fixture_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_op_is_the_devices_to_judge),
        cmocka_unit_test(memory_of_ggml_for_the_cpu_is_known_to_need_no_more_than_data),
        cmocka_unit_test(memory_of_ggml_for_the_cpu_needs_no_more_than_data),
        cmocka_unit_test(unknown_op_is_not_supported_and_has_no_size),
        cmocka_unit_test(an_op_without_its_source_is_not_supported),
        cmocka_unit_test(ops_that_make_no_sense_are_refused),
        cmocka_unit_test(no_questions_get_no_answers),
        cmocka_unit_test(devices_appear_all_at_once),
    };
    return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}
