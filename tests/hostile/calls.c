/* Every call, malformed in every way. */
#include <string.h>

#include "apir-codec.h"
#include "hostile/guest.h"

enum {
    LIMIT_MS = 10000,
    FIELD = 4,           /* most fields are so long, and all lie at multiples of it */
    CALLS_A_SESSION = 200,
};

/* A request on its way to be spoiled. */
struct victim {
    struct attack *attack;
    struct guest guest;
    struct guest other; /* another context of this machine, which owns other things */
    const struct message *message;
    uint8_t request[MAX_MESSAGE];
    size_t size;
    unsigned calls;
};

static void set_size(struct victim *victim, size_t size)
{
    victim->size = size;
    raw_guest_set_size(victim->request, (uint32_t)size);
}

static void put(struct victim *victim, size_t at, const void *value, size_t size)
{
    if (at + size <= victim->size)
        memcpy(victim->request + at, value, size);
}

static size_t any_place(struct victim *victim)
{
    size_t from = random_once_in(&victim->attack->random, 4) ? 0 : HEADER_SIZE;
    if (victim->size <= from + FIELD)
        from = 0;
    return from + random_below(&victim->attack->random, (uint32_t)(victim->size - from) / FIELD) * FIELD;
}

static void truncate_it(struct victim *victim)
{
    set_size(victim, random_below(&victim->attack->random, (uint32_t)victim->size));
}

static void add_bytes(struct victim *victim)
{
    size_t more = 1 + random_below(&victim->attack->random, 2000);
    random_fill(&victim->attack->random, victim->request + victim->size, more);
    set_size(victim, victim->size + more);
}

/* The header says another size than the record has. */
static void lie_about_size(struct victim *victim)
{
    raw_guest_set_size(victim->request, (uint32_t)random_edge(&victim->attack->random));
}

static void change_sequence(struct victim *victim)
{
    uint64_t sequence = victim->guest.context.control.sequence + random_edge(&victim->attack->random);
    put(victim, 8, &sequence, sizeof sequence);
}

static void change_call(struct victim *victim)
{
    struct random *random = &victim->attack->random;
    uint32_t call = random_once_in(random, 3) ? (uint32_t)random_edge(random) : random_below(random, n_messages + 4);
    put(victim, 0, &call, sizeof call);
}

static void change_field(struct victim *victim)
{
    uint64_t value = random_edge(&victim->attack->random);
    put(victim, any_place(victim), &value, random_once_in(&victim->attack->random, 2) ? sizeof value : FIELD);
}

static void change_bytes(struct victim *victim)
{
    for (uint32_t n = 1 + random_below(&victim->attack->random, 6); n > 0; n--)
        victim->request[random_below(&victim->attack->random, (uint32_t)victim->size)] =
            (uint8_t)random_next(&victim->attack->random);
}

static void make_noise(struct victim *victim)
{
    random_fill(&victim->attack->random, victim->request + HEADER_SIZE, victim->size - HEADER_SIZE);
}

/* Waits for calls that never were. */
static void add_waits(struct victim *victim)
{
    struct random *random = &victim->attack->random;
    uint32_t count = random_once_in(random, 2) ? 1 : (uint32_t)random_edge(random);
    struct {
        uint32_t queue, low, high;
    } wait = {random_below(random, 70), random_below(random, 8), random_once_in(random, 4)};
    uint8_t *at = victim->request + HEADER_SIZE;
    memmove(at + sizeof wait, at, victim->size - HEADER_SIZE);
    memcpy(at - sizeof count, &count, sizeof count);
    memcpy(at, &wait, sizeof wait);
    set_size(victim, victim->size + sizeof wait);
}

/* What stands in the place of one of our handles. */
static uint64_t wrong_handle(struct victim *victim, uint64_t handle)
{
    const struct context *own = &victim->guest.context, *other = &victim->other.context;
    bool buffer = handle == own->buffer;
    const uint64_t wrong[] = {
        handle + 1, handle - 1, handle ^ UINT64_C(1) << 32, handle + (UINT64_C(1) << 32), handle ^ UINT64_C(1) << 56,
        buffer ? own->stream : own->buffer, buffer ? own->stale_buffer : own->stale_stream,
        buffer ? other->buffer : other->stream, 0, UINT64_MAX, random_next(&victim->attack->random),
    };
    return wrong[random_below(&victim->attack->random, sizeof wrong / sizeof *wrong)];
}

static uint32_t wrong_memory(struct victim *victim, uint32_t id)
{
    const struct guest *own = &victim->guest, *other = &victim->other;
    const uint32_t wrong[] = {
        id + 1, id - 1, 0, UINT32_MAX, own->status.id, own->ring.id, own->context.small.id, own->context.removed.id,
        other->data.id, other->ring.id, other->graph.id, (uint32_t)random_next(&victim->attack->random),
    };
    return wrong[random_below(&victim->attack->random, sizeof wrong / sizeof *wrong)];
}

static void change_names(struct victim *victim)
{
    const struct context *own = &victim->guest.context;
    for (size_t at = HEADER_SIZE; at + FIELD <= victim->size; at += FIELD) {
        uint64_t handle = 0;
        uint32_t id;
        memcpy(&id, victim->request + at, sizeof id);
        if (at + sizeof handle <= victim->size)
            memcpy(&handle, victim->request + at, sizeof handle);
        if (handle != 0 && (handle == own->buffer || handle == own->stream)) {
            handle = wrong_handle(victim, handle);
            put(victim, at, &handle, sizeof handle);
        } else if (id == own->data.id || id == own->graph.id) {
            id = wrong_memory(victim, id);
            put(victim, at, &id, sizeof id);
        }
    }
}

static void leave_good(struct victim *victim)
{
    (void)victim;
}

static void (*const ways[])(struct victim *victim) = {
    truncate_it, add_bytes,  lie_about_size, change_sequence, change_call,  change_field, change_field,
    change_bytes, make_noise, add_waits,      change_names,    change_names, leave_good,
};

static bool revive(struct victim *victim, enum context_stage stage)
{
    struct guest *guest = &victim->guest;
    bool good = guest->alive && victim->calls < CALLS_A_SESSION && !guest_is_dead(guest) && guest->stage == stage;
    if (!good) {
        guest_finish(guest);
        good = guest_open(guest, victim->attack, stage);
        victim->calls = 0;
    }
    if (good && guest_is_dead(&victim->other)) {
        guest_finish(&victim->other);
        good = guest_open(&victim->other, victim->attack, CONTEXT_READY);
    }
    return good;
}

static void spoil_one(struct victim *victim)
{
    struct random *random = &victim->attack->random;
    victim->message = &messages[random_below(random, n_messages)];
    /* a session in which things are gone, mostly; new ones, at times, for the first calls */
    if (!revive(victim, victim->message->stage < CONTEXT_READY ? victim->message->stage : CONTEXT_USED))
        return;
    memset(victim->request, 0, sizeof victim->request);
    victim->size = message_write(&victim->guest.context, victim->message, victim->request);
    ways[random_below(random, sizeof ways / sizeof *ways)](victim);
    if (victim->size > 0)
        guest_call(&victim->guest, victim->attack, victim->request, victim->size, LIMIT_MS);
    if (victim->message->changes_state)
        victim->guest.alive = false;
    victim->calls++;
}

void attack_calls(struct attack *attack)
{
    struct victim victim = {.attack = attack, .guest.door.fd = -1, .other.door.fd = -1};
    while (!attack_is_over(attack))
        spoil_one(&victim);
    guest_finish(&victim.guest);
    guest_finish(&victim.other);
}
