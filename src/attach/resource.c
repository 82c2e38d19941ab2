#include "attach/resource.h"

#include <errno.h>
#include <stdlib.h>

#include "util/checked.h"

void apir_resources_init(struct apir_resources *resources, struct apir_window *window)
{
    for (unsigned i = 0; i < APIR_RESOURCE_BUCKETS; i++)
        apir_list_init(&resources->buckets[i]);
    resources->count = 0;
    resources->share_count = 0;
    resources->window = window;
}

static struct apir_list *bucket_of(const struct apir_resources *resources, uint32_t id)
{
    return (struct apir_list *)(uintptr_t)&resources->buckets[id % APIR_RESOURCE_BUCKETS];
}

void apir_share_destroy(struct apir_resources *resources, struct apir_share *share)
{
    share->resource->removals -= share->removals;
    apir_list_remove(&share->of_resource);
    apir_list_remove(&share->of_context);
    resources->share_count--;
    free(share);
}

static void forget(struct apir_resources *resources, struct apir_resource *resource)
{
    while (!apir_list_empty(&resource->shares))
        apir_share_destroy(resources, apir_list_entry(resource->shares.next, struct apir_share, of_resource));
    apir_list_remove(&resource->link);
    resources->count--;
    free(resource);
}

void apir_resources_clear(struct apir_resources *resources)
{
    for (unsigned i = 0; i < APIR_RESOURCE_BUCKETS; i++)
        while (!apir_list_empty(&resources->buckets[i]))
            forget(resources, apir_list_entry(resources->buckets[i].next, struct apir_resource, link));
}

struct apir_resource *apir_resource_find(const struct apir_resources *resources, uint32_t id)
{
    const struct apir_list *bucket = bucket_of(resources, id);
    for (struct apir_list *link = bucket->next; link != bucket; link = link->next) {
        struct apir_resource *resource = apir_list_entry(link, struct apir_resource, link);
        if (resource->id == id)
            return resource;
    }
    return NULL;
}

static int check_new(const struct apir_resources *resources, uint32_t id, uint64_t *size)
{
    if (id == 0 || *size == 0 || !apir_checked_align(*size, APIR_WINDOW_PAGE, size) ||
        *size > resources->window->size)
        return EINVAL;
    if (apir_resource_find(resources, id))
        return EEXIST;
    return resources->count >= APIR_MAX_RESOURCES ? ENOSPC : 0;
}

struct apir_resource *apir_resource_create(struct apir_resources *resources, uint32_t id, uint64_t size)
{
    int error = check_new(resources, id, &size);
    if (error) {
        errno = error;
        return NULL;
    }
    struct apir_resource *resource = calloc(1, sizeof *resource);
    if (!resource)
        return NULL;
    resource->id = id;
    resource->size = size;
    apir_list_init(&resource->shares);
    apir_list_init(&resource->waiting);
    apir_list_append(bucket_of(resources, id), &resource->link);
    resources->count++;
    return resource;
}

void apir_resource_destroy(struct apir_resources *resources, struct apir_resource *resource)
{
    apir_resource_unmap(resources, resource);
    forget(resources, resource);
}

static void share_forget_unused(struct apir_resources *resources, struct apir_share *share)
{
    if (!share->attached && !share->given && share->removals == 0)
        apir_share_destroy(resources, share);
}

/* Gives the worker the memory, or takes it away, as the guest wants it. */
static void share_update(struct apir_resources *resources, struct apir_share *share)
{
    struct apir_resource *resource = share->resource;
    bool wanted = share->attached && resource->mapped && !share->context->lost;
    if (wanted == share->given)
        return;
    if (wanted) {
        /* if this fails, the context is lost, hence needs no memory */
        int fd = share->context->has_window ? -1 : resources->window->fd;
        share->given = apir_context_add_memory(share->context, resource->id, fd, resource->offset, resource->size) == 0;
        share->context->has_window = true;
        return;
    }
    /* if this fails, the context is lost and apir_share_lose() has counted the removal */
    if (apir_context_remove_memory(share->context, resource->id) < 0)
        return;
    share->given = false;
    share->removals++;
    resource->removals++;
}

void apir_share_lose(struct apir_share *share)
{
    if (!share->given)
        return;
    share->given = false;
    share->removals++;
    share->resource->removals++;
}

void apir_share_settle(struct apir_resources *resources, struct apir_share *share)
{
    share->resource->removals -= share->removals;
    share->removals = 0;
    share_forget_unused(resources, share);
}

static void update_all(struct apir_resources *resources, struct apir_resource *resource)
{
    for (struct apir_list *link = resource->shares.next; link != &resource->shares; link = link->next)
        share_update(resources, apir_list_entry(link, struct apir_share, of_resource));
}

int apir_resource_map(struct apir_resources *resources, struct apir_resource *resource, uint64_t offset)
{
    if (resource->placed)
        return -EBUSY;
    int ret = apir_window_take(resources->window, offset, resource->size);
    if (ret < 0)
        return ret;
    resource->offset = offset;
    resource->placed = true;
    resource->mapped = true;
    update_all(resources, resource);
    return 0;
}

void apir_resource_revoke(struct apir_resources *resources, struct apir_resource *resource)
{
    resource->mapped = false;
    update_all(resources, resource);
}

void apir_resource_unmap(struct apir_resources *resources, struct apir_resource *resource)
{
    if (!resource->placed)
        return;
    resource->mapped = false;
    resource->placed = false;
    apir_window_release(resources->window, resource->offset, resource->size);
}

static struct apir_share *find_share(const struct apir_resource *resource, const struct apir_context *context)
{
    for (struct apir_list *link = resource->shares.next; link != &resource->shares; link = link->next) {
        struct apir_share *share = apir_list_entry(link, struct apir_share, of_resource);
        if (share->context == context)
            return share;
    }
    return NULL;
}

static struct apir_share *create_share(struct apir_resources *resources, struct apir_resource *resource,
                                       struct apir_context *context)
{
    if (resources->share_count >= APIR_MAX_SHARES) {
        errno = ENOSPC;
        return NULL;
    }
    struct apir_share *share = calloc(1, sizeof *share);
    if (!share)
        return NULL;
    share->resource = resource;
    share->context = context;
    apir_list_append(&resource->shares, &share->of_resource);
    apir_list_append(&context->shares, &share->of_context);
    resources->share_count++;
    return share;
}

int apir_resource_attach(struct apir_resources *resources, struct apir_resource *resource,
                         struct apir_context *context)
{
    struct apir_share *share = find_share(resource, context);
    if (!share)
        share = create_share(resources, resource, context);
    if (!share)
        return -errno;
    share->attached = true;
    share_update(resources, share);
    return 0;
}

void apir_resource_detach(struct apir_resources *resources, struct apir_resource *resource,
                          struct apir_context *context)
{
    struct apir_share *share = find_share(resource, context);
    if (!share)
        return;
    share->attached = false;
    share_update(resources, share);
    share_forget_unused(resources, share);
}

bool apir_resource_removed(struct apir_resources *resources, struct apir_resource *resource,
                           struct apir_context *context)
{
    struct apir_share *share = find_share(resource, context);
    if (!share || share->removals == 0)
        return false;
    share->removals--;
    resource->removals--;
    share_forget_unused(resources, share);
    return true;
}
