/* What apird is told: by its options, and by the environment. */
#ifndef APIRD_OPTIONS_H
#define APIRD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "attach/worker-process.h"

enum {
    APIRD_MAX_DOORS = 32, /* of each kind */
};

/* Strings are those of argv and of the environment, unless they are called owned. */
struct apird_options {
    const char *sockets[APIRD_MAX_DOORS];
    unsigned socket_count;
    const char *machines[APIRD_MAX_DOORS]; /* --vhost-user */
    unsigned machine_count;
    int socket_mode;
    uint64_t window_size;
    uint64_t worker_memory; /* 0: none */
    bool needs_groups;      /* --worker-memory was given */
    char *libraries;        /* owned; those of --ggml-library, NULL: none */
    char *sandbox_paths;    /* owned; those of --sandbox-path, NULL: none */
    const char *log_path;
    const char *worker_path; /* NULL: beside this program */
    unsigned max_contexts;
    bool verbose;
    bool done; /* --help or --version has been served */
    struct apir_worker_options worker;
};

/* Fills *options. 0, or -EINVAL after a line on stderr. The caller calls finish in either case. */
int apird_options_parse(struct apird_options *options, int argc, char **argv);
void apird_options_finish(struct apird_options *options);

#endif
