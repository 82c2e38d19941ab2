/* apir-session: sessions for the tests that break things.
 *   apir-session --rounds N --seed S [--victim client]   N times: a session under load until something fails, then one
 *                                                         that checks that all is well again
 *   apir-session --one SEED     the first of the two alone
 *   apir-session --check        the second
 *   apir-session --leave        exits in the middle of the first
 *   apir-session --exhaust      takes memory until there is no more, gives it back, and computes
 * Each prints lines with nanoseconds of CLOCK_MONOTONIC: begin, ready, failed, alive, check good. Exit code 1 when a
 * result was wrong or a check failed. With --victim client this program kills its own sessions, at random moments. */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load.h"

enum {
    CHECK_TRIES = 100,
    CHECK_PAUSE_MS = 100,
    LATEST_KILL_MS = 600,
    SETTLE_MS = 3000,
    LEAVE_MS = 700,
    MAX_BUFFERS = 64,
    BUFFER_SIZE = 64 * 1024 * 1024,
    MS = 1000 * 1000,
};

struct thread {
    pthread_t thread;
    ggml_backend_dev_t device;
    uint64_t seed;
    uint64_t failed_at;
    bool wrong;
};

static void say(const char *what, uint64_t at)
{
    printf("%s %llu\n", what, (unsigned long long)at);
    fflush(stdout);
}

static void nap(unsigned ms)
{
    struct timespec time = {ms / 1000, (long)(ms % 1000) * MS};
    nanosleep(&time, NULL);
}

/* Until a call fails. Which sizes, and how much of what, is the seed's choice. */
static void *work(void *argument)
{
    static const int columns[] = {64, 512, 2048, 4096}, rows[] = {16, 256, 1024, 2048};
    struct thread *thread = argument;
    uint64_t random = thread->seed;
    unsigned size = (unsigned)(load_random(&random) % 4), others = (unsigned)(load_random(&random) % 3);
    struct load *load = load_create(thread->device, columns[size], rows[size], random);
    enum load_result result = load ? LOAD_GOOD : LOAD_FAILED;
    for (unsigned i = 0; result == LOAD_GOOD; i++) {
        result = load_turn(load);
        if (result == LOAD_GOOD && others && i % others == 0 && !load_others(load, thread->device))
            result = LOAD_FAILED;
    }
    thread->failed_at = load_now();
    thread->wrong = result == LOAD_WRONG;
    /* and once more, of a session that is dead: nothing may end the program, or wait */
    if (load && (load_turn(load) == LOAD_GOOD || load_others(load, thread->device)))
        thread->wrong = true;
    load_destroy(load);
    return NULL;
}

static uint64_t run_threads(ggml_backend_dev_t device, uint64_t seed, bool *wrong)
{
    struct thread threads[LOAD_MAX_THREADS];
    unsigned count = 1 + (unsigned)(load_random(&seed) % LOAD_MAX_THREADS);
    uint64_t latest = 0;
    for (unsigned i = 0; i < count; i++) {
        threads[i] = (struct thread){.device = device, .seed = load_random(&seed)};
        if (pthread_create(&threads[i].thread, NULL, work, &threads[i]) != 0)
            abort(); /* of a test */
    }
    for (unsigned i = 0; i < count; i++) {
        pthread_join(threads[i].thread, NULL);
        latest = threads[i].failed_at > latest ? threads[i].failed_at : latest;
        *wrong |= threads[i].wrong;
    }
    return latest;
}

static int one(uint64_t seed)
{
    bool wrong = false;
    say("begin", load_now());
    ggml_backend_dev_t device = load_find_device();
    uint64_t failed_at = load_now();
    if (device) {
        say("ready", failed_at);
        failed_at = run_threads(device, seed, &wrong);
    }
    say("failed", failed_at);
    if (wrong)
        say("wrong", load_now());
    say("alive", load_now());
    return wrong;
}

static bool is_well(uint64_t seed)
{
    ggml_backend_dev_t device = load_find_device();
    struct load *load = device ? load_create(device, 512, 64, seed) : NULL;
    bool good = load != NULL;
    for (int i = 0; good && i < 5; i++)
        good = load_turn(load) == LOAD_GOOD && load_others(load, device);
    load_destroy(load);
    return good;
}

static void *work_on(void *argument)
{
    (void)argument;
    one(1);
    return NULL;
}

/* What runs at exit must not wait for a host that does not answer. */
static int leave(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, work_on, NULL) != 0)
        return 1;
    nap(LEAVE_MS);
    exit(0);
}

static bool exhaust(void)
{
    ggml_backend_dev_t device = load_find_device();
    struct load *load = device ? load_create(device, 512, 64, 1) : NULL;
    ggml_backend_buffer_t buffers[MAX_BUFFERS] = {NULL};
    unsigned count = 0;
    bool good = load && load_turn(load) == LOAD_GOOD;
    while (good && count < MAX_BUFFERS &&
           (buffers[count] = ggml_backend_buft_alloc_buffer(ggml_backend_dev_buffer_type(device), BUFFER_SIZE))) {
        ggml_backend_buffer_clear(buffers[count], 1); /* else it may be no memory at all */
        count++;
    }
    printf("buffers %u\n", count);
    good = good && count > 0 && count < MAX_BUFFERS && load_turn(load) == LOAD_GOOD;
    while (count > 0)
        ggml_backend_buffer_free(buffers[--count]);
    good = good && load_turn(load) == LOAD_GOOD && load_others(load, device);
    load_destroy(load);
    return good;
}

static pid_t start(const char *option, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "apir-session", option, text, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static int wait_for(pid_t pid)
{
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

/* While the host's daemon starts again there is no device: that is waited for, and told. */
static bool check(uint64_t seed)
{
    int tries = 0, status = -1;
    while (status != 0 && tries++ < CHECK_TRIES) {
        if (tries > 1)
            nap(CHECK_PAUSE_MS);
        status = wait_for(start("--is-well", seed));
    }
    say(status == 0 ? (tries == 1 ? "check good" : "check late") : "check bad", load_now());
    return status == 0;
}

static bool round_of(uint64_t seed, bool kill_client)
{
    uint64_t random = seed;
    pid_t pid = start("--one", seed);
    if (kill_client) {
        nap((unsigned)(load_random(&random) % LATEST_KILL_MS));
        kill(pid, SIGKILL);
    }
    int status = wait_for(pid);
    bool good = kill_client ? WIFSIGNALED(status) : status == 0;
    printf("ended %s %d\n", good ? "good" : "bad", status);
    fflush(stdout);
    return check(seed) && good;
}

static int rounds(unsigned count, uint64_t seed, bool kill_client)
{
    unsigned bad = 0;
    for (unsigned i = 0; i < count; i++) {
        printf("round %u seed %llu\n", i, (unsigned long long)seed + i);
        fflush(stdout);
        bad += !round_of(seed + i, kill_client);
    }
    printf("done %u of %u\n", count - bad, count);
    fflush(stdout);
    nap(SETTLE_MS); /* whoever watches the host looks at it now */
    return bad > 0;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"one", required_argument, NULL, 'o'},   {"is-well", required_argument, NULL, 'w'},
        {"check", no_argument, NULL, 'c'},       {"rounds", required_argument, NULL, 'n'},
        {"seed", required_argument, NULL, 's'},  {"victim", required_argument, NULL, 'v'},
        {"leave", no_argument, NULL, 'l'},       {"exhaust", no_argument, NULL, 'x'},
        {NULL, 0, NULL, 0},
    };
    unsigned count = 1;
    uint64_t seed = 1;
    bool kill_client = false;
    int option;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == 'o')
            return one(strtoull(optarg, NULL, 10));
        if (option == 'w')
            return !is_well(strtoull(optarg, NULL, 10));
        if (option == 'c')
            return !check(seed);
        if (option == 'l')
            return leave();
        if (option == 'x')
            return !exhaust();
        if (option == '?')
            return 2;
        if (option == 'n')
            count = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 's')
            seed = strtoull(optarg, NULL, 10);
        else
            kill_client = strcmp(optarg, "client") == 0;
    }
    return rounds(count, seed, kill_client);
}
