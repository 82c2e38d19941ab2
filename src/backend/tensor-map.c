#include "backend/tensor-map.h"

#include <stdlib.h>
#include <string.h>

struct apir_tensor_slot {
    const struct ggml_tensor *key;
    uint32_t epoch;
    uint32_t number;
};

enum {
    FIRST_SLOTS = 1024,
};

void apir_tensor_map_clear(struct apir_tensor_map *map)
{
    map->n_used = 0;
    map->epoch++;
    if (map->epoch == 0) { /* wrapped: slots of long ago would come alive */
        if (map->slots)
            memset(map->slots, 0, map->n_slots * sizeof *map->slots);
        map->epoch = 1;
    }
}

/* The slot of key, or the free one where it belongs. Tensors are at least 16 bytes apart. */
static struct apir_tensor_slot *find(const struct apir_tensor_map *map,
                                     const struct ggml_tensor *key)
{
    uint64_t hash = ((uintptr_t)key >> 4) * UINT64_C(0x9e3779b97f4a7c15);
    uint32_t at = (uint32_t)(hash >> 32) & (map->n_slots - 1);
    while (map->slots[at].epoch == map->epoch && map->slots[at].key != key)
        at = (at + 1) & (map->n_slots - 1);
    return &map->slots[at];
}

static bool grow(struct apir_tensor_map *map)
{
    struct apir_tensor_map larger = {.n_slots = map->n_slots ? map->n_slots * 2 : FIRST_SLOTS,
                                     .epoch = 1};
    larger.slots = calloc(larger.n_slots, sizeof *larger.slots);
    if (!larger.slots)
        return false;
    for (uint32_t i = 0; i < map->n_slots; i++) {
        const struct apir_tensor_slot *slot = &map->slots[i];
        if (slot->epoch == map->epoch)
            *find(&larger, slot->key) =
                (struct apir_tensor_slot){.key = slot->key, .epoch = 1, .number = slot->number};
    }
    larger.n_used = map->n_used;
    free(map->slots);
    *map = larger;
    return true;
}

uint32_t *apir_tensor_map_at(struct apir_tensor_map *map, const struct ggml_tensor *key,
                             uint32_t initial, bool *added)
{
    if (map->n_used >= map->n_slots / 2 && !grow(map))
        return NULL;
    struct apir_tensor_slot *slot = find(map, key);
    *added = slot->epoch != map->epoch;
    if (*added) {
        *slot = (struct apir_tensor_slot){.key = key, .epoch = map->epoch, .number = initial};
        map->n_used++;
    }
    return &slot->number;
}

void apir_tensor_map_finish(struct apir_tensor_map *map)
{
    free(map->slots);
    *map = (struct apir_tensor_map){0};
}
