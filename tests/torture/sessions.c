/* apir-sessions N [PARALLEL]: N sessions of the plug-in GGML_BACKEND_PATH, each of a process of its own: connect, load,
 * compute and check, end. Exit code 1 if one failed.
 * apir-sessions --calls N: one session, about N calls: data set, computed and got, memory asked, buffers made and freed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load.h"

enum {
    TURNS = 2,
    COLUMNS = 64,
    ROWS = 16,
    CALLS_A_TURN = 3, /* set, compute, get */
    OTHER_CALLS = 4,
    TURNS_PER_OTHERS = 100,
};

static ggml_backend_dev_t find_device(void)
{
    const char *path = getenv("GGML_BACKEND_PATH");
    ggml_backend_reg_t reg = path ? ggml_backend_load(path) : NULL;
    return reg && ggml_backend_reg_dev_count(reg) > 0 ? ggml_backend_reg_dev_get(reg, 0) : NULL;
}

static bool compute(struct load *load, long turns, ggml_backend_dev_t device)
{
    for (long i = 0; i < turns; i++)
        if (load_turn(load) != LOAD_GOOD || (i % TURNS_PER_OTHERS == 0 && !load_others(load, device)))
            return false;
    return true;
}

static int run_session(long turns, uint64_t seed)
{
    ggml_backend_dev_t device = find_device();
    struct load *load = device ? load_create(device, COLUMNS, ROWS, seed) : NULL;
    bool good = load && compute(load, turns, device);
    load_destroy(load);
    return !good;
}

/* One session has ended: whether it failed. */
static bool reap(void)
{
    int status = -1;
    while (wait(&status) < 0 && errno == EINTR)
        ;
    return status != 0;
}

static int run_sessions(long count, long parallel)
{
    long failed = 0, running = 0;
    for (long i = 0; i < count; i++) {
        if (running == parallel) {
            failed += reap();
            running--;
        }
        pid_t pid = fork();
        if (pid == 0)
            _exit(run_session(TURNS, (uint64_t)i));
        if (pid < 0)
            return 1;
        running++;
    }
    while (running-- > 0)
        failed += reap();
    printf("sessions %ld failed %ld\n", count, failed);
    return failed > 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--calls") == 0) {
        long turns = atol(argv[2]) / CALLS_A_TURN;
        int ret = run_session(turns, 1);
        printf("calls %ld failed %d\n", turns * CALLS_A_TURN + turns / TURNS_PER_OTHERS * OTHER_CALLS, ret);
        return ret;
    }
    return run_sessions(argc > 1 ? atol(argv[1]) : 100, argc > 2 ? atol(argv[2]) : 1);
}
