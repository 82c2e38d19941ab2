/* What the good fake library tells of the graph that it computed last, and what it is told. */
#ifndef APIR_TESTS_EXECUTOR_FAKE_LIBRARY_H
#define APIR_TESTS_EXECUTOR_FAKE_LIBRARY_H

#include <stddef.h>

enum {
    FAKE_MAX_NODES = 16,
};

struct fake_seen {
    int graphs;
    int n_nodes, n_leafs;
    size_t free_bytes;  /* told: memory of a device that is free */
    size_t total_bytes; /* told: all memory of a device */
    int unsupported_op; /* told: an op that no device supports, 0: all are */
    struct {
        char name[64];
        int op, flags;
        int use_count;
        void *data;
        void *extra; /* what was attached by the run before, which attaches something */
    } nodes[FAKE_MAX_NODES];
};

/* A node of this name ends the graph with the enum ggml_status that is the first 32-bit word of its source, or does not
 * return if that is FAKE_HANG. */
#define FAKE_JUDGE "judge"
#define FAKE_HANG 1000

/* Name under which the registry's get_proc_address gives the struct fake_seen. */
#define FAKE_SEEN "fake_seen"

#endif
