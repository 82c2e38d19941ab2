#include "repair.h"

#include <ggml.h>
#include <string.h>

enum { MAX_DIMENSION = 64, OFFSETS = 16, OFFSET_STEP = 4096 };

static void set(struct fuzz_walk *walk, size_t record, const char *name, uint32_t item, uint64_t value)
{
    const struct fuzz_place *place = fuzz_find(walk, record, name, item);
    if (place)
        fuzz_set(walk, place, value);
}

static uint64_t get(const struct fuzz_walk *walk, size_t record, const char *name, uint32_t item)
{
    const struct fuzz_place *place = fuzz_find(walk, record, name, item);
    return place ? fuzz_get(walk, place) : 0;
}

static enum ggml_type good_type(struct fuzz_walk *walk, size_t record)
{
    uint64_t type = get(walk, record, "type", 0);
    if (type < GGML_TYPE_COUNT && ggml_blck_size((enum ggml_type)type) > 0)
        return (enum ggml_type)type;
    set(walk, record, "type", 0, GGML_TYPE_F32);
    return GGML_TYPE_F32;
}

static uint64_t good_dimension(struct fuzz_walk *walk, size_t record, uint32_t i, uint64_t block)
{
    uint64_t ne = get(walk, record, "ne", i);
    if (ne == 0 || ne > MAX_DIMENSION * block)
        ne = ne % MAX_DIMENSION + 1;
    return i == 0 ? (ne + block - 1) / block * block : ne;
}

/* Dense, as most tensors are. */
static void make_dense(struct fuzz_walk *walk, size_t record)
{
    enum ggml_type type = good_type(walk, record);
    uint64_t stride = ggml_type_size(type), block = (uint64_t)ggml_blck_size(type);
    for (uint32_t i = 0; i < GGML_MAX_DIMS; i++) {
        uint64_t ne = good_dimension(walk, record, i, block);
        set(walk, record, "ne", i, ne);
        set(walk, record, "nb", i, stride);
        stride *= i == 0 ? ne / block : ne;
    }
}

static void give_memory(struct fuzz_walk *walk, size_t record, struct fuzz_random *random)
{
    set(walk, record, "buffer", 0, 1);
    set(walk, record, "offset", 0, (uint64_t)OFFSET_STEP * fuzz_below(random, OFFSETS));
    set(walk, record, "data", 0, (uint64_t)OFFSET_STEP * fuzz_below(random, OFFSETS));
    set(walk, record, "view_src", 0, 0);
    set(walk, record, "view_offs", 0, 0);
}

void repair_tensor(struct fuzz_walk *walk, size_t record, struct fuzz_random *random)
{
    const char *name = walk->places[record].record->name;
    if (strcmp(name, "tensor") != 0 && strcmp(name, "raw_tensor") != 0)
        return;
    if (fuzz_chance(random, 60))
        make_dense(walk, record);
    if (fuzz_chance(random, 40))
        give_memory(walk, record, random);
    if (fuzz_chance(random, 20))
        for (uint32_t i = 0; i < GGML_MAX_OP_PARAMS / 4; i++)
            set(walk, record, "op_params", i, 0);
    if (fuzz_chance(random, 50))
        set(walk, record, "flags", 0, 0);
}
