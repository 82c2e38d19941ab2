/* What a hypervisor does with blobs of APIR contexts. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fake-virgl.h"
#include "hypervisor.h"

static struct hypervisor hypervisor;

static int set_up(void **state)
{
    (void)state;
    hypervisor_start(&hypervisor, VIRGL_RENDERER_ASYNC_FENCE_CB);
    hypervisor_create_context(1);
    fake_virgl_take_call();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_string_equal(fake_virgl_take_call(), ""); /* nothing of this is the real library's business */
    hypervisor_stop(&hypervisor);
    return 0;
}

static int create_blob(uint32_t resource, uint64_t size)
{
    struct virgl_renderer_resource_create_blob_args args = {
        .res_handle = resource, .ctx_id = 1, .blob_mem = VIRGL_RENDERER_BLOB_MEM_HOST3D, .size = size};
    return virgl_renderer_resource_create_blob(&args);
}

static void a_blob_is_mapped_where_the_hypervisor_wants_it(void **state)
{
    (void)state;
    assert_int_equal(create_blob(5, 8192), 0);
    char *place = mmap(NULL, 3 * 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_int_equal(virgl_renderer_resource_map_fixed(5, place), 0);
    assert_int_equal(virgl_renderer_resource_map_fixed(5, place + 8192), 0);
    strcpy(place, "seen");
    assert_string_equal(place + 8192, "seen");
    assert_int_equal(virgl_renderer_resource_map_fixed(5, place + 1), -EINVAL);
    assert_int_equal(virgl_renderer_resource_map_fixed(5, NULL), -EINVAL);
    virgl_renderer_resource_unref(5);
    assert_string_equal(place, "seen");
    munmap(place, 3 * 8192);
}

static void a_blob_is_mapped_once_where_there_is_room(void **state)
{
    void *data = NULL, *other = NULL;
    uint64_t size = 0;
    (void)state;
    assert_int_equal(create_blob(5, 5000), 0);
    assert_int_equal(virgl_renderer_resource_unmap(5), -EINVAL);
    assert_int_equal(virgl_renderer_resource_map(5, &data, &size), 0);
    assert_int_equal(size, 8192);
    memset(data, 1, size);
    assert_int_equal(virgl_renderer_resource_map(5, &other, &size), -EINVAL);
    assert_null(other);
    assert_int_equal(virgl_renderer_resource_unmap(5), 0);
    assert_int_equal(virgl_renderer_resource_unmap(5), -EINVAL);
    assert_int_equal(virgl_renderer_resource_map(5, &data, &size), 0);
    assert_int_equal(((char *)data)[8191], 1);
    assert_int_equal(virgl_renderer_resource_unmap(5), 0);
    virgl_renderer_resource_unref(5);
}

static void a_mapping_outlives_its_resource(void **state)
{
    char *data = NULL;
    uint64_t size;
    (void)state;
    assert_int_equal(create_blob(5, 4096), 0);
    assert_int_equal(virgl_renderer_resource_map(5, (void **)&data, &size), 0);
    data[0] = 7;
    virgl_renderer_resource_unref(5);
    assert_int_equal(data[0], 7);
    assert_int_equal(create_blob(5, 4096), 0); /* the id is used again, unmapped */
    assert_int_equal(virgl_renderer_resource_unmap(5), 0);
    assert_int_equal(virgl_renderer_resource_unmap(5), -EINVAL);
    virgl_renderer_resource_unref(5);
}

static void a_blob_is_described_as_cached_memory_without_a_descriptor(void **state)
{
    struct virgl_renderer_resource_info info;
    struct virgl_renderer_resource_info_ext extended;
    uint32_t map_info = 0;
    (void)state;
    assert_int_equal(create_blob(5, 4096), 0);
    assert_int_equal(virgl_renderer_resource_get_map_info(5, &map_info), 0);
    assert_int_equal(map_info, VIRGL_RENDERER_MAP_CACHE_CACHED);
    assert_int_equal(virgl_renderer_resource_get_info(5, &info), 0);
    assert_int_equal(info.handle, 5);
    assert_int_equal(info.fd, -1);
    assert_int_equal(virgl_renderer_resource_get_info_ext(5, &extended), 0);
    assert_int_equal(extended.base.handle, 5);
    assert_int_equal(extended.base.fd, -1);
    assert_false(extended.has_dmabuf_export);
    virgl_renderer_resource_unref(5);
}

static void a_blob_is_exported_as_sealed_memory(void **state)
{
    uint32_t type = 0;
    int fd = -1;
    struct stat st;
    (void)state;
    assert_int_equal(create_blob(5, 4096), 0);
    assert_int_equal(virgl_renderer_resource_export_blob(5, &type, &fd), 0);
    assert_int_equal(type, VIRGL_RENDERER_BLOB_FD_TYPE_SHM);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 4096);
    assert_int_equal(fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK, F_SEAL_SHRINK);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    virgl_renderer_resource_unref(5);
    close(fd);
}

static void a_blob_keeps_what_the_hypervisor_gives_it(void **state)
{
    struct iovec iov = {NULL, 0}, *detached = NULL;
    int count = 0, data;
    (void)state;
    assert_int_equal(create_blob(5, 4096), 0);
    assert_int_equal(virgl_renderer_resource_attach_iov(5, &iov, 1), 0);
    assert_int_equal(virgl_renderer_resource_attach_iov(5, &iov, 1), EINVAL);
    virgl_renderer_resource_detach_iov(5, &detached, &count);
    assert_ptr_equal(detached, &iov);
    assert_int_equal(count, 1);
    virgl_renderer_resource_detach_iov(5, &detached, &count);
    assert_null(detached);
    assert_int_equal(count, 0);
    virgl_renderer_resource_detach_iov(5, NULL, NULL);
    assert_null(virgl_renderer_resource_get_priv(5));
    virgl_renderer_resource_set_priv(5, &data);
    assert_ptr_equal(virgl_renderer_resource_get_priv(5), &data);
    virgl_renderer_resource_unref(5);
}

static void nothing_is_transferred(void **state)
{
    (void)state;
    assert_int_equal(create_blob(5, 4096), 0);
    assert_int_equal(virgl_renderer_transfer_read_iov(5, 1, 0, 0, 0, NULL, 0, NULL, 0), EINVAL);
    assert_int_equal(virgl_renderer_transfer_write_iov(5, 1, 0, 0, 0, NULL, 0, NULL, 0), EINVAL);
    virgl_renderer_resource_unref(5);
}

static void blobs_without_sense_are_refused(void **state)
{
    struct virgl_renderer_resource_create_blob_args args = {.res_handle = 5, .ctx_id = 1, .blob_mem = 2, .size = 4096};
    (void)state;
    assert_int_equal(create_blob(0, 4096), -EINVAL);
    assert_int_equal(create_blob(5, 0), -EINVAL);
    assert_int_equal(create_blob(5, UINT64_MAX), -EINVAL);
    assert_int_equal(create_blob(5, UINT64_MAX - 4095), -EINVAL);
    args.blob_id = 1;
    assert_int_equal(virgl_renderer_resource_create_blob(&args), -EINVAL);
    args.blob_id = 0;
    args.blob_mem = VIRGL_RENDERER_BLOB_MEM_HOST3D_GUEST;
    assert_int_equal(virgl_renderer_resource_create_blob(&args), -EINVAL);
    args.blob_mem = VIRGL_RENDERER_BLOB_MEM_HOST3D;
    args.num_iovs = 1;
    assert_int_equal(virgl_renderer_resource_create_blob(&args), -EINVAL);
    assert_int_equal(virgl_renderer_resource_create_blob(NULL), -EINVAL);
}

static void an_id_in_use_is_not_given_twice(void **state)
{
    struct virgl_renderer_resource_create_args args = {.handle = 5};
    struct virgl_renderer_resource_import_blob_args import = {.res_handle = 5};
    (void)state;
    assert_int_equal(create_blob(5, 4096), 0);
    assert_int_equal(create_blob(5, 4096), -EINVAL);
    assert_int_equal(virgl_renderer_resource_create(&args, NULL, 0), EINVAL);
    assert_int_equal(virgl_renderer_resource_import_eglimage(&args, NULL), EINVAL);
    assert_int_equal(virgl_renderer_resource_import_blob(&import), -EINVAL);
    virgl_renderer_resource_unref(5);
}

/* What is removed counts until our thread has seen to it. */
static void settle(uint64_t fence)
{
    assert_true(hypervisor_fence(&hypervisor, 1, fence));
}

static void the_guest_cannot_have_more_than_its_quota(void **state)
{
    uint32_t id = 1;
    (void)state;
    settle(1);
    while (id < 100 && create_blob(id, UINT64_C(4) << 30) == 0)
        id++;
    assert_int_equal(id, 17); /* 64 GiB, none of it touched */
    assert_int_equal(create_blob(id, 4096), -ENOSPC);
    virgl_renderer_resource_unref(1);
    settle(2);
    assert_int_equal(create_blob(id, 4096), 0);
    for (; id > 1; id--)
        virgl_renderer_resource_unref(id);
}

static void memory_of_the_guest_is_the_real_librarys_business(void **state)
{
    struct virgl_renderer_resource_create_blob_args args = {.res_handle = 5, .ctx_id = 1, .blob_mem = 1, .size = 4096};
    (void)state;
    assert_int_equal(virgl_renderer_resource_create_blob(&args), FAKE_RESULT);
    assert_memory_equal(fake_virgl_take_call(), "resource_create_blob", 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_blob_is_mapped_where_the_hypervisor_wants_it),
        TEST(a_blob_is_mapped_once_where_there_is_room),
        TEST(a_mapping_outlives_its_resource),
        TEST(a_blob_is_described_as_cached_memory_without_a_descriptor),
        TEST(a_blob_is_exported_as_sealed_memory),
        TEST(a_blob_keeps_what_the_hypervisor_gives_it),
        TEST(nothing_is_transferred),
        TEST(blobs_without_sense_are_refused),
        TEST(an_id_in_use_is_not_given_twice),
        TEST(the_guest_cannot_have_more_than_its_quota),
        TEST(memory_of_the_guest_is_the_real_librarys_business),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
