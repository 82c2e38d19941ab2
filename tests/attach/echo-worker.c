/* A worker for tests of the daemon: takes frames as the real one does, and does what echo-worker.h says. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "apir-upstream-protocol.h"
#include "echo-worker.h"
#include "util/clock.h"
#include "util/fd.h"
#include "wire/capset.h"
#include "wire/connection.h"
#include "wire/status.h"

enum { MAX_MEMORIES = 65536, MS = 1000 * 1000 };

struct memory {
    uint32_t id; /* 0: free */
    uint8_t *bytes;
    uint64_t size;
};

struct worker {
    struct apir_connection connection;
    struct memory memories[MAX_MEMORIES];
    unsigned memory_end; /* entries from here on are free */
    unsigned submits;
    int memory_fd; /* -1: none */
    uint32_t lie;     /* what the next removal is answered as; 0: what it is */
    uint32_t slow_ms; /* of the next removal; 0: at once */
};

static struct memory *find(struct worker *worker, uint32_t id)
{
    for (unsigned i = 0; i < worker->memory_end; i++)
        if (worker->memories[i].id == id)
            return &worker->memories[i];
    return NULL;
}

static int add_memory(struct worker *worker, struct apir_frame *frame)
{
    struct apir_frame_shm shm;
    if (frame->size != sizeof shm)
        return -1;
    if (frame->fd >= 0) {
        apir_fd_close(&worker->memory_fd);
        worker->memory_fd = apir_fd_take(&frame->fd);
    }
    memcpy(&shm, frame->data, sizeof shm);
    if (shm.id == 0 || find(worker, shm.id))
        return -1;
    struct memory *memory = find(worker, 0);
    if (!memory && worker->memory_end < MAX_MEMORIES)
        memory = &worker->memories[worker->memory_end++];
    if (!memory || apir_fd_check_memory(worker->memory_fd, shm.offset + shm.size) < 0)
        return -1;
    void *bytes = mmap(NULL, shm.size, PROT_READ | PROT_WRITE, MAP_SHARED, worker->memory_fd, (off_t)shm.offset);
    if (bytes == MAP_FAILED)
        return -1;
    *memory = (struct memory){shm.id, bytes, shm.size};
    return 0;
}

static int remove_memory(struct worker *worker, const struct apir_frame *frame)
{
    uint32_t id;
    if (frame->size != sizeof id)
        return -1;
    memcpy(&id, frame->data, sizeof id);
    struct memory *memory = find(worker, id);
    if (!memory || id == 0)
        return -1;
    uint64_t until = apir_clock_now() + (uint64_t)worker->slow_ms * MS;
    while (worker->slow_ms > 0 && apir_clock_now() < until)
        memset(memory->bytes, 0xee, 64);
    worker->slow_ms = 0;
    munmap(memory->bytes, memory->size);
    memory->id = 0;
    if (worker->lie)
        id = worker->lie;
    worker->lie = 0;
    return apir_connection_send(&worker->connection, APIR_FRAME_SHM_REMOVED, &id, sizeof id, -1);
}

static int store(struct worker *worker, uint32_t id, uint32_t offset, uint32_t value)
{
    struct memory *memory = find(worker, id);
    if (!memory || id == 0 || offset % 4 || offset > memory->size - 4)
        return -1;
    __atomic_store_n((uint32_t *)(void *)(memory->bytes + offset), value, __ATOMIC_RELEASE);
    return 0;
}

static int shake_hands(struct worker *worker, uint32_t id)
{
    struct memory *memory = find(worker, id);
    if (!memory || memory->size < APIR_STATUS_PAGE_SIZE)
        return -1;
    return store(worker, id, 0, APIR_HANDSHAKE_CODE + 1);
}

/* As long as somebody holds the other end: a test that is gone must not leave this behind. */
static void hang(const struct worker *worker)
{
    struct pollfd end = {.fd = worker->connection.fd};
    while (!(end.revents & POLLHUP))
        poll(&end, 1, -1);
}

static int submit(struct worker *worker, const uint32_t *words, uint32_t count)
{
    uint32_t sum = 0;
    worker->submits++;
    if (count < 4)
        return -1;
    switch (words[0]) {
    case APIR_UPSTREAM_COMMAND_HANDSHAKE:
        return shake_hands(worker, words[2]);
    case ECHO_WRITE:
        return store(worker, words[1], words[2], words[3]);
    case ECHO_SUM:
        for (uint32_t i = 3; i < count; i++)
            sum += words[i];
        return store(worker, words[1], words[2], sum);
    case ECHO_DIE:
        raise(SIGKILL);
        return -1;
    case ECHO_HANG:
        hang(worker);
        _exit(1);
    case ECHO_SLEEP:
        apir_clock_sleep((uint64_t)words[1] * MS);
        return 0;
    case ECHO_LINGER:
        worker->slow_ms = words[1];
        return 0;
    case ECHO_ENVIRONMENT:
        return store(worker, words[1], words[2], (uint32_t)atoi(getenv("ECHO_VALUE") ? getenv("ECHO_VALUE") : "0"));
    case ECHO_LIE:
        worker->lie = words[1];
        return 0;
    case ECHO_EXIT:
        _exit((int)words[1]);
    default:
        return -1;
    }
}

static int handle(struct worker *worker, struct apir_frame *frame)
{
    switch (frame->type) {
    case APIR_FRAME_SUBMIT:
        return submit(worker, frame->data, frame->size / 4);
    case APIR_FRAME_SHM_ADD:
        return add_memory(worker, frame);
    case APIR_FRAME_SHM_REMOVE:
        return remove_memory(worker, frame);
    case APIR_FRAME_FENCE:
        return apir_connection_send(&worker->connection, APIR_FRAME_FENCE_DONE, frame->data, frame->size, -1);
    default:
        return -1;
    }
}

static int serve(struct worker *worker)
{
    struct apir_frame frame;
    int ret;
    while ((ret = apir_connection_receive(&worker->connection, &frame)) == 1) {
        ret = handle(worker, &frame);
        apir_fd_close(&frame.fd);
        if (ret < 0) {
            fprintf(stderr, "echo-worker: bad frame of type %u, %u bytes\n", frame.type, frame.size);
            return 1;
        }
    }
    return ret < 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--probe") == 0)
            return puts("echo: a device that echoes") == EOF;
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return 1;
    worker->memory_fd = -1;
    apir_connection_init(&worker->connection, 3);
    int ret = serve(worker);
    fprintf(stderr, "echo-worker: %u submits\n", worker->submits);
    apir_fd_close(&worker->memory_fd);
    apir_connection_finish(&worker->connection);
    free(worker);
    return ret;
}
