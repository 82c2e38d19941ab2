/* The search for a render node whose host speaks APIR. Asks only what is answered at once: sysfs,
 * the driver, and the data of a capset; no context is made, nothing is waited for. */
#include "transport/virtgpu.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <virtgpu_drm.h>
#include <xf86drm.h>

#include "transport/transport.h"
#include "util/fd.h"
#include "util/log.h"
#include "wire/capset.h"

/* Missing in older headers. */
#ifndef VIRTGPU_PARAM_EXPLICIT_DEBUG_NAME
#define VIRTGPU_PARAM_EXPLICIT_DEBUG_NAME 8
#endif

#define DRIVER "virtio_gpu"

enum {
    NODE_FIRST = 128, /* DRM numbers render nodes from 128 to 191 */
    NODE_COUNT = 64,
};

struct search {
    const char *dri_dir;
    enum apir_virtgpu_capset capset;
    const struct apir_log *log;
    char *reason;
    size_t reason_size;
    int ret; /* the most telling refusal so far */
};

/* How much a refusal tells a person: the higher one is the search's. */
static int rank(int ret)
{
    switch (ret) {
    case -ENODEV:
        return 0;
    case -EACCES:
        return 1;
    default:
        return 2;
    }
}

/* Notes why a node is not taken. A node of another driver is not worth a word to people once there
 * is one of virtio-gpu. */
static void __attribute__((format(printf, 4, 5))) refuse(struct search *search, int ret,
                                                         const char *path, const char *format, ...)
{
    char why[256];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    apir_debug(search->log, "%s: %s", path, why);

    if (rank(ret) < rank(search->ret))
        return;
    size_t used = rank(ret) > rank(search->ret) ? 0 : strlen(search->reason);
    search->ret = ret;
    if (used < search->reason_size)
        snprintf(search->reason + used, search->reason_size - used, "%s%s: %s", used ? "; " : "",
                 path, why);
}

/* Name of the driver of the device behind a node, from sysfs: an idle GPU is not to be woken up by
 * opening it. For virtio-gpu that is its bus (virtio-pci, virtio-mmio) or, in older kernels,
 * virtio_gpu. -errno where sysfs does not tell. */
static int bus_driver(const struct stat *st, char *driver, size_t size)
{
    char link[64], target[256];
    snprintf(link, sizeof link, "/sys/dev/char/%u:%u/device/driver", major(st->st_rdev),
             minor(st->st_rdev));
    ssize_t length = readlink(link, target, sizeof target - 1);
    if (length < 0)
        return -errno;
    target[length] = '\0';
    const char *slash = strrchr(target, '/');
    snprintf(driver, size, "%.*s", (int)size - 1, slash ? slash + 1 : target);
    return 0;
}

/* Name of the DRM driver. */
static int drm_driver(int fd, char *driver, size_t size)
{
    drmVersion *version = drmGetVersion(fd);
    if (!version)
        return -ENODEV;
    snprintf(driver, size, "%.*s", version->name_len, version->name ? version->name : "");
    drmFreeVersion(version);
    return 0;
}

/* A parameter of the driver; 0 if it does not know it. */
static uint32_t get_param(int fd, uint64_t param)
{
    uint32_t value = 0;
    struct drm_virtgpu_getparam args = {.param = param, .value = (uintptr_t)&value};
    return drmIoctl(fd, DRM_IOCTL_VIRTGPU_GETPARAM, &args) < 0 ? 0 : value;
}

/* What the data of a capset tell about its host. */
enum host {
    HOST_UNKNOWN, /* not an APIR host */
    HOST_APIR,    /* all contexts of the capset are APIR's */
    HOST_BOTH,    /* those are that are named so, the others are what the capset says */
};

static enum host ask_capset(int fd, uint32_t capset, uint32_t version)
{
    uint8_t data[APIR_MAX_CAPSET] = {0};
    /* the kernel copies what there is, at most so much */
    struct drm_virtgpu_get_caps args = {
        .cap_set_id = capset,
        .cap_set_ver = version,
        .addr = (uintptr_t)data,
        .size = sizeof data,
    };
    if (drmIoctl(fd, DRM_IOCTL_VIRTGPU_GET_CAPS, &args) < 0)
        return HOST_UNKNOWN;
    if (apir_capset_is_apir(data, sizeof data))
        return HOST_APIR;
    return apir_capset_has_trailer(data, sizeof data) ? HOST_BOTH : HOST_UNKNOWN;
}

static const struct {
    uint64_t param;
    const char *name;
} needed[] = {
    {VIRTGPU_PARAM_3D_FEATURES, "3D contexts"},
    {VIRTGPU_PARAM_CONTEXT_INIT, "context types (CONTEXT_INIT)"},
    {VIRTGPU_PARAM_RESOURCE_BLOB, "blob resources"},
    {VIRTGPU_PARAM_HOST_VISIBLE, "host-visible window"},
};

/* What the device lacks, or NULL. */
static const char *missing_feature(int fd)
{
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
        if (!get_param(fd, needed[i].param))
            return needed[i].name;
    return NULL;
}

/* The capset to use, or 0; and what its host is. */
static uint32_t choose_capset(int fd, enum apir_virtgpu_capset wanted, enum host *host)
{
    uint32_t offered = get_param(fd, VIRTGPU_PARAM_SUPPORTED_CAPSET_IDs);
    if (wanted != APIR_VIRTGPU_CAPSET_VENUS && offered & (1u << APIR_CAPSET_APIR)) {
        *host = ask_capset(fd, APIR_CAPSET_APIR, 0);
        if (*host == HOST_APIR)
            return APIR_CAPSET_APIR;
    }
    if (wanted != APIR_VIRTGPU_CAPSET_APIR && offered & (1u << APIR_CAPSET_VENUS)) {
        *host = ask_capset(fd, APIR_CAPSET_VENUS, 0);
        if (*host != HOST_UNKNOWN || wanted == APIR_VIRTGPU_CAPSET_VENUS)
            return APIR_CAPSET_VENUS;
    }
    return 0;
}

static const char *const no_apir[] = {
    [APIR_VIRTGPU_CAPSET_AUTO] = "the host of this virtio-gpu device has no APIR",
    [APIR_VIRTGPU_CAPSET_APIR] = "the host of this virtio-gpu device has no APIR capset",
    [APIR_VIRTGPU_CAPSET_VENUS] = "the host of this virtio-gpu device has no Venus capset",
};

/* Whether an open node will do; its capset then. */
static bool judge(struct search *search, int fd, const char *path, uint32_t *capset)
{
    char driver[64];
    if (drm_driver(fd, driver, sizeof driver) < 0) {
        refuse(search, -ENODEV, path, "is not a DRM device");
        return false;
    }
    if (strcmp(driver, DRIVER) != 0) {
        refuse(search, -ENODEV, path, "is a device of %s, not of %s", driver, DRIVER);
        return false;
    }
    const char *missing = missing_feature(fd);
    if (missing) {
        refuse(search, -EOPNOTSUPP, path, "this virtio-gpu device has no %s: the host has no APIR",
               missing);
        return false;
    }
    enum host host;
    *capset = choose_capset(fd, search->capset, &host);
    if (!*capset) {
        refuse(search, -EOPNOTSUPP, path, "%s", no_apir[search->capset]);
        return false;
    }
    if (host == HOST_BOTH && !get_param(fd, VIRTGPU_PARAM_EXPLICIT_DEBUG_NAME)) {
        refuse(search, -EOPNOTSUPP, path,
               "the host tells APIR contexts from Venus contexts by their names, and this kernel "
               "cannot give names: a newer kernel is needed");
        return false;
    }
    return true;
}

/* Whether render node number will do. */
static bool try_node(struct search *search, unsigned number, struct apir_virtgpu_node *node)
{
    char path[sizeof node->path], driver[64];
    struct stat st;
    if (snprintf(path, sizeof path, "%s/renderD%u", search->dri_dir, number) >= (int)sizeof path ||
        stat(path, &st) < 0)
        return false;
    if (S_ISCHR(st.st_mode) && bus_driver(&st, driver, sizeof driver) == 0 &&
        strncmp(driver, "virtio", 6) != 0) {
        refuse(search, -ENODEV, path, "is a device of %s, not of %s", driver, DRIVER);
        return false;
    }
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        refuse(search, -EACCES, path, "cannot be opened: %s", strerror(errno));
        return false;
    }
    if (!judge(search, fd, path, &node->capset)) {
        close(fd);
        return false;
    }
    node->takes_nothing =
        node->capset == APIR_CAPSET_APIR && ask_capset(fd, APIR_CAPSET_APIR, APIR_CAPSET_NOTHING) == HOST_APIR;
    memcpy(node->path, path, sizeof path);
    node->fd = fd;
    return true;
}

int apir_virtgpu_node_find(const struct apir_virtgpu_options *options, const struct apir_log *log,
                           struct apir_virtgpu_node *node, char *reason, size_t reason_size)
{
    struct search search = {
        .dri_dir = options && options->dri_dir ? options->dri_dir : "/dev/dri",
        .capset = options ? options->capset : APIR_VIRTGPU_CAPSET_AUTO,
        .log = log,
        .reason = reason,
        .reason_size = reason_size,
        .ret = -ENODEV,
    };
    reason[0] = '\0';
    for (unsigned i = 0; i < NODE_COUNT; i++)
        if (try_node(&search, NODE_FIRST + i, node))
            return 0;
    if (!reason[0])
        snprintf(reason, reason_size,
                 "no render node in %s: there is no virtio-gpu device, or "
                 "its driver is not loaded",
                 search.dri_dir);
    return search.ret;
}
