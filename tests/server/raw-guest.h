/* A guest without the client's code: it writes the bytes of frames and requests itself, also bad ones. */
#ifndef APIR_TESTS_SERVER_RAW_GUEST_H
#define APIR_TESTS_SERVER_RAW_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/capset.h"
#include "wire/connection.h"
#include "wire/ring.h"
#include "wire/status.h"

struct raw_shm {
    uint32_t id;
    int fd;
    void *data;
    uint64_t size;
};

struct raw_queue {
    uint32_t id;
    struct raw_shm memory;
    struct apir_ring_producer ring;
    uint64_t sequence; /* of the last request posted */
};

struct raw_guest {
    struct apir_connection connection;
    uint32_t next_id;
    struct raw_shm status;
    uint32_t synced; /* number of the last sync */
    bool unsynced;   /* something was sent after it */
};

/* Takes ownership of fd, the guest's end of a connection to a server. */
void raw_guest_init(struct raw_guest *guest, int fd);
void raw_guest_finish(struct raw_guest *guest);

/* Shares size bytes with the server; unshare only forgets them on this side. Any failure ends the program. */
void raw_guest_share(struct raw_guest *guest, uint64_t size, struct raw_shm *shm);
void raw_guest_unshare(struct raw_shm *shm);

/* Sends a frame; a server that is gone already is no error. */
void raw_guest_send(struct raw_guest *guest, uint32_t type, const void *data, uint32_t size, int fd);
void raw_guest_submit(struct raw_guest *guest, const uint32_t *words, size_t count);

/* Shakes hands with a new status page; true if the server answered. */
bool raw_guest_handshake(struct raw_guest *guest);

/* Waits until the status page says that the session is dead; false if it never does. */
bool raw_guest_is_dead(struct raw_guest *guest);

/* Waits until the server has taken all frames so far, or the session is dead. */
void raw_guest_sync(struct raw_guest *guest);

void raw_guest_open_queue(struct raw_guest *guest, struct raw_queue *queue, uint32_t id);
void raw_guest_close_queue(struct raw_queue *queue);

/* Puts a record of these bytes in the ring, as they are, and kicks. */
void raw_guest_post(struct raw_guest *guest, struct raw_queue *queue, const void *request, size_t size);

/* Waits for a reply other than `before`. Its status, or -EPIPE when the session ended without one. */
int raw_guest_wait(struct raw_guest *guest, struct raw_queue *queue, uint32_t before);

/* Posts a request under the queue's next sequence number, once all frames are taken, and waits. Its status. */
int raw_guest_call(struct raw_guest *guest, struct raw_queue *queue, const void *request, size_t size);

/* Writes the header of a request without dependencies; bytes of it. */
size_t raw_guest_header(uint8_t *request, uint32_t call, uint64_t sequence);
/* Stores the size of a request in its header. */
void raw_guest_set_size(uint8_t *request, uint32_t size);

#endif
