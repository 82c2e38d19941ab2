#include "util/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 16 * 1024 };

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
    struct apir_arena_block *block = malloc(sizeof *block + room);
    if (!block)
        return NULL;
    block->next = arena->blocks;
    block->size = room;
    block->used = 0;
    arena->blocks = block;
    return block;
}

void *apir_arena_alloc(struct apir_arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size > SIZE_MAX - align)
        return NULL;
    size = size ? (size + align - 1) / align * align : align;

    struct apir_arena_block *block = arena->blocks;
    if (!block || size > block->size - block->used)
        block = add_block(arena, size);
    if (!block)
        return NULL;
    void *memory = block->bytes + block->used;
    block->used += size;
    arena->used += size;
    return memset(memory, 0, size);
}

void apir_arena_reset(struct apir_arena *arena)
{
    struct apir_arena_block *keep = arena->blocks;
    if (keep) {
        struct apir_arena rest = {.blocks = keep->next};
        apir_arena_finish(&rest);
        keep->next = NULL;
        keep->used = 0;
    }
    arena->used = 0;
}

void apir_arena_finish(struct apir_arena *arena)
{
    while (arena->blocks) {
        struct apir_arena_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
    arena->used = 0;
}
