/* A context of a virtual machine and the worker that serves it. Commands that wait for the worker are kept here. Not
 * thread-safe: all of a device runs in one loop. */
#ifndef APIR_ATTACH_CONTEXT_H
#define APIR_ATTACH_CONTEXT_H

#include <linux/virtio_gpu.h>
#include <stdbool.h>
#include <stdint.h>

#include "attach/link.h"
#include "attach/virtqueue.h"
#include "attach/worker-process.h"

struct apir_context;

/* A command of the guest that is answered later. Owned by the list that it is in. */
struct apir_gpu_command {
    struct apir_list link; /* apir_context.fences or apir_resource.waiting */
    struct virtio_gpu_ctrl_hdr header;
    struct apir_chain chain;
    uint64_t offset; /* of MAP_BLOB */
    uint64_t fence;  /* of SUBMIT_3D: the worker's name of it */
    bool done;       /* of SUBMIT_3D: the worker has reached the fence */
};

/* What a context tells its device. */
struct apir_context_events {
    /* The worker has stopped using memory id. */
    void (*removed)(void *owner, struct apir_context *context, uint32_t id);
    /* A fenced command is to be answered; the callee owns it. good: false if the worker is lost. */
    void (*fenced)(void *owner, struct apir_gpu_command *command, bool good);
    /* The worker is lost: it takes nothing any more. Called once, before the fences are answered. */
    void (*lost)(void *owner, struct apir_context *context);
    /* The worker's process is reaped: nothing uses the context's memory any more. The callee may destroy it. */
    void (*gone)(void *owner, struct apir_context *context);
};

/* Owned by its device, which destroys it. */
struct apir_context {
    struct apir_list link; /* of the device */
    uint32_t id;           /* the guest's, which uses it again after CTX_DESTROY */
    bool closing;          /* the guest has destroyed it; it waits for the worker's end */
    bool stale;            /* from before a device reset */
    bool lost;
    uint32_t status_page; /* resource id, 0: none */
    struct apir_list shares; /* apir_share.of_context */
    struct apir_list fences; /* apir_gpu_command.link, in the order in which they came */
    uint64_t next_fence;
    unsigned removals; /* SHM_REMOVE frames not yet answered */
    struct apir_timer removal_timer;
    struct apir_loop *loop;
    struct apir_worker_process process;
    struct apir_link worker;
    const char *reason; /* why it ended, static text; NULL: the worker's own end */
    const struct apir_log *log;
    const struct apir_context_events *events;
    void *owner;
};

/* Starts a worker. Returns NULL with errno set. */
struct apir_context *apir_context_create(struct apir_loop *loop, const struct apir_log *log,
                                         const struct apir_worker_options *options, uint32_t id,
                                         const struct apir_context_events *events, void *owner);

/* Frees it; a worker that still runs is killed and reaped. Shares and fences must be gone. NULL is a no-op. */
void apir_context_destroy(struct apir_context *context);

/* The guest's EXECBUFFER. 0 or -errno: then the worker is lost. */
int apir_context_submit(struct apir_context *context, const void *data, uint32_t size);

/* Answers the command (takes ownership on success) when the worker has reached this point. 0 or -errno. */
int apir_context_fence(struct apir_context *context, struct apir_gpu_command *command);

/* Gives memory [offset, offset + size) of fd (borrowed) to the worker as id. 0 or -errno. */
int apir_context_add_memory(struct apir_context *context, uint32_t id, int fd, uint64_t offset, uint64_t size);

/* Asks the worker to stop using memory id: removed() follows, or gone() if it is lost or takes longer than
 * APIR_WORKER_PATIENCE_MS. 0, or -errno if the worker is lost. */
int apir_context_remove_memory(struct apir_context *context, uint32_t id);

/* Ends the context: the worker is given APIR_WORKER_PATIENCE_MS to end by itself. Returns at once; gone() follows,
 * unless the process is gone already. reason is static text. */
void apir_context_end(struct apir_context *context, const char *reason);

#endif
