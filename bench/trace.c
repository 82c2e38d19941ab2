#include "trace.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"

static bool is_worker(const char *pid)
{
    char path[300], name[32] = "";
    snprintf(path, sizeof path, "/proc/%s/comm", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    if (!fgets(name, sizeof name, file))
        name[0] = '\0';
    fclose(file);
    return strcmp(name, "apird-worker\n") == 0;
}

static bool is_among(const struct apir_pids *pids, pid_t pid)
{
    for (size_t i = 0; i < pids->count; i++)
        if (pids->list[i] == pid)
            return true;
    return false;
}

void apir_trace_add_new_workers(struct apir_pids *pids, const struct apir_pids *before)
{
    struct dirent *entry;
    DIR *processes = opendir("/proc");
    if (!processes)
        return;
    while ((entry = readdir(processes)) && pids->count < APIR_MAX_TRACED) {
        pid_t pid = (pid_t)atol(entry->d_name);
        if (pid > 0 && is_worker(entry->d_name) && !is_among(before, pid))
            pids->list[pids->count++] = pid;
    }
    closedir(processes);
}

void apir_trace_workers(struct apir_pids *pids)
{
    const struct apir_pids none = {.count = 0};
    *pids = none;
    apir_trace_add_new_workers(pids, &none);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Whether somebody traces the process. */
static bool is_traced(pid_t pid)
{
    char path[64], line[128];
    int tracer = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "TracerPid: %d", &tracer) == 1)
            break;
    if (file)
        fclose(file);
    return tracer != 0;
}

static bool wait_until_traced(const struct apir_pids *pids)
{
    for (int tries = 0; tries < 200; tries++) {
        size_t traced = 0;
        while (traced < pids->count && is_traced(pids->list[traced]))
            traced++;
        if (traced == pids->count)
            return true;
        apir_clock_sleep(10000000);
    }
    return false;
}

static int start_strace(struct apir_trace *trace, const struct apir_pids *pids)
{
    struct apir_command command = {.count = 0};
    char log[64], texts[APIR_MAX_TRACED][16];
    snprintf(log, sizeof log, "/proc/self/fd/%d", trace->log);
    const char *const first[] = {"strace", "-f", "-qq", "-ttt", "-o", log};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        apir_command_add(&command, first[i]);
    for (size_t i = 0; i < pids->count; i++) {
        snprintf(texts[i], sizeof texts[i], "%d", (int)pids->list[i]);
        apir_command_add(&command, "-p");
        apir_command_add(&command, texts[i]);
    }
    return apir_child_start(&trace->strace, &command, 1);
}

int apir_trace_start(struct apir_trace *trace, const struct apir_pids *pids)
{
    trace->log = memfd_create("strace", 0); /* strace opens it by its number */
    if (trace->log < 0)
        return -errno;
    int err = start_strace(trace, pids);
    if (!err && !wait_until_traced(pids)) {
        kill(trace->strace.pid, SIGINT);
        apir_child_finish(&trace->strace);
        err = -EPERM;
    }
    if (err) {
        close(trace->log);
        return err;
    }
    apir_clock_sleep(300000000); /* threads are attached to one by one, and then restart what they were in */
    trace->start = now();
    return 0;
}

void apir_trace_end(struct apir_trace *trace)
{
    trace->end = now();
}

/* When the call of a line of the log ended ("PID TIME name(..."); 0 if it is not the end of one. */
static double time_of_call(const char *line)
{
    double time;
    int words = 0;
    if (sscanf(line, "%*d %lf %n", &time, &words) != 1 || !words || strstr(line, "<unfinished ...>"))
        return 0;
    return strncmp(line + words, "+++", 3) != 0 && strncmp(line + words, "---", 3) != 0 ? time : 0;
}

long apir_trace_finish(struct apir_trace *trace)
{
    char line[1024];
    long count = 0, later = 0;
    kill(trace->strace.pid, SIGINT);
    apir_child_finish(&trace->strace);
    lseek(trace->log, 0, SEEK_SET);
    FILE *log = fdopen(trace->log, "r");
    while (log && fgets(line, sizeof line, log)) {
        double time = time_of_call(line);
        count += time >= trace->start && time <= trace->end;
        later += time > trace->end;
    }
    if (log)
        fclose(log);
    else
        close(trace->log);
    return later ? count : -EIO;
}
