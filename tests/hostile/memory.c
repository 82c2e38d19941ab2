/* Good requests, while other threads write into the memory that they are in: rings, status page, data, graphs. */
#include <pthread.h>
#include <string.h>

#include "hostile/guest.h"
#include "util/clock.h"

enum {
    SCRIBBLERS = 2,
    CALLS_A_SESSION = 500,
    LIMIT_MS = 3000,
    BURST = 64,
    HOT = 0x500, /* bytes at the start of a ring, where its words are */
};

struct scene {
    struct attack *attack;
    struct guest guest;
    _Atomic bool stop;
};

struct scribbler {
    struct scene *scene;
    struct random random;
};

static const struct blob *choose_blob(struct scribbler *scribbler)
{
    const struct guest *guest = &scribbler->scene->guest;
    const struct blob *blobs[] = {&guest->ring, &guest->ring, &guest->data, &guest->graph, &guest->status};
    return blobs[random_below(&scribbler->random, sizeof blobs / sizeof *blobs)];
}

/* Near what it was, an edge, or anything. */
static uint32_t change(struct scribbler *scribbler, uint32_t word)
{
    switch (random_below(&scribbler->random, 4)) {
    case 0:
        return word ^ 1U << random_below(&scribbler->random, 32);
    case 1:
        return word + random_below(&scribbler->random, 9) - 4;
    case 2:
        return (uint32_t)random_edge(&scribbler->random);
    default:
        return random_below(&scribbler->random, 64);
    }
}

static void scribble(struct scribbler *scribbler)
{
    const struct blob *blob = choose_blob(scribbler);
    bool hot = random_once_in(&scribbler->random, 2);
    uint64_t range = hot && blob->size > HOT ? HOT : blob->size;
    _Atomic uint32_t *word =
        (_Atomic uint32_t *)blob->data + random_below(&scribbler->random, (uint32_t)(range / sizeof(uint32_t)));
    atomic_store_explicit(word, change(scribbler, atomic_load_explicit(word, memory_order_relaxed)),
                          memory_order_relaxed);
}

static void *run_scribbler(void *argument)
{
    struct scribbler *scribbler = argument;
    struct scene *scene = scribbler->scene;
    while (!atomic_load(&scene->stop)) {
        for (int i = 0; i < BURST; i++)
            scribble(scribbler);
        tally_add(scene->attack->tallies, TALLY_SCRIBBLES, BURST);
        if (random_once_in(&scribbler->random, 2))
            apir_clock_sleep(random_below(&scribbler->random, 200000)); /* or no request would be whole */
    }
    return NULL;
}

/* Those that end what is named by the others are left out. */
static const struct message *choose_message(struct attack *attack)
{
    const struct message *message;
    do
        message = &messages[random_below(&attack->random, n_messages)];
    while (message->changes_state);
    return message;
}

static void call_on(struct scene *scene)
{
    struct attack *attack = scene->attack;
    struct guest *guest = &scene->guest;
    for (int i = 0; i < CALLS_A_SESSION && guest->alive && !attack_is_over(attack); i++) {
        uint8_t request[MAX_MESSAGE];
        memset(request, 0, sizeof request);
        if (random_once_in(&attack->random, 8))
            message_write_graph(&guest->context);
        size_t size = message_write(&guest->context, choose_message(attack), request);
        guest_call(guest, attack, request, size, LIMIT_MS);
    }
}

static void run_scene(struct scene *scene)
{
    pthread_t threads[SCRIBBLERS];
    struct scribbler scribblers[SCRIBBLERS];
    unsigned n = 0;
    atomic_store(&scene->stop, false);
    for (; n < SCRIBBLERS; n++) {
        scribblers[n] = (struct scribbler){scene, {random_next(&scene->attack->random) | 1}};
        if (pthread_create(&threads[n], NULL, run_scribbler, &scribblers[n]) != 0)
            break;
    }
    call_on(scene);
    atomic_store(&scene->stop, true);
    while (n > 0)
        pthread_join(threads[--n], NULL);
}

void attack_memory(struct attack *attack)
{
    struct scene scene = {.attack = attack};
    while (!attack_is_over(attack)) {
        if (guest_open(&scene.guest, attack, CONTEXT_READY))
            run_scene(&scene);
        guest_finish(&scene.guest);
    }
}
