/* The blobs of APIR contexts by the ids that the hypervisor gives them, and what the hypervisor does with them. The id
 * space is shared with the real library: what is not in this table is its. Not thread-safe. */
#ifndef APIR_INTERPOSER_RESOURCE_TABLE_H
#define APIR_INTERPOSER_RESOURCE_TABLE_H

#include <stdint.h>

#include "attach/list.h"
#include "interposer/blob.h"
#include "interposer/guest.h"

struct iovec;

enum { APIR_RESOURCE_TABLE_BUCKETS = 1024 };

/* Owned by its table, and after its removal by the job that takes it from the workers. */
struct apir_virgl_resource {
    struct apir_list link; /* apir_resource_table.buckets or .zombies */
    uint32_t id;
    struct apir_blob *blob;
    void *mapping;     /* of resource_map(); NULL: none */
    struct iovec *iov; /* the hypervisor's */
    int iov_count;
    void *private_data; /* the hypervisor's */
    struct apir_host *host;
    struct apir_job removed;
};

struct apir_resource_table {
    struct apir_list buckets[APIR_RESOURCE_TABLE_BUCKETS]; /* apir_virgl_resource.link */
    struct apir_list zombies; /* the same, removed while they were mapped: somebody may still use that */
    struct apir_blob_quota quota;
};

void apir_resource_table_init(struct apir_resource_table *table);

/* Makes a blob. 0, -EINVAL (id 0 or in use, bad size), or as apir_blob_create(). */
int apir_resource_table_add(struct apir_resource_table *table, struct apir_host *host, uint32_t id, uint64_t size);

/* NULL: not ours. */
struct apir_virgl_resource *apir_resource_table_find(const struct apir_resource_table *table, uint32_t id);

/* Takes it from the table and, some time, from all workers. */
void apir_resource_table_remove(struct apir_resource_table *table, struct apir_virgl_resource *resource);

/* Removes all. */
void apir_resource_table_clear(struct apir_resource_table *table);

/* Maps it, once. 0, -EINVAL if it is mapped, or -errno. */
int apir_virgl_resource_map(struct apir_virgl_resource *resource, void **data, uint64_t *size);

/* Maps it at that address; the hypervisor unmaps it. 0 or -errno. */
int apir_virgl_resource_map_fixed(struct apir_virgl_resource *resource, void *address);

/* Undoes map(), also of a resource that is removed. 0, -EINVAL if it is not mapped, -ENOENT if it is not ours. */
int apir_resource_table_unmap(struct apir_resource_table *table, uint32_t id);

/* Undoes map() of all that are removed. */
void apir_resource_table_unmap_removed(struct apir_resource_table *table);

#endif
