/* A session of apir's own protocol that knows what good requests are, so that they can be spoiled. */
#ifndef APIR_TESTS_HOSTILE_GUEST_H
#define APIR_TESTS_HOSTILE_GUEST_H

#include "hostile/attack.h"
#include "hostile/door.h"
#include "reject/message.h"

enum outcome {
    SERVED,
    REFUSED, /* with a reply; the session is over */
    LOST,    /* the session ended without a reply */
    LATE,    /* no answer in the time given, and the session lives */
};

struct guest {
    struct door door;
    enum context_stage stage;
    bool alive;
    struct blob status, ring, data, graph, small, removed;
    /* What a good request names, for message_write(); the host in it is not used. */
    struct context context;
};

/* Opens a session up to the stage. False: the host gave less. finish also after that. */
bool guest_open(struct guest *guest, struct attack *attack, enum context_stage stage);
void guest_finish(struct guest *guest);

/* Puts a record of these bytes in the ring of queue 0. False: there is no room, or no worker. */
bool guest_post(struct guest *guest, const void *request, size_t size);

/* Waits until the last request is done, limit_ms at most. */
enum outcome guest_wait(struct guest *guest, unsigned limit_ms);

/* Both; counts the request under the next sequence number, and the outcome. */
enum outcome guest_call(struct guest *guest, struct attack *attack, const void *request, size_t size,
                        unsigned limit_ms);

/* A good request, counted as the others. */
enum outcome guest_call_good(struct guest *guest, struct attack *attack, uint32_t call);

/* The reply that lies in the ring, from its results on. */
struct apir_dec guest_results(const struct guest *guest);

/* The session has been ended by the host. */
bool guest_is_dead(const struct guest *guest);

#endif
