/* The window, which the back end asks the front end to map, and what stays while a machine is paused. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "front-end.h"

static void map_blob(struct front *front)
{
    struct virtio_gpu_resource_map_blob map = {.hdr.type = VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, .resource_id = 1};
    kick_command(front, &map, sizeof map);
}

/* Receives SHMEM_MAP on the back end's channel; returns the window's fd (caller owns). */
static int take_shmem_map(struct front *front)
{
    struct {
        struct apir_vhost_header header;
        uint8_t id, padding[7];
        uint64_t fd_offset, shm_offset, size, flags;
    } __attribute__((packed)) message;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {&message, sizeof message};
    struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes,
                         .msg_controllen = sizeof control.bytes};
    assert_int_equal(recvmsg(front->back, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC), sizeof message);
    assert_int_equal(message.header.request, 9);
    assert_int_equal(message.header.flags, APIR_VHOST_VERSION | NEED);
    assert_int_equal(message.header.size, 40);
    assert_int_equal(message.id, VIRTIO_GPU_SHM_ID_HOST_VISIBLE);
    assert_int_equal(message.size, WINDOW);
    assert_int_equal(message.fd_offset + message.shm_offset, 0);
    assert_int_equal(message.flags, 1);
    int fd;
    assert_non_null(CMSG_FIRSTHDR(&msg));
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof fd);
    return fd;
}

static void answer_shmem_map(struct front *front, uint64_t result)
{
    struct {
        struct apir_vhost_header header;
        uint64_t result;
    } __attribute__((packed)) message = {{9, APIR_VHOST_VERSION | APIR_VHOST_REPLY, 8}, result};
    assert_int_equal(send(front->back, &message, sizeof message, 0), sizeof message);
    step(front);
}

static void map_is_answered_when_the_window_is_in_the_table(void **state)
{
    struct front *front = *state;
    negotiate(front);
    give_back_channel(front);
    assert_int_equal(start(front, 0), 0);
    int window = take_shmem_map(front);
    create_blob(front);
    map_blob(front);
    assert_int_equal(answers(front), 1);
    answer_shmem_map(front, 0);
    assert_int_equal(answers(front), 1);
    const uint64_t table[] = {2, GUEST, MEMORY, USER, 0, 0x100000000, WINDOW, 0x90000000, 0};
    const int fds[] = {front->memory_fd, window};
    assert_int_equal(ask_with_fds(front, SET_MEM_TABLE, table, sizeof table, fds, 2), 0);
    assert_int_equal(answers(front), 2);
    assert_int_equal(answer_type(front), VIRTIO_GPU_RESP_OK_MAP_INFO);
    close(window);
}

static void refused_window_fails_the_map(void **state)
{
    struct front *front = *state;
    negotiate(front);
    give_back_channel(front);
    assert_int_equal(start(front, 0), 0);
    close(take_shmem_map(front));
    create_blob(front);
    map_blob(front);
    answer_shmem_map(front, 1);
    assert_int_equal(answer_type(front), VIRTIO_GPU_RESP_ERR_UNSPEC);
}

static void front_end_without_windows_fails_the_map(void **state)
{
    struct front *front = *state;
    negotiate(front);
    assert_int_equal(start(front, 0), 0); /* no channel for requests of ours */
    create_blob(front);
    map_blob(front);
    assert_int_equal(answer_type(front), VIRTIO_GPU_RESP_ERR_UNSPEC);
}

static void window_is_mapped_again_at_each_start(void **state)
{
    struct front *front = *state;
    uint32_t words[2] = {0, 0};
    negotiate(front);
    give_back_channel(front);
    for (unsigned i = 0; i < 3; i++) {
        memset(front->memory, 0, COMMAND);
        assert_int_equal(start(front, 0), 0);
        close(take_shmem_map(front));
        answer_shmem_map(front, 0);
        create_blob(front); /* it would be refused if it were there still */
        send_message(front, GET_VRING_BASE, 0, words, sizeof words);
        assert_int_equal(receive(front, GET_VRING_BASE, words, sizeof words), sizeof words);
        assert_int_equal(words[1], 1);
        words[1] = 0;
    }
}

/* A paused machine's queue goes on where it stopped, with all that the guest has. */
static void paused_machine_keeps_its_resources(void **state)
{
    struct front *front = *state;
    const struct virtio_gpu_resource_unref unref = {.hdr.type = VIRTIO_GPU_CMD_RESOURCE_UNREF, .resource_id = 1};
    uint32_t words[2] = {0, 0};
    negotiate(front);
    assert_int_equal(start(front, 0), 0);
    create_blob(front);
    send_message(front, GET_VRING_BASE, 0, words, sizeof words);
    assert_int_equal(receive(front, GET_VRING_BASE, words, sizeof words), sizeof words);
    assert_int_equal(words[1], 1);
    assert_int_equal(start(front, 1), 0);
    kick_command(front, &unref, sizeof unref);
    assert_int_equal(answer_type(front), VIRTIO_GPU_RESP_OK_NODATA);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, front_setup, front_teardown)
    const struct CMUnitTest tests[] = {
        TEST(map_is_answered_when_the_window_is_in_the_table),
        TEST(refused_window_fails_the_map),
        TEST(front_end_without_windows_fails_the_map),
        TEST(window_is_mapped_again_at_each_start),
        TEST(paused_machine_keeps_its_resources),
    };
    return cmocka_run_group_tests_name("vhost-user-window", tests, NULL, NULL);
}
