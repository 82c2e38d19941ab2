/* One context, used by many threads at once: memory that goes while requests name it, files that are closed in the middle,
 * memory that several contexts have. The device only. */
#include <drm.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "apir-codec.h"
#include "hostile/guest.h"
#include "util/clock.h"

enum {
    SLOTS = 8, /* pieces of memory that come and go */
    LIMIT_MS = 10000,
    ROUND_MS = 1500,
};

struct race {
    struct attack *attack;
    struct guest guest;
    struct door second; /* another context */
    _Atomic uint32_t ids[SLOTS], handles[SLOTS];
    _Atomic bool stop;
};

struct runner {
    struct race *race;
    struct random random;
};

static bool over(const struct race *race)
{
    return atomic_load(&race->stop) || guest_is_dead(&race->guest);
}

/* Makes and frees memory. */
static void *run_memory(void *argument)
{
    struct runner *runner = argument;
    struct race *race = runner->race;
    struct blob blobs[SLOTS] = {{0}};
    while (!over(race)) {
        unsigned slot = random_below(&runner->random, SLOTS);
        if (blobs[slot].size > 0)
            door_unshare(&race->guest.door, &blobs[slot]);
        else if (attack_tried(race->attack,
                              door_share(&race->guest.door, 1 + random_below(&runner->random, 200000), &blobs[slot])) == 0) {
            atomic_store(&race->ids[slot], blobs[slot].id);
            atomic_store(&race->handles[slot], blobs[slot].handle);
        }
    }
    for (unsigned i = 0; i < SLOTS; i++)
        door_unshare(&race->guest.door, &blobs[i]);
    return NULL;
}

/* Names it in commands, perhaps when it is gone. */
static void *run_commands(void *argument)
{
    struct runner *runner = argument;
    struct race *race = runner->race;
    while (!over(race)) {
        uint32_t id = atomic_load(&race->ids[random_below(&runner->random, SLOTS)]);
        uint32_t queue = 1 + random_below(&runner->random, 8);
        bool shut = random_once_in(&runner->random, 2);
        const uint32_t words[] = {shut ? APIR_COMMAND_CLOSE_QUEUE : APIR_COMMAND_OPEN_QUEUE, queue, shut ? 0 : id};
        attack_tried(race->attack, door_submit(&race->guest.door, words, sizeof words));
        apir_clock_sleep(random_below(&runner->random, 2000000));
    }
    return NULL;
}

/* Frees by handle what another thread has, and gives it to the second context. */
static void *run_handles(void *argument)
{
    struct runner *runner = argument;
    struct race *race = runner->race;
    while (!over(race)) {
        uint32_t handle = atomic_load(&race->handles[random_below(&runner->random, SLOTS)]);
        struct drm_prime_handle prime = {.handle = handle, .flags = O_CLOEXEC | O_RDWR, .fd = -1};
        struct drm_gem_close gem = {.handle = handle};
        if (random_once_in(&runner->random, 2) &&
            attack_tried(race->attack, ioctl(race->guest.door.fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime)) == 0) {
            attack_tried(race->attack, ioctl(race->second.fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime));
            close(prime.fd);
        } else {
            attack_tried(race->attack, ioctl(race->guest.door.fd, DRM_IOCTL_GEM_CLOSE, &gem));
        }
        apir_clock_sleep(random_below(&runner->random, 1000000));
    }
    return NULL;
}

/* Reads and writes tensors by way of memory that may go. */
static void run_calls(struct race *race)
{
    struct attack *attack = race->attack;
    uint64_t end = apir_clock_now() + ROUND_MS * UINT64_C(1000000);
    uint32_t data = race->guest.context.data.id;
    while (race->guest.alive && apir_clock_now() < end) {
        static const uint32_t calls[] = {APIR_CALL_TENSOR_SET, APIR_CALL_TENSOR_GET, APIR_CALL_BUFFER_READ,
                                         APIR_CALL_BUFFER_FROM_SHM, APIR_CALL_GRAPH_COMPUTE};
        uint32_t id = atomic_load(&race->ids[random_below(&attack->random, SLOTS)]);
        race->guest.context.data.id = random_once_in(&attack->random, 4) && id ? id : data;
        guest_call_good(&race->guest, attack, calls[random_below(&attack->random, 5)]);
    }
    /* in the middle of what the other threads do */
    if (random_once_in(&attack->random, 2))
        dup3(race->second.fd, race->guest.door.fd, O_CLOEXEC);
}

static void run_race(struct race *race)
{
    void *(*const runs[])(void *argument) = {run_memory, run_commands, run_handles};
    pthread_t threads[3];
    struct runner runners[3];
    unsigned n = 0;
    atomic_store(&race->stop, false);
    for (; n < 3; n++) {
        runners[n] = (struct runner){race, {random_next(&race->attack->random) | 1}};
        if (pthread_create(&threads[n], NULL, runs[n], &runners[n]) != 0)
            break;
    }
    run_calls(race);
    atomic_store(&race->stop, true);
    while (n > 0)
        pthread_join(threads[--n], NULL);
}

void attack_races(struct attack *attack)
{
    while (!attack_is_over(attack)) {
        struct race race = {.attack = attack, .second.fd = -1};
        if (guest_open(&race.guest, attack, CONTEXT_READY) && door_open(&race.second, attack->socket) == 0)
            run_race(&race);
        door_close(&race.second);
        guest_finish(&race.guest);
    }
}
