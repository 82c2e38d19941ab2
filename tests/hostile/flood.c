/* Too much of everything that a guest may do: commands, fences, doorbells, posted calls, queues, memory, long payloads. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apir-codec.h"
#include "hostile/guest.h"
#include "util/clock.h"
#include "wire/connection.h"

enum {
    FENCES = 512,
    BURST = 4096,
    LIMIT_MS = 20000,
    LONG = APIR_MAX_FRAME,
    PIECES = 128,
    QUEUES = APIR_MAX_QUEUES,
};

static void flood_doorbells(struct attack *attack, struct guest *guest)
{
    const uint32_t words[] = {APIR_COMMAND_KICK, 0, 0};
    for (int i = 0; i < BURST && !guest_is_dead(guest); i++)
        attack_tried(attack, door_submit(&guest->door, words, sizeof words));
}

/* Fences that nobody waits for, and ones of rings that have no queue. */
static void flood_fences(struct attack *attack, struct guest *guest)
{
    int fences[FENCES];
    unsigned n = 0;
    for (uint32_t i = 0; i < BURST && !guest_is_dead(guest); i++) {
        const uint32_t words[] = {APIR_COMMAND_SYNC, i, 0};
        int fence = -1;
        attack_tried(attack, door_submit_fenced(&guest->door, words, sizeof words, i % 64, &fence));
        if (fence >= 0)
            fences[n++] = fence;
        for (; n == FENCES; n = 0)
            for (unsigned k = 0; k < n; k++)
                close(fences[k]);
    }
    while (n > 0)
        close(fences[--n]);
}

/* A ring that is always full of calls nobody waits for. */
static void flood_ring(struct attack *attack, struct guest *guest)
{
    static const uint32_t calls[] = {APIR_CALL_BUFFER_CLEAR, APIR_CALL_TENSOR_SET, APIR_CALL_BUFFER_WRITE,
                                     APIR_CALL_GRAPH_RECOMPUTE, APIR_CALL_DEVICE_GET_MEMORY};
    uint8_t request[MAX_MESSAGE];
    for (int i = 0; i < BURST && !guest_is_dead(guest) && !attack_is_over(attack); i++) {
        uint32_t call = calls[random_below(&attack->random, sizeof calls / sizeof *calls)];
        memset(request, 0, sizeof request);
        size_t size = message_write(&guest->context, message_of(call), request);
        bool posted = guest_post(guest, request, size);
        guest->context.control.sequence += posted;
        attack_tried(attack, posted ? 0 : -1);
    }
    guest_wait(guest, LIMIT_MS);
}

/* Payloads as long as they may be, and longer. */
static void flood_bytes(struct attack *attack, struct guest *guest)
{
    uint32_t *words = calloc(1, LONG + 4096);
    for (int i = 0; words && i < 32 && !guest_is_dead(guest); i++) {
        size_t size = LONG + 4096 - random_below(&attack->random, 3) * 4096;
        words[0] = APIR_COMMAND_SYNC;
        attack_tried(attack, door_submit(&guest->door, words, size));
    }
    free(words);
}

static void flood_memory(struct attack *attack, struct guest *guest)
{
    struct blob blobs[PIECES] = {{0}};
    for (int round = 0; round < 4 && !guest_is_dead(guest) && !attack_is_over(attack); round++) {
        for (unsigned i = 0; i < PIECES; i++)
            attack_tried(attack, door_share(&guest->door, 1 + random_below(&attack->random, 65536), &blobs[i]));
        for (unsigned i = 0; i < PIECES; i++)
            door_unshare(&guest->door, &blobs[i]);
    }
}

/* Every queue that a session may have, opened, rung, closed and opened again. */
static void flood_queues(struct attack *attack, struct guest *guest)
{
    struct blob rings[QUEUES] = {{0}};
    for (uint32_t i = 1; i < QUEUES && !guest_is_dead(guest); i++) {
        if (attack_tried(attack, door_share(&guest->door, APIR_QUEUE_SIZE, &rings[i])) < 0)
            break;
        const uint32_t open[] = {APIR_COMMAND_OPEN_QUEUE, i, rings[i].id}, kick[] = {APIR_COMMAND_KICK, i, 0};
        attack_tried(attack, door_submit(&guest->door, open, sizeof open));
        attack_tried(attack, door_submit(&guest->door, kick, sizeof kick));
    }
    for (uint32_t i = 1; i < QUEUES; i++) {
        const uint32_t shut[] = {APIR_COMMAND_CLOSE_QUEUE, i, 0};
        if (rings[i].size > 0 && random_once_in(&attack->random, 2) && !guest_is_dead(guest))
            attack_tried(attack, door_submit(&guest->door, shut, sizeof shut));
        blob_unmap(&rings[i]);
    }
}

static void (*const floods[])(struct attack *attack, struct guest *guest) = {
    flood_doorbells, flood_fences, flood_ring, flood_ring, flood_bytes, flood_memory, flood_queues,
};

void attack_flood(struct attack *attack)
{
    while (!attack_is_over(attack)) {
        struct guest guest;
        bool good = guest_open(&guest, attack, CONTEXT_READY);
        for (int i = 0; i < 4 && good && !guest_is_dead(&guest) && !attack_is_over(attack); i++)
            floods[random_below(&attack->random, sizeof floods / sizeof *floods)](attack, &guest);
        guest_finish(&guest);
    }
}
