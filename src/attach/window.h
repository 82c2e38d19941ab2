/* The window: memory that a virtual machine shares with its workers. One sparse file of fixed size, of which the
 * guest's driver places its blobs; what is not in use takes no memory. Not thread-safe. */
#ifndef APIR_ATTACH_WINDOW_H
#define APIR_ATTACH_WINDOW_H

#include <stdint.h>

enum { APIR_WINDOW_PAGE = 4096 };

/* The owner calls finish. */
struct apir_window {
    int fd; /* sealed: can neither shrink nor grow */
    uint8_t *memory;
    uint64_t size;
    uint64_t *taken; /* a bit for each page */
};

/* 0, -EINVAL if size is 0 or no multiple of the page size, or another -errno. */
int apir_window_init(struct apir_window *window, uint64_t size);

/* A window that was not initialised (all zero) is a no-op. */
void apir_window_finish(struct apir_window *window);

/* Takes a range (multiples of the page size) that nobody has. 0, -EINVAL if it is not a range of the window, -EBUSY if
 * somebody has a part of it. */
int apir_window_take(struct apir_window *window, uint64_t offset, uint64_t size);

/* Gives back a range that was taken: its memory is freed, and reads as zeros from now on. */
void apir_window_release(struct apir_window *window, uint64_t offset, uint64_t size);

/* Gives everything back. */
void apir_window_clear(struct apir_window *window);

#endif
