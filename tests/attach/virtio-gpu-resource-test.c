/* The device's resources: blobs, their places in the window, and who has their memory when. */
#include <endian.h>

#include "device.h"

static void blob_ids_and_sizes_are_checked(void **state)
{
    struct device *device = *state;
    assert_int_equal(create_blob(device, 0, PAGE), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    assert_int_equal(create_blob(device, 1, 0), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    assert_int_equal(create_blob(device, 1, WINDOW + 1), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    assert_int_equal(create_blob(device, 1, UINT64_MAX), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    assert_int_equal(create_blob(device, 1, 1), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(create_blob(device, 1, PAGE), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
}

static void other_kinds_of_blobs_are_refused(void **state)
{
    struct device *device = *state;
    struct virtio_gpu_resource_create_blob create = {.hdr = header(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, 1),
                                                     .resource_id = htole32(1),
                                                     .size = htole64(PAGE)};
    for (uint32_t kind = 0; kind < 5; kind++) {
        create.blob_mem = htole32(kind);
        create.blob_id = htole64(kind == VIRTIO_GPU_BLOB_MEM_HOST3D);
        assert_int_equal(command(device, &create, sizeof create), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    }
}

static void too_many_resources_are_refused(void **state)
{
    struct device *device = *state;
    for (uint32_t id = 1; id <= APIR_MAX_RESOURCES; id++) {
        assert_int_equal(create_blob(device, id, PAGE), VIRTIO_GPU_RESP_OK_NODATA);
        device->answer_count = 0;
    }
    assert_int_equal(create_blob(device, UINT32_MAX, PAGE), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
}

static void unknown_resources_are_refused(void **state)
{
    struct device *device = *state;
    const uint32_t types[] = {VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE,
                              VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, VIRTIO_GPU_CMD_RESOURCE_UNREF};
    assert_int_equal(create_context(device, 1, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(with_resource(device, types[i], 1, 5), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    assert_int_equal(map_blob(device, 5, 0), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
}

static void bad_places_in_the_window_are_refused(void **state)
{
    struct device *device = *state;
    const uint64_t bad[] = {1, WINDOW, WINDOW - PAGE, UINT64_MAX, UINT64_MAX - PAGE + 1};
    assert_int_equal(create_blob(device, 1, 2 * PAGE), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(create_blob(device, 2, 2 * PAGE), VIRTIO_GPU_RESP_OK_NODATA);
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(map_blob(device, 1, bad[i]), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    assert_int_equal(map_blob(device, 1, PAGE), VIRTIO_GPU_RESP_OK_MAP_INFO);
    assert_int_equal(map_blob(device, 1, 8 * PAGE), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    assert_int_equal(map_blob(device, 2, 2 * PAGE), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    assert_int_equal(map_blob(device, 2, 3 * PAGE), VIRTIO_GPU_RESP_OK_MAP_INFO);
}

static void memory_is_given_in_either_order(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE); /* attached, then mapped */
    assert_int_equal(create_blob(device, 2, PAGE), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(map_blob(device, 2, PAGE), VIRTIO_GPU_RESP_OK_MAP_INFO);
    assert_int_equal(with_resource(device, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 1, 2), VIRTIO_GPU_RESP_OK_NODATA);
    submit_words(device, 1, ECHO_WRITE, 1, 4, 11);
    submit_words(device, 1, ECHO_WRITE, 2, 8, 22);
    wait_word(device, 4, 11);
    wait_word(device, PAGE + 8, 22);
}

static void unmap_waits_for_the_worker(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    submit_words(device, 1, ECHO_LINGER, 200, 0, 0);
    uint16_t unmap = send_with_resource(device, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, 0, 1);
    uint16_t unref = send_with_resource(device, VIRTIO_GPU_CMD_RESOURCE_UNREF, 0, 1);
    assert_int_equal(result_of(device, unmap), 0);
    /* everything else goes on, but the place is not free */
    assert_int_equal(create_blob(device, 2, PAGE), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(map_blob(device, 2, 0), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    assert_int_equal(with_resource(device, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 1, 1),
                     VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    assert_int_equal(wait_answer(device, unref), VIRTIO_GPU_RESP_OK_NODATA);
    assert_true(find_answer(device, unmap) < find_answer(device, unref));
    assert_int_equal(device->gpu.window.memory[0], 0);
    assert_int_equal(map_blob(device, 2, 0), VIRTIO_GPU_RESP_OK_MAP_INFO);
}

static void detach_and_attach_again_give_the_memory_again(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    for (uint32_t i = 1; i <= 5; i++) {
        assert_int_equal(with_resource(device, VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, 1, 1), VIRTIO_GPU_RESP_OK_NODATA);
        assert_int_equal(with_resource(device, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 1, 1), VIRTIO_GPU_RESP_OK_NODATA);
        submit_words(device, 1, ECHO_WRITE, 1, 0, i);
        wait_word(device, 0, i);
    }
}

static void unref_of_mapped_memory_frees_it(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    submit_words(device, 1, ECHO_WRITE, 1, 0, 77);
    wait_word(device, 0, 77);
    uint16_t unref = send_with_resource(device, VIRTIO_GPU_CMD_RESOURCE_UNREF, 0, 1);
    assert_int_equal(wait_answer(device, unref), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(device->gpu.window.memory[0], 0);
    assert_int_equal(create_blob(device, 1, PAGE), VIRTIO_GPU_RESP_OK_NODATA);
}

static void memory_outlives_one_of_two_contexts(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    assert_int_equal(create_context(device, 2, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(with_resource(device, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 2, 1), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(destroy_context(device, 1), VIRTIO_GPU_RESP_OK_NODATA);
    submit_words(device, 2, ECHO_WRITE, 1, 0, 5);
    wait_word(device, 0, 5);
}

static void destroyed_context_keeps_its_memory_until_the_worker_is_gone(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    submit_words(device, 1, ECHO_SLEEP, 200, 0, 0);
    assert_int_equal(destroy_context(device, 1), VIRTIO_GPU_RESP_OK_NODATA);
    uint16_t unref = send_with_resource(device, VIRTIO_GPU_CMD_RESOURCE_UNREF, 0, 1);
    assert_int_equal(result_of(device, unref), 0);
    assert_int_equal(wait_answer(device, unref), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(device->gpu.worker_count, 0);
}

static void map_waits_for_the_window(void **state)
{
    struct device *device = *state;
    apir_virtio_gpu_set_window(&device->gpu, APIR_WINDOW_PENDING);
    assert_int_equal(create_blob(device, 1, PAGE), VIRTIO_GPU_RESP_OK_NODATA);
    uint16_t map = send_map(device, 1, 0);
    uint16_t unref = send_with_resource(device, VIRTIO_GPU_CMD_RESOURCE_UNREF, 0, 1);
    assert_int_equal(result_of(device, map), 0);
    assert_int_equal(result_of(device, unref), 0);
    apir_virtio_gpu_set_window(&device->gpu, APIR_WINDOW_READY);
    assert_int_equal(result_of(device, map), VIRTIO_GPU_RESP_OK_MAP_INFO);
    assert_int_equal(result_of(device, unref), VIRTIO_GPU_RESP_OK_NODATA);
}

static void map_fails_without_a_window(void **state)
{
    struct device *device = *state;
    apir_virtio_gpu_set_window(&device->gpu, APIR_WINDOW_ABSENT);
    assert_int_equal(create_blob(device, 1, PAGE), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(map_blob(device, 1, 0), VIRTIO_GPU_RESP_ERR_UNSPEC);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, device_setup, device_teardown)
    const struct CMUnitTest tests[] = {
        TEST(blob_ids_and_sizes_are_checked),
        TEST(other_kinds_of_blobs_are_refused),
        TEST(too_many_resources_are_refused),
        TEST(unknown_resources_are_refused),
        TEST(bad_places_in_the_window_are_refused),
        TEST(memory_is_given_in_either_order),
        TEST(unmap_waits_for_the_worker),
        TEST(detach_and_attach_again_give_the_memory_again),
        TEST(unref_of_mapped_memory_frees_it),
        TEST(memory_outlives_one_of_two_contexts),
        TEST(destroyed_context_keeps_its_memory_until_the_worker_is_gone),
        TEST(map_waits_for_the_window),
        TEST(map_fails_without_a_window),
    };
    return cmocka_run_group_tests_name("virtio-gpu-resource", tests, NULL, NULL);
}
