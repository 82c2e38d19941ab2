/* Payloads of EXECBUFFER that are no commands, or come in the wrong order. */
#include <stdlib.h>
#include <unistd.h>

#include "hostile/guest.h"
#include "wire/capset.h"
#include "wire/connection.h"

enum {
    MAX_WORDS = APIR_MAX_FRAME / 4,
    COMMANDS_A_SESSION = 64,
    LIMIT_MS = 10000,
};

/* A word that means something: a command, a queue, a piece of memory of ours or of nobody's. */
static uint32_t word_of(struct attack *attack, const struct guest *guest)
{
    const uint32_t words[] = {
        APIR_COMMAND_OPEN_QUEUE, APIR_COMMAND_CLOSE_QUEUE, APIR_COMMAND_KICK, APIR_COMMAND_SYNC,
        APIR_HANDSHAKE_MAGIC,    guest->status.id,         guest->ring.id,    guest->data.id,
        guest->graph.id,         guest->removed.id,        63,                64,
        APIR_VENUS_COMMAND_BASE,
    };
    if (random_once_in(&attack->random, 4))
        return (uint32_t)random_edge(&attack->random);
    if (random_once_in(&attack->random, 3))
        return random_below(&attack->random, 4);
    return words[random_below(&attack->random, sizeof words / sizeof *words)];
}

/* Bytes of a payload. */
static size_t write_payload(struct attack *attack, const struct guest *guest, uint32_t *words)
{
    static const uint32_t commands[] = {APIR_COMMAND_OPEN_QUEUE, APIR_COMMAND_CLOSE_QUEUE, APIR_COMMAND_KICK,
                                        APIR_COMMAND_SYNC, 0, 1, 2};
    struct random *random = &attack->random;
    if (random_once_in(random, 16)) { /* long ones */
        size_t size = random_below(random, random_once_in(random, 8) ? APIR_MAX_FRAME : 65536);
        random_fill(random, words, size);
        return size;
    }
    size_t count = random_below(random, 12);
    for (size_t i = 0; i < count; i++)
        words[i] = word_of(attack, guest);
    if (count > 0 && !random_once_in(random, 3))
        words[0] = commands[random_below(random, sizeof commands / sizeof *commands)];
    size_t odd = random_once_in(random, 4) ? random_below(random, 4) : 0;
    return count * sizeof *words >= odd ? count * sizeof *words - odd : 0;
}

static void send_one(struct attack *attack, struct guest *guest, uint32_t *words)
{
    int fence = -1;
    size_t size = write_payload(attack, guest, words);
    bool fenced = random_once_in(&attack->random, 4);
    attack_tried(attack, door_submit_fenced(&guest->door, words, size, random_below(&attack->random, 64),
                                            fenced ? &fence : NULL));
    if (fence >= 0)
        close(fence);
}

static void one_session(struct attack *attack, uint32_t *words)
{
    static const enum context_stage stages[] = {CONTEXT_CONNECTED, CONTEXT_SHAKEN, CONTEXT_OPEN, CONTEXT_USED};
    struct guest guest;
    if (guest_open(&guest, attack, stages[random_below(&attack->random, 4)]))
        for (int i = 0; i < COMMANDS_A_SESSION && !guest_is_dead(&guest) && !attack_is_over(attack); i++)
            send_one(attack, &guest, words);
    if (guest.alive && guest_is_dead(&guest))
        attack_count(attack, TALLY_LOST);
    guest_finish(&guest);
}

void attack_commands(struct attack *attack)
{
    uint32_t *words = malloc(MAX_WORDS * sizeof *words);
    while (words && !attack_is_over(attack))
        one_session(attack, words);
    free(words);
}
