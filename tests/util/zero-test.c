#include "util/zero.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum { PAGES = 4 };

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static unsigned char *map(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    return memset(memory, 0xa5, size);
}

static void just_the_range_is_zeroed(void **state)
{
    (void)state;
    const size_t page = page_size(), size = PAGES * page;
    const size_t ranges[][2] = {{0, size},       {1, size - 2}, {page, page},         {page - 1, 2}, {page / 2, 8},
                                {page, page + 1}, {5, 0},        {page - 1, page + 2}, {0, 1}};
    for (size_t k = 0; k < sizeof ranges / sizeof *ranges; k++) {
        unsigned char *memory = map(size);
        apir_zero_memory(memory + ranges[k][0], ranges[k][1]);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(memory[i], i >= ranges[k][0] && i - ranges[k][0] < ranges[k][1] ? 0 : 0xa5);
        munmap(memory, size);
    }
}

static void whole_pages_are_given_back(void **state)
{
    (void)state;
    const size_t page = page_size(), size = PAGES * page;
    unsigned char *memory = map(size), resident[PAGES];
    apir_zero_memory(memory, size);
    assert_int_equal(mincore(memory, size, resident), 0);
    for (int i = 0; i < PAGES; i++)
        assert_int_equal(resident[i] & 1, 0);
    munmap(memory, size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(just_the_range_is_zeroed),
        cmocka_unit_test(whole_pages_are_given_back),
    };
    return cmocka_run_group_tests_name("zero", tests, NULL, NULL);
}
