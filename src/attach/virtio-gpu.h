/* The virtio-gpu device of one virtual machine: its commands, without the transport that carries them. It offers one
 * capset (APIR), no display, and host memory in blobs. Not thread-safe: all of it runs in one loop. */
#ifndef APIR_ATTACH_VIRTIO_GPU_H
#define APIR_ATTACH_VIRTIO_GPU_H

#include <linux/virtio_gpu.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attach/context.h"
#include "attach/resource.h"
#include "attach/virtqueue.h"
#include "attach/window.h"

enum {
    /* The longest command: an EXECBUFFER of the largest size with its header. */
    APIR_MAX_COMMAND = APIR_MAX_FRAME + (int)sizeof(struct virtio_gpu_cmd_submit),
    APIR_VIRTIO_GPU_CONFIG = 20, /* bytes of the config space: with blob_alignment */
    APIR_VIRTIO_GPU_QUEUES = 2,  /* control, cursor */
};

/* Whether the guest can see the window. */
enum apir_window_state {
    APIR_WINDOW_PENDING, /* it will: MAP_BLOB waits */
    APIR_WINDOW_READY,
    APIR_WINDOW_ABSENT, /* it will not: MAP_BLOB fails */
};

/* The owner calls finish. */
struct apir_virtio_gpu {
    struct apir_loop *loop;
    const struct apir_log *log;
    const struct apir_worker_options *options;
    unsigned max_contexts;
    struct apir_pace pace; /* of starting workers */
    struct apir_window window;
    enum apir_window_state window_state;
    struct apir_resources resources;
    struct apir_list contexts; /* apir_context.link, also those that are closing */
    unsigned context_count;    /* those that the guest knows */
    unsigned worker_count;     /* processes */
    bool refused;              /* the last context, for want of room */
    struct apir_quota outboxes; /* what workers have not read yet */
    unsigned stale_count;      /* processes from before a reset: they may still write to the window */
    /* Answers a command; chain is what came with it. */
    void (*respond)(void *owner, const struct apir_chain *chain, const void *response, uint32_t size);
    void (*idle)(void *owner); /* the last worker is gone; may be NULL */
    void *owner;
};

/* 0 or -errno. */
int apir_virtio_gpu_init(struct apir_virtio_gpu *gpu, struct apir_loop *loop, const struct apir_log *log,
                         const struct apir_worker_options *options, uint64_t window_size, unsigned max_contexts);

/* Kills what still runs. A zeroed device is a no-op. */
void apir_virtio_gpu_finish(struct apir_virtio_gpu *gpu);

/* Handles one command of the control queue; it is answered by respond(), now or later. The bytes are a private copy,
 * aligned for any type. */
void apir_virtio_gpu_command(struct apir_virtio_gpu *gpu, const struct apir_request *request,
                             const struct apir_chain *chain);

/* Tells whether the guest can see the window. */
void apir_virtio_gpu_set_window(struct apir_virtio_gpu *gpu, enum apir_window_state state);

/* The guest or its machine was reset, or is gone: ends all contexts and forgets all resources and commands. The window
 * is cleared when the last worker is gone; what comes next waits for that. */
void apir_virtio_gpu_reset(struct apir_virtio_gpu *gpu, const char *reason);

/* Copies from the config space; beyond its end are zeros. */
void apir_virtio_gpu_read_config(uint32_t offset, void *data, uint32_t size);

#endif
