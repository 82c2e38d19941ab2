/* apir-killer [--victim worker|daemon|none] [--seed S] -- CMD...: runs CMD, which runs apir-session --rounds somewhere (here,
 * or in a virtual machine), and ends a worker or the daemon at a random moment of each round. apird is looked for among the
 * processes below --below PID (default: this one). Prints what became of each, and at the end
 *     kills N clean N after N slowest_ms N workers_left N fds_more N kib_more N
 * clean: an error came within a second, and the program lived on; after: the next session computed right. */
#include <dirent.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load.h"

enum {
    LIMIT_MS = 1000,
    START_MS = 400,     /* a start takes less */
    LOAD_MS = 500,      /* of load before a kill */
    MAX_WORKERS = 64,
    MAX_OLD = 4096,
    MS = 1000 * 1000,
};

struct process {
    pid_t pid, parent;
    char name[32];
};

struct killer {
    pid_t below;
    bool kill_daemon, kill_nobody;
    uint64_t random;
    uint64_t limit;                  /* ns for an error */
    pid_t old[MAX_WORKERS];          /* workers of before this round */
    unsigned old_count;
    uint64_t at;                     /* when to kill; 0: not now */
    uint64_t killed_at, failed_at;
    bool at_start;                   /* this round's worker dies early */
    bool in_round;
    char round[64];
    int fds_before;
    long kib_before; /* of the daemon */
    uint64_t slowest;
    unsigned kills, clean, after, rounds;
    pid_t orphans[MAX_WORKERS];      /* workers of the daemon that was killed */
    unsigned orphan_count, orphans_left;
};

static bool read_process(const char *pid, struct process *process)
{
    char path[300], text[512];
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    FILE *file = fopen(path, "re");
    size_t size = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[size] = '\0';
    char *open = strchr(text, '('), *close = strrchr(text, ')');
    char state;
    if (!open || !close || sscanf(close + 1, " %c %d", &state, &process->parent) != 2 || state == 'Z')
        return false;
    *close = '\0';
    process->pid = atoi(pid);
    snprintf(process->name, sizeof process->name, "%s", open + 1);
    return true;
}

static pid_t parent_of(pid_t pid)
{
    char text[16];
    struct process process;
    snprintf(text, sizeof text, "%d", (int)pid);
    return read_process(text, &process) ? process.parent : 0;
}

static bool is_below(pid_t pid, pid_t ancestor)
{
    while (pid > 1 && pid != ancestor)
        pid = parent_of(pid);
    return pid == ancestor;
}

/* Processes of that name below one. */
static unsigned find(pid_t below, const char *name, pid_t *pids, unsigned max)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    struct process process;
    while (folder && (entry = readdir(folder)) && count < max)
        if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9' && read_process(entry->d_name, &process) &&
            strcmp(process.name, name) == 0 && is_below(process.pid, below))
            pids[count++] = process.pid;
    if (folder)
        closedir(folder);
    return count;
}

static pid_t find_daemon(const struct killer *killer)
{
    pid_t pid = 0;
    return find(killer->below, "apird", &pid, 1) ? pid : 0;
}

static unsigned find_workers(const struct killer *killer, pid_t *pids)
{
    pid_t daemon = find_daemon(killer);
    return daemon ? find(daemon, "apird-worker", pids, MAX_WORKERS) : 0;
}

static int count_fds(pid_t pid)
{
    char path[64];
    int count = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *folder = opendir(path);
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count;
}

/* KiB of a process that are its own or shared. */
static long memory_of(pid_t pid)
{
    char path[64], line[256];
    long sum = 0, kib;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "RssAnon: %ld", &kib) == 1 || sscanf(line, "RssShmem: %ld", &kib) == 1)
            sum += kib;
    if (file)
        fclose(file);
    return sum;
}

static bool is_old(const struct killer *killer, pid_t pid)
{
    for (unsigned i = 0; i < killer->old_count; i++)
        if (killer->old[i] == pid)
            return true;
    return false;
}

/* What is to be killed in this round; 0: it is not there yet. */
static pid_t find_victim(const struct killer *killer)
{
    pid_t pids[MAX_WORKERS];
    if (killer->kill_daemon)
        return find_daemon(killer);
    unsigned count = find_workers(killer, pids);
    for (unsigned i = 0; i < count; i++)
        if (!is_old(killer, pids[i]))
            return pids[i];
    return 0;
}

static void arm(struct killer *killer, unsigned ms)
{
    killer->at = load_now() + load_random(&killer->random) % ((uint64_t)ms * MS);
}

static void try_to_kill(struct killer *killer)
{
    pid_t pid = find_victim(killer);
    if (!pid) {
        killer->at = load_now() + MS / 2; /* soon again */
        return;
    }
    killer->at = 0;
    killer->orphan_count = killer->kill_daemon ? find_workers(killer, killer->orphans) : 0;
    killer->killed_at = load_now();
    kill(pid, SIGKILL);
    killer->kills++;
}

static void begin_round(struct killer *killer, const char *line)
{
    snprintf(killer->round, sizeof killer->round, "%s", line);
    killer->old_count = find_workers(killer, killer->old);
    pid_t daemon = find_daemon(killer);
    if (killer->rounds++ < 2) { /* the second, if there is one: what the first session takes for good is no leak */
        killer->fds_before = count_fds(daemon);
        killer->kib_before = memory_of(daemon);
    }
    killer->killed_at = killer->failed_at = 0;
    killer->at_start = load_random(&killer->random) % 3 == 0;
    killer->in_round = true;
}

/* A daemon's workers must not outlive it by more than two seconds. */
static void count_orphans(struct killer *killer)
{
    uint64_t until = killer->killed_at + UINT64_C(2000) * MS;
    for (unsigned i = 0; i < killer->orphan_count; i++) {
        while (parent_of(killer->orphans[i]) && load_now() < until)
            usleep(10 * 1000);
        if (!parent_of(killer->orphans[i]))
            continue;
        printf("MISSED %s: worker %d lives on without its daemon\n", killer->round, (int)killer->orphans[i]);
        killer->orphans_left++;
    }
}

static void end_round(struct killer *killer, const char *line)
{
    uint64_t took = killer->failed_at > killer->killed_at ? killer->failed_at - killer->killed_at : 0;
    bool good = strncmp(line, "ended good", 10) == 0 && (killer->kill_nobody || killer->killed_at) && took <= killer->limit;
    killer->in_round = false;
    killer->at = 0;
    killer->clean += good;
    killer->slowest = took > killer->slowest ? took : killer->slowest;
    if (!good)
        printf("MISSED %s: %s after %llu ms%s\n", killer->round, line, (unsigned long long)took / MS,
               killer->killed_at ? "" : ", nothing was killed");
    count_orphans(killer);
    fflush(stdout);
}

static void handle(struct killer *killer, const char *line)
{
    uint64_t now = load_now();
    if (strncmp(line, "round ", 6) == 0) {
        begin_round(killer, line);
    } else if (strncmp(line, "begin ", 6) == 0 && killer->at_start && !killer->kill_nobody) {
        arm(killer, START_MS);
    } else if (strncmp(line, "ready ", 6) == 0 && !killer->kill_nobody && !killer->at) {
        arm(killer, LOAD_MS); /* also after a kill that came before the session had begun */
    } else if (strncmp(line, "failed ", 7) == 0) {
        killer->failed_at = now; /* of this machine's clock, whatever the guest's is */
        killer->at = 0;
    } else if (strncmp(line, "ended ", 6) == 0) {
        end_round(killer, line);
    } else if (strncmp(line, "check ", 6) == 0) {
        killer->after += strncmp(line, "check good", 10) == 0 || strncmp(line, "check late", 10) == 0;
        if (strncmp(line, "check bad", 9) == 0)
            printf("MISSED %s: no session after it\n", killer->round);
    }
}

/* Once all sessions are over: what the host has left. */
static void sum_up(struct killer *killer)
{
    pid_t pids[MAX_WORKERS], daemon = find_daemon(killer);
    uint64_t until = load_now() + UINT64_C(2000) * MS;
    unsigned left;
    /* a worker that has ended leaves the list before the daemon gives up what it had for it */
    while (((left = find_workers(killer, pids)) > 0 || (daemon && count_fds(daemon) > killer->fds_before)) &&
           load_now() < until)
        usleep(50 * 1000);
    printf("kills %u clean %u after %u slowest_ms %llu workers_left %u fds_more %d kib_more %ld\n", killer->kills, killer->clean,
           killer->after, (unsigned long long)killer->slowest / MS, left + killer->orphans_left,
           daemon ? count_fds(daemon) - killer->fds_before : -1,
           daemon ? memory_of(daemon) - killer->kib_before : -1);
    fflush(stdout);
}

static int time_left(const struct killer *killer)
{
    uint64_t now = load_now();
    if (!killer->at)
        return -1;
    return killer->at <= now ? 0 : (int)((killer->at - now + MS - 1) / MS);
}

/* Takes the lines that have come; false at their end. */
static bool take_lines(struct killer *killer, int fd, char *text, size_t *used, size_t size)
{
    ssize_t got = read(fd, text + *used, size - *used - 1);
    if (got <= 0)
        return false;
    *used += (size_t)got;
    text[*used] = '\0';
    char *line = text, *end;
    while ((end = strchr(line, '\n'))) {
        *end = '\0';
        handle(killer, line);
        if (strncmp(line, "done ", 5) == 0)
            sum_up(killer);
        line = end + 1;
    }
    *used = strlen(line);
    memmove(text, line, *used + 1);
    if (*used == size - 1)
        *used = 0;
    return true;
}

static void watch(struct killer *killer, int fd)
{
    char text[4096];
    size_t used = 0;
    for (;;) {
        struct pollfd poll_fd = {fd, POLLIN, 0};
        int count = poll(&poll_fd, 1, time_left(killer));
        if (killer->at && killer->at <= load_now())
            try_to_kill(killer);
        if (count > 0 && !take_lines(killer, fd, text, &used, sizeof text))
            return;
    }
}

static pid_t start(char **argv, int *fd)
{
    int ends[2];
    if (pipe(ends) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execvp(argv[0], argv);
        _exit(127);
    }
    close(ends[1]);
    *fd = ends[0];
    return pid;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"victim", required_argument, NULL, 'v'}, {"seed", required_argument, NULL, 's'},
        {"below", required_argument, NULL, 'b'},  {"limit-ms", required_argument, NULL, 'l'},
        {NULL, 0, NULL, 0},
    };
    struct killer killer = {.below = getpid(), .random = 1, .limit = UINT64_C(1000000) * LIMIT_MS};
    int option, fd, status;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == '?')
            return 2;
        if (option == 'v') {
            killer.kill_daemon = strcmp(optarg, "daemon") == 0;
            killer.kill_nobody = strcmp(optarg, "none") == 0;
        } else if (option == 's') {
            killer.random = strtoull(optarg, NULL, 10);
        } else if (option == 'b') {
            killer.below = atoi(optarg);
        } else {
            killer.limit = strtoull(optarg, NULL, 10) * MS;
        }
    }
    if (optind == argc)
        return 2;
    pid_t pid = start(argv + optind, &fd);
    if (pid < 0)
        return 1;
    watch(&killer, fd);
    waitpid(pid, &status, 0);
    bool good = killer.rounds > 0 && killer.orphans_left == 0 && killer.clean == killer.rounds && killer.after == killer.rounds;
    return good && status == 0 ? 0 : 1;
}
