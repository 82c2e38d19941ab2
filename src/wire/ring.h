/* Rings: a queue's line of requests in shared memory. The guest writes records, the worker takes them, in order; each
 * side keeps its own position in private memory and takes what the other says for a claim to be checked. What this file
 * does needs no system call: who waits, and how, is the caller's.
 *
 * The memory of a queue (APIR_QUEUE_SIZE bytes): struct apir_ring, the records, the reply area. */
#ifndef APIR_WIRE_RING_H
#define APIR_WIRE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    APIR_RING_OFFSET = 0x1000,
    APIR_RING_SIZE = 0x40000, /* bytes of records, a power of two: room for four of the longest */
    APIR_MAX_RECORD = 0x10000, /* bytes of a request, and of a reply; larger data goes in blobs */
    APIR_REPLY_OFFSET = APIR_RING_OFFSET + APIR_RING_SIZE,
    APIR_QUEUE_SIZE = APIR_REPLY_OFFSET + APIR_MAX_RECORD,
};

/* Start of a queue's memory. Each word has a cache line pair of its own. */
struct apir_ring {
    _Atomic uint32_t tail;      /* guest: bytes written, modulo 2^32 */
    uint32_t pad0[31];
    _Atomic uint32_t head;      /* worker: bytes taken, modulo 2^32 */
    uint32_t pad1[31];
    _Atomic uint32_t parked;    /* worker: 1 while it sleeps, on this word; whoever stores 0 wakes it */
    uint32_t pad2[31];
    _Atomic uint32_t completed; /* worker: low half of the sequence number of the last call that is done */
    uint32_t pad3[31];
    _Atomic uint32_t sleeping;  /* guest: 1 while it sleeps on `completed` and wants to be woken */
    _Atomic uint32_t wanted;    /* guest: low half of the sequence number that it sleeps for */
    uint32_t pad4[30];
    _Atomic uint32_t failed;    /* worker: the status of the first call without results that failed, or as a negative
                                 * errno why a call was refused; 0: none. The guest stores 0 when it was told */
    uint32_t pad5[31];
};

/* The guest's end. */
struct apir_ring_producer {
    struct apir_ring *ring; /* borrowed */
    uint32_t tail;
};

/* The worker's end. */
struct apir_ring_consumer {
    struct apir_ring *ring; /* borrowed */
    uint32_t head;
};

/* Both start on zeroed memory. */
void apir_ring_producer_init(struct apir_ring_producer *producer, void *memory);
void apir_ring_consumer_init(struct apir_ring_consumer *consumer, void *memory);

/* Appends a record of size bytes (1 to APIR_MAX_RECORD), which the worker sees at once. 0; -EAGAIN: no room until the
 * worker has taken more; -EBADMSG: the worker's position makes no sense. */
int apir_ring_push(struct apir_ring_producer *producer, const void *record, uint32_t size);

/* After a push: whether the worker sleeps and is to be woken. At most one of several calls says so for one sleep. */
bool apir_ring_take_parked(struct apir_ring *ring);

/* Copies the next record to `record`, APIR_MAX_RECORD bytes. Its size; 0: there is none; -EBADMSG: what the guest wrote
 * is no record. */
int apir_ring_pop(struct apir_ring_consumer *consumer, void *record);

/* Whether there is something to take, without taking it. */
bool apir_ring_has_record(const struct apir_ring_consumer *consumer);

/* Announces that the worker is about to sleep. True: it may sleep while `parked` is 1. False: there is a record. */
bool apir_ring_park(struct apir_ring_consumer *consumer);

/* The worker is awake. */
void apir_ring_unpark(struct apir_ring_consumer *consumer);

/* Says that call `sequence` and all before it are done. True: the guest sleeps until there, and is to be woken. */
bool apir_ring_complete(struct apir_ring *ring, uint64_t sequence);

/* Whether call `sequence` is done, as the worker says. Never more than 2^31 calls may be under way. */
bool apir_ring_is_complete(const struct apir_ring *ring, uint64_t sequence);

/* Before the guest sleeps on `completed`: it is to be woken by call `sequence`, not before. */
void apir_ring_want(struct apir_ring *ring, uint64_t sequence);

/* A call without results that failed in normal use: status, not 0, is told to the guest with the completion of the call.
 * The first one stays until the guest has been told. */
void apir_ring_fail(struct apir_ring *ring, uint32_t status);

/* What the first call that failed left, among those that are complete; 0: none has failed. */
uint32_t apir_ring_failed(const struct apir_ring *ring);

/* The guest has been told. */
void apir_ring_clear_failed(struct apir_ring *ring);

static inline void *apir_ring_reply(void *memory)
{
    return (char *)memory + APIR_REPLY_OFFSET;
}

#endif
