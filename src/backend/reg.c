#include "backend/reg.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "apir-calls.h"
#include "apir-counters.h"
#include "backend/device.h"
#include "backend/op-cache.h"
#include "client/queue.h"
#include "transport/transport.h"

/* Where the first buffer pretends to be: no such address can be mapped on any 64-bit machine, so
 * that following one by mistake traps at once. */
#define FIRST_BASE (UINT64_C(1) << 56)

/* The one state of the library, since ggml_backend_init is handed none. */
static struct {
    pthread_mutex_t lock; /* guards reg */
    struct apir_reg *reg; /* NULL until a host was found */
} the_library = {.lock = PTHREAD_MUTEX_INITIALIZER};

void *apir_reg_take_base(struct apir_reg *reg, uint64_t size, uint64_t residue)
{
    /* a gap behind each, so that the end of one is not the start of another */
    uint64_t span = (size / APIR_BASE_ALIGN + 3) * APIR_BASE_ALIGN;
    uint64_t start = atomic_fetch_add_explicit(&reg->next_base, span, memory_order_relaxed);
    return (void *)(uintptr_t)(start + residue % APIR_BASE_ALIGN);
}

const char *apir_reg_get_name(ggml_backend_reg_t reg)
{
    (void)reg;
    return "virtgpu";
}

size_t apir_reg_get_device_count(ggml_backend_reg_t reg)
{
    return ((struct apir_reg *)reg)->n_devices;
}

ggml_backend_dev_t apir_reg_get_device(ggml_backend_reg_t reg, size_t index)
{
    struct apir_reg *self = (struct apir_reg *)reg;
    return index < self->n_devices ? (ggml_backend_dev_t)&self->devices[index] : NULL;
}

/* An apir_get_counters, which is handed nothing. */
static void get_counters(struct apir_counters *counters)
{
    pthread_mutex_lock(&the_library.lock);
    struct apir_reg *reg = the_library.reg;
    pthread_mutex_unlock(&the_library.lock);
    *counters = (struct apir_counters){0};
    if (reg)
        apir_session_get_counters(reg->session, counters);
}

void *apir_reg_get_proc_address(ggml_backend_reg_t reg, const char *name)
{
    apir_get_counters function = get_counters;
    void *address = NULL;
    (void)reg;
    if (strcmp(name, "ggml_backend_virtgpu_get_counters") == 0)
        memcpy(&address, &function, sizeof address);
    return address;
}

/* GGML_VIRTGPU_DEBUG: 1 tells what is found and what fails, 2 also how long each call takes. */
static struct apir_log make_log(void)
{
    const char *debug = getenv("GGML_VIRTGPU_DEBUG");
    bool on = debug && *debug && strcmp(debug, "0") != 0;
    return (struct apir_log){
        .stream = stderr,
        .level = !on                ? APIR_LOG_WARN
                 : atoi(debug) >= 2 ? APIR_LOG_DEBUG
                                    : APIR_LOG_INFO,
        .prefix = "ggml-virtgpu",
    };
}

/* GGML_VIRTGPU_SHUFFLE=SEED, for tests: permutes the numbers of ops and types that the session
 * uses, as a ggml of another release would have them. */
static uint64_t shuffle_seed(void)
{
    const char *seed = getenv("GGML_VIRTGPU_SHUFFLE");
    return seed ? strtoull(seed, NULL, 0) : 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Finds another object that is a copy of this library. */
static int is_other_copy(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    const Dl_info *self = data;
    return info->dlpi_addr != (uintptr_t)self->dli_fbase &&
           strcmp(base_name(info->dlpi_name), base_name(self->dli_fname)) == 0;
}

/* Two copies in one process would be two sessions, with devices of the same names whose buffers do
 * not mix. */
static bool has_other_copy(void)
{
    Dl_info self;
    return dladdr((void *)(uintptr_t)&the_library, &self) && dl_iterate_phdr(is_other_copy, &self);
}

/* The interface of the ggml in this process, NULL if this library is of no use to it. */
static const struct apir_abi *choose_abi(const struct apir_log *log)
{
    const struct apir_abi *abi = apir_abi_find(ggml_version());
    if (!abi)
        apir_info(log,
                  "this is ggml %s, and its private interface is not known here: no device is "
                  "offered; known are %s",
                  ggml_version(), apir_abi_known());
    else if (has_other_copy())
        apir_info(log, "another copy of this library is loaded: this one offers no device");
    else
        return abi;
    return NULL;
}

/* Whether there is something to try, without trying it. */
static bool may_have_door(const struct apir_log *log)
{
    const char *path = getenv("GGML_VIRTGPU_SOCKET");
    if (path && *path)
        return true;
    DIR *dir = opendir("/dev/dri");
    bool found = false;
    for (struct dirent *entry; dir && !found && (entry = readdir(dir));)
        found = strncmp(entry->d_name, "renderD", strlen("renderD")) == 0;
    if (dir)
        closedir(dir);
    if (!found)
        apir_info(log, "there is no render node in /dev/dri, and GGML_VIRTGPU_SOCKET is not set: "
                       "no device is offered");
    return found;
}

/* Has the host load its library. Returns its number of devices, or -errno after a log line. */
static int load_library(const struct apir_reg *reg)
{
    struct apir_arena arena = {0};
    struct apir_load_library_reply reply;
    int ret = apir_call_load_library(apir_session_control(reg->session), &arena, &reply);
    if (ret < 0) {
        apir_info(reg->log, "the host cannot load its ggml library: %s", strerror(-ret));
    } else if (reply.status != APIR_LOAD_STATUS_OK || reply.devices == 0) {
        apir_info(reg->log, "the host has no device to offer: %s", reply.message);
        ret = -ENODEV;
    } else {
        apir_info(reg->log, "the host has %u devices in %s, ggml %s", reply.devices, reply.library,
                  reply.ggml_version);
        ret = (int)reply.devices;
    }
    apir_arena_finish(&arena);
    return ret;
}

static int negotiate(struct apir_reg *reg)
{
    struct apir_arena arena = {0};
    struct apir_negotiate_args args;
    struct apir_negotiate_reply reply;
    apir_names_init(&reg->names, apir_session_has_numbering(reg->session) ? shuffle_seed() : 0);
    int ret = apir_names_request(&reg->names, &arena, &args);
    if (ret == 0)
        ret = apir_call_negotiate(apir_session_control(reg->session), &arena, &args, &reply);
    if (ret == 0)
        apir_names_learn(&reg->names, &reply);
    else
        apir_info(reg->log, "cannot agree with the host on ops and types: %s", strerror(-ret));
    apir_arena_finish(&arena);
    return ret;
}

static int make_devices(struct apir_reg *reg, uint32_t count)
{
    reg->devices = calloc(count, sizeof *reg->devices);
    if (!reg->devices)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        int ret = apir_device_init(&reg->devices[i], reg, i);
        if (ret < 0) {
            apir_info(reg->log, "cannot use device %u of the host: %s", i, strerror(-ret));
            return ret;
        }
    }
    reg->n_devices = count;
    return 0;
}

static int open_session(struct apir_reg *reg)
{
    char reason[512] = "";
    struct apir_transport *transport = apir_transport_open(reg->log, reason, sizeof reason);
    if (transport)
        reg->session = apir_session_open(transport, reg->log, reason, sizeof reason);
    if (reg->session)
        return 0;
    apir_info(reg->log, "no device is offered: %s", reason);
    return -ENODEV;
}

/* What a session needs besides its struct, in memory that lives as long. */
struct reg_with_log {
    struct apir_reg reg;
    struct apir_log log;
};

/* Everything from the door to the devices. NULL when there are none; a line in the log says why. */
static struct apir_reg *open_reg(const struct apir_abi *abi, const struct apir_log *log)
{
    struct reg_with_log *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->log = *log;
    struct apir_reg *reg = &self->reg;
    reg->abi = abi;
    reg->log = &self->log;
    atomic_init(&reg->next_base, FIRST_BASE);
    reg->print = apir_content_choose();
    pthread_mutex_init(&reg->order_lock, NULL);
    pthread_mutex_init(&reg->host_lock, NULL);
    abi->init_reg(&reg->base);
    reg->answers = apir_op_cache_create(APIR_OP_CACHE_MAX);
    if (!reg->answers || open_session(reg) < 0)
        goto err_reg;
    int devices = load_library(reg);
    if (devices < 0 || negotiate(reg) < 0 || make_devices(reg, (uint32_t)devices) < 0)
        goto err_session;
    return reg;

err_session:
    free(reg->devices);
    apir_session_close(reg->session);
err_reg:
    apir_op_cache_destroy(reg->answers);
    free(self);
    return NULL;
}

ggml_backend_reg_t ggml_backend_init(void)
{
    struct apir_log log = make_log();
    pthread_mutex_lock(&the_library.lock);
    if (!the_library.reg) {
        const struct apir_abi *abi = choose_abi(&log);
        if (abi && may_have_door(&log))
            the_library.reg = open_reg(abi, &log);
    }
    struct apir_reg *reg = the_library.reg;
    pthread_mutex_unlock(&the_library.lock);
    return (ggml_backend_reg_t)reg;
}

int ggml_backend_score(void)
{
    struct apir_log log = make_log();
    return choose_abi(&log) && may_have_door(&log) ? 100 : 0;
}

bool apir_reg_free_staging(struct apir_reg *reg)
{
    bool freed = false;
    for (uint32_t i = 0; i < APIR_MAX_QUEUES; i++) {
        struct apir_queue *queue = apir_queue_find(reg->session, i);
        if (!queue)
            continue;
        apir_queue_lock(queue);
        freed |= apir_staging_free(&reg->staging[i], queue);
        apir_queue_unlock(queue);
    }
    return freed;
}
