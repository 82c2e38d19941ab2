#include "attach/vhost-user.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_gpu.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/fd.h"

/* Requests of the front end (vhost-user specification). */
enum {
    GET_FEATURES = 1,
    SET_FEATURES = 2,
    SET_OWNER = 3,
    RESET_OWNER = 4,
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

/* Requests of the back end. */
enum { BACKEND_SHMEM_MAP = 9 };

enum { /* bits */
    F_PROTOCOL_FEATURES = 30,
    F_VERSION_1 = 32,
    PROTOCOL_MQ = 0,
    PROTOCOL_REPLY_ACK = 3,
    PROTOCOL_BACKEND_REQ = 5,
    PROTOCOL_CONFIG = 9,
    PROTOCOL_BACKEND_SEND_FD = 10,
    PROTOCOL_SHMEM_MAP = 22,
};

enum {
    REPLIED = 1, /* a handler's result: it has sent the reply */
    CONTROL_QUEUE = 0,
    TURN = 64, /* commands that are handled before others have their turn */
    CONFIG_MAX = 256,
    SHMEM_REGIONS = 256,
    VRING_INDEX_MASK = 0xff,
    VRING_NO_FD = 0x100,
    SHMEM_WRITABLE = 1,
    WINDOW_ANSWER_MS = 10 * 1000,
    WINDOW_TABLE_MS = 1000,
};

static uint64_t bit(unsigned number)
{
    return UINT64_C(1) << number;
}

static uint64_t offered_features(void)
{
    return bit(VIRTIO_GPU_F_VIRGL) | bit(VIRTIO_GPU_F_RESOURCE_BLOB) | bit(VIRTIO_GPU_F_CONTEXT_INIT) |
           bit(VIRTIO_RING_F_INDIRECT_DESC) | bit(VIRTIO_RING_F_EVENT_IDX) | bit(F_PROTOCOL_FEATURES) |
           bit(F_VERSION_1);
}

/* Not CONFIGURE_MEM_SLOTS: with it, QEMU 11.1 crashes at a reset while the window is mapped. */
static uint64_t offered_protocol_features(void)
{
    return bit(PROTOCOL_MQ) | bit(PROTOCOL_REPLY_ACK) | bit(PROTOCOL_BACKEND_REQ) | bit(PROTOCOL_CONFIG) |
           bit(PROTOCOL_BACKEND_SEND_FD) | bit(PROTOCOL_SHMEM_MAP);
}

struct mem_table {
    uint32_t count;
    uint32_t padding;
    struct {
        uint64_t guest, size, user, offset;
    } regions[APIR_MAX_REGIONS];
};

struct vring_state {
    uint32_t index;
    uint32_t number;
};

struct vring_addresses {
    uint32_t index;
    uint32_t flags;
    uint64_t descriptors, used, available, log;
};

struct config {
    uint32_t offset, size, flags;
    uint8_t data[CONFIG_MAX];
};

struct shmem_config {
    uint32_t count;
    uint32_t padding;
    uint64_t sizes[SHMEM_REGIONS];
};

struct shmem_map {
    uint8_t id;
    uint8_t padding[7];
    uint64_t fd_offset, shm_offset, size, flags;
};

/* An answer to a guest whose queue is stopped: given when it goes on. */
struct late_answer {
    struct apir_list link; /* apir_vhost_user.late */
    struct apir_chain chain;
    uint32_t size;
    uint8_t bytes[];
};

/* ---- Queues ---- */

static void notify(struct apir_vhost_queue *queue)
{
    uint64_t one = 1;
    if (apir_virtqueue_should_notify(&queue->ring) && queue->call >= 0)
        /* a full eventfd has notified already */
        if (write(queue->call, &one, sizeof one) < 0)
            return;
}

static void report_broken(struct apir_vhost_queue *queue)
{
    uint64_t one = 1;
    apir_error(queue->door->log, "%s: virtqueue %d is broken: it is stopped until the driver resets it",
               queue->door->listener.path, (int)(queue - queue->door->queues));
    queue->broken = true;
    if (queue->error >= 0 && write(queue->error, &one, sizeof one) < 0)
        return;
}

static void stop_queue(struct apir_vhost_queue *queue)
{
    apir_loop_unwatch(queue->door->loop, &queue->source);
    apir_loop_clear_timer(&queue->again);
    apir_virtqueue_stop(&queue->ring);
}

/* A late answer that memory is too short for is lost: the guest's command then waits until its driver gives up. */
static void answer_late(struct apir_vhost_user *door, const struct apir_chain *chain, const void *response,
                        uint32_t size)
{
    struct late_answer *answer = malloc(sizeof *answer + size);
    if (!answer)
        return;
    answer->chain = *chain;
    answer->size = size;
    memcpy(answer->bytes, response, size);
    apir_list_append(&door->late, &answer->link);
}

static void respond(void *owner, const struct apir_chain *chain, const void *response, uint32_t size)
{
    struct apir_vhost_user *door = owner;
    struct apir_vhost_queue *control = &door->queues[CONTROL_QUEUE];
    if (!control->ring.used) {
        answer_late(door, chain, response, size);
        return;
    }
    apir_virtqueue_push(&control->ring, chain, response, size);
    if (!door->handling)
        notify(control);
}

static void give_late_answers(struct apir_vhost_user *door)
{
    struct apir_list *link;
    while ((link = apir_list_take_first(&door->late))) {
        struct late_answer *answer = apir_list_entry(link, struct late_answer, link);
        respond(door, &answer->chain, answer->bytes, answer->size);
        free(answer);
    }
}

static void drop_late_answers(struct apir_vhost_user *door)
{
    struct apir_list *link;
    while ((link = apir_list_take_first(&door->late)))
        free(apir_list_entry(link, struct late_answer, link));
}

static void handle_request(struct apir_vhost_queue *queue, const struct apir_chain *chain)
{
    struct apir_vhost_user *door = queue->door;
    if (queue == &door->queues[CONTROL_QUEUE])
        apir_virtio_gpu_command(&door->gpu, &door->request, chain);
    else
        apir_virtqueue_push(&queue->ring, chain, NULL, 0); /* no display, hence no cursor */
}

static void run_queue(struct apir_vhost_queue *queue)
{
    struct apir_vhost_user *door = queue->door;
    struct apir_chain chain;
    int ret = 1;
    door->handling = true;
    for (unsigned i = 0; i < TURN && ret == 1; i++) {
        ret = apir_virtqueue_pop(&queue->ring, &chain, &door->request);
        if (ret == 1)
            handle_request(queue, &chain);
    }
    door->handling = false;
    notify(queue);
    if (ret < 0) {
        report_broken(queue);
        stop_queue(queue);
    } else if (ret == 1) {
        apir_loop_set_timer(door->loop, &queue->again, 0);
    }
}

static void queue_again(void *owner)
{
    run_queue(owner);
}

static void queue_kicked(void *owner, uint32_t events)
{
    struct apir_vhost_queue *queue = owner;
    uint64_t count;
    (void)events;
    if (read(queue->kick, &count, sizeof count) < 0 && errno != EAGAIN && errno != EINTR) {
        report_broken(queue);
        stop_queue(queue);
        return;
    }
    run_queue(queue);
}

/* ---- The window ---- */

static void window_ready(struct apir_vhost_user *door)
{
    apir_loop_clear_timer(&door->window_timer);
    apir_virtio_gpu_set_window(&door->gpu, APIR_WINDOW_READY);
}

static void window_absent(struct apir_vhost_user *door, const char *why)
{
    apir_loop_clear_timer(&door->window_timer);
    apir_error(door->log, "%s: no shared memory, hence no device in the guest: %s", door->listener.path, why);
    apir_virtio_gpu_set_window(&door->gpu, APIR_WINDOW_ABSENT);
}

static void window_timeout(void *owner)
{
    struct apir_vhost_user *door = owner;
    if (door->window_answered)
        window_ready(door); /* another front end than QEMU need not send the table again */
    else
        window_absent(door, "the front end does not answer SHMEM_MAP");
}

/* QEMU answers before the guest can see the window, which is when it is in the memory table. */
static void window_answered(struct apir_vhost_user *door, uint64_t error)
{
    if (door->window_answered)
        return;
    door->window_answered = true;
    if (error && door->window_was_ready) /* the guest was paused, not reset: it is mapped still */
        window_ready(door);
    else if (error)
        window_absent(door, "the front end refuses SHMEM_MAP");
    else if (door->window_in_table)
        window_ready(door);
    else
        apir_loop_set_timer(door->loop, &door->window_timer, WINDOW_TABLE_MS);
}

static void map_window(struct apir_vhost_user *door)
{
    struct shmem_map map = {
        .id = VIRTIO_GPU_SHM_ID_HOST_VISIBLE, .size = door->gpu.window.size, .flags = SHMEM_WRITABLE};
    door->window_was_ready = door->gpu.window_state == APIR_WINDOW_READY;
    door->window_answered = false;
    door->window_in_table = false;
    apir_virtio_gpu_set_window(&door->gpu, APIR_WINDOW_PENDING);
    if (!(door->protocol_features & bit(PROTOCOL_SHMEM_MAP)) || door->back.fd < 0) {
        window_absent(door, "the front end lacks SHMEM_MAP (QEMU has it since 11.1)");
        return;
    }
    int ret = apir_vhost_channel_send(&door->back, BACKEND_SHMEM_MAP, APIR_VHOST_NEED_REPLY, &map, sizeof map,
                                      door->gpu.window.fd);
    if (ret < 0)
        window_absent(door, strerror(-ret));
    else
        apir_loop_set_timer(door->loop, &door->window_timer, WINDOW_ANSWER_MS);
}

static void back_ready(void *owner, uint32_t events)
{
    struct apir_vhost_user *door = owner;
    uint64_t result;
    (void)events;
    int ret = apir_vhost_channel_receive(&door->back);
    if (ret == 0)
        return;
    if (ret < 0) {
        apir_loop_unwatch(door->loop, &door->back_source);
        apir_vhost_channel_close(&door->back);
        return;
    }
    if (door->back.header.request != BACKEND_SHMEM_MAP || door->back.header.size != sizeof result)
        return;
    memcpy(&result, door->back.payload, sizeof result);
    window_answered(door, result);
}

/* ---- The life of queues ---- */

/* A fresh driver starts at 0: all that its predecessor left is dropped. A machine that was only paused goes on. */
static void start_control(struct apir_vhost_user *door, bool fresh)
{
    if (fresh) {
        apir_virtio_gpu_reset(&door->gpu, "the guest was reset");
        drop_late_answers(door);
    }
    map_window(door);
}

static int start_queue(struct apir_vhost_queue *queue)
{
    struct apir_vhost_user *door = queue->door;
    bool control = queue == &door->queues[CONTROL_QUEUE];
    if (control)
        start_control(door, queue->base == 0);
    int ret = apir_virtqueue_start(&queue->ring, &door->memory, queue->size, queue->descriptors, queue->available,
                                   queue->used, queue->base);
    if (ret < 0)
        return ret;
    queue->ring.indirect = door->features & bit(VIRTIO_RING_F_INDIRECT_DESC);
    queue->ring.event_index = door->features & bit(VIRTIO_RING_F_EVENT_IDX);
    ret = apir_loop_watch(door->loop, &queue->source, queue->kick, EPOLLIN);
    if (ret < 0) {
        apir_virtqueue_stop(&queue->ring);
        return ret;
    }
    if (control)
        give_late_answers(door);
    run_queue(queue); /* its first kick may have come before */
    return 0;
}

/* Starts the queue once all that it needs is there. */
static int update_queue(struct apir_vhost_queue *queue)
{
    bool wanted = queue->enabled || !(queue->door->features & bit(F_PROTOCOL_FEATURES));
    bool complete = queue->placed && queue->size > 0 && queue->kick >= 0 && queue->door->memory.count > 0;
    if (queue->ring.used && !wanted) {
        queue->base = queue->ring.next;
        stop_queue(queue);
    }
    if (queue->ring.used || !wanted || !complete || queue->broken)
        return 0;
    return start_queue(queue);
}

/* The memory has moved: the rings are at other addresses of ours. */
static int replace_ring(struct apir_vhost_queue *queue)
{
    if (!queue->ring.used)
        return update_queue(queue);
    bool indirect = queue->ring.indirect, event_index = queue->ring.event_index;
    uint16_t notified = queue->ring.notified;
    int ret = apir_virtqueue_start(&queue->ring, &queue->door->memory, queue->size, queue->descriptors,
                                   queue->available, queue->used, queue->ring.next);
    if (ret < 0) {
        stop_queue(queue);
        return ret;
    }
    queue->ring.indirect = indirect;
    queue->ring.event_index = event_index;
    queue->ring.notified = notified;
    return 0;
}

/* ---- Requests of the front end ---- */

static struct apir_vhost_queue *find_queue(struct apir_vhost_user *door, uint64_t index)
{
    return index < APIR_VIRTIO_GPU_QUEUES ? &door->queues[index] : NULL;
}

static int reply(struct apir_vhost_user *door, const void *payload, uint32_t size)
{
    int ret = apir_vhost_channel_send(&door->front, door->front.header.request, APIR_VHOST_REPLY, payload, size, -1);
    return ret < 0 ? ret : REPLIED;
}

static int reply_number(struct apir_vhost_user *door, uint64_t number)
{
    return reply(door, &number, sizeof number);
}

static uint64_t number_of(const struct apir_vhost_user *door)
{
    uint64_t number;
    memcpy(&number, door->front.payload, sizeof number);
    return number;
}

static int handle_get_features(struct apir_vhost_user *door)
{
    return reply_number(door, offered_features());
}

static int handle_set_features(struct apir_vhost_user *door)
{
    door->features = number_of(door) & offered_features();
    return 0;
}

static int handle_get_protocol_features(struct apir_vhost_user *door)
{
    return reply_number(door, offered_protocol_features());
}

static int handle_set_protocol_features(struct apir_vhost_user *door)
{
    door->protocol_features = number_of(door) & offered_protocol_features();
    return 0;
}

static int handle_get_queue_num(struct apir_vhost_user *door)
{
    return reply_number(door, APIR_VIRTIO_GPU_QUEUES);
}

static int handle_set_owner(struct apir_vhost_user *door)
{
    (void)door;
    return 0;
}

static bool is_window(const struct apir_vhost_user *door, int fd)
{
    struct stat ours, theirs;
    return fstat(door->gpu.window.fd, &ours) == 0 && fstat(fd, &theirs) == 0 && ours.st_dev == theirs.st_dev &&
           ours.st_ino == theirs.st_ino;
}

static int add_region(struct apir_vhost_user *door, const struct mem_table *table, unsigned index)
{
    int fd = apir_vhost_channel_take_fd(&door->front, index);
    if (fd < 0)
        return -EBADMSG;
    if (is_window(door, fd))
        door->window_in_table = true;
    int ret = apir_memory_add(&door->memory, table->regions[index].guest, table->regions[index].user,
                              table->regions[index].size, table->regions[index].offset, fd);
    apir_fd_close(&fd);
    return ret;
}

static int handle_set_mem_table(struct apir_vhost_user *door)
{
    struct mem_table table;
    memset(&table, 0, sizeof table);
    memcpy(&table, door->front.payload, door->front.header.size);
    size_t size = offsetof(struct mem_table, regions) + table.count * (uint64_t)sizeof table.regions[0];
    if (table.count > APIR_MAX_REGIONS || door->front.header.size < size || door->front.fd_count != table.count)
        return -EBADMSG;
    apir_memory_clear(&door->memory);
    int ret = 0;
    for (unsigned i = 0; i < table.count && ret == 0; i++)
        ret = add_region(door, &table, i);
    if (ret < 0)
        apir_memory_clear(&door->memory);
    for (unsigned i = 0; i < APIR_VIRTIO_GPU_QUEUES; i++) {
        int moved = replace_ring(&door->queues[i]);
        ret = ret < 0 ? ret : moved;
    }
    if (door->window_in_table && door->window_answered && door->gpu.window_state == APIR_WINDOW_PENDING)
        window_ready(door);
    return ret;
}

static int handle_set_vring_num(struct apir_vhost_user *door)
{
    struct vring_state state;
    memcpy(&state, door->front.payload, sizeof state);
    struct apir_vhost_queue *queue = find_queue(door, state.index);
    if (!queue || queue->ring.used || state.number > APIR_MAX_QUEUE_SIZE)
        return -EINVAL;
    queue->size = state.number;
    return 0;
}

static int handle_set_vring_addr(struct apir_vhost_user *door)
{
    struct vring_addresses addresses;
    memcpy(&addresses, door->front.payload, sizeof addresses);
    struct apir_vhost_queue *queue = find_queue(door, addresses.index);
    if (!queue)
        return -EINVAL;
    queue->descriptors = addresses.descriptors;
    queue->available = addresses.available;
    queue->used = addresses.used;
    queue->placed = true;
    return replace_ring(queue);
}

static int handle_set_vring_base(struct apir_vhost_user *door)
{
    struct vring_state state;
    memcpy(&state, door->front.payload, sizeof state);
    struct apir_vhost_queue *queue = find_queue(door, state.index);
    if (!queue || queue->ring.used || state.number > UINT16_MAX)
        return -EINVAL;
    queue->base = (uint16_t)state.number;
    return 0;
}

/* Stops the queue. Whether the guest is paused or was reset shows when it starts again. */
static int handle_get_vring_base(struct apir_vhost_user *door)
{
    struct vring_state state;
    memcpy(&state, door->front.payload, sizeof state);
    struct apir_vhost_queue *queue = find_queue(door, state.index);
    if (!queue)
        return -EINVAL;
    if (queue->ring.used)
        queue->base = queue->ring.next;
    stop_queue(queue);
    apir_fd_close(&queue->kick);
    queue->placed = false;
    queue->broken = false;
    state.number = queue->base;
    return reply(door, &state, sizeof state);
}

/* Takes the fd of a SET_VRING_KICK, CALL or ERR. */
static int take_vring_fd(struct apir_vhost_user *door, struct apir_vhost_queue **queue, int *fd)
{
    uint64_t number = number_of(door);
    *queue = find_queue(door, number & VRING_INDEX_MASK);
    if (!*queue || ((number & VRING_NO_FD) != 0) != (door->front.fd_count == 0))
        return -EINVAL;
    *fd = apir_vhost_channel_take_fd(&door->front, 0);
    if (*fd >= 0)
        fcntl(*fd, F_SETFL, fcntl(*fd, F_GETFL) | O_NONBLOCK); /* whatever it is, it must not block us */
    return 0;
}

static int handle_set_vring_kick(struct apir_vhost_user *door)
{
    struct apir_vhost_queue *queue;
    int fd;
    int ret = take_vring_fd(door, &queue, &fd);
    if (ret < 0)
        return ret;
    if (queue->ring.used) {
        queue->base = queue->ring.next;
        stop_queue(queue);
    }
    apir_fd_close(&queue->kick);
    queue->kick = fd;
    return update_queue(queue);
}

static int handle_set_vring_call(struct apir_vhost_user *door)
{
    struct apir_vhost_queue *queue;
    int fd;
    int ret = take_vring_fd(door, &queue, &fd);
    if (ret < 0)
        return ret;
    apir_fd_close(&queue->call);
    queue->call = fd;
    return 0;
}

static int handle_set_vring_err(struct apir_vhost_user *door)
{
    struct apir_vhost_queue *queue;
    int fd;
    int ret = take_vring_fd(door, &queue, &fd);
    if (ret < 0)
        return ret;
    apir_fd_close(&queue->error);
    queue->error = fd;
    return 0;
}

static int handle_set_vring_enable(struct apir_vhost_user *door)
{
    struct vring_state state;
    memcpy(&state, door->front.payload, sizeof state);
    struct apir_vhost_queue *queue = find_queue(door, state.index);
    if (!queue)
        return -EINVAL;
    queue->enabled = state.number != 0;
    return update_queue(queue);
}

static int handle_set_backend_req_fd(struct apir_vhost_user *door)
{
    int fd = apir_vhost_channel_take_fd(&door->front, 0);
    if (fd < 0)
        return -EBADMSG;
    apir_loop_unwatch(door->loop, &door->back_source);
    apir_vhost_channel_close(&door->back);
    int ret = apir_loop_watch(door->loop, &door->back_source, fd, EPOLLIN);
    if (ret < 0)
        apir_fd_close(&fd);
    else
        apir_vhost_channel_open(&door->back, fd);
    return ret;
}

static int handle_get_config(struct apir_vhost_user *door)
{
    struct config config;
    memset(&config, 0, sizeof config);
    memcpy(&config, door->front.payload, offsetof(struct config, data));
    if (config.size > CONFIG_MAX || config.offset > CONFIG_MAX)
        return reply(door, NULL, 0); /* the specification's way to refuse it */
    apir_virtio_gpu_read_config(config.offset, config.data, config.size);
    return reply(door, &config, (uint32_t)offsetof(struct config, data) + config.size);
}

/* The driver writes events_clear; there are no events. */
static int handle_set_config(struct apir_vhost_user *door)
{
    (void)door;
    return 0;
}

static int handle_get_shmem_config(struct apir_vhost_user *door)
{
    struct shmem_config config = {.count = 1};
    config.sizes[VIRTIO_GPU_SHM_ID_HOST_VISIBLE] = door->gpu.window.size;
    return reply(door, &config, sizeof config);
}

/* ---- Messages ---- */

struct handler {
    uint32_t request;
    uint32_t min_size, max_size; /* of the payload */
    unsigned max_fds;
    int (*handle)(struct apir_vhost_user *door);
};

static const struct handler *find_handler(uint32_t request)
{
    enum { NUMBER = sizeof(uint64_t), STATE = sizeof(struct vring_state) };
    static const struct handler handlers[] = {
        {GET_FEATURES, 0, 0, 0, handle_get_features},
        {SET_FEATURES, NUMBER, NUMBER, 0, handle_set_features},
        {SET_OWNER, 0, 0, 0, handle_set_owner},
        {RESET_OWNER, 0, 0, 0, handle_set_owner},
        {SET_MEM_TABLE, 8, sizeof(struct mem_table), APIR_MAX_REGIONS, handle_set_mem_table},
        {SET_VRING_NUM, STATE, STATE, 0, handle_set_vring_num},
        {SET_VRING_ADDR, sizeof(struct vring_addresses), sizeof(struct vring_addresses), 0, handle_set_vring_addr},
        {SET_VRING_BASE, STATE, STATE, 0, handle_set_vring_base},
        {GET_VRING_BASE, STATE, STATE, 0, handle_get_vring_base},
        {SET_VRING_KICK, NUMBER, NUMBER, 1, handle_set_vring_kick},
        {SET_VRING_CALL, NUMBER, NUMBER, 1, handle_set_vring_call},
        {SET_VRING_ERR, NUMBER, NUMBER, 1, handle_set_vring_err},
        {GET_PROTOCOL_FEATURES, 0, 0, 0, handle_get_protocol_features},
        {SET_PROTOCOL_FEATURES, NUMBER, NUMBER, 0, handle_set_protocol_features},
        {GET_QUEUE_NUM, 0, 0, 0, handle_get_queue_num},
        {SET_VRING_ENABLE, STATE, STATE, 0, handle_set_vring_enable},
        {SET_BACKEND_REQ_FD, 0, NUMBER, 1, handle_set_backend_req_fd},
        {GET_CONFIG, offsetof(struct config, data), sizeof(struct config), 0, handle_get_config},
        {SET_CONFIG, offsetof(struct config, data), sizeof(struct config), 0, handle_set_config},
        {GET_SHMEM_CONFIG, 0, 0, 0, handle_get_shmem_config},
    };
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
        if (handlers[i].request == request)
            return &handlers[i];
    return NULL;
}

/* 0 or REPLIED, or -errno. */
static int handle_message(struct apir_vhost_user *door)
{
    const struct apir_vhost_header *header = &door->front.header;
    const struct handler *handler = find_handler(header->request);
    if (!handler)
        return -EOPNOTSUPP;
    if (header->size < handler->min_size || header->size > handler->max_size ||
        door->front.fd_count > handler->max_fds)
        return -EBADMSG;
    return handler->handle(door);
}

static void disconnect(struct apir_vhost_user *door)
{
    if (door->front.fd < 0)
        return;
    apir_loop_clear_timer(&door->window_timer);
    for (unsigned i = 0; i < APIR_VIRTIO_GPU_QUEUES; i++) {
        struct apir_vhost_queue *queue = &door->queues[i];
        stop_queue(queue);
        apir_fd_close(&queue->kick);
        apir_fd_close(&queue->call);
        apir_fd_close(&queue->error);
        queue->placed = queue->enabled = queue->broken = false;
        queue->size = queue->base = 0;
    }
    apir_virtio_gpu_reset(&door->gpu, "the virtual machine is gone");
    drop_late_answers(door);
    apir_memory_clear(&door->memory);
    apir_loop_unwatch(door->loop, &door->back_source);
    apir_vhost_channel_close(&door->back);
    apir_loop_unwatch(door->loop, &door->front_source);
    apir_vhost_channel_close(&door->front);
    door->features = door->protocol_features = 0;
    door->window_in_table = door->window_answered = false;
}

/* The next machine may come. */
static void await_front(struct apir_vhost_user *door)
{
    if (!door->stopping && apir_loop_watch(door->loop, &door->listener_source, door->listener.fd, EPOLLIN) < 0)
        apir_error(door->log, "%s: cannot accept connections any more", door->listener.path);
}

static void front_ready(void *owner, uint32_t events)
{
    struct apir_vhost_user *door = owner;
    (void)events;
    int ret = apir_vhost_channel_receive(&door->front);
    if (ret == 0)
        return;
    if (ret == 1) {
        ret = handle_message(door);
        apir_debug(door->log, "vhost-user request %u (%u bytes): %d", door->front.header.request,
                   door->front.header.size, ret);
        bool acknowledge = (door->front.header.flags & APIR_VHOST_NEED_REPLY) &&
                           (door->protocol_features & bit(PROTOCOL_REPLY_ACK));
        if (ret < 0)
            apir_warn(door->log, "%s: vhost-user request %u (%u bytes) is refused: %s", door->listener.path,
                      door->front.header.request, door->front.header.size, strerror(-ret));
        if (ret != REPLIED && acknowledge)
            ret = reply_number(door, ret < 0);
        if (ret >= 0)
            return;
    }
    apir_info(door->log, "%s: the virtual machine has %s", door->listener.path,
              ret == -EPIPE || ret == -ECONNRESET ? "disconnected" : "been disconnected: bad message");
    disconnect(door);
    await_front(door);
}

static void listener_ready(void *owner, uint32_t events)
{
    struct apir_vhost_user *door = owner;
    (void)events;
    int fd = apir_listener_accept(&door->listener);
    if (fd < 0)
        return;
    if (apir_loop_watch(door->loop, &door->front_source, fd, EPOLLIN) < 0) {
        apir_fd_close(&fd);
        return;
    }
    apir_vhost_channel_open(&door->front, fd);
    apir_loop_unwatch(door->loop, &door->listener_source); /* others wait until this one is gone */
    apir_info(door->log, "%s: a virtual machine has connected", door->listener.path);
}

static void gpu_idle(void *owner)
{
    struct apir_vhost_user *door = owner;
    if (door->stopping)
        door->idle(door->idle_owner);
}

static void init_parts(struct apir_vhost_user *door)
{
    apir_source_init(&door->listener_source, listener_ready, door);
    apir_source_init(&door->front_source, front_ready, door);
    apir_source_init(&door->back_source, back_ready, door);
    apir_timer_init(&door->window_timer, window_timeout, door);
    apir_vhost_channel_init(&door->front);
    apir_vhost_channel_init(&door->back);
    apir_list_init(&door->late);
    door->request.max = APIR_MAX_COMMAND;
    door->gpu.respond = respond;
    door->gpu.idle = gpu_idle;
    door->gpu.owner = door;
    for (unsigned i = 0; i < APIR_VIRTIO_GPU_QUEUES; i++) {
        struct apir_vhost_queue *queue = &door->queues[i];
        queue->door = door;
        queue->kick = queue->call = queue->error = -1;
        apir_source_init(&queue->source, queue_kicked, queue);
        apir_timer_init(&queue->again, queue_again, queue);
    }
}

int apir_vhost_user_init(struct apir_vhost_user *door, struct apir_loop *loop, const struct apir_log *log,
                         const struct apir_worker_options *options, const char *path, uint64_t window_size,
                         unsigned max_contexts)
{
    memset(door, 0, sizeof *door);
    door->loop = loop;
    door->log = log;
    int ret = apir_virtio_gpu_init(&door->gpu, loop, log, options, window_size, max_contexts);
    if (ret < 0)
        return ret;
    init_parts(door);
    ret = apir_listener_open(&door->listener, path);
    if (ret < 0)
        goto err_gpu;
    ret = apir_loop_watch(loop, &door->listener_source, door->listener.fd, EPOLLIN);
    if (ret < 0)
        goto err_listener;
    return 0;

err_listener:
    apir_listener_close(&door->listener);
err_gpu:
    apir_virtio_gpu_finish(&door->gpu);
    return ret;
}

void apir_vhost_user_stop(struct apir_vhost_user *door, void (*idle)(void *owner), void *owner)
{
    if (door->stopping)
        return;
    door->stopping = true;
    door->idle = idle;
    door->idle_owner = owner;
    apir_loop_unwatch(door->loop, &door->listener_source);
    apir_listener_close(&door->listener);
    disconnect(door);
    if (door->gpu.worker_count == 0)
        idle(owner);
}

void apir_vhost_user_finish(struct apir_vhost_user *door)
{
    apir_loop_unwatch(door->loop, &door->listener_source);
    apir_listener_close(&door->listener);
    disconnect(door);
    apir_virtio_gpu_finish(&door->gpu);
    apir_request_finish(&door->request);
}
