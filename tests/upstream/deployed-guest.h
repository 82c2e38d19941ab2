/* A guest that speaks only the deployed protocol, 0.x. It knows no codec: it sends bytes that a deployed guest sent,
 * with just those words changed that name something of the host. The frames of wire/connection.h are its link. */
#ifndef APIR_TESTS_UPSTREAM_DEPLOYED_GUEST_H
#define APIR_TESTS_UPSTREAM_DEPLOYED_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/connection.h"

enum {
    DEPLOYED_VENUS_BASE = 331,    /* added to every command on a Venus context */
    DEPLOYED_REPLY_SIZE = 0x4000, /* of the reply blob */
    DEPLOYED_DATA_SIZE = 0x1830000,
    DEPLOYED_HEADER_SIZE = 12,
    DEPLOYED_MAX_BLOBS = 8,
    DEPLOYED_CANARY = 0xa5, /* what the reply blob holds where the host wrote nothing */
    DEPLOYED_OK = 5,        /* notif of a function that succeeded: 1 + 4 + 0 */
};

/* Offsets of the header's words. */
enum {
    DEPLOYED_COMMAND = 0,
    DEPLOYED_FUNCTION = 4,
    DEPLOYED_REPLY = 8,
};

struct deployed_blob {
    uint32_t id;
    int fd;
    uint8_t *data;
    uint64_t size;
};

struct deployed_guest {
    struct apir_connection connection;
    uint32_t base; /* 0 on an APIR context, DEPLOYED_VENUS_BASE on a Venus context */
    uint32_t next_id;
    unsigned timeout_ms; /* for an answer */
    struct deployed_blob reply, data;
    struct deployed_blob more[DEPLOYED_MAX_BLOBS]; /* shared by deployed_guest_share */
    unsigned n_more;
};

/* Takes ownership of fd, and shares the reply blob and a data blob. 0 or -errno. */
int deployed_guest_init(struct deployed_guest *guest, int fd, uint32_t base, uint64_t data_size);
void deployed_guest_finish(struct deployed_guest *guest);

/* Shares size bytes more, until the guest ends. NULL: no memory. */
struct deployed_blob *deployed_guest_share(struct deployed_guest *guest, uint64_t size);

/* Makes a request's header ours, as far as it is there: the command's base, and the id of the reply blob. */
void deployed_guest_address(const struct deployed_guest *guest, uint8_t *request, size_t size);

/* Sends size bytes as they are, and waits for the answer. 0 and its first word; -EPIPE when the host closed the
 * connection instead; -ETIMEDOUT. */
int deployed_guest_call(struct deployed_guest *guest, const uint8_t *request, size_t size, uint32_t *notif);

/* Bytes of the reply blob up to the last that the host changed. */
size_t deployed_guest_written(const struct deployed_guest *guest);

/* Words at any place of a message. */
uint32_t deployed_u32(const uint8_t *at);
uint64_t deployed_u64(const uint8_t *at);
void deployed_put_u32(uint8_t *at, uint32_t value);
void deployed_put_u64(uint8_t *at, uint64_t value);

#endif
