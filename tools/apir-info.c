#include "apir-info.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The library that every ggml program has, with its SONAME of all releases so far. */
#define GGML_LIBRARY "libggml-base.so.0"
#define PLUGIN "libggml-virtgpu-apir.so"

static void copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from);
}

static void collect_nodes(struct apir_info *info)
{
    glob_t found;
    if (glob("/dev/dri/renderD*", 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc && info->n_nodes < APIR_INFO_MAX_NODES; i++) {
        struct apir_info_node *node = &info->nodes[info->n_nodes];
        copy(node->path, sizeof node->path, found.gl_pathv[i]);
        if (stat(node->path, &node->st) < 0)
            continue;
        node->can_open = access(node->path, R_OK | W_OK) == 0;
        info->n_nodes++;
    }
    globfree(&found);
}

/* Folder of the first file that matches the pattern; false if there is none. */
static bool find_folder(const char *pattern, char *folder, size_t size)
{
    glob_t found;
    if (glob(pattern, 0, NULL, &found) != 0)
        return false;
    copy(folder, size, found.gl_pathv[0]);
    *strrchr(folder, '/') = '\0';
    globfree(&found);
    return true;
}

/* ggml looks for backends in a folder that was chosen when it was built: the one near it that has
 * some. */
static void find_backends(struct apir_info_ggml *ggml)
{
    static const char *const places[] = {"ggml/backends*/", "ggml/", ""};
    char folder[APIR_INFO_PATH_SIZE], pattern[2 * APIR_INFO_PATH_SIZE];
    copy(folder, sizeof folder, ggml->path);
    char *slash = strrchr(folder, '/');
    if (!slash)
        return;
    *slash = '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        snprintf(pattern, sizeof pattern, "%s/%slibggml-*.so", folder, places[i]);
        if (find_folder(pattern, ggml->folder, sizeof ggml->folder))
            return;
    }
}

/* Asks our plug-in whether it accepts the ggml that is loaded. */
static bool plugin_accepts(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return false;
    int (*score)(void) = (int (*)(void))(uintptr_t)dlsym(library, "ggml_backend_score");
    return score && score() > 0;
}

/* What is loaded stays: ggml's libraries are not made to be unloaded. */
static void collect_ggml(struct apir_info_ggml *ggml)
{
    void *library = dlopen(GGML_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return;
    void *address = dlsym(library, "ggml_version");
    Dl_info where;
    if (!address || !dladdr(address, &where))
        return;
    const char *(*version)(void) = (const char *(*)(void))(uintptr_t)address;
    ggml->found = true;
    copy(ggml->version, sizeof ggml->version, version());
    copy(ggml->path, sizeof ggml->path, where.dli_fname);
    find_backends(ggml);
    char *plugin = ggml->plugin;
    snprintf(plugin, sizeof ggml->plugin, "%s/%s", ggml->folder, PLUGIN);
    if (ggml->folder[0] && access(plugin, R_OK) == 0)
        ggml->accepted = plugin_accepts(plugin);
    else
        plugin[0] = '\0';
}

static void lose(struct apir_info *info, int error)
{
    info->loaded = false;
    info->failure.problem = APIR_CLIENT_NO_ANSWER;
    info->failure.error = error;
    copy(info->failure.message, sizeof info->failure.message, strerror(error));
}

static void collect_devices(struct apir_info *info, struct apir_client *client)
{
    int ret = 0;
    if (info->library.devices > APIR_INFO_MAX_DEVICES)
        info->library.devices = APIR_INFO_MAX_DEVICES;
    for (uint32_t i = 0; i < info->library.devices && ret == 0; i++) {
        struct apir_info_device *d = &info->devices[i];
        ret = apir_client_get_device(client, i, &d->device);
        if (ret == 0)
            ret = apir_client_get_memory(client, i, &d->free, &d->total);
    }
    if (ret == 0)
        ret = apir_client_get_stats(client, &info->stats);
    if (ret < 0)
        lose(info, -ret);
}

static void collect_host(struct apir_info *info, const char *socket, int log_level)
{
    struct apir_client_options options = {.socket = socket, .log = stderr, .log_level = log_level};
    struct apir_client *client = apir_client_open(&options, &info->failure);
    if (!client)
        return;
    info->connected = true;
    copy(info->door, sizeof info->door, apir_client_door(client));
    apir_client_spoken_version(client, &info->own_major, &info->own_minor);
    apir_client_host_version(client, &info->host_major, &info->host_minor);
    info->loaded = apir_client_load(client, &info->library, &info->failure) == 0;
    if (info->loaded)
        collect_devices(info, client);
    apir_client_close(client);
}

void apir_info_collect(struct apir_info *info, const char *socket, int log_level)
{
    memset(info, 0, sizeof *info);
    const char *variable = getenv("GGML_VIRTGPU_SOCKET");
    info->socket = socket ? socket : variable && variable[0] ? variable : NULL;
    if (socket)
        setenv("GGML_VIRTGPU_SOCKET", socket, 1); /* the plug-in is asked about the same door */
    const char *capset = getenv("GGML_VIRTGPU_CAPSET");
    info->apir_capset_only = capset && capset[0] ? strcmp(capset, "apir") == 0
                                                 : getenv("GGML_REMOTING_USE_APIR_CAPSET") != NULL;
    collect_nodes(info);
    collect_host(info, socket, log_level);
    collect_ggml(&info->ggml);
    info->usable = info->loaded && (!info->ggml.plugin[0] || info->ggml.accepted);
}
