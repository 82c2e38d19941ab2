/* What a worker writes to its standard output and error: a pipe, whose lines go to the daemon's log. A worker has not the
 * log itself, which it could cut short, fill, or, if it is a terminal, type into. */
#ifndef APIR_ATTACH_WORKER_LOG_H
#define APIR_ATTACH_WORKER_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "attach/loop.h"

enum {
    APIR_WORKER_LOG_LINE = 1024,        /* bytes of a line; what is longer becomes several */
    APIR_WORKER_LOG_FREE = 1024 * 1024, /* bytes that are taken as fast as they come */
    APIR_WORKER_LOG_RATE = 16 * 1024,   /* bytes a second from then on: a worker that writes more waits */
};

/* Lives inside its owner, which calls close. */
struct apir_worker_log {
    struct apir_loop *loop;
    int fd;       /* the pipe; -1: closed */
    FILE *output; /* the log, borrowed; NULL: lines are dropped */
    bool limited;
    size_t budget; /* bytes that are taken until the timer */
    struct apir_source source;
    struct apir_timer timer; /* set while nothing is read */
    char line[APIR_WORKER_LOG_LINE];
    size_t used;
};

/* A closed one. */
void apir_worker_log_init(struct apir_worker_log *log, struct apir_loop *loop);

/* Opens it. output is borrowed (NULL: none); *end is for the worker, the caller closes it. 0 or -errno. */
int apir_worker_log_open(struct apir_worker_log *log, FILE *output, bool limited, int *end);

/* Takes what the worker has written and closes the pipe. A closed one is a no-op. */
void apir_worker_log_close(struct apir_worker_log *log);

#endif
