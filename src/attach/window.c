#include "attach/window.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "util/checked.h"
#include "util/fd.h"

enum { WORD_BITS = 64 };

static size_t word_count(const struct apir_window *window)
{
    return (size_t)((window->size / APIR_WINDOW_PAGE + WORD_BITS - 1) / WORD_BITS);
}

int apir_window_init(struct apir_window *window, uint64_t size)
{
    memset(window, 0, sizeof *window);
    if (size == 0 || size % APIR_WINDOW_PAGE != 0)
        return -EINVAL;
    window->size = size;
    window->fd = apir_fd_memory("apir-window", size);
    if (window->fd < 0)
        return window->fd;
    int ret;
    window->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, window->fd, 0);
    if (window->memory == MAP_FAILED) {
        ret = -errno;
        goto err_fd;
    }
    window->taken = calloc(word_count(window), sizeof *window->taken);
    if (!window->taken) {
        ret = -ENOMEM;
        goto err_memory;
    }
    return 0;

err_memory:
    munmap(window->memory, size);
err_fd:
    window->memory = NULL;
    apir_fd_close(&window->fd);
    return ret;
}

void apir_window_finish(struct apir_window *window)
{
    if (!window->memory)
        return;
    munmap(window->memory, window->size);
    window->memory = NULL;
    apir_fd_close(&window->fd);
    free(window->taken);
    window->taken = NULL;
}

/* The pages [first, end) as bits of the word that holds page first; *next is the first page after that word. */
static uint64_t word_mask(uint64_t first, uint64_t end, uint64_t *next)
{
    uint64_t low = first % WORD_BITS;
    uint64_t count = WORD_BITS - low < end - first ? WORD_BITS - low : end - first;
    *next = first + count;
    uint64_t ones = count == WORD_BITS ? UINT64_MAX : (UINT64_C(1) << count) - 1;
    return ones << low;
}

static bool is_free(const struct apir_window *window, uint64_t first, uint64_t end)
{
    uint64_t next;
    for (uint64_t page = first; page < end; page = next)
        if (window->taken[page / WORD_BITS] & word_mask(page, end, &next))
            return false;
    return true;
}

static void set_taken(struct apir_window *window, uint64_t first, uint64_t end, bool taken)
{
    uint64_t next;
    for (uint64_t page = first; page < end; page = next) {
        uint64_t mask = word_mask(page, end, &next);
        if (taken)
            window->taken[page / WORD_BITS] |= mask;
        else
            window->taken[page / WORD_BITS] &= ~mask;
    }
}

int apir_window_take(struct apir_window *window, uint64_t offset, uint64_t size)
{
    if (size == 0 || offset % APIR_WINDOW_PAGE || size % APIR_WINDOW_PAGE ||
        !apir_checked_range(offset, size, window->size))
        return -EINVAL;
    uint64_t first = offset / APIR_WINDOW_PAGE, end = first + size / APIR_WINDOW_PAGE;
    if (!is_free(window, first, end))
        return -EBUSY;
    set_taken(window, first, end, true);
    return 0;
}

/* The next blob at this place must read as zeros, whatever it takes. */
static void punch(struct apir_window *window, uint64_t offset, uint64_t size)
{
    if (fallocate(window->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)size) < 0)
        memset(window->memory + offset, 0, size);
}

void apir_window_release(struct apir_window *window, uint64_t offset, uint64_t size)
{
    punch(window, offset, size);
    set_taken(window, offset / APIR_WINDOW_PAGE, (offset + size) / APIR_WINDOW_PAGE, false);
}

void apir_window_clear(struct apir_window *window)
{
    punch(window, 0, window->size);
    memset(window->taken, 0, word_count(window) * sizeof *window->taken);
}
