#include "util/log.h"

#include <errno.h>
#include <string.h>

void apir_log_vprint(const struct apir_log *log, enum apir_log_level level, const char *format, va_list args)
{
    if (!log || !log->stream || level > log->level)
        return;
    int saved = errno;
    char line[1024];
    int used = snprintf(line, sizeof line, "%s: ", log->prefix ? log->prefix : "apir");
    if (used > 0 && (size_t)used < sizeof line - 2)
        vsnprintf(line + used, sizeof line - 1 - (size_t)used, format, args);
    size_t length = strlen(line);
    line[length] = '\n';
    /* one write, so that lines of several processes on one file do not mix */
    fwrite(line, 1, length + 1, log->stream);
    fflush(log->stream);
    errno = saved;
}

void apir_log_print(const struct apir_log *log, enum apir_log_level level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    apir_log_vprint(log, level, format, args);
    va_end(args);
}
