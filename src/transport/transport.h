/* The guest end of a link to a host: a way to share memory with a worker and to hand it commands. A transport does
 * not know what the commands mean. All functions may be called from any thread. */
#ifndef APIR_TRANSPORT_TRANSPORT_H
#define APIR_TRANSPORT_TRANSPORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct apir_log;
struct apir_transport;

/* Memory shared with the worker. Made by shm_create, ended by shm_destroy; not inherited by a forked child. */
struct apir_shm {
    uint32_t id;      /* how commands name it; never 0 */
    uint32_t private; /* the transport's */
    void *data;
    uint64_t size;    /* bytes of data, at least what was asked for */
};

struct apir_transport_ops {
    const char *name; /* "virtgpu", "socket" */

    /* Makes size bytes of zeroed shared memory. 0 or -errno; -ENOMEM when the window is full. */
    int (*shm_create)(struct apir_transport *transport, uint64_t size, struct apir_shm *shm);

    /* Ends it; the worker no longer uses it when this returns, or is dead. A zeroed shm is a no-op. */
    void (*shm_destroy)(struct apir_transport *transport, struct apir_shm *shm);

    /* Hands the worker size bytes of commands, in order with earlier ones. Does not wait for their execution.
     * 0, -EPIPE when the host is gone, -errno. */
    int (*submit)(struct apir_transport *transport, const void *payload, size_t size);

    /* Sleeps until *word is no longer seen, the host is gone, or timeout_ns have passed; may wake early. sleeping
     * is the flag beside word that asks the worker for a wake-up, or NULL. 0, or -EPIPE when the host is gone. */
    int (*wait)(struct apir_transport *transport, _Atomic uint32_t *word, uint32_t seen,
                _Atomic uint32_t *sleeping, uint64_t timeout_ns);

    /* Wakes the worker's thread that sleeps on word; false: none does, a command may still reach it. NULL where only a
     * command can. */
    bool (*wake)(struct apir_transport *transport, _Atomic uint32_t *word);

    bool wakes; /* the worker can wake a thread that sleeps in wait */

    /* Hands over commands as submit does, and waits until the host has taken them: tells a busy host from one that is
     * gone. 0, -ETIMEDOUT, -errno. NULL where wait notices by itself that the host is gone. */
    int (*probe)(struct apir_transport *transport, const void *payload, size_t size, uint64_t timeout_ns);

    /* Ends the link and frees the transport. */
    void (*destroy)(struct apir_transport *transport);
};

/* Base of every transport. */
struct apir_transport {
    const struct apir_transport_ops *ops;
    uint32_t command_base; /* added to every command: 0, or APIR_VENUS_COMMAND_BASE */
    uint64_t max_host_buffer; /* bytes of shared memory that one buffer of an application should take at most */
    char door[128];        /* for people: "socket /run/apird.sock", "/dev/dri/renderD128, capset 10" */
};

/* Connects to a native socket. NULL with errno set; reason, at least 256 bytes, then says why. */
struct apir_transport *apir_transport_socket_open(const char *path, char *reason, size_t reason_size);

/* Uses fd, a connected stream socket whose peer is a worker; takes ownership, also on failure. NULL with errno. */
struct apir_transport *apir_transport_socket_from_fd(int fd);

/* Which capset of a virtio-gpu device is used. */
enum apir_virtgpu_capset {
    APIR_VIRTGPU_CAPSET_AUTO,  /* the APIR capset, else a Venus capset whose data tell of an APIR host */
    APIR_VIRTGPU_CAPSET_APIR,  /* the APIR capset only */
    APIR_VIRTGPU_CAPSET_VENUS, /* the Venus capset, whatever its data are; a host without APIR does not answer */
};

struct apir_virtgpu_options {
    const char *dri_dir; /* where to look for render nodes; NULL: /dev/dri */
    enum apir_virtgpu_capset capset;
};

/* Searches all render nodes for a virtio-gpu device whose host speaks APIR. NULL with errno set: ENODEV when there is
 * no virtio-gpu node, EACCES when it cannot be opened, EOPNOTSUPP when its host has no APIR, or another; reason then says
 * what was found and what to do. */
struct apir_transport *apir_transport_virtgpu_open(const struct apir_virtgpu_options *options,
                                                   const struct apir_log *log, char *reason, size_t reason_size);

/* Opens the door that the environment selects: GGML_VIRTGPU_SOCKET=PATH, else virtgpu with GGML_VIRTGPU_CAPSET=auto,
 * apir or venus; without that variable GGML_REMOTING_USE_APIR_CAPSET stands for apir. NULL with errno and reason. */
struct apir_transport *apir_transport_open(const struct apir_log *log, char *reason, size_t reason_size);

#endif
