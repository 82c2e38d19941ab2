#include "hostile/guest.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "apir-codec.h"
#include "apir-upstream-protocol.h"
#include "util/clock.h"
#include "wire/status.h"

enum {
    PATIENCE_MS = 20000, /* for what a host does in well under a second, when it is not busy */
    LOAD_MS = 60000,
    MISSING_ID = 0x5a5affff,
    MISSING_HANDLE = 77,
};

static bool is_dead(const struct guest *guest)
{
    /* acquire: pairs with the host's release */
    return guest->status.data &&
           atomic_load_explicit(apir_status_dead(guest->status.data), memory_order_acquire) != 0;
}

bool guest_is_dead(const struct guest *guest)
{
    return !guest->alive || is_dead(guest);
}

/* A connection that was closed tells it, too: a worker that was killed tells nothing in memory. */
static bool is_closed(const struct guest *guest)
{
    char byte;
    return !guest->door.device && recv(guest->door.fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

/* Waits until the word is `wanted`: SERVED, LOST or LATE. */
static enum outcome wait_word(const struct guest *guest, _Atomic uint32_t *word, uint32_t wanted, unsigned limit_ms)
{
    uint64_t end = apir_clock_now() + limit_ms * UINT64_C(1000000);
    for (unsigned round = 0; atomic_load_explicit(word, memory_order_acquire) != wanted; round++) {
        if (is_dead(guest) || (round % 64 == 63 && is_closed(guest)))
            return LOST;
        if (apir_clock_now() > end)
            return LATE;
        if (round < 64)
            sched_yield();
        else
            apir_clock_sleep(round < 256 ? 50000 : 1000000);
    }
    return SERVED;
}

static bool shake_hands(struct guest *guest)
{
    if (door_share(&guest->door, APIR_STATUS_PAGE_SIZE, &guest->status) < 0)
        return false;
    const uint32_t words[] = {APIR_UPSTREAM_COMMAND_HANDSHAKE, 0, guest->status.id, APIR_COMPAT_MAJOR,
                              APIR_COMPAT_MINOR, APIR_HANDSHAKE_MAGIC, APIR_PROTOCOL_MAJOR, APIR_PROTOCOL_MINOR};
    return door_submit(&guest->door, words, sizeof words) == 0 &&
           wait_word(guest, apir_status_notif(guest->status.data), APIR_HANDSHAKE_CODE + 1, PATIENCE_MS) == SERVED;
}

static bool open_queue(struct guest *guest)
{
    struct raw_queue *control = &guest->context.control;
    if (door_share(&guest->door, APIR_QUEUE_SIZE, &guest->ring) < 0)
        return false;
    apir_ring_producer_init(&control->ring, guest->ring.data);
    const uint32_t words[] = {APIR_COMMAND_OPEN_QUEUE, 0, guest->ring.id};
    return door_submit(&guest->door, words, sizeof words) == 0;
}

bool guest_post(struct guest *guest, const void *request, size_t size)
{
    struct raw_queue *control = &guest->context.control;
    if (apir_ring_push(&control->ring, request, (uint32_t)size) < 0)
        return false;
    if (!apir_ring_take_parked(control->ring.ring))
        return true;
    const uint32_t words[] = {APIR_COMMAND_KICK, 0, 0};
    return door_submit(&guest->door, words, sizeof words) == 0;
}

struct apir_dec guest_results(const struct guest *guest)
{
    struct apir_reply_header header;
    struct apir_dec dec;
    apir_dec_init(&dec, apir_ring_reply(guest->ring.data), APIR_MAX_RECORD, NULL);
    apir_decode_reply_header(&dec, &header);
    return dec;
}

static enum outcome reply_of(const struct guest *guest)
{
    struct apir_reply_header header;
    struct apir_dec dec;
    /* a call without results says it in the ring */
    if (is_dead(guest) || (int32_t)apir_ring_failed(guest->ring.data) < 0)
        return REFUSED;
    apir_dec_init(&dec, apir_ring_reply(guest->ring.data), APIR_MAX_RECORD, NULL);
    apir_decode_reply_header(&dec, &header);
    return apir_dec_ok(&dec) && header.status < 0 ? REFUSED : SERVED;
}

enum outcome guest_wait(struct guest *guest, unsigned limit_ms)
{
    const struct raw_queue *control = &guest->context.control;
    enum outcome outcome =
        wait_word(guest, &control->ring.ring->completed, (uint32_t)control->sequence, limit_ms);
    return outcome == SERVED ? reply_of(guest) : outcome;
}

static void count(struct attack *attack, enum outcome outcome)
{
    static const enum tally tallies[] = {
        [SERVED] = TALLY_SERVED, [REFUSED] = TALLY_REFUSED, [LOST] = TALLY_LOST, [LATE] = TALLY_LATE};
    attack_count(attack, TALLY_CALLS);
    attack_count(attack, tallies[outcome]);
    if (outcome == REFUSED)
        attack_count(attack, TALLY_LOST);
}

enum outcome guest_call(struct guest *guest, struct attack *attack, const void *request, size_t size,
                        unsigned limit_ms)
{
    guest->context.control.sequence++;
    enum outcome outcome = guest_post(guest, request, size) ? guest_wait(guest, limit_ms) : LOST;
    if (outcome != SERVED || guest_is_dead(guest))
        guest->alive = false;
    count(attack, outcome);
    return outcome;
}

enum outcome guest_call_good(struct guest *guest, struct attack *attack, uint32_t call)
{
    uint8_t request[MAX_MESSAGE];
    memset(request, 0, sizeof request);
    size_t size = message_write(&guest->context, message_of(call), request);
    return guest_call(guest, attack, request, size, LOAD_MS);
}

static bool alloc_buffer(struct guest *guest, struct attack *attack)
{
    struct apir_buffer_alloc_reply reply = {0};
    if (guest_call_good(guest, attack, APIR_CALL_BUFFER_ALLOC) != SERVED)
        return false;
    struct apir_dec results = guest_results(guest);
    apir_decode_buffer_alloc_reply(&results, &reply);
    guest->context.buffer = reply.buffer;
    return reply.buffer != 0;
}

static bool create_stream(struct guest *guest, struct attack *attack)
{
    struct apir_stream_create_reply reply = {0};
    if (guest_call_good(guest, attack, APIR_CALL_STREAM_CREATE) != SERVED)
        return false;
    struct apir_dec results = guest_results(guest);
    apir_decode_stream_create_reply(&results, &reply);
    guest->context.stream = reply.stream;
    return reply.stream != 0;
}

static struct raw_shm shm_of(const struct blob *blob)
{
    return (struct raw_shm){.id = blob->id, .fd = -1, .data = blob->data, .size = blob->size};
}

/* Requests overtake commands: memory that was shared is used once the host has taken that. */
static bool sync_commands(struct guest *guest)
{
    _Atomic uint32_t *synced = apir_status_synced(guest->status.data);
    uint32_t next = atomic_load_explicit(synced, memory_order_relaxed) + 1;
    const uint32_t words[] = {APIR_COMMAND_SYNC, next, 0};
    return door_submit(&guest->door, words, sizeof words) == 0 &&
           wait_word(guest, synced, next, PATIENCE_MS) == SERVED;
}

static bool make_ready(struct guest *guest, struct attack *attack)
{
    struct context *context = &guest->context;
    if (guest_call_good(guest, attack, APIR_CALL_NEGOTIATE) != SERVED || !alloc_buffer(guest, attack) ||
        !create_stream(guest, attack) || door_share(&guest->door, DATA_SIZE, &guest->data) < 0 ||
        door_share(&guest->door, 4096, &guest->graph) < 0 || !sync_commands(guest))
        return false;
    context->data = shm_of(&guest->data);
    context->graph = shm_of(&guest->graph);
    message_write_graph(context);
    return guest_call_good(guest, attack, APIR_CALL_GRAPH_COMPUTE) == SERVED;
}

static bool make_used(struct guest *guest, struct attack *attack)
{
    struct context *context = &guest->context;
    context->stale_buffer = context->buffer;
    context->stale_stream = context->stream;
    if (guest_call_good(guest, attack, APIR_CALL_BUFFER_FREE) != SERVED || !alloc_buffer(guest, attack) ||
        guest_call_good(guest, attack, APIR_CALL_STREAM_DESTROY) != SERVED || !create_stream(guest, attack) ||
        door_share(&guest->door, SMALL_SIZE, &guest->small) < 0 ||
        door_share(&guest->door, DATA_SIZE, &guest->removed) < 0 || !sync_commands(guest))
        return false;
    message_write_graph(context);
    context->small = shm_of(&guest->small);
    context->removed.id = guest->removed.id;
    door_unshare(&guest->door, &guest->removed);
    return guest_call_good(guest, attack, APIR_CALL_GRAPH_COMPUTE) == SERVED;
}

bool guest_open(struct guest *guest, struct attack *attack, enum context_stage stage)
{
    struct context *context = &guest->context;
    memset(guest, 0, sizeof *guest);
    guest->door.fd = -1;
    guest->stage = stage;
    context->data.id = context->graph.id = MISSING_ID;
    context->buffer = context->stream = MISSING_HANDLE;
    if (door_open(&guest->door, attack->socket) < 0) {
        attack_count(attack, TALLY_DENIED);
        return false;
    }
    attack_count(attack, TALLY_CONTEXTS);
    guest->alive = (stage < CONTEXT_SHAKEN || shake_hands(guest)) && (stage < CONTEXT_OPEN || open_queue(guest)) &&
                   (stage < CONTEXT_LOADED ||
                    (sync_commands(guest) && guest_call_good(guest, attack, APIR_CALL_LOAD_LIBRARY) == SERVED)) &&
                   (stage < CONTEXT_READY || make_ready(guest, attack)) &&
                   (stage < CONTEXT_USED || make_used(guest, attack));
    return guest->alive;
}

void guest_finish(struct guest *guest)
{
    struct blob *blobs[] = {&guest->status, &guest->ring, &guest->data, &guest->graph, &guest->small, &guest->removed};
    for (size_t i = 0; i < sizeof blobs / sizeof *blobs; i++)
        blob_unmap(blobs[i]); /* a mapping would keep the context */
    door_close(&guest->door);
    guest->alive = false;
}
