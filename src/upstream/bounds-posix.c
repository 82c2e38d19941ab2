/* By asking about pages until one is missing. Neighbouring mappings look like one: what lies behind the memory that was
 * meant can only be told where the kernel lists mappings. */
#include "upstream/bounds.h"

#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FIRST_PAGES = 4 };

static bool is_mapped(uintptr_t start, uint64_t size)
{
    return start <= UINTPTR_MAX - size && msync((void *)start, size, MS_ASYNC) == 0;
}

/* Pages that are mapped from start: asked about in steps that double, then halve. No more than twice the result is
 * asked about. */
static uint64_t count_pages(uintptr_t start, uint64_t page)
{
    uint64_t pages = 0, step = FIRST_PAGES;
    while (is_mapped(start + pages * page, step * page)) {
        pages += step;
        step *= 2;
    }
    while (step > 1) {
        step /= 2;
        if (is_mapped(start + pages * page, step * page))
            pages += step;
    }
    return pages;
}

uint64_t apir_bounds_find(const void *pointer)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = (uintptr_t)pointer & ~(uintptr_t)(page - 1);
    uint64_t pages = count_pages(start, page);
    return pages ? pages * page - ((uintptr_t)pointer - start) : 0;
}
