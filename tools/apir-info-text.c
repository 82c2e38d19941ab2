#include "apir-info.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

/* Prints a string of the host without what could confuse a terminal. */
static void put_clean(FILE *stream, const char *text)
{
    for (; *text; text++)
        putc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, stream);
}

static void put_field(FILE *stream, const char *name)
{
    fprintf(stream, "%-10s", name);
}

static double gib(uint64_t bytes)
{
    return (double)bytes / (1024.0 * 1024.0 * 1024.0);
}

static void print_device(const struct apir_info_device *d, uint32_t number, FILE *stream)
{
    char name[24];
    snprintf(name, sizeof name, "device %" PRIu32, number);
    put_field(stream, name);
    fputs("[virtgpu] ", stream);
    put_clean(stream, d->device.name);
    fputs(": ", stream);
    put_clean(stream, d->device.description);
    fprintf(stream, "\n%-10stype %s, memory %.1f GiB free of %.1f GiB\n", "", d->device.type,
            gib(d->free), gib(d->total));
}

static void print_sandbox(const struct apir_client_library *library, FILE *stream)
{
    put_field(stream, "sandbox");
    if (library->sandbox_lacks[0]) {
        fputs("DEGRADED: without ", stream);
        put_clean(stream, library->sandbox_lacks);
        fprintf(stream, "\n%-10s", "");
    }
    if (library->sandbox[0]) {
        fputs(library->sandbox_lacks[0] ? "it has " : "complete: ", stream);
        put_clean(stream, library->sandbox);
        putc('\n', stream);
    } else {
        fputs(library->sandbox_lacks[0] ? "it has nothing\n" : "the host does not tell\n", stream);
    }
}

static void print_host(const struct apir_info *info, FILE *stream)
{
    put_field(stream, "host");
    put_clean(stream, info->library.file);
    fputs(", ggml ", stream);
    put_clean(stream, info->library.ggml_version);
    putc('\n', stream);
    for (uint32_t i = 0; i < info->library.devices; i++)
        print_device(&info->devices[i], i, stream);
    print_sandbox(&info->library, stream);
    put_field(stream, "session");
    fprintf(stream, "%" PRIu64 " graphs computed, %" PRIu64 " buffers of %" PRIu64 " bytes\n",
            info->stats.graphs, info->stats.buffers, info->stats.buffer_bytes);
}

static void print_ggml(const struct apir_info *info, FILE *stream)
{
    const struct apir_info_ggml *ggml = &info->ggml;
    put_field(stream, "ggml");
    if (!ggml->found) {
        fputs("none in the library path of this system\n", stream);
        return;
    }
    fprintf(stream, "%s, %s\n", ggml->version, ggml->path);
    put_field(stream, "plug-in");
    if (!ggml->plugin[0])
        fprintf(stream, "none in %s\n", ggml->folder[0] ? ggml->folder : "a folder near it");
    else if (!info->connected)
        fprintf(stream, "%s\n", ggml->plugin);
    else
        fprintf(stream, "%s, %s this ggml\n", ggml->plugin,
                ggml->accepted ? "works with" : "does not know");
}

static void print_owner(const struct stat *st, FILE *stream)
{
    struct passwd *user = getpwuid(st->st_uid);
    struct group *group = getgrgid(st->st_gid);
    if (user)
        fprintf(stream, "%s:", user->pw_name);
    else
        fprintf(stream, "%u:", (unsigned)st->st_uid);
    if (group)
        fprintf(stream, "%s", group->gr_name);
    else
        fprintf(stream, "%u", (unsigned)st->st_gid);
}

/* What was looked at. */
static void print_search(const struct apir_info *info, FILE *stream)
{
    put_field(stream, "searched");
    if (info->socket) {
        fprintf(stream, "the socket %s\n", info->socket);
        return;
    }
    fprintf(stream, "%u render node%s in /dev/dri for a virtio-gpu device%s\n", info->n_nodes,
            info->n_nodes == 1 ? "" : "s", info->apir_capset_only ? " with the APIR capset" : "");
    for (unsigned i = 0; i < info->n_nodes; i++) {
        const struct apir_info_node *node = &info->nodes[i];
        fprintf(stream, "%-10s%s, owner ", "", node->path);
        print_owner(&node->st, stream);
        fprintf(stream, ", mode %04o%s\n", (unsigned)node->st.st_mode & 07777,
                node->can_open ? "" : ", not for this user");
    }
}

static const char *user_name(void)
{
    struct passwd *user = getpwuid(geteuid());
    return user ? user->pw_name : "this user";
}

static void advise_access(const struct apir_info *info, FILE *stream)
{
    for (unsigned i = 0; i < info->n_nodes; i++) {
        const struct apir_info_node *node = &info->nodes[i];
        const struct group *group = getgrgid(node->st.st_gid);
        if (node->can_open)
            continue;
        if ((node->st.st_mode & 0060) == 0060 && group && group->gr_gid != 0)
            fprintf(stream, "- add the user to group %s: usermod -aG %s %s, then log in again\n",
                    group->gr_name, group->gr_name, user_name());
        else
            fprintf(stream,
                    "- give a group access to %s: chgrp render %s && chmod 0660 %s, then add the "
                    "user to it: usermod -aG render %s\n",
                    node->path, node->path, node->path, user_name());
    }
}

static void advise_socket(const struct apir_info *info, FILE *stream)
{
    switch (info->failure.error) {
    case ENOENT:
        fprintf(stream, "- there is no %s: start apird --listen %s on the host\n", info->socket,
                info->socket);
        fputs("- in a container, pass the socket in and name its path there\n", stream);
        break;
    case EACCES:
        fprintf(stream, "- %s may not use %s: change the socket's owner or mode on the host\n",
                user_name(), info->socket);
        break;
    default:
        fprintf(stream, "- nobody listens at %s: start apird --listen %s again\n", info->socket,
                info->socket);
    }
}

static void advise_library(FILE *stream)
{
    fputs("- on the host: apird --ggml-library L, where L is the path of a ggml backend library or "
          "a name such as cpu or vulkan\n"
          "- on the host, to see what that library offers: apird-worker --probe --ggml-library L\n",
          stream);
}

static void advise_ggml(const struct apir_info *info, FILE *stream)
{
    const struct apir_info_ggml *ggml = &info->ggml;
    if (!info->loaded || !ggml->found)
        return;
    if (!ggml->plugin[0])
        fprintf(stream,
                "- copy libggml-virtgpu-apir.so to %s, for the programs that use this ggml\n",
                ggml->folder[0] ? ggml->folder : "the folder of its backends");
    else if (!ggml->accepted)
        fprintf(stream,
                "- the plug-in does not know ggml %s: install a newer plug-in, or a ggml that it "
                "knows (GGML_VIRTGPU_DEBUG=1 says which)\n",
                ggml->version);
}

void apir_info_print_advice(const struct apir_info *info, FILE *stream)
{
    switch (info->failure.problem) {
    case APIR_CLIENT_NO_PROBLEM:
        advise_ggml(info, stream);
        break;
    case APIR_CLIENT_NO_DEVICE:
        fputs(
            "- in a virtual machine: start apird --vhost-user PATH on the host and give the "
            "machine "
            "its virtio-gpu device (apird(1) has the options of QEMU)\n"
            "- if it has the device: load the kernel's driver, modprobe virtio-gpu\n"
            "- in a container: start apird --listen PATH on the host, pass the socket in, and set "
            "GGML_VIRTGPU_SOCKET=PATH\n",
            stream);
        break;
    case APIR_CLIENT_NO_ACCESS:
        advise_access(info, stream);
        break;
    case APIR_CLIENT_NO_APIR:
        if (info->apir_capset_only)
            fputs("- unset GGML_REMOTING_USE_APIR_CAPSET and GGML_VIRTGPU_CAPSET: a host that offers APIR as a Venus "
                  "capset is "
                  "then taken, too\n",
                  stream);
        fputs("- the machine's virtio-gpu device is another one: start apird --vhost-user PATH on "
              "the "
              "host and give the machine the device of apird beside it (apird(1))\n",
              stream);
        break;
    case APIR_CLIENT_NO_SOCKET:
        advise_socket(info, stream);
        break;
    case APIR_CLIENT_NO_ANSWER:
        fputs("- see what apird says on the host, with --verbose\n", stream);
        break;
    case APIR_CLIENT_BAD_VERSION:
        fputs("- install versions of apir with the same major protocol version in the guest and on "
              "the "
              "host\n",
              stream);
        break;
    case APIR_CLIENT_NO_LIBRARY:
        advise_library(stream);
        break;
    }
}

const char *apir_info_problem_name(const struct apir_info *info)
{
    static const char *const names[] = {
        [APIR_CLIENT_NO_PROBLEM] = "none",         [APIR_CLIENT_NO_DEVICE] = "no-device",
        [APIR_CLIENT_NO_ACCESS] = "no-access",     [APIR_CLIENT_NO_APIR] = "no-apir",
        [APIR_CLIENT_NO_SOCKET] = "no-socket",     [APIR_CLIENT_NO_ANSWER] = "no-answer",
        [APIR_CLIENT_BAD_VERSION] = "bad-version", [APIR_CLIENT_NO_LIBRARY] = "no-library",
    };
    if (!info->usable && info->failure.problem == APIR_CLIENT_NO_PROBLEM)
        return "unknown-ggml";
    return names[info->failure.problem];
}

static void print_verdict(const struct apir_info *info, FILE *stream)
{
    if (info->usable) {
        fputs("usable\n", stream);
        return;
    }
    fputs("not usable: ", stream);
    if (info->failure.problem == APIR_CLIENT_NO_PROBLEM)
        fprintf(stream, "the plug-in does not know ggml %s", info->ggml.version);
    else
        put_clean(stream, info->failure.message);
    putc('\n', stream);
}

void apir_info_print_text(const struct apir_info *info, bool explain, FILE *stream)
{
    if (explain || !info->connected)
        print_search(info, stream);
    if (info->connected) {
        put_field(stream, "door");
        fprintf(stream, "%s\n", info->door);
        put_field(stream, "protocol");
        fprintf(stream, "%u.%u here, %u.%u on the host\n", info->own_major, info->own_minor,
                info->host_major, info->host_minor);
    }
    if (info->loaded)
        print_host(info, stream);
    print_ggml(info, stream);
    print_verdict(info, stream);
    apir_info_print_advice(info, stream);
}
