#include "worker-paths.h"

#include <glob.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/path-list.h"

/* Libraries, and what they read to find out about the machine. Programs and data of others are not among it. */
static const char *const of_all[] = {
    "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64", "/lib", "/lib32", "/lib64", "/nix/store",
    "/gnu/store", "/usr/share/locale", "/usr/share/zoneinfo", "/etc/ld.so.cache", "/etc/localtime", "/proc/cpuinfo",
    "/proc/meminfo", "/proc/stat", "/proc/sys/vm/overcommit_memory", "/proc/sys/vm/max_map_count", "/sys/devices/system",
    "/sys/kernel/mm/transparent_hugepage",
};

static const char *const of_devices[] = {
    "/usr/share/vulkan", "/usr/share/glvnd", "/usr/share/drirc.d", "/usr/share/libdrm", "/usr/share/nvidia",
    "/usr/share/hwdata", "/usr/share/clc", "/usr/share/OpenCL", "/usr/local/share/vulkan", "/usr/local/cuda", "/opt/rocm",
    "/opt/amdgpu", "/opt/intel", "/run/opengl-driver", "/etc/vulkan", "/etc/glvnd", "/etc/drirc", "/etc/OpenCL",
    "/etc/nvidia", "/etc/hwdata", "/proc/devices", "/proc/driver", "/proc/sys/vm/mmap_min_addr", "/proc/sys/dev",
    "/sys/class/drm", "/sys/class/accel", "/sys/class/kfd", "/sys/devices/virtual/kfd", "/sys/dev/char", "/sys/bus/pci/devices",
    "/dev/dri", /* to look for render nodes; nodes that set modes of displays take no ioctl then */
    "/sys/module/amdgpu", "/sys/module/nvidia", "/sys/module/nvidia_uvm", "/sys/module/i915", "/sys/module/xe",
};

/* In sysfs, the devices themselves, of those that compute only. */
static const char *const device_folders[] = {
    "/sys/class/drm/*/device", "/sys/class/accel/*/device", "/sys/bus/pci/drivers/nvidia/*:*",
};

static const char *const nodes_of_all[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"};

static const char *const nodes_of_devices[] = {
    "/dev/dri/renderD*", "/dev/kfd", "/dev/nvidia*", "/dev/dxg", "/dev/accel",
};

/* Names of other machines. */
static const char *const of_network[] = {
    "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/resolv.conf", "/etc/gai.conf",
};

/* Variables that name files or folders, with ':' between them, which the loader and drivers read. */
static const char *const variables[] = {
    "LD_LIBRARY_PATH", "VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_ADD_DRIVER_FILES", "LIBGL_DRIVERS_PATH",
};

#define ADD_ALL(list, paths) add_all(list, paths, sizeof paths / sizeof *paths)
#define GLOB_ALL(list, patterns) glob_all(list, patterns, sizeof patterns / sizeof *patterns)

/* Whether path is one of them, or lies below one. */
static bool covers(const struct apir_worker_path_list *list, const char *path)
{
    for (size_t i = 0; i < list->n; i++) {
        size_t length = strlen(list->items[i]);
        if (strncmp(list->items[i], path, length) == 0 && (path[length] == '\0' || path[length] == '/'))
            return true;
    }
    return false;
}

static void add(struct apir_worker_path_list *list, const char *path)
{
    char *copy = list->n < APIR_WORKER_MAX_PATHS && *path && !covers(list, path) ? strdup(path) : NULL;
    if (copy)
        list->items[list->n++] = copy;
}

static void add_all(struct apir_worker_path_list *list, const char *const *paths, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add(list, paths[i]);
}

static void glob_all(struct apir_worker_path_list *list, const char *const *patterns, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        glob_t found;
        if (glob(patterns[i], 0, NULL, &found) == 0)
            for (size_t k = 0; k < found.gl_pathc; k++)
                add(list, found.gl_pathv[k]);
        globfree(&found);
    }
}

/* Calls use with each entry of a list. */
static void for_each(const char *entries, void (*use)(struct apir_worker_path_list *list, const char *path),
                     struct apir_worker_path_list *list)
{
    const char *rest = entries ? entries : "", *entry;
    size_t length;
    while ((entry = apir_path_list_next(&rest, &length))) {
        char *path = strndup(entry, length);
        if (path)
            use(list, path);
        free(path);
    }
}

/* The folder that a path lies in, without the slash; "": none, and the name is looked for elsewhere. */
static void cut_to_folder(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash)
        slash[slash == path] = '\0';
    else
        *path = '\0';
}

/* A library, and those that lie beside it, which it may need; nothing else of that folder, which can be a home. */
static void add_library(struct apir_worker_path_list *list, const char *path)
{
    char pattern[4096];
    const char *const patterns[] = {pattern};
    if (!strchr(path, '/'))
        return;
    add(list, path);
    snprintf(pattern, sizeof pattern, "%s", path);
    cut_to_folder(pattern);
    size_t length = strlen(pattern);
    snprintf(pattern + length, sizeof pattern - length, "/*.so*");
    glob_all(list, patterns, 1);
}

/* The folders of what this program has loaded: ggml's, wherever that is, among them, with its backends below. */
static int add_folder_of_object(struct dl_phdr_info *object, size_t size, void *list)
{
    char path[4096];
    (void)size;
    snprintf(path, sizeof path, "%s", object->dlpi_name);
    cut_to_folder(path);
    add(list, path);
    return 0;
}

/* The folders that the loader looks into: where the files that ld.so.cache names are. */
static void add_loader_folders(struct apir_worker_path_list *list)
{
    static const char *const patterns[] = {"/etc/ld.so.conf", "/etc/ld.so.conf.d/*.conf"};
    struct apir_worker_path_list files = {.n = 0};
    char line[1024];
    GLOB_ALL(&files, patterns);
    for (size_t i = 0; i < files.n; i++) {
        FILE *file = fopen(files.items[i], "re");
        while (file && fgets(line, sizeof line, file)) {
            line[strcspn(line, " \t\r\n#")] = '\0';
            if (*line == '/')
                add(list, line);
        }
        if (file)
            fclose(file);
        free(files.items[i]);
    }
}

/* ggml's name of a library, without "libggml-": its end is not cut off. */
static const char *name_of(const char *entry, size_t *length)
{
    static const char head[] = "libggml-";
    for (size_t i = *length; i > 0; i--)
        if (entry[i - 1] == '/') {
            *length -= i;
            entry += i;
            break;
        }
    if (*length >= sizeof head - 1 && strncmp(entry, head, sizeof head - 1) == 0) {
        *length -= sizeof head - 1;
        entry += sizeof head - 1;
    }
    return entry;
}

static bool is_library(const char *entry, size_t length, const char *name)
{
    size_t n = strlen(name);
    entry = name_of(entry, &length);
    return length >= n && strncmp(entry, name, n) == 0 && (length == n || entry[n] == '-' || entry[n] == '.');
}

bool apir_worker_needs_library(const struct apir_worker_needs *needs, const char *name)
{
    const char *rest = needs->libraries ? needs->libraries : "", *entry;
    size_t length;
    while ((entry = apir_path_list_next(&rest, &length)))
        if (is_library(entry, length, name))
            return true;
    return false;
}

bool apir_worker_needs_no_device(const struct apir_worker_needs *needs)
{
    const char *rest = needs->libraries ? needs->libraries : "", *entry;
    size_t length;
    while ((entry = apir_path_list_next(&rest, &length)))
        if (!is_library(entry, length, "cpu") && !is_library(entry, length, "rpc"))
            return false;
    return !needs->backend_library;
}

static void collect_for_devices(struct apir_worker_paths *paths)
{
    ADD_ALL(&paths->readable, of_devices);
    GLOB_ALL(&paths->readable, device_folders);
    GLOB_ALL(&paths->devices, nodes_of_devices);
    for (size_t i = 1; i < sizeof variables / sizeof *variables; i++) {
        for_each(getenv(variables[i]), add, &paths->readable);
        for_each(getenv(variables[i]), add_library, &paths->readable);
    }
}

void apir_worker_paths_collect(struct apir_worker_paths *paths, const struct apir_worker_needs *needs, bool process)
{
    memset(paths, 0, sizeof *paths);
    add(&paths->readable, process ? "/proc/self" : "/proc");
    ADD_ALL(&paths->readable, of_all);
    add_loader_folders(&paths->readable);
    dl_iterate_phdr(add_folder_of_object, &paths->readable);
    for_each(getenv(variables[0]), add, &paths->readable);
    ADD_ALL(&paths->devices, nodes_of_all);
    if (!apir_worker_needs_no_device(needs))
        collect_for_devices(paths);
    if (apir_worker_needs_library(needs, "rpc"))
        ADD_ALL(&paths->readable, of_network);
    for_each(needs->libraries, add_library, &paths->readable);
    for_each(needs->backend_library, add_library, &paths->readable);
    for_each(needs->more, add, &paths->readable);
}

static void free_list(struct apir_worker_path_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->items[i]);
}

void apir_worker_paths_finish(struct apir_worker_paths *paths)
{
    free_list(&paths->readable);
    free_list(&paths->devices);
}
