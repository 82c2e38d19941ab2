/* What the good fake library tells of the graph that it computed last. */
#ifndef APIR_TESTS_EXECUTOR_FAKE_LIBRARY_H
#define APIR_TESTS_EXECUTOR_FAKE_LIBRARY_H

enum {
    FAKE_MAX_NODES = 16,
};

struct fake_seen {
    int graphs;
    int n_nodes, n_leafs;
    struct {
        char name[64];
        int op, flags;
        int use_count;
        void *data;
    } nodes[FAKE_MAX_NODES];
};

/* Name under which the registry's get_proc_address gives the struct fake_seen. */
#define FAKE_SEEN "fake_seen"

#endif
