#include "attach/vhost-channel.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "util/fd.h"

union fd_message {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(APIR_VHOST_MAX_FDS * sizeof(int))];
};

static void close_fds(struct apir_vhost_channel *channel)
{
    for (unsigned i = 0; i < channel->fd_count; i++)
        apir_fd_close(&channel->fds[i]);
    channel->fd_count = 0;
}

void apir_vhost_channel_init(struct apir_vhost_channel *channel)
{
    memset(channel, 0, sizeof *channel);
    channel->fd = -1;
}

void apir_vhost_channel_open(struct apir_vhost_channel *channel, int fd)
{
    channel->fd = fd;
    channel->received = 0;
}

void apir_vhost_channel_close(struct apir_vhost_channel *channel)
{
    close_fds(channel);
    channel->received = 0;
    apir_fd_close(&channel->fd);
}

/* Moves the fds of a message into the channel; false if there are too many. */
static bool take_fds(struct apir_vhost_channel *channel, struct msghdr *message)
{
    bool good = !(message->msg_flags & MSG_CTRUNC);
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
            if (channel->fd_count < APIR_VHOST_MAX_FDS) {
                channel->fds[channel->fd_count++] = fd;
            } else {
                good = false;
                apir_fd_close(&fd);
            }
        }
    }
    return good;
}

/* Bytes read, 0 if there are none yet, -EPIPE at the end, or another -errno. */
static ssize_t receive_some(struct apir_vhost_channel *channel, void *data, size_t size)
{
    union fd_message control;
    struct iovec part = {data, size};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t got = recvmsg(channel->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    if (!take_fds(channel, &message))
        return -EBADMSG;
    return got == 0 ? -EPIPE : got;
}

int apir_vhost_channel_receive(struct apir_vhost_channel *channel)
{
    const size_t header_size = sizeof channel->header;
    if (channel->received == 0)
        close_fds(channel); /* of the message before */
    while (channel->received < header_size) {
        ssize_t got = receive_some(channel, (uint8_t *)&channel->header + channel->received,
                                   header_size - channel->received);
        if (got <= 0)
            return (int)got;
        channel->received += (size_t)got;
    }
    if ((channel->header.flags & APIR_VHOST_VERSION_MASK) != APIR_VHOST_VERSION ||
        channel->header.size > APIR_VHOST_MAX_PAYLOAD)
        return -EBADMSG;
    while (channel->received < header_size + channel->header.size) {
        size_t done = channel->received - header_size;
        ssize_t got = receive_some(channel, channel->payload + done, channel->header.size - done);
        if (got <= 0)
            return (int)got;
        channel->received += (size_t)got;
    }
    channel->received = 0;
    return 1;
}

int apir_vhost_channel_take_fd(struct apir_vhost_channel *channel, unsigned index)
{
    return index < channel->fd_count ? apir_fd_take(&channel->fds[index]) : -1;
}

static void attach_fd(struct msghdr *message, union fd_message *control, int fd)
{
    memset(control, 0, sizeof *control);
    message->msg_control = control->bytes;
    message->msg_controllen = CMSG_SPACE(sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
}

int apir_vhost_channel_send(struct apir_vhost_channel *channel, uint32_t request, uint32_t flags,
                            const void *payload, uint32_t size, int fd)
{
    if (channel->fd < 0)
        return -EPIPE;
    struct apir_vhost_header header = {request, flags | APIR_VHOST_VERSION, size};
    struct iovec parts[2] = {{&header, sizeof header}, {(void *)(uintptr_t)payload, size}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = size ? 2 : 1};
    union fd_message control;
    if (fd >= 0)
        attach_fd(&message, &control, fd);
    ssize_t sent;
    do
        sent = sendmsg(channel->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return -errno;
    return (size_t)sent == sizeof header + size ? 0 : -EAGAIN;
}
