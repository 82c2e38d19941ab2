/* Shared memory of a context, by id, as mapped by the worker. A mapping lives until the last of those who use it puts
 * it, so that removal never pulls memory from under a call. Thread-safe. */
#ifndef APIR_SERVER_SHM_H
#define APIR_SERVER_SHM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/quota.h"

enum {
    APIR_SHM_BUCKETS = 256,
    APIR_MAX_SHMS = 4096, /* a context's rings, staging areas and graphs are a few hundred */
};

/* One mapping. data is readable and writable by the guest at any time. */
struct apir_mapping {
    struct apir_mapping *next; /* in its bucket */
    uint32_t id;
    uint32_t refs;
    bool removed;  /* no longer found by id */
    bool borrowed; /* another's memory, good only until the call that uses it ends; in no table */
    void *data;    /* NULL: the id is taken, and there is no memory, see apir_shm_table_map */
    uint64_t size;
};

struct apir_shm_table {
    pthread_mutex_t lock; /* guards all below and the mappings' links and counts */
    struct apir_mapping *buckets[APIR_SHM_BUCKETS];
    uint32_t count;
    struct apir_quota quota; /* bytes mapped; no limit unless the owner sets one before the table is used */
    void (*removed)(void *data, uint32_t id); /* called without the lock once a removed mapping is gone; may be NULL */
    void *removed_data;

    /* For embedders that learn where memory is only when it is used: asked without the lock about each id that was not
     * added, each time. 0 and the memory, or -ENOENT. May be NULL; set before the table is used. */
    int (*find)(void *owner, uint32_t id, void **data, uint64_t *size);
    void *find_owner;
};

void apir_shm_table_init(struct apir_shm_table *table);

/* Unmaps everything; nobody may use a mapping any more. */
void apir_shm_table_finish(struct apir_shm_table *table);

/* Maps size bytes at offset of fd as id. Borrows fd, which must be memory that cannot shrink. 0. 1: there is no more room
 * for it; the id can be removed as any other, and is not found. -EEXIST, -ENOSPC, -EINVAL for a bad fd or range, -errno. */
int apir_shm_table_add(struct apir_shm_table *table, uint32_t id, int fd, uint64_t offset, uint64_t size);

/* The same for memory of which the caller knows that it does not shrink. */
int apir_shm_table_map(struct apir_shm_table *table, uint32_t id, int fd, uint64_t offset, uint64_t size);

/* Starts removal: id is free again at once, `removed` is called when the last user is done. -ENOENT. */
int apir_shm_table_remove(struct apir_shm_table *table, uint32_t id);

/* The mapping of id, to be put; NULL if there is none. */
struct apir_mapping *apir_shm_table_get(struct apir_shm_table *table, uint32_t id);

/* The caller no longer uses mapping. NULL is a no-op. */
void apir_shm_table_put(struct apir_shm_table *table, struct apir_mapping *mapping);

#endif
