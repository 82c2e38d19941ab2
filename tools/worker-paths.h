/* What a worker opens: files of libraries and drivers, and device nodes. */
#ifndef APIR_TOOLS_WORKER_PATHS_H
#define APIR_TOOLS_WORKER_PATHS_H

#include <stdbool.h>
#include <stddef.h>

enum {
    APIR_WORKER_MAX_PATHS = 512,
};

/* Paths, each a copy of its own. */
struct apir_worker_path_list {
    char *items[APIR_WORKER_MAX_PATHS];
    size_t n;
};

struct apir_worker_paths {
    struct apir_worker_path_list readable; /* files, and folders with all below */
    struct apir_worker_path_list devices;  /* the same for device nodes */
};

/* What a worker is started with; lists have ':' between their entries. */
struct apir_worker_needs {
    const char *libraries;       /* paths or names of ggml libraries; may be NULL */
    const char *backend_library; /* a path; may be NULL */
    const char *more;            /* files and folders that the user adds; may be NULL */
};

/* Whether one of the libraries is ggml's of that name: "rpc" is "rpc", ".../libggml-rpc.so" or "libggml-rpc-x.so". */
bool apir_worker_needs_library(const struct apir_worker_needs *needs, const char *name);

/* Whether all that computes is ggml's own code for the processor, which needs no driver. */
bool apir_worker_needs_no_device(const struct apir_worker_needs *needs);

/* Collects what is there of it. process: the folder of the calling process in /proc instead of all of /proc. */
void apir_worker_paths_collect(struct apir_worker_paths *paths, const struct apir_worker_needs *needs, bool process);
void apir_worker_paths_finish(struct apir_worker_paths *paths);

#endif
