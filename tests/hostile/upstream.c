/* The deployed protocol, 0.x: what a deployed guest has sent, changed. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "hostile/attack.h"
#include "hostile/door.h"
#include "upstream/deployed-guest.h"
#include "upstream/sample.h"
#include "util/clock.h"
#include "wire/status.h"

enum {
    MAX_SAMPLES = 48,
    MAX_NAMED = 8,
    DATA = 65536, /* bytes of the data blob */
    BUFFER_TYPE = 7,
    ALLOC_BUFFER = 14,
    SET_TENSOR = 17,
    GET_TENSOR = 18,
    GRAPH_COMPUTE = 22,
    TENSOR_SHM = 324, /* where set and get name the data blob */
    GRAPH_SHM = 12,
    FIRST_RESULT = 4,
    CALLS_A_SESSION = 400,
    LIMIT_MS = 20000,
    EXTRA = 256, /* bytes that may be added */
};

/* Handles in the samples are those of the host that was recorded. */
struct named {
    uint64_t sample, here;
};

struct speaker {
    struct attack *attack;
    struct door door;
    struct blob reply, data;
    struct sample *samples;
    unsigned n_samples;
    struct named named[MAX_NAMED];
    unsigned n_named;
    uint8_t request[SAMPLE_MAX_FILE + EXTRA];
    size_t size;
    bool alive;
};

static void read_samples(struct speaker *speaker)
{
    struct sample_folder folder;
    sample_folder_init(&folder, speaker->attack->samples);
    for (const char *const *name = sample_order; *name && speaker->n_samples < MAX_SAMPLES; name++)
        if (sample_read(&folder, *name, &speaker->samples[speaker->n_samples]))
            speaker->n_samples++;
}

static uint32_t function_of(const struct sample *sample)
{
    uint32_t command = deployed_u32(sample->request.data) % DEPLOYED_VENUS_BASE;
    return command == 2 ? deployed_u32(sample->request.data + DEPLOYED_FUNCTION) : UINT32_MAX;
}

static void translate(const struct speaker *speaker, uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at + 8 <= size; at += 4)
        for (unsigned i = 0; i < speaker->n_named; i++)
            if (deployed_u64(bytes + at) == speaker->named[i].sample)
                deployed_put_u64(bytes + at, speaker->named[i].here);
}

/* Makes the request of a sample ours. */
static void prepare(struct speaker *speaker, const struct sample *sample)
{
    uint32_t function = function_of(sample);
    uint8_t *request = speaker->request;
    speaker->size = sample->request.size;
    memset(request, 0, sizeof speaker->request);
    memcpy(request, sample->request.data, speaker->size);
    translate(speaker, request + DEPLOYED_HEADER_SIZE, speaker->size - DEPLOYED_HEADER_SIZE);
    deployed_put_u32(request, deployed_u32(request) % DEPLOYED_VENUS_BASE);
    deployed_put_u32(request + DEPLOYED_REPLY, speaker->reply.id);
    size_t shm = function == SET_TENSOR || function == GET_TENSOR ? TENSOR_SHM : function == GRAPH_COMPUTE ? GRAPH_SHM : 0;
    if (shm)
        deployed_put_u32(request + shm, speaker->data.id);
    memcpy(speaker->data.data, sample->shm.data, sample->shm.size);
    if (function == GRAPH_COMPUTE)
        translate(speaker, speaker->data.data, sample->shm.size);
}

static bool is_closed(const struct speaker *speaker)
{
    char byte;
    return !speaker->door.device && recv(speaker->door.fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

/* Waits for the first word of the reply; 0: none came. */
static uint32_t wait_reply(const struct speaker *speaker)
{
    _Atomic uint32_t *notif = apir_status_notif(speaker->reply.data);
    uint64_t end = apir_clock_now() + LIMIT_MS * UINT64_C(1000000);
    uint32_t answer;
    for (unsigned round = 0; (answer = atomic_load_explicit(notif, memory_order_acquire)) == 0; round++) {
        if (apir_clock_now() > end || (round % 64 == 63 && is_closed(speaker)))
            return 0;
        if (round < 64)
            sched_yield();
        else
            apir_clock_sleep(200000);
    }
    return answer;
}

static void exchange(struct speaker *speaker)
{
    bool answered = speaker->size >= DEPLOYED_HEADER_SIZE &&
                    deployed_u32(speaker->request + DEPLOYED_REPLY) == speaker->reply.id;
    atomic_store(apir_status_notif(speaker->reply.data), 0);
    attack_count(speaker->attack, TALLY_CALLS);
    uint32_t answer = door_submit(&speaker->door, speaker->request, speaker->size) == 0 && answered
                          ? wait_reply(speaker)
                          : 0;
    /* a host that is gone answers with a time-out for the worker */
    speaker->alive = answer != 0 && answer != 3;
    attack_count(speaker->attack, answer == DEPLOYED_OK ? TALLY_SERVED : TALLY_REFUSED);
    if (!speaker->alive)
        attack_count(speaker->attack, TALLY_LOST);
}

static void learn(struct speaker *speaker, const struct sample *sample)
{
    if (speaker->n_named < MAX_NAMED)
        speaker->named[speaker->n_named++] = (struct named){deployed_u64(sample->reply.data + FIRST_RESULT),
                                                            deployed_u64((uint8_t *)speaker->reply.data + FIRST_RESULT)};
}

/* Good requests, as far as what the others name. */
static void begin(struct speaker *speaker)
{
    speaker->n_named = 0;
    for (unsigned i = 0; i < speaker->n_samples && speaker->alive; i++) {
        uint32_t function = function_of(&speaker->samples[i]);
        if (i >= 2 && function != BUFFER_TYPE && function != ALLOC_BUFFER)
            continue;
        prepare(speaker, &speaker->samples[i]);
        exchange(speaker);
        if (i >= 2)
            learn(speaker, &speaker->samples[i]);
    }
}

static void put_word(struct speaker *speaker, uint8_t *bytes, size_t size)
{
    struct random *random = &speaker->attack->random;
    uint64_t value = random_edge(random);
    size_t width = random_once_in(random, 2) ? 8 : 4;
    if (size >= width)
        memcpy(bytes + random_below(random, (uint32_t)((size - width) / 4 + 1)) * 4, &value, width);
}

static void spoil(struct speaker *speaker, const struct sample *sample)
{
    struct random *random = &speaker->attack->random;
    switch (random_below(random, 6)) {
    case 0:
        speaker->size = random_below(random, (uint32_t)speaker->size);
        break;
    case 1:
        speaker->size += random_below(random, EXTRA);
        break;
    case 2: /* what the data blob holds: graphs, mostly */
        for (uint32_t n = 1 + random_below(random, 4); n > 0; n--)
            put_word(speaker, speaker->data.data, sample->shm.size);
        break;
    case 3:
        deployed_put_u32(speaker->request + DEPLOYED_FUNCTION, random_below(random, 60));
        break;
    case 4:
        put_word(speaker, speaker->request, speaker->size);
        break;
    default:
        for (uint32_t n = 1 + random_below(random, 3); n > 0 && speaker->size > DEPLOYED_HEADER_SIZE; n--)
            put_word(speaker, speaker->request + DEPLOYED_HEADER_SIZE, speaker->size - DEPLOYED_HEADER_SIZE);
    }
}

static void one_session(struct speaker *speaker)
{
    struct attack *attack = speaker->attack;
    if (door_open(&speaker->door, attack->socket) < 0) {
        attack_count(attack, TALLY_DENIED);
        return;
    }
    attack_count(attack, TALLY_CONTEXTS);
    speaker->alive = door_share(&speaker->door, DEPLOYED_REPLY_SIZE, &speaker->reply) == 0 &&
                     door_share(&speaker->door, DATA, &speaker->data) == 0;
    if (speaker->alive)
        begin(speaker);
    for (int i = 0; i < CALLS_A_SESSION && speaker->alive && !attack_is_over(attack); i++) {
        const struct sample *sample = &speaker->samples[random_below(&attack->random, speaker->n_samples)];
        prepare(speaker, sample);
        if (!random_once_in(&attack->random, 4))
            spoil(speaker, sample);
        exchange(speaker);
    }
    blob_unmap(&speaker->reply);
    blob_unmap(&speaker->data);
    door_close(&speaker->door);
}

void attack_upstream(struct attack *attack)
{
    struct speaker *speaker = calloc(1, sizeof *speaker);
    struct sample *samples = calloc(MAX_SAMPLES, sizeof *samples);
    if (speaker && samples) {
        *speaker = (struct speaker){.attack = attack, .samples = samples};
        read_samples(speaker);
    }
    while (speaker && samples && speaker->n_samples > 2 && !attack_is_over(attack))
        one_session(speaker);
    free(samples);
    free(speaker);
}
