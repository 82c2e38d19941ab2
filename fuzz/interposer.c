/* What a hypervisor calls for its guest, in front of a library that is not there: contexts, blobs, commands and fences
 * by numbers of the guest, ours and others', in any order, with resets and starts over, and workers that do as the
 * input says. The library's thread is this one: it runs when the input lets it. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuzz.h"
#include "interposer/interposer.h"
#include "wire/capset.h"
#include "world.h"

int virgl_apir_configure_kv(uint32_t ctx_id, const char *key, const char *value);

enum {
    PAGE = 4096,
    MAX_FENCES = 4096,
    MAX_MAPS = 64,
    ALL = 64,               /* jobs and events: more than there are at once */
    ID_BEYOND = 0x7fffffff, /* a number that is in no use */
};

struct hypervisor {
    struct world world;
    struct virgl_renderer_callbacks callbacks;
    bool pending[MAX_FENCES]; /* fences by their id */
    uint32_t fences;
    struct {
        void *data;
        size_t size;
    } fixed[MAX_MAPS]; /* mapped by map_fixed: ours to unmap */
    unsigned fixed_count;
    struct iovec iov;
};

/* ---- in place of others ---- */

const struct apir_real_functions *__wrap_apir_real_get(struct apir_real *real);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument);

/* An exception to "no mutable globals", as in world.c. */
static struct {
    bool no_threads;
    uint32_t venus_size; /* of the real library's capset; 0: it has none */
} state;

static void *do_nothing(void *argument)
{
    (void)argument;
    return NULL;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
    return __real_pthread_create(thread, attributes, state.no_threads ? do_nothing : start, argument);
}

static void real_get_cap_set(uint32_t set, uint32_t *version, uint32_t *size)
{
    *version = set == APIR_CAPSET_VENUS;
    *size = set == APIR_CAPSET_VENUS ? state.venus_size : 0;
}

static void real_fill_caps(uint32_t set, uint32_t version, void *caps)
{
    (void)version;
    if (set == APIR_CAPSET_VENUS)
        memset(caps, 0x5a, state.venus_size);
}

static bool is_ours(uint32_t context)
{
    return apir_renderer_has_context(apir_interposer_renderer(), context);
}

static int real_context_create_with_flags(uint32_t context, uint32_t flags, uint32_t length, const char *name)
{
    (void)flags, (void)length, (void)name;
    FUZZ_CHECK(!is_ours(context));
    return 0;
}

static void real_context_destroy(uint32_t context)
{
    FUZZ_CHECK(!is_ours(context));
}

static int real_submit_cmd(void *buffer, int context, int words)
{
    (void)buffer, (void)words;
    FUZZ_CHECK(!is_ours((uint32_t)context));
    return 0;
}

static int real_resource_create_blob(const struct virgl_renderer_resource_create_blob_args *args)
{
    FUZZ_CHECK(!apir_renderer_has_resource(apir_interposer_renderer(), args->res_handle));
    return 0;
}

static int real_context_create_fence(uint32_t context, uint32_t flags, uint32_t ring, uint64_t id)
{
    (void)flags, (void)ring, (void)id;
    FUZZ_CHECK(!is_ours(context));
    return -1;
}

/* The others it does not have. */
const struct apir_real_functions *__wrap_apir_real_get(struct apir_real *real)
{
    static const struct apir_real_functions functions = {
        .get_cap_set = real_get_cap_set,
        .fill_caps = real_fill_caps,
        .context_create_with_flags = real_context_create_with_flags,
        .context_destroy = real_context_destroy,
        .context_create_fence = real_context_create_fence,
        .submit_cmd = real_submit_cmd,
        .resource_create_blob = real_resource_create_blob,
    };
    (void)real;
    return &functions;
}

/* ---- the hypervisor ---- */

static struct apir_loop *service_loop(void)
{
    return &apir_interposer_renderer()->host.service.loop;
}

/* Each fence is reported once at most, and none that was not made. */
static void note_fence(void *cookie, uint32_t context, uint32_t ring, uint64_t id)
{
    struct hypervisor *hypervisor = cookie;
    (void)context, (void)ring;
    FUZZ_CHECK(id < hypervisor->fences && hypervisor->pending[id]);
    hypervisor->pending[id] = false;
}

static void start(struct hypervisor *hypervisor, uint8_t how)
{
    static const int flags[] = {0, VIRGL_RENDERER_ASYNC_FENCE_CB, VIRGL_RENDERER_VENUS | VIRGL_RENDERER_ASYNC_FENCE_CB,
                                VIRGL_RENDERER_THREAD_SYNC};
    static const uint32_t sizes[] = {0, 37, 160, 4000};
    state.venus_size = sizes[how / 4 % 4];
    hypervisor->callbacks = (struct virgl_renderer_callbacks){.version = 4, .write_context_fence = note_fence};
    virgl_renderer_init(hypervisor, flags[how % 4], how < 250 ? &hypervisor->callbacks : NULL);
}

static void ask_capset(uint32_t set)
{
    uint32_t version, size;
    virgl_renderer_get_cap_set(set, &version, &size);
    void *data = world_alloc(size); /* of just that size, as hypervisors do */
    if (size > 0)
        virgl_renderer_fill_caps(set, version, data);
    free(data);
}

static void create_context(struct reader *reader, uint32_t context)
{
    static const char *const names[] = {"", "x", APIR_CONTEXT_MARKER, APIR_CONTEXT_MARKER "-and-more"};
    static const uint32_t sets[] = {APIR_CAPSET_APIR, APIR_CAPSET_APIR, APIR_CAPSET_VENUS, APIR_CAPSET_VENUS, 0, 2};
    uint8_t how = reader_u8(reader);
    char *name = strdup(names[how / 8 % 4]); /* of just that size; the length is the guest's */
    virgl_renderer_context_create_with_flags(context, sets[how % 6], how & 0x80 ? UINT32_MAX : how, name);
    free(name);
}

static void submit(struct reader *reader, uint32_t context)
{
    uint8_t how = reader_u8(reader);
    uint32_t words[16] = {0, 0, how % 8, 0, 2, how & 8 ? APIR_HANDSHAKE_MAGIC : 0, 1};
    int count = how % 17;
    uint64_t fence = 1;
    if (how & 16)
        reader_copy(reader, words, (size_t)count * 4);
    void *copy = world_alloc((size_t)count * 4);
    memcpy(copy, words, (size_t)count * 4);
    if (how >= 0xf0)
        virgl_renderer_submit_cmd2(copy, (int)context, count, &fence, how & 1);
    else if (how >= 0xe8)
        virgl_renderer_submit_cmd(NULL, (int)context, how & 1 ? INT32_MIN : INT32_MAX);
    else
        virgl_renderer_submit_cmd(copy, (int)context, count);
    free(copy);
}

static void make_fence(struct hypervisor *hypervisor, struct reader *reader, uint32_t context)
{
    uint8_t ring = reader_u8(reader);
    if (hypervisor->fences == MAX_FENCES)
        return;
    uint32_t id = hypervisor->fences++;
    hypervisor->pending[id] = true;
    if (virgl_renderer_context_create_fence(context, 0, ring < 250 ? ring % 4 : UINT32_MAX, id) < 0)
        hypervisor->pending[id] = false;
}

static void create_blob(struct hypervisor *hypervisor, struct reader *reader, uint32_t context, uint32_t resource)
{
    uint8_t how = reader_u8(reader);
    struct virgl_renderer_resource_create_blob_args args = {.res_handle = resource,
                                                            .ctx_id = context,
                                                            .blob_mem = VIRGL_RENDERER_BLOB_MEM_HOST3D,
                                                            .size = (how % 16) * 2048};
    if (how >= 0xf0)
        args.size = (uint64_t)reader_u16(reader) << 20;
    else if (how >= 0xe0)
        args.size = (uint64_t)reader_u32(reader) << 32 | reader_u32(reader);
    if ((how & 0xf0) == 0x10)
        args.blob_mem = how % 8;
    if ((how & 0xf0) == 0x20)
        args.iovecs = &hypervisor->iov, args.num_iovs = 1;
    virgl_renderer_resource_create_blob(&args);
}

/* As the guest has asked for it; the hypervisor has room for that. */
static uint64_t size_of(uint32_t resource)
{
    const struct apir_virgl_resource *ours = apir_resource_table_find(&apir_interposer_renderer()->resources, resource);
    return ours ? ours->blob->size : PAGE;
}

static void map_fixed(struct hypervisor *hypervisor, uint32_t resource)
{
    size_t size = size_of(resource);
    if (hypervisor->fixed_count == MAX_MAPS)
        return;
    void *data = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED)
        return;
    hypervisor->fixed[hypervisor->fixed_count].data = data;
    hypervisor->fixed[hypervisor->fixed_count++].size = size;
    virgl_renderer_resource_map_fixed(resource, data);
}

static void map(uint32_t resource)
{
    void *data;
    uint64_t size;
    if (virgl_renderer_resource_map(resource, &data, &size) == 0)
        *(volatile char *)data = *((volatile char *)data + size - 1);
}

static void ask_about(struct hypervisor *hypervisor, uint32_t resource)
{
    struct virgl_renderer_resource_info info;
    struct virgl_renderer_resource_info_ext more;
    struct virgl_renderer_resource_create_args args = {.handle = resource};
    struct virgl_renderer_resource_import_blob_args import = {.res_handle = resource};
    struct iovec *iov;
    uint32_t map_info, type;
    int count, fd;
    virgl_renderer_resource_get_info((int)resource, &info);
    virgl_renderer_resource_get_info_ext((int)resource, &more);
    virgl_renderer_resource_get_map_info(resource, &map_info);
    virgl_renderer_resource_create(&args, NULL, 0);
    virgl_renderer_resource_import_blob(&import);
    virgl_renderer_resource_set_priv(resource, hypervisor);
    FUZZ_CHECK(!apir_renderer_has_resource(apir_interposer_renderer(), resource) ||
               virgl_renderer_resource_get_priv(resource) == hypervisor);
    virgl_renderer_resource_attach_iov((int)resource, &hypervisor->iov, 1);
    virgl_renderer_resource_detach_iov((int)resource, &iov, &count);
    virgl_renderer_transfer_read_iov(resource, 1, 0, 0, 0, NULL, 0, NULL, 0);
    virgl_renderer_transfer_write_iov(resource, 1, 0, 0, 0, NULL, 0, NULL, 0);
    if (virgl_renderer_resource_export_blob(resource, &type, &fd) == 0)
        close(fd);
}

static void poll_fences(uint32_t context, uint8_t how)
{
    if (how & 1)
        virgl_renderer_context_poll(context);
    else
        virgl_renderer_poll();
    if (how & 2)
        virgl_renderer_context_get_poll_fd(context);
}

static void configure(struct reader *reader, uint32_t context)
{
    static const char *const keys[] = {"apir.load_library.path", "ggml.library.path", "ggml.library.reg", "other"};
    char key[128], value[64];
    uint8_t which = reader_u8(reader);
    memset(key, 'k', sizeof key);
    key[which % sizeof key] = '\0';
    memset(value, 'v', sizeof value);
    value[which % sizeof value] = '\0';
    virgl_apir_configure_kv(context, which < 64 ? key : keys[which % 4], which == 255 ? NULL : value);
}

static void act_rarely(struct hypervisor *hypervisor, struct reader *reader, uint32_t context)
{
    uint8_t what = reader_u8(reader);
    if (what < 100)
        configure(reader, context);
    else if (what < 150)
        ask_capset(what % 12);
    else if (what < 180)
        world_wait(what * 8u);
    else if (what < 200)
        hypervisor->world.no_workers = !hypervisor->world.no_workers;
    else if (what < 220)
        world_starve(what - 199u);
    else if (what < 230)
        virgl_renderer_context_create(context, 1, "x");
    else if (what < 240)
        virgl_renderer_reset();
    else if (what < 250)
        start(hypervisor, what);
    else
        virgl_renderer_cleanup(hypervisor);
}

static void act(struct hypervisor *hypervisor, struct reader *reader)
{
    uint8_t action = reader_u8(reader), ids = reader_u8(reader);
    uint32_t context = ids == 255 ? ID_BEYOND : ids % 4, resource = ids == 255 ? ID_BEYOND : ids / 4 % 8;
    switch (action % 16) {
    case 0:
        create_context(reader, context);
        break;
    case 1:
    case 2:
        submit(reader, context);
        break;
    case 3:
        make_fence(hypervisor, reader, context);
        break;
    case 4:
        create_blob(hypervisor, reader, context, resource);
        break;
    case 5:
        virgl_renderer_ctx_attach_resource((int)context, (int)resource);
        break;
    case 6:
        virgl_renderer_ctx_detach_resource((int)context, (int)resource);
        break;
    case 7:
        if (action & 16)
            map_fixed(hypervisor, resource);
        else
            map(resource);
        break;
    case 8:
        virgl_renderer_resource_unmap(resource);
        break;
    case 9:
        virgl_renderer_resource_unref(resource);
        break;
    case 10:
        ask_about(hypervisor, resource);
        break;
    case 11:
        poll_fences(context, action / 16);
        break;
    case 12:
        virgl_renderer_context_destroy(context);
        break;
    case 13:
        world_step(service_loop(), action / 16);
        break;
    case 14:
        world_play_worker(&hypervisor->world, reader);
        break;
    default:
        act_rarely(hypervisor, reader, context);
        break;
    }
}

static void finish(struct hypervisor *hypervisor)
{
    world_starve(0);
    virgl_renderer_cleanup(hypervisor);
    for (int i = 0; i < 4; i++) {
        world_step(service_loop(), ALL);
        world_wait(2 * APIR_WORKER_PATIENCE_MS);
    }
    FUZZ_CHECK(apir_interposer_renderer()->host.workers == 0 &&
               apir_list_empty(&apir_interposer_renderer()->host.guests));
    FUZZ_CHECK(apir_interposer_renderer()->host.retire.count == 0);
    FUZZ_CHECK(apir_interposer_renderer()->resources.quota.bytes == 0);
    for (unsigned i = 0; i < hypervisor->fixed_count; i++)
        munmap(hypervisor->fixed[i].data, hypervisor->fixed[i].size);
    world_finish(&hypervisor->world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hypervisor hypervisor;
    struct reader reader = {data, size};
    memset(&hypervisor, 0, sizeof hypervisor);
    world_init(&hypervisor.world);
    start(&hypervisor, reader_u8(&reader));
    while (reader.left > 0)
        act(&hypervisor, &reader);
    finish(&hypervisor);
    return 0;
}

/* What is made once and stays: the log, the loop, and what is polled. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct world world;
    (void)argc, (void)argv;
    setenv("VIRGL_APIR_SOCKET", "socket", 1);
    setenv("VIRGL_APIR_LOG_TO_FILE", "/dev/null", 1);
    setenv("VIRGL_APIR_LOG_LEVEL", "4", 1);
    world_init(&world);
    state.no_threads = true;
    virgl_renderer_context_create_with_flags(1, APIR_CAPSET_APIR, 1, "x");
    state.no_threads = false;
    virgl_renderer_context_destroy(1);
    apir_renderer_poll_fd(apir_interposer_renderer(), world.loop.epoll);
    world_step(service_loop(), ALL);
    world.lowest_fd = dup(2); /* two more than before */
    close(world.lowest_fd);
    int epoll = world.loop.epoll;
    if (epoll < world.lowest_fd)
        world.lowest_fd = epoll;
    world_finish(&world);
    return 0;
}
