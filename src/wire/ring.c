#include "wire/ring.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "util/shared.h"

/* A record: u32 size, 4 bytes of nothing, the bytes, padding to 8. It never goes round the end: a size of SKIP stands
 * where the next one did not fit, and the record is at the start. */
enum { RECORD_HEADER = 8, RECORD_ALIGN = 8 };
#define SKIP UINT32_C(0xffffffff)

static_assert((APIR_RING_SIZE & (APIR_RING_SIZE - 1)) == 0, "positions wrap with the ring");
static_assert(APIR_RING_SIZE >= 2 * (APIR_MAX_RECORD + RECORD_HEADER), "the longest record fits behind a skip");

void apir_ring_producer_init(struct apir_ring_producer *producer, void *memory)
{
    producer->ring = memory;
    producer->tail = 0;
}

void apir_ring_consumer_init(struct apir_ring_consumer *consumer, void *memory)
{
    consumer->ring = memory;
    consumer->head = 0;
}

static uint32_t space_of(uint32_t size)
{
    return RECORD_HEADER + ((size + RECORD_ALIGN - 1) & ~(uint32_t)(RECORD_ALIGN - 1));
}

static uint8_t *at(struct apir_ring *ring, uint32_t position)
{
    return (uint8_t *)ring + APIR_RING_OFFSET + position % APIR_RING_SIZE;
}

/* Bytes from position to the end of the ring. */
static uint32_t to_end(uint32_t position)
{
    return APIR_RING_SIZE - position % APIR_RING_SIZE;
}

static void write_size(struct apir_ring *ring, uint32_t position, uint32_t size)
{
    memcpy(at(ring, position), &size, sizeof size);
}

int apir_ring_push(struct apir_ring_producer *producer, const void *record, uint32_t size)
{
    uint32_t space = space_of(size), skip = to_end(producer->tail) < space ? to_end(producer->tail) : 0;
    /* acquire: the worker has read what was there before it gave it back (apir_ring_pop) */
    uint32_t used = producer->tail - atomic_load_explicit(&producer->ring->head, memory_order_acquire);
    if (used > APIR_RING_SIZE || used % RECORD_ALIGN != 0)
        return -EBADMSG;
    if (space + skip > APIR_RING_SIZE - used)
        return -EAGAIN;
    if (skip)
        write_size(producer->ring, producer->tail, SKIP);
    write_size(producer->ring, producer->tail + skip, size);
    memcpy(at(producer->ring, producer->tail + skip) + RECORD_HEADER, record, size);
    producer->tail += skip + space;
    /* seq_cst: a release of the record to apir_ring_pop; and, before apir_ring_take_parked reads `parked`, one half of
     * what keeps a record and a sleep from missing each other (the other: apir_ring_park) */
    atomic_store_explicit(&producer->ring->tail, producer->tail, memory_order_seq_cst);
    return 0;
}

bool apir_ring_take_parked(struct apir_ring *ring)
{
    /* seq_cst: after the tail, see apir_ring_push */
    return atomic_load_explicit(&ring->parked, memory_order_seq_cst) != 0 &&
           atomic_exchange_explicit(&ring->parked, 0, memory_order_seq_cst) != 0;
}

/* Bytes that wait, as the guest claims. */
static uint32_t waiting(const struct apir_ring_consumer *consumer, memory_order order)
{
    return atomic_load_explicit(&consumer->ring->tail, order) - consumer->head;
}

bool apir_ring_has_record(const struct apir_ring_consumer *consumer)
{
    /* relaxed: apir_ring_pop looks again */
    return waiting(consumer, memory_order_relaxed) != 0;
}

/* Reads a size once: what the guest stores later does not count. */
static uint32_t read_size(struct apir_ring *ring, uint32_t position)
{
    return *(const volatile uint32_t *)(const void *)at(ring, position);
}

int apir_ring_pop(struct apir_ring_consumer *consumer, void *record)
{
    struct apir_ring *ring = consumer->ring;
    /* acquire: pairs with the guest's store of tail */
    uint32_t left = waiting(consumer, memory_order_acquire), skip = 0;
    if (left == 0)
        return 0;
    if (left > APIR_RING_SIZE || left % RECORD_ALIGN != 0)
        return -EBADMSG;
    uint32_t size = read_size(ring, consumer->head);
    if (size == SKIP) {
        skip = to_end(consumer->head);
        if (skip >= left)
            return -EBADMSG;
        size = read_size(ring, consumer->head + skip);
    }
    if (size == 0 || size > APIR_MAX_RECORD || space_of(size) > left - skip ||
        space_of(size) > to_end(consumer->head + skip))
        return -EBADMSG;
    apir_shared_read(record, at(ring, consumer->head + skip) + RECORD_HEADER, size);
    consumer->head += skip + space_of(size);
    /* release: the record is copied before the guest writes there again (apir_ring_push) */
    atomic_store_explicit(&ring->head, consumer->head, memory_order_release);
    return (int)size;
}

bool apir_ring_park(struct apir_ring_consumer *consumer)
{
    /* seq_cst, both: the guest stores tail and then reads parked; one of the two sees the other's store */
    atomic_store_explicit(&consumer->ring->parked, 1, memory_order_seq_cst);
    if (waiting(consumer, memory_order_seq_cst) == 0)
        return true;
    apir_ring_unpark(consumer);
    return false;
}

void apir_ring_unpark(struct apir_ring_consumer *consumer)
{
    /* relaxed: a guest that still sees 1 wakes somebody who is awake */
    atomic_store_explicit(&consumer->ring->parked, 0, memory_order_relaxed);
}

bool apir_ring_complete(struct apir_ring *ring, uint64_t sequence)
{
    /* seq_cst: a release of the reply; and the guest stores `sleeping` and then reads this word: one of the two sees
     * the other's store */
    atomic_store_explicit(&ring->completed, (uint32_t)sequence, memory_order_seq_cst);
    if (atomic_load_explicit(&ring->sleeping, memory_order_seq_cst) == 0)
        return false;
    /* relaxed: stored before `sleeping`, which was seen */
    uint32_t wanted = atomic_load_explicit(&ring->wanted, memory_order_relaxed);
    return (int32_t)((uint32_t)sequence - wanted) >= 0;
}

void apir_ring_want(struct apir_ring *ring, uint64_t sequence)
{
    /* relaxed: `sleeping` is stored after it, seq_cst */
    atomic_store_explicit(&ring->wanted, (uint32_t)sequence, memory_order_relaxed);
}

void apir_ring_fail(struct apir_ring *ring, uint32_t status)
{
    /* relaxed, both: apir_ring_complete releases it; the guest stores only after a call that it has waited for */
    if (atomic_load_explicit(&ring->failed, memory_order_relaxed) == 0)
        atomic_store_explicit(&ring->failed, status, memory_order_relaxed);
}

uint32_t apir_ring_failed(const struct apir_ring *ring)
{
    /* relaxed: the acquire of `completed` that said that the call is complete comes before */
    return atomic_load_explicit(&ring->failed, memory_order_relaxed);
}

void apir_ring_clear_failed(struct apir_ring *ring)
{
    /* relaxed: the next record's tail releases it */
    atomic_store_explicit(&ring->failed, 0, memory_order_relaxed);
}

bool apir_ring_is_complete(const struct apir_ring *ring, uint64_t sequence)
{
    /* acquire: pairs with apir_ring_complete, behind which the reply is written */
    uint32_t completed = atomic_load_explicit(&ring->completed, memory_order_acquire);
    return (int32_t)(completed - (uint32_t)sequence) >= 0;
}
