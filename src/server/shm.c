#include "server/shm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "util/checked.h"

void apir_shm_table_init(struct apir_shm_table *table)
{
    memset(table, 0, sizeof *table);
    table->quota.limit = APIR_NO_LIMIT;
    pthread_mutex_init(&table->lock, NULL);
}

static void destroy(struct apir_shm_table *table, struct apir_mapping *mapping)
{
    if (mapping->data && !mapping->borrowed) {
        munmap(mapping->data, mapping->size);
        apir_quota_uncharge(&table->quota, mapping->size);
    }
    free(mapping);
}

void apir_shm_table_finish(struct apir_shm_table *table)
{
    for (int i = 0; i < APIR_SHM_BUCKETS; i++) {
        while (table->buckets[i]) {
            struct apir_mapping *mapping = table->buckets[i];
            table->buckets[i] = mapping->next;
            destroy(table, mapping);
        }
    }
    table->count = 0;
    pthread_mutex_destroy(&table->lock);
}

/* The link that points to the mapping of id, or to the NULL at the end of its bucket. */
static struct apir_mapping **find_locked(struct apir_shm_table *table, uint32_t id)
{
    struct apir_mapping **link = &table->buckets[id % APIR_SHM_BUCKETS];
    while (*link && (*link)->id != id)
        link = &(*link)->next;
    return link;
}

static int insert(struct apir_shm_table *table, struct apir_mapping *mapping)
{
    pthread_mutex_lock(&table->lock);
    struct apir_mapping **link = find_locked(table, mapping->id);
    int ret = *link ? -EEXIST : table->count == APIR_MAX_SHMS ? -ENOSPC : 0;
    if (ret == 0) {
        *link = mapping;
        table->count++;
    }
    pthread_mutex_unlock(&table->lock);
    return ret;
}

/* Gives the mapping its memory, unless there is no more of the quota or of address space. */
static int take_memory(struct apir_shm_table *table, struct apir_mapping *mapping, int fd, uint64_t offset,
                       uint64_t size)
{
    if (!apir_quota_charge(&table->quota, size))
        return 0;
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
    int ret = data == MAP_FAILED ? -errno : 0;
    if (ret < 0) {
        apir_quota_uncharge(&table->quota, size);
        return ret == -ENOMEM ? 0 : ret;
    }
    mapping->data = data;
    mapping->size = size;
    return 0;
}

int apir_shm_table_map(struct apir_shm_table *table, uint32_t id, int fd, uint64_t offset, uint64_t size)
{
    uint64_t end;
    int ret;
    if (id == 0 || size == 0 || !apir_checked_add(offset, size, &end) || end > INT64_MAX)
        return -EINVAL;
    struct apir_mapping *mapping = calloc(1, sizeof *mapping);
    if (!mapping)
        return -ENOMEM;
    mapping->id = id;
    mapping->refs = 1;
    ret = take_memory(table, mapping, fd, offset, size);
    bool has_memory = mapping->data;
    if (ret == 0)
        ret = insert(table, mapping);
    if (ret < 0)
        destroy(table, mapping);
    return ret < 0 ? ret : has_memory ? 0 : 1;
}

int apir_shm_table_remove(struct apir_shm_table *table, uint32_t id)
{
    pthread_mutex_lock(&table->lock);
    struct apir_mapping **link = find_locked(table, id), *mapping = *link;
    if (mapping) {
        *link = mapping->next;
        mapping->removed = true;
        table->count--;
    }
    pthread_mutex_unlock(&table->lock);
    if (!mapping)
        return -ENOENT;
    apir_shm_table_put(table, mapping);
    return 0;
}

/* Memory that its owner knows, for one use. */
static struct apir_mapping *find_borrowed(const struct apir_shm_table *table, uint32_t id)
{
    struct apir_mapping *mapping = calloc(1, sizeof *mapping);
    if (!mapping)
        return NULL;
    *mapping = (struct apir_mapping){.id = id, .refs = 1, .borrowed = true};
    if (table->find(table->find_owner, id, &mapping->data, &mapping->size) < 0) {
        free(mapping);
        return NULL;
    }
    return mapping;
}

struct apir_mapping *apir_shm_table_get(struct apir_shm_table *table, uint32_t id)
{
    pthread_mutex_lock(&table->lock);
    struct apir_mapping *mapping = *find_locked(table, id);
    if (mapping && !mapping->data)
        mapping = NULL;
    if (mapping)
        mapping->refs++;
    pthread_mutex_unlock(&table->lock);
    if (!mapping && table->find)
        mapping = find_borrowed(table, id);
    return mapping;
}

void apir_shm_table_put(struct apir_shm_table *table, struct apir_mapping *mapping)
{
    if (!mapping)
        return;
    pthread_mutex_lock(&table->lock);
    bool last = --mapping->refs == 0;
    pthread_mutex_unlock(&table->lock);
    if (!last)
        return;
    uint32_t id = mapping->id;
    bool borrowed = mapping->borrowed;
    destroy(table, mapping);
    if (table->removed && !borrowed)
        table->removed(table->removed_data, id);
}
