/* The device's side of a split virtqueue (virtio 1.x), with indirect descriptors and event indices. The rings lie in
 * the guest's memory: each descriptor is copied out once, checked, and the copy is used. */
#ifndef APIR_ATTACH_VIRTQUEUE_H
#define APIR_ATTACH_VIRTQUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "attach/memory.h"

struct vring_desc;
struct vring_avail;
struct vring_used;

enum {
    APIR_MAX_QUEUE_SIZE = 32768, /* virtio 1.x, "Split Virtqueues" */
    APIR_CHAIN_SEGMENTS = 4,     /* writable parts that are remembered: answers are short */
};

/* Where the answer to a request goes. */
struct apir_chain {
    uint16_t head;
    uint16_t segment_count;
    uint32_t room; /* bytes in all segments */
    struct {
        uint64_t guest;
        uint32_t size;
    } segments[APIR_CHAIN_SEGMENTS];
};

/* What the guest wrote: a private copy. Zero-initialised is empty. The owner calls finish. */
struct apir_request {
    uint8_t *data;
    uint32_t size;
    uint32_t capacity;
    uint32_t max;  /* set by the owner: longer requests are cut */
    bool too_long; /* it was cut */
};

/* Zero-initialised is stopped. */
struct apir_virtqueue {
    const struct apir_memory *memory; /* borrowed */
    struct vring_desc *descriptors;   /* NULL: stopped */
    struct vring_avail *available;
    struct vring_used *used;
    uint32_t size;        /* a power of two */
    bool indirect;        /* negotiated */
    bool event_index;     /* negotiated */
    uint16_t next;        /* index in available of the next request */
    uint16_t used_index;  /* of the next answer */
    uint16_t notified;    /* used_index at the last check whether to notify */
    uint32_t unanswered;  /* taken and not answered: at most size, whatever the guest offers; start and stop keep it */
};

/* Starts at ring addresses of the front end, at available index next. 0, or -EINVAL if the rings are not in memory, are
 * not aligned, or size is no power of two. */
int apir_virtqueue_start(struct apir_virtqueue *queue, const struct apir_memory *memory, uint32_t size,
                         uint64_t descriptors, uint64_t available, uint64_t used, uint16_t next);
void apir_virtqueue_stop(struct apir_virtqueue *queue);

/* Takes the next request. A driver has at most size requests at once; more are a broken ring, for each costs us memory. 1: *chain and *request are filled. 0: there is none, and the guest will notify. -ENOMEM.
 * -EBADMSG: the rings are broken; nothing more can be taken. */
int apir_virtqueue_pop(struct apir_virtqueue *queue, struct apir_chain *chain, struct apir_request *request);

/* The requests that were taken will not be answered any more. */
void apir_virtqueue_forget(struct apir_virtqueue *queue);

/* Answers a request with size bytes; what has no room is cut. */
void apir_virtqueue_push(struct apir_virtqueue *queue, const struct apir_chain *chain, const void *data,
                         uint32_t size);

/* True if the guest wants to be notified of what was pushed since the last call. */
bool apir_virtqueue_should_notify(struct apir_virtqueue *queue);

/* Gives back the memory of a request that was long, once it is handled: few are, and doors wait for years. */
void apir_request_trim(struct apir_request *request);

void apir_request_finish(struct apir_request *request);

#endif
