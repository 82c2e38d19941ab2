#include "attach/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "attach/worker-process.h"
#include "util/fd.h"

/* The rest of a frame that the socket had no room for. */
struct outgoing {
    struct apir_list link; /* apir_link.outbox */
    int fd;                /* goes with the first byte; -1: none, or gone */
    size_t size;
    size_t sent;
    uint8_t bytes[];
};

union fd_message {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
};

static void attach_fd(struct msghdr *message, union fd_message *control, int fd)
{
    memset(control, 0, sizeof *control);
    message->msg_control = control->bytes;
    message->msg_controllen = sizeof control->bytes;
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
}

/* Bytes that went, 0 if there is no room, or -errno. */
static ssize_t send_now(int socket, struct iovec *parts, size_t count, int fd)
{
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    union fd_message control;
    if (fd >= 0)
        attach_fd(&message, &control, fd);
    ssize_t sent;
    do
        sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
    return sent;
}

static bool take_room(struct apir_link *link, size_t size)
{
    if (size > APIR_LINK_MAX_OUTBOX - link->outbox_size || (link->quota && !apir_quota_charge(link->quota, size)))
        return false;
    link->outbox_size += size;
    return true;
}

static void give_room(struct apir_link *link, size_t size)
{
    link->outbox_size -= size;
    if (link->quota)
        apir_quota_uncharge(link->quota, size);
}

static void drop(struct apir_link *link, struct outgoing *outgoing)
{
    apir_list_remove(&outgoing->link);
    give_room(link, sizeof *outgoing + outgoing->size);
    apir_fd_close(&outgoing->fd);
    free(outgoing);
}

/* A copy of a frame, of which sent bytes have gone. NULL with errno. */
static struct outgoing *copy_frame(const struct iovec *parts, size_t sent, int fd)
{
    size_t size = parts[0].iov_len + parts[1].iov_len;
    struct outgoing *outgoing = malloc(sizeof *outgoing + size);
    if (!outgoing)
        return NULL;
    outgoing->fd = fd >= 0 && sent == 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (fd >= 0 && sent == 0 && outgoing->fd < 0) {
        free(outgoing);
        return NULL;
    }
    memcpy(outgoing->bytes, parts[0].iov_base, parts[0].iov_len);
    if (parts[1].iov_len > 0)
        memcpy(outgoing->bytes + parts[0].iov_len, parts[1].iov_base, parts[1].iov_len);
    outgoing->size = size;
    outgoing->sent = sent;
    return outgoing;
}

/* Keeps what is left of a frame after sent bytes. */
static int keep(struct apir_link *link, const struct iovec *parts, size_t sent, int fd)
{
    size_t room = sizeof(struct outgoing) + parts[0].iov_len + parts[1].iov_len;
    if (!take_room(link, room))
        return -ENOBUFS;
    struct outgoing *outgoing = copy_frame(parts, sent, fd);
    if (!outgoing) {
        int ret = -errno;
        give_room(link, room);
        return ret;
    }
    apir_list_append(&link->outbox, &outgoing->link);
    return 0;
}

int apir_link_send(struct apir_link *link, uint32_t type, const void *data, uint32_t size, int fd)
{
    if (link->fd < 0 || link->ended)
        return -EPIPE;
    if (size > APIR_MAX_FRAME)
        return -EMSGSIZE;
    struct apir_frame_header header = {.type = type, .size = size};
    struct iovec parts[2] = {{&header, sizeof header}, {(void *)(uintptr_t)data, size}};
    if (!apir_list_empty(&link->outbox))
        return keep(link, parts, 0, fd);
    ssize_t sent = send_now(link->fd, parts, size ? 2 : 1, fd);
    if (sent < 0)
        return (int)sent;
    if ((size_t)sent == sizeof header + size)
        return 0;
    int ret = keep(link, parts, (size_t)sent, fd);
    if (ret < 0)
        return ret;
    apir_loop_set_timer(link->loop, &link->timer, APIR_WORKER_PATIENCE_MS);
    return apir_loop_change(link->loop, &link->source, EPOLLIN | EPOLLOUT);
}

static void fail(struct apir_link *link, int error)
{
    apir_link_close(link);
    link->events->closed(link->owner, error);
}

static void unread_too_long(void *owner)
{
    fail(owner, -ETIMEDOUT);
}

/* The socket has room. 0 or -errno. */
static int flush(struct apir_link *link)
{
    while (!apir_list_empty(&link->outbox)) {
        struct outgoing *outgoing = apir_list_entry(link->outbox.next, struct outgoing, link);
        struct iovec part = {outgoing->bytes + outgoing->sent, outgoing->size - outgoing->sent};
        ssize_t sent = send_now(link->fd, &part, 1, outgoing->fd);
        if (sent < 0)
            return (int)sent;
        if (sent == 0)
            return 0;
        apir_fd_close(&outgoing->fd);
        outgoing->sent += (size_t)sent;
        apir_loop_set_timer(link->loop, &link->timer, APIR_WORKER_PATIENCE_MS);
        if (outgoing->sent == outgoing->size)
            drop(link, outgoing);
    }
    apir_loop_clear_timer(&link->timer);
    return apir_loop_change(link->loop, &link->source, EPOLLIN);
}

/* Reads until need bytes of input are there. 1: they are; 0: not yet; -EPIPE: closed; another -errno. */
static int fill(struct apir_link *link, size_t need)
{
    while (link->input_size < need) {
        ssize_t got = recv(link->fd, link->input + link->input_size, need - link->input_size, MSG_DONTWAIT);
        if (got == 0)
            return -EPIPE;
        if (got < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        link->input_size += (uint32_t)got;
    }
    return 1;
}

/* Reads what has come of one frame. As fill(). */
static int receive(struct apir_link *link, struct apir_frame_header *header)
{
    int ret = fill(link, sizeof *header);
    if (ret <= 0)
        return ret;
    memcpy(header, link->input, sizeof *header);
    if (header->size > APIR_LINK_MAX_FRAME)
        return -EBADMSG;
    return fill(link, sizeof *header + header->size);
}

static void link_ready(void *owner, uint32_t events)
{
    struct apir_link *link = owner;
    struct apir_frame_header header;
    if (events & EPOLLOUT) {
        int ret = flush(link);
        if (ret < 0) {
            fail(link, ret == -EPIPE ? 0 : ret);
            return;
        }
    }
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return;
    int ret = receive(link, &header);
    if (ret == 0)
        return;
    if (ret < 0) {
        fail(link, ret == -EPIPE || ret == -ECONNRESET ? 0 : ret);
        return;
    }
    uint8_t data[APIR_LINK_MAX_FRAME];
    memcpy(data, link->input + sizeof header, header.size); /* the callee may close the link */
    link->input_size = 0;
    link->events->received(link->owner, header.type, data, header.size);
}

void apir_link_init(struct apir_link *link, struct apir_loop *loop, const struct apir_link_events *events,
                    void *owner)
{
    memset(link, 0, sizeof *link);
    link->loop = loop;
    link->fd = -1;
    link->events = events;
    link->owner = owner;
    apir_list_init(&link->outbox);
    apir_source_init(&link->source, link_ready, link);
    apir_timer_init(&link->timer, unread_too_long, link);
}

int apir_link_open(struct apir_link *link, int fd)
{
    int ret = apir_loop_watch(link->loop, &link->source, fd, EPOLLIN);
    if (ret == 0)
        link->fd = fd;
    return ret;
}

static void drop_all(struct apir_link *link)
{
    apir_loop_clear_timer(&link->timer);
    while (!apir_list_empty(&link->outbox))
        drop(link, apir_list_entry(link->outbox.next, struct outgoing, link));
}

void apir_link_end(struct apir_link *link)
{
    if (link->fd < 0 || link->ended)
        return;
    link->ended = true;
    drop_all(link);
    apir_loop_change(link->loop, &link->source, EPOLLIN);
    shutdown(link->fd, SHUT_WR);
}

void apir_link_close(struct apir_link *link)
{
    if (link->fd < 0)
        return;
    apir_loop_unwatch(link->loop, &link->source);
    drop_all(link);
    apir_fd_close(&link->fd);
}
