/* A Unix socket that listens at a path, and its other end. */
#ifndef APIR_ATTACH_LISTENER_H
#define APIR_ATTACH_LISTENER_H

#include <sys/types.h>

/* The owner calls close. */
struct apir_listener {
    int fd; /* -1: closed */
    const char *path; /* borrowed */
    dev_t device;     /* of the socket's file, to unlink no other */
    ino_t inode;
};

/* Listens at path, with mode 0600. A socket that is there already is replaced if nobody listens on it. 0,
 * -ENAMETOOLONG, -EADDRINUSE if somebody does or if it is not a socket, or another -errno. */
int apir_listener_open(struct apir_listener *listener, const char *path);

/* Returns an accepted connection (caller owns, blocking, CLOEXEC) or -errno: -EAGAIN if there is none. */
int apir_listener_accept(struct apir_listener *listener);

/* Closes, and removes the socket's file if it is still this one. A closed listener is a no-op. */
void apir_listener_close(struct apir_listener *listener);

/* Connects to who listens at path, without waiting. Returns a connection (caller owns, non-blocking, CLOEXEC) or -errno:
 * -EAGAIN if too many wait already, -ECONNREFUSED or -ENOENT if nobody listens. */
int apir_listener_connect(const char *path);

#endif
