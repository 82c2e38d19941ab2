#include "server/object.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIRST_SLOTS = 64,
    KIND_SHIFT = 56,
    GENERATION_SHIFT = 32,
    MAX_GENERATION = 0xffffff,
};

static uint64_t make_handle(enum apir_object_kind kind, uint32_t generation, uint32_t index)
{
    return (uint64_t)kind << KIND_SHIFT | (uint64_t)generation << GENERATION_SHIFT | index;
}

void apir_object_table_init(struct apir_object_table *table)
{
    memset(table, 0, sizeof *table);
    pthread_mutex_init(&table->lock, NULL);
}

void apir_object_table_finish(struct apir_object_table *table)
{
    for (uint32_t i = 0; i < table->capacity; i++)
        if (table->slots[i].object)
            table->slots[i].object->destroy(table->slots[i].object);
    free(table->slots);
    table->slots = NULL;
    table->capacity = 0;
    pthread_mutex_destroy(&table->lock);
}

static bool grow_locked(struct apir_object_table *table)
{
    uint32_t capacity = table->capacity ? table->capacity * 2 : FIRST_SLOTS;
    if (capacity > APIR_MAX_OBJECTS)
        return false;
    struct apir_object_slot *slots = realloc(table->slots, capacity * sizeof *slots);
    if (!slots)
        return false;
    for (uint32_t i = table->capacity; i < capacity; i++)
        slots[i] = (struct apir_object_slot){.next_free = i + 1 < capacity ? i + 2 : 0};
    table->free = table->capacity + 1;
    table->slots = slots;
    table->capacity = capacity;
    return true;
}

uint64_t apir_object_table_add(struct apir_object_table *table, struct apir_object *object)
{
    uint64_t handle = 0;
    pthread_mutex_lock(&table->lock);
    if (table->free || grow_locked(table)) {
        uint32_t index = table->free - 1;
        struct apir_object_slot *slot = &table->slots[index];
        table->free = slot->next_free;
        slot->object = object;
        slot->generation = slot->generation % MAX_GENERATION + 1;
        object->refs = 1;
        handle = make_handle(object->kind, slot->generation, index);
    }
    pthread_mutex_unlock(&table->lock);
    return handle;
}

static struct apir_object_slot *find_locked(struct apir_object_table *table, uint64_t handle,
                                            enum apir_object_kind kind)
{
    uint32_t index = (uint32_t)handle;
    if (index >= table->capacity)
        return NULL;
    struct apir_object_slot *slot = &table->slots[index];
    if (!slot->object || slot->object->kind != kind || make_handle(kind, slot->generation, index) != handle)
        return NULL;
    return slot;
}

struct apir_object *apir_object_table_get(struct apir_object_table *table, uint64_t handle,
                                          enum apir_object_kind kind)
{
    pthread_mutex_lock(&table->lock);
    struct apir_object_slot *slot = find_locked(table, handle, kind);
    struct apir_object *object = slot ? slot->object : NULL;
    if (object)
        object->refs++;
    pthread_mutex_unlock(&table->lock);
    return object;
}

void apir_object_table_put(struct apir_object_table *table, struct apir_object *object)
{
    if (!object)
        return;
    pthread_mutex_lock(&table->lock);
    bool last = --object->refs == 0;
    pthread_mutex_unlock(&table->lock);
    if (last)
        object->destroy(object);
}

int apir_object_table_remove(struct apir_object_table *table, uint64_t handle, enum apir_object_kind kind)
{
    pthread_mutex_lock(&table->lock);
    struct apir_object_slot *slot = find_locked(table, handle, kind);
    struct apir_object *object = slot ? slot->object : NULL;
    if (slot) {
        slot->object = NULL;
        slot->next_free = table->free;
        table->free = (uint32_t)handle + 1;
    }
    pthread_mutex_unlock(&table->lock);
    if (!object)
        return -ENOENT;
    apir_object_table_put(table, object);
    return 0;
}
