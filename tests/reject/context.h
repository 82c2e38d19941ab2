/* A context to be broken: a host in this process, and a raw guest that has come as far as the test needs. */
#ifndef APIR_TESTS_REJECT_CONTEXT_H
#define APIR_TESTS_REJECT_CONTEXT_H

#include "server/raw-guest.h"
#include "support/host.h"

enum context_stage {
    CONTEXT_CONNECTED, /* no handshake yet */
    CONTEXT_SHAKEN,    /* no queue yet */
    CONTEXT_OPEN,      /* queue 0 is open, nothing was called */
    CONTEXT_LOADED,    /* the library is loaded */
    CONTEXT_READY,     /* the numbering is negotiated; a buffer, a stream, data and a good graph are there */
    CONTEXT_USED,      /* and others of these are gone */
};

enum {
    /* bytes of what contexts have */
    BUFFER_SIZE = 4096,
    DATA_SIZE = 8192,
    SMALL_SIZE = 16,
    /* session numbers */
    OP_NONE = 0,
    OP_ADD = 1,
    OP_UNARY = 2,
    OP_UNKNOWN = 3,
    N_OPS = 4,
    TYPE_F32 = 0,
    TYPE_Q4_0 = 1,
    TYPE_UNKNOWN = 2,
    N_TYPES = 3,
};

struct context {
    struct test_host host;
    struct raw_guest guest;
    struct raw_queue control;
    uint64_t buffer, stream;
    uint64_t stale_buffer, stale_stream; /* freed, and their places taken again by the two above */
    struct raw_shm data, graph;
    struct raw_shm small;   /* SMALL_SIZE bytes in a mapping of their own */
    struct raw_shm removed; /* its id is gone */
    uint32_t graph_size;    /* bytes of the good graph in `graph` */
    /* handles and ids that do not exist yet are made up */
};

/* Makes a context of a stage. Any failure fails the test. */
void context_open(struct context *context, enum context_stage stage);

/* Ends it; the server's result. */
int context_close(struct context *context);

/* Whether the graphs of its stream have succeeded. */
enum apir_graph_status context_collect(struct context *context);

/* Fails the test unless the context is dead, then ends it; what names the case. */
void context_assert_dead(struct context *context, const char *what);

/* Fails the test unless a new context works. */
void assert_next_session_is_served(void);

/* Keeps ggml from logging, and the library's path for quick loading. A group's set-up. */
int context_group_setup(void **state);

/* Descriptors that this process has open. */
unsigned context_count_fds(void);

#endif
