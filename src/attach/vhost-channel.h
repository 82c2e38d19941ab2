/* Messages of the vhost-user protocol on a Unix socket, with file descriptors. Nothing here waits. */
#ifndef APIR_ATTACH_VHOST_CHANNEL_H
#define APIR_ATTACH_VHOST_CHANNEL_H

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

enum {
    APIR_VHOST_MAX_PAYLOAD = 512, /* the longest that we take: GET_CONFIG, 12 + 256 bytes */
    APIR_VHOST_MAX_FDS = 8,       /* of SET_MEM_TABLE */
};

/* Flags of a message. */
enum {
    APIR_VHOST_VERSION = 1,
    APIR_VHOST_VERSION_MASK = 3,
    APIR_VHOST_REPLY = 4,
    APIR_VHOST_NEED_REPLY = 8,
};

struct apir_vhost_header {
    uint32_t request;
    uint32_t flags;
    uint32_t size; /* of the payload */
};

/* One end. Owns the socket and the fds of the message received last, as far as nobody took them. */
struct apir_vhost_channel {
    int fd; /* -1: closed */
    struct apir_vhost_header header;
    alignas(8) uint8_t payload[APIR_VHOST_MAX_PAYLOAD];
    size_t received; /* bytes of the message that is coming */
    int fds[APIR_VHOST_MAX_FDS];
    unsigned fd_count;
};

/* A closed channel. */
void apir_vhost_channel_init(struct apir_vhost_channel *channel);

/* Takes ownership of fd, a connected Unix socket. */
void apir_vhost_channel_open(struct apir_vhost_channel *channel, int fd);

/* Reads what has come. 1: header, payload and fds are a message, until the next call. 0: not complete yet. -EPIPE: the
 * peer closed. -EBADMSG: not a message: another version, too long, too many fds. Another -errno. */
int apir_vhost_channel_receive(struct apir_vhost_channel *channel);

/* Takes an fd out of the message received last: the caller owns it. -1 if there is none. */
int apir_vhost_channel_take_fd(struct apir_vhost_channel *channel, unsigned index);

/* Sends one message; fd (-1: none) is borrowed. 0, -EAGAIN if the peer does not read, -EPIPE if it is gone or the
 * channel closed, another -errno: the message may then be sent in part. */
int apir_vhost_channel_send(struct apir_vhost_channel *channel, uint32_t request, uint32_t flags,
                            const void *payload, uint32_t size, int fd);

/* Closes the socket and all fds. A closed channel is a no-op. */
void apir_vhost_channel_close(struct apir_vhost_channel *channel);

#endif
