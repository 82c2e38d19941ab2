#include "transport/transport.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "transport/poll.h"
#include "util/checked.h"
#include "util/clock.h"
#include "util/fd.h"
#include "wire/connection.h"

enum {
    SLICE_NS = 50 * 1000 * 1000,  /* how often a sleeper looks whether the worker still lives */
};

struct socket_transport {
    struct apir_transport base;
    struct apir_connection connection;
    pthread_mutex_t lock; /* guards sending, reading and next_id */
    uint32_t next_id;
    bool may_spin; /* false on one CPU, where spinning keeps the worker from running */
};

static struct socket_transport *from_base(struct apir_transport *transport)
{
    return (struct socket_transport *)transport;
}

static int socket_send(struct socket_transport *self, uint32_t type, const void *data, uint32_t size, int fd)
{
    pthread_mutex_lock(&self->lock);
    int ret = apir_connection_send(&self->connection, type, data, size, fd);
    pthread_mutex_unlock(&self->lock);
    return ret == -ECONNRESET ? -EPIPE : ret;
}

/* Throws away what the worker sent (it only acknowledges removals); -EPIPE when it is gone. */
static int drain(struct socket_transport *self)
{
    char trash[256];
    pthread_mutex_lock(&self->lock);
    ssize_t got;
    do
        got = recv(self->connection.fd, trash, sizeof trash, MSG_DONTWAIT);
    while (got > 0 || (got < 0 && errno == EINTR));
    int ret = got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK) ? -EPIPE : 0;
    pthread_mutex_unlock(&self->lock);
    return ret;
}

static uint32_t take_id(struct socket_transport *self)
{
    pthread_mutex_lock(&self->lock);
    uint32_t id = self->next_id++;
    pthread_mutex_unlock(&self->lock);
    return id;
}

static int socket_shm_create(struct apir_transport *transport, uint64_t size, struct apir_shm *shm)
{
    struct socket_transport *self = from_base(transport);
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), rounded;
    if (size == 0 || !apir_checked_align(size, page, &rounded))
        return -EINVAL;
    int fd = apir_fd_memory("apir-shm", rounded);
    if (fd < 0)
        return fd;
    int ret;
    void *data = mmap(NULL, rounded, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) {
        ret = -errno;
        goto err_fd;
    }
    madvise(data, rounded, MADV_DONTFORK);
    struct apir_frame_shm frame = {.id = take_id(self), .size = rounded};
    ret = socket_send(self, APIR_FRAME_SHM_ADD, &frame, sizeof frame, fd);
    if (ret < 0)
        goto err_map;
    apir_fd_close(&fd);
    *shm = (struct apir_shm){.id = frame.id, .data = data, .size = rounded};
    return 0;

err_map:
    munmap(data, rounded);
err_fd:
    apir_fd_close(&fd);
    return ret;
}

static void socket_shm_destroy(struct apir_transport *transport, struct apir_shm *shm)
{
    struct socket_transport *self = from_base(transport);
    if (!shm->data)
        return;
    /* the worker has a mapping of its own: nothing to wait for */
    socket_send(self, APIR_FRAME_SHM_REMOVE, &shm->id, sizeof shm->id, -1);
    drain(self);
    munmap(shm->data, shm->size);
    memset(shm, 0, sizeof *shm);
}

static int socket_submit(struct apir_transport *transport, const void *payload, size_t size)
{
    if (size > APIR_MAX_FRAME)
        return -EMSGSIZE;
    return socket_send(from_base(transport), APIR_FRAME_SUBMIT, payload, (uint32_t)size, -1);
}

static void futex_sleep(_Atomic uint32_t *word, uint32_t seen, uint64_t ns)
{
    struct timespec timeout = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
    syscall(SYS_futex, word, FUTEX_WAIT, seen, &timeout, NULL, 0);
}

static int socket_wait(struct apir_transport *transport, _Atomic uint32_t *word, uint32_t seen,
                       _Atomic uint32_t *sleeping, uint64_t timeout_ns)
{
    struct socket_transport *self = from_base(transport);
    uint64_t slice = timeout_ns < SLICE_NS ? timeout_ns : SLICE_NS;
    if (!sleeping) {
        apir_poll(word, seen, self->may_spin, slice);
    } else {
        /* seq_cst: the worker stores the word, then reads this flag; one of the two sees the other's */
        atomic_store_explicit(sleeping, 1, memory_order_seq_cst);
        if (atomic_load_explicit(word, memory_order_seq_cst) == seen)
            futex_sleep(word, seen, slice);
        atomic_store_explicit(sleeping, 0, memory_order_relaxed);
    }
    if (atomic_load_explicit(word, memory_order_acquire) != seen)
        return 0;
    return drain(self);
}

static bool socket_wake(struct apir_transport *transport, _Atomic uint32_t *word)
{
    (void)transport;
    return syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0) > 0;
}

static void socket_destroy(struct apir_transport *transport)
{
    struct socket_transport *self = from_base(transport);
    apir_connection_finish(&self->connection);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

static const struct apir_transport_ops socket_ops = {
    .name = "socket",
    .shm_create = socket_shm_create,
    .shm_destroy = socket_shm_destroy,
    .submit = socket_submit,
    .wait = socket_wait,
    .wake = socket_wake,
    .wakes = true,
    .destroy = socket_destroy,
};

struct apir_transport *apir_transport_socket_from_fd(int fd)
{
    struct socket_transport *self = calloc(1, sizeof *self);
    if (!self) {
        apir_fd_close(&fd);
        return NULL;
    }
    self->base.ops = &socket_ops;
    self->base.max_host_buffer = UINT64_MAX; /* memory as any other */
    snprintf(self->base.door, sizeof self->base.door, "socket");
    apir_connection_init(&self->connection, fd);
    pthread_mutex_init(&self->lock, NULL);
    self->next_id = 1;
    self->may_spin = sysconf(_SC_NPROCESSORS_ONLN) > 1;
    return &self->base;
}

struct apir_transport *apir_transport_socket_open(const char *path, char *reason, size_t reason_size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        snprintf(reason, reason_size, "socket path is longer than %zu bytes", sizeof address.sun_path - 1);
        errno = ENAMETOOLONG;
        return NULL;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        snprintf(reason, reason_size, "cannot connect to %s: %s (is apird --listen running?)", path,
                 strerror(errno));
        apir_fd_close(&fd);
        return NULL;
    }
    struct apir_transport *transport = apir_transport_socket_from_fd(fd);
    if (!transport)
        snprintf(reason, reason_size, "out of memory");
    else
        snprintf(transport->door, sizeof transport->door, "socket %.100s", path);
    return transport;
}
