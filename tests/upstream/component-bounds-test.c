/* How much memory there is behind a pointer, as the kernel lists it and as POSIX tells it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "upstream/bounds.h"

enum { PAGES = 1000 };

/* pages that can be used, between pages that are not mapped. */
static char *map(size_t pages, size_t page)
{
    char *data = mmap(NULL, (pages + 2) * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(data, MAP_FAILED);
    assert_int_equal(munmap(data, page), 0);
    assert_int_equal(munmap(data + (pages + 1) * page, page), 0);
    return data + page;
}

static void memory_ends_with_its_mapping(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    static const size_t counts[] = {1, 2, 3, 4, 5, 7, 8, 11, 12, 13, PAGES};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        size_t size = counts[i] * page;
        char *data = map(counts[i], page);
        assert_int_equal(apir_bounds_find(data), size);
        assert_int_equal(apir_bounds_find(data + 1), size - 1);
        assert_int_equal(apir_bounds_find(data + size - 1), 1);
        assert_int_equal(apir_bounds_find(data + size), 0);
        assert_int_equal(apir_bounds_find(data - 1), 0);
        munmap(data, size);
        assert_int_equal(apir_bounds_find(data), 0);
    }
}

static void what_is_no_memory_has_none(void **state)
{
    (void)state;
    assert_int_equal(apir_bounds_find(NULL), 0);
    assert_int_equal(apir_bounds_find((void *)UINTPTR_MAX), 0);
    assert_int_equal(apir_bounds_find((void *)(UINTPTR_MAX / 2)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_ends_with_its_mapping),
        cmocka_unit_test(what_is_no_memory_has_none),
    };
    return cmocka_run_group_tests_name("bounds", tests, NULL, NULL);
}
