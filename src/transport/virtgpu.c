/* The guest end of a link through a virtio-gpu device: a context of its render node. Commands are
 * the payload of EXECBUFFER; shared memory is a blob of the device's host-visible window.
 * uapi: drm/virtgpu_drm.h. */
#include "transport/transport.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <virtgpu_drm.h>
#include <xf86drm.h>

#include "transport/poll.h"
#include "transport/virtgpu.h"
#include "util/checked.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/log.h"
#include "wire/capset.h"
#include "wire/connection.h"

/* Missing in older headers; a kernel is asked before it is used. */
#ifndef VIRTGPU_CONTEXT_PARAM_DEBUG_NAME
#define VIRTGPU_CONTEXT_PARAM_DEBUG_NAME 0x0004
#define VIRTGPU_PARAM_EXPLICIT_DEBUG_NAME 8
#endif

enum {
    /* The granularity of blobs, enough for the page size of all but 64 KiB kernels. */
    BLOB_ALIGNMENT = 0x4000,
    MAX_HOST_BUFFER = 32 * 1024 * 1024, /* a window is 256 MiB or so, for all programs of a machine */
    CONTEXT_NAME_SIZE = 64,      /* the kernel keeps 63 characters */
    SLICE_NS = 50 * 1000 * 1000, /* how often a waiter looks whether the session still lives */
};

#define SIGN_NS UINT64_C(5000000000) /* a host that does not answer within that is gone */

struct virtgpu {
    struct apir_transport base;
    int fd;
    uint64_t alignment;       /* of blobs */
    bool is_uncertain;        /* the host can go, and be asked whether it is there */
    _Atomic bool gone;        /* it was asked, and is not; relaxed: nothing depends on it */
    _Atomic uint32_t freed;   /* blobs that were freed here; this and the next are relaxed: they only save waiting in vain */
    _Atomic uint32_t settled; /* those whose place in the window is known to be free */
    bool busy;                /* polling without a pause may help: there is more than one processor */
};

static struct virtgpu *virtgpu_of(struct apir_transport *transport)
{
    return (struct virtgpu *)transport;
}

static int command(struct virtgpu *gpu, unsigned long request, void *args)
{
    /* drmIoctl repeats after EINTR and EAGAIN */
    return drmIoctl(gpu->fd, request, args) < 0 ? -errno : 0;
}

static void close_blob(struct virtgpu *gpu, uint32_t bo)
{
    struct drm_gem_close args = {.handle = bo};
    command(gpu, DRM_IOCTL_GEM_CLOSE, &args);
}

/* The host's memory for a blob is new, hence zero (a host that reuses memory punches it first). */
static int create_blob(struct virtgpu *gpu, uint64_t size, uint32_t *bo, uint32_t *resource)
{
    struct drm_virtgpu_resource_create_blob args = {
        .blob_mem = VIRTGPU_BLOB_MEM_HOST3D,
        .blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE,
        .size = size,
    };
    int ret = command(gpu, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB, &args);
    if (ret == -ENOSPC) /* the window has no gap of that size */
        return -ENOMEM;
    if (ret < 0)
        return ret;
    *bo = args.bo_handle;
    *resource = args.res_handle;
    return 0;
}

/* fence_fd: NULL, or where an fd goes that is readable once the host has taken the commands. */
static int execute(struct virtgpu *gpu, const void *payload, size_t size, int *fence_fd)
{
    if (size > APIR_MAX_FRAME)
        return -EMSGSIZE;
    struct drm_virtgpu_execbuffer args = {
        .flags = VIRTGPU_EXECBUF_RING_IDX | (fence_fd ? VIRTGPU_EXECBUF_FENCE_FD_OUT : 0),
        .size = (uint32_t)size,
        .command = (uintptr_t)payload,
        .fence_fd = -1,
    };
    int ret = command(gpu, DRM_IOCTL_VIRTGPU_EXECBUFFER, &args);
    if (ret == 0 && fence_fd)
        *fence_fd = args.fence_fd;
    return ret == -ENODEV ? -EPIPE : ret; /* ENODEV: the device was unplugged */
}

/* Waits until the host has taken the commands. */
static int probe(struct virtgpu *gpu, const void *payload, size_t size, uint64_t timeout_ns)
{
    struct pollfd fence = {.fd = -1, .events = POLLIN};
    int ret = execute(gpu, payload, size, &fence.fd);
    if (ret < 0)
        return ret;
    do
        ret = poll(&fence, 1, (int)(timeout_ns / 1000000));
    while (ret < 0 && errno == EINTR);
    ret = ret > 0 ? 0 : ret == 0 ? -ETIMEDOUT : -errno;
    apir_fd_close(&fence.fd);
    return ret;
}

/* The kernel waits for the host's answer in mmap(), without end and without regard to signals. A host that is gone (a daemon
 * that was ended under the machine) is noticed before that; and what it is asked later is not waited for. */
static int make_sure(struct virtgpu *gpu)
{
    const uint32_t words[] = {APIR_COMMAND_NOTHING + gpu->base.command_base, 0, 0};
    if (!gpu->is_uncertain)
        return 0;
    if (atomic_load_explicit(&gpu->gone, memory_order_relaxed))
        return -ETIMEDOUT;
    int ret = probe(gpu, words, sizeof words, SIGN_NS);
    if (ret == -ETIMEDOUT)
        atomic_store_explicit(&gpu->gone, true, memory_order_relaxed);
    return ret;
}

static int map_blob(struct virtgpu *gpu, uint32_t bo, uint64_t size, void **data)
{
    struct drm_virtgpu_map args = {.handle = bo};
    int ret = command(gpu, DRM_IOCTL_VIRTGPU_MAP, &args);
    if (ret == 0)
        ret = make_sure(gpu);
    if (ret < 0)
        return ret;
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, gpu->fd, (off_t)args.offset);
    if (map == MAP_FAILED)
        /* what the kernel says when the host has refused to make or to map the blob */
        return errno == EINVAL ? -ENOMEM : -errno;
    if (madvise(map, size, MADV_DONTFORK) < 0) {
        ret = -errno;
        munmap(map, size);
        return ret;
    }
    *data = map;
    return 0;
}

static int make_blob(struct virtgpu *gpu, uint64_t size, struct apir_shm *shm)
{
    struct apir_shm made = {.size = size};
    int ret = create_blob(gpu, size, &made.private, &made.id);
    if (ret < 0)
        return ret;
    ret = map_blob(gpu, made.private, size, &made.data);
    if (ret < 0) {
        close_blob(gpu, made.private);
        return ret;
    }
    *shm = made;
    return 0;
}

/* Memory that was freed takes up its place in the window until the host has answered, which the kernel does not wait for:
 * a busy host takes a while. Waits until all that was freed here is there again. False: it was before, or the host is gone. */
static bool is_given_back(struct virtgpu *gpu)
{
    uint32_t freed = atomic_load_explicit(&gpu->freed, memory_order_relaxed);
    if (freed == atomic_load_explicit(&gpu->settled, memory_order_relaxed) || make_sure(gpu) < 0)
        return false;
    atomic_store_explicit(&gpu->settled, freed, memory_order_relaxed);
    return true;
}

static int virtgpu_shm_create(struct apir_transport *transport, uint64_t size, struct apir_shm *shm)
{
    struct virtgpu *gpu = virtgpu_of(transport);
    uint64_t rounded;
    if (size == 0)
        return -EINVAL;
    if (!apir_checked_align(size, gpu->alignment, &rounded) || rounded > INT64_MAX)
        return -ENOMEM;
    int ret = make_blob(gpu, rounded, shm);
    return ret == -ENOMEM && is_given_back(gpu) ? make_blob(gpu, rounded, shm) : ret;
}

static void virtgpu_shm_destroy(struct apir_transport *transport, struct apir_shm *shm)
{
    struct virtgpu *gpu = virtgpu_of(transport);
    if (!shm->data)
        return;
    munmap(shm->data, shm->size);
    close_blob(gpu, shm->private);
    atomic_fetch_add_explicit(&gpu->freed, 1, memory_order_relaxed);
    *shm = (struct apir_shm){0};
}

static int virtgpu_submit(struct apir_transport *transport, const void *payload, size_t size)
{
    return execute(virtgpu_of(transport), payload, size, NULL);
}

static int virtgpu_probe(struct apir_transport *transport, const void *payload, size_t size,
                         uint64_t timeout_ns)
{
    return probe(virtgpu_of(transport), payload, size, timeout_ns);
}

static int virtgpu_wait(struct apir_transport *transport, _Atomic uint32_t *word, uint32_t seen,
                        _Atomic uint32_t *sleeping, uint64_t timeout_ns)
{
    (void)sleeping; /* nothing could wake us */
    if (timeout_ns > SLICE_NS)
        timeout_ns = SLICE_NS;
    apir_poll(word, seen, virtgpu_of(transport)->busy, timeout_ns);
    return 0;
}

static void virtgpu_destroy(struct apir_transport *transport)
{
    struct virtgpu *gpu = virtgpu_of(transport);
    apir_fd_close(&gpu->fd);
    free(gpu);
}

static const struct apir_transport_ops virtgpu_ops = {
    .name = "virtgpu",
    .shm_create = virtgpu_shm_create,
    .shm_destroy = virtgpu_shm_destroy,
    .submit = virtgpu_submit,
    .wait = virtgpu_wait,
    .probe = virtgpu_probe,
    .destroy = virtgpu_destroy,
};

/* A failed CONTEXT_INIT leaves the file half initialised: what the kernel can do is asked first. */
static bool has_context_names(struct virtgpu *gpu)
{
    int value = 0;
    struct drm_virtgpu_getparam args = {
        .param = VIRTGPU_PARAM_EXPLICIT_DEBUG_NAME,
        .value = (uintptr_t)&value,
    };
    return command(gpu, DRM_IOCTL_VIRTGPU_GETPARAM, &args) == 0 && value;
}

static int init_context(struct virtgpu *gpu, uint32_t capset)
{
    char name[CONTEXT_NAME_SIZE];
    snprintf(name, sizeof name, "%s %s", APIR_CONTEXT_MARKER, program_invocation_short_name);
    struct drm_virtgpu_context_set_param params[] = {
        {.param = VIRTGPU_CONTEXT_PARAM_CAPSET_ID, .value = capset},
        {.param = VIRTGPU_CONTEXT_PARAM_NUM_RINGS, .value = 1},
        {.param = VIRTGPU_CONTEXT_PARAM_POLL_RINGS_MASK, .value = 0},
        {.param = VIRTGPU_CONTEXT_PARAM_DEBUG_NAME, .value = (uintptr_t)name},
    };
    struct drm_virtgpu_context_init args = {
        .num_params = has_context_names(gpu) ? 4 : 3,
        .ctx_set_params = (uintptr_t)params,
    };
    return command(gpu, DRM_IOCTL_VIRTGPU_CONTEXT_INIT, &args);
}

static uint64_t blob_alignment(void)
{
    long page = sysconf(_SC_PAGESIZE);
    return page > BLOB_ALIGNMENT ? (uint64_t)page : BLOB_ALIGNMENT;
}

struct apir_transport *apir_transport_virtgpu_open(const struct apir_virtgpu_options *options,
                                                   const struct apir_log *log, char *reason,
                                                   size_t reason_size)
{
    struct apir_virtgpu_node node;
    int ret = apir_virtgpu_node_find(options, log, &node, reason, reason_size);
    if (ret < 0)
        goto err;

    struct virtgpu *gpu = calloc(1, sizeof *gpu);
    if (!gpu) {
        snprintf(reason, reason_size, "out of memory");
        ret = -ENOMEM;
        goto err_fd;
    }
    gpu->base.ops = &virtgpu_ops;
    gpu->base.max_host_buffer = MAX_HOST_BUFFER;
    gpu->base.command_base = node.capset == APIR_CAPSET_VENUS ? APIR_VENUS_COMMAND_BASE : 0;
    snprintf(gpu->base.door, sizeof gpu->base.door, "%s (virtio-gpu, capset %u)", node.path,
             node.capset);
    gpu->fd = node.fd;
    gpu->alignment = blob_alignment();
    gpu->is_uncertain = node.takes_nothing;
    gpu->busy = sysconf(_SC_NPROCESSORS_ONLN) > 1;

    ret = init_context(gpu, node.capset);
    if (ret < 0) {
        snprintf(reason, reason_size, "%s: cannot make a context of capset %u: %s", node.path,
                 node.capset, strerror(-ret));
        goto err_gpu;
    }
    return &gpu->base;

err_gpu:
    free(gpu);
err_fd:
    apir_fd_close(&node.fd);
err:
    errno = -ret;
    return NULL;
}
