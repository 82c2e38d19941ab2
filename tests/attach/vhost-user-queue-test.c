/* Memory and queues that a front end describes, and the commands in them. */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attach/memory-guard.h"
#include "front-end.h"

static void bad_memory_tables_are_refused(void **state)
{
    struct front *front = *state;
    const uint64_t longer[] = {1, GUEST, MEMORY + 1, USER, 0}, beyond[] = {1, GUEST, MEMORY, USER, 4096},
                   wraps[] = {1, UINT64_MAX - 10, MEMORY, USER, 0}, two[] = {2, GUEST, MEMORY, USER, 0},
                   many[] = {UINT32_MAX, GUEST, MEMORY, USER, 0};
    const uint64_t *tables[] = {longer, beyond, wraps, two, many};
    int kick = front->kick;
    negotiate(front);
    for (unsigned i = 0; i < 5; i++)
        assert_int_not_equal(ask_with_fds(front, SET_MEM_TABLE, tables[i], sizeof longer, &front->memory_fd, 1), 0);
    assert_int_not_equal(ask(front, SET_MEM_TABLE, longer, sizeof longer), 0);
    const uint64_t good[] = {1, GUEST, MEMORY, USER, 0};
    assert_int_not_equal(ask_with_fds(front, SET_MEM_TABLE, good, sizeof good, &kick, 1), 0); /* no memory at all */
    assert_int_equal(give_memory(front), 0);
}

static void queue_numbers_out_of_range_are_refused(void **state)
{
    struct front *front = *state;
    const uint32_t bad[] = {2, 255, UINT32_MAX};
    negotiate(front);
    assert_int_equal(give_memory(front), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_not_equal(set_state(front, SET_VRING_NUM, bad[i], QUEUE_SIZE), 0);
        assert_int_not_equal(set_state(front, SET_VRING_BASE, bad[i], 0), 0);
        assert_int_not_equal(set_state(front, GET_VRING_BASE, bad[i], 0), 0);
        assert_int_not_equal(set_state(front, SET_VRING_ENABLE, bad[i], 1), 0);
        assert_int_not_equal(set_addresses(front, bad[i], USER), 0);
    }
    assert_int_not_equal(set_fd(front, SET_VRING_KICK, 2, front->kick), 0);
    assert_int_not_equal(set_state(front, SET_VRING_NUM, 0, 32769), 0);
    assert_int_not_equal(set_state(front, SET_VRING_BASE, 0, 65536), 0);
}

static void vring_fd_and_its_flag_must_agree(void **state)
{
    struct front *front = *state;
    uint64_t without = 0, with = 0x100;
    negotiate(front);
    assert_int_not_equal(ask(front, SET_VRING_KICK, &without, sizeof without), 0);
    assert_int_not_equal(ask_with_fds(front, SET_VRING_CALL, &with, sizeof with, &front->call, 1), 0);
    assert_int_equal(ask(front, SET_VRING_CALL, &with, sizeof with), 0);
}

static void rings_outside_memory_are_refused(void **state)
{
    struct front *front = *state;
    negotiate(front);
    assert_int_equal(give_memory(front), 0);
    assert_int_equal(set_state(front, SET_VRING_NUM, 0, QUEUE_SIZE), 0);
    assert_int_equal(set_addresses(front, 0, USER + MEMORY), 0); /* judged when the queue starts */
    assert_int_equal(set_fd(front, SET_VRING_KICK, 0, front->kick), 0);
    assert_int_not_equal(set_state(front, SET_VRING_ENABLE, 0, 1), 0);
    assert_null(front->door.queues[0].ring.used);
}

static void commands_are_answered(void **state)
{
    struct front *front = *state;
    const struct virtio_gpu_get_capset_info info = {.hdr.type = VIRTIO_GPU_CMD_GET_CAPSET_INFO};
    negotiate(front);
    assert_int_equal(start(front, 0), 0);
    kick_command(front, &info, sizeof info);
    assert_int_equal(answers(front), 1);
    assert_int_equal(answer_type(front), VIRTIO_GPU_RESP_OK_CAPSET_INFO);
    assert_true(is_signalled(front->call));
}

static void broken_ring_is_stopped_until_it_is_reset(void **state)
{
    struct front *front = *state;
    const struct virtio_gpu_get_capset_info info = {.hdr.type = VIRTIO_GPU_CMD_GET_CAPSET_INFO};
    struct vring_avail *available = (void *)(front->memory + AVAILABLE);
    negotiate(front);
    assert_int_equal(start(front, 0), 0);
    available->idx = 1000;
    kick_command(front, &info, sizeof info);
    assert_int_equal(answers(front), 0);
    assert_true(is_signalled(front->error));
    assert_null(front->door.queues[0].ring.used);

    uint32_t words[2] = {0, 0};
    send_message(front, GET_VRING_BASE, 0, words, sizeof words);
    assert_int_equal(receive(front, GET_VRING_BASE, words, sizeof words), sizeof words);
    available->idx = 0;
    assert_int_equal(start(front, 0), 0);
    kick_command(front, &info, sizeof info);
    assert_int_equal(answers(front), 1);
}

static void kicks_by_something_that_has_ended_break_the_queue(void **state)
{
    struct front *front = *state;
    int ends[2];
    negotiate(front);
    assert_int_equal(start(front, 0), 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(set_fd(front, SET_VRING_KICK, 0, ends[0]), 0);
    assert_non_null(front->door.queues[0].ring.used);
    apir_fd_close(&ends[0]);
    apir_fd_close(&ends[1]);
    step(front);
    assert_null(front->door.queues[0].ring.used);
    assert_true(is_signalled(front->error));
}

/* Commands that wait for something must not add up without end. */
static void commands_that_are_not_answered_are_limited(void **state)
{
    struct front *front = *state;
    struct virtio_gpu_resource_map_blob map = {.hdr.type = VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, .resource_id = 1};
    negotiate(front);
    give_back_channel(front);
    assert_int_equal(start(front, 0), 0);
    create_blob(front);
    for (unsigned i = 0; i < QUEUE_SIZE; i++) {
        kick_command(front, &map, sizeof map); /* SHMEM_MAP is not answered */
        assert_non_null(front->door.queues[0].ring.used);
    }
    kick_command(front, &map, sizeof map);
    assert_null(front->door.queues[0].ring.used);
    assert_true(is_signalled(front->error));
}

static void machine_whose_memory_is_cut_short_is_parted_with(void **state)
{
    struct front *front = *state;
    const struct virtio_gpu_get_capset_info info = {.hdr.type = VIRTIO_GPU_CMD_GET_CAPSET_INFO};
    char byte;
    assert_int_equal(apir_memory_guard_install(), 0);
    apir_memory_guard_watch(&front->door.memory);
    apir_fd_close(&front->memory_fd);
    front->memory_fd = memfd_create("unsealed", MFD_CLOEXEC);
    assert_int_equal(ftruncate(front->memory_fd, MEMORY), 0);
    munmap(front->memory, MEMORY);
    front->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, front->memory_fd, 0);
    negotiate(front);
    assert_int_equal(start(front, 0), 0);
    assert_int_equal(ftruncate(front->memory_fd, COMMAND), 0); /* the rings stay */
    struct vring_desc *descriptors = (void *)(front->memory + DESCRIPTORS);
    struct vring_avail *available = (void *)(front->memory + AVAILABLE);
    uint64_t one = 1;
    descriptors[0] = (struct vring_desc){GUEST + COMMAND, sizeof info, 0, 0};
    available->idx = 1;
    assert_int_equal(write(front->kick, &one, sizeof one), sizeof one);
    step(front);
    assert_int_equal(recv(front->fd, &byte, 1, MSG_DONTWAIT), 0);
    assert_int_equal(front->door.front.fd, -1);
    assert_true(front->door.listener_source.fd >= 0);
    apir_memory_guard_watch(NULL);
    signal(SIGBUS, SIG_DFL);
}

static void cursor_queue_takes_anything(void **state)
{
    struct front *front = *state;
    struct vring_desc *descriptors = (void *)(front->memory + DESCRIPTORS);
    struct vring_avail *available = (void *)(front->memory + AVAILABLE);
    negotiate(front);
    assert_int_equal(give_memory(front), 0);
    descriptors[0] = (struct vring_desc){GUEST + COMMAND, 56, 0, 0};
    available->idx = 1;
    assert_int_equal(set_state(front, SET_VRING_NUM, 1, QUEUE_SIZE), 0);
    assert_int_equal(set_addresses(front, 1, USER), 0);
    assert_int_equal(set_fd(front, SET_VRING_KICK, 1, front->kick), 0);
    assert_int_equal(set_state(front, SET_VRING_ENABLE, 1, 1), 0);
    assert_int_equal(answers(front), 1); /* taken without a kick */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, front_setup, front_teardown)
    const struct CMUnitTest tests[] = {
        TEST(bad_memory_tables_are_refused),
        TEST(queue_numbers_out_of_range_are_refused),
        TEST(vring_fd_and_its_flag_must_agree),
        TEST(rings_outside_memory_are_refused),
        TEST(commands_are_answered),
        TEST(broken_ring_is_stopped_until_it_is_reset),
        TEST(kicks_by_something_that_has_ended_break_the_queue),
        TEST(commands_that_are_not_answered_are_limited),
        TEST(machine_whose_memory_is_cut_short_is_parted_with),
        TEST(cursor_queue_takes_anything),
    };
    return cmocka_run_group_tests_name("vhost-user-queue", tests, NULL, NULL);
}
