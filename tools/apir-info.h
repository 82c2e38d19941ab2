/* `apir info`: what was found, and its two forms of output. */
#ifndef APIR_TOOLS_APIR_INFO_H
#define APIR_TOOLS_APIR_INFO_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include "apir-client.h"

enum {
    APIR_INFO_MAX_DEVICES = 64, /* of the protocol, APIR_MAX_DEVICES */
    APIR_INFO_MAX_NODES = 64,
    APIR_INFO_PATH_SIZE = 256,
};

struct apir_info_device {
    struct apir_client_device device;
    uint64_t free, total; /* bytes of memory, now */
};

/* A render node of /dev/dri. */
struct apir_info_node {
    char path[APIR_INFO_PATH_SIZE];
    struct stat st;
    bool can_open; /* this user may read and write it */
};

/* The ggml that programs of this system use. */
struct apir_info_ggml {
    bool found;
    char version[64];
    char path[APIR_INFO_PATH_SIZE];
    char folder[APIR_INFO_PATH_SIZE]; /* where it looks for backends; empty: not found */
    char plugin[APIR_INFO_PATH_SIZE + 32]; /* our plug-in there; empty: not found */
    bool accepted;                    /* the plug-in knows this ggml; only when there is a door */
};

/* Everything that was found. */
struct apir_info {
    const char *socket;    /* path that was asked for by option or environment; NULL: virtio-gpu */
    bool apir_capset_only; /* GGML_VIRTGPU_CAPSET=apir, or GGML_REMOTING_USE_APIR_CAPSET is set */
    bool usable;
    struct apir_client_failure failure;

    struct apir_info_node nodes[APIR_INFO_MAX_NODES];
    unsigned n_nodes;

    bool connected; /* then the next five are filled */
    char door[128];
    uint32_t own_major, own_minor; /* of the protocol that is spoken */
    uint32_t host_major, host_minor;

    bool loaded; /* then all below are filled */
    struct apir_client_library library;
    struct apir_info_device devices[APIR_INFO_MAX_DEVICES];
    struct apir_client_stats stats;

    struct apir_info_ggml ggml;
};

/* Fills info. socket: path from the command line, or NULL. */
void apir_info_collect(struct apir_info *info, const char *socket, int log_level);

/* Prints what was found; if nothing is usable, or always with explain, also what was looked at and what to do. */
void apir_info_print_text(const struct apir_info *info, bool explain, FILE *stream);

/* Prints one JSON object. */
void apir_info_print_json(const struct apir_info *info, FILE *stream);

/* Prints what to do, a line each with a "- " before it; nothing if there is nothing to do. */
void apir_info_print_advice(const struct apir_info *info, FILE *stream);

/* Name of info's problem: "no-device" and so on, "none". */
const char *apir_info_problem_name(const struct apir_info *info);

#endif
