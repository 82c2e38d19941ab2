/* The device's commands: what is refused, contexts and their workers' starts, fences, its reset. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"

static void short_commands_are_refused(void **state)
{
    struct device *device = *state;
    static const struct {
        uint32_t type;
        size_t size;
    } commands[] = {
        {VIRTIO_GPU_CMD_GET_CAPSET_INFO, sizeof(struct virtio_gpu_get_capset_info)},
        {VIRTIO_GPU_CMD_GET_CAPSET, sizeof(struct virtio_gpu_get_capset)},
        {VIRTIO_GPU_CMD_CTX_CREATE, sizeof(struct virtio_gpu_ctx_create)},
        {VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, sizeof(struct virtio_gpu_ctx_resource)},
        {VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, sizeof(struct virtio_gpu_ctx_resource)},
        {VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, sizeof(struct virtio_gpu_resource_create_blob)},
        {VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, sizeof(struct virtio_gpu_resource_map_blob)},
        {VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, sizeof(struct virtio_gpu_resource_unmap_blob)},
        {VIRTIO_GPU_CMD_RESOURCE_UNREF, sizeof(struct virtio_gpu_resource_unref)},
        {VIRTIO_GPU_CMD_SUBMIT_3D, sizeof(struct virtio_gpu_cmd_submit)},
    };
    prepare(device, PAGE);
    for (unsigned i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        uint8_t bytes[128] = {0};
        struct virtio_gpu_ctrl_hdr head = header(commands[i].type, 1);
        memcpy(bytes, &head, sizeof head);
        assert_int_equal(command(device, bytes, commands[i].size - 1), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
        assert_int_equal(command(device, bytes, sizeof head), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    }
}

static void less_than_a_header_is_refused(void **state)
{
    struct device *device = *state;
    struct virtio_gpu_ctrl_hdr head = header(VIRTIO_GPU_CMD_GET_DISPLAY_INFO, 0);
    assert_int_equal(command(device, &head, 0), VIRTIO_GPU_RESP_ERR_UNSPEC);
    assert_int_equal(command(device, &head, sizeof head - 1), VIRTIO_GPU_RESP_ERR_UNSPEC);
}

static void unknown_commands_are_refused(void **state)
{
    struct device *device = *state;
    const uint32_t types[] = {0,
                              VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
                              VIRTIO_GPU_CMD_SET_SCANOUT,
                              VIRTIO_GPU_CMD_GET_EDID,
                              VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID,
                              VIRTIO_GPU_CMD_RESOURCE_CREATE_3D,
                              VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D,
                              VIRTIO_GPU_CMD_UPDATE_CURSOR,
                              UINT32_MAX};
    for (unsigned i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct virtio_gpu_ctrl_hdr head = header(types[i], 1);
        assert_int_equal(command(device, &head, sizeof head), VIRTIO_GPU_RESP_ERR_UNSPEC);
    }
}

static void only_our_capset_is_offered(void **state)
{
    struct device *device = *state;
    struct virtio_gpu_get_capset_info info = {.hdr = header(VIRTIO_GPU_CMD_GET_CAPSET_INFO, 0)};
    uint16_t head = send_command(device, &info, sizeof info);
    assert_int_equal(result_of(device, head), VIRTIO_GPU_RESP_OK_CAPSET_INFO);
    assert_int_equal(find_answer(device, head)->u.capset_info.capset_id, APIR_CAPSET_APIR);
    assert_int_equal(find_answer(device, head)->u.capset_info.capset_max_size, APIR_CAPSET_SIZE);
    info.capset_index = htole32(1);
    assert_int_equal(command(device, &info, sizeof info), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);

    struct virtio_gpu_get_capset get = {.hdr = header(VIRTIO_GPU_CMD_GET_CAPSET, 0), .capset_id = htole32(10)};
    head = send_command(device, &get, sizeof get);
    assert_int_equal(result_of(device, head), VIRTIO_GPU_RESP_OK_CAPSET);
    assert_true(apir_capset_is_apir(find_answer(device, head)->u.bytes + 24, find_answer(device, head)->size - 24));
    get.capset_version = htole32(APIR_CAPSET_NOTHING);
    assert_int_equal(command(device, &get, sizeof get), VIRTIO_GPU_RESP_OK_CAPSET);
    get.capset_version = htole32(APIR_CAPSET_NOTHING + 1);
    assert_int_equal(command(device, &get, sizeof get), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    get.capset_version = 0;
    get.capset_id = htole32(APIR_CAPSET_VENUS);
    assert_int_equal(command(device, &get, sizeof get), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
}

static void contexts_of_other_capsets_are_refused(void **state)
{
    struct device *device = *state;
    assert_int_equal(create_context(device, 1, APIR_CAPSET_VENUS), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    assert_int_equal(create_context(device, 1, 0), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    assert_int_equal(device->gpu.worker_count, 0);
}

static void context_ids_are_checked(void **state)
{
    struct device *device = *state;
    assert_int_equal(create_context(device, 0, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
    assert_int_equal(create_context(device, 7, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(create_context(device, 7, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
    assert_int_equal(destroy_context(device, 8), VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
    assert_int_equal(result_of(device, submit_words(device, 8, ECHO_WRITE, 1, 0, 0)),
                     VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
    assert_int_equal(create_blob(device, 1, PAGE), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(with_resource(device, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 8, 1),
                     VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
    assert_int_equal(destroy_context(device, 7), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(create_context(device, 7, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
}

static void too_many_contexts_are_refused(void **state)
{
    struct device *device = *state;
    for (uint32_t i = 1; i <= MAX_CONTEXTS; i++)
        assert_int_equal(create_context(device, i, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(create_context(device, 99, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
    assert_int_equal(destroy_context(device, 1), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(create_context(device, 99, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
}

static void a_worker_that_cannot_start_is_refused(void **state)
{
    struct device *device = *state;
    device->fixture.options.path = "/nowhere/apird-worker";
    assert_int_equal(create_context(device, 1, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
    assert_int_equal(device->gpu.worker_count, 0);
}

/* One worker may start now, and the next after so many milliseconds. */
static void allow_one(struct device *device, unsigned ms)
{
    device->gpu.pace.interval_ns = ms * UINT64_C(1000000);
    device->gpu.pace.ahead_ns = 0;
}

/* That time is over. */
static void allow_next(struct device *device)
{
    device->gpu.pace.due_ns = 0;
    apir_loop_set_timer(&device->fixture.loop, &device->gpu.pace.timer, 0);
}

static bool has_one_worker(void *argument)
{
    const struct device *device = argument;
    return device->gpu.worker_count == 1;
}

static void a_worker_that_starts_late_is_given_what_came_before(void **state)
{
    struct device *device = *state;
    allow_one(device, 3600 * 1000);
    prepare(device, PAGE);
    assert_int_equal(create_context(device, 2, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
    assert_false(apir_list_empty(&device->gpu.pace.waiting));
    assert_int_equal(with_resource(device, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 2, 1), VIRTIO_GPU_RESP_OK_NODATA);
    submit_words(device, 2, ECHO_WRITE, 1, 0, 7);
    allow_next(device);
    wait_word(device, 0, 7);
}

static void a_context_that_goes_early_starts_no_worker(void **state)
{
    struct device *device = *state;
    allow_one(device, 3600 * 1000);
    prepare(device, PAGE);
    assert_int_equal(create_context(device, 2, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(with_resource(device, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 2, 1), VIRTIO_GPU_RESP_OK_NODATA);
    uint16_t head = submit_fenced(device, 2, 0, ECHO_SLEEP, 0);
    assert_int_equal(result_of(device, head), 0);
    assert_int_equal(destroy_context(device, 2), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(result_of(device, head), VIRTIO_GPU_RESP_ERR_UNSPEC);
    assert_true(apir_list_empty(&device->gpu.pace.waiting));
    assert_true(fixture_run_until(&device->fixture, has_one_worker, device));
}

static void a_worker_that_cannot_start_late_is_lost(void **state)
{
    struct device *device = *state;
    allow_one(device, 3600 * 1000);
    prepare(device, PAGE);
    assert_int_equal(create_context(device, 2, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
    uint16_t head = submit_fenced(device, 2, 0, ECHO_SLEEP, 0);
    device->fixture.options.path = "/nowhere/apird-worker";
    allow_next(device);
    assert_int_equal(wait_answer(device, head), VIRTIO_GPU_RESP_ERR_UNSPEC);
    assert_int_equal(device->gpu.worker_count, 1);
    assert_int_equal(destroy_context(device, 2), VIRTIO_GPU_RESP_OK_NODATA);
}

static void a_device_can_end_while_a_worker_waits_for_its_turn(void **state)
{
    struct device *device = *state;
    allow_one(device, 3600 * 1000);
    prepare(device, PAGE);
    assert_int_equal(create_context(device, 2, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
}

static void submit_longer_than_its_bytes_is_refused(void **state)
{
    struct device *device = *state;
    struct virtio_gpu_cmd_submit bytes = {.hdr = header(VIRTIO_GPU_CMD_SUBMIT_3D, 1)};
    const uint32_t sizes[] = {1, 0x7fffffff, UINT32_MAX};
    prepare(device, PAGE);
    for (unsigned i = 0; i < 3; i++) {
        bytes.size = htole32(sizes[i]);
        assert_int_equal(command(device, &bytes, sizeof bytes), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    }
}

static void cut_submit_is_refused(void **state)
{
    struct device *device = *state;
    struct virtio_gpu_cmd_submit bytes = {.hdr = header(VIRTIO_GPU_CMD_SUBMIT_3D, 1)};
    struct apir_request request = {.data = (uint8_t *)&bytes, .size = sizeof bytes, .too_long = true};
    struct apir_chain chain = {.head = 500};
    prepare(device, PAGE);
    apir_virtio_gpu_command(&device->gpu, &request, &chain);
    assert_int_equal(result_of(device, 500), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
}

static void config_space_reads_at_any_offset(void **state)
{
    uint32_t words[5], beyond = 7;
    uint8_t byte = 9;
    (void)state;
    apir_virtio_gpu_read_config(0, words, sizeof words);
    assert_int_equal(le32toh(words[2]), 0); /* num_scanouts */
    assert_int_equal(le32toh(words[3]), 1); /* num_capsets */
    apir_virtio_gpu_read_config(12, &byte, 1);
    assert_int_equal(byte, 1);
    apir_virtio_gpu_read_config(UINT32_MAX, &beyond, sizeof beyond);
    assert_int_equal(beyond, 0);
}

static void fence_is_answered_when_the_worker_is_there(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    uint16_t head = submit_fenced(device, 1, 2, ECHO_SLEEP, 50);
    assert_int_equal(result_of(device, head), 0);
    assert_int_equal(wait_answer(device, head), VIRTIO_GPU_RESP_OK_NODATA);
    const struct virtio_gpu_ctrl_hdr *answer = &find_answer(device, head)->u.header;
    assert_int_equal(le32toh(answer->flags), VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX);
    assert_int_equal(le64toh(answer->fence_id), 1000 + head);
    assert_int_equal(answer->ring_idx, 2);
}

static void fences_of_a_ring_are_answered_in_order(void **state)
{
    struct device *device = *state;
    uint16_t heads[20];
    prepare(device, PAGE);
    for (unsigned i = 0; i < 20; i++)
        heads[i] = submit_fenced(device, 1, i % 2, ECHO_SLEEP, 1);
    wait_answer(device, heads[19]);
    wait_answer(device, heads[18]);
    for (unsigned i = 2; i < 20; i++)
        assert_true(find_answer(device, heads[i]) > find_answer(device, heads[i - 2]));
}

static void worker_gets_the_environment_that_is_given(void **state)
{
    struct device *device = *state;
    const char *const environment[] = {"ECHO_VALUE=7", NULL};
    device->fixture.options.environment = environment;
    prepare(device, PAGE);
    submit_words(device, 1, ECHO_ENVIRONMENT, 1, 0, 0);
    wait_word(device, 0, 7);
}

static void reset_forgets_everything(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    submit_words(device, 1, ECHO_WRITE, 1, 0, 9);
    wait_word(device, 0, 9);
    submit_words(device, 1, ECHO_SLEEP, 100, 0, 0);
    submit_fenced(device, 1, 0, ECHO_SLEEP, 1);
    apir_virtio_gpu_reset(&device->gpu, "test");
    apir_virtio_gpu_set_window(&device->gpu, APIR_WINDOW_READY);
    assert_int_equal(device->gpu.resources.count, 0);
    assert_int_equal(create_context(device, 1, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(create_blob(device, 1, PAGE), VIRTIO_GPU_RESP_OK_NODATA);
    /* the worker from before may still write: the memory is given when it is gone */
    uint16_t map = send_map(device, 1, 0);
    assert_int_equal(result_of(device, map), 0);
    assert_int_equal(wait_answer(device, map), VIRTIO_GPU_RESP_OK_MAP_INFO);
    assert_int_equal(device->gpu.window.memory[0], 0);
    assert_int_equal(device->gpu.worker_count, 1);
}

/* Whatever comes, nothing breaks, and the device serves on. */
static void random_commands_do_no_harm(void **state)
{
    struct device *device = *state;
    const uint32_t types[] = {0x100, 0x102, 0x108, 0x109, 0x10c, 0x200, 0x201, 0x202, 0x203, 0x207, 0x208, 0x209};
    srand(1);
    for (unsigned i = 0; i < 20000; i++) {
        uint32_t words[32];
        for (unsigned j = 0; j < 32; j++)
            words[j] = rand() % 4 ? (uint32_t)rand() % 6 : (uint32_t)rand() * 5u;
        words[0] = types[(unsigned)rand() % 12];
        if (words[0] == VIRTIO_GPU_CMD_CTX_CREATE && rand() % 8 == 0)
            words[7] = APIR_CAPSET_APIR;
        if (words[0] == VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB && rand() % 2) {
            words[7] = VIRTIO_GPU_BLOB_MEM_HOST3D;
            words[9] = words[10] = words[11] = words[13] = 0;
            words[12] *= PAGE;
        }
        if (words[0] == VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB && rand() % 2) {
            words[8] *= PAGE;
            words[9] = 0;
        }
        send_command(device, words, rand() % 8 ? sizeof words : (size_t)rand() % sizeof words);
        device->answer_count = 0;
        apir_loop_step(&device->fixture.loop, 0);
    }
    apir_virtio_gpu_reset(&device->gpu, "test");
    wait_no_workers(device);
    apir_virtio_gpu_set_window(&device->gpu, APIR_WINDOW_READY);
    prepare(device, PAGE);
    submit_words(device, 1, ECHO_WRITE, 1, 0, 3);
    wait_word(device, 0, 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, device_setup, device_teardown)
    const struct CMUnitTest tests[] = {
        TEST(short_commands_are_refused),
        TEST(less_than_a_header_is_refused),
        TEST(unknown_commands_are_refused),
        TEST(only_our_capset_is_offered),
        TEST(contexts_of_other_capsets_are_refused),
        TEST(context_ids_are_checked),
        TEST(too_many_contexts_are_refused),
        TEST(a_worker_that_cannot_start_is_refused),
        TEST(a_worker_that_starts_late_is_given_what_came_before),
        TEST(a_context_that_goes_early_starts_no_worker),
        TEST(a_worker_that_cannot_start_late_is_lost),
        TEST(a_device_can_end_while_a_worker_waits_for_its_turn),
        TEST(submit_longer_than_its_bytes_is_refused),
        TEST(cut_submit_is_refused),
        TEST(config_space_reads_at_any_offset),
        TEST(fence_is_answered_when_the_worker_is_there),
        TEST(fences_of_a_ring_are_answered_in_order),
        TEST(worker_gets_the_environment_that_is_given),
        TEST(reset_forgets_everything),
        TEST(random_commands_do_no_harm),
    };
    return cmocka_run_group_tests_name("virtio-gpu", tests, NULL, NULL);
}
