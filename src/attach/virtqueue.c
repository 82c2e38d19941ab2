#include "attach/virtqueue.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_ring.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "util/shared.h"

enum {
    MAX_INDIRECT = 1 << 16, /* a descriptor's next has 16 bits */
    KEPT_CAPACITY = 64 * 1024,
};

/* The ring indices are plain integers in shared memory; partner of each: the guest's driver (virtio 1.x, 2.7.13). */
static uint16_t load_index(const uint16_t *index)
{
    return le16toh(__atomic_load_n(index, __ATOMIC_ACQUIRE));
}

static void store_index(uint16_t *index, uint16_t value)
{
    __atomic_store_n(index, htole16(value), __ATOMIC_RELEASE);
}

/* With event indices: the available index at which the guest is to notify. It lies behind the used ring. */
static void store_event(struct apir_virtqueue *queue, uint16_t value)
{
    uint8_t *end = (uint8_t *)queue->used + sizeof *queue->used + sizeof(struct vring_used_elem) * queue->size;
    store_index((uint16_t *)(void *)end, value);
}

int apir_virtqueue_start(struct apir_virtqueue *queue, const struct apir_memory *memory, uint32_t size,
                         uint64_t descriptors, uint64_t available, uint64_t used, uint16_t next)
{
    if (size == 0 || size > APIR_MAX_QUEUE_SIZE || (size & (size - 1)) != 0)
        return -EINVAL;
    if (descriptors % VRING_DESC_ALIGN_SIZE || available % VRING_AVAIL_ALIGN_SIZE || used % VRING_USED_ALIGN_SIZE)
        return -EINVAL;
    /* both rings have one more 16-bit word at their end, for the event index */
    void *descriptor_table = apir_memory_at_user(memory, descriptors, sizeof(struct vring_desc) * (uint64_t)size);
    void *available_ring =
        apir_memory_at_user(memory, available, sizeof(struct vring_avail) + sizeof(uint16_t) * ((uint64_t)size + 1));
    void *used_ring = apir_memory_at_user(
        memory, used, sizeof(struct vring_used) + sizeof(struct vring_used_elem) * (uint64_t)size + sizeof(uint16_t));
    if (!descriptor_table || !available_ring || !used_ring)
        return -EINVAL;
    /* the region's address here need not have the alignment that it has in the front end */
    if ((uintptr_t)descriptor_table % VRING_DESC_ALIGN_SIZE || (uintptr_t)available_ring % VRING_AVAIL_ALIGN_SIZE ||
        (uintptr_t)used_ring % VRING_USED_ALIGN_SIZE)
        return -EINVAL;
    queue->memory = memory;
    queue->size = size;
    queue->descriptors = descriptor_table;
    queue->available = available_ring;
    queue->used = used_ring;
    queue->next = next;
    queue->used_index = load_index(&queue->used->idx);
    queue->notified = queue->used_index;
    return 0;
}

void apir_virtqueue_stop(struct apir_virtqueue *queue)
{
    queue->descriptors = NULL;
    queue->available = NULL;
    queue->used = NULL;
}

/* Head of the next chain: 1, 0 or -EBADMSG. */
static int take_head(struct apir_virtqueue *queue, uint16_t *head)
{
    uint16_t waiting = (uint16_t)(load_index(&queue->available->idx) - queue->next);
    if (waiting == 0 && queue->event_index) {
        /* ask for a notification, then look again: the guest stores its index, then reads ours (seq_cst) */
        store_event(queue, queue->next);
        atomic_thread_fence(memory_order_seq_cst);
        waiting = (uint16_t)(load_index(&queue->available->idx) - queue->next);
    }
    if (waiting == 0)
        return 0;
    if (waiting > queue->size || queue->unanswered >= queue->size)
        return -EBADMSG;
    uint16_t value = le16toh(*(volatile uint16_t *)&queue->available->ring[queue->next & (queue->size - 1)]);
    if (value >= queue->size)
        return -EBADMSG;
    queue->next++;
    *head = value;
    return 1;
}

/* A table of descriptors: the queue's own, or an indirect one. */
struct table {
    const struct vring_desc *ring; /* NULL: at guest */
    uint64_t guest;
    uint32_t size;
};

static int read_descriptor(const struct apir_virtqueue *queue, const struct table *table, uint16_t index,
                           struct vring_desc *descriptor)
{
    struct vring_desc raw;
    if (index >= table->size)
        return -EBADMSG;
    if (table->ring)
        apir_shared_read(&raw, &table->ring[index], sizeof raw);
    else if (apir_memory_read(queue->memory, table->guest + sizeof raw * (uint64_t)index, &raw, sizeof raw) < 0)
        return -EBADMSG;
    descriptor->addr = le64toh(raw.addr);
    descriptor->len = le32toh(raw.len);
    descriptor->flags = le16toh(raw.flags);
    descriptor->next = le16toh(raw.next);
    return 0;
}

static int open_indirect(const struct apir_virtqueue *queue, const struct vring_desc *descriptor,
                         struct table *table)
{
    if (!queue->indirect || (descriptor->flags & VRING_DESC_F_NEXT) || table->ring == NULL)
        return -EBADMSG;
    if (descriptor->len == 0 || descriptor->len % sizeof(struct vring_desc) != 0)
        return -EBADMSG;
    if (!apir_memory_contains(queue->memory, descriptor->addr, descriptor->len))
        return -EBADMSG;
    table->ring = NULL;
    table->guest = descriptor->addr;
    uint32_t size = descriptor->len / (uint32_t)sizeof(struct vring_desc);
    table->size = size < MAX_INDIRECT ? size : MAX_INDIRECT;
    return 0;
}

static int reserve(struct apir_request *request, uint64_t size)
{
    if (size <= request->capacity)
        return 0;
    uint64_t capacity = request->capacity ? request->capacity : 4096;
    while (capacity < size)
        capacity *= 2;
    uint8_t *data = realloc(request->data, capacity);
    if (!data)
        return -ENOMEM;
    request->data = data;
    request->capacity = (uint32_t)capacity;
    return 0;
}

/* Appends a readable part. What is beyond the maximum is only checked. */
static int append_readable(const struct apir_virtqueue *queue, const struct vring_desc *descriptor,
                           struct apir_request *request)
{
    uint32_t size = descriptor->len;
    if (!apir_memory_contains(queue->memory, descriptor->addr, size))
        return -EBADMSG;
    if (size > request->max - request->size) {
        request->too_long = true;
        size = request->max - request->size;
    }
    int ret = reserve(request, (uint64_t)request->size + size);
    if (ret < 0)
        return ret;
    if (apir_memory_read(queue->memory, descriptor->addr, request->data + request->size, size) < 0)
        return -EBADMSG;
    request->size += size;
    return 0;
}

static int append_writable(const struct apir_virtqueue *queue, const struct vring_desc *descriptor,
                           struct apir_chain *chain)
{
    if (!apir_memory_contains(queue->memory, descriptor->addr, descriptor->len))
        return -EBADMSG;
    if (chain->segment_count == APIR_CHAIN_SEGMENTS || descriptor->len > UINT32_MAX - chain->room)
        return 0; /* answers never need that much */
    chain->segments[chain->segment_count].guest = descriptor->addr;
    chain->segments[chain->segment_count].size = descriptor->len;
    chain->segment_count++;
    chain->room += descriptor->len;
    return 0;
}

static int append(const struct apir_virtqueue *queue, const struct vring_desc *descriptor, struct apir_chain *chain,
                  bool *writable, struct apir_request *request)
{
    if (descriptor->len == 0)
        return -EBADMSG;
    if (descriptor->flags & VRING_DESC_F_WRITE) {
        *writable = true;
        return append_writable(queue, descriptor, chain);
    }
    if (*writable) /* readable parts come first */
        return -EBADMSG;
    return append_readable(queue, descriptor, request);
}

/* Walks a chain. Its length is bounded by the table's size, so a loop ends as a chain that is too long. */
static int walk(const struct apir_virtqueue *queue, struct apir_chain *chain, struct apir_request *request)
{
    struct table table = {.ring = queue->descriptors, .size = queue->size};
    struct vring_desc descriptor;
    uint16_t index = chain->head;
    bool writable = false;
    for (uint32_t count = 0; count < table.size; count++) {
        int ret = read_descriptor(queue, &table, index, &descriptor);
        if (ret < 0)
            return ret;
        if (descriptor.flags & VRING_DESC_F_INDIRECT) {
            ret = open_indirect(queue, &descriptor, &table);
            if (ret == 0)
                ret = read_descriptor(queue, &table, 0, &descriptor);
            if (ret < 0)
                return ret;
            count = 0;
        }
        if (descriptor.flags & VRING_DESC_F_INDIRECT)
            return -EBADMSG;
        ret = append(queue, &descriptor, chain, &writable, request);
        if (ret < 0)
            return ret;
        if (!(descriptor.flags & VRING_DESC_F_NEXT))
            return 0;
        index = descriptor.next;
    }
    return -EBADMSG;
}

int apir_virtqueue_pop(struct apir_virtqueue *queue, struct apir_chain *chain, struct apir_request *request)
{
    uint16_t head;
    int ret = take_head(queue, &head);
    if (ret <= 0)
        return ret;
    memset(chain, 0, sizeof *chain);
    chain->head = head;
    request->size = 0;
    request->too_long = false;
    ret = walk(queue, chain, request);
    if (ret < 0)
        return ret;
    queue->unanswered++;
    return 1;
}

void apir_virtqueue_forget(struct apir_virtqueue *queue)
{
    queue->unanswered = 0;
}

static uint32_t write_answer(const struct apir_virtqueue *queue, const struct apir_chain *chain, const void *data,
                             uint32_t size)
{
    uint32_t written = 0;
    for (unsigned i = 0; i < chain->segment_count && written < size; i++) {
        uint32_t step = size - written < chain->segments[i].size ? size - written : chain->segments[i].size;
        /* a front end that took the memory away has no use for the answer */
        if (apir_memory_write(queue->memory, chain->segments[i].guest, (const uint8_t *)data + written, step) < 0)
            break;
        written += step;
    }
    return written;
}

void apir_virtqueue_push(struct apir_virtqueue *queue, const struct apir_chain *chain, const void *data, uint32_t size)
{
    if (!queue->used)
        return;
    if (queue->unanswered > 0)
        queue->unanswered--;
    uint32_t written = write_answer(queue, chain, data, size);
    struct vring_used_elem *element = &queue->used->ring[queue->used_index & (queue->size - 1)];
    element->id = htole32(chain->head);
    element->len = htole32(written);
    queue->used_index++;
    store_index(&queue->used->idx, queue->used_index);
}

bool apir_virtqueue_should_notify(struct apir_virtqueue *queue)
{
    if (!queue->used || queue->used_index == queue->notified)
        return false;
    uint16_t old = queue->notified;
    queue->notified = queue->used_index;
    /* our index is stored, then the guest's wish is read; the guest does the opposite (seq_cst) */
    atomic_thread_fence(memory_order_seq_cst);
    if (!queue->event_index)
        return !(load_index(&queue->available->flags) & VRING_AVAIL_F_NO_INTERRUPT);
    uint16_t event = load_index(&queue->available->ring[queue->size]);
    return vring_need_event(event, queue->used_index, old);
}

void apir_request_trim(struct apir_request *request)
{
    if (request->capacity > KEPT_CAPACITY)
        apir_request_finish(request);
}

void apir_request_finish(struct apir_request *request)
{
    free(request->data);
    request->data = NULL;
    request->capacity = 0;
    request->size = 0;
}
