/* Counts system calls of other processes with strace. */
#ifndef APIR_BENCH_TRACE_H
#define APIR_BENCH_TRACE_H

#include "child.h"

enum { APIR_MAX_TRACED = 16 };

struct apir_pids {
    pid_t list[APIR_MAX_TRACED];
    size_t count;
};

/* Finds the workers of apird that run now. */
void apir_trace_workers(struct apir_pids *pids);

/* Adds those that run now and did not run before. */
void apir_trace_add_new_workers(struct apir_pids *pids, const struct apir_pids *before);

struct apir_trace {
    struct apir_child strace;
    int log;
    double start, end; /* in seconds since 1970: when it was wholly attached, and when to count no more */
};

/* Attaches to all threads of the processes. 0 or -errno: strace is missing, or may not. */
int apir_trace_start(struct apir_trace *trace, const struct apir_pids *pids);

/* Calls from now on do not count. */
void apir_trace_end(struct apir_trace *trace);

/* Detaches and returns how many system calls ended or were left from start to end. Between end and this the processes
 * must have made some, by ending for instance: -EIO if strace has not seen them, and so would not have seen others. */
long apir_trace_finish(struct apir_trace *trace);

#endif
