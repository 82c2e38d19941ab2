/* What is never given back - contexts, memory, buffers, backends, graphs - by processes that are then killed; and processes
 * that make contexts as fast as they can. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apir-codec.h"
#include "hostile/guest.h"
#include "util/clock.h"

enum {
    CHILDREN = 6,
    HELD = 40, /* contexts of a child */
    LIMIT_MS = 10000,
    OBJECTS = 4096,
    MIB = 1024 * 1024,
    HOLD_MS = 1500,
};

static enum outcome alloc_buffer(struct guest *guest, struct attack *attack, uint64_t size, uint64_t *buffer)
{
    struct apir_buffer_alloc_reply reply = {0};
    uint8_t request[256];
    struct apir_enc args;
    size_t start = raw_guest_header(request, APIR_CALL_BUFFER_ALLOC, guest->context.control.sequence + 1);
    apir_enc_init(&args, request + start, sizeof request - start);
    apir_encode_buffer_alloc_args(&args, &(struct apir_buffer_alloc_args){.device = 0, .size = size});
    start += apir_enc_used(&args);
    raw_guest_set_size(request, (uint32_t)start);
    enum outcome outcome = guest_call(guest, attack, request, start, LIMIT_MS);
    if (outcome == SERVED) {
        struct apir_dec results = guest_results(guest);
        apir_decode_buffer_alloc_reply(&results, &reply);
        *buffer = reply.buffer;
    }
    return outcome;
}

/* Buffers until there are no more, every byte of some written. */
static void leak_buffers(struct guest *guest, struct attack *attack)
{
    const uint64_t size = random_once_in(&attack->random, 2) ? 4096 : 16 * (uint64_t)MIB;
    for (int i = 0; i < OBJECTS && guest->alive && !attack_is_over(attack); i++) {
        uint64_t buffer = 0;
        if (alloc_buffer(guest, attack, random_once_in(&attack->random, 16) ? random_edge(&attack->random) : size,
                         &buffer) == SERVED &&
            buffer == 0) {
            attack_count(attack, TALLY_DENIED);
            if (random_once_in(&attack->random, 4))
                return;
        }
        guest->context.buffer = buffer ? buffer : guest->context.buffer;
        if (guest->alive && random_once_in(&attack->random, 16))
            guest_call_good(guest, attack, APIR_CALL_BUFFER_CLEAR);
    }
}

static void leak_memory(struct guest *guest, struct attack *attack)
{
    uint64_t size = random_once_in(&attack->random, 2) ? 16384 : 8 * (uint64_t)MIB;
    for (int i = 0; i < OBJECTS; i++) {
        struct blob blob;
        if (attack_tried(attack, door_share(&guest->door, size, &blob)) < 0) {
            attack_count(attack, TALLY_DENIED);
            return;
        }
        memset(blob.data, 0x5a, 4096);
    }
}

static void leak_backends(struct guest *guest, struct attack *attack)
{
    for (int i = 0; i < 256 && guest->alive; i++)
        guest_call_good(guest, attack, APIR_CALL_STREAM_CREATE);
}

static void leak_one(struct attack *attack)
{
    static void (*const leaks[])(struct guest *guest, struct attack *attack) = {leak_buffers, leak_memory,
                                                                                leak_backends};
    struct guest guest;
    if (guest_open(&guest, attack, CONTEXT_READY))
        leaks[random_below(&attack->random, 3)](&guest, attack);
    apir_clock_sleep(random_below(&attack->random, HOLD_MS) * UINT64_C(1000000));
    _exit(0); /* the kernel closes what is left */
}

/* Makes as many contexts as the host gives, of which few do anything. */
static void hold_contexts(struct attack *attack)
{
    struct guest guest;
    for (int i = 0; i < HELD && !attack_is_over(attack); i++)
        guest_open(&guest, attack, random_once_in(&attack->random, 4) ? CONTEXT_READY : CONTEXT_CONNECTED);
    apir_clock_sleep(random_below(&attack->random, HOLD_MS) * UINT64_C(1000000));
    _exit(0);
}

/* Runs children, kills some of them in the middle, and makes new ones. */
static void run_children(struct attack *attack, void (*run)(struct attack *attack), unsigned count)
{
    pid_t children[CHILDREN];
    for (unsigned i = 0; i < count; i++) {
        struct random random = {random_next(&attack->random) | 1};
        children[i] = fork();
        if (children[i] == 0) {
            attack->random = random;
            run(attack);
            _exit(0);
        }
    }
    apir_clock_sleep(random_below(&attack->random, 2 * HOLD_MS) * UINT64_C(1000000));
    for (unsigned i = 0; i < count; i++) {
        if (children[i] < 0)
            continue;
        if (random_once_in(&attack->random, 2)) {
            kill(children[i], SIGKILL);
            attack_count(attack, TALLY_KILLED);
        }
        waitpid(children[i], NULL, 0);
    }
}

void attack_leak(struct attack *attack)
{
    while (!attack_is_over(attack))
        run_children(attack, leak_one, 2);
}

void attack_contexts(struct attack *attack)
{
    while (!attack_is_over(attack))
        run_children(attack, hold_contexts, CHILDREN);
}
