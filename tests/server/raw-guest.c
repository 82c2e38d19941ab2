#include "server/raw-guest.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "apir-codec.h"
#include "apir-upstream-protocol.h"
#include "util/clock.h"
#include "util/fd.h"
#include "wire/cs.h"

/* Nothing here takes this long, even on a slow machine with sanitizers. */
#define PATIENCE_NS UINT64_C(20000000000)

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "raw guest: %s failed: %s\n", what, strerror(errno));
    abort();
}

void raw_guest_init(struct raw_guest *guest, int fd)
{
    memset(guest, 0, sizeof *guest);
    apir_connection_init(&guest->connection, fd);
    guest->next_id = 1;
    guest->status.fd = -1;
}

void raw_guest_finish(struct raw_guest *guest)
{
    apir_connection_finish(&guest->connection);
    raw_guest_unshare(&guest->status);
}

void raw_guest_share(struct raw_guest *guest, uint64_t size, struct raw_shm *shm)
{
    *shm = (struct raw_shm){.id = guest->next_id++, .size = size, .fd = apir_fd_memory("raw-guest", size)};
    must(shm->fd >= 0, "memory");
    shm->data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, shm->fd, 0);
    must(shm->data != MAP_FAILED, "mmap");
    const struct apir_frame_shm frame = {.id = shm->id, .size = size};
    raw_guest_send(guest, APIR_FRAME_SHM_ADD, &frame, sizeof frame, shm->fd);
}

void raw_guest_unshare(struct raw_shm *shm)
{
    if (shm->data)
        munmap(shm->data, shm->size);
    shm->data = NULL;
    apir_fd_close(&shm->fd);
}

void raw_guest_send(struct raw_guest *guest, uint32_t type, const void *data, uint32_t size, int fd)
{
    int ret = apir_connection_send(&guest->connection, type, data, size, fd);
    errno = -ret;
    must(ret == 0 || ret == -EPIPE || ret == -ECONNRESET, "send");
    guest->unsynced |= type != APIR_FRAME_FENCE;
}

void raw_guest_submit(struct raw_guest *guest, const uint32_t *words, size_t count)
{
    raw_guest_send(guest, APIR_FRAME_SUBMIT, words, (uint32_t)(count * sizeof *words), -1);
}

/* Not everything that changes a word wakes its waiters. */
static void nap(_Atomic uint32_t *word, uint32_t seen, unsigned round)
{
    const struct timespec slice = {.tv_nsec = 10000L << (round < 8 ? round : 8)};
    syscall(SYS_futex, word, FUTEX_WAIT, seen, &slice, NULL, 0);
}

/* Waits until word is no longer `before`; false when patience ends, or the session unless it may be dead. */
static bool wait_word(struct raw_guest *guest, _Atomic uint32_t *word, uint32_t before, bool may_be_dead)
{
    uint64_t end = apir_clock_now() + PATIENCE_NS;
    for (unsigned round = 0; atomic_load(word) == before; round++) {
        if (apir_clock_now() > end)
            return false;
        if (!may_be_dead && atomic_load(apir_status_dead(guest->status.data)))
            return atomic_load(word) != before;
        nap(word, before, round);
    }
    return true;
}

bool raw_guest_handshake(struct raw_guest *guest)
{
    raw_guest_share(guest, APIR_STATUS_PAGE_SIZE, &guest->status);
    const uint32_t words[] = {APIR_UPSTREAM_COMMAND_HANDSHAKE, 0, guest->status.id, APIR_COMPAT_MAJOR, APIR_COMPAT_MINOR,
                              APIR_HANDSHAKE_MAGIC, APIR_PROTOCOL_MAJOR, APIR_PROTOCOL_MINOR};
    raw_guest_submit(guest, words, sizeof words / sizeof *words);
    return wait_word(guest, apir_status_notif(guest->status.data), 0, false);
}

bool raw_guest_is_dead(struct raw_guest *guest)
{
    return wait_word(guest, apir_status_dead(guest->status.data), 0, true);
}

void raw_guest_sync(struct raw_guest *guest)
{
    if (!guest->unsynced)
        return;
    const uint32_t words[] = {APIR_COMMAND_SYNC, ++guest->synced, 0};
    raw_guest_submit(guest, words, 3);
    wait_word(guest, apir_status_synced(guest->status.data), guest->synced - 1, false);
    guest->unsynced = false;
}

void raw_guest_open_queue(struct raw_guest *guest, struct raw_queue *queue, uint32_t id)
{
    queue->id = id;
    queue->sequence = 0;
    raw_guest_share(guest, APIR_QUEUE_SIZE, &queue->memory);
    apir_ring_producer_init(&queue->ring, queue->memory.data);
    const uint32_t words[] = {APIR_COMMAND_OPEN_QUEUE, id, queue->memory.id};
    raw_guest_submit(guest, words, 3);
}

void raw_guest_close_queue(struct raw_queue *queue)
{
    raw_guest_unshare(&queue->memory);
}

void raw_guest_post(struct raw_guest *guest, struct raw_queue *queue, const void *request, size_t size)
{
    struct apir_ring *ring = queue->memory.data;
    atomic_store(&ring->sleeping, 1);
    must(apir_ring_push(&queue->ring, request, (uint32_t)size) == 0, "room");
    const uint32_t words[] = {APIR_COMMAND_KICK, queue->id, 0};
    bool unsynced = guest->unsynced; /* a kick is nothing to wait for */
    raw_guest_submit(guest, words, 3);
    guest->unsynced = unsynced;
}

int raw_guest_wait(struct raw_guest *guest, struct raw_queue *queue, uint32_t before)
{
    struct apir_ring *ring = queue->memory.data;
    struct apir_reply_header header;
    struct apir_dec dec;
    if (!wait_word(guest, &ring->completed, before, false))
        return -EPIPE;
    apir_dec_init(&dec, apir_ring_reply(queue->memory.data), APIR_MAX_RECORD, NULL);
    apir_decode_reply_header(&dec, &header);
    must(apir_dec_ok(&dec) && header.status <= 0 && header.sequence == before + UINT64_C(1), "reply");
    return header.status;
}

int raw_guest_call(struct raw_guest *guest, struct raw_queue *queue, const void *request, size_t size)
{
    raw_guest_sync(guest);
    uint32_t before = (uint32_t)queue->sequence++;
    raw_guest_post(guest, queue, request, size);
    return raw_guest_wait(guest, queue, before);
}

size_t raw_guest_header(uint8_t *request, uint32_t call, uint64_t sequence)
{
    const struct apir_request_header header = {.call = call, .sequence = sequence};
    struct apir_enc enc;
    apir_enc_init(&enc, request, 64);
    apir_encode_request_header(&enc, &header);
    size_t used = apir_enc_used(&enc);
    raw_guest_set_size(request, (uint32_t)used);
    return used;
}

void raw_guest_set_size(uint8_t *request, uint32_t size)
{
    memcpy(request + sizeof(uint32_t), &size, sizeof size);
}
