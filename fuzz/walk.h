/* Where the values of a message are: a message is walked along its table. */
#ifndef APIR_FUZZ_WALK_H
#define APIR_FUZZ_WALK_H

#include "random.h"
#include "table.h"

enum fuzz_role {
    FUZZ_AT_VALUE,
    FUZZ_AT_COUNT,  /* of a list; its items follow */
    FUZZ_AT_ITEM,   /* of a list with a count; what it is made of follows */
    FUZZ_AT_RECORD, /* a struct; its fields follow */
};

struct fuzz_place {
    enum fuzz_role role;
    const struct fuzz_field *field;   /* NULL: the message itself */
    const struct fuzz_record *record; /* of FUZZ_AT_RECORD */
    size_t offset, size;              /* of text, bytes and padding without their own size */
    uint32_t depth;                   /* structs around it */
    uint32_t list;                    /* of FUZZ_AT_ITEM: the place of the count */
};

enum { FUZZ_MAX_PLACES = 1 << 15 };

struct fuzz_walk {
    const struct fuzz_protocol *protocol;
    uint8_t *bytes;
    size_t size, capacity;
    struct fuzz_random *fill; /* not NULL: what the message lacks at its end is made up, and good */
    struct fuzz_place *places;
    size_t n_places;
    size_t at;
    bool stopped; /* the message ends too early, or there are too many places */
};

/* Walks the first size of capacity bytes as record. fill may be NULL. Finish in any case. */
void fuzz_walk_init(struct fuzz_walk *walk, const struct fuzz_protocol *protocol, const struct fuzz_record *record,
                    uint8_t *bytes, size_t size, size_t capacity, struct fuzz_random *fill);
void fuzz_walk_finish(struct fuzz_walk *walk);

/* The number at a place; 0 if it is none. */
uint64_t fuzz_get(const struct fuzz_walk *walk, const struct fuzz_place *place);
void fuzz_set(struct fuzz_walk *walk, const struct fuzz_place *place, uint64_t value);
bool fuzz_is_number(const struct fuzz_place *place);

/* The place of a field of the record at places[record]; item is its index in a fixed list. NULL: none. */
const struct fuzz_place *fuzz_find(const struct fuzz_walk *walk, size_t record, const char *name, uint32_t item);

/* A number that the field may have. */
uint64_t fuzz_good_number(const struct fuzz_field *field, struct fuzz_random *random);

#endif
