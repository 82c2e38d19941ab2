/* The front end of a machine, and its guest: messages with descriptors of any kind, in any order and in pieces, memory
 * that is cut short while it is used, rings that move, a front end that leaves and comes back; behind it the device
 * with workers that do as the input says. */
#include <fcntl.h>
#include <linux/virtio_ring.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attach/memory-guard.h"
#include "attach/vhost-user.h"
#include "device.h"
#include "fuzz.h"
#include "util/fd.h"

enum {
    MEMORY = 256 * 1024,
    GUEST = 0x100000,
    USER = 0x70000000,
    AVAILABLE = 0x1000, /* offsets; the descriptors are at 0 */
    USED = 0x2000,
    COMMANDS = 0x10000,
    ANSWERS = 0x20000,
    QUEUE_SIZE = 256,
    SLOTS = 32,   /* places for commands and answers */
    MANY = 70,    /* commands: more than are handled at a time */
    MAX_FDS = 10, /* of a message, more than may be */
    ALL = 64,     /* events: more than there are at once */
};

/* Requests by the names of the specification. */
enum {
    SET_FEATURES = 2,
    SET_MEM_TABLE = 5,
    SET_VRING_NUM = 8,
    SET_VRING_ADDR = 9,
    SET_VRING_BASE = 10,
    GET_VRING_BASE = 11,
    SET_VRING_KICK = 12,
    SET_VRING_CALL = 13,
    SET_VRING_ERR = 14,
    SET_PROTOCOL_FEATURES = 16,
    SET_VRING_ENABLE = 18,
    SET_BACKEND_REQ_FD = 21,
    GET_CONFIG = 24,
    SET_CONFIG = 25,
};

struct machine {
    struct world world;
    struct apir_vhost_user door;
    int front, back; /* the front end's ends; -1: closed */
    int memory, kick, call;
    uint16_t offered;
};

struct message {
    struct apir_vhost_header header;
    union {
        uint64_t numbers[APIR_VHOST_MAX_PAYLOAD / 8 + 2];
        uint32_t words[APIR_VHOST_MAX_PAYLOAD / 4 + 4];
    } payload;
    int fds[MAX_FDS];
    unsigned fd_count;
};

static void settle(struct machine *machine, unsigned events)
{
    world_step(&machine->world.loop, events);
    world_drop(machine->front, 1 << 16);
    world_drop(machine->back, 1 << 16);
}

static void send_message(struct machine *machine, struct message *message, uint32_t size)
{
    uint8_t bytes[sizeof message->header + sizeof message->payload];
    message->header.size = size;
    if (size > sizeof message->payload)
        size = sizeof message->payload;
    memcpy(bytes, &message->header, sizeof message->header);
    memcpy(bytes + sizeof message->header, &message->payload, size);
    world_send(machine->front, bytes, sizeof message->header + size, message->fds, message->fd_count);
    for (unsigned i = 0; i < message->fd_count; i++)
        apir_fd_close(&message->fds[i]);
}

static void add_fd(struct message *message, int fd)
{
    if (fd >= 0 && message->fd_count < MAX_FDS)
        message->fds[message->fd_count++] = fd;
    else
        apir_fd_close(&fd);
}

static int copy_fd(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* ---- what a good front end does ---- */

static void send_numbers(struct machine *machine, uint32_t request, const uint64_t *numbers, unsigned count, int fd)
{
    struct message message = {.header = {.request = request, .flags = APIR_VHOST_VERSION}};
    if (count > 0)
        memcpy(message.payload.numbers, numbers, count * sizeof *numbers);
    add_fd(&message, fd);
    send_message(machine, &message, count * (uint32_t)sizeof *numbers);
    settle(machine, 2);
}

static void send_state(struct machine *machine, uint32_t request, uint32_t index, uint32_t number)
{
    const uint64_t state = index | (uint64_t)number << 32;
    send_numbers(machine, request, &state, 1, -1);
}

static void give_back_channel(struct machine *machine)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return;
    apir_fd_close(&machine->back);
    machine->back = ends[0];
    send_numbers(machine, SET_BACKEND_REQ_FD, NULL, 0, ends[1]);
}

static void give_memory(struct machine *machine, bool with_window)
{
    struct message message = {.header = {.request = SET_MEM_TABLE, .flags = APIR_VHOST_VERSION}};
    const uint64_t table[] = {with_window ? 2 : 1, GUEST, MEMORY, USER, 0, 0x100000000, DEVICE_WINDOW, 0x90000000, 0};
    memcpy(message.payload.numbers, table, sizeof table);
    add_fd(&message, copy_fd(machine->memory));
    if (with_window)
        add_fd(&message, copy_fd(machine->door.gpu.window.fd));
    send_message(machine, &message, with_window ? sizeof table : 5 * sizeof table[0]);
    settle(machine, 2);
}

/* All that is needed for the guest to use a queue. */
static void set_up(struct machine *machine, uint8_t how)
{
    const uint64_t everything = UINT64_MAX, index = how & 1, placed[] = {index, USER, USER + USED, USER + AVAILABLE, 0};
    send_numbers(machine, SET_PROTOCOL_FEATURES, &everything, 1, -1);
    send_numbers(machine, SET_FEATURES, &everything, 1, -1);
    if (how & 2)
        give_back_channel(machine);
    give_memory(machine, false);
    send_state(machine, SET_VRING_NUM, how & 1, QUEUE_SIZE);
    send_state(machine, SET_VRING_BASE, how & 1, how & 4 ? machine->offered : 0);
    send_numbers(machine, SET_VRING_ADDR, placed, 5, -1);
    send_numbers(machine, SET_VRING_KICK, &index, 1, copy_fd(machine->kick));
    send_numbers(machine, SET_VRING_CALL, &index, 1, copy_fd(machine->call));
    send_state(machine, SET_VRING_ENABLE, how & 1, 1);
    if (!(how & 4))
        machine->offered = 0;
    if (!(how & 2) || how == 14) /* or the window is never answered */
        return;
    const struct apir_vhost_header header = {.request = 9, .flags = APIR_VHOST_REPLY | APIR_VHOST_VERSION, .size = 8};
    const uint64_t result = how & 8 ? 1 : 0;
    world_send(machine->back, &header, sizeof header, NULL, 0);
    world_send(machine->back, &result, sizeof result, NULL, 0);
    give_memory(machine, true);
}

static void put(struct machine *machine, uint64_t offset, const void *bytes, size_t size)
{
    if (pwrite(machine->memory, bytes, size, (off_t)offset) < 0)
        return; /* sealed, or gone */
}

/* A command in the ring, with an answer of so many bytes. */
static void offer(struct machine *machine, const void *command, uint32_t size, uint32_t room)
{
    uint16_t slot = machine->offered % SLOTS, head = machine->offered % (QUEUE_SIZE / 2) * 2;
    const struct vring_desc descriptors[2] = {
        {GUEST + COMMANDS + slot * UINT64_C(1024), size, room ? VRING_DESC_F_NEXT : 0, head + 1},
        {GUEST + ANSWERS + slot * UINT64_C(1024), room, VRING_DESC_F_WRITE, 0}};
    put(machine, COMMANDS + slot * UINT64_C(1024), command, size);
    put(machine, head * sizeof descriptors[0], descriptors, sizeof descriptors);
    put(machine, AVAILABLE + 4 + machine->offered % QUEUE_SIZE * 2, &head, sizeof head);
    machine->offered++;
    put(machine, AVAILABLE + 2, &machine->offered, sizeof machine->offered);
    eventfd_write(machine->kick, 1);
}

/* ---- what any front end may do ---- */

static uint64_t make_number(struct reader *reader)
{
    uint8_t shape = reader_u8(reader);
    if (shape < 8)
        return shape;
    if (shape < 64)
        return shape * UINT64_C(1024);
    if (shape < 128)
        return USER + (shape - 64) * UINT64_C(4096);
    if (shape < 192)
        return GUEST + (shape - 128) * UINT64_C(4096);
    if (shape < 224)
        return reader_u16(reader);
    return (uint64_t)reader_u32(reader) << 32 | reader_u32(reader);
}

static int make_fd(struct machine *machine, struct reader *reader)
{
    uint8_t kind = reader_u8(reader);
    switch (kind % 8) {
    case 0:
    case 1:
        return copy_fd(machine->memory);
    case 2:
        return copy_fd(machine->kick);
    case 3:
        return copy_fd(machine->door.gpu.window.fd);
    case 4:
        return machine->front >= 0 ? copy_fd(machine->front) : -1;
    default:
        return world_make_fd(kind / 8, MEMORY);
    }
}

/* The right size of a payload, for most requests. */
static uint32_t size_of(uint32_t request, uint64_t first)
{
    switch (request) {
    case SET_FEATURES:
    case SET_PROTOCOL_FEATURES:
    case SET_VRING_NUM:
    case SET_VRING_BASE:
    case GET_VRING_BASE:
    case SET_VRING_ENABLE:
    case SET_VRING_KICK:
    case SET_VRING_CALL:
    case SET_VRING_ERR:
        return 8;
    case SET_VRING_ADDR:
        return 40;
    case SET_MEM_TABLE:
        return 8 + 32 * (uint32_t)(first % 9);
    case GET_CONFIG:
    case SET_CONFIG:
        return 32;
    default:
        return 0;
    }
}

static void send_any(struct machine *machine, struct reader *reader)
{
    uint8_t request = reader_u8(reader), shape = reader_u8(reader);
    struct message message = {.header = {.request = request % 48, .flags = APIR_VHOST_VERSION}};
    if (shape & 1)
        message.header.flags |= APIR_VHOST_NEED_REPLY;
    if (shape == 254)
        message.header.flags = reader_u32(reader);
    unsigned count = shape / 4 % 16;
    for (unsigned i = 0; i < count; i++)
        message.payload.numbers[i] = make_number(reader);
    uint32_t size = size_of(message.header.request, message.payload.numbers[0]);
    unsigned fds = message.header.request == SET_MEM_TABLE ? (unsigned)message.payload.numbers[0] % 9 : shape / 64 % 2;
    if (shape & 2) {
        size = reader_u8(reader) * UINT32_C(3);
        fds = reader_u8(reader) % (MAX_FDS + 1);
    }
    for (unsigned i = 0; i < fds; i++)
        add_fd(&message, make_fd(machine, reader));
    send_message(machine, &message, size);
}

static void send_bytes(int socket, struct reader *reader)
{
    size_t size;
    const uint8_t *bytes = reader_take(reader, reader_u8(reader), &size);
    world_send(socket, bytes, size, NULL, 0);
}

static void write_memory(struct machine *machine, struct reader *reader)
{
    uint16_t offset = reader_u16(reader);
    size_t size;
    const uint8_t *bytes = reader_take(reader, reader_u8(reader) % 64, &size);
    put(machine, offset % 0x3000, bytes, size);
    eventfd_write(machine->kick, 1);
}

static void connect_front(struct machine *machine)
{
    int ends[2];
    if (machine->door.listener.fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return;
    apir_fd_close(&machine->front);
    apir_fd_close(&machine->world.front);
    machine->front = ends[0];
    machine->world.front = ends[1];
    eventfd_write(machine->door.listener.fd, 1);
}

static void offer_many(struct machine *machine, struct reader *reader)
{
    uint8_t bytes[DEVICE_MAX_COMMAND];
    uint32_t size = device_make_command(reader, bytes);
    for (int i = 0; i < MANY; i++)
        offer(machine, bytes, size, 64);
}

/* The control queue is set up, written to by hand, or stopped, to go on later. */
static void set_queue(struct machine *machine, struct reader *reader, uint8_t action)
{
    if (action < 128)
        set_up(machine, action / 8);
    else if (action < 160)
        offer_many(machine, reader);
    else if (action < 192)
        send_state(machine, GET_VRING_BASE, 0, 0);
    else if (action < 200)
        world_starve(reader_u8(reader) % 16);
    else
        write_memory(machine, reader);
}

static void act_rarely(struct machine *machine, struct reader *reader, uint8_t action)
{
    switch (action / 8 % 8) {
    case 0:
        send_bytes(machine->front, reader);
        break;
    case 1:
        send_bytes(machine->back, reader);
        break;
    case 2:
        apir_fd_close(&machine->front);
        break;
    case 3:
        connect_front(machine);
        break;
    case 4:
        if (ftruncate(machine->memory, reader_u16(reader) * 4) < 0)
            return; /* it is sealed */
        break;
    case 5:
        world_wait(reader_u16(reader));
        break;
    case 6:
        apir_fd_close(&machine->back);
        break;
    default:
        machine->world.no_workers = !machine->world.no_workers;
        break;
    }
}

static void act(struct machine *machine, struct reader *reader)
{
    uint8_t bytes[DEVICE_MAX_COMMAND], action = reader_u8(reader);
    switch (action % 8) {
    case 0:
    case 1:
        send_any(machine, reader);
        break;
    case 2:
    case 3:
        offer(machine, bytes, device_make_command(reader, bytes), action / 8 * 16);
        settle(machine, 1);
        break;
    case 4:
        settle(machine, action / 8);
        break;
    case 5:
        world_play_worker(&machine->world, reader);
        break;
    case 6:
        set_queue(machine, reader, action);
        break;
    default:
        act_rarely(machine, reader, action);
        break;
    }
}

static void note_idle(void *owner)
{
    (void)owner;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    return apir_memory_guard_install();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct machine machine;
    struct reader reader = {data, size};
    memset(&machine, 0, sizeof machine);
    world_init(&machine.world);
    machine.front = machine.back = -1;
    if (size > 0 && data[size - 1] & 2)
        machine.world.options.socket = NULL;
    int ret = apir_vhost_user_init(&machine.door, &machine.world.loop, &machine.world.log, &machine.world.options,
                                   "fuzz.sock", DEVICE_WINDOW, DEVICE_CONTEXTS);
    FUZZ_CHECK(ret == 0);
    apir_memory_guard_watch(&machine.door.memory);
    machine.memory = world_make_fd(size > 0 && data[size - 1] & 1 ? 2 : 4, MEMORY);
    machine.kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    machine.call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    connect_front(&machine);
    settle(&machine, 1);
    while (reader.left > 0)
        act(&machine, &reader);
    world_starve(0);
    settle(&machine, ALL);
    if (size % 2)
        apir_vhost_user_stop(&machine.door, note_idle, NULL);
    apir_vhost_user_finish(&machine.door);
    apir_memory_guard_watch(NULL);
    apir_fd_close(&machine.front);
    apir_fd_close(&machine.back);
    apir_fd_close(&machine.memory);
    apir_fd_close(&machine.kick);
    apir_fd_close(&machine.call);
    world_finish(&machine.world);
    return 0;
}
