/* The kernel's own calls of the device with arguments that are wrong, so that the driver sends the host what programs
 * never do: other kinds of resources, blobs and transfers, contexts of other capsets, rings that there are not. */
#include <drm.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <virtgpu_drm.h>

#include "hostile/attack.h"
#include "hostile/door.h"
#include "wire/capset.h"

enum {
    HANDLES = 16,
    CALLS_A_FILE = 200,
    SCRATCH = 65536,
    MOST = 8 * 1024 * 1024, /* bytes of this machine's own memory: what ends that does nothing to the host */
};

struct file {
    struct attack *attack;
    int fd;
    uint32_t handles[HANDLES];
    unsigned n_handles;
    uint8_t *scratch; /* what arguments point to */
};

static void try(struct file *file, unsigned long request, void *argument)
{
    attack_tried(file->attack, ioctl(file->fd, request, argument) < 0 ? -errno : 0);
}

static uint32_t small(struct file *file)
{
    struct random *random = &file->attack->random;
    return random_once_in(random, 6) ? (uint32_t)random_edge(random) : random_below(random, 8);
}

static uint32_t handle(struct file *file)
{
    return file->n_handles > 0 && !random_once_in(&file->attack->random, 5)
               ? file->handles[random_below(&file->attack->random, file->n_handles)]
               : small(file);
}

static void keep(struct file *file, uint32_t made)
{
    if (made != 0)
        file->handles[file->n_handles < HANDLES ? file->n_handles++ : random_below(&file->attack->random, HANDLES)] =
            made;
}

static uint64_t pointer(struct file *file)
{
    return random_once_in(&file->attack->random, 10) ? random_edge(&file->attack->random)
                                                     : (uint64_t)(uintptr_t)file->scratch;
}

static void context_init(struct file *file)
{
    struct drm_virtgpu_context_set_param params[6];
    struct drm_virtgpu_context_init init = {.num_params = small(file) % 6, .ctx_set_params = (uintptr_t)params};
    for (int i = 0; i < 6; i++)
        params[i] = (struct drm_virtgpu_context_set_param){small(file) % 6, random_edge(&file->attack->random)};
    if (random_once_in(&file->attack->random, 2))
        params[0] = (struct drm_virtgpu_context_set_param){VIRTGPU_CONTEXT_PARAM_CAPSET_ID, APIR_CAPSET_APIR};
    try(file, DRM_IOCTL_VIRTGPU_CONTEXT_INIT, &init);
}

static void create_blob(struct file *file)
{
    struct random *random = &file->attack->random;
    struct drm_virtgpu_resource_create_blob create = {
        .blob_mem = small(file) % 5,
        .blob_flags = small(file),
        .size = random_once_in(random, 2) ? 4096 * (1 + random_below(random, 64)) : random_edge(random),
        .cmd_size = random_once_in(random, 4) ? 4 * random_below(random, 64) : 0,
        .cmd = pointer(file),
        .blob_id = random_once_in(random, 4) ? random_edge(random) : 0,
    };
    if (random_once_in(random, 2))
        create.blob_mem = VIRTGPU_BLOB_MEM_HOST3D;
    else
        create.size %= MOST;
    try(file, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB, &create);
    keep(file, create.bo_handle);
}

static void create_resource(struct file *file)
{
    struct drm_virtgpu_resource_create create = {
        .target = small(file), .format = small(file), .bind = small(file), .width = small(file),
        .height = small(file), .depth = small(file), .array_size = small(file), .last_level = small(file),
        .nr_samples = small(file), .flags = small(file), .size = random_below(&file->attack->random, 1 << 20),
        .stride = small(file),
    };
    try(file, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE, &create);
    keep(file, create.bo_handle);
}

static void transfer(struct file *file)
{
    struct drm_virtgpu_3d_transfer_to_host args = {
        .bo_handle = handle(file),
        .box = {small(file), small(file), small(file), small(file), small(file), small(file)},
        .level = small(file), .offset = small(file), .stride = small(file), .layer_stride = small(file),
    };
    try(file, random_once_in(&file->attack->random, 2) ? DRM_IOCTL_VIRTGPU_TRANSFER_TO_HOST
                                                       : DRM_IOCTL_VIRTGPU_TRANSFER_FROM_HOST, &args);
}

static void execute(struct file *file)
{
    struct random *random = &file->attack->random;
    uint32_t handles[8];
    for (int i = 0; i < 8; i++)
        handles[i] = handle(file);
    struct drm_virtgpu_execbuffer args = {
        .flags = random_below(random, 8),
        .size = random_once_in(random, 4) ? (uint32_t)random_edge(random) % MOST : random_below(random, SCRATCH),
        .command = pointer(file),
        .bo_handles = random_once_in(random, 8) ? pointer(file) : (uintptr_t)handles,
        .num_bo_handles = random_below(random, 9),
        .fence_fd = (int)small(file) - 1,
        .ring_idx = random_once_in(random, 4) ? small(file) : random_below(random, 66),
        .syncobj_stride = random_once_in(random, 6) ? small(file) : 0,
        .num_in_syncobjs = random_once_in(random, 6) ? small(file) : 0,
        .num_out_syncobjs = random_once_in(random, 6) ? small(file) : 0,
        .in_syncobjs = pointer(file),
        .out_syncobjs = pointer(file),
    };
    bool wanted = args.flags & VIRTGPU_EXECBUF_FENCE_FD_OUT;
    if (args.flags & VIRTGPU_EXECBUF_FENCE_FD_IN && args.fence_fd <= STDERR_FILENO)
        args.fence_fd = -1;
    random_fill(random, file->scratch, 64);
    int ret = attack_tried(file->attack, ioctl(file->fd, DRM_IOCTL_VIRTGPU_EXECBUFFER, &args) < 0 ? -errno : 0);
    if (ret == 0 && wanted && args.fence_fd > STDERR_FILENO)
        close(args.fence_fd);
}

static void map(struct file *file)
{
    struct drm_virtgpu_map args = {.handle = handle(file), .pad = small(file)};
    try(file, DRM_IOCTL_VIRTGPU_MAP, &args);
}

static void ask(struct file *file)
{
    struct drm_virtgpu_resource_info info = {.bo_handle = handle(file)};
    struct drm_virtgpu_get_caps caps = {.cap_set_id = small(file) % 16, .cap_set_ver = small(file),
                                        .addr = (uintptr_t)file->scratch, .size = small(file) % SCRATCH};
    struct drm_virtgpu_3d_wait wait = {.handle = handle(file), .flags = VIRTGPU_WAIT_NOWAIT};
    try(file, DRM_IOCTL_VIRTGPU_RESOURCE_INFO, &info);
    if (random_once_in(&file->attack->random, 8)) /* the driver waits for the answer, and keeps it for ever */
        try(file, DRM_IOCTL_VIRTGPU_GET_CAPS, &caps);
    try(file, DRM_IOCTL_VIRTGPU_WAIT, &wait);
}

static void close_one(struct file *file)
{
    struct drm_gem_close gem = {.handle = handle(file)};
    try(file, DRM_IOCTL_GEM_CLOSE, &gem);
}

static void (*const calls[])(struct file *file) = {
    context_init, create_blob, create_blob, create_resource, transfer, execute, execute, map, ask, close_one,
};

static void use_file(struct file *file)
{
    /* half of the files are good contexts first */
    if (random_once_in(&file->attack->random, 2) && door_init_context(file->fd, APIR_CAPSET_APIR, 64) == 0)
        attack_count(file->attack, TALLY_CONTEXTS);
    for (int i = 0; i < CALLS_A_FILE && !attack_is_over(file->attack); i++)
        calls[random_below(&file->attack->random, sizeof calls / sizeof *calls)](file);
}

void attack_ioctls(struct attack *attack)
{
    uint8_t *scratch = calloc(1, SCRATCH);
    while (scratch && !attack_is_over(attack)) {
        struct file file = {.attack = attack, .fd = door_open_node(), .scratch = scratch};
        if (file.fd < 0)
            break;
        use_file(&file);
        close(file.fd);
    }
    free(scratch);
}
