#include "interposer/renderer.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "util/fd.h"

int apir_renderer_init(struct apir_renderer *renderer)
{
    pthread_mutex_init(&renderer->lock, NULL);
    apir_config_init(&renderer->config);
    apir_list_init(&renderer->host.guests);
    renderer->host.outboxes.limit = APIR_LINKS_MAX_OUTBOX;
    apir_retire_init(&renderer->host.retire);
    apir_resource_table_init(&renderer->resources);
    for (unsigned i = 0; i < APIR_RENDERER_BUCKETS; i++)
        apir_list_init(&renderer->contexts[i]);
    renderer->host.log = &renderer->log;
    renderer->poll_fd = -1;
    renderer->real_poll_fd = -1;
    return 0;
}

void apir_renderer_forked(struct apir_renderer *renderer)
{
    pthread_mutex_init(&renderer->lock, NULL); /* the parent held it */
    renderer->forked = true;
}

static struct apir_list *bucket_of(struct apir_renderer *renderer, uint32_t id)
{
    return &renderer->contexts[id % APIR_RENDERER_BUCKETS];
}

static struct apir_guest *find_locked(struct apir_renderer *renderer, uint32_t id)
{
    struct apir_list *bucket = bucket_of(renderer, id);
    for (struct apir_list *link = bucket->next; link != bucket && !renderer->forked; link = link->next)
        if (apir_list_entry(link, struct apir_guest, link)->id == id)
            return apir_list_entry(link, struct apir_guest, link);
    return NULL;
}

static struct apir_virgl_resource *find_resource_locked(struct apir_renderer *renderer, uint32_t id)
{
    return renderer->forked ? NULL : apir_resource_table_find(&renderer->resources, id);
}

void apir_renderer_set_callback(struct apir_renderer *renderer, const struct apir_fence_callback *callback,
                                bool at_once)
{
    apir_retire_set(&renderer->host.retire, callback, at_once);
}

static void close_poll_fd(struct apir_guest *guest)
{
    pthread_mutex_lock(&guest->host->retire.lock);
    apir_fd_close(&guest->poll_fd);
    pthread_mutex_unlock(&guest->host->retire.lock);
}

static void end_locked(struct apir_renderer *renderer, struct apir_guest *guest, const char *reason)
{
    apir_list_remove(&guest->link);
    renderer->context_count--;
    apir_config_drop(&renderer->config, guest->id); /* the next context of that id is another */
    close_poll_fd(guest);
    apir_guest_end(guest, reason);
}

void apir_renderer_reset(struct apir_renderer *renderer, const char *reason)
{
    pthread_mutex_lock(&renderer->lock);
    for (unsigned i = 0; i < APIR_RENDERER_BUCKETS && !renderer->forked; i++)
        while (!apir_list_empty(&renderer->contexts[i]))
            end_locked(renderer, apir_list_entry(renderer->contexts[i].next, struct apir_guest, link), reason);
    if (!renderer->forked)
        apir_resource_table_clear(&renderer->resources);
    bool forked = renderer->forked;
    pthread_mutex_unlock(&renderer->lock);
    if (!forked)
        apir_retire_reset(&renderer->host.retire);
}

void apir_renderer_cleanup(struct apir_renderer *renderer)
{
    static const struct apir_fence_callback nobody;
    apir_renderer_reset(renderer, "the hypervisor ends");
    pthread_mutex_lock(&renderer->lock);
    if (!renderer->forked) {
        apir_resource_table_unmap_removed(&renderer->resources);
        apir_config_clear(&renderer->config);
        apir_retire_set(&renderer->host.retire, &nobody, false);
    }
    pthread_mutex_unlock(&renderer->lock);
}

int apir_renderer_configure(struct apir_renderer *renderer, uint32_t context, const char *key, const char *value)
{
    pthread_mutex_lock(&renderer->lock);
    const struct apir_guest *guest = find_locked(renderer, context);
    /* its worker has been started with what was set by then */
    int ret = guest && guest->started ? -EBUSY : apir_config_set(&renderer->config, context, key, value);
    pthread_mutex_unlock(&renderer->lock);
    return ret;
}

bool apir_renderer_has_context(struct apir_renderer *renderer, uint32_t id)
{
    pthread_mutex_lock(&renderer->lock);
    bool found = find_locked(renderer, id) != NULL;
    pthread_mutex_unlock(&renderer->lock);
    return found;
}

bool apir_renderer_has_resource(struct apir_renderer *renderer, uint32_t id)
{
    pthread_mutex_lock(&renderer->lock);
    bool found = find_resource_locked(renderer, id) != NULL;
    pthread_mutex_unlock(&renderer->lock);
    return found;
}

static int start_service_locked(struct apir_renderer *renderer)
{
    if (renderer->host.service.started)
        return 0;
    apir_settings_open_log(&renderer->log);
    int ret = apir_service_start(&renderer->host.service);
    if (ret < 0)
        apir_error(&renderer->log, "cannot start a thread: %s", strerror(-ret));
    return ret;
}

static int create_locked(struct apir_renderer *renderer, uint32_t id)
{
    if (id == 0 || renderer->forked || find_locked(renderer, id))
        return -EINVAL;
    if (renderer->context_count >= APIR_MAX_RENDERER_CONTEXTS)
        return -ENOSPC;
    int ret = start_service_locked(renderer);
    if (ret < 0)
        return ret;
    struct apir_guest *guest = apir_guest_create(&renderer->host, id);
    if (!guest)
        return -ENOMEM;
    apir_list_append(bucket_of(renderer, id), &guest->link);
    renderer->context_count++;
    return 0;
}

int apir_renderer_create_context(struct apir_renderer *renderer, uint32_t id)
{
    pthread_mutex_lock(&renderer->lock);
    int ret = create_locked(renderer, id);
    pthread_mutex_unlock(&renderer->lock);
    return ret;
}

bool apir_renderer_destroy_context(struct apir_renderer *renderer, uint32_t id)
{
    pthread_mutex_lock(&renderer->lock);
    struct apir_guest *guest = find_locked(renderer, id);
    if (guest)
        end_locked(renderer, guest, "closed by the guest");
    pthread_mutex_unlock(&renderer->lock);
    return guest != NULL;
}

/* The worker is started when it is needed: until then the hypervisor may configure the context. */
static struct apir_guest *find_started_locked(struct apir_renderer *renderer, uint32_t id)
{
    struct apir_guest *guest = find_locked(renderer, id);
    const char *object = renderer->object[0] ? renderer->object : NULL;
    if (guest && !guest->started)
        apir_guest_start(guest, apir_settings_create(&renderer->config, id, object, &renderer->log));
    return guest;
}

static int submit_locked(struct apir_guest *guest, const void *data, int words)
{
    if (!data || words <= 0 || words > APIR_MAX_FRAME / 4)
        return -EINVAL;
    return apir_guest_submit(guest, data, (uint32_t)words * 4);
}

bool apir_renderer_submit(struct apir_renderer *renderer, uint32_t id, const void *data, int words, int *result)
{
    pthread_mutex_lock(&renderer->lock);
    struct apir_guest *guest = find_started_locked(renderer, id);
    if (guest)
        *result = submit_locked(guest, data, words);
    pthread_mutex_unlock(&renderer->lock);
    return guest != NULL;
}

bool apir_renderer_fence(struct apir_renderer *renderer, uint32_t id, uint32_t ring, uint64_t fence, int *result)
{
    pthread_mutex_lock(&renderer->lock);
    struct apir_guest *guest = find_started_locked(renderer, id);
    if (guest)
        *result = apir_guest_fence(guest, ring, fence);
    pthread_mutex_unlock(&renderer->lock);
    return guest != NULL;
}

bool apir_renderer_attach(struct apir_renderer *renderer, uint32_t context, uint32_t resource)
{
    pthread_mutex_lock(&renderer->lock);
    struct apir_guest *guest = find_started_locked(renderer, context);
    struct apir_virgl_resource *ours = find_resource_locked(renderer, resource);
    if (guest && ours)
        apir_guest_attach(guest, resource, ours->blob);
    pthread_mutex_unlock(&renderer->lock);
    return guest || ours;
}

bool apir_renderer_detach(struct apir_renderer *renderer, uint32_t context, uint32_t resource)
{
    pthread_mutex_lock(&renderer->lock);
    struct apir_guest *guest = find_locked(renderer, context);
    struct apir_virgl_resource *ours = find_resource_locked(renderer, resource);
    if (guest && guest->started && ours)
        apir_guest_detach(guest, resource);
    pthread_mutex_unlock(&renderer->lock);
    return guest || ours;
}

void apir_renderer_poll(struct apir_renderer *renderer, uint32_t context)
{
    eventfd_t count;
    pthread_mutex_lock(&renderer->lock);
    struct apir_guest *guest = context ? find_locked(renderer, context) : NULL;
    if (guest && guest->poll_fd >= 0)
        eventfd_read(guest->poll_fd,
                     &count); /* before its fences are taken: what comes later makes it readable again */
    bool forked = renderer->forked;
    pthread_mutex_unlock(&renderer->lock);
    if (!forked)
        apir_retire_poll(&renderer->host.retire, context);
}

bool apir_renderer_context_poll_fd(struct apir_renderer *renderer, uint32_t id, int *fd)
{
    pthread_mutex_lock(&renderer->lock);
    struct apir_guest *guest = find_locked(renderer, id);
    if (guest)
        *fd = apir_retire_fd(&renderer->host.retire, id, &guest->poll_fd);
    pthread_mutex_unlock(&renderer->lock);
    return guest != NULL;
}

/* Puts both into one epoll, which is readable when one of them is. 0 or -errno. */
static int combine_locked(struct apir_renderer *renderer, int real, int ours)
{
    struct epoll_event event = {.events = EPOLLIN};
    if (renderer->poll_fd < 0)
        renderer->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (renderer->poll_fd < 0)
        return -errno;
    if (renderer->real_poll_fd >= 0 && renderer->real_poll_fd != real)
        epoll_ctl(renderer->poll_fd, EPOLL_CTL_DEL, renderer->real_poll_fd, NULL);
    renderer->real_poll_fd = real;
    /* the real library may have closed its fd and opened another of that number: added again each time */
    if (epoll_ctl(renderer->poll_fd, EPOLL_CTL_ADD, real, &event) < 0 && errno != EEXIST)
        return -errno;
    if (epoll_ctl(renderer->poll_fd, EPOLL_CTL_ADD, ours, &event) < 0 && errno != EEXIST)
        return -errno;
    return 0;
}

int apir_renderer_poll_fd(struct apir_renderer *renderer, int real)
{
    if (real < 0)
        return real; /* then the hypervisor polls without being told */
    pthread_mutex_lock(&renderer->lock);
    int ours = renderer->forked ? -1 : apir_retire_fd(&renderer->host.retire, 0, &renderer->host.retire.wake);
    int result = ours >= 0 && combine_locked(renderer, real, ours) == 0 ? renderer->poll_fd : real;
    pthread_mutex_unlock(&renderer->lock);
    return result;
}

static void log_blob_locked(struct apir_renderer *renderer, uint32_t id, uint64_t size, int error)
{
    if (error == -EMFILE && !renderer->short_of_files)
        apir_warn(&renderer->log, "too many open files: blob %u is refused; raise the hypervisor's limit (ulimit -n)",
                  id);
    renderer->short_of_files |= error == -EMFILE; /* said once: a guest must not fill the log */
    if (error != -EMFILE)
        apir_debug(&renderer->log, "blob %u of %llu bytes refused: %s", id, (unsigned long long)size, strerror(-error));
}

int apir_renderer_create_blob(struct apir_renderer *renderer, uint32_t id, uint64_t size)
{
    pthread_mutex_lock(&renderer->lock);
    int ret = renderer->forked ? -EINVAL : apir_resource_table_add(&renderer->resources, &renderer->host, id, size);
    if (ret < 0)
        log_blob_locked(renderer, id, size, ret);
    pthread_mutex_unlock(&renderer->lock);
    return ret;
}

bool apir_renderer_with_resource(struct apir_renderer *renderer, uint32_t id,
                                 int (*call)(struct apir_virgl_resource *resource, void *argument), void *argument,
                                 int *result)
{
    pthread_mutex_lock(&renderer->lock);
    struct apir_virgl_resource *resource = find_resource_locked(renderer, id);
    if (resource)
        *result = call(resource, argument);
    pthread_mutex_unlock(&renderer->lock);
    return resource != NULL;
}

bool apir_renderer_unref(struct apir_renderer *renderer, uint32_t id)
{
    pthread_mutex_lock(&renderer->lock);
    struct apir_virgl_resource *resource = find_resource_locked(renderer, id);
    if (resource)
        apir_resource_table_remove(&renderer->resources, resource);
    pthread_mutex_unlock(&renderer->lock);
    return resource != NULL;
}

bool apir_renderer_unmap(struct apir_renderer *renderer, uint32_t id, int *result)
{
    pthread_mutex_lock(&renderer->lock);
    *result = renderer->forked ? -ENOENT : apir_resource_table_unmap(&renderer->resources, id);
    pthread_mutex_unlock(&renderer->lock);
    return *result != -ENOENT;
}
