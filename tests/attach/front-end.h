/* The door for virtual machines, with a front end played by the test. */
#ifndef APIR_TESTS_ATTACH_FRONT_END_H
#define APIR_TESTS_ATTACH_FRONT_END_H

#include <linux/virtio_gpu.h>
#include <linux/virtio_ring.h>

#include "attach/vhost-user.h"
#include "fixture.h"
#include "util/fd.h"

enum {
    WINDOW = 16 << 20,
    MEMORY = 1 << 20,
    GUEST = 0x100000,
    USER = 0x70000000,
    QUEUE_SIZE = 16,
    DESCRIPTORS = 0,
    AVAILABLE = 0x1000,
    USED = 0x2000,
    COMMAND = 0x10000,
    ANSWER = 0x20000,
    NEED = APIR_VHOST_NEED_REPLY,
};

/* Requests by the names of the specification. */
enum {
    GET_FEATURES = 1,
    SET_FEATURES = 2,
    SET_OWNER = 3,
    SET_MEM_TABLE = 5,
    SET_VRING_NUM = 8,
    SET_VRING_ADDR = 9,
    SET_VRING_BASE = 10,
    GET_VRING_BASE = 11,
    SET_VRING_KICK = 12,
    SET_VRING_CALL = 13,
    SET_VRING_ERR = 14,
    GET_PROTOCOL_FEATURES = 15,
    SET_PROTOCOL_FEATURES = 16,
    GET_QUEUE_NUM = 17,
    SET_VRING_ENABLE = 18,
    SET_BACKEND_REQ_FD = 21,
    GET_CONFIG = 24,
    SET_CONFIG = 25,
    GET_SHMEM_CONFIG = 44,
};

struct front {
    struct fixture fixture;
    struct apir_vhost_user door;
    char path[96];
    int fd;   /* of the front end */
    int back; /* its end of the back end's channel; -1: not given */
    int memory_fd;
    uint8_t *memory;
    int kick, call, error;
};

/* cmocka's: a door with a front end that is connected and has said nothing. */
int front_setup(void **state);
int front_teardown(void **state);
void connect_front(struct front *front);

/* Lets the door take all that was sent. */
void step(struct front *front);

/* send_bytes() does not step, all others do. */
void send_bytes(struct front *front, const void *bytes, size_t size, const int *fds, unsigned fd_count);
void send_message(struct front *front, uint32_t request, uint32_t flags, const void *payload, uint32_t size);

/* The payload's size of the reply to request, -1 if there is none, -2 if we are disconnected. */
int receive(struct front *front, uint32_t request, void *payload, size_t capacity);
bool is_disconnected(struct front *front);

/* Sends a request without a payload; what is answered. */
uint64_t get_number(struct front *front, uint32_t request);

/* Sends with NEED_REPLY; 0 if it was done. */
uint64_t ask(struct front *front, uint32_t request, const void *payload, uint32_t size);
uint64_t ask_with_fds(struct front *front, uint32_t request, const void *payload, uint32_t size, const int *fds,
                      unsigned fd_count);

/* As ask(). give_memory: one region at GUEST. set_state, set_fd: a request with a queue's index and a number, or a descriptor.
 * set_addresses: the rings of a queue from base on. */
uint64_t give_memory(struct front *front);
uint64_t set_state(struct front *front, uint32_t request, uint32_t index, uint32_t number);
uint64_t set_addresses(struct front *front, uint32_t index, uint64_t base);
uint64_t set_fd(struct front *front, uint32_t request, uint64_t index, int fd);

/* Takes all features that are offered. */
void negotiate(struct front *front);

/* Gives the back end a channel for requests of its own. */
void give_back_channel(struct front *front);

/* All that QEMU does to start the control queue, at that available index. */
uint64_t start(struct front *front, uint32_t base);

/* Puts a command into the ring and kicks; the answer is at ANSWER. */
void kick_command(struct front *front, const void *command, uint32_t size);

/* How many there were, and the type of the last. */
unsigned answers(const struct front *front);
uint32_t answer_type(const struct front *front);

/* Whether there was anything in an eventfd. */
bool is_signalled(int fd);

/* Has the guest create blob 1. */
void create_blob(struct front *front);

#endif
