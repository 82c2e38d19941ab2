#include "upstream/deployed-guest.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/fd.h"

enum {
    TIMEOUT_MS = 30000, /* nothing here takes this long, even on a slow machine with sanitizers */
    SPINS = 2000,
    NAP_NS = 15000, /* as deployed guests poll */
};

uint32_t deployed_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

uint64_t deployed_u64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

void deployed_put_u32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof value);
}

void deployed_put_u64(uint8_t *at, uint64_t value)
{
    memcpy(at, &value, sizeof value);
}

static void forget(struct deployed_blob *blob)
{
    if (blob->data)
        munmap(blob->data, blob->size);
    blob->data = NULL;
    apir_fd_close(&blob->fd);
}

static int share(struct deployed_guest *guest, uint64_t size, struct deployed_blob *blob)
{
    *blob = (struct deployed_blob){.id = guest->next_id++, .fd = apir_fd_memory("deployed-guest", size), .size = size};
    if (blob->fd < 0)
        return blob->fd;
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, blob->fd, 0);
    if (data == MAP_FAILED) {
        apir_fd_close(&blob->fd);
        return -ENOMEM;
    }
    blob->data = data;
    const struct apir_frame_shm frame = {.id = blob->id, .size = size};
    return apir_connection_send(&guest->connection, APIR_FRAME_SHM_ADD, &frame, sizeof frame, blob->fd);
}

int deployed_guest_init(struct deployed_guest *guest, int fd, uint32_t base, uint64_t data_size)
{
    memset(guest, 0, sizeof *guest);
    apir_connection_init(&guest->connection, fd);
    guest->base = base;
    guest->next_id = 40; /* not the ids in the samples */
    guest->timeout_ms = TIMEOUT_MS;
    guest->reply.fd = guest->data.fd = -1;
    int ret = share(guest, DEPLOYED_REPLY_SIZE, &guest->reply);
    return ret < 0 ? ret : share(guest, data_size, &guest->data);
}

void deployed_guest_finish(struct deployed_guest *guest)
{
    apir_connection_finish(&guest->connection);
    forget(&guest->reply);
    forget(&guest->data);
    for (unsigned i = 0; i < guest->n_more; i++)
        forget(&guest->more[i]);
    guest->n_more = 0;
}

struct deployed_blob *deployed_guest_share(struct deployed_guest *guest, uint64_t size)
{
    if (guest->n_more == DEPLOYED_MAX_BLOBS)
        return NULL;
    struct deployed_blob *blob = &guest->more[guest->n_more++];
    return share(guest, size, blob) < 0 ? NULL : blob;
}

/* What the host sends (frames about fences and removed memory) is of no interest, but its end is. */
static bool is_closed(struct deployed_guest *guest)
{
    char trash[64];
    ssize_t got = recv(guest->connection.fd, trash, sizeof trash, MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

static uint32_t read_notif(const struct deployed_guest *guest)
{
    /* acquire: pairs with the host's release of the answer */
    return atomic_load_explicit((_Atomic uint32_t *)(void *)guest->reply.data, memory_order_acquire);
}

static int wait_notif(struct deployed_guest *guest, uint32_t *notif)
{
    uint64_t end = apir_clock_now() + guest->timeout_ms * UINT64_C(1000000);
    for (unsigned round = 0;; round++) {
        bool closed = round % 64 == 63 && is_closed(guest);
        *notif = read_notif(guest);
        if (*notif != 0)
            return 0;
        if (closed)
            return -EPIPE;
        if (apir_clock_now() > end)
            return -ETIMEDOUT;
        if (round < SPINS)
            sched_yield();
        else
            apir_clock_sleep(NAP_NS);
    }
}

void deployed_guest_address(const struct deployed_guest *guest, uint8_t *request, size_t size)
{
    if (size >= DEPLOYED_COMMAND + 4)
        deployed_put_u32(request, deployed_u32(request) % DEPLOYED_VENUS_BASE + guest->base);
    if (size >= DEPLOYED_REPLY + 4)
        deployed_put_u32(request + DEPLOYED_REPLY, guest->reply.id);
}

int deployed_guest_call(struct deployed_guest *guest, const uint8_t *request, size_t size, uint32_t *notif)
{
    memset(guest->reply.data, DEPLOYED_CANARY, guest->reply.size);
    deployed_put_u32(guest->reply.data, 0);
    int ret = apir_connection_send(&guest->connection, APIR_FRAME_SUBMIT, request, (uint32_t)size, -1);
    if (ret < 0)
        return ret == -ECONNRESET ? -EPIPE : ret;
    return wait_notif(guest, notif);
}

size_t deployed_guest_written(const struct deployed_guest *guest)
{
    size_t size = guest->reply.size;
    while (size > 0 && guest->reply.data[size - 1] == DEPLOYED_CANARY)
        size--;
    return size;
}
