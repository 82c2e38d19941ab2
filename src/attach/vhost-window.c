#include "attach/vhost-window.h"

#include <linux/virtio_gpu.h>
#include <string.h>

enum {
    BACKEND_SHMEM_MAP = 9, /* our request (vhost-user specification) */
    SHMEM_WRITABLE = 1,
    WINDOW_ANSWER_MS = 10 * 1000,
    WINDOW_TABLE_MS = 1000,
};

struct shmem_map {
    uint8_t id;
    uint8_t padding[7];
    uint64_t fd_offset, shm_offset, size, flags;
};

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

void apir_vhost_window_map(struct apir_vhost_user *door)
{
    struct shmem_map map = {
        .id = VIRTIO_GPU_SHM_ID_HOST_VISIBLE, .size = door->gpu.window.size, .flags = SHMEM_WRITABLE};
    door->window_was_ready = door->gpu.window_state == APIR_WINDOW_READY;
    door->window_answered = false;
    door->window_in_table = false;
    apir_virtio_gpu_set_window(&door->gpu, APIR_WINDOW_PENDING);
    if (!(door->protocol_features & apir_vhost_bit(APIR_VHOST_PROTOCOL_SHMEM_MAP)) || door->back.fd < 0) {
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

void apir_vhost_window_check(struct apir_vhost_user *door)
{
    if (door->window_in_table && door->window_answered && door->gpu.window_state == APIR_WINDOW_PENDING)
        window_ready(door);
}

void apir_vhost_window_init(struct apir_vhost_user *door)
{
    apir_source_init(&door->back_source, back_ready, door);
    apir_timer_init(&door->window_timer, window_timeout, door);
}
