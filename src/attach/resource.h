/* The resources of a virtual machine, and which contexts share them. A resource has memory while it is mapped into the
 * window; a worker is given that memory while its context is attached, and must give it up before it is reused. */
#ifndef APIR_ATTACH_RESOURCE_H
#define APIR_ATTACH_RESOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "attach/context.h"
#include "attach/window.h"

enum {
    APIR_MAX_RESOURCES = 65536, /* what a guest can make the daemon remember; 1,500 live ones were seen */
    APIR_MAX_SHARES = 131072,   /* the same for attachments: two contexts for each resource */
    APIR_RESOURCE_BUCKETS = 1024,
};

/* Zero-initialised must be given to init. Owns its resources and their shares. */
struct apir_resources {
    struct apir_list buckets[APIR_RESOURCE_BUCKETS]; /* apir_resource.link */
    unsigned count;
    unsigned share_count;
    struct apir_window *window; /* borrowed */
};

/* A blob. Owned by its table. */
struct apir_resource {
    struct apir_list link; /* apir_resources.buckets */
    uint32_t id;
    uint64_t size;   /* bytes, multiple of the page size */
    uint64_t offset; /* in the window, while it has a range of it */
    bool mapped;     /* its memory is there for the guest, and for workers */
    bool placed;     /* it has a range of the window: from mapping until all workers have given it up */
    bool doomed;     /* UNREF has come */
    unsigned removals;        /* that workers have not yet acknowledged */
    struct apir_list shares;  /* apir_share.of_resource */
    struct apir_list waiting; /* the commands UNMAP, UNREF, MAP, in order */
};

/* A resource attached to a context, or until recently. Owned by its resource. */
struct apir_share {
    struct apir_list of_resource; /* apir_resource.shares */
    struct apir_list of_context;  /* apir_context.shares */
    struct apir_resource *resource;
    struct apir_context *context;
    bool attached;     /* as the guest wants it */
    bool given;        /* the worker has the memory */
    unsigned removals; /* as in apir_resource */
};

void apir_resources_init(struct apir_resources *resources, struct apir_window *window);

/* Forgets all resources and shares; their waiting commands must be gone. The window is left alone. */
void apir_resources_clear(struct apir_resources *resources);

/* Makes a resource of that size, without memory. NULL with errno: EEXIST, ENOSPC (too many), EINVAL (size 0, or larger
 * than the window), ENOMEM. */
struct apir_resource *apir_resource_create(struct apir_resources *resources, uint32_t id, uint64_t size);

/* Frees it, with its shares and its range of the window. No worker may have its memory. */
void apir_resource_destroy(struct apir_resources *resources, struct apir_resource *resource);

/* NULL if there is none. */
struct apir_resource *apir_resource_find(const struct apir_resources *resources, uint32_t id);

/* Gives it memory at offset in the window, and workers that memory. 0, -EINVAL or -EBUSY. */
int apir_resource_map(struct apir_resources *resources, struct apir_resource *resource, uint64_t offset);

/* First phase: takes its memory from workers; resource->removals says how many have yet to give it up. */
void apir_resource_revoke(struct apir_resources *resources, struct apir_resource *resource);

/* Second phase: gives its range of the window back. resource->removals must be 0. */
void apir_resource_unmap(struct apir_resources *resources, struct apir_resource *resource);

/* Attaches it to a context, or detaches it; more than once is as once. 0, -ENOSPC or -ENOMEM. */
int apir_resource_attach(struct apir_resources *resources, struct apir_resource *resource,
                         struct apir_context *context);
void apir_resource_detach(struct apir_resources *resources, struct apir_resource *resource,
                          struct apir_context *context);

/* A worker has acknowledged the removal of a resource from its context. False: it was not asked for. */
bool apir_resource_removed(struct apir_resources *resources, struct apir_resource *resource,
                           struct apir_context *context);

/* The context's worker is gone: it has no memory any more. Frees the share unless the guest still wants it. */
void apir_share_settle(struct apir_resources *resources, struct apir_share *share);

/* The same, whatever the guest wants. */
void apir_share_destroy(struct apir_resources *resources, struct apir_share *share);

/* The context is lost: its worker has the memory until it is gone. */
void apir_share_lose(struct apir_share *share);

#endif
