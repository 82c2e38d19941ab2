/* The native door: a Unix socket for programs on this machine. Each connection gets a worker of its own, which is
 * handed the connection itself: the daemon only starts it, and ends it. */
#ifndef APIR_ATTACH_SOCKET_H
#define APIR_ATTACH_SOCKET_H

#include <stdbool.h>

#include "attach/listener.h"
#include "attach/loop.h"
#include "attach/worker-process.h"
#include "util/log.h"

/* The owner calls finish. */
struct apir_socket {
    struct apir_loop *loop;
    const struct apir_log *log;
    const struct apir_worker_options *options;
    struct apir_listener listener;
    struct apir_source source;
    struct apir_timer pause;  /* set while accept() fails for want of fds */
    struct apir_list clients; /* struct client.link */
    unsigned client_count;
    unsigned max_clients;
    unsigned next_context;
    void (*idle)(void *owner); /* called when the last client has gone after stop */
    void *owner;
    bool stopping;
};

/* Starts to listen at path (borrowed, like all else). 0 or -errno. */
int apir_socket_init(struct apir_socket *door, struct apir_loop *loop, const struct apir_log *log,
                     const struct apir_worker_options *options, const char *path, unsigned max_clients);

/* Closes the socket and ends all clients' workers; calls idle(owner) once they are gone, at once if there is none.
 * That takes at most APIR_WORKER_PATIENCE_MS and the time of a kill. */
void apir_socket_stop(struct apir_socket *door, void (*idle)(void *owner), void *owner);

#endif
