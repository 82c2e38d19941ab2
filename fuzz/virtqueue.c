/* The rings of a virtqueue in memory that the input writes: what is taken lies in the memory, is no longer than it may
 * be, and is answered where the guest said. */
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <unistd.h>

#include "attach/virtqueue.h"
#include "fuzz.h"
#include "reader.h"
#include "util/fd.h"

enum {
    MEMORY = 64 * 1024,
    GAP = 4096, /* between the two regions, in the guest */
    GUEST = 0x10000,
    USER = 0x7000000,
    MAX_SIZE = 64,
    MAX_REQUEST = 20000,
    AVAILABLE = 0x1000, /* offsets */
    USED = 0x2000,
    TABLES = 0x3000,
};

struct guest {
    struct apir_memory memory;
    struct apir_virtqueue queue;
    struct apir_request request;
    struct apir_chain chains[MAX_SIZE];
    unsigned taken;
    uint8_t *bytes;
    uint16_t size;
};

/* Two regions that follow each other, so that buffers lie across them, and a third behind a gap. */
static void give_memory(struct guest *guest)
{
    int fd = apir_fd_memory("fuzz", MEMORY);
    int ret = apir_memory_add(&guest->memory, GUEST, USER, MEMORY / 2, 0, fd);
    FUZZ_CHECK(ret == 0);
    apir_memory_add(&guest->memory, GUEST + MEMORY / 2, USER + MEMORY / 2, MEMORY / 4, MEMORY / 2, fd);
    apir_memory_add(&guest->memory, GUEST + MEMORY * 3 / 4 + GAP, USER + MEMORY, MEMORY / 4, MEMORY * 3 / 4, fd);
    close(fd);
    guest->bytes = guest->memory.regions[0].host;
}

static void start(struct guest *guest, uint8_t shape, uint16_t next)
{
    uint32_t size = UINT32_C(1) << (shape & 7);
    uint64_t odd = shape & 0x80 ? next : 0;
    if (size > MAX_SIZE || apir_virtqueue_start(&guest->queue, &guest->memory, shape & 0x40 ? next : size, USER + odd,
                                                USER + AVAILABLE + odd, USER + USED + odd, next) < 0)
        return;
    guest->queue.indirect = !(shape & 8);
    guest->queue.event_index = !(shape & 16);
}

/* A descriptor near the truth: in the queue's table or in one of the indirect ones. */
static void write_descriptor(struct guest *guest, struct reader *reader)
{
    uint8_t where = reader_u8(reader), flags = reader_u8(reader), next = reader_u8(reader);
    uint16_t page = reader_u16(reader);
    struct vring_desc descriptor = {
        .addr = GUEST + page, .len = page >> 8, .flags = flags & 7, .next = next % (MAX_SIZE + 1)};
    if (flags & 8)
        descriptor.len = reader_u32(reader);
    if (flags & 16)
        descriptor.addr = (uint64_t)reader_u32(reader) << 32 | reader_u32(reader);
    if (flags & 32) /* a table */
        descriptor.addr = GUEST + TABLES + page % 16 * 256, descriptor.len = (page >> 8) * 16;
    size_t table = where & 0x80 ? TABLES + where % 16 * 256 : 0;
    memcpy(guest->bytes + table + where % MAX_SIZE * sizeof descriptor, &descriptor, sizeof descriptor);
}

static void offer(struct guest *guest, uint8_t head)
{
    struct vring_avail *available = (void *)(guest->bytes + AVAILABLE);
    available->ring[available->idx % (guest->queue.size ? guest->queue.size : 1) % MAX_SIZE] = head;
    available->idx++;
}

static void write_bytes(struct guest *guest, struct reader *reader)
{
    size_t size, offset = reader_u16(reader) % (MEMORY / 2), count = reader_u8(reader) % 64;
    const uint8_t *bytes = reader_take(reader, count, &size);
    if (size > MEMORY / 2 - offset)
        size = MEMORY / 2 - offset;
    memcpy(guest->bytes + offset, bytes, size);
}

static void pop(struct guest *guest)
{
    struct apir_chain chain;
    if (!guest->queue.used || guest->taken == MAX_SIZE)
        return;
    int ret = apir_virtqueue_pop(&guest->queue, &chain, &guest->request);
    if (ret < 0)
        apir_virtqueue_stop(&guest->queue);
    if (ret != 1)
        return;
    FUZZ_CHECK(guest->request.size <= MAX_REQUEST && guest->request.size <= guest->request.capacity);
    FUZZ_CHECK(chain.head < guest->queue.size && chain.segment_count <= APIR_CHAIN_SEGMENTS);
    FUZZ_CHECK(guest->queue.unanswered <= guest->queue.size);
    for (unsigned i = 0; i < chain.segment_count; i++)
        FUZZ_CHECK(apir_memory_contains(&guest->memory, chain.segments[i].guest, chain.segments[i].size));
    guest->chains[guest->taken++] = chain;
}

static void push(struct guest *guest, uint8_t size)
{
    uint8_t answer[256];
    if (guest->taken == 0)
        return;
    memset(answer, size, sizeof answer);
    apir_virtqueue_push(&guest->queue, &guest->chains[--guest->taken], answer, size);
    apir_virtqueue_should_notify(&guest->queue);
}

static void act(struct guest *guest, struct reader *reader)
{
    uint8_t action = reader_u8(reader);
    switch (action % 8) {
    case 0:
    case 1:
        write_descriptor(guest, reader);
        break;
    case 2:
        offer(guest, reader_u8(reader));
        break;
    case 3:
        write_bytes(guest, reader);
        break;
    case 4:
    case 5:
        pop(guest);
        break;
    case 6:
        push(guest, action);
        break;
    default:
        if (action > 200)
            apir_virtqueue_stop(&guest->queue);
        else
            start(guest, reader_u8(reader), reader_u16(reader));
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader reader = {data, size};
    struct guest guest = {.request.max = MAX_REQUEST};
    give_memory(&guest);
    start(&guest, 4, 0);
    while (reader.left > 0)
        act(&guest, &reader);
    apir_virtqueue_stop(&guest.queue);
    apir_request_finish(&guest.request);
    apir_memory_clear(&guest.memory);
    return 0;
}
