/* Both ends of a ring, each against a peer that writes what it wants where it wants: the consumer takes only what lies in
 * the ring, and says no more than that the rest makes no sense; the producer never writes outside of it. In between the two
 * ends are used as they should be, and then what is pushed is what is popped. */
#include <assert.h>
#include <stdlib.h>

#include "fuzz.h"
#include "reader.h"
#include "wire/ring.h"

struct state {
    uint8_t *memory; /* APIR_QUEUE_SIZE bytes of their own, so that what is next to them is not ours */
    struct apir_ring_producer producer;
    struct apir_ring_consumer consumer;
    uint8_t *record, *popped; /* APIR_MAX_RECORD each */
    bool spoiled;             /* a peer has written what it should not */
};

enum action {
    ACTION_PUSH,
    ACTION_POP,
    ACTION_SET_TAIL,
    ACTION_SET_HEAD,
    ACTION_WRITE, /* bytes near where the next record is read */
    ACTION_PARK,
    ACTION_COMPLETE,
    ACTION_MOVE, /* both ends to a place near the end of the ring, or near 2^32 */
    N_ACTIONS,
};

static void push(struct state *state, struct reader *reader)
{
    uint32_t size = reader_u16(reader) % APIR_MAX_RECORD + 1;
    uint32_t tail = state->producer.tail;
    memset(state->record, reader_u8(reader), size);
    int ret = apir_ring_push(&state->producer, state->record, size);
    FUZZ_CHECK(ret == 0 || state->producer.tail == tail);
    if (ret == 0 && apir_ring_take_parked(state->producer.ring))
        apir_ring_unpark(&state->consumer);
}

static void pop(struct state *state)
{
    int size = apir_ring_pop(&state->consumer, state->popped);
    FUZZ_CHECK(size <= APIR_MAX_RECORD);
    FUZZ_CHECK(state->spoiled || size >= 0);
    for (int i = 1; !state->spoiled && i < size; i++)
        FUZZ_CHECK(state->popped[i] == state->popped[0]);
}

static void move(struct state *state, uint32_t position)
{
    state->producer.tail = state->consumer.head = position & ~UINT32_C(7);
    atomic_store(&state->producer.ring->tail, state->producer.tail);
    atomic_store(&state->producer.ring->head, state->producer.tail);
}

static void write_near(struct state *state, struct reader *reader)
{
    uint32_t offset = (state->consumer.head + reader_u16(reader)) % (APIR_RING_SIZE - 8);
    reader_copy(reader, state->memory + APIR_RING_OFFSET + offset, 4);
    state->spoiled = true;
}

static void complete(struct state *state, uint32_t sequence)
{
    apir_ring_want(state->producer.ring, sequence + 1);
    apir_ring_complete(state->producer.ring, sequence);
    FUZZ_CHECK(apir_ring_is_complete(state->producer.ring, sequence));
    apir_ring_fail(state->producer.ring, sequence);
    FUZZ_CHECK(sequence == 0 || apir_ring_failed(state->producer.ring) != 0);
    apir_ring_clear_failed(state->producer.ring);
}

static void act(struct state *state, struct reader *reader)
{
    switch ((enum action)(reader_u8(reader) % N_ACTIONS)) {
    case ACTION_PUSH:
        push(state, reader);
        break;
    case ACTION_POP:
        pop(state);
        break;
    case ACTION_SET_TAIL:
        atomic_store(&state->producer.ring->tail, state->consumer.head + reader_u32(reader));
        state->spoiled = true;
        break;
    case ACTION_SET_HEAD:
        atomic_store(&state->producer.ring->head, state->producer.tail - reader_u32(reader));
        state->spoiled = true;
        break;
    case ACTION_WRITE:
        write_near(state, reader);
        break;
    case ACTION_PARK:
        if (apir_ring_park(&state->consumer))
            FUZZ_CHECK(state->spoiled || !apir_ring_has_record(&state->consumer));
        break;
    case ACTION_COMPLETE:
        complete(state, reader_u32(reader));
        break;
    case ACTION_MOVE:
        move(state, reader_u32(reader));
        break;
    case N_ACTIONS:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader reader = {data, size};
    struct state state = {
        .memory = calloc(1, APIR_QUEUE_SIZE), .record = malloc(APIR_MAX_RECORD), .popped = malloc(APIR_MAX_RECORD)};
    assert(state.memory && state.record && state.popped);
    apir_ring_producer_init(&state.producer, state.memory);
    apir_ring_consumer_init(&state.consumer, state.memory);
    while (reader.left > 0)
        act(&state, &reader);
    free(state.memory);
    free(state.record);
    free(state.popped);
    return 0;
}
