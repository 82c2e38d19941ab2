#include "util/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/quota.h"

enum {
    BLOCK_SIZE = 16 * 1024,
    MAX_KEPT = 256 * 1024, /* of a block, for the next use: more is seldom needed again */
};

struct apir_arena_block {
    struct apir_arena_block *next;
    size_t size;
    size_t used;
    alignas(max_align_t) unsigned char bytes[];
};

static struct apir_arena_block *add_block(struct apir_arena *arena, size_t size)
{
    size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
    if (room > SIZE_MAX - sizeof(struct apir_arena_block))
        return NULL;
    if (arena->quota && !apir_quota_charge(arena->quota, sizeof(struct apir_arena_block) + room))
        return NULL;
    struct apir_arena_block *block = malloc(sizeof *block + room);
    if (!block) {
        if (arena->quota)
            apir_quota_uncharge(arena->quota, sizeof *block + room);
        return NULL;
    }
    block->next = arena->blocks;
    block->size = room;
    block->used = 0;
    arena->blocks = block;
    return block;
}

static void free_block(struct apir_arena *arena, struct apir_arena_block *block)
{
    if (arena->quota)
        apir_quota_uncharge(arena->quota, sizeof *block + block->size);
    free(block);
}

void *apir_arena_alloc(struct apir_arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size > SIZE_MAX - align) {
        arena->is_short = true;
        return NULL;
    }
    size = size ? (size + align - 1) / align * align : align;

    struct apir_arena_block *block = arena->blocks;
    if (!block || size > block->size - block->used)
        block = add_block(arena, size);
    if (!block) {
        arena->is_short = true;
        return NULL;
    }
    void *memory = block->bytes + block->used;
    block->used += size;
    arena->used += size;
    return memset(memory, 0, size);
}

/* Frees the blocks from this one on. */
static void free_from(struct apir_arena *arena, struct apir_arena_block *block)
{
    while (block) {
        struct apir_arena_block *next = block->next;
        free_block(arena, block);
        block = next;
    }
}

void apir_arena_reset(struct apir_arena *arena)
{
    struct apir_arena_block *keep = arena->blocks;
    if (keep && keep->size > MAX_KEPT) {
        apir_arena_finish(arena);
        return;
    }
    if (keep) {
        free_from(arena, keep->next);
        keep->next = NULL;
        keep->used = 0;
    }
    arena->used = 0;
}

void apir_arena_finish(struct apir_arena *arena)
{
    free_from(arena, arena->blocks);
    arena->blocks = NULL;
    arena->used = 0;
}
