/* Frames over a Unix stream socket, with file descriptors: how a native client, or the daemon on behalf of a virtual
 * machine's context, talks to a worker. A frame is u32 type, u32 size (both native endian: the two ends share a
 * machine), then size bytes; at most one fd travels with a frame. */
#ifndef APIR_WIRE_CONNECTION_H
#define APIR_WIRE_CONNECTION_H

#include <stdint.h>

enum apir_frame_type {
    APIR_FRAME_SUBMIT = 1,      /* to the worker: the bytes of an EXECBUFFER */
    APIR_FRAME_SHM_ADD = 2,     /* to the worker: struct apir_frame_shm, with the fd of the memory; without one it is that
                                   of the last that came with one */
    APIR_FRAME_SHM_REMOVE = 3,  /* to the worker: u32 id; it stops using the memory, then answers */
    APIR_FRAME_SHM_REMOVED = 4, /* from the worker: u32 id */
    APIR_FRAME_FENCE = 5,       /* to the worker: struct apir_frame_fence */
    APIR_FRAME_FENCE_DONE = 6,  /* from the worker: the same struct, once every frame before it was taken */
};

enum {
    /* An EXECBUFFER of 4 MiB is the largest that guests' kernels were seen to send. */
    APIR_MAX_FRAME = 4 * 1024 * 1024,
};

/* Start of a frame; size bytes follow. */
struct apir_frame_header {
    uint32_t type; /* enum apir_frame_type */
    uint32_t size;
};

/* Memory that becomes shared-memory id. The range lies inside the fd's file. */
struct apir_frame_shm {
    uint32_t id; /* not 0 */
    uint32_t reserved;
    uint64_t offset; /* bytes, multiple of the page size */
    uint64_t size;   /* bytes */
};

struct apir_frame_fence {
    uint32_t ring; /* virtio-gpu ring_idx */
    uint32_t reserved;
    uint64_t id;
};

/* One received frame. The connection owns data until the next receive; the caller owns fd. */
struct apir_frame {
    uint32_t type;
    uint32_t size;
    const void *data;
    int fd; /* -1: none */
};

/* One end. Owns the socket. Sending and receiving may each be done by one thread at a time. */
struct apir_connection {
    int fd;
    uint8_t *buffer; /* of the frame received last */
    uint32_t capacity;
};

/* Takes ownership of fd, a connected SOCK_STREAM Unix socket. */
void apir_connection_init(struct apir_connection *connection, int fd);

/* Closes the socket and frees the buffer. A finished or zeroed-with-fd--1 connection is a no-op. */
void apir_connection_finish(struct apir_connection *connection);

/* Bounds how long a send may block: after ms milliseconds without room it fails with -ETIMEDOUT, and the connection
 * is to be closed since the frame may be half sent. 0 or -errno. */
int apir_connection_set_send_timeout(struct apir_connection *connection, unsigned ms);

/* The same of receive: after ms milliseconds (0: no bound) in which nothing came it fails with -ETIMEDOUT. */
int apir_connection_set_receive_timeout(struct apir_connection *connection, unsigned ms);

/* Sends one frame; borrows fd (-1: none). 0, -EMSGSIZE if size exceeds APIR_MAX_FRAME, -EPIPE if the peer is gone,
 * -ETIMEDOUT, or another -errno. */
int apir_connection_send(struct apir_connection *connection, uint32_t type, const void *data, uint32_t size,
                         int fd);

/* Waits for one frame. 1: *frame is filled. 0: the peer closed between frames. -EBADMSG: not a frame, more than one
 * fd, or closed inside a frame. -errno otherwise. */
int apir_connection_receive(struct apir_connection *connection, struct apir_frame *frame);

#endif
