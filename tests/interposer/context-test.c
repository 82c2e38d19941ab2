/* Commands and memory of APIR contexts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../attach/echo-worker.h"
#include "fake-virgl.h"
#include "hypervisor.h"

enum { MAX_CONTEXTS = 1024 }; /* as in interposer/renderer.h */

static struct hypervisor hypervisor;

static int set_up(void **state)
{
    (void)state;
    hypervisor_start(&hypervisor, VIRGL_RENDERER_ASYNC_FENCE_CB);
    fake_virgl_take_call();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hypervisor_stop(&hypervisor);
    return 0;
}

/* Has the worker of the context write value to the blob, and waits. */
static void write_value(uint32_t context, uint32_t resource, uint32_t value)
{
    const uint32_t words[] = {ECHO_WRITE, resource, 8, value};
    assert_int_equal(hypervisor_submit(context, words, 4), 0);
    assert_true(hypervisor_fence(&hypervisor, context, value));
}

static void a_command_is_done_by_the_worker(void **state)
{
    (void)state;
    hypervisor_create_context(1);
    uint32_t *data = hypervisor_create_blob(1, 5);
    write_value(1, 5, 4711);
    assert_int_equal(data[2], 4711);
    hypervisor_destroy_blob(1, 5, data);
    virgl_renderer_context_destroy(1);
    assert_string_equal(fake_virgl_take_call(), "");
}

static void the_second_form_of_submit_does_the_same(void **state)
{
    uint32_t words[] = {ECHO_WRITE, 5, 8, 12};
    uint64_t fence = 1;
    (void)state;
    hypervisor_create_context(1);
    uint32_t *data = hypervisor_create_blob(1, 5);
    assert_int_equal(virgl_renderer_submit_cmd2(words, 1, 4, NULL, 0), 0);
    assert_true(hypervisor_fence(&hypervisor, 1, 1));
    assert_int_equal(data[2], 12);
    assert_int_equal(virgl_renderer_submit_cmd2(words, 1, 4, &fence, 1), EINVAL);
    assert_string_equal(fake_virgl_take_call(), "");
    hypervisor_destroy_blob(1, 5, data);
}

static void commands_without_sense_are_refused(void **state)
{
    uint32_t words[4] = {0};
    (void)state;
    hypervisor_create_context(1);
    assert_int_equal(virgl_renderer_submit_cmd(words, 1, 0), EINVAL);
    assert_int_equal(virgl_renderer_submit_cmd(words, 1, -1), EINVAL);
    assert_int_equal(virgl_renderer_submit_cmd(words, 1, INT32_MAX), EINVAL);
    assert_int_equal(virgl_renderer_submit_cmd(NULL, 1, 4), EINVAL);
    assert_string_equal(fake_virgl_take_call(), "");
}

static void an_id_in_use_is_not_given_twice(void **state)
{
    (void)state;
    hypervisor_create_context(1);
    assert_int_equal(virgl_renderer_context_create_with_flags(1, CAPSET_APIR, 4, "test"), EINVAL);
    assert_int_equal(virgl_renderer_context_create_with_flags(1, 2, 4, "test"), EINVAL);
    assert_int_equal(virgl_renderer_context_create(1, 4, "test"), EINVAL);
    assert_int_equal(virgl_renderer_context_create_with_flags(0, CAPSET_APIR, 4, "test"), EINVAL);
    assert_string_equal(fake_virgl_take_call(), "");
}

static void a_blob_can_be_shared_by_contexts(void **state)
{
    (void)state;
    hypervisor_create_context(1);
    hypervisor_create_context(2);
    uint32_t *data = hypervisor_create_blob(1, 5);
    virgl_renderer_ctx_attach_resource(2, 5);
    write_value(1, 5, 100);
    assert_int_equal(data[2], 100);
    write_value(2, 5, 200);
    assert_int_equal(data[2], 200);
    virgl_renderer_ctx_detach_resource(1, 5);
    write_value(2, 5, 300);
    assert_int_equal(data[2], 300);
    hypervisor_destroy_blob(2, 5, data);
}

static void attaching_twice_is_as_once(void **state)
{
    (void)state;
    hypervisor_create_context(1);
    uint32_t *data = hypervisor_create_blob(1, 5);
    virgl_renderer_ctx_attach_resource(1, 5);
    write_value(1, 5, 100);
    virgl_renderer_ctx_detach_resource(1, 5);
    virgl_renderer_ctx_detach_resource(1, 5);
    virgl_renderer_ctx_attach_resource(1, 5);
    write_value(1, 5, 200);
    assert_int_equal(data[2], 200);
    hypervisor_destroy_blob(1, 5, data);
}

static void a_blob_is_not_attached_to_other_contexts(void **state)
{
    (void)state;
    hypervisor_create_context(1);
    uint32_t *data = hypervisor_create_blob(1, 5);
    virgl_renderer_ctx_attach_resource(7, 5); /* a context of the real library */
    virgl_renderer_ctx_detach_resource(7, 5);
    virgl_renderer_ctx_attach_resource(1, 99); /* a resource of the real library */
    virgl_renderer_ctx_detach_resource(1, 99);
    assert_string_equal(fake_virgl_take_call(), "");
    write_value(1, 5, 100);
    hypervisor_destroy_blob(1, 5, data);
}

static void a_resource_is_reused_at_once(void **state)
{
    (void)state;
    hypervisor_create_context(1);
    for (uint32_t i = 1; i <= 50; i++) {
        const uint32_t linger[] = {ECHO_LINGER, i % 10 == 0, 0, 0}; /* the worker uses it for some time yet */
        uint32_t *data = hypervisor_create_blob(1, 5);
        assert_int_equal(data[2], 0); /* nothing of the one before */
        write_value(1, 5, i);
        assert_int_equal(data[2], i);
        assert_int_equal(hypervisor_submit(1, linger, 4), 0);
        hypervisor_destroy_blob(1, 5, data);
    }
}

static void a_blob_without_a_reference_is_taken_from_all_workers(void **state)
{
    (void)state;
    hypervisor_create_context(1);
    hypervisor_create_context(2);
    for (uint32_t i = 1; i <= 3; i++) {
        uint32_t *data = hypervisor_create_blob(1, 5);
        virgl_renderer_ctx_attach_resource(2, 5);
        virgl_renderer_resource_unref(5); /* attached as it is */
        munmap(data, BLOB_SIZE);
        data = hypervisor_create_blob(1, 5);
        virgl_renderer_ctx_attach_resource(2, 5);
        write_value(1, 5, 10 * i);
        assert_int_equal(data[2], 10 * i);
        write_value(2, 5, 10 * i + 1);
        assert_int_equal(data[2], 10 * i + 1);
        virgl_renderer_resource_unref(5);
        munmap(data, BLOB_SIZE);
    }
}

static void memory_outlives_its_resource(void **state)
{
    (void)state;
    hypervisor_create_context(1);
    uint32_t *data = hypervisor_create_blob(1, 5);
    write_value(1, 5, 100);
    virgl_renderer_context_destroy(1);
    virgl_renderer_resource_unref(5);
    assert_int_equal(data[2], 100);
    data[3] = 5;
    munmap(data, BLOB_SIZE);
}

static void contexts_and_blobs_end_in_either_order(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= 20; i++) {
        hypervisor_create_context(1);
        uint32_t *data = hypervisor_create_blob(1, 5);
        write_value(1, 5, i);
        if (i % 2 == 0)
            virgl_renderer_context_destroy(1);
        virgl_renderer_ctx_detach_resource(1, 5);
        virgl_renderer_resource_unref(5);
        if (i % 2 != 0)
            virgl_renderer_context_destroy(1);
        assert_int_equal(data[2], i);
        munmap(data, BLOB_SIZE);
    }
}

static void a_context_is_reused_while_the_worker_before_ends(void **state)
{
    const uint32_t hang[] = {ECHO_HANG, 0, 0, 0};
    (void)state;
    hypervisor_create_context(1);
    uint32_t *first = hypervisor_create_blob(1, 5);
    assert_int_equal(hypervisor_submit(1, hang, 4), 0);
    virgl_renderer_context_destroy(1);
    hypervisor_create_context(1);
    uint32_t *second = hypervisor_create_blob(1, 6);
    write_value(1, 6, 100);
    assert_int_equal(second[2], 100);
    hypervisor_destroy_blob(1, 6, second);
    hypervisor_destroy_blob(1, 5, first);
}

static void too_many_contexts_are_refused(void **state)
{
    (void)state;
    for (uint32_t id = 1; id <= MAX_CONTEXTS; id++)
        hypervisor_create_context(id);
    assert_int_equal(virgl_renderer_context_create_with_flags(MAX_CONTEXTS + 1, CAPSET_APIR, 4, "test"),
                     ENOSPC);
    virgl_renderer_context_destroy(7);
    hypervisor_create_context(MAX_CONTEXTS + 1);
    virgl_renderer_reset();
    hypervisor_create_context(1);
}

static void a_reset_ends_everything(void **state)
{
    uint32_t words[4] = {ECHO_WRITE, 5, 8, 1};
    (void)state;
    hypervisor_create_context(1);
    hypervisor_create_context(2);
    uint32_t *data = hypervisor_create_blob(1, 5);
    write_value(1, 5, 100);
    virgl_renderer_reset();
    assert_string_equal(fake_virgl_take_call(), "reset");
    assert_int_equal(virgl_renderer_submit_cmd(words, 1, 4), FAKE_RESULT); /* not ours any more */
    assert_int_equal(virgl_renderer_resource_map_fixed(5, data), FAKE_RESULT);
    assert_int_equal(data[2], 100); /* still there for who has it */
    munmap(data, BLOB_SIZE);
    virgl_renderer_init(&hypervisor, VIRGL_RENDERER_ASYNC_FENCE_CB, &hypervisor.callbacks);
    hypervisor_create_context(1);
    data = hypervisor_create_blob(1, 5);
    write_value(1, 5, 200);
    assert_int_equal(data[2], 200);
    hypervisor_destroy_blob(1, 5, data);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_command_is_done_by_the_worker),
        TEST(the_second_form_of_submit_does_the_same),
        TEST(commands_without_sense_are_refused),
        TEST(an_id_in_use_is_not_given_twice),
        TEST(a_blob_can_be_shared_by_contexts),
        TEST(attaching_twice_is_as_once),
        TEST(a_blob_is_not_attached_to_other_contexts),
        TEST(a_resource_is_reused_at_once),
        TEST(a_blob_without_a_reference_is_taken_from_all_workers),
        TEST(memory_outlives_its_resource),
        TEST(contexts_and_blobs_end_in_either_order),
        TEST(a_context_is_reused_while_the_worker_before_ends),
        TEST(too_many_contexts_are_refused),
        TEST(a_reset_ends_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
