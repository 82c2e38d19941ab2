#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"

static uint64_t create(struct fixture *f)
{
    struct apir_stream_create_reply reply = {0};
    assert_int_equal(handle_stream_create(f->executor, &f->scratch, &(struct apir_stream_create_args){0}, &reply), 0);
    assert_true(reply.stream != 0);
    return reply.stream;
}

static int destroy(struct fixture *f, uint64_t stream)
{
    return handle_stream_destroy(f->executor, &f->scratch, &(struct apir_stream_destroy_args){stream});
}

static void each_stream_has_its_own_handle(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, LIBRARIES "/fake-good.so", NULL);
    fixture_make_ready(&f);
    uint64_t one = create(&f), other = create(&f);
    assert_true(one != other);
    assert_int_equal(destroy(&f, one), 0);
    assert_int_equal(destroy(&f, other), 0);
    fixture_close(&f);
}

static void destroyed_stream_is_not_found(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, LIBRARIES "/fake-good.so", NULL);
    fixture_make_ready(&f);
    uint64_t stream = create(&f);
    assert_int_equal(destroy(&f, stream), 0);
    assert_int_equal(destroy(&f, stream), -ENOENT);
    fixture_close(&f);
}

static void buffer_is_no_stream(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, LIBRARIES "/fake-good.so", NULL);
    fixture_make_ready(&f);
    uint64_t buffer = fixture_alloc(&f, 64);
    assert_int_equal(destroy(&f, buffer), -ENOENT);
    fixture_close(&f);
}

static void streams_left_open_end_with_the_executor(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, LIBRARIES "/fake-good.so", NULL);
    fixture_make_ready(&f);
    for (int i = 0; i < 50; i++)
        create(&f);
    fixture_close(&f);
}

static int collect(struct fixture *f, uint64_t stream, enum apir_graph_status *status)
{
    struct apir_stream_collect_reply reply = {.status = APIR_GRAPH_STATUS_ABORTED};
    int ret = handle_stream_collect(f->executor, &f->scratch, &(struct apir_stream_collect_args){stream}, &reply);
    *status = reply.status;
    return ret;
}

static void stream_that_has_computed_nothing_has_not_failed(void **state)
{
    (void)state;
    struct fixture f;
    enum apir_graph_status status;
    fixture_open(&f, LIBRARIES "/fake-good.so", NULL);
    fixture_make_ready(&f);
    assert_int_equal(collect(&f, create(&f), &status), 0);
    assert_int_equal(status, APIR_GRAPH_STATUS_SUCCESS);
    fixture_close(&f);
}

static void only_a_stream_that_exists_is_collected(void **state)
{
    (void)state;
    struct fixture f;
    enum apir_graph_status status;
    fixture_open(&f, LIBRARIES "/fake-good.so", NULL);
    fixture_make_ready(&f);
    uint64_t stream = create(&f);
    assert_int_equal(destroy(&f, stream), 0);
    assert_int_equal(collect(&f, stream, &status), -ENOENT);
    assert_int_equal(collect(&f, fixture_alloc(&f, 64), &status), -ENOENT);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_stream_has_its_own_handle),
        cmocka_unit_test(destroyed_stream_is_not_found),
        cmocka_unit_test(buffer_is_no_stream),
        cmocka_unit_test(streams_left_open_end_with_the_executor),
        cmocka_unit_test(stream_that_has_computed_nothing_has_not_failed),
        cmocka_unit_test(only_a_stream_that_exists_is_collected),
    };
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
