/* The way to the host, by system calls alone: a context of the virtio-gpu device of this machine; or, to try the rest of
 * the program without a machine, a connection to the daemon's socket. What the host refuses is an errno here. */
#ifndef APIR_TESTS_HOSTILE_DOOR_H
#define APIR_TESTS_HOSTILE_DOOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct door {
    int fd;      /* -1: closed */
    bool device; /* of the device's kind */
    uint32_t next_id;
};

/* Shared memory; zeroed: none. */
struct blob {
    uint32_t id;     /* by which commands name it */
    uint32_t handle; /* of the device's kind */
    void *data;
    uint64_t size;
};

/* socket: a path, or NULL for the device. 0 or -errno. */
int door_open(struct door *door, const char *socket);
void door_close(struct door *door);

/* Opens the device and makes no context. An fd or -errno. */
int door_open_node(void);
/* Makes the file a context of a capset with so many rings. 0 or -errno. */
int door_init_context(int fd, uint64_t capset, uint64_t rings);

int door_share(struct door *door, uint64_t size, struct blob *blob);
/* unmap only: the host still has it. */
void door_unshare(struct door *door, struct blob *blob);
void blob_unmap(struct blob *blob);

int door_submit(struct door *door, const void *data, size_t size);
/* With a fence: *fence is an fd, or -1 where there are none. */
int door_submit_fenced(struct door *door, const void *data, size_t size, uint32_t ring, int *fence);

#endif
