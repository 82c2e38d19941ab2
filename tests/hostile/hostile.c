/* A guest that does all the harm it can to the device's host, and counts what it did.
 *
 *   apir-hostile --seconds N [--seed S] [--jobs N] [--mode M[,M...]] [--socket PATH]
 *
 * Processes of it, as many as --jobs says, each do one kind of harm for some seconds, then another. Half of them are killed
 * in the middle. At the end there is a line for each mode: "MODE: WHAT COUNT ...". The exit code tells nothing about the
 * host; whoever started this looks at that. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile/attack.h"
#include "util/clock.h"

enum {
    MAX_JOBS = 64,
    MAX_MODES = 16,
    MIN_TURN_MS = 1000, /* of an attack */
    MAX_TURN_MS = 8000,
    GRACE_MS = 3000, /* until an attack that should have ended is killed */
    NS_PER_MS = 1000 * 1000,
};

const struct mode modes[] = {
    {"calls", attack_calls, false, "every call malformed in every way"},
    {"commands", attack_commands, false, "commands that are none, or out of order"},
    {"memory", attack_memory, false, "shared memory that changes during calls"},
    {"graphs", attack_graphs, false, "graphs that are to crash ggml"},
    {"flood", attack_flood, false, "too much of everything that is allowed"},
    {"contexts", attack_contexts, false, "contexts, as many and as fast as can be"},
    {"leak", attack_leak, false, "memory and objects that are never given back"},
    {"upstream", attack_upstream, false, "the deployed protocol 0.x, malformed"},
    {"races", attack_races, true, "memory and files that go while they are used"},
    {"ioctls", attack_ioctls, true, "the kernel's own calls, malformed"},
};
const unsigned n_modes = sizeof modes / sizeof *modes;

struct job {
    pid_t pid; /* 0: none */
    uint64_t kill_ns;
};

struct hostile {
    const char *socket;
    uint64_t end_ns;
    unsigned seconds;
    struct random random;
    unsigned n_jobs, next_mode;
    bool chosen[MAX_MODES];
    struct tallies *tallies; /* of each mode */
    struct job jobs[MAX_JOBS];
};

int attack_tried(struct attack *attack, int ret)
{
    attack_count(attack, TALLY_CALLS);
    attack_count(attack, ret < 0 ? TALLY_REFUSED : TALLY_SERVED);
    return ret;
}

bool attack_is_over(const struct attack *attack)
{
    return apir_clock_now() >= attack->end_ns;
}

/* One after the other, so that each has its turn. */
static unsigned choose_mode(struct hostile *hostile)
{
    unsigned mode;
    do
        mode = hostile->next_mode++ % n_modes;
    while (!hostile->chosen[mode]);
    return mode;
}

/* Short enough that in the time there is, each mode has its turn. */
static uint64_t choose_turn(struct hostile *hostile)
{
    uint64_t longest = hostile->seconds * UINT64_C(1000) * hostile->n_jobs / n_modes;
    if (longest > MAX_TURN_MS)
        longest = MAX_TURN_MS;
    if (longest <= MIN_TURN_MS)
        return MIN_TURN_MS * (uint64_t)NS_PER_MS;
    return (MIN_TURN_MS + random_below(&hostile->random, (uint32_t)longest - MIN_TURN_MS)) * (uint64_t)NS_PER_MS;
}

static void run_attack(const struct hostile *hostile, unsigned mode, uint64_t seed, uint64_t end_ns)
{
    struct attack attack = {
        .socket = hostile->socket,
        .samples = APIR_HOSTILE_SAMPLES,
        .tallies = &hostile->tallies[mode],
        .random = {.state = seed | 1},
        .end_ns = end_ns,
    };
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    modes[mode].run(&attack);
}

static void start_job(struct hostile *hostile, struct job *job)
{
    uint64_t now = apir_clock_now(), seed = random_next(&hostile->random), turn = choose_turn(hostile);
    uint64_t end = now + turn < hostile->end_ns ? now + turn : hostile->end_ns;
    bool killed = random_once_in(&hostile->random, 2);
    unsigned mode = choose_mode(hostile);
    fflush(stdout);
    job->pid = fork();
    if (job->pid == 0) {
        setpgid(0, 0);
        run_attack(hostile, mode, seed, end + (killed ? GRACE_MS * (uint64_t)NS_PER_MS : 0));
        _exit(0);
    }
    if (job->pid < 0)
        job->pid = 0;
    job->kill_ns = killed ? end : end + GRACE_MS * (uint64_t)NS_PER_MS;
    if (killed && job->pid > 0)
        tally_add(&hostile->tallies[mode], TALLY_KILLED, 1);
}

static void look_after_job(struct hostile *hostile, struct job *job)
{
    if (job->pid > 0 && apir_clock_now() >= job->kill_ns)
        kill(-job->pid, SIGKILL);
    if (job->pid > 0 && waitpid(job->pid, NULL, WNOHANG) != 0) {
        kill(-job->pid, SIGKILL); /* what it has left */
        job->pid = 0;
    }
    if (job->pid == 0 && apir_clock_now() < hostile->end_ns)
        start_job(hostile, job);
}

static bool has_job(const struct hostile *hostile)
{
    for (unsigned i = 0; i < hostile->n_jobs; i++)
        if (hostile->jobs[i].pid > 0)
            return true;
    return false;
}

static void run(struct hostile *hostile)
{
    do {
        for (unsigned i = 0; i < hostile->n_jobs; i++)
            look_after_job(hostile, &hostile->jobs[i]);
        apir_clock_sleep(20 * NS_PER_MS);
    } while (apir_clock_now() < hostile->end_ns || has_job(hostile));
}

static void report(struct hostile *hostile)
{
    for (unsigned mode = 0; mode < n_modes; mode++) {
        if (!hostile->chosen[mode])
            continue;
        printf("%s:", modes[mode].name);
        for (unsigned what = 0; what < TALLY_COUNT; what++)
            printf(" %s %llu", tally_name((enum tally)what),
                   (unsigned long long)atomic_load(&hostile->tallies[mode].counts[what]));
        printf("\n");
    }
}

static void usage(FILE *stream)
{
    fputs("usage: apir-hostile --seconds N [--seed S] [--jobs N] [--mode M[,M...]] [--socket PATH]\n\nmodes:\n", stream);
    for (unsigned i = 0; i < n_modes; i++)
        fprintf(stream, "  %-10s %s%s\n", modes[i].name, modes[i].what, modes[i].device ? " (device)" : "");
}

static int choose(struct hostile *hostile, char *list)
{
    for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
        unsigned mode = 0;
        while (mode < n_modes && strcmp(modes[mode].name, name) != 0)
            mode++;
        if (mode == n_modes) {
            fprintf(stderr, "apir-hostile: no mode named %s\n", name);
            return -EINVAL;
        }
        hostile->chosen[mode] = true;
    }
    return 0;
}

static void choose_all(struct hostile *hostile)
{
    for (unsigned i = 0; i < n_modes; i++)
        hostile->chosen[i] = !modes[i].device || !hostile->socket;
}

static int parse(struct hostile *hostile, int argc, char **argv)
{
    static const struct option options[] = {
        {"seconds", required_argument, NULL, 's'}, {"seed", required_argument, NULL, 'e'},
        {"jobs", required_argument, NULL, 'j'},    {"mode", required_argument, NULL, 'm'},
        {"socket", required_argument, NULL, 'S'},  {NULL, 0, NULL, 0},
    };
    char *list = NULL;
    int option;
    hostile->n_jobs = 2;
    hostile->random.state = 1;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 's')
            hostile->seconds = (unsigned)atoi(optarg);
        else if (option == 'e')
            hostile->random.state = strtoull(optarg, NULL, 0) * UINT64_C(0x9e3779b97f4a7c15) | 1;
        else if (option == 'j')
            hostile->n_jobs = (unsigned)atoi(optarg);
        else if (option == 'm')
            list = optarg;
        else if (option == 'S')
            hostile->socket = optarg;
        else
            return -EINVAL;
    }
    if (hostile->seconds == 0 || hostile->n_jobs == 0 || hostile->n_jobs > MAX_JOBS || optind < argc)
        return -EINVAL;
    hostile->next_mode = random_below(&hostile->random, n_modes);
    hostile->end_ns = apir_clock_now() + hostile->seconds * UINT64_C(1000000000);
    if (!list)
        choose_all(hostile);
    return list ? choose(hostile, list) : 0;
}

int main(int argc, char **argv)
{
    struct hostile hostile = {.socket = NULL};
    if (parse(&hostile, argc, argv) < 0) {
        usage(stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    hostile.tallies = mmap(NULL, n_modes * sizeof *hostile.tallies, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (hostile.tallies == MAP_FAILED)
        return 1;
    run(&hostile);
    report(&hostile);
    return 0;
}
