#include "interposer/resource-table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static struct apir_virgl_resource *resource_of(struct apir_list *link)
{
    return apir_list_entry(link, struct apir_virgl_resource, link);
}

static struct apir_list *bucket_of(const struct apir_resource_table *table, uint32_t id)
{
    return (struct apir_list *)(uintptr_t)&table->buckets[id % APIR_RESOURCE_TABLE_BUCKETS];
}

static struct apir_virgl_resource *find_in(const struct apir_list *list, uint32_t id)
{
    for (struct apir_list *link = list->next; link != list; link = link->next)
        if (resource_of(link)->id == id)
            return resource_of(link);
    return NULL;
}

void apir_resource_table_init(struct apir_resource_table *table)
{
    memset(table, 0, sizeof *table);
    for (unsigned i = 0; i < APIR_RESOURCE_TABLE_BUCKETS; i++)
        apir_list_init(&table->buckets[i]);
    apir_list_init(&table->zombies);
}

struct apir_virgl_resource *apir_resource_table_find(const struct apir_resource_table *table, uint32_t id)
{
    return find_in(bucket_of(table, id), id);
}

/* The last that is known of the id: a new resource may have it already. */
static void run_removed(struct apir_job *job)
{
    struct apir_virgl_resource *resource = apir_list_entry(job, struct apir_virgl_resource, removed);
    apir_guest_detach_all(resource->host, resource->id);
    apir_blob_unref(resource->blob);
    free(resource);
}

int apir_resource_table_add(struct apir_resource_table *table, struct apir_host *host, uint32_t id, uint64_t size)
{
    if (id == 0 || apir_resource_table_find(table, id))
        return -EINVAL;
    struct apir_virgl_resource *resource = calloc(1, sizeof *resource);
    if (!resource)
        return -ENOMEM;
    resource->blob = apir_blob_create(&table->quota, size);
    if (!resource->blob) {
        free(resource);
        return -errno;
    }
    resource->id = id;
    resource->host = host;
    resource->removed.run = run_removed;
    apir_list_append(bucket_of(table, id), &resource->link);
    return 0;
}

/* What is left of a removed resource that is mapped. Without memory for that the mapping stays for ever. */
static void keep_mapping(struct apir_resource_table *table, struct apir_virgl_resource *resource)
{
    struct apir_virgl_resource *zombie = calloc(1, sizeof *zombie);
    if (!zombie)
        return;
    zombie->id = resource->id;
    zombie->mapping = resource->mapping;
    zombie->blob = apir_blob_ref(resource->blob);
    apir_list_append(&table->zombies, &zombie->link);
}

void apir_resource_table_remove(struct apir_resource_table *table, struct apir_virgl_resource *resource)
{
    apir_list_remove(&resource->link);
    if (resource->mapping)
        keep_mapping(table, resource);
    apir_service_post(&resource->host->service, &resource->removed);
}

void apir_resource_table_clear(struct apir_resource_table *table)
{
    for (unsigned i = 0; i < APIR_RESOURCE_TABLE_BUCKETS; i++)
        while (!apir_list_empty(&table->buckets[i]))
            apir_resource_table_remove(table, resource_of(table->buckets[i].next));
}

int apir_virgl_resource_map(struct apir_virgl_resource *resource, void **data, uint64_t *size)
{
    if (resource->mapping)
        return -EINVAL;
    resource->mapping = apir_blob_map(resource->blob, NULL, resource->blob->size);
    if (!resource->mapping)
        return -errno;
    *data = resource->mapping;
    *size = resource->blob->size;
    return 0;
}

int apir_virgl_resource_map_fixed(struct apir_virgl_resource *resource, void *address)
{
    if (!address)
        return -EINVAL;
    return apir_blob_map(resource->blob, address, resource->blob->size) ? 0 : -errno;
}

static void destroy_zombie(struct apir_virgl_resource *zombie)
{
    apir_list_remove(&zombie->link);
    munmap(zombie->mapping, zombie->blob->size);
    apir_blob_unref(zombie->blob);
    free(zombie);
}

int apir_resource_table_unmap(struct apir_resource_table *table, uint32_t id)
{
    struct apir_virgl_resource *resource = apir_resource_table_find(table, id);
    struct apir_virgl_resource *zombie = find_in(&table->zombies, id);
    if (resource && resource->mapping) {
        munmap(resource->mapping, resource->blob->size);
        resource->mapping = NULL;
        return 0;
    }
    if (zombie) {
        destroy_zombie(zombie);
        return 0;
    }
    return resource ? -EINVAL : -ENOENT;
}

void apir_resource_table_unmap_removed(struct apir_resource_table *table)
{
    while (!apir_list_empty(&table->zombies))
        destroy_zombie(resource_of(table->zombies.next));
}
