#include "steps.h"

#include <assert.h>
#include <stdlib.h>

bool fuzz_step_next(struct reader *reader, struct fuzz_step *step)
{
    size_t got;
    if (reader->left < FUZZ_STEP_HEADER)
        return false;
    step->what = reader_u8(reader);
    step->param = reader_u8(reader);
    uint16_t size = reader_u16(reader);
    step->bytes = reader_take(reader, size, &got);
    step->size = (uint16_t)got;
    return true;
}

uint8_t fuzz_first_step(const uint8_t *data, size_t size, size_t what)
{
    struct reader reader = {data, size};
    struct fuzz_step step;
    return fuzz_step_next(&reader, &step) && step.what == what && step.size > 0 ? step.bytes[0] : 0;
}

uint8_t *fuzz_step_copy(const struct fuzz_step *step)
{
    uint8_t *bytes = malloc(step->size);
    assert(bytes || step->size == 0);
    if (step->size > 0)
        memcpy(bytes, step->bytes, step->size);
    return bytes;
}

size_t fuzz_step_write(uint8_t *at, size_t room, uint8_t what, uint8_t param, const void *bytes, size_t size)
{
    if (size > FUZZ_MAX_STEP || room < FUZZ_STEP_HEADER || room - FUZZ_STEP_HEADER < size)
        return 0;
    const uint8_t header[FUZZ_STEP_HEADER] = {what, param, (uint8_t)size, (uint8_t)(size >> 8)};
    if (size > 0)
        memmove(at + FUZZ_STEP_HEADER, bytes, size);
    memcpy(at, header, sizeof header);
    return FUZZ_STEP_HEADER + size;
}

const struct fuzz_record *fuzz_step_record(const struct fuzz_subject *subject, const struct fuzz_step *step)
{
    if (step->what >= subject->protocol->n_messages)
        return NULL;
    const struct fuzz_message *message = &subject->protocol->messages[step->what];
    return subject->replies && step->param & FUZZ_REPLY ? message->reply : message->args;
}

static uint64_t handle_of(const struct fuzz_handles *handles, const char *of, uint64_t number)
{
    for (unsigned i = 0; i < FUZZ_HANDLE_KINDS; i++) {
        unsigned kind = number < FUZZ_MAX_HANDLES ? i : (unsigned)number % FUZZ_HANDLE_KINDS;
        const char *have = handles->kinds[kind].of;
        uint32_t count = handles->kinds[kind].count;
        if (have && count > 0 && (number >= FUZZ_MAX_HANDLES || strcmp(have, of) == 0))
            return handles->kinds[kind].handles[(number - 1) % count];
    }
    return number;
}

void fuzz_handles_put(const struct fuzz_handles *handles, const struct fuzz_protocol *protocol,
                      const struct fuzz_record *record, uint8_t *bytes, size_t size)
{
    struct fuzz_walk walk;
    fuzz_walk_init(&walk, protocol, record, bytes, size, size, NULL);
    for (size_t i = 0; i < walk.n_places; i++) {
        const struct fuzz_place *place = &walk.places[i];
        if (place->role != FUZZ_AT_VALUE || place->field->kind != FUZZ_HANDLE)
            continue;
        uint64_t number = fuzz_get(&walk, place);
        if (number > 0 && number < (uint64_t)2 * FUZZ_MAX_HANDLES)
            fuzz_set(&walk, place, handle_of(handles, place->field->of, number));
    }
    fuzz_walk_finish(&walk);
}

static void keep(struct fuzz_handles *handles, const char *of, uint64_t handle)
{
    unsigned kind = 0;
    while (kind < FUZZ_HANDLE_KINDS && handles->kinds[kind].of && strcmp(handles->kinds[kind].of, of) != 0)
        kind++;
    if (kind == FUZZ_HANDLE_KINDS || handle == 0)
        return;
    handles->kinds[kind].of = of;
    if (handles->kinds[kind].count < FUZZ_MAX_HANDLES)
        handles->kinds[kind].handles[handles->kinds[kind].count++] = handle;
}

void fuzz_handles_take(struct fuzz_handles *handles, const struct fuzz_protocol *protocol,
                       const struct fuzz_record *reply, uint8_t *bytes, size_t size)
{
    struct fuzz_walk walk;
    fuzz_walk_init(&walk, protocol, reply, bytes, size, size, NULL);
    for (size_t i = 0; i < walk.n_places; i++)
        if (walk.places[i].role == FUZZ_AT_VALUE && walk.places[i].field->kind == FUZZ_HANDLE)
            keep(handles, walk.places[i].field->of, fuzz_get(&walk, &walk.places[i]));
    fuzz_walk_finish(&walk);
}
