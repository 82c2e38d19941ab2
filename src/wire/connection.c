#include "wire/connection.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "util/fd.h"

union fd_message {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(4 * sizeof(int))]; /* room for more than is allowed, so that extra fds are seen */
};

void apir_connection_init(struct apir_connection *connection, int fd)
{
    connection->fd = fd;
    connection->buffer = NULL;
    connection->capacity = 0;
}

void apir_connection_finish(struct apir_connection *connection)
{
    apir_fd_close(&connection->fd);
    free(connection->buffer);
    connection->buffer = NULL;
    connection->capacity = 0;
}

static int set_timeout(struct apir_connection *connection, int option, unsigned ms)
{
    struct timeval timeout = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    return setsockopt(connection->fd, SOL_SOCKET, option, &timeout, sizeof timeout) < 0 ? -errno : 0;
}

int apir_connection_set_send_timeout(struct apir_connection *connection, unsigned ms)
{
    return set_timeout(connection, SO_SNDTIMEO, ms);
}

int apir_connection_set_receive_timeout(struct apir_connection *connection, unsigned ms)
{
    return set_timeout(connection, SO_RCVTIMEO, ms);
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

static void skip_sent(struct msghdr *message, size_t sent)
{
    while (sent > 0 && message->msg_iovlen > 0) {
        struct iovec *part = message->msg_iov;
        size_t step = sent < part->iov_len ? sent : part->iov_len;
        part->iov_base = (char *)part->iov_base + step;
        part->iov_len -= step;
        sent -= step;
        if (part->iov_len == 0) {
            message->msg_iov++;
            message->msg_iovlen--;
        }
    }
}

int apir_connection_send(struct apir_connection *connection, uint32_t type, const void *data, uint32_t size,
                         int fd)
{
    if (size > APIR_MAX_FRAME)
        return -EMSGSIZE;
    struct apir_frame_header header = {.type = type, .size = size};
    struct iovec parts[2] = {{&header, sizeof header}, {(void *)(uintptr_t)data, size}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = size ? 2 : 1};
    union fd_message control;
    if (fd >= 0)
        attach_fd(&message, &control, fd);

    while (message.msg_iovlen > 0) {
        ssize_t sent = sendmsg(connection->fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? -ETIMEDOUT : -errno;
        message.msg_control = NULL;
        message.msg_controllen = 0;
        skip_sent(&message, (size_t)sent);
    }
    return 0;
}

/* Moves the fds of a message into *fd; false if there were more than one. */
static bool take_fds(struct msghdr *message, int *fd)
{
    bool good = !(message->msg_flags & MSG_CTRUNC);
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int received;
            memcpy(&received, CMSG_DATA(header) + i * sizeof received, sizeof received);
            if (*fd >= 0) {
                good = false;
                apir_fd_close(&received);
            } else {
                *fd = received;
            }
        }
    }
    return good;
}

/* Reads size bytes, and fds that come with them. 1, 0 if the peer closed before the first byte, -errno. */
static int receive_all(struct apir_connection *connection, void *data, size_t size, int *fd)
{
    size_t done = 0;
    while (done < size) {
        union fd_message control;
        struct iovec part = {(char *)data + done, size - done};
        struct msghdr message = {.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = control.bytes,
                                 .msg_controllen = sizeof control.bytes};
        ssize_t got = recvmsg(connection->fd, &message, MSG_CMSG_CLOEXEC);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == ECONNRESET)
            got = 0; /* closed before it read all we sent */
        if (got < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? -ETIMEDOUT : -errno;
        if (got == 0)
            return done == 0 ? 0 : -EBADMSG;
        if (!take_fds(&message, fd))
            return -EBADMSG;
        done += (size_t)got;
    }
    return 1;
}

static int reserve(struct apir_connection *connection, uint32_t size)
{
    if (size <= connection->capacity)
        return 0;
    uint8_t *buffer = realloc(connection->buffer, size);
    if (!buffer)
        return -ENOMEM;
    connection->buffer = buffer;
    connection->capacity = size;
    return 0;
}

int apir_connection_receive(struct apir_connection *connection, struct apir_frame *frame)
{
    struct apir_frame_header header;
    int fd = -1;
    int ret = receive_all(connection, &header, sizeof header, &fd);
    if (ret <= 0)
        goto err_fd;
    ret = -EBADMSG;
    if (header.size > APIR_MAX_FRAME)
        goto err_fd;
    ret = reserve(connection, header.size);
    if (ret < 0)
        goto err_fd;
    if (header.size > 0) {
        ret = receive_all(connection, connection->buffer, header.size, &fd);
        if (ret <= 0) {
            ret = ret == 0 ? -EBADMSG : ret;
            goto err_fd;
        }
    }
    frame->type = header.type;
    frame->size = header.size;
    frame->data = connection->buffer;
    frame->fd = fd;
    return 1;

err_fd:
    apir_fd_close(&fd);
    return ret;
}
