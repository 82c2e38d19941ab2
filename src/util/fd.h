/* File descriptors, anonymous shared memory, connections. */
#ifndef APIR_UTIL_FD_H
#define APIR_UTIL_FD_H

#include <stdint.h>

/* Closes *fd if it is not -1 and stores -1. Keeps errno. */
void apir_fd_close(int *fd);

/* Returns the value of *fd and stores -1: moves ownership to the caller. */
int apir_fd_take(int *fd);

/* Makes anonymous memory of exactly size bytes, shared between processes, that can neither shrink nor grow
 * (a peer that could shrink it would make accesses fault). Returns an fd (caller owns) or -errno. */
int apir_fd_memory(const char *name, uint64_t size);

/* 0 if fd is memory of at least size bytes that can never shrink (memfd with F_SEAL_SHRINK),
 * -EINVAL or -errno otherwise. Borrows fd. */
int apir_fd_check_memory(int fd, uint64_t size);

/* Connects to the stream socket with that path. Returns an fd (caller owns) or -errno: -ENAMETOOLONG for a path that no socket
 * can have. */
int apir_fd_connect(const char *path);

#endif
