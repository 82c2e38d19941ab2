/* What the files of the virtgpu transport share. */
#ifndef APIR_TRANSPORT_VIRTGPU_H
#define APIR_TRANSPORT_VIRTGPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct apir_log;
struct apir_virtgpu_options;

/* A render node whose host speaks APIR. */
struct apir_virtgpu_node {
    int fd;          /* owned by whoever holds the struct; has no context yet */
    uint32_t capset; /* APIR_CAPSET_APIR or APIR_CAPSET_VENUS */
    bool takes_nothing; /* the host takes APIR_COMMAND_NOTHING */
    char path[80];
};

/* Finds one. 0 and *node; or, with reason for people, -ENODEV: there is no virtio-gpu render node,
 * -EACCES: there is one that cannot be opened, -EOPNOTSUPP: the host of none speaks APIR. */
int apir_virtgpu_node_find(const struct apir_virtgpu_options *options, const struct apir_log *log,
                           struct apir_virtgpu_node *node, char *reason, size_t reason_size);

#endif
