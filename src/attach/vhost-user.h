/* The door for a virtual machine: the back end of a vhost-user connection, on which a virtio-gpu device is served.
 * One machine at a time for each path; when it has gone, the next may connect. All of it runs in one loop and never
 * waits, neither for the front end (which may be waiting for us) nor for workers. */
#ifndef APIR_ATTACH_VHOST_USER_H
#define APIR_ATTACH_VHOST_USER_H

#include <stdbool.h>
#include <stdint.h>

#include "attach/listener.h"
#include "attach/loop.h"
#include "attach/memory.h"
#include "attach/vhost-channel.h"
#include "attach/virtio-gpu.h"
#include "attach/virtqueue.h"

struct apir_vhost_user;

/* Bits of features and of protocol features (vhost-user specification). */
enum {
    APIR_VHOST_F_PROTOCOL_FEATURES = 30,
    APIR_VHOST_PROTOCOL_SHMEM_MAP = 22,
};

static inline uint64_t apir_vhost_bit(unsigned number)
{
    return UINT64_C(1) << number;
}

/* A virtqueue as the front end has set it up so far. */
struct apir_vhost_queue {
    struct apir_vhost_user *door;
    struct apir_virtqueue ring;
    uint32_t size;
    uint64_t descriptors, available, used; /* addresses in the front end */
    uint16_t base;                         /* where to start */
    bool placed;                           /* the addresses are known */
    bool enabled;
    bool broken;               /* it is stopped until the front end stops it */
    int kick, call, error;     /* eventfds; -1: none */
    struct apir_source source; /* kick */
    struct apir_timer again;   /* more is waiting */
};

/* The owner calls finish. */
struct apir_vhost_user {
    struct apir_loop *loop;
    const struct apir_log *log; /* own_log */
    struct apir_log own_log;    /* the caller's, with a limit: each line is caused by the machine */
    struct apir_log_limit log_limit;
    struct apir_listener listener;
    struct apir_source listener_source; /* watched while there is no front end */
    struct apir_vhost_channel front;    /* requests of the front end */
    struct apir_source front_source;
    struct apir_vhost_channel back; /* our requests, and answers to them */
    struct apir_source back_source;
    struct apir_timer window_timer;
    struct apir_timer accept_timer; /* set while descriptors or memory are short: then nobody is let in */
    struct apir_timer lost_timer;   /* set when memory is found lost: the machine is parted with */
    uint64_t features;              /* acknowledged */
    uint64_t protocol_features;     /* acknowledged */
    bool window_in_table;           /* the memory table has contained the window since SHMEM_MAP was sent */
    bool window_answered;           /* SHMEM_MAP has been answered */
    bool window_was_ready;          /* before the queue was stopped */
    bool handling;                  /* answers come from the queue's own turn, which notifies at its end */
    bool stopping;
    struct apir_memory memory;
    struct apir_vhost_queue queues[APIR_VIRTIO_GPU_QUEUES];
    struct apir_list late; /* struct late_answer.link: answers that came while the queue was stopped */
    struct apir_request request;
    struct apir_virtio_gpu gpu;
    void (*idle)(void *owner);
    void *idle_owner;
};

/* Starts to listen at path. All pointers are borrowed. 0 or -errno. */
int apir_vhost_user_init(struct apir_vhost_user *door, struct apir_loop *loop, const struct apir_log *log,
                         const struct apir_worker_options *options, const char *path, uint64_t window_size,
                         unsigned max_contexts);

/* Closes the socket and ends all workers; calls idle(owner) once they are gone, at once if there is none. */
void apir_vhost_user_stop(struct apir_vhost_user *door, void (*idle)(void *owner), void *owner);

/* Frees everything; kills workers that still run. */
void apir_vhost_user_finish(struct apir_vhost_user *door);

#endif
