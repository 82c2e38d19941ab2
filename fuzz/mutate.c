/* The mutator of targets whose inputs are lists of steps. */
#include <assert.h>
#include <stdlib.h>

#include "fuzz.h"
#include "message.h"
#include "steps.h"

enum {
    MAX_STEPS = 256,
    MAX_CHANGES = 4,
    MAX_OWN = 64, /* bytes of a step of the target's own that is made up */
    RAW_PERCENT = 3,
};

/* An input taken apart. Steps are in memory of the input, or of `made`. */
struct list {
    struct fuzz_step steps[MAX_STEPS];
    size_t count;
    uint8_t *made; /* room for what is changed or made up, one after the other */
    size_t used, capacity;
};

static void read_list(struct list *list, const uint8_t *data, size_t size)
{
    struct reader reader = {data, size};
    while (list->count < MAX_STEPS && fuzz_step_next(&reader, &list->steps[list->count]))
        list->count++;
}

static size_t write_list(const struct list *list, uint8_t *out, size_t room)
{
    size_t size = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct fuzz_step *step = &list->steps[i];
        size += fuzz_step_write(out + size, room - size, step->what, step->param, step->bytes, step->size);
    }
    return size;
}

/* Room for the longest step, NULL if there is none left. */
static uint8_t *take_room(struct list *list)
{
    return list->capacity - list->used >= FUZZ_MAX_STEP ? list->made + list->used : NULL;
}

static void keep(struct list *list, struct fuzz_step *step, const uint8_t *bytes, size_t size)
{
    step->bytes = bytes;
    step->size = (uint16_t)size;
    list->used += size;
}

/* What a mutator cannot guess, half of the time. */
static void repair(const struct fuzz_record *record, uint8_t *bytes, size_t size, struct fuzz_random *random)
{
    struct fuzz_walk walk;
    if (!fuzz_subject.repair || fuzz_chance(random, 50))
        return;
    fuzz_walk_init(&walk, fuzz_subject.protocol, record, bytes, size, size, NULL);
    for (size_t i = 0; i < walk.n_places; i++)
        if (walk.places[i].role == FUZZ_AT_RECORD)
            fuzz_subject.repair(&walk, i, random);
    fuzz_walk_finish(&walk);
}

static void make_step(struct list *list, struct fuzz_step *step, struct fuzz_random *random)
{
    uint8_t *room = take_room(list);
    size_t size = 0;
    step->what = (uint8_t)fuzz_below(random, (uint32_t)fuzz_subject.protocol->n_messages + fuzz_subject.n_own);
    step->param = (uint8_t)fuzz_below(random, fuzz_subject.n_params);
    if (fuzz_subject.replies && fuzz_chance(random, 50))
        step->param |= FUZZ_REPLY;
    const struct fuzz_record *record = fuzz_step_record(&fuzz_subject, step);
    if (room && record)
        size = fuzz_message_make(fuzz_subject.protocol, record, room, FUZZ_MAX_STEP, random);
    else if (room && step->what >= fuzz_subject.protocol->n_messages)
        for (size = 0; size < fuzz_below(random, MAX_OWN); size++)
            room[size] = (uint8_t)fuzz_random(random);
    if (record && size > 0)
        repair(record, room, size, random);
    keep(list, step, room, size);
}

static void change_step(struct list *list, struct fuzz_step *step, struct fuzz_random *random)
{
    uint8_t *room = take_room(list);
    size_t size = step->size;
    const struct fuzz_record *record = fuzz_step_record(&fuzz_subject, step);
    if (!room)
        return;
    if (size > 0)
        memcpy(room, step->bytes, size);
    if (record) {
        for (uint32_t i = 1 + fuzz_below(random, 3); i > 0; i--)
            size = fuzz_message_change(fuzz_subject.protocol, record, room, size, FUZZ_MAX_STEP, random);
        repair(record, room, size, random);
    } else {
        size = LLVMFuzzerMutate(room, size, size + MAX_OWN < FUZZ_MAX_STEP ? size + MAX_OWN : FUZZ_MAX_STEP);
    }
    keep(list, step, room, size);
}

/* Makes a place for a step at index i, if there is one. */
static struct fuzz_step *open_place(struct list *list, size_t i)
{
    if (list->count == MAX_STEPS)
        return NULL;
    memmove(&list->steps[i + 1], &list->steps[i], (list->count - i) * sizeof *list->steps);
    list->count++;
    return &list->steps[i];
}

static void remove_step(struct list *list, size_t i)
{
    list->count--;
    memmove(&list->steps[i], &list->steps[i + 1], (list->count - i) * sizeof *list->steps);
}

static void change_list(struct list *list, struct fuzz_random *random)
{
    uint32_t way = list->count ? fuzz_below(random, 100) : 0;
    size_t i = list->count ? fuzz_below(random, (uint32_t)list->count) : 0;
    struct fuzz_step *step;
    if (way < 15) {
        step = open_place(list, list->count ? i + fuzz_below(random, 2) : 0);
        if (step)
            make_step(list, step, random);
    } else if (way < 25) {
        struct fuzz_step copy = list->steps[i];
        step = open_place(list, fuzz_below(random, (uint32_t)list->count + 1));
        if (step)
            *step = copy;
    } else if (way < 33) {
        remove_step(list, i);
    } else if (way < 40) {
        size_t other = fuzz_below(random, (uint32_t)list->count);
        struct fuzz_step copy = list->steps[i];
        list->steps[i] = list->steps[other];
        list->steps[other] = copy;
    } else if (way < 43) {
        list->steps[i].param = (uint8_t)fuzz_below(random, fuzz_subject.n_params + 1u);
    } else {
        change_step(list, &list->steps[i], random);
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    struct fuzz_random random = {seed};
    fuzz_random(&random);
    if (fuzz_chance(&random, RAW_PERCENT))
        return LLVMFuzzerMutate(data, size, max_size);
    struct list *list = calloc(1, sizeof *list);
    assert(list);
    list->capacity = (MAX_CHANGES + 1) * FUZZ_MAX_STEP;
    list->made = malloc(list->capacity);
    uint8_t *out = malloc(max_size);
    assert(list->made && out);
    read_list(list, data, size);
    for (uint32_t i = 1 + fuzz_below(&random, MAX_CHANGES); i > 0; i--)
        change_list(list, &random);
    size = write_list(list, out, max_size);
    memcpy(data, out, size);
    free(out);
    free(list->made);
    free(list);
    return size;
}

/* The first steps of one, and the last of the other. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                                 size_t max_size, unsigned seed)
{
    struct fuzz_random random = {seed};
    struct list *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
    assert(a && b);
    fuzz_random(&random);
    read_list(a, data1, size1);
    read_list(b, data2, size2);
    a->count = fuzz_below(&random, (uint32_t)a->count + 1);
    for (size_t i = fuzz_below(&random, (uint32_t)b->count + 1); i < b->count && a->count < MAX_STEPS; i++)
        a->steps[a->count++] = b->steps[i];
    size_t size = write_list(a, out, max_size);
    free(a);
    free(b);
    return size;
}
