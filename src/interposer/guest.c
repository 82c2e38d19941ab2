#include "interposer/guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "util/fd.h"
#include "wire/status.h"

/* Memory that a guest's context has attached. */
struct share {
    struct apir_list link; /* apir_guest.shares */
    uint32_t id;
    struct apir_blob *blob;
};

struct submit_job {
    struct apir_job job;
    struct apir_guest *guest;
    uint32_t size;
    uint8_t data[];
};

struct memory_job {
    struct apir_job job;
    struct apir_guest *guest;
    uint32_t id;
    struct apir_blob *blob; /* NULL: detach */
};

struct fence_job {
    struct apir_job job;
    struct apir_guest *guest;
    struct apir_fence fence;           /* of the worker */
    struct apir_pending_fence pending; /* of the hypervisor */
};

static struct share *find_share(const struct apir_guest *guest, uint32_t id)
{
    for (struct apir_list *link = guest->shares.next; link != &guest->shares; link = link->next)
        if (apir_list_entry(link, struct share, link)->id == id)
            return apir_list_entry(link, struct share, link);
    return NULL;
}

static void drop_share(struct share *share)
{
    apir_list_remove(&share->link);
    apir_blob_unref(share->blob);
    free(share);
}

/* Writes to the page in which the guest waits for an answer that none will come. */
static void tell_dead(struct apir_guest *guest, const struct apir_context *context)
{
    const struct share *share = find_share(guest, context->status_page);
    if (!share || guest->ended)
        return;
    uint64_t size = share->blob->size < APIR_STATUS_PAGE_SIZE ? share->blob->size : APIR_STATUS_PAGE_SIZE;
    void *page = apir_blob_map(share->blob, NULL, size);
    if (!page)
        return;
    apir_context_tell_dead(context, page, size);
    munmap(page, size);
}

static bool context_removed(void *owner, struct apir_context *context, uint32_t id)
{
    (void)owner, (void)context, (void)id;
    return true; /* nobody waits: each blob is memory of its own */
}

static void fence_reached(struct fence_job *job)
{
    apir_retire_end(&job->guest->host->retire, &job->pending, &job->guest->poll_fd);
}

static void context_fenced(void *owner, struct apir_fence *fence, bool good)
{
    (void)owner, (void)good; /* a fence of the hypervisor cannot fail */
    fence_reached(apir_list_entry(fence, struct fence_job, fence));
}

static void context_lost(void *owner, struct apir_context *context)
{
    tell_dead(owner, context);
}

static void destroy(struct apir_guest *guest)
{
    while (!apir_list_empty(&guest->shares))
        drop_share(apir_list_entry(guest->shares.next, struct share, link));
    apir_list_remove(&guest->of_host);
    apir_context_destroy(guest->context);
    apir_settings_destroy(guest->settings);
    free(guest);
}

static void context_gone(void *owner, struct apir_context *context)
{
    struct apir_guest *guest = owner;
    (void)context;
    guest->host->workers--;
    if (guest->ended)
        destroy(guest);
}

static int start_worker(struct apir_guest *guest)
{
    static const struct apir_context_events events = {context_removed, context_fenced, context_lost, context_gone};
    struct apir_host *host = guest->host;
    if (!guest->settings)
        return -ENOMEM;
    if (host->workers >= APIR_MAX_WORKERS)
        return -EAGAIN;
    guest->context =
        apir_context_create(&host->service.loop, host->log, &guest->settings->options, NULL, guest->id, &events, guest);
    if (!guest->context)
        return -errno;
    guest->context->worker.quota = &host->outboxes;
    host->workers++;
    return 0;
}

static void log_failure(const struct apir_guest *guest, int error)
{
    const struct apir_worker_options *options = guest->settings ? &guest->settings->options : NULL;
    if (guest->host->workers >= APIR_MAX_WORKERS)
        apir_error(guest->host->log, "context %u: refused: %u workers run", guest->id, guest->host->workers);
    else if (options && options->socket)
        apir_error(guest->host->log,
                   "context %u: cannot connect to %s: %s; VIRGL_APIR_SOCKET is the --listen socket of "
                   "an apird",
                   guest->id, options->socket, strerror(-error));
    else
        apir_error(guest->host->log, "context %u: cannot start %s: %s; VIRGL_APIR_WORKER is the path of apird-worker",
                   guest->id, options ? options->path : "a worker", strerror(-error));
}

static void run_start(struct apir_job *job)
{
    struct apir_guest *guest = apir_list_entry(job, struct apir_guest, start);
    int ret = start_worker(guest);
    if (ret < 0)
        log_failure(guest, ret);
}

static struct apir_context *context_of(struct apir_guest *guest)
{
    return guest->context ? guest->context : &guest->none;
}

static void run_submit(struct apir_job *job)
{
    struct submit_job *submit = apir_list_entry(job, struct submit_job, job);
    struct apir_context *context = context_of(submit->guest);
    bool lost = context->lost; /* else it is told when the context becomes lost */
    apir_context_submit(context, submit->data, submit->size);
    if (lost)
        tell_dead(submit->guest, context);
    free(submit);
}

static void run_fence(struct apir_job *job)
{
    struct fence_job *fence = apir_list_entry(job, struct fence_job, job);
    struct apir_context *context = context_of(fence->guest);
    if (context->lost || apir_context_fence(context, &fence->fence) < 0)
        fence_reached(fence);
}

static void attach(struct apir_guest *guest, uint32_t id, struct apir_blob *blob)
{
    struct share *share = find_share(guest, id) ? NULL : calloc(1, sizeof *share);
    if (!share)
        return; /* attached already; without memory the worker refuses what names it */
    share->id = id;
    share->blob = apir_blob_ref(blob);
    apir_list_append(&guest->shares, &share->link);
    if (!context_of(guest)->lost)
        apir_context_add_memory(guest->context, id, blob->fd, 0, blob->size);
}

static void detach(struct apir_guest *guest, uint32_t id)
{
    struct share *share = find_share(guest, id);
    if (!share)
        return;
    if (!context_of(guest)->lost)
        apir_context_remove_memory(guest->context, id);
    drop_share(share);
}

static void run_memory(struct apir_job *job)
{
    struct memory_job *memory = apir_list_entry(job, struct memory_job, job);
    if (memory->blob)
        attach(memory->guest, memory->id, memory->blob);
    else
        detach(memory->guest, memory->id);
    apir_blob_unref(memory->blob);
    free(memory);
}

void apir_guest_detach_all(struct apir_host *host, uint32_t id)
{
    for (struct apir_list *link = host->guests.next; link != &host->guests; link = link->next)
        detach(apir_list_entry(link, struct apir_guest, of_host), id);
}

static void run_overrun(struct apir_job *job)
{
    struct apir_guest *guest = apir_list_entry(job, struct apir_guest, overrun);
    if (guest->context && !guest->context->lost)
        apir_context_end(guest->context, "its guest sends more than can be taken");
}

static void run_end(struct apir_job *job)
{
    struct apir_guest *guest = apir_list_entry(job, struct apir_guest, end);
    guest->ended = true;
    if (guest->context)
        apir_context_end(guest->context, guest->reason);
    if (!guest->context || guest->context->gone)
        destroy(guest);
}

static void run_create(struct apir_job *job)
{
    struct apir_guest *guest = apir_list_entry(job, struct apir_guest, start);
    apir_list_append(&guest->host->guests, &guest->of_host);
    run_start(job);
}

struct apir_guest *apir_guest_create(struct apir_host *host, uint32_t id)
{
    struct apir_guest *guest = calloc(1, sizeof *guest);
    if (!guest)
        return NULL;
    guest->host = host;
    guest->id = id;
    guest->poll_fd = -1;
    guest->none = (struct apir_context){.id = id, .lost = true, .worker.fd = -1};
    guest->start.run = run_create;
    guest->overrun.run = run_overrun;
    guest->end.run = run_end;
    apir_list_init(&guest->link);
    apir_list_init(&guest->of_host);
    apir_list_init(&guest->shares);
    return guest;
}

void apir_guest_start(struct apir_guest *guest, struct apir_settings *settings)
{
    guest->started = true;
    guest->settings = settings;
    apir_service_post(&guest->host->service, &guest->start);
}

/* Hands a job over; a context of which one gets lost is at its end. */
static int post(struct apir_guest *guest, struct apir_job *job)
{
    int ret = apir_service_try_post(&guest->host->service, job, &guest->account);
    if (ret < 0 && !guest->overran) {
        guest->overran = true;
        apir_service_post(&guest->host->service, &guest->overrun);
    }
    return ret;
}

int apir_guest_submit(struct apir_guest *guest, const void *data, uint32_t size)
{
    if (size > APIR_MAX_FRAME)
        return -EINVAL;
    struct submit_job *submit = malloc(sizeof *submit + size);
    if (!submit)
        return -ENOMEM;
    submit->job.run = run_submit;
    submit->job.size = size;
    submit->guest = guest;
    submit->size = size;
    memcpy(submit->data, data, size);
    int ret = post(guest, &submit->job);
    if (ret < 0)
        free(submit);
    return ret;
}

static void fence_done(struct apir_pending_fence *pending)
{
    free(apir_list_entry(pending, struct fence_job, pending));
}

int apir_guest_fence(struct apir_guest *guest, uint32_t ring, uint64_t id)
{
    struct fence_job *fence = calloc(1, sizeof *fence);
    if (!fence)
        return -ENOMEM;
    fence->job.run = run_fence;
    fence->guest = guest;
    fence->fence.ring = ring;
    fence->pending = (struct apir_pending_fence){.context = guest->id, .ring = ring, .id = id, .done = fence_done};
    int ret = apir_retire_begin(&guest->host->retire, &fence->pending);
    if (ret < 0)
        free(fence);
    else
        apir_service_post(&guest->host->service, &fence->job); /* never lost: the hypervisor waits for it */
    return ret;
}

static int post_memory(struct apir_guest *guest, uint32_t id, struct apir_blob *blob)
{
    struct memory_job *memory = calloc(1, sizeof *memory);
    if (!memory)
        return -ENOMEM;
    memory->job.run = run_memory;
    memory->guest = guest;
    memory->id = id;
    memory->blob = blob ? apir_blob_ref(blob) : NULL;
    int ret = post(guest, &memory->job);
    if (ret < 0) {
        apir_blob_unref(memory->blob);
        free(memory);
    }
    return ret;
}

int apir_guest_attach(struct apir_guest *guest, uint32_t id, struct apir_blob *blob)
{
    return post_memory(guest, id, blob);
}

int apir_guest_detach(struct apir_guest *guest, uint32_t id)
{
    return post_memory(guest, id, NULL);
}

void apir_guest_end(struct apir_guest *guest, const char *reason)
{
    guest->reason = reason;
    apir_service_post(&guest->host->service, &guest->end);
}
