#include "worker-jail.h"

#include <errno.h>
#include <glob.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jail/jail.h"
#include "util/log.h"

enum {
    MAX_PATHS = 128,
};

/* Libraries, drivers and what they read to find out about the machine; of /etc only what is meant for them. */
static const char *const system_paths[] = {
    "/usr", "/lib", "/lib32", "/lib64", "/bin", "/opt", "/nix/store", "/gnu/store", "/run/opengl-driver",
    "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/vulkan", "/etc/glvnd", "/etc/drirc",
    "/etc/OpenCL", "/etc/nvidia", "/etc/localtime", "/etc/hwdata", "/proc", "/sys",
};

static const char *const device_patterns[] = {
    "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/dri", "/dev/kfd", "/dev/nvidia*",
    "/dev/dxg", "/dev/accel", "/dev/udmabuf",
};

/* Variables that name files or folders, with ':' between them, which the loader and drivers read. */
static const char *const variables[] = {
    "LD_LIBRARY_PATH", "VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_ADD_DRIVER_FILES", "LIBGL_DRIVERS_PATH",
};

/* Paths, each a copy of its own. */
struct paths {
    char *items[MAX_PATHS];
    size_t n;
};

static bool has(const struct paths *paths, const char *path, size_t length)
{
    for (size_t i = 0; i < paths->n; i++)
        if (strncmp(paths->items[i], path, length) == 0 && paths->items[i][length] == '\0')
            return true;
    return false;
}

static void add(struct paths *paths, const char *path, size_t length)
{
    if (has(paths, path, length))
        return;
    char *copy = paths->n < MAX_PATHS && length ? strndup(path, length) : NULL;
    if (copy)
        paths->items[paths->n++] = copy;
}

/* The folder that a path lies in; a name without a folder is looked for elsewhere. */
static void add_folder(struct paths *paths, const char *path, size_t length)
{
    while (length && path[length - 1] != '/')
        length--;
    if (length)
        add(paths, path, length);
}

/* Both, what is named and its folder: a library lies beside others that it needs. */
static void add_list(struct paths *paths, const char *list, bool folders)
{
    while (list && *list) {
        size_t length = strcspn(list, ":");
        if (folders)
            add_folder(paths, list, length);
        else
            add(paths, list, length);
        list += length + (list[length] == ':');
    }
}

/* The folders of the program and of all that it has loaded: ggml's, wherever that is, among them. */
static int add_of_object(struct dl_phdr_info *object, size_t size, void *paths)
{
    (void)size;
    add_folder(paths, object->dlpi_name, strlen(object->dlpi_name));
    return 0;
}

static void add_program(struct paths *paths)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path);
    if (length > 0)
        add_folder(paths, path, (size_t)length);
}

static void collect_readable(struct paths *paths, const char *libraries, const char *backend_library)
{
    for (size_t i = 0; i < sizeof system_paths / sizeof *system_paths; i++)
        add(paths, system_paths[i], strlen(system_paths[i]));
    add_program(paths);
    dl_iterate_phdr(add_of_object, paths);
    add_list(paths, libraries, true);
    add_list(paths, backend_library, true);
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        add_list(paths, getenv(variables[i]), false);
        add_list(paths, getenv(variables[i]), true);
    }
}

static void collect_devices(struct paths *paths)
{
    for (size_t i = 0; i < sizeof device_patterns / sizeof *device_patterns; i++) {
        glob_t found;
        if (glob(device_patterns[i], 0, NULL, &found) == 0)
            for (size_t k = 0; k < found.gl_pathc; k++)
                add(paths, found.gl_pathv[k], strlen(found.gl_pathv[k]));
        globfree(&found);
    }
}

static void free_paths(struct paths *paths)
{
    for (size_t i = 0; i < paths->n; i++)
        free(paths->items[i]);
}

/* ggml-rpc is a library that has its device on another machine. */
static bool needs_network(const char *libraries)
{
    return libraries && strstr(libraries, "rpc") != NULL;
}

/* The daemon has closed the descriptors. What a sanitizer does at the end, it does with ptrace. */
static const uint32_t left_out = UINT32_C(1) << APIR_JAIL_DESCRIPTORS
#ifdef APIR_SANITIZED
                                 | UINT32_C(1) << APIR_JAIL_CALLS
#endif
    ;

/* Wide enough to load libraries and make devices ready. */
static uint32_t calls_to_load(const char *libraries)
{
    uint32_t calls =
        APIR_JAIL_CALLS_OPEN | APIR_JAIL_CALLS_CODE | APIR_JAIL_CALLS_DEVICES | APIR_JAIL_CALLS_CONFINE;
    if (needs_network(libraries))
        calls |= APIR_JAIL_CALLS_NETWORK;
    if (libraries && strstr(libraries, "cuda"))
        calls |= APIR_JAIL_CALLS_NVIDIA;
    return calls;
}

/* What root could read, and its worker cannot. */
static void explain_unreadable(const char *list, const struct apir_log *log)
{
    char path[4096];
    while (list && *list) {
        size_t length = strcspn(list, ":");
        if (length < sizeof path && memchr(list, '/', length)) {
            memcpy(path, list, length);
            path[length] = '\0';
            if (access(path, R_OK) < 0 && errno == EACCES)
                apir_error(log, "%s cannot be read by the worker, which is a user of its own: let others read it and its "
                           "folders, or start as the user who may, or with --worker-users none", path);
        }
        list += length + (list[length] == ':');
    }
}

bool apir_worker_jail_enter(const char *libraries, const char *backend_library, uint32_t user_base,
                            const struct apir_log *log)
{
    struct paths readable = {.n = 0}, devices = {.n = 0};
    struct apir_jail_report report;
    char text[256];
    collect_readable(&readable, libraries, backend_library);
    collect_devices(&devices);
    const struct apir_jail_options options = {
        .readable = (const char *const *)readable.items,
        .n_readable = readable.n,
        .devices = (const char *const *)devices.items,
        .n_devices = devices.n,
        .network = needs_network(libraries),
        .user_base = user_base,
        .calls = calls_to_load(libraries),
        .without = left_out,
    };
    apir_jail_enter(&options, &report);
    free_paths(&readable);
    free_paths(&devices);
    explain_unreadable(libraries, log);
    explain_unreadable(backend_library, log);
    apir_jail_describe(&report, false, text, sizeof text);
    apir_debug(log, "confined: %s", text);
    if (apir_jail_is_complete(&report))
        return true;
    apir_jail_describe(&report, true, text, sizeof text);
    apir_info(log, "DEGRADED: this kernel or set-up confines the worker without: %s", text);
    return false;
}

static void list(const struct paths *paths, const char *word, FILE *stream)
{
    for (size_t i = 0; i < paths->n; i++)
        if (!strchr(paths->items[i], '\n'))
            fprintf(stream, "%s %s\n", word, paths->items[i]);
}

int apir_worker_jail_list(const char *libraries, const char *backend_library, FILE *stream)
{
    struct paths readable = {.n = 0}, devices = {.n = 0};
    collect_readable(&readable, libraries, backend_library);
    collect_devices(&devices);
    list(&readable, "readable", stream);
    list(&devices, "device", stream);
    if (needs_network(libraries))
        fputs("network\n", stream);
    free_paths(&readable);
    free_paths(&devices);
    return fflush(stream) == 0 ? 0 : -EIO;
}
