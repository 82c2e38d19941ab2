/* A queue of a context: a thread that takes requests from a ring (wire/ring.h) and answers them, in order. While nothing
 * comes it looks for a short time, then sleeps. */
#ifndef APIR_SERVER_QUEUE_H
#define APIR_SERVER_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "apir-dispatch.h"
#include "server/shm.h"
#include "server/watchdog.h"
#include "util/log.h"
#include "wire/status.h"

struct apir_server_queue;

/* What the queues of a context share. */
struct apir_server_queues {
    const struct apir_handlers *handlers; /* borrowed */
    void *handler_data;
    struct apir_shm_table *memory;
    const struct apir_log *log;
    void (*refused)(void *data); /* called once by a queue's thread that got a bad message; it then ends */
    void *refused_data;
    struct apir_watchdog *watchdog; /* borrowed; of the calls */
    uint32_t max_open;

    pthread_mutex_t lock; /* guards all below, and the state of each queue */
    pthread_cond_t completed;
    struct apir_server_queue *open[APIR_MAX_QUEUES];
};

void apir_server_queues_init(struct apir_server_queues *queues);

/* Ends all queues and waits for their threads. */
void apir_server_queues_finish(struct apir_server_queues *queues);

/* Starts queue id on the memory shm, APIR_QUEUE_SIZE zeroed bytes. If the guest may have no more, it is told so in the ring
 * (apir_ring_failed: -EBUSY), and there is no such queue. -EINVAL: bad id, too small or unknown shared memory. -EEXIST.
 * -errno. */
int apir_server_queues_open(struct apir_server_queues *queues, uint32_t id, uint32_t shm);

/* Ends a queue after the call it runs. -ENOENT. */
int apir_server_queues_close(struct apir_server_queues *queues, uint32_t id);

/* Ends every queue whose memory is shm. */
void apir_server_queues_close_shm(struct apir_server_queues *queues, uint32_t shm);

/* Wakes a queue, whose ring holds a request. -ENOENT. */
int apir_server_queues_kick(struct apir_server_queues *queues, uint32_t id);

#endif
