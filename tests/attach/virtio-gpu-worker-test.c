/* Contexts of the device whose workers die, hang or lie, and those of a running apird. */
#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "apir-upstream-protocol.h"
#include "attach/socket.h"
#include "device.h"
#include "wire/status.h"

static void handshake(struct device *device, uint32_t page, uint32_t magic)
{
    struct {
        struct virtio_gpu_cmd_submit submit;
        uint32_t words[8];
    } bytes = {.submit = {.hdr = header(VIRTIO_GPU_CMD_SUBMIT_3D, 1), .size = htole32(32)},
               .words = {APIR_UPSTREAM_COMMAND_HANDSHAKE, 0, page, 0, 2, magic, 0, 1}};
    assert_int_equal(command(device, &bytes, sizeof bytes), VIRTIO_GPU_RESP_OK_NODATA);
    wait_word(device, 0, APIR_HANDSHAKE_CODE + 1);
}

static void death_of_the_worker_is_told(void **state)
{
    struct device *device = *state;
    prepare(device, APIR_STATUS_PAGE_SIZE);
    handshake(device, 1, APIR_HANDSHAKE_MAGIC);
    submit_words(device, 1, ECHO_DIE, 0, 0, 0);
    uint16_t fence = submit_fenced(device, 1, 0, ECHO_SLEEP, 1);
    wait_word(device, APIR_STATUS_DEAD_OFFSET, 1);
    assert_int_equal(wait_answer(device, fence), VIRTIO_GPU_RESP_ERR_UNSPEC);
    wait_no_workers(device);
    assert_int_equal(result_of(device, submit_words(device, 1, ECHO_WRITE, 1, 0, 0)), VIRTIO_GPU_RESP_ERR_UNSPEC);
    fence = submit_fenced(device, 1, 0, ECHO_SLEEP, 1);
    assert_int_equal(result_of(device, fence), VIRTIO_GPU_RESP_ERR_UNSPEC);
    assert_int_equal(le64toh(find_answer(device, fence)->u.header.fence_id), 1000 + fence);
    assert_int_equal(with_resource(device, VIRTIO_GPU_CMD_RESOURCE_UNREF, 0, 1), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(destroy_context(device, 1), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(create_context(device, 1, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
}

static void death_is_not_told_without_our_handshake(void **state)
{
    struct device *device = *state;
    prepare(device, APIR_STATUS_PAGE_SIZE);
    handshake(device, 1, 0); /* a guest that does not know of that word */
    submit_words(device, 1, ECHO_DIE, 0, 0, 0);
    wait_no_workers(device);
    assert_int_equal(device->gpu.window.memory[APIR_STATUS_DEAD_OFFSET], 0);
    wait_word(device, 0, APIR_HANDSHAKE_CODE + 1); /* what was answered stays */
}

/* echo-worker ends without an answer when it gets a request of the deployed protocol. */
static void deployed_guest_gets_an_error_for_its_request(void **state)
{
    struct device *device = *state;
    const uint32_t bases[] = {0, APIR_VENUS_COMMAND_BASE};
    prepare(device, APIR_STATUS_PAGE_SIZE);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t *notif = (uint32_t *)(void *)device->gpu.window.memory;
        *notif = 0;
        submit_words(device, 1, bases[i] + APIR_UPSTREAM_COMMAND_FORWARD, 3, 1, 0);
        wait_word(device, 0, 1 + 2); /* TIMEOUT */
        wait_no_workers(device);
        assert_int_equal(device->gpu.window.memory[APIR_STATUS_DEAD_OFFSET], 0);
        /* its next request too */
        *notif = 0;
        submit_words(device, 1, bases[i] + APIR_UPSTREAM_COMMAND_LOAD_LIBRARY, 0, 1, 0);
        assert_int_equal(*notif, 1 + 2);
        assert_int_equal(destroy_context(device, 1), VIRTIO_GPU_RESP_OK_NODATA);
        assert_int_equal(create_context(device, 1, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
        with_resource(device, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 1, 1);
    }
}

static void death_is_told_only_in_memory_of_the_context(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    assert_int_equal(create_blob(device, 2, PAGE), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(map_blob(device, 2, PAGE), VIRTIO_GPU_RESP_OK_MAP_INFO);
    submit_words(device, 1, APIR_UPSTREAM_COMMAND_FORWARD, 3, 2, 0);
    wait_no_workers(device);
    submit_words(device, 1, APIR_UPSTREAM_COMMAND_FORWARD, 3, 77, 0);
    assert_int_equal(device->gpu.window.memory[PAGE], 0);
    assert_int_equal(device->gpu.window.memory[0], 0);
}

/* A running apird in the same loop, and a device that uses it. */
struct running {
    struct apir_socket door;
    struct apir_worker_options options;
    char path[96];
    bool idle;
};

static void door_idle(void *owner)
{
    ((struct running *)owner)->idle = true;
}

static bool is_idle(void *argument)
{
    return ((struct running *)argument)->idle;
}

static void start_running(struct device *device, struct running *running)
{
    memset(running, 0, sizeof *running);
    snprintf(running->path, sizeof running->path, "%s/apird", device->fixture.folder);
    running->options = device->fixture.options;
    assert_int_equal(apir_socket_init(&running->door, &device->fixture.loop, &device->fixture.log,
                                      &running->options, running->path, MAX_CONTEXTS),
                     0);
    device->fixture.options.socket = running->path;
    device->fixture.options.path = "/nowhere/apird-worker";
}

static void stop_running(struct device *device, struct running *running)
{
    apir_socket_stop(&running->door, door_idle, running);
    assert_true(fixture_run_until(&device->fixture, is_idle, running));
}

static void running_apird_serves_a_context(void **state)
{
    struct device *device = *state;
    struct running running;
    start_running(device, &running);
    prepare(device, APIR_STATUS_PAGE_SIZE);
    handshake(device, 1, APIR_HANDSHAKE_MAGIC);
    uint16_t fence = submit_fenced(device, 1, 0, ECHO_SLEEP, 1);
    assert_int_equal(wait_answer(device, fence), VIRTIO_GPU_RESP_OK_NODATA);
    uint16_t unmap = send_with_resource(device, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, 0, 1);
    assert_int_equal(wait_answer(device, unmap), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(device->gpu.worker_count, 1);
    assert_int_equal(destroy_context(device, 1), VIRTIO_GPU_RESP_OK_NODATA);
    wait_no_workers(device);
    stop_running(device, &running);
}

static void death_behind_a_running_apird_is_told(void **state)
{
    struct device *device = *state;
    struct running running;
    start_running(device, &running);
    prepare(device, APIR_STATUS_PAGE_SIZE);
    handshake(device, 1, APIR_HANDSHAKE_MAGIC);
    submit_words(device, 1, ECHO_DIE, 0, 0, 0);
    uint16_t fence = submit_fenced(device, 1, 0, ECHO_SLEEP, 1);
    wait_word(device, APIR_STATUS_DEAD_OFFSET, 1);
    assert_int_equal(wait_answer(device, fence), VIRTIO_GPU_RESP_ERR_UNSPEC);
    wait_no_workers(device);
    assert_int_equal(with_resource(device, VIRTIO_GPU_CMD_RESOURCE_UNREF, 0, 1), VIRTIO_GPU_RESP_OK_NODATA);
    stop_running(device, &running);
}

static void hung_worker_of_a_running_apird_is_left(void **state)
{
    struct device *device = *state;
    struct running running;
    start_running(device, &running);
    prepare(device, PAGE);
    submit_words(device, 1, ECHO_HANG, 0, 0, 0);
    uint16_t unmap = send_with_resource(device, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, 0, 1);
    assert_int_equal(wait_answer(device, unmap), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(device->gpu.worker_count, 0);
    stop_running(device, &running);
}

static void reset_ends_contexts_of_a_running_apird(void **state)
{
    struct device *device = *state;
    struct running running;
    start_running(device, &running);
    prepare(device, PAGE);
    submit_words(device, 1, ECHO_WRITE, 1, 0, 9);
    wait_word(device, 0, 9);
    apir_virtio_gpu_reset(&device->gpu, "test");
    apir_virtio_gpu_set_window(&device->gpu, APIR_WINDOW_READY);
    wait_no_workers(device);
    prepare(device, PAGE);
    assert_int_equal(device->gpu.window.memory[0], 0);
    stop_running(device, &running);
    wait_no_workers(device);
}

static void apird_that_does_not_run_is_refused(void **state)
{
    struct device *device = *state;
    device->fixture.options.socket = "/nowhere/apird";
    assert_int_equal(create_context(device, 1, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
    assert_int_equal(device->gpu.worker_count, 0);
}

static void death_is_not_told_in_memory_that_is_too_small(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    struct {
        struct virtio_gpu_cmd_submit submit;
        uint32_t words[8];
    } bytes = {.submit = {.hdr = header(VIRTIO_GPU_CMD_SUBMIT_3D, 1), .size = htole32(32)},
               .words = {APIR_UPSTREAM_COMMAND_HANDSHAKE, 0, 1, 0, 2, APIR_HANDSHAKE_MAGIC, 0, 1}};
    command(device, &bytes, sizeof bytes);
    wait_no_workers(device); /* echo-worker refuses it too */
    assert_int_equal(device->gpu.window.memory[APIR_STATUS_DEAD_OFFSET], 0);
}

static void hung_worker_is_killed(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    submit_words(device, 1, ECHO_HANG, 0, 0, 0);
    uint16_t unmap = send_with_resource(device, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, 0, 1);
    assert_int_equal(wait_answer(device, unmap), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(device->gpu.worker_count, 0);
}

/* As one whose guest has made a buffer of memory, and then takes the memory away. */
static void context_that_keeps_memory_ends_alone(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    assert_int_equal(create_context(device, 2, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
    submit_words(device, 1, ECHO_HANG, 0, 0, 0);
    uint16_t unmap = send_with_resource(device, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, 0, 1);
    assert_int_equal(create_blob(device, 2, PAGE), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(with_resource(device, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 2, 2), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(map_blob(device, 2, PAGE), VIRTIO_GPU_RESP_OK_MAP_INFO);
    submit_words(device, 2, ECHO_WRITE, 2, 0, 77);
    wait_word(device, PAGE, 77);
    assert_int_equal(wait_answer(device, unmap), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(device->gpu.worker_count, 1);
    submit_words(device, 2, ECHO_WRITE, 2, 0, 78);
    wait_word(device, PAGE, 78);
}

static void worker_that_gives_up_what_it_was_not_asked_for_is_killed(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    submit_words(device, 1, ECHO_LIE, 7, 0, 0);
    uint16_t unmap = send_with_resource(device, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, 0, 1);
    assert_int_equal(wait_answer(device, unmap), VIRTIO_GPU_RESP_OK_NODATA); /* else it would never be */
    assert_int_equal(device->gpu.worker_count, 0);
}

static unsigned count_fds(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 4096; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* The limit of a process, or of all that a user has under way, is shared with other machines. */
static void worker_that_does_not_read_takes_no_descriptors(void **state)
{
    enum { COUNT = 1000 };
    struct device *device = *state;
    assert_int_equal(create_context(device, 1, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
    unsigned before = count_fds();
    submit_words(device, 1, ECHO_HANG, 0, 0, 0);
    for (uint32_t id = 1; id <= COUNT; id++) {
        assert_int_equal(create_blob(device, id, PAGE), VIRTIO_GPU_RESP_OK_NODATA);
        assert_int_equal(map_blob(device, id, id * (uint64_t)PAGE), VIRTIO_GPU_RESP_OK_MAP_INFO);
        assert_int_equal(with_resource(device, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 1, id), VIRTIO_GPU_RESP_OK_NODATA);
        device->answer_count = 0;
    }
    assert_true(count_fds() <= before + 1);
}

static void worker_that_lingers_is_killed(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    submit_words(device, 1, ECHO_HANG, 0, 0, 0);
    assert_int_equal(destroy_context(device, 1), VIRTIO_GPU_RESP_OK_NODATA);
    wait_no_workers(device);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, device_setup, device_teardown)
    const struct CMUnitTest tests[] = {
        TEST(death_of_the_worker_is_told),
        TEST(death_is_not_told_without_our_handshake),
        TEST(death_is_not_told_in_memory_that_is_too_small),
        TEST(deployed_guest_gets_an_error_for_its_request),
        TEST(death_is_told_only_in_memory_of_the_context),
        TEST(running_apird_serves_a_context),
        TEST(death_behind_a_running_apird_is_told),
        TEST(hung_worker_of_a_running_apird_is_left),
        TEST(reset_ends_contexts_of_a_running_apird),
        TEST(apird_that_does_not_run_is_refused),
        TEST(hung_worker_is_killed),
        TEST(context_that_keeps_memory_ends_alone),
        TEST(worker_that_gives_up_what_it_was_not_asked_for_is_killed),
        TEST(worker_that_does_not_read_takes_no_descriptors),
        TEST(worker_that_lingers_is_killed),
    };
    return cmocka_run_group_tests_name("virtio-gpu-worker", tests, NULL, NULL);
}
