#include "hostile/door.h"

#include <drm.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <virtgpu_drm.h>

#include "util/fd.h"
#include "wire/capset.h"
#include "wire/connection.h"

enum { RINGS = 64, BLOB_ALIGNMENT = 0x4000 };

static int result(int ret)
{
    return ret < 0 ? -errno : 0;
}

int door_open_node(void)
{
    char path[64];
    int fd = -ENODEV;
    for (int i = 0; i < 4 && fd < 0; i++) {
        snprintf(path, sizeof path, "/dev/dri/renderD%d", 128 + i);
        fd = open(path, O_RDWR | O_CLOEXEC);
    }
    return fd < 0 ? -errno : fd;
}

int door_init_context(int fd, uint64_t capset, uint64_t rings)
{
    struct drm_virtgpu_context_set_param params[] = {
        {VIRTGPU_CONTEXT_PARAM_CAPSET_ID, capset},
        {VIRTGPU_CONTEXT_PARAM_NUM_RINGS, rings},
        {VIRTGPU_CONTEXT_PARAM_POLL_RINGS_MASK, 0},
    };
    struct drm_virtgpu_context_init init = {.num_params = 3, .ctx_set_params = (uintptr_t)params};
    return result(ioctl(fd, DRM_IOCTL_VIRTGPU_CONTEXT_INIT, &init));
}

int door_open(struct door *door, const char *socket)
{
    int fd = socket ? apir_fd_connect(socket) : door_open_node();
    if (fd < 0)
        return fd;
    int ret = socket ? 0 : door_init_context(fd, APIR_CAPSET_APIR, RINGS);
    if (ret < 0) {
        close(fd);
        return ret;
    }
    *door = (struct door){.fd = fd, .device = !socket, .next_id = 1};
    return 0;
}

void door_close(struct door *door)
{
    apir_fd_close(&door->fd);
}

static int send_frame(struct door *door, uint32_t type, const void *data, size_t size, int fd)
{
    struct apir_connection connection;
    apir_connection_init(&connection, door->fd);
    return apir_connection_send(&connection, type, data, (uint32_t)size, fd);
}

static int share_by_socket(struct door *door, struct blob *blob)
{
    int fd = apir_fd_memory("hostile", blob->size);
    if (fd < 0)
        return fd;
    void *data = mmap(NULL, blob->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int ret = data == MAP_FAILED ? -errno : 0;
    if (ret == 0) {
        const struct apir_frame_shm frame = {.id = door->next_id++, .size = blob->size};
        blob->data = data;
        blob->id = frame.id;
        ret = send_frame(door, APIR_FRAME_SHM_ADD, &frame, sizeof frame, fd);
    }
    close(fd);
    return ret;
}

static int share_by_device(struct door *door, struct blob *blob)
{
    struct drm_virtgpu_resource_create_blob create = {
        .blob_mem = VIRTGPU_BLOB_MEM_HOST3D, .blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE, .size = blob->size};
    if (ioctl(door->fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB, &create) < 0)
        return -errno;
    struct drm_virtgpu_map map = {.handle = create.bo_handle};
    void *data = MAP_FAILED;
    if (ioctl(door->fd, DRM_IOCTL_VIRTGPU_MAP, &map) == 0)
        data = mmap(NULL, blob->size, PROT_READ | PROT_WRITE, MAP_SHARED, door->fd, (off_t)map.offset);
    if (data == MAP_FAILED) {
        int ret = -errno;
        struct drm_gem_close gem = {.handle = create.bo_handle};
        ioctl(door->fd, DRM_IOCTL_GEM_CLOSE, &gem);
        return ret;
    }
    blob->data = data;
    blob->id = create.res_handle;
    blob->handle = create.bo_handle;
    return 0;
}

int door_share(struct door *door, uint64_t size, struct blob *blob)
{
    struct blob made = {.size = (size + BLOB_ALIGNMENT - 1) / BLOB_ALIGNMENT * BLOB_ALIGNMENT};
    int ret = door->device ? share_by_device(door, &made) : share_by_socket(door, &made);
    if (ret == 0)
        *blob = made;
    return ret;
}

void blob_unmap(struct blob *blob)
{
    if (blob->data)
        munmap(blob->data, blob->size);
    blob->data = NULL;
}

void door_unshare(struct door *door, struct blob *blob)
{
    if (blob->size == 0)
        return;
    blob_unmap(blob);
    if (door->device) {
        struct drm_gem_close gem = {.handle = blob->handle};
        ioctl(door->fd, DRM_IOCTL_GEM_CLOSE, &gem);
    } else {
        send_frame(door, APIR_FRAME_SHM_REMOVE, &blob->id, sizeof blob->id, -1);
    }
    *blob = (struct blob){0};
}

int door_submit_fenced(struct door *door, const void *data, size_t size, uint32_t ring, int *fence)
{
    struct drm_virtgpu_execbuffer execute = {
        .flags = VIRTGPU_EXECBUF_RING_IDX | (fence ? VIRTGPU_EXECBUF_FENCE_FD_OUT : 0),
        .size = (uint32_t)size,
        .command = (uintptr_t)data,
        .ring_idx = ring,
        .fence_fd = -1,
    };
    int ret = door->device ? result(ioctl(door->fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &execute))
                           : send_frame(door, APIR_FRAME_SUBMIT, data, size, -1);
    if (fence)
        *fence = ret == 0 && door->device ? execute.fence_fd : -1;
    return ret;
}

int door_submit(struct door *door, const void *data, size_t size)
{
    return door_submit_fenced(door, data, size, 0, NULL);
}
