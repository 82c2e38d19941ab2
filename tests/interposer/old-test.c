/* A real library that lacks functions: they fail, and what is ours works. */
#include <errno.h>
#include <stdlib.h>

#include "../attach/echo-worker.h"
#include "fake-virgl.h"
#include "hypervisor.h"

static void missing_functions_fail(void **state)
{
    struct virgl_renderer_resource_create_blob_args blob = {.res_handle = 9, .ctx_id = 3, .blob_mem = 2, .size = 4096};
    struct virgl_renderer_resource_import_blob_args import = {.res_handle = 9};
    struct virgl_renderer_resource_create_args args = {.handle = 9};
    struct virgl_renderer_resource_info_ext extended;
    uint32_t words[4] = {0}, number;
    uint64_t size;
    void *data;
    int fd;
    (void)state;
    assert_int_equal(virgl_renderer_context_create_fence(3, 0, 0, 1), -ENOSYS);
    virgl_renderer_context_poll(3);
    assert_int_equal(virgl_renderer_context_get_poll_fd(3), -1);
    assert_int_equal(virgl_renderer_submit_cmd2(words, 3, 4, NULL, 0), ENOSYS);
    assert_int_equal(virgl_renderer_resource_create_blob(&blob), -ENOSYS);
    assert_int_equal(virgl_renderer_resource_import_blob(&import), -ENOSYS);
    assert_int_equal(virgl_renderer_resource_import_eglimage(&args, NULL), ENOSYS);
    assert_int_equal(virgl_renderer_resource_export_blob(9, &number, &fd), -ENOSYS);
    assert_int_equal(virgl_renderer_resource_map(9, &data, &size), -ENOSYS);
    assert_int_equal(virgl_renderer_resource_map_fixed(9, words), -EOPNOTSUPP);
    assert_int_equal(virgl_renderer_resource_unmap(9), -ENOSYS);
    assert_int_equal(virgl_renderer_resource_get_map_info(9, &number), -ENOSYS);
    assert_int_equal(virgl_renderer_resource_get_info_ext(9, &extended), ENOSYS);
}

static void the_functions_that_it_has_are_used(void **state)
{
    (void)state;
    virgl_renderer_resource_unref(9);
    assert_string_equal(fake_virgl_take_call(), "resource_unref 9");
}

static void our_contexts_work(void **state)
{
    static struct hypervisor hypervisor;
    const uint32_t words[] = {ECHO_WRITE, 5, 8, 31};
    (void)state;
    hypervisor_start(&hypervisor, VIRGL_RENDERER_ASYNC_FENCE_CB);
    hypervisor_create_context(1);
    uint32_t *data = hypervisor_create_blob(1, 5);
    hypervisor_submit(1, words, 4);
    assert_true(hypervisor_fence(&hypervisor, 1, 1));
    assert_int_equal(data[2], 31);
    hypervisor_destroy_blob(1, 5, data);
    hypervisor_stop(&hypervisor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_functions_fail),
        cmocka_unit_test(the_functions_that_it_has_are_used),
        cmocka_unit_test(our_contexts_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
