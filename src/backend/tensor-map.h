/* A map from tensors to numbers, emptied at no cost. */
#ifndef APIR_BACKEND_TENSOR_MAP_H
#define APIR_BACKEND_TENSOR_MAP_H

#include <stdbool.h>
#include <stdint.h>

struct ggml_tensor;
struct apir_tensor_slot;

/* Zero-initialised is empty and ready; the owner calls finish. */
struct apir_tensor_map {
    struct apir_tensor_slot *slots; /* a power of two of them; those of another epoch are free */
    uint32_t n_slots;
    uint32_t n_used;
    uint32_t epoch;
};

/* Forgets all keys. */
void apir_tensor_map_clear(struct apir_tensor_map *map);

/* The number of a tensor; a key that is not there is added with number `initial`, *added then
 * tells. The pointer is good until the next call. NULL: no memory. */
uint32_t *apir_tensor_map_at(struct apir_tensor_map *map, const struct ggml_tensor *key,
                             uint32_t initial, bool *added);

/* Frees the memory. */
void apir_tensor_map_finish(struct apir_tensor_map *map);

#endif
