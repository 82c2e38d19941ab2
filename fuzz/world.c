#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attach/listener.h"
#include "fuzz.h"
#include "util/fd.h"
#include "wire/connection.h"

enum { MS = 1000 * 1000, MAX_FDS = 16 };

/* An exception to "no mutable globals": what stands in for other functions is called without a pointer to it. */
static struct {
    struct world *world;
    uint64_t now;
    FILE *nowhere;
    unsigned starve; /* allocations until one fails; 0: none does */
} state;

/* ---- in place of others ---- */

uint64_t __wrap_apir_clock_now(void);
int __wrap_apir_listener_connect(const char *path);
int __wrap_apir_listener_open(struct apir_listener *listener, const char *path);
int __wrap_apir_listener_accept(struct apir_listener *listener);
void __wrap_apir_listener_close(struct apir_listener *listener);

uint64_t __wrap_apir_clock_now(void)
{
    return state.now;
}

int __wrap_apir_listener_connect(const char *path)
{
    struct world *world = state.world;
    int ends[2];
    (void)path;
    if (world->no_workers || world->worker_count == WORLD_WORKERS)
        return -ECONNREFUSED;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return -errno;
    world->workers[world->worker_count++] = ends[0];
    return ends[1];
}

int __wrap_apir_listener_open(struct apir_listener *listener, const char *path)
{
    listener->path = path;
    listener->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return listener->fd < 0 ? -errno : 0;
}

int __wrap_apir_listener_accept(struct apir_listener *listener)
{
    eventfd_t count;
    if (eventfd_read(listener->fd, &count) < 0)
        return -errno;
    return apir_fd_take(&state.world->front);
}

void __wrap_apir_listener_close(struct apir_listener *listener)
{
    apir_fd_close(&listener->fd);
}

/* ---- processes: sockets that end when they are killed, or when the input says so ---- */

int __wrap_apir_worker_process_start(struct apir_worker_process *process, const struct apir_worker_options *options,
                                     unsigned context, int connection);
void __wrap_apir_worker_process_kill(struct apir_worker_process *process);
void __wrap_apir_worker_process_expire(struct apir_worker_process *process, unsigned ms);
void __wrap_apir_worker_process_finish(struct apir_worker_process *process);

static unsigned index_of(const struct apir_worker_process *process)
{
    return (unsigned)process->pid - 1;
}

static void forget_process(struct world *world, unsigned index)
{
    apir_loop_clear_timer(&world->processes[index].timer);
    world->processes[index].process->pid = 0;
    world->processes[index].process = NULL;
    apir_fd_close(&world->workers[index]);
}

static void end_process(struct world *world, unsigned index, int status)
{
    struct apir_worker_process *process = world->processes[index].process;
    if (!process)
        return;
    forget_process(world, index);
    process->ended(process->owner, status);
}

static void process_expired(void *owner)
{
    struct world_process *slot = owner;
    slot->process->killed = true;
    end_process(state.world, (unsigned)(slot - state.world->processes), SIGKILL);
}

int __wrap_apir_worker_process_start(struct apir_worker_process *process, const struct apir_worker_options *options,
                                     unsigned context, int connection)
{
    struct world *world = state.world;
    (void)options, (void)context;
    if (world->no_workers || world->worker_count == WORLD_WORKERS)
        return -EAGAIN;
    unsigned index = world->worker_count++;
    world->workers[index] = fcntl(connection, F_DUPFD_CLOEXEC, 0);
    world->processes[index].process = process;
    apir_timer_init(&world->processes[index].timer, process_expired, &world->processes[index]);
    process->pid = (pid_t)index + 1;
    process->killed = false;
    return 0;
}

void __wrap_apir_worker_process_expire(struct apir_worker_process *process, unsigned ms)
{
    if (process->pid == 0)
        return;
    struct world_process *slot = &state.world->processes[index_of(process)];
    if (!slot->timer.set)
        apir_loop_set_timer(process->loop, &slot->timer, ms);
}

void __wrap_apir_worker_process_kill(struct apir_worker_process *process)
{
    if (process->pid != 0)
        apir_loop_set_timer(process->loop, &state.world->processes[index_of(process)].timer, 0);
}

void __wrap_apir_worker_process_finish(struct apir_worker_process *process)
{
    if (process->pid != 0)
        forget_process(state.world, index_of(process));
}

/* ---- memory that is short ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static bool is_starved(void)
{
    if (state.starve == 0 || --state.starve > 0)
        return false;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return is_starved() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return is_starved() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return is_starved() ? NULL : __real_realloc(memory, size);
}

/* ---- the world ---- */

void world_starve(unsigned n)
{
    state.starve = n;
}

void *world_alloc(size_t size)
{
    void *memory = __real_malloc(size ? size : 1);
    FUZZ_CHECK(memory);
    return memory;
}

static int lowest_fd(void)
{
    int fd = dup(STDERR_FILENO);
    close(fd);
    return fd;
}

void world_init(struct world *world)
{
    memset(world, 0, sizeof *world);
    if (!state.nowhere)
        state.nowhere = fopen("/dev/null", "we");
    state.world = world;
    state.now = UINT64_C(1) << 40;
    state.starve = 0;
    world->lowest_fd = lowest_fd();
    world->log = (struct apir_log){.stream = state.nowhere, .level = APIR_LOG_DEBUG, .prefix = "fuzz"};
    world->options = (struct apir_worker_options){.path = "worker", .socket = "socket", .starts = 3};
    world->front = -1;
    world->own_loop = apir_loop_init(&world->loop) == 0;
    FUZZ_CHECK(world->own_loop);
}

void world_finish(struct world *world)
{
    state.starve = 0;
    for (unsigned i = 0; i < world->worker_count; i++)
        apir_fd_close(&world->workers[i]);
    apir_fd_close(&world->front);
    FUZZ_CHECK(apir_list_empty(&world->loop.timers));
    apir_loop_finish(&world->loop);
    FUZZ_CHECK(lowest_fd() == world->lowest_fd);
    state.world = NULL;
}

void world_step(struct apir_loop *loop, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        apir_loop_step(loop, 0);
}

void world_wait(unsigned ms)
{
    state.now += (uint64_t)ms * MS;
}

/* ---- descriptors ---- */

static int make_memory(uint64_t size, unsigned flags, int seals)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC | flags);
    if (fd >= 0 && (ftruncate(fd, (off_t)size) < 0 || (seals && fcntl(fd, F_ADD_SEALS, seals) < 0)))
        apir_fd_close(&fd);
    return fd;
}

static int make_pipe(bool writable)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    apir_fd_close(&ends[writable ? 0 : 1]);
    return ends[writable ? 1 : 0];
}

int world_make_fd(unsigned kind, uint64_t size)
{
    switch (kind % 10) {
    case 0:
    case 1:
        return eventfd(kind & 1, EFD_CLOEXEC | EFD_NONBLOCK);
    case 2:
    case 3:
        return make_memory(size, MFD_ALLOW_SEALING, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    case 4:
        return make_memory(size, 0, 0);
    case 5:
        return make_memory(size, MFD_ALLOW_SEALING, F_SEAL_SHRINK | F_SEAL_WRITE);
    case 6:
        return make_pipe(false);
    case 7:
        return make_pipe(true);
    case 8:
        return open("/dev/null", O_RDWR | O_CLOEXEC);
    default:
        return make_memory(size / 2, MFD_ALLOW_SEALING, F_SEAL_SHRINK);
    }
}

void world_send(int socket, const void *bytes, size_t size, const int *fds, unsigned fd_count)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(MAX_FDS * sizeof(int))];
    } control;
    struct iovec part = {(void *)(uintptr_t)bytes, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd_count > MAX_FDS)
        fd_count = MAX_FDS;
    if (fd_count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(header), fds, fd_count * sizeof(int));
    }
    if (socket >= 0 && size > 0 && sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return; /* full, or closed by the other side */
}

void world_drop(int socket, size_t size)
{
    char bytes[4096];
    /* without room for them, the kernel closes descriptors */
    while (socket >= 0 && size > 0 && recv(socket, bytes, size < sizeof bytes ? size : sizeof bytes, MSG_DONTWAIT) > 0)
        size -= size < sizeof bytes ? size : sizeof bytes;
}

/* ---- workers ---- */

static void send_frame(int worker, uint32_t type, const void *data, uint32_t size)
{
    uint8_t bytes[sizeof(struct apir_frame_header) + sizeof(struct apir_frame_fence)];
    struct apir_frame_header header = {.type = type, .size = size};
    memcpy(bytes, &header, sizeof header);
    memcpy(bytes + sizeof header, data, size);
    world_send(worker, bytes, sizeof header + size, NULL, 0);
}

static void send_bytes(int worker, struct reader *reader)
{
    size_t size;
    const uint8_t *bytes = reader_take(reader, reader_u8(reader) % 64, &size);
    int fd = size % 2 ? world_make_fd((unsigned)size, 4096) : -1;
    world_send(worker, bytes, size, &fd, fd >= 0);
    apir_fd_close(&fd);
}

void world_play_worker(struct world *world, struct reader *reader)
{
    uint8_t what = reader_u8(reader), value = reader_u8(reader);
    if (world->worker_count == 0)
        return;
    int *worker = &world->workers[what / 8 % world->worker_count];
    struct apir_frame_fence fence = {.ring = value / 64, .id = value % 64};
    uint32_t id = value;
    switch (what % 8) {
    case 0:
    case 1:
        send_frame(*worker, APIR_FRAME_SHM_REMOVED, &id, sizeof id);
        break;
    case 2:
    case 3:
        send_frame(*worker, APIR_FRAME_FENCE_DONE, &fence, sizeof fence);
        break;
    case 4:
        send_bytes(*worker, reader);
        break;
    case 5:
    case 6:
        world_drop(*worker, (size_t)value * value * 16);
        break;
    default:
        apir_fd_close(worker);
        if (value % 2) /* the process too, well or badly */
            end_process(world, (unsigned)(worker - world->workers), value % 4 == 1 ? 0 : value);
        break;
    }
}
