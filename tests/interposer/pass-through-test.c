/* What is not APIR's reaches the real library as it came. */
#include <stdio.h>
#include <string.h>

#include "fake-virgl.h"
#include "hypervisor.h"

static char expected[512];

#define EXPECT_CALL(...)                                                                                               \
    do {                                                                                                               \
        snprintf(expected, sizeof expected, __VA_ARGS__);                                                              \
        assert_string_equal(fake_virgl_take_call(), expected);                                                         \
    } while (0)

static void start_and_end_reach_the_real_library(void **state)
{
    struct virgl_renderer_callbacks callbacks = {.version = 1};
    int cookie;
    (void)state;
    assert_int_equal(virgl_renderer_init(&cookie, 0x342, &callbacks), FAKE_RESULT);
    EXPECT_CALL("init %p 0x342 %p", (void *)&cookie, (void *)&callbacks);
    virgl_renderer_reset();
    EXPECT_CALL("reset");
    virgl_renderer_poll();
    EXPECT_CALL("poll");
    assert_int_equal(virgl_renderer_get_poll_fd(), -1);
    EXPECT_CALL("get_poll_fd");
    virgl_renderer_cleanup(&cookie);
    EXPECT_CALL("cleanup %p", (void *)&cookie);
}

static void other_contexts_reach_the_real_library(void **state)
{
    uint32_t words[4] = {0};
    uint64_t fences[2] = {0};
    (void)state;
    assert_int_equal(virgl_renderer_context_create(3, 5, "other"), FAKE_RESULT);
    EXPECT_CALL("context_create 3 5 other");
    assert_int_equal(virgl_renderer_context_create_with_flags(3, 2, 5, "other"), FAKE_RESULT);
    EXPECT_CALL("context_create_with_flags 3 0x2 5 other");
    assert_int_equal(virgl_renderer_submit_cmd(words, 3, 4), FAKE_RESULT);
    EXPECT_CALL("submit_cmd %p 3 4", (void *)words);
    assert_int_equal(virgl_renderer_submit_cmd2(words, 3, 4, fences, 2), FAKE_RESULT);
    EXPECT_CALL("submit_cmd2 %p 3 4 %p 2", (void *)words, (void *)fences);
    assert_int_equal(virgl_renderer_context_create_fence(3, 1, 2, UINT64_C(1) << 40), FAKE_RESULT);
    EXPECT_CALL("context_create_fence 3 1 2 %llu", 1ULL << 40);
    virgl_renderer_context_poll(3);
    EXPECT_CALL("context_poll 3");
    assert_int_equal(virgl_renderer_context_get_poll_fd(3), FAKE_RESULT);
    EXPECT_CALL("context_get_poll_fd 3");
    virgl_renderer_ctx_attach_resource(3, 9);
    EXPECT_CALL("ctx_attach_resource 3 9");
    virgl_renderer_ctx_detach_resource(3, 9);
    EXPECT_CALL("ctx_detach_resource 3 9");
    virgl_renderer_context_destroy(3);
    EXPECT_CALL("context_destroy 3");
}

static void other_resources_reach_the_real_library(void **state)
{
    struct virgl_renderer_resource_create_args args = {.handle = 9};
    struct virgl_renderer_resource_create_blob_args blob = {.res_handle = 9, .ctx_id = 3, .blob_mem = 2, .size = 4096};
    struct virgl_renderer_resource_import_blob_args import = {.res_handle = 9};
    struct virgl_renderer_resource_info info;
    struct virgl_renderer_resource_info_ext extended;
    void *data, *box = &args, *iov = &blob;
    uint64_t size;
    uint32_t number;
    int fd;
    (void)state;
    assert_int_equal(virgl_renderer_resource_create(&args, iov, 3), FAKE_RESULT);
    EXPECT_CALL("resource_create %p %p 3", (void *)&args, iov);
    assert_int_equal(virgl_renderer_resource_create_blob(&blob), FAKE_RESULT);
    EXPECT_CALL("resource_create_blob %p", (void *)&blob);
    assert_int_equal(virgl_renderer_resource_import_blob(&import), FAKE_RESULT);
    EXPECT_CALL("resource_import_blob %p", (void *)&import);
    assert_int_equal(virgl_renderer_resource_import_eglimage(&args, iov), FAKE_RESULT);
    EXPECT_CALL("resource_import_eglimage %p %p", (void *)&args, iov);
    assert_int_equal(virgl_renderer_resource_export_blob(9, &number, &fd), FAKE_RESULT);
    EXPECT_CALL("resource_export_blob 9 %p %p", (void *)&number, (void *)&fd);
    assert_int_equal(virgl_renderer_resource_map(9, &data, &size), FAKE_RESULT);
    EXPECT_CALL("resource_map 9 %p %p", (void *)&data, (void *)&size);
    assert_int_equal(virgl_renderer_resource_map_fixed(9, iov), FAKE_RESULT);
    EXPECT_CALL("resource_map_fixed 9 %p", iov);
    assert_int_equal(virgl_renderer_resource_unmap(9), FAKE_RESULT);
    EXPECT_CALL("resource_unmap 9");
    assert_int_equal(virgl_renderer_resource_get_map_info(9, &number), FAKE_RESULT);
    EXPECT_CALL("resource_get_map_info 9 %p", (void *)&number);
    assert_int_equal(virgl_renderer_resource_get_info(9, &info), FAKE_RESULT);
    EXPECT_CALL("resource_get_info 9 %p", (void *)&info);
    assert_int_equal(virgl_renderer_resource_get_info_ext(9, &extended), FAKE_RESULT);
    EXPECT_CALL("resource_get_info_ext 9 %p", (void *)&extended);
    assert_int_equal(virgl_renderer_resource_attach_iov(9, iov, 4), FAKE_RESULT);
    EXPECT_CALL("resource_attach_iov 9 %p 4", iov);
    virgl_renderer_resource_detach_iov(9, iov, &fd);
    EXPECT_CALL("resource_detach_iov 9 %p %p", iov, (void *)&fd);
    virgl_renderer_resource_set_priv(9, iov);
    EXPECT_CALL("resource_set_priv 9 %p", iov);
    assert_non_null(virgl_renderer_resource_get_priv(9));
    EXPECT_CALL("resource_get_priv 9");
    assert_int_equal(virgl_renderer_transfer_read_iov(9, 1, 2, 3, 4, box, 5, iov, 6), FAKE_RESULT);
    EXPECT_CALL("transfer_read_iov 9 1 2 3 4 %p 5 %p 6", box, iov);
    assert_int_equal(virgl_renderer_transfer_write_iov(9, 1, 2, 3, 4, box, 5, iov, 6), FAKE_RESULT);
    EXPECT_CALL("transfer_write_iov 9 1 2 3 4 %p 5 %p 6", box, iov);
    virgl_renderer_resource_unref(9);
    EXPECT_CALL("resource_unref 9");
}

static void functions_that_we_lack_reach_the_real_library(void **state)
{
    (void)state;
    virgl_renderer_force_ctx_0();
    EXPECT_CALL("force_ctx_0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(start_and_end_reach_the_real_library),
        cmocka_unit_test(other_contexts_reach_the_real_library),
        cmocka_unit_test(other_resources_reach_the_real_library),
        cmocka_unit_test(functions_that_we_lack_reach_the_real_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
