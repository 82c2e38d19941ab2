#include "util/zero.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Only Linux promises zeros; elsewhere it is a hint. */
static int give_back(void *memory, size_t size)
{
#if defined(__linux__) && defined(MADV_DONTNEED)
    return madvise(memory, size, MADV_DONTNEED);
#else
    (void)memory;
    (void)size;
    return -1;
#endif
}

void apir_zero_memory(void *memory, size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t head = (page - (uintptr_t)memory % page) % page;
    head = head < size ? head : size;
    const size_t pages = (size - head) / page * page;
    char *whole = (char *)memory + head;
    memset(memory, 0, head);
    if (pages == 0 || give_back(whole, pages) < 0)
        memset(whole, 0, pages);
    memset(whole + pages, 0, size - head - pages);
}
