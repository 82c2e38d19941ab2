#include "attach/virtio-gpu.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_gpu.h>
#include <stdlib.h>
#include <string.h>

#include "wire/capset.h"

enum {
    ANSWERED = 0, /* a handler's result: it has answered itself, or will later */
    CAPSET_COUNT = 1,
    MAX_BODY = sizeof(struct virtio_gpu_resp_display_info) - sizeof(struct virtio_gpu_ctrl_hdr),
};

/* A command of the guest that is answered later. Owned by what it waits for. */
struct command {
    struct apir_list link;   /* apir_resource.waiting */
    struct apir_fence fence; /* of SUBMIT_3D */
    struct virtio_gpu_ctrl_hdr header;
    struct apir_chain chain;
    uint64_t offset; /* of MAP_BLOB */
};

/* A command as a handler sees it. */
struct call {
    const struct virtio_gpu_ctrl_hdr *header;
    const void *data; /* the whole command, at least as long as its struct */
    uint32_t size;
    const struct apir_chain *chain;
};

static void answer_with(struct apir_virtio_gpu *gpu, const struct virtio_gpu_ctrl_hdr *header,
                        const struct apir_chain *chain, uint32_t type, const void *body, uint32_t size)
{
    struct {
        struct virtio_gpu_ctrl_hdr header;
        uint8_t body[MAX_BODY];
    } response;
    memset(&response.header, 0, sizeof response.header);
    response.header.type = htole32(type);
    if (le32toh(header->flags) & VIRTIO_GPU_FLAG_FENCE) {
        response.header.flags =
            header->flags & htole32(VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX);
        response.header.fence_id = header->fence_id;
        response.header.ctx_id = header->ctx_id;
        response.header.ring_idx = header->ring_idx;
    }
    if (size > 0)
        memcpy(response.body, body, size);
    gpu->respond(gpu->owner, chain, &response, (uint32_t)sizeof response.header + size);
}

static void answer(struct apir_virtio_gpu *gpu, const struct virtio_gpu_ctrl_hdr *header,
                   const struct apir_chain *chain, uint32_t type)
{
    answer_with(gpu, header, chain, type, NULL, 0);
}

/* A command that is answered later: a copy of what is needed then. */
static struct command *keep(const struct call *call)
{
    struct command *command = calloc(1, sizeof *command);
    if (!command)
        return NULL;
    command->header = *call->header;
    command->chain = *call->chain;
    return command;
}

static struct apir_context *find_context(const struct apir_virtio_gpu *gpu, uint32_t id)
{
    for (struct apir_list *link = gpu->contexts.next; link != &gpu->contexts; link = link->next) {
        struct apir_context *context = apir_list_entry(link, struct apir_context, link);
        if (context->id == id && !context->closing)
            return context;
    }
    return NULL;
}

static struct apir_resource *find_resource(const struct apir_virtio_gpu *gpu, uint32_t id)
{
    struct apir_resource *resource = apir_resource_find(&gpu->resources, id);
    return resource && !resource->doomed ? resource : NULL;
}

static void run_map(struct apir_virtio_gpu *gpu, struct apir_resource *resource, struct command *command)
{
    struct {
        uint32_t map_info;
        uint32_t padding;
    } body = {htole32(VIRTIO_GPU_MAP_CACHE_CACHED), 0};
    int ret = gpu->window_state == APIR_WINDOW_ABSENT
                  ? -ENODEV
                  : apir_resource_map(&gpu->resources, resource, command->offset);
    if (ret == 0)
        answer_with(gpu, &command->header, &command->chain, VIRTIO_GPU_RESP_OK_MAP_INFO, &body, sizeof body);
    else
        answer(gpu, &command->header, &command->chain,
               ret == -ENODEV ? VIRTIO_GPU_RESP_ERR_UNSPEC : VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
}

static uint32_t type_of(const struct command *command)
{
    return le32toh(command->header.type);
}

/* Whether the first waiting command of a resource can go on. Unmapping has two phases, because the guest uses the
 * range again as soon as it is answered: first all workers give the memory up (or die), then it is freed. Only the
 * commands of this resource wait for that: everything else goes on. */
static bool can_run(struct apir_virtio_gpu *gpu, struct apir_resource *resource, struct command *command)
{
    if (type_of(command) == VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB)
        return gpu->window_state == APIR_WINDOW_ABSENT ||
               (gpu->window_state == APIR_WINDOW_READY && gpu->stale_count == 0);
    apir_resource_revoke(&gpu->resources, resource);
    return resource->removals == 0;
}

/* Goes on with the commands that wait for a resource, in their order. May destroy the resource. */
static void run_waiting(struct apir_virtio_gpu *gpu, struct apir_resource *resource)
{
    while (!apir_list_empty(&resource->waiting)) {
        struct command *command = apir_list_entry(resource->waiting.next, struct command, link);
        if (!can_run(gpu, resource, command))
            return;
        uint32_t type = type_of(command);
        apir_list_remove(&command->link);
        if (type == VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB) {
            run_map(gpu, resource, command);
        } else {
            apir_resource_unmap(&gpu->resources, resource);
            answer(gpu, &command->header, &command->chain, VIRTIO_GPU_RESP_OK_NODATA);
        }
        free(command);
        if (type == VIRTIO_GPU_CMD_RESOURCE_UNREF) {
            apir_resource_destroy(&gpu->resources, resource); /* it was doomed: nothing waits behind */
            return;
        }
    }
}

static void run_all_waiting(struct apir_virtio_gpu *gpu)
{
    struct apir_list *next;
    for (unsigned i = 0; i < APIR_RESOURCE_BUCKETS; i++) {
        struct apir_list *bucket = &gpu->resources.buckets[i];
        for (struct apir_list *link = bucket->next; link != bucket; link = next) {
            next = link->next;
            run_waiting(gpu, apir_list_entry(link, struct apir_resource, link));
        }
    }
}

static uint32_t wait_for_turn(struct apir_virtio_gpu *gpu, const struct call *call, struct apir_resource *resource,
                              uint64_t offset)
{
    struct command *command = keep(call);
    if (!command)
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    command->offset = offset;
    apir_list_append(&resource->waiting, &command->link);
    run_waiting(gpu, resource);
    return ANSWERED;
}

static uint32_t handle_get_display_info(struct apir_virtio_gpu *gpu, const struct call *call)
{
    uint8_t no_display[MAX_BODY] = {0};
    answer_with(gpu, call->header, call->chain, VIRTIO_GPU_RESP_OK_DISPLAY_INFO, no_display, sizeof no_display);
    return ANSWERED;
}

static uint32_t handle_get_capset_info(struct apir_virtio_gpu *gpu, const struct call *call)
{
    const struct virtio_gpu_get_capset_info *command = call->data;
    uint32_t body[4] = {htole32(APIR_CAPSET_APIR), htole32(APIR_CAPSET_NOTHING), htole32(APIR_CAPSET_SIZE), 0};
    if (le32toh(command->capset_index) >= CAPSET_COUNT)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    answer_with(gpu, call->header, call->chain, VIRTIO_GPU_RESP_OK_CAPSET_INFO, body, sizeof body);
    return ANSWERED;
}

static uint32_t handle_get_capset(struct apir_virtio_gpu *gpu, const struct call *call)
{
    const struct virtio_gpu_get_capset *command = call->data;
    struct apir_capset capset;
    if (le32toh(command->capset_id) != APIR_CAPSET_APIR || le32toh(command->capset_version) > APIR_CAPSET_NOTHING)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    apir_capset_fill(&capset);
    answer_with(gpu, call->header, call->chain, VIRTIO_GPU_RESP_OK_CAPSET, &capset, sizeof capset);
    return ANSWERED;
}

static bool context_removed(void *owner, struct apir_context *context, uint32_t id)
{
    struct apir_virtio_gpu *gpu = owner;
    struct apir_resource *resource = apir_resource_find(&gpu->resources, id);
    if (!resource || !apir_resource_removed(&gpu->resources, resource, context))
        return false;
    run_waiting(gpu, resource);
    return true;
}

static void context_fenced(void *owner, struct apir_fence *fence, bool good)
{
    struct apir_virtio_gpu *gpu = owner;
    struct command *command = apir_list_entry(fence, struct command, fence);
    answer(gpu, &command->header, &command->chain, good ? VIRTIO_GPU_RESP_OK_NODATA : VIRTIO_GPU_RESP_ERR_UNSPEC);
    free(command);
}

/* Tells the guest that nothing will answer any more, in the page that its commands have named. */
static void tell_dead(struct apir_virtio_gpu *gpu, const struct apir_context *context)
{
    for (struct apir_list *link = context->shares.next; link != &context->shares; link = link->next) {
        const struct apir_share *share = apir_list_entry(link, struct apir_share, of_context);
        const struct apir_resource *resource = share->resource;
        if (resource->id == context->status_page && share->attached && resource->mapped)
            apir_context_tell_dead(context, gpu->window.memory + resource->offset, resource->size);
    }
}

static void context_lost(void *owner, struct apir_context *context)
{
    struct apir_virtio_gpu *gpu = owner;
    if (!context->closing)
        tell_dead(gpu, context);
    for (struct apir_list *link = context->shares.next; link != &context->shares; link = link->next)
        apir_share_lose(apir_list_entry(link, struct apir_share, of_context));
}

/* Its worker is gone: what waited for that goes on. What the guest has attached stays so, to tell it in that memory. */
static void settle_shares(struct apir_virtio_gpu *gpu, struct apir_context *context)
{
    struct apir_list *next;
    for (struct apir_list *link = context->shares.next; link != &context->shares; link = next) {
        struct apir_share *share = apir_list_entry(link, struct apir_share, of_context);
        struct apir_resource *resource = share->resource;
        next = link->next;
        apir_share_settle(&gpu->resources, share);
        run_waiting(gpu, resource);
    }
}

/* Its worker is gone, and so is the context. */
static void drop_shares(struct apir_virtio_gpu *gpu, struct apir_context *context)
{
    while (!apir_list_empty(&context->shares)) {
        struct apir_share *share = apir_list_entry(context->shares.next, struct apir_share, of_context);
        struct apir_resource *resource = share->resource;
        apir_share_destroy(&gpu->resources, share);
        run_waiting(gpu, resource);
    }
}

/* Everything from before the reset is gone: the window can be used again. */
static void start_afresh(struct apir_virtio_gpu *gpu)
{
    apir_window_clear(&gpu->window);
    run_all_waiting(gpu);
}

static void context_gone(void *owner, struct apir_context *context)
{
    struct apir_virtio_gpu *gpu = owner;
    if (context->closing)
        drop_shares(gpu, context);
    else
        settle_shares(gpu, context);
    gpu->worker_count--;
    if (context->stale && --gpu->stale_count == 0)
        start_afresh(gpu);
    if (context->closing)
        apir_context_destroy(context);
    if (gpu->worker_count == 0 && gpu->idle)
        gpu->idle(gpu->owner);
}

static int create_context(struct apir_virtio_gpu *gpu, uint32_t id)
{
    static const struct apir_context_events events = {context_removed, context_fenced, context_lost, context_gone};
    struct apir_context *context = apir_context_create(gpu->loop, gpu->log, gpu->options, &gpu->pace, id, &events, gpu);
    if (!context)
        return -errno;
    context->worker.quota = &gpu->outboxes;
    apir_list_append(&gpu->contexts, &context->link);
    gpu->context_count++;
    gpu->worker_count++;
    gpu->refused = false;
    return 0;
}

static uint32_t handle_ctx_create(struct apir_virtio_gpu *gpu, const struct call *call)
{
    const struct virtio_gpu_ctx_create *command = call->data;
    uint32_t id = le32toh(call->header->ctx_id);
    if (id == 0 || find_context(gpu, id))
        return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
    if ((le32toh(command->context_init) & VIRTIO_GPU_CONTEXT_INIT_CAPSET_ID_MASK) != APIR_CAPSET_APIR)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    apir_debug(gpu->log, "context %u is called \"%.*s\"", id, (int)sizeof command->debug_name - 1,
               command->debug_name);
    /* workers that are still ending count too: a guest must not make processes faster than they go */
    if (gpu->context_count >= gpu->max_contexts || gpu->worker_count >= 2 * gpu->max_contexts) {
        if (!gpu->refused)
            apir_warn(gpu->log, "refused a context: %u are open, %u workers run (--max-contexts)", gpu->context_count,
                      gpu->worker_count);
        gpu->refused = true; /* said once: a guest must not fill the log */
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    }
    int ret = create_context(gpu, id);
    if (ret < 0) {
        apir_error(gpu->log, "cannot %s %s: %s", gpu->options->socket ? "connect to" : "start",
                   gpu->options->socket ? gpu->options->socket : gpu->options->path, strerror(-ret));
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    }
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static void close_context(struct apir_virtio_gpu *gpu, struct apir_context *context, const char *reason)
{
    if (!context->closing)
        gpu->context_count--;
    context->closing = true;
    apir_context_end(context, reason);
    if (!context->gone)
        return;
    drop_shares(gpu, context);
    apir_context_destroy(context);
}

static uint32_t handle_ctx_destroy(struct apir_virtio_gpu *gpu, const struct call *call)
{
    struct apir_context *context = find_context(gpu, le32toh(call->header->ctx_id));
    if (!context)
        return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
    close_context(gpu, context, "closed by the guest");
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t handle_ctx_attach(struct apir_virtio_gpu *gpu, const struct call *call)
{
    const struct virtio_gpu_ctx_resource *command = call->data;
    struct apir_context *context = find_context(gpu, le32toh(call->header->ctx_id));
    struct apir_resource *resource = find_resource(gpu, le32toh(command->resource_id));
    if (!context)
        return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
    if (!resource)
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    if (apir_resource_attach(&gpu->resources, resource, context) < 0)
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    return VIRTIO_GPU_RESP_OK_NODATA;
}

/* Answered at once: the memory stays as it is until UNMAP or UNREF, and those wait for the worker. */
static uint32_t handle_ctx_detach(struct apir_virtio_gpu *gpu, const struct call *call)
{
    const struct virtio_gpu_ctx_resource *command = call->data;
    struct apir_context *context = find_context(gpu, le32toh(call->header->ctx_id));
    struct apir_resource *resource = find_resource(gpu, le32toh(command->resource_id));
    if (!context)
        return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
    if (!resource)
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    apir_resource_detach(&gpu->resources, resource, context);
    return VIRTIO_GPU_RESP_OK_NODATA;
}

static uint32_t handle_resource_create_blob(struct apir_virtio_gpu *gpu, const struct call *call)
{
    const struct virtio_gpu_resource_create_blob *command = call->data;
    if (le32toh(command->blob_mem) != VIRTIO_GPU_BLOB_MEM_HOST3D || le64toh(command->blob_id) != 0 ||
        le32toh(command->nr_entries) != 0)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (apir_resource_create(&gpu->resources, le32toh(command->resource_id), le64toh(command->size)))
        return VIRTIO_GPU_RESP_OK_NODATA;
    switch (errno) {
    case EEXIST:
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    case EINVAL:
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    default:
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    }
}

static uint32_t handle_resource_map_blob(struct apir_virtio_gpu *gpu, const struct call *call)
{
    const struct virtio_gpu_resource_map_blob *command = call->data;
    struct apir_resource *resource = find_resource(gpu, le32toh(command->resource_id));
    if (!resource)
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    return wait_for_turn(gpu, call, resource, le64toh(command->offset));
}

static uint32_t handle_resource_unmap_blob(struct apir_virtio_gpu *gpu, const struct call *call)
{
    const struct virtio_gpu_resource_unmap_blob *command = call->data;
    struct apir_resource *resource = find_resource(gpu, le32toh(command->resource_id));
    if (!resource)
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    return wait_for_turn(gpu, call, resource, 0);
}

static uint32_t handle_resource_unref(struct apir_virtio_gpu *gpu, const struct call *call)
{
    const struct virtio_gpu_resource_unref *command = call->data;
    struct apir_resource *resource = find_resource(gpu, le32toh(command->resource_id));
    if (!resource)
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    resource->doomed = true; /* no command can name it any more */
    uint32_t result = wait_for_turn(gpu, call, resource, 0);
    if (result != ANSWERED)
        resource->doomed = false;
    return result;
}

static uint32_t ring_of(const struct virtio_gpu_ctrl_hdr *header)
{
    return le32toh(header->flags) & VIRTIO_GPU_FLAG_INFO_RING_IDX ? header->ring_idx : 0;
}

static uint32_t submit(struct apir_context *context, const struct call *call, const void *payload, uint32_t size)
{
    if (!(le32toh(call->header->flags) & VIRTIO_GPU_FLAG_FENCE))
        return apir_context_submit(context, payload, size) < 0 ? VIRTIO_GPU_RESP_ERR_UNSPEC
                                                               : VIRTIO_GPU_RESP_OK_NODATA;
    struct command *command = keep(call);
    if (!command)
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    command->fence.ring = ring_of(call->header);
    if (apir_context_submit(context, payload, size) == 0 && apir_context_fence(context, &command->fence) == 0)
        return ANSWERED;
    free(command);
    return VIRTIO_GPU_RESP_ERR_UNSPEC;
}

static uint32_t handle_submit_3d(struct apir_virtio_gpu *gpu, const struct call *call)
{
    const struct virtio_gpu_cmd_submit *command = call->data;
    struct apir_context *context = find_context(gpu, le32toh(call->header->ctx_id));
    uint32_t size = le32toh(command->size);
    if (!context)
        return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
    if (size > call->size - sizeof *command || size > APIR_MAX_FRAME)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    uint32_t result = submit(context, call, command + 1, size);
    if (context->lost)
        tell_dead(gpu, context); /* a deployed guest would wait for ever */
    return result;
}

struct handler {
    uint32_t type;
    uint32_t size; /* of the command's struct */
    uint32_t (*handle)(struct apir_virtio_gpu *gpu, const struct call *call);
};

static const struct handler *find_handler(uint32_t type)
{
    static const struct handler handlers[] = {
        {VIRTIO_GPU_CMD_GET_DISPLAY_INFO, sizeof(struct virtio_gpu_ctrl_hdr), handle_get_display_info},
        {VIRTIO_GPU_CMD_GET_CAPSET_INFO, sizeof(struct virtio_gpu_get_capset_info), handle_get_capset_info},
        {VIRTIO_GPU_CMD_GET_CAPSET, sizeof(struct virtio_gpu_get_capset), handle_get_capset},
        {VIRTIO_GPU_CMD_CTX_CREATE, sizeof(struct virtio_gpu_ctx_create), handle_ctx_create},
        {VIRTIO_GPU_CMD_CTX_DESTROY, sizeof(struct virtio_gpu_ctx_destroy), handle_ctx_destroy},
        {VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, sizeof(struct virtio_gpu_ctx_resource), handle_ctx_attach},
        {VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, sizeof(struct virtio_gpu_ctx_resource), handle_ctx_detach},
        {VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, sizeof(struct virtio_gpu_resource_create_blob),
         handle_resource_create_blob},
        {VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, sizeof(struct virtio_gpu_resource_map_blob), handle_resource_map_blob},
        {VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, sizeof(struct virtio_gpu_resource_unmap_blob),
         handle_resource_unmap_blob},
        {VIRTIO_GPU_CMD_RESOURCE_UNREF, sizeof(struct virtio_gpu_resource_unref), handle_resource_unref},
        {VIRTIO_GPU_CMD_SUBMIT_3D, sizeof(struct virtio_gpu_cmd_submit), handle_submit_3d},
    };
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
        if (handlers[i].type == type)
            return &handlers[i];
    return NULL;
}

void apir_virtio_gpu_command(struct apir_virtio_gpu *gpu, const struct apir_request *request,
                             const struct apir_chain *chain)
{
    struct virtio_gpu_ctrl_hdr header = {0};
    struct call call = {&header, request->data, request->size, chain};
    uint32_t result = VIRTIO_GPU_RESP_ERR_UNSPEC;
    if (request->size >= sizeof header)
        memcpy(&header, request->data, sizeof header);
    const struct handler *handler = find_handler(le32toh(header.type));
    if (handler && (request->too_long || request->size < handler->size))
        result = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    else if (handler)
        result = handler->handle(gpu, &call);
    if (result == ANSWERED)
        return;
    if (result != VIRTIO_GPU_RESP_OK_NODATA)
        apir_debug(gpu->log, "command 0x%x of context %u (%u bytes) is answered with 0x%x", le32toh(header.type),
                   le32toh(header.ctx_id), request->size, result);
    answer(gpu, &header, chain, result);
}

void apir_virtio_gpu_set_window(struct apir_virtio_gpu *gpu, enum apir_window_state state)
{
    gpu->window_state = state;
    run_all_waiting(gpu);
}

static void drop_commands(struct apir_virtio_gpu *gpu)
{
    for (unsigned i = 0; i < APIR_RESOURCE_BUCKETS; i++) {
        struct apir_list *bucket = &gpu->resources.buckets[i];
        for (struct apir_list *link = bucket->next; link != bucket; link = link->next) {
            struct apir_resource *resource = apir_list_entry(link, struct apir_resource, link);
            struct apir_list *waiting;
            while ((waiting = apir_list_take_first(&resource->waiting)))
                free(apir_list_entry(waiting, struct command, link));
        }
    }
}

void apir_virtio_gpu_reset(struct apir_virtio_gpu *gpu, const char *reason)
{
    struct apir_list *next;
    drop_commands(gpu);
    apir_resources_clear(&gpu->resources);
    for (struct apir_list *link = gpu->contexts.next; link != &gpu->contexts; link = next) {
        struct apir_context *context = apir_list_entry(link, struct apir_context, link);
        next = link->next;
        if (!context->gone && !context->stale) {
            context->stale = true;
            gpu->stale_count++;
        }
        close_context(gpu, context, reason);
    }
    gpu->window_state = APIR_WINDOW_PENDING;
    if (gpu->stale_count == 0)
        start_afresh(gpu);
}

void apir_virtio_gpu_read_config(uint32_t offset, void *data, uint32_t size)
{
    /* events_read, events_clear, num_scanouts, num_capsets, blob_alignment (0: that feature is not offered) */
    uint32_t words[APIR_VIRTIO_GPU_CONFIG / 4] = {0, 0, 0, htole32(CAPSET_COUNT), 0};
    memset(data, 0, size);
    if (offset >= sizeof words)
        return;
    uint32_t available = (uint32_t)sizeof words - offset;
    memcpy(data, (const uint8_t *)words + offset, size < available ? size : available);
}

int apir_virtio_gpu_init(struct apir_virtio_gpu *gpu, struct apir_loop *loop, const struct apir_log *log,
                         const struct apir_worker_options *options, uint64_t window_size, unsigned max_contexts)
{
    memset(gpu, 0, sizeof *gpu);
    int ret = apir_window_init(&gpu->window, window_size);
    if (ret < 0)
        return ret;
    gpu->loop = loop;
    gpu->log = log;
    gpu->options = options;
    gpu->max_contexts = max_contexts;
    gpu->outboxes.limit = APIR_LINKS_MAX_OUTBOX;
    apir_pace_init(&gpu->pace, loop, options->starts);
    gpu->window_state = APIR_WINDOW_PENDING;
    apir_list_init(&gpu->contexts);
    apir_resources_init(&gpu->resources, &gpu->window);
    return 0;
}

void apir_virtio_gpu_finish(struct apir_virtio_gpu *gpu)
{
    if (!gpu->loop)
        return;
    apir_virtio_gpu_reset(gpu, "apird ends");
    while (!apir_list_empty(&gpu->contexts))
        apir_context_destroy(apir_list_entry(gpu->contexts.next, struct apir_context, link));
    apir_pace_finish(&gpu->pace);
    apir_window_finish(&gpu->window);
    gpu->loop = NULL;
}
