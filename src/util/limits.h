/* What a context may take of the host at most. The daemon reads it from its options and hands it to workers, which keep
 * to it; each has a name, as in --NAME and in a list NAME=VALUE,NAME=VALUE. */
#ifndef APIR_UTIL_LIMITS_H
#define APIR_UTIL_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#include "util/quota.h"

/* Zero-initialised is complete: 0 stands for the default. */
struct apir_limits {
    uint64_t memory;          /* max-memory: bytes in buffers of devices; none: what the devices have */
    uint64_t buffers;         /* max-buffers */
    uint64_t queues;          /* max-queues: and as many backends */
    uint64_t shared_memory;   /* max-shared-memory: bytes that the worker maps */
    uint64_t graph_nodes;     /* max-graph-nodes: of one graph */
    uint64_t graph_memory;    /* max-graph-memory: bytes of graphs that are kept or under way */
    uint64_t compute_seconds; /* max-compute-time: of one call */
    uint64_t client_memory;   /* client-memory: as max-memory, of all contexts of a client together */
};

enum {
    APIR_LIMITS_TEXT = 512, /* enough for a list of all, and for a reason */
};

/* Sets one: a number; of bytes also with K, M, G or T; "none" where that can be. 0; -ENOENT: there is no such limit; or
 * -EINVAL. reason (APIR_LIMITS_TEXT bytes) then says what was expected. */
int apir_limits_set(struct apir_limits *limits, const char *name, const char *value, char *reason);

/* Sets those of a list. As apir_limits_set. */
int apir_limits_parse(struct apir_limits *limits, const char *list, char *reason);

/* Writes those that are set as such a list, to text (APIR_LIMITS_TEXT bytes): an empty one if all are at their default. */
void apir_limits_print(const struct apir_limits *limits, char *text);

/* Puts the defaults in place of 0. */
void apir_limits_complete(struct apir_limits *limits);

#endif
