#include "interposer/retire.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

void apir_retire_init(struct apir_retire *retire)
{
    memset(retire, 0, sizeof *retire);
    pthread_mutex_init(&retire->calling, NULL);
    pthread_mutex_init(&retire->lock, NULL);
    apir_list_init(&retire->ready);
    retire->wake = -1;
}

void apir_retire_set(struct apir_retire *retire, const struct apir_fence_callback *callback, bool at_once)
{
    pthread_mutex_lock(&retire->lock);
    retire->callback = *callback;
    retire->at_once = at_once;
    pthread_mutex_unlock(&retire->lock);
}

int apir_retire_begin(struct apir_retire *retire, struct apir_pending_fence *fence)
{
    pthread_mutex_lock(&retire->lock);
    int ret = !retire->callback.write ? -EINVAL : retire->count >= APIR_MAX_FENCES ? -ENOBUFS : 0;
    if (ret == 0) {
        retire->count++;
        fence->generation = retire->generation;
    }
    pthread_mutex_unlock(&retire->lock);
    return ret;
}

static void finish(struct apir_retire *retire, struct apir_pending_fence *fence)
{
    pthread_mutex_lock(&retire->lock);
    retire->count--;
    pthread_mutex_unlock(&retire->lock);
    fence->done(fence);
}

/* Calls the hypervisor, without the lock: it may call us. */
static void report(struct apir_retire *retire, struct apir_pending_fence *fence)
{
    pthread_mutex_lock(&retire->lock);
    struct apir_fence_callback callback = retire->callback;
    bool current = fence->generation == retire->generation;
    pthread_mutex_unlock(&retire->lock);
    if (current && callback.write)
        callback.write(callback.cookie, fence->context, fence->ring, fence->id);
    finish(retire, fence);
}

static void signal_fd(int fd)
{
    if (fd >= 0)
        eventfd_write(fd, 1);
}

void apir_retire_end(struct apir_retire *retire, struct apir_pending_fence *fence, const int *also)
{
    pthread_mutex_lock(&retire->calling);
    pthread_mutex_lock(&retire->lock);
    /* a fence that is forgotten wakes nobody */
    bool kept = !retire->at_once && fence->generation == retire->generation;
    if (kept) {
        apir_list_append(&retire->ready, &fence->link);
        signal_fd(retire->wake);
        signal_fd(*also);
    }
    pthread_mutex_unlock(&retire->lock);
    if (!kept)
        report(retire, fence);
    pthread_mutex_unlock(&retire->calling);
}

static bool is_of(struct apir_list *link, uint32_t context)
{
    return context == 0 || apir_list_entry(link, struct apir_pending_fence, link)->context == context;
}

static bool is_ready_locked(const struct apir_retire *retire, uint32_t context)
{
    for (struct apir_list *link = retire->ready.next; link != &retire->ready; link = link->next)
        if (is_of(link, context))
            return true;
    return false;
}

int apir_retire_fd(struct apir_retire *retire, uint32_t context, int *fd)
{
    pthread_mutex_lock(&retire->lock);
    if (*fd < 0 && !retire->at_once)
        *fd = eventfd(is_ready_locked(retire, context), EFD_CLOEXEC | EFD_NONBLOCK);
    int result = retire->at_once ? -1 : *fd;
    pthread_mutex_unlock(&retire->lock);
    return result;
}

/* Moves what is ready, of that context or of all, to a list of its own. */
static void take_ready(struct apir_retire *retire, uint32_t context, struct apir_list *taken)
{
    struct apir_list *next;
    eventfd_t count;
    apir_list_init(taken);
    pthread_mutex_lock(&retire->lock);
    for (struct apir_list *link = retire->ready.next; link != &retire->ready; link = next) {
        next = link->next;
        if (!is_of(link, context))
            continue;
        apir_list_remove(link);
        apir_list_append(taken, link);
    }
    if (retire->wake >= 0 && apir_list_empty(&retire->ready))
        eventfd_read(retire->wake, &count);
    pthread_mutex_unlock(&retire->lock);
}

void apir_retire_poll(struct apir_retire *retire, uint32_t context)
{
    struct apir_list taken, *link;
    take_ready(retire, context, &taken);
    while ((link = apir_list_take_first(&taken)))
        report(retire, apir_list_entry(link, struct apir_pending_fence, link));
}

void apir_retire_reset(struct apir_retire *retire)
{
    pthread_mutex_lock(&retire->calling);
    pthread_mutex_lock(&retire->lock);
    retire->generation++;
    pthread_mutex_unlock(&retire->lock);
    pthread_mutex_unlock(&retire->calling);
    apir_retire_poll(retire, 0); /* of an earlier generation: nothing is reported */
}
