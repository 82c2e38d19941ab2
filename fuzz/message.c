#include "message.h"

#include <string.h>

#include "fuzz.h"

enum change {
    CHANGE_NUMBER,
    CHANGE_NUMBER_AGAIN, /* what is done most */
    CHANGE_TO_ANOTHER,   /* a number that stands elsewhere in the message */
    CHANGE_COUNT,        /* without the items */
    CHANGE_REPEAT_ITEM,
    CHANGE_REMOVE_ITEM,
    CHANGE_ADD_ITEM,
    CHANGE_TEXT,
    CHANGE_BYTES,
    N_CHANGES,
};

/* A random place that `is`; NULL if there is none. */
static const struct fuzz_place *pick(const struct fuzz_walk *walk, bool (*is)(const struct fuzz_place *place),
                                     struct fuzz_random *random)
{
    if (walk->n_places == 0)
        return NULL;
    size_t start = fuzz_random(random) % walk->n_places;
    for (size_t i = 0; i < walk->n_places; i++) {
        const struct fuzz_place *place = &walk->places[(start + i) % walk->n_places];
        if (is(place))
            return place;
    }
    return NULL;
}

static bool is_value(const struct fuzz_place *place)
{
    return place->role == FUZZ_AT_VALUE && fuzz_is_number(place);
}

static bool is_count(const struct fuzz_place *place)
{
    return place->role == FUZZ_AT_COUNT;
}

static bool is_item(const struct fuzz_place *place)
{
    return place->role == FUZZ_AT_ITEM;
}

static bool is_text(const struct fuzz_place *place)
{
    return place->role == FUZZ_AT_VALUE && !fuzz_is_number(place) && place->size > 0;
}

/* Good, at a border, just beyond one, or near what is there. */
static uint64_t new_number(const struct fuzz_field *field, uint64_t old, struct fuzz_random *random)
{
    uint64_t bit = UINT64_C(1) << fuzz_below(random, 64);
    switch (fuzz_below(random, 12)) {
    case 0:
        return field->max + 1;
    case 1:
        return field->max;
    case 2:
        return field->min - 1;
    case 3:
        return old + 1 + fuzz_below(random, 8);
    case 4:
        return old - 1 - fuzz_below(random, 8);
    case 5:
        return old ^ bit;
    case 6:
        return bit - fuzz_below(random, 2);
    case 7:
        return ~UINT64_C(0) - fuzz_below(random, 3);
    case 8:
        return old * 2;
    case 9:
        return old / 2;
    default:
        return fuzz_good_number(field, random);
    }
}

static void change_number(struct fuzz_walk *walk, struct fuzz_random *random)
{
    const struct fuzz_place *place = pick(walk, is_value, random);
    if (place)
        fuzz_set(walk, place, new_number(place->field, fuzz_get(walk, place), random));
}

static void change_to_another(struct fuzz_walk *walk, struct fuzz_random *random)
{
    const struct fuzz_place *from = pick(walk, is_value, random), *to = pick(walk, is_value, random);
    if (from && to)
        fuzz_set(walk, to, fuzz_get(walk, from));
}

static void change_count(struct fuzz_walk *walk, struct fuzz_random *random)
{
    const struct fuzz_place *place = pick(walk, is_count, random);
    if (!place)
        return;
    uint64_t counts[] = {place->field->count_max, place->field->count_max + 1, fuzz_get(walk, place) + 1,
                         fuzz_get(walk, place) - 1, 0, ~UINT64_C(0)};
    fuzz_set(walk, place, counts[fuzz_below(random, sizeof counts / sizeof *counts)]);
}

/* Makes room for, or with a negative number removes, bytes at an offset. */
static bool shift(struct fuzz_walk *walk, size_t offset, size_t remove, size_t insert)
{
    if (walk->size - remove > walk->capacity - insert)
        return false;
    memmove(walk->bytes + offset + insert, walk->bytes + offset + remove, walk->size - offset - remove);
    walk->size = walk->size - remove + insert;
    return true;
}

static void add_to_count(struct fuzz_walk *walk, uint32_t list, uint64_t number)
{
    fuzz_set(walk, &walk->places[list], fuzz_get(walk, &walk->places[list]) + number);
}

static void repeat_item(struct fuzz_walk *walk, struct fuzz_random *random)
{
    const struct fuzz_place *item = pick(walk, is_item, random);
    if (!item || item->size == 0 || !shift(walk, item->offset, 0, item->size))
        return;
    memmove(walk->bytes + item->offset, walk->bytes + item->offset + item->size, item->size);
    add_to_count(walk, item->list, 1);
}

static void remove_item(struct fuzz_walk *walk, struct fuzz_random *random)
{
    const struct fuzz_place *item = pick(walk, is_item, random);
    if (!item || !shift(walk, item->offset, item->size, 0))
        return;
    add_to_count(walk, item->list, ~UINT64_C(0));
}

/* One of an item's kind, in front of the list's items. */
static void add_item(struct fuzz_walk *walk, struct fuzz_random *random)
{
    uint8_t made[4096];
    struct fuzz_field one;
    struct fuzz_walk item;
    const struct fuzz_place *place = pick(walk, is_count, random);
    if (!place)
        return;
    one = *place->field;
    one.list = FUZZ_ONE;
    one.condition = NULL;
    const struct fuzz_record record = {.name = "item", .fields = &one, .n_fields = 1};
    fuzz_walk_init(&item, walk->protocol, &record, made, 0, sizeof made, random);
    if (!item.stopped && shift(walk, place->offset + place->size, 0, item.size)) {
        memcpy(walk->bytes + place->offset + place->size, made, item.size);
        fuzz_set(walk, place, fuzz_get(walk, place) + 1);
    }
    fuzz_walk_finish(&item);
}

static void change_text(struct fuzz_walk *walk, struct fuzz_random *random)
{
    const struct fuzz_place *place = pick(walk, is_text, random);
    if (place)
        LLVMFuzzerMutate(walk->bytes + place->offset, place->size, place->size);
}

static void apply(struct fuzz_walk *walk, struct fuzz_random *random)
{
    switch ((enum change)fuzz_below(random, N_CHANGES)) {
    case CHANGE_NUMBER:
    case CHANGE_NUMBER_AGAIN:
        change_number(walk, random);
        break;
    case CHANGE_TO_ANOTHER:
        change_to_another(walk, random);
        break;
    case CHANGE_COUNT:
        change_count(walk, random);
        break;
    case CHANGE_REPEAT_ITEM:
        repeat_item(walk, random);
        break;
    case CHANGE_REMOVE_ITEM:
        remove_item(walk, random);
        break;
    case CHANGE_ADD_ITEM:
        add_item(walk, random);
        break;
    case CHANGE_TEXT:
        change_text(walk, random);
        break;
    case CHANGE_BYTES:
        if (fuzz_chance(random, 30))
            walk->size = LLVMFuzzerMutate(walk->bytes, walk->size, walk->capacity);
        break;
    case N_CHANGES:
        break;
    }
}

size_t fuzz_message_change(const struct fuzz_protocol *protocol, const struct fuzz_record *record, uint8_t *bytes,
                           size_t size, size_t capacity, struct fuzz_random *random)
{
    struct fuzz_walk walk;
    fuzz_walk_init(&walk, protocol, record, bytes, size, capacity, NULL);
    apply(&walk, random);
    size = walk.size;
    fuzz_walk_finish(&walk);
    return size;
}

size_t fuzz_message_make(const struct fuzz_protocol *protocol, const struct fuzz_record *record, uint8_t *bytes,
                         size_t capacity, struct fuzz_random *random)
{
    struct fuzz_walk walk;
    fuzz_walk_init(&walk, protocol, record, bytes, 0, capacity, random);
    size_t size = walk.stopped ? 0 : walk.size;
    fuzz_walk_finish(&walk);
    return size;
}
