/* libapir-client: asks an apir host what it offers. For tools and embedders; ggml programs need none of this, they
 * load the plug-in libggml-virtgpu-apir.so.
 *
 * Works in a guest of a virtual machine (over its virtio-gpu device) and in any local process (over apird's native
 * socket). Uses no ggml. Functions of one client may be called by one thread at a time. A host that does not answer
 * is given up after 2 seconds by apir_client_open and after 60 by apir_client_load; the other functions wait for as
 * long as the worker lives. None ends the process, prints, or touches signals. A client is of no use in a forked
 * child: open another one there. */
#ifndef APIR_CLIENT_H
#define APIR_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define APIR_CLIENT_API __attribute__((visibility("default")))

/* A connection to a worker, which the host starts for it. */
struct apir_client;

struct apir_client_options {
    const char *socket; /* path of apird's native socket; NULL: what the environment selects, see below */
    FILE *log;          /* where lines about the session go; NULL: nowhere. Borrowed for the client's life */
    int log_level;      /* 1 errors, 2 warnings, 3 also versions, 4 also the duration of each call */
};

/* What is in the way. */
enum apir_client_problem {
    APIR_CLIENT_NO_PROBLEM = 0,
    APIR_CLIENT_NO_DEVICE,   /* no virtio-gpu render node in /dev/dri */
    APIR_CLIENT_NO_ACCESS,   /* there is one, which this user cannot open */
    APIR_CLIENT_NO_APIR,     /* the host behind the node does not speak APIR */
    APIR_CLIENT_NO_SOCKET,   /* nobody listens at the socket's path */
    APIR_CLIENT_NO_ANSWER,   /* the host does not answer, or went away */
    APIR_CLIENT_BAD_VERSION, /* the host speaks another version of the protocol */
    APIR_CLIENT_NO_LIBRARY,  /* the host has no ggml library, or one without a device */
};

struct apir_client_failure {
    enum apir_client_problem problem;
    int error;         /* errno value */
    char message[512]; /* one line for people, NUL-terminated */
};

/* The host's ggml library. Strings are NUL-terminated. */
struct apir_client_library {
    char file[256];         /* its file name */
    char ggml_version[256]; /* e.g. "0.27.0" */
    uint32_t devices;       /* number of devices; they are numbered from 0 */
    char sandbox[256];      /* what confines the process that computes for this client: names with ", " between them */
    char sandbox_lacks[256]; /* what of it is missing there, in the same form; both empty: the host does not tell */
};

/* What does not change about a device. Strings are NUL-terminated. */
struct apir_client_device {
    char name[256];           /* as on the host; a guest's ggml shows "[virtgpu] " before it */
    char description[256];    /* as on the host */
    const char *type;         /* "cpu", "gpu", "igpu", "accel", "meta": as on the host */
    uint64_t alignment;       /* of tensors in buffers, bytes */
    uint64_t max_buffer_size; /* bytes; UINT64_MAX: unlimited */
};

struct apir_client_stats {
    uint64_t graphs;       /* graphs that the worker has computed for this client */
    uint64_t nodes;        /* their nodes */
    uint64_t buffers;      /* live buffers */
    uint64_t buffer_bytes; /* bytes of them */
};

/* Connects and shakes hands. Without options->socket the environment decides, as it does for the plug-in:
 * GGML_VIRTGPU_SOCKET=PATH is a native socket; else all render nodes are searched for a virtio-gpu device whose host
 * speaks APIR; GGML_VIRTGPU_CAPSET=apir, or GGML_REMOTING_USE_APIR_CAPSET, restricts that to the APIR capset, and
 * GGML_VIRTGPU_PROTOCOL=0 or 1 demands a protocol. options may be NULL. NULL with
 * errno set, and *failure filled if failure is not NULL. End with apir_client_close. */
APIR_CLIENT_API struct apir_client *apir_client_open(const struct apir_client_options *options,
                                                     struct apir_client_failure *failure);

/* Ends the connection; the host's worker ends too. NULL is a no-op. */
APIR_CLIENT_API void apir_client_close(struct apir_client *client);

/* How the host is reached, for people: "/dev/dri/renderD128 (virtio-gpu, capset 10)". The client owns it. */
APIR_CLIENT_API const char *apir_client_door(const struct apir_client *client);

/* Version of apir's own protocol that this library has. */
APIR_CLIENT_API void apir_client_own_version(uint32_t *major, uint32_t *minor);

/* Versions of the protocol that is spoken, here and on the host: apir's own, or 0.x with a host that has only the APIR
 * protocol as deployed earlier. The major ones are the same. */
APIR_CLIENT_API void apir_client_spoken_version(const struct apir_client *client, uint32_t *major, uint32_t *minor);
APIR_CLIENT_API void apir_client_host_version(const struct apir_client *client, uint32_t *major, uint32_t *minor);

/* Makes the worker load the host's ggml library; to be called before the functions below. Asking again gives the same
 * answer. 0 and *library; or -ENODEV, failure (may be NULL) then says with the host's words what is missing there;
 * or another -errno when the session has failed. */
APIR_CLIENT_API int apir_client_load(struct apir_client *client, struct apir_client_library *library,
                                     struct apir_client_failure *failure);

/* Device number index, below apir_client_library.devices. 0; -EINVAL before a successful load or for a number that
 * does not exist; another -errno when the session has failed. */
APIR_CLIENT_API int apir_client_get_device(struct apir_client *client, uint32_t index,
                                           struct apir_client_device *device);

/* Its memory as of now, in bytes. Errors as above. */
APIR_CLIENT_API int apir_client_get_memory(struct apir_client *client, uint32_t index, uint64_t *free,
                                           uint64_t *total);

/* What the worker has done. 0, or -errno when the session has failed. */
APIR_CLIENT_API int apir_client_get_stats(struct apir_client *client, struct apir_client_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
