/* The daemon's end of a worker's connection, in a loop: frames as in wire/connection.h, but nothing here ever waits.
 * What a worker does not read at once is kept; one that reads nothing for a second has its link closed. */
#ifndef APIR_ATTACH_LINK_H
#define APIR_ATTACH_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "attach/loop.h"
#include "util/quota.h"
#include "wire/connection.h"

enum {
    APIR_LINK_MAX_FRAME = 16,               /* bytes of the longest frame from a worker: struct apir_frame_fence */
    APIR_LINK_MAX_OUTBOX = 16 * 1024 * 1024, /* bytes that a worker may lag behind: four of the largest frames */
    APIR_LINKS_MAX_OUTBOX = 64 * 1024 * 1024, /* the same for all workers of a machine */
};

struct apir_link_events {
    /* A frame has come. */
    void (*received)(void *owner, uint32_t type, const void *data, uint32_t size);
    /* Nothing more will come. 0: closed by the worker; -ETIMEDOUT: it does not read; -EBADMSG: not a frame. The link
     * is closed already. */
    void (*closed)(void *owner, int error);
};

/* Lives inside its owner, which calls close. */
struct apir_link {
    struct apir_loop *loop;
    int fd; /* -1: closed */
    bool ended;
    struct apir_source source;
    struct apir_timer timer;  /* set while the outbox is not empty */
    struct apir_list outbox;  /* struct outgoing.link */
    size_t outbox_size;       /* bytes, with what they take beside the frames */
    struct apir_quota *quota; /* of outboxes, borrowed; NULL: none. Set by the owner before the first frame */
    uint8_t input[8 + APIR_LINK_MAX_FRAME];
    uint32_t input_size;
    const struct apir_link_events *events;
    void *owner;
};

/* A closed link. */
void apir_link_init(struct apir_link *link, struct apir_loop *loop, const struct apir_link_events *events,
                    void *owner);

/* Opens it on fd, a connected Unix socket: takes ownership on success. 0 or -errno. */
int apir_link_open(struct apir_link *link, int fd);

/* Sends one frame, or keeps a copy to send it later. fd (-1: none) is borrowed. Never calls events. 0, -EPIPE if the
 * link is closed or ended or the worker gone, -EMSGSIZE, -ENOBUFS if the worker lags too far behind, -ENOMEM. */
int apir_link_send(struct apir_link *link, uint32_t type, const void *data, uint32_t size, int fd);

/* Sends nothing more: the worker sees the end after what was sent; what was kept is dropped. Frames from it still come.
 * A closed link is a no-op. */
void apir_link_end(struct apir_link *link);

/* Closes the socket: the worker sees its end. What was kept is dropped. Never calls events. */
void apir_link_close(struct apir_link *link);

#endif
