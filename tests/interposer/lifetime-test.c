/* A hypervisor runs for months: nothing of what a context used may stay. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../attach/echo-worker.h"
#include "fake-virgl.h"
#include "hypervisor.h"

enum { WARM_UP = 50, CYCLES = 1000 }; /* SLACK_KB comes from the build: a sanitizer keeps freed memory for some time */

static unsigned count_fds(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static long resident_kb(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_int_equal(fscanf(file, "%ld %ld", &pages, &resident), 2);
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* A program of the guest that comes and goes. */
static void cycle(struct hypervisor *hypervisor, uint32_t number)
{
    const uint32_t words[] = {ECHO_WRITE, 5, 8, number};
    hypervisor->count = 0;
    hypervisor_create_context(1);
    uint32_t *data = hypervisor_create_blob(1, 5);
    hypervisor_submit(1, words, 4);
    assert_true(hypervisor_fence(hypervisor, 1, number));
    assert_int_equal(data[2], number);
    hypervisor_destroy_blob(1, 5, data);
    virgl_renderer_context_destroy(1);
}

/* Waits until the workers of all cycles are gone: each has a socket and a process descriptor here. */
static unsigned settled_fds(unsigned expected)
{
    unsigned count = 0;
    for (int i = 0; i < 100000 && (count = count_fds()) > expected; i++)
        usleep(100);
    return count;
}

static void a_thousand_contexts_leave_nothing(void **state)
{
    static struct hypervisor hypervisor;
    (void)state;
    hypervisor_start(&hypervisor, VIRGL_RENDERER_ASYNC_FENCE_CB);
    cycle(&hypervisor, 1);
    unsigned fds = settled_fds(0);
    for (uint32_t i = 0; i < WARM_UP; i++)
        cycle(&hypervisor, i + 1);
    long before = resident_kb();
    for (uint32_t i = 0; i < CYCLES; i++)
        cycle(&hypervisor, i + 1);
    assert_true(settled_fds(fds) <= fds);
    long grown = resident_kb() - before;
    print_message("%d contexts: %ld KiB more\n", CYCLES, grown);
    assert_true(grown < SLACK_KB);
    hypervisor_stop(&hypervisor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_thousand_contexts_leave_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
