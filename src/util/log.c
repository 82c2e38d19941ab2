#include "util/log.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "util/clock.h"

enum { NS_PER_S = 1000 * 1000 * 1000, NS_PER_LINE = NS_PER_S / APIR_LOG_RATE };

static bool is_allowed(struct apir_log_limit *limit)
{
    uint64_t now = apir_clock_now(), full = limit->full_ns > now ? limit->full_ns : now;
    if (full - now > (uint64_t)NS_PER_LINE * (APIR_LOG_BURST - 1)) {
        limit->left_out++;
        return false;
    }
    limit->full_ns = full + NS_PER_LINE;
    return true;
}

static void tell_left_out(const struct apir_log *log)
{
    struct apir_log whole = *log;
    whole.limit = NULL;
    if (log->limit->left_out > 0)
        apir_warn(&whole, "%u lines were left out: there were too many", log->limit->left_out);
    log->limit->left_out = 0;
}

static bool is_written(const struct apir_log *log, enum apir_log_level level)
{
    if (!apir_log_enabled(log, level))
        return false;
    if (!log->limit || level >= APIR_LOG_DEBUG)
        return true;
    if (!is_allowed(log->limit))
        return false;
    tell_left_out(log);
    return true;
}

/* A stream without a file, one into memory, always has. A pipe that can be written to takes a page at least. */
static bool has_room(FILE *stream)
{
    struct pollfd poll_fd = {.fd = fileno(stream), .events = POLLOUT};
    return poll_fd.fd < 0 || (poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLOUT));
}

bool apir_log_write(FILE *stream, const char *text, size_t size)
{
    flockfile(stream); /* or another thread takes the room */
    bool written = has_room(stream) && fwrite(text, 1, size, stream) == size;
    written = fflush(stream) == 0 && written;
    funlockfile(stream);
    return written;
}

void apir_log_vprint(const struct apir_log *log, enum apir_log_level level, const char *format, va_list args)
{
    int saved = errno;
    if (!is_written(log, level))
        return;
    char line[1024];
    int used = snprintf(line, sizeof line, "%s: ", log->prefix ? log->prefix : "apir");
    if (used > 0 && (size_t)used < sizeof line - 2)
        vsnprintf(line + used, sizeof line - 1 - (size_t)used, format, args);
    size_t length = strlen(line);
    line[length] = '\n';
    /* one write, so that lines of several processes on one file do not mix */
    apir_log_write(log->stream, line, length + 1);
    errno = saved;
}

void apir_log_print(const struct apir_log *log, enum apir_log_level level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    apir_log_vprint(log, level, format, args);
    va_end(args);
}
