#include "attach/vhost-user.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_gpu.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attach/vhost-queue.h"
#include "attach/vhost-window.h"
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

enum { /* bits */
    F_VERSION_1 = 32,
    PROTOCOL_MQ = 0,
    PROTOCOL_REPLY_ACK = 3,
    PROTOCOL_BACKEND_REQ = 5,
    PROTOCOL_CONFIG = 9,
    PROTOCOL_BACKEND_SEND_FD = 10,
};

enum {
    ACCEPT_PAUSE_MS = 100,
    REPLIED = 1, /* a handler's result: it has sent the reply */
    CONFIG_MAX = 256,
    SHMEM_REGIONS = 256,
    VRING_INDEX_MASK = 0xff,
    VRING_NO_FD = 0x100,
};

static uint64_t offered_features(void)
{
    return apir_vhost_bit(VIRTIO_GPU_F_VIRGL) | apir_vhost_bit(VIRTIO_GPU_F_RESOURCE_BLOB) |
           apir_vhost_bit(VIRTIO_GPU_F_CONTEXT_INIT) | apir_vhost_bit(VIRTIO_RING_F_INDIRECT_DESC) |
           apir_vhost_bit(VIRTIO_RING_F_EVENT_IDX) | apir_vhost_bit(APIR_VHOST_F_PROTOCOL_FEATURES) |
           apir_vhost_bit(F_VERSION_1);
}

/* Not CONFIGURE_MEM_SLOTS: with it, QEMU 11.1 crashes at a reset while the window is mapped. */
static uint64_t offered_protocol_features(void)
{
    return apir_vhost_bit(PROTOCOL_MQ) | apir_vhost_bit(PROTOCOL_REPLY_ACK) | apir_vhost_bit(PROTOCOL_BACKEND_REQ) |
           apir_vhost_bit(PROTOCOL_CONFIG) | apir_vhost_bit(PROTOCOL_BACKEND_SEND_FD) |
           apir_vhost_bit(APIR_VHOST_PROTOCOL_SHMEM_MAP);
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
        int moved = apir_vhost_queue_move(&door->queues[i]);
        ret = ret < 0 ? ret : moved;
    }
    apir_vhost_window_check(door);
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
    return apir_vhost_queue_move(queue);
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
    apir_vhost_queue_stop(queue);
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
    apir_vhost_queue_stop(queue);
    apir_fd_close(&queue->kick);
    queue->kick = fd;
    return apir_vhost_queue_update(queue);
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
    return apir_vhost_queue_update(queue);
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
    apir_loop_clear_timer(&door->lost_timer);
    for (unsigned i = 0; i < APIR_VIRTIO_GPU_QUEUES; i++) {
        struct apir_vhost_queue *queue = &door->queues[i];
        apir_vhost_queue_stop(queue);
        apir_fd_close(&queue->kick);
        apir_fd_close(&queue->call);
        apir_fd_close(&queue->error);
        queue->placed = queue->enabled = queue->broken = false;
        queue->size = queue->base = 0;
    }
    apir_virtio_gpu_reset(&door->gpu, "the virtual machine is gone");
    apir_vhost_queue_drop_late(door);
    for (unsigned i = 0; i < APIR_VIRTIO_GPU_QUEUES; i++)
        apir_virtqueue_forget(&door->queues[i].ring);
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

static void memory_lost(void *owner)
{
    struct apir_vhost_user *door = owner;
    apir_error(door->log,
               "%s: the file behind the machine's memory was cut short, or its disk is full: disconnected "
               "(memory-backend-memfd is safe from both)",
               door->listener.path);
    disconnect(door);
    await_front(door);
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
                           (door->protocol_features & apir_vhost_bit(PROTOCOL_REPLY_ACK));
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

static void pause_over(void *owner)
{
    await_front(owner);
}

/* The connection stays in the backlog, so wait a little instead of spinning on it. */
static void pause_accepting(struct apir_vhost_user *door, int error)
{
    apir_warn(door->log, "%s: cannot accept: %s", door->listener.path, strerror(-error));
    apir_loop_unwatch(door->loop, &door->listener_source);
    apir_loop_set_timer(door->loop, &door->accept_timer, ACCEPT_PAUSE_MS);
}

static void listener_ready(void *owner, uint32_t events)
{
    struct apir_vhost_user *door = owner;
    (void)events;
    int fd = apir_listener_accept(&door->listener);
    if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -ENOBUFS)
        pause_accepting(door, fd);
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
    apir_timer_init(&door->lost_timer, memory_lost, door);
    apir_timer_init(&door->accept_timer, pause_over, door);
    apir_vhost_window_init(door);
    apir_vhost_channel_init(&door->front);
    apir_vhost_channel_init(&door->back);
    apir_list_init(&door->late);
    door->request.max = APIR_MAX_COMMAND;
    door->gpu.respond = apir_vhost_queue_respond;
    door->gpu.idle = gpu_idle;
    door->gpu.owner = door;
    for (unsigned i = 0; i < APIR_VIRTIO_GPU_QUEUES; i++)
        apir_vhost_queue_init(&door->queues[i], door);
}

int apir_vhost_user_init(struct apir_vhost_user *door, struct apir_loop *loop, const struct apir_log *log,
                         const struct apir_worker_options *options, const char *path, uint64_t window_size,
                         unsigned max_contexts)
{
    memset(door, 0, sizeof *door);
    door->loop = loop;
    door->own_log = *log;
    door->own_log.limit = &door->log_limit;
    door->log = &door->own_log;
    int ret = apir_virtio_gpu_init(&door->gpu, loop, door->log, options, window_size, max_contexts);
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
    apir_loop_clear_timer(&door->accept_timer);
    apir_loop_unwatch(door->loop, &door->listener_source);
    apir_listener_close(&door->listener);
    disconnect(door);
    if (door->gpu.worker_count == 0)
        idle(owner);
}

void apir_vhost_user_finish(struct apir_vhost_user *door)
{
    apir_loop_clear_timer(&door->accept_timer);
    apir_loop_unwatch(door->loop, &door->listener_source);
    apir_listener_close(&door->listener);
    disconnect(door);
    apir_virtio_gpu_finish(&door->gpu);
    apir_request_finish(&door->request);
}
