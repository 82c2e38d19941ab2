/* The door for virtual machines, with a front end played by the test. */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_gpu.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "attach/memory-guard.h"
#include "attach/vhost-user.h"
#include "fixture.h"
#include "util/fd.h"
#include "wire/capset.h"

enum {
    WINDOW = 16 << 20,
    MEMORY = 1 << 20,
    GUEST = 0x100000,
    USER = 0x70000000,
    QUEUE_SIZE = 16,
    DESCRIPTORS = 0,
    AVAILABLE = 0x1000,
    USED = 0x2000,
    COMMAND = 0x10000,
    ANSWER = 0x20000,
    NEED = APIR_VHOST_NEED_REPLY,
};

/* Requests by the names of the specification. */
enum {
    GET_FEATURES = 1,
    SET_FEATURES = 2,
    SET_OWNER = 3,
    SET_MEM_TABLE = 5,
    SET_VRING_NUM = 8,
    SET_VRING_ADDR = 9,
    SET_VRING_BASE = 10,
    GET_VRING_BASE = 11,
    SET_VRING_KICK = 12,
    SET_VRING_CALL = 13,
    SET_VRING_ERR = 14,
    GET_PROTOCOL_FEATURES = 15,
    SET_PROTOCOL_FEATURES = 16,
    GET_QUEUE_NUM = 17,
    SET_VRING_ENABLE = 18,
    SET_BACKEND_REQ_FD = 21,
    GET_CONFIG = 24,
    SET_CONFIG = 25,
    GET_SHMEM_CONFIG = 44,
};

struct front {
    struct fixture fixture;
    struct apir_vhost_user door;
    char path[96];
    int fd; /* of the front end */
    int back; /* its end of the back end's channel; -1: not given */
    int memory_fd;
    uint8_t *memory;
    int kick, call, error;
};

static void connect_front(struct front *front)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", front->path);
    front->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(front->fd, (struct sockaddr *)&address, sizeof address), 0);
}

static int setup(void **state)
{
    struct front *front = calloc(1, sizeof *front);
    *state = front;
    fixture_init(&front->fixture);
    snprintf(front->path, sizeof front->path, "%s/gpu.sock", front->fixture.folder);
    if (apir_vhost_user_init(&front->door, &front->fixture.loop, &front->fixture.log, &front->fixture.options,
                             front->path, WINDOW, 4) < 0)
        return -1;
    front->back = -1;
    front->memory_fd = apir_fd_memory("guest", MEMORY);
    front->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, front->memory_fd, 0);
    front->kick = eventfd(0, EFD_NONBLOCK);
    front->call = eventfd(0, EFD_NONBLOCK);
    front->error = eventfd(0, EFD_NONBLOCK);
    connect_front(front);
    return 0;
}

static int teardown(void **state)
{
    struct front *front = *state;
    apir_vhost_user_finish(&front->door);
    apir_fd_close(&front->fd);
    apir_fd_close(&front->back);
    apir_fd_close(&front->memory_fd);
    munmap(front->memory, MEMORY);
    apir_fd_close(&front->kick);
    apir_fd_close(&front->call);
    apir_fd_close(&front->error);
    fixture_finish(&front->fixture);
    free(front);
    return 0;
}

static void step(struct front *front)
{
    for (int i = 0; i < 6; i++)
        assert_int_equal(apir_loop_step(&front->fixture.loop, 0), 0);
}

static void send_bytes(struct front *front, const void *bytes, size_t size, const int *fds, unsigned fd_count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(16 * sizeof(int))];
    } control;
    struct iovec part = {(void *)(uintptr_t)bytes, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    memset(&control, 0, sizeof control);
    if (fd_count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(header), fds, fd_count * sizeof(int));
    }
    assert_int_equal(sendmsg(front->fd, &message, MSG_NOSIGNAL), size);
}

static void send_with_fds(struct front *front, uint32_t request, uint32_t flags, const void *payload, uint32_t size,
                          const int *fds, unsigned fd_count)
{
    struct {
        struct apir_vhost_header header;
        uint8_t payload[4096];
    } message = {.header = {request, flags | APIR_VHOST_VERSION, size}};
    if (size > 0)
        memcpy(message.payload, payload, size);
    send_bytes(front, &message, sizeof message.header + size, fds, fd_count);
    step(front);
}

static void send_message(struct front *front, uint32_t request, uint32_t flags, const void *payload, uint32_t size)
{
    send_with_fds(front, request, flags, payload, size, NULL, 0);
}

/* The payload's size of the reply to request, -1 if there is none, -2 if we are disconnected. */
static int receive(struct front *front, uint32_t request, void *payload, size_t capacity)
{
    struct apir_vhost_header header;
    ssize_t got = recv(front->fd, &header, sizeof header, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno == ECONNRESET))
        return -2;
    if (got < 0)
        return -1;
    assert_int_equal(got, sizeof header);
    assert_int_equal(header.request, request);
    assert_int_equal(header.flags, APIR_VHOST_VERSION | APIR_VHOST_REPLY);
    assert_true(header.size <= capacity);
    if (header.size > 0)
        assert_int_equal(recv(front->fd, payload, header.size, MSG_DONTWAIT), header.size);
    return (int)header.size;
}

static uint64_t get_number(struct front *front, uint32_t request)
{
    uint64_t number;
    send_message(front, request, 0, NULL, 0);
    assert_int_equal(receive(front, request, &number, sizeof number), sizeof number);
    return number;
}

/* Sends with NEED_REPLY; 0 if it was done. */
static uint64_t ask_with_fds(struct front *front, uint32_t request, const void *payload, uint32_t size, const int *fds,
                             unsigned fd_count)
{
    uint64_t result;
    send_with_fds(front, request, NEED, payload, size, fds, fd_count);
    assert_int_equal(receive(front, request, &result, sizeof result), sizeof result);
    return result;
}

static uint64_t ask(struct front *front, uint32_t request, const void *payload, uint32_t size)
{
    return ask_with_fds(front, request, payload, size, NULL, 0);
}

static bool is_disconnected(struct front *front)
{
    uint64_t number;
    return receive(front, 0, &number, sizeof number) == -2;
}

static void negotiate(struct front *front)
{
    uint64_t features = get_number(front, GET_FEATURES), protocol = get_number(front, GET_PROTOCOL_FEATURES);
    send_message(front, SET_PROTOCOL_FEATURES, 0, &protocol, sizeof protocol);
    assert_int_equal(ask(front, SET_FEATURES, &features, sizeof features), 0);
}

static void give_back_channel(struct front *front)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(ask_with_fds(front, SET_BACKEND_REQ_FD, NULL, 0, &ends[1], 1), 0);
    close(ends[1]);
    apir_fd_close(&front->back);
    front->back = ends[0];
}

static uint64_t give_memory(struct front *front)
{
    const uint64_t table[] = {1, GUEST, MEMORY, USER, 0};
    return ask_with_fds(front, SET_MEM_TABLE, table, sizeof table, &front->memory_fd, 1);
}

static uint64_t set_state(struct front *front, uint32_t request, uint32_t index, uint32_t number)
{
    const uint32_t words[] = {index, number};
    return ask(front, request, words, sizeof words);
}

static uint64_t set_addresses(struct front *front, uint32_t index, uint64_t base)
{
    const uint64_t words[] = {index, base + DESCRIPTORS, base + USED, base + AVAILABLE, 0};
    return ask(front, SET_VRING_ADDR, words, sizeof words);
}

static uint64_t set_fd(struct front *front, uint32_t request, uint64_t index, int fd)
{
    return ask_with_fds(front, request, &index, sizeof index, &fd, 1);
}

/* All that QEMU does to start the control queue, at that available index. */
static uint64_t start(struct front *front, uint32_t base)
{
    assert_int_equal(give_memory(front), 0);
    assert_int_equal(set_state(front, SET_VRING_NUM, 0, QUEUE_SIZE), 0);
    assert_int_equal(set_state(front, SET_VRING_BASE, 0, base), 0);
    assert_int_equal(set_addresses(front, 0, USER), 0);
    assert_int_equal(set_fd(front, SET_VRING_KICK, 0, front->kick), 0);
    assert_int_equal(set_fd(front, SET_VRING_CALL, 0, front->call), 0);
    assert_int_equal(set_fd(front, SET_VRING_ERR, 0, front->error), 0);
    return set_state(front, SET_VRING_ENABLE, 0, 1);
}

/* Puts a command into the ring and kicks; the answer is at ANSWER. */
static void kick_command(struct front *front, const void *command, uint32_t size)
{
    struct vring_desc *descriptors = (void *)(front->memory + DESCRIPTORS);
    struct vring_avail *available = (void *)(front->memory + AVAILABLE);
    uint64_t one = 1;
    memcpy(front->memory + COMMAND, command, size);
    descriptors[0] = (struct vring_desc){GUEST + COMMAND, size, VRING_DESC_F_NEXT, 1};
    descriptors[1] = (struct vring_desc){GUEST + ANSWER, 512, VRING_DESC_F_WRITE, 0};
    available->ring[available->idx % QUEUE_SIZE] = 0;
    available->idx++;
    assert_int_equal(write(front->kick, &one, sizeof one), sizeof one);
    step(front);
}

static unsigned answers(const struct front *front)
{
    return ((const struct vring_used *)(const void *)(front->memory + USED))->idx;
}

static uint32_t answer_type(const struct front *front)
{
    return ((const struct virtio_gpu_ctrl_hdr *)(const void *)(front->memory + ANSWER))->type;
}

static bool is_signalled(int fd)
{
    uint64_t count;
    return read(fd, &count, sizeof count) == sizeof count;
}

static void create_blob(struct front *front)
{
    struct virtio_gpu_resource_create_blob create = {.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB,
                                                     .resource_id = 1,
                                                     .blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D,
                                                     .size = 4096};
    kick_command(front, &create, sizeof create);
    assert_int_equal(answer_type(front), VIRTIO_GPU_RESP_OK_NODATA);
}

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

/* ---- offers ---- */

static void features_are_those_that_the_guest_needs(void **state)
{
    struct front *front = *state;
    assert_int_equal(get_number(front, GET_FEATURES), 0x170000019);
    uint64_t protocol = get_number(front, GET_PROTOCOL_FEATURES);
    assert_true(protocol & 1 << 22);
    assert_false(protocol & 1 << 15); /* QEMU crashes with it */
    assert_int_equal(get_number(front, GET_QUEUE_NUM), 2);
}

static void config_is_served_at_any_offset(void **state)
{
    struct front *front = *state;
    for (uint32_t size = 1; size <= 20; size++)
        for (uint32_t offset = 0; offset + size <= 20; offset++) {
            uint8_t message[12 + 20] = {0};
            const uint32_t words[3] = {offset, size, 0};
            memcpy(message, words, sizeof words);
            send_message(front, GET_CONFIG, 0, message, 12 + size);
            assert_int_equal(receive(front, GET_CONFIG, message, sizeof message), 12 + size);
            if (offset <= 12 && offset + size > 12)
                assert_int_equal(message[12 + 12 - offset], 1); /* num_capsets */
        }
}

static void config_beyond_its_space_is_refused(void **state)
{
    struct front *front = *state;
    const uint32_t bad[][3] = {{0, 257, 0}, {257, 1, 0}, {UINT32_MAX, UINT32_MAX, 0}};
    uint8_t reply[512];
    for (unsigned i = 0; i < 3; i++) {
        send_message(front, GET_CONFIG, 0, bad[i], sizeof bad[i]);
        assert_int_equal(receive(front, GET_CONFIG, reply, sizeof reply), 0);
    }
}

static void one_region_is_the_window(void **state)
{
    struct front *front = *state;
    uint64_t words[257];
    send_message(front, GET_SHMEM_CONFIG, 0, NULL, 0);
    assert_int_equal(receive(front, GET_SHMEM_CONFIG, words, sizeof words), sizeof words);
    assert_int_equal((uint32_t)words[0], 1);
    assert_int_equal(words[1 + VIRTIO_GPU_SHM_ID_HOST_VISIBLE], WINDOW);
    assert_int_equal(words[1], 0);
}

/* ---- messages ---- */

static void message_may_come_in_pieces(void **state)
{
    struct front *front = *state;
    struct {
        struct apir_vhost_header header;
        uint64_t features;
    } __attribute__((packed)) message = {{SET_FEATURES, APIR_VHOST_VERSION, 8}, UINT64_MAX};
    for (size_t i = 0; i < sizeof message; i++) {
        send_bytes(front, (const uint8_t *)&message + i, 1, NULL, 0);
        step(front);
    }
    assert_int_equal(front->door.features, 0x170000019); /* what was not offered is not taken */
}

static void wrong_version_disconnects(void **state)
{
    struct front *front = *state;
    const struct apir_vhost_header header = {GET_FEATURES, 2, 0};
    send_bytes(front, &header, sizeof header, NULL, 0);
    step(front);
    assert_true(is_disconnected(front));
}

static void too_long_message_disconnects(void **state)
{
    struct front *front = *state;
    const uint32_t sizes[] = {APIR_VHOST_MAX_PAYLOAD + 1, UINT32_MAX};
    for (unsigned i = 0; i < 2; i++) {
        const struct apir_vhost_header header = {SET_FEATURES, APIR_VHOST_VERSION, sizes[i]};
        send_bytes(front, &header, sizeof header, NULL, 0);
        step(front);
        assert_true(is_disconnected(front));
        apir_fd_close(&front->fd);
        connect_front(front);
    }
}

static void unknown_request_disconnects(void **state)
{
    struct front *front = *state;
    send_message(front, 99, 0, NULL, 0);
    assert_true(is_disconnected(front));
}

static void unknown_request_is_refused_if_that_is_asked(void **state)
{
    struct front *front = *state;
    negotiate(front);
    assert_int_not_equal(ask(front, 99, NULL, 0), 0);
    assert_int_equal(get_number(front, GET_FEATURES), 0x170000019);
}

static void wrong_sizes_are_refused(void **state)
{
    struct front *front = *state;
    const uint32_t requests[] = {GET_FEATURES,   SET_FEATURES,   SET_OWNER,        SET_MEM_TABLE,
                                 SET_VRING_NUM,  SET_VRING_ADDR, SET_VRING_BASE,   GET_VRING_BASE,
                                 SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR,    GET_PROTOCOL_FEATURES,
                                 GET_QUEUE_NUM,  SET_CONFIG,     SET_VRING_ENABLE, SET_PROTOCOL_FEATURES,
                                 GET_CONFIG,     GET_SHMEM_CONFIG};
    const uint8_t zeros[APIR_VHOST_MAX_PAYLOAD] = {0};
    negotiate(front);
    for (unsigned i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        assert_int_not_equal(ask(front, requests[i], zeros, 3), 0);
        assert_int_not_equal(ask(front, requests[i], zeros, APIR_VHOST_MAX_PAYLOAD), 0);
    }
}

static void fds_that_belong_to_nothing_are_refused_and_closed(void **state)
{
    struct front *front = *state;
    int ends[2];
    char byte;
    negotiate(front);
    assert_int_equal(pipe(ends), 0);
    assert_int_not_equal(ask_with_fds(front, SET_OWNER, NULL, 0, &ends[1], 1), 0);
    assert_int_equal(get_number(front, GET_QUEUE_NUM), 2);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 0); /* nobody has the other end */
    close(ends[0]);
}

static void too_many_fds_disconnect(void **state)
{
    struct front *front = *state;
    const struct apir_vhost_header header = {SET_MEM_TABLE, APIR_VHOST_VERSION, 0};
    int fds[12];
    for (unsigned i = 0; i < 12; i++)
        fds[i] = front->memory_fd;
    send_bytes(front, &header, sizeof header, fds, 12);
    step(front);
    assert_true(is_disconnected(front));
}

/* ---- memory and queues ---- */

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

/* ---- the window ---- */

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

/* ---- coming and going ---- */

static void next_machine_waits_for_the_first(void **state)
{
    struct front *front = *state;
    assert_int_equal(get_number(front, GET_QUEUE_NUM), 2);
    int first = front->fd;
    connect_front(front);
    send_message(front, GET_QUEUE_NUM, 0, NULL, 0);
    uint64_t number;
    assert_int_equal(receive(front, GET_QUEUE_NUM, &number, sizeof number), -1);
    close(first);
    step(front);
    assert_int_equal(receive(front, GET_QUEUE_NUM, &number, sizeof number), sizeof number);
}

static void next_machine_starts_from_nothing(void **state)
{
    struct front *front = *state;
    for (unsigned i = 0; i < 3; i++) {
        memset(front->memory, 0, COMMAND);
        negotiate(front);
        assert_int_equal(start(front, 0), 0);
        create_blob(front);
        apir_fd_close(&front->fd);
        step(front);
        connect_front(front);
    }
}

static bool is_let_in(void *argument)
{
    const struct front *front = argument;
    return front->door.front.fd >= 0;
}

/* Without that it would spin on the connection that waits. */
static void nobody_is_let_in_while_descriptors_are_short(void **state)
{
    struct front *front = *state;
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(apir_loop_step(&front->fixture.loop, 0), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(front->door.listener_source.fd, -1);
    assert_false(is_let_in(front));
    assert_true(fixture_run_until(&front->fixture, is_let_in, front));
}

static void set_idle(void *owner)
{
    *(bool *)owner = true;
}

static void stopped_door_is_gone(void **state)
{
    struct front *front = *state;
    struct stat st;
    bool idle = false;
    negotiate(front);
    apir_vhost_user_stop(&front->door, set_idle, &idle);
    assert_true(idle);
    assert_true(is_disconnected(front));
    assert_int_equal(stat(front->path, &st), -1);
}

/* Whatever comes, the door serves the next machine. */
static void random_messages_do_no_harm(void **state)
{
    struct front *front = *state;
    srand(1);
    for (unsigned round = 0; round < 3000; round++) {
        struct {
            struct apir_vhost_header header;
            uint32_t words[80];
        } message;
        int fds[9];
        uint8_t sink[8192];
        unsigned fd_count = (unsigned)rand() % 4 ? (unsigned)rand() % 2 : (unsigned)rand() % 9;
        message.header = (struct apir_vhost_header){(uint32_t)rand() % 46,
                                                    APIR_VHOST_VERSION | (rand() % 2 ? NEED : 0), 0};
        const uint32_t sizes[] = {0, 8, 8, 40, 264, 12, (uint32_t)rand() % sizeof message.words};
        message.header.size = sizes[(unsigned)rand() % 7];
        for (unsigned i = 0; i < 80; i++)
            message.words[i] = rand() % 3 ? (uint32_t)rand() % 3 : (uint32_t)rand();
        for (unsigned i = 0; i < 9; i++)
            fds[i] = rand() % 2 ? front->memory_fd : front->kick;
        send_bytes(front, &message, sizeof message.header + message.header.size, fds, fd_count);
        step(front);
        ssize_t got;
        while ((got = recv(front->fd, sink, sizeof sink, MSG_DONTWAIT)) > 0)
            ;
        if (got == 0 || errno != EAGAIN) {
            apir_fd_close(&front->fd);
            connect_front(front);
            step(front);
        }
    }
    apir_fd_close(&front->fd);
    step(front);
    connect_front(front);
    memset(front->memory, 0, COMMAND);
    negotiate(front);
    assert_int_equal(start(front, 0), 0);
    create_blob(front);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(features_are_those_that_the_guest_needs),
        TEST(config_is_served_at_any_offset),
        TEST(config_beyond_its_space_is_refused),
        TEST(one_region_is_the_window),
        TEST(message_may_come_in_pieces),
        TEST(wrong_version_disconnects),
        TEST(too_long_message_disconnects),
        TEST(unknown_request_disconnects),
        TEST(unknown_request_is_refused_if_that_is_asked),
        TEST(wrong_sizes_are_refused),
        TEST(fds_that_belong_to_nothing_are_refused_and_closed),
        TEST(too_many_fds_disconnect),
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
        TEST(map_is_answered_when_the_window_is_in_the_table),
        TEST(refused_window_fails_the_map),
        TEST(front_end_without_windows_fails_the_map),
        TEST(window_is_mapped_again_at_each_start),
        TEST(paused_machine_keeps_its_resources),
        TEST(nobody_is_let_in_while_descriptors_are_short),
        TEST(next_machine_waits_for_the_first),
        TEST(next_machine_starts_from_nothing),
        TEST(stopped_door_is_gone),
        TEST(random_messages_do_no_harm),
    };
    return cmocka_run_group_tests_name("vhost-user", tests, NULL, NULL);
}
