#include "attach/worker-log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/log.h"

enum {
    PIECE = 4096,
    PAUSE_MS = 1000,
    LAST_BYTES = 64 * 1024, /* a pipe's: what a worker may have left there */
};

static void write_line(struct apir_worker_log *log)
{
    if (log->used == 0)
        return;
    log->line[log->used++] = '\n';
    if (log->output)
        apir_log_write(log->output, log->line, log->used); /* or it is lost: a disk may be full */
    log->used = 0;
}

/* No escapes for a terminal, and nothing that looks like another line. */
static char clean(char byte)
{
    return ((unsigned char)byte < ' ' && byte != '\t') || byte == 0x7f ? '?' : byte;
}

static void take(struct apir_worker_log *log, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != '\n')
            log->line[log->used++] = clean(bytes[i]);
        if (bytes[i] == '\n' || log->used == sizeof log->line - 1)
            write_line(log);
    }
}

static void finish(struct apir_worker_log *log)
{
    write_line(log);
    apir_loop_clear_timer(&log->timer);
    apir_loop_unwatch(log->loop, &log->source);
    apir_fd_close(&log->fd);
}

/* Bytes that were taken, 0 at the end, or -1: nothing is there. */
static ssize_t read_piece(struct apir_worker_log *log)
{
    char bytes[PIECE];
    ssize_t got = read(log->fd, bytes, sizeof bytes);
    if (got > 0)
        take(log, bytes, (size_t)got);
    return got;
}

static void log_ready(void *owner, uint32_t events)
{
    struct apir_worker_log *log = owner;
    (void)events;
    ssize_t got = read_piece(log);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        finish(log);
        return;
    }
    if (got < 0 || !log->limited)
        return;
    log->budget -= (size_t)got < log->budget ? (size_t)got : log->budget;
    if (log->budget > 0)
        return;
    apir_loop_unwatch(log->loop, &log->source);
    apir_loop_set_timer(log->loop, &log->timer, PAUSE_MS);
}

static void pause_over(void *owner)
{
    struct apir_worker_log *log = owner;
    log->budget = APIR_WORKER_LOG_RATE;
    if (apir_loop_watch(log->loop, &log->source, log->fd, EPOLLIN) < 0)
        apir_loop_set_timer(log->loop, &log->timer, PAUSE_MS);
}

void apir_worker_log_init(struct apir_worker_log *log, struct apir_loop *loop)
{
    log->loop = loop;
    log->fd = -1;
    log->used = 0;
    apir_source_init(&log->source, log_ready, log);
    apir_timer_init(&log->timer, pause_over, log);
}

int apir_worker_log_open(struct apir_worker_log *log, FILE *output, bool limited, int *end)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    int ret = fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0; /* the worker's end waits */
    if (ret == 0)
        ret = apir_loop_watch(log->loop, &log->source, ends[0], EPOLLIN);
    if (ret < 0) {
        apir_fd_close(&ends[0]);
        apir_fd_close(&ends[1]);
        return ret;
    }
    log->fd = ends[0];
    log->output = output;
    log->limited = limited;
    log->budget = APIR_WORKER_LOG_FREE;
    log->used = 0;
    *end = ends[1];
    return 0;
}

void apir_worker_log_close(struct apir_worker_log *log)
{
    ssize_t got = 1;
    if (log->fd < 0)
        return;
    for (size_t taken = 0; got > 0 && taken < LAST_BYTES; taken += got > 0 ? (size_t)got : 0)
        got = read_piece(log);
    finish(log);
}
