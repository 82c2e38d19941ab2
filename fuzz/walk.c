#include "walk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FILL_COUNT = 3, FILL_TEXT = 6, HANDLES = 4 };

static size_t width(const struct fuzz_walk *walk, const struct fuzz_place *place)
{
    if (place->role == FUZZ_AT_COUNT)
        return walk->protocol->counts_u64 ? 8 : 4;
    return place->field->kind == FUZZ_U64 || place->field->kind == FUZZ_HANDLE ? 8 : 4;
}

bool fuzz_is_number(const struct fuzz_place *place)
{
    if (place->role == FUZZ_AT_COUNT)
        return true;
    if (place->role != FUZZ_AT_VALUE)
        return false;
    enum fuzz_kind kind = place->field->kind;
    return kind != FUZZ_STRING && kind != FUZZ_BYTES && kind != FUZZ_PAD && kind != FUZZ_CHARS && kind != FUZZ_STRUCT;
}

uint64_t fuzz_get(const struct fuzz_walk *walk, const struct fuzz_place *place)
{
    uint64_t value = 0;
    if (fuzz_is_number(place))
        memcpy(&value, walk->bytes + place->offset, width(walk, place)); /* little-endian, as the wire is */
    return place->role == FUZZ_AT_VALUE && (place->field->kind == FUZZ_U8 || place->field->kind == FUZZ_BYTE_BOOL)
               ? value & 0xff
               : value;
}

void fuzz_set(struct fuzz_walk *walk, const struct fuzz_place *place, uint64_t value)
{
    if (fuzz_is_number(place))
        memcpy(walk->bytes + place->offset, &value, width(walk, place));
}

/* --- what is made up ----------------------------------------------------------------------- */

static uint64_t clamp(const struct fuzz_field *field, uint64_t value)
{
    if (field->has_max && value > field->max)
        value = field->max;
    return value < field->min && field->kind != FUZZ_I32 ? field->min : value;
}

uint64_t fuzz_good_number(const struct fuzz_field *field, struct fuzz_random *random)
{
    switch (field->kind) {
    case FUZZ_BOOL:
    case FUZZ_BYTE_BOOL:
        return fuzz_below(random, 2);
    case FUZZ_ENUM:
        return field->values[fuzz_below(random, (uint32_t)field->n_values)];
    case FUZZ_SHM:
    case FUZZ_HANDLE:
        return field->optional && fuzz_chance(random, 20) ? 0 : 1 + fuzz_below(random, HANDLES);
    default:
        break;
    }
    uint32_t kind = fuzz_below(random, 100);
    if (kind < 40)
        return clamp(field, 0);
    if (kind < 75)
        return clamp(field, fuzz_below(random, 5));
    if (kind < 95)
        return clamp(field, fuzz_below(random, 4096));
    return clamp(field, (uint64_t)fuzz_random(random) << fuzz_below(random, 32));
}

/* Makes up bytes until size are there behind at. */
static bool extend(struct fuzz_walk *walk, size_t size)
{
    if (!walk->fill || walk->capacity - walk->at < size)
        return false;
    memset(walk->bytes + walk->size, 0, walk->at + size - walk->size);
    walk->size = walk->at + size;
    return true;
}

/* Whether size bytes are there; *made: they are zeros that were missing. */
static bool want(struct fuzz_walk *walk, size_t size, bool *made)
{
    *made = false;
    if (walk->stopped)
        return false;
    if (walk->size - walk->at < size)
        walk->stopped = !(*made = extend(walk, size));
    return !walk->stopped;
}

static struct fuzz_place *add(struct fuzz_walk *walk, enum fuzz_role role, const struct fuzz_field *field,
                              uint32_t depth)
{
    if (walk->n_places == FUZZ_MAX_PLACES) {
        walk->stopped = true;
        return NULL;
    }
    if ((walk->n_places & (walk->n_places - 1)) == 0) { /* a power of two: it is full */
        size_t capacity = walk->n_places ? walk->n_places * 2 : 1;
        walk->places = realloc(walk->places, capacity * sizeof *walk->places);
        assert(walk->places);
    }
    struct fuzz_place *place = &walk->places[walk->n_places++];
    *place = (struct fuzz_place){.role = role, .field = field, .offset = walk->at, .depth = depth};
    return place;
}

/* --- walking -------------------------------------------------------------------------------- */

static void walk_record(struct fuzz_walk *walk, const struct fuzz_field *field, const struct fuzz_record *record,
                        uint32_t depth);

static void walk_number(struct fuzz_walk *walk, const struct fuzz_field *field, uint32_t depth)
{
    struct fuzz_place *place = add(walk, FUZZ_AT_VALUE, field, depth);
    bool made;
    if (!place)
        return;
    size_t size = width(walk, place);
    if (!want(walk, size, &made)) {
        walk->n_places--;
        return;
    }
    place->size = size;
    if (made)
        fuzz_set(walk, place, fuzz_good_number(field, walk->fill));
    walk->at += size;
}

/* The size before text and bytes. */
static uint64_t walk_size(struct fuzz_walk *walk, const struct fuzz_field *field, size_t bytes)
{
    uint64_t size = 0;
    bool made;
    if (!want(walk, bytes, &made))
        return 0;
    if (made) {
        size = clamp(field, 1 + fuzz_below(walk->fill, FILL_TEXT));
        memcpy(walk->bytes + walk->at, &size, bytes);
    }
    memcpy(&size, walk->bytes + walk->at, bytes);
    walk->at += bytes;
    return size;
}

static size_t pad4(size_t size)
{
    return (size + 3) & ~(size_t)3;
}

static void make_text(struct fuzz_walk *walk, size_t size, bool is_text)
{
    for (size_t i = 0; i + is_text < size; i++)
        walk->bytes[walk->at + i] = (uint8_t)('a' + fuzz_below(walk->fill, 26));
}

static void walk_text(struct fuzz_walk *walk, const struct fuzz_field *field, uint32_t depth)
{
    bool is_text = field->kind == FUZZ_STRING, made;
    uint64_t size = walk_size(walk, field, is_text ? 8 : 4);
    if (walk->stopped || size > walk->capacity || !want(walk, pad4(size), &made)) {
        walk->stopped = true;
        return;
    }
    if (made)
        make_text(walk, size, is_text);
    struct fuzz_place *place = add(walk, FUZZ_AT_VALUE, field, depth);
    if (!place)
        return;
    place->size = size;
    walk->at += pad4(size);
}

static void walk_block(struct fuzz_walk *walk, const struct fuzz_field *field, uint32_t depth)
{
    bool made;
    if (!want(walk, field->count_max, &made))
        return;
    struct fuzz_place *place = add(walk, FUZZ_AT_VALUE, field, depth);
    if (!place)
        return;
    place->size = field->count_max;
    walk->at += field->count_max;
}

static void walk_value(struct fuzz_walk *walk, const struct fuzz_field *field, uint32_t depth)
{
    switch (field->kind) {
    case FUZZ_STRUCT:
        walk_record(walk, field, field->record, depth);
        break;
    case FUZZ_STRING:
    case FUZZ_BYTES:
        walk_text(walk, field, depth);
        break;
    case FUZZ_PAD:
    case FUZZ_CHARS:
        walk_block(walk, field, depth);
        break;
    default:
        walk_number(walk, field, depth);
        break;
    }
}

static uint64_t walk_count(struct fuzz_walk *walk, const struct fuzz_field *field, uint32_t depth)
{
    bool made;
    if (!want(walk, walk->protocol->counts_u64 ? 8 : 4, &made))
        return 0;
    struct fuzz_place *place = add(walk, FUZZ_AT_COUNT, field, depth);
    if (!place)
        return 0;
    place->size = width(walk, place);
    if (made) {
        uint64_t count = fuzz_below(walk->fill, FILL_COUNT + 1);
        count = count < field->count_min ? field->count_min : count;
        fuzz_set(walk, place, count > field->count_max ? field->count_max : count);
    }
    walk->at += place->size;
    return fuzz_get(walk, place);
}

static void walk_counted(struct fuzz_walk *walk, const struct fuzz_field *field, uint32_t depth)
{
    uint32_t list = (uint32_t)walk->n_places;
    uint64_t count = walk_count(walk, field, depth);
    for (uint64_t i = 0; i < count && !walk->stopped; i++) {
        size_t item = walk->n_places;
        if (!add(walk, FUZZ_AT_ITEM, field, depth))
            return;
        walk->places[item].list = list;
        walk_value(walk, field, depth);
        walk->places[item].size = walk->at - walk->places[item].offset;
    }
}

/* --- paths ----------------------------------------------------------------------------------- */

static bool same_name(const char *name, const char *part, size_t length)
{
    return strlen(name) == length && memcmp(name, part, length) == 0;
}

/* Index of the first place of a path below the record at places[record]; n_places if there is none. */
static size_t find_path(const struct fuzz_walk *walk, size_t record, const char *path)
{
    size_t length = strcspn(path, ".");
    uint32_t depth = walk->places[record].depth;
    for (size_t i = record + 1; i < walk->n_places && walk->places[i].depth > depth; i++) {
        const struct fuzz_place *place = &walk->places[i];
        if (place->depth != depth + 1 || place->role == FUZZ_AT_ITEM || !same_name(place->field->name, path, length))
            continue;
        if (!path[length])
            return i;
        if (place->role == FUZZ_AT_RECORD)
            return find_path(walk, i, path + length + 1);
    }
    return walk->n_places;
}

const struct fuzz_place *fuzz_find(const struct fuzz_walk *walk, size_t record, const char *name, uint32_t item)
{
    size_t i = find_path(walk, record, name) + item;
    return i < walk->n_places && walk->places[i].field && strcmp(walk->places[i].field->name, name) == 0
               ? &walk->places[i]
               : NULL;
}

static bool is_there(const struct fuzz_walk *walk, size_t record, const struct fuzz_field *field)
{
    if (!field->condition)
        return true;
    if (strcmp(field->condition, "rest") == 0)
        return walk->at < walk->size || (walk->fill && fuzz_chance(walk->fill, 50));
    size_t i = find_path(walk, record, field->condition);
    return i < walk->n_places && fuzz_get(walk, &walk->places[i]) != 0;
}

/* How many numbers of the list before it come before the first 0. */
static uint64_t count_leading(const struct fuzz_walk *walk, size_t record, const struct fuzz_field *field)
{
    uint64_t count = 0;
    size_t i = find_path(walk, record, field->leading);
    const struct fuzz_field *list = i < walk->n_places ? walk->places[i].field : NULL;
    for (; list && i < walk->n_places && walk->places[i].field == list && count < field->count_max; i++, count++)
        if (fuzz_get(walk, &walk->places[i]) == 0)
            break;
    return count;
}

static void walk_field(struct fuzz_walk *walk, size_t record, const struct fuzz_field *field, uint32_t depth)
{
    uint64_t count = field->list == FUZZ_ONE     ? 1
                     : field->list == FUZZ_FIXED ? field->count_max
                                                 : 0;
    if (!is_there(walk, record, field))
        return;
    if (field->list == FUZZ_COUNTED) {
        walk_counted(walk, field, depth);
        return;
    }
    if (field->list == FUZZ_LEADING)
        count = count_leading(walk, record, field);
    for (uint64_t i = 0; i < count && !walk->stopped; i++)
        walk_value(walk, field, depth);
}

static void walk_record(struct fuzz_walk *walk, const struct fuzz_field *field, const struct fuzz_record *record,
                        uint32_t depth)
{
    size_t self = walk->n_places;
    struct fuzz_place *place = add(walk, FUZZ_AT_RECORD, field, depth);
    if (!place)
        return;
    place->record = record;
    for (size_t i = 0; i < record->n_fields && !walk->stopped; i++)
        walk_field(walk, self, &record->fields[i], depth + 1);
    walk->places[self].size = walk->at - walk->places[self].offset;
}

void fuzz_walk_init(struct fuzz_walk *walk, const struct fuzz_protocol *protocol, const struct fuzz_record *record,
                    uint8_t *bytes, size_t size, size_t capacity, struct fuzz_random *fill)
{
    *walk = (struct fuzz_walk){.protocol = protocol, .bytes = bytes, .size = size, .capacity = capacity, .fill = fill};
    if (record)
        walk_record(walk, NULL, record, 0);
}

void fuzz_walk_finish(struct fuzz_walk *walk)
{
    free(walk->places);
}
