#include "front-end.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void connect_front(struct front *front)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", front->path);
    front->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(front->fd, (struct sockaddr *)&address, sizeof address), 0);
}

int front_setup(void **state)
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

int front_teardown(void **state)
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

void step(struct front *front)
{
    for (int i = 0; i < 6; i++)
        assert_int_equal(apir_loop_step(&front->fixture.loop, 0), 0);
}

void send_bytes(struct front *front, const void *bytes, size_t size, const int *fds, unsigned fd_count)
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

void send_message(struct front *front, uint32_t request, uint32_t flags, const void *payload, uint32_t size)
{
    send_with_fds(front, request, flags, payload, size, NULL, 0);
}

int receive(struct front *front, uint32_t request, void *payload, size_t capacity)
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

uint64_t get_number(struct front *front, uint32_t request)
{
    uint64_t number;
    send_message(front, request, 0, NULL, 0);
    assert_int_equal(receive(front, request, &number, sizeof number), sizeof number);
    return number;
}

uint64_t ask_with_fds(struct front *front, uint32_t request, const void *payload, uint32_t size, const int *fds,
                      unsigned fd_count)
{
    uint64_t result;
    send_with_fds(front, request, NEED, payload, size, fds, fd_count);
    assert_int_equal(receive(front, request, &result, sizeof result), sizeof result);
    return result;
}

uint64_t ask(struct front *front, uint32_t request, const void *payload, uint32_t size)
{
    return ask_with_fds(front, request, payload, size, NULL, 0);
}

bool is_disconnected(struct front *front)
{
    uint64_t number;
    return receive(front, 0, &number, sizeof number) == -2;
}

void negotiate(struct front *front)
{
    uint64_t features = get_number(front, GET_FEATURES), protocol = get_number(front, GET_PROTOCOL_FEATURES);
    send_message(front, SET_PROTOCOL_FEATURES, 0, &protocol, sizeof protocol);
    assert_int_equal(ask(front, SET_FEATURES, &features, sizeof features), 0);
}

void give_back_channel(struct front *front)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(ask_with_fds(front, SET_BACKEND_REQ_FD, NULL, 0, &ends[1], 1), 0);
    close(ends[1]);
    apir_fd_close(&front->back);
    front->back = ends[0];
}

uint64_t give_memory(struct front *front)
{
    const uint64_t table[] = {1, GUEST, MEMORY, USER, 0};
    return ask_with_fds(front, SET_MEM_TABLE, table, sizeof table, &front->memory_fd, 1);
}

uint64_t set_state(struct front *front, uint32_t request, uint32_t index, uint32_t number)
{
    const uint32_t words[] = {index, number};
    return ask(front, request, words, sizeof words);
}

uint64_t set_addresses(struct front *front, uint32_t index, uint64_t base)
{
    const uint64_t words[] = {index, base + DESCRIPTORS, base + USED, base + AVAILABLE, 0};
    return ask(front, SET_VRING_ADDR, words, sizeof words);
}

uint64_t set_fd(struct front *front, uint32_t request, uint64_t index, int fd)
{
    return ask_with_fds(front, request, &index, sizeof index, &fd, 1);
}

uint64_t start(struct front *front, uint32_t base)
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

void kick_command(struct front *front, const void *command, uint32_t size)
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

unsigned answers(const struct front *front)
{
    return ((const struct vring_used *)(const void *)(front->memory + USED))->idx;
}

uint32_t answer_type(const struct front *front)
{
    return ((const struct virtio_gpu_ctrl_hdr *)(const void *)(front->memory + ANSWER))->type;
}

bool is_signalled(int fd)
{
    uint64_t count;
    return read(fd, &count, sizeof count) == sizeof count;
}

void create_blob(struct front *front)
{
    struct virtio_gpu_resource_create_blob create = {.hdr.type = VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB,
                                                     .resource_id = 1,
                                                     .blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D,
                                                     .size = 4096};
    kick_command(front, &create, sizeof create);
    assert_int_equal(answer_type(front), VIRTIO_GPU_RESP_OK_NODATA);
}
