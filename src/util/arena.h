/* Memory that is released all at once: what a decoded message points to. Not thread-safe. */
#ifndef APIR_UTIL_ARENA_H
#define APIR_UTIL_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct apir_arena_block;
struct apir_quota;

/* Zero-initialised is empty and ready. The owner calls finish. */
struct apir_arena {
    struct apir_arena_block *blocks; /* newest first */
    size_t used;                     /* bytes handed out since the last reset */
    struct apir_quota *quota;        /* borrowed; what its memory is charged to, NULL: to nobody */
    bool is_short;                   /* there was no memory, or no more of the quota, once */
};

/* Returns size zeroed bytes, aligned for any type, or NULL when memory is short. Size 0 gives a valid
 * pointer. The memory lives until reset or finish. */
void *apir_arena_alloc(struct apir_arena *arena, size_t size);

/* Forgets everything handed out; keeps a block for the next use, unless it is a large one. */
void apir_arena_reset(struct apir_arena *arena);

/* Releases everything. A zeroed arena is a no-op. */
void apir_arena_finish(struct apir_arena *arena);

#endif
