/* Logging: one line a call, to a stream that the program chose. Library code logs only through a struct
 * it was handed. Nothing that a guest chose is logged above debug level. */
#ifndef APIR_UTIL_LOG_H
#define APIR_UTIL_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum apir_log_level {
    APIR_LOG_ERROR = 1,
    APIR_LOG_WARN = 2,
    APIR_LOG_INFO = 3,
    APIR_LOG_DEBUG = 4,
};

enum {
    APIR_LOG_BURST = 256, /* lines that are written as fast as they come */
    APIR_LOG_RATE = 4,    /* lines a second from then on */
};

/* For a log of lines that a guest can cause: how many more are written. Zero-initialised is complete. Of one thread.
 * Lines of the debug level are not counted: who wants them wants all. */
struct apir_log_limit {
    uint64_t full_ns;  /* when APIR_LOG_BURST could be written again */
    unsigned left_out; /* since the last that was written, which is told with the next */
};

/* Where lines go. Immutable after start-up, hence shared by threads without a lock. */
struct apir_log {
    FILE *stream;                 /* borrowed; NULL: silent */
    enum apir_log_level level;    /* lines above it are dropped */
    const char *prefix;           /* borrowed; printed before each line, e.g. "apird" */
    struct apir_log_limit *limit; /* borrowed; NULL: none */
};

/* Whether a line of this level would be written. */
static inline bool apir_log_enabled(const struct apir_log *log, enum apir_log_level level)
{
    return log && log->stream && level <= log->level;
}

/* Writes one line "prefix: text" when level is enabled; adds the newline. A NULL log is silent. Keeps errno. */
void apir_log_print(const struct apir_log *log, enum apir_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with a va_list. */
void apir_log_vprint(const struct apir_log *log, enum apir_log_level level, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

/* Writes text, whole lines, to a stream that threads may share, and flushes it. Waits for nobody: what a pipe, socket or
 * terminal has no room for, because its reader has stopped reading, is lost. false: it was. */
bool apir_log_write(FILE *stream, const char *text, size_t size);

#define apir_error(log, ...) apir_log_print(log, APIR_LOG_ERROR, __VA_ARGS__)
#define apir_warn(log, ...) apir_log_print(log, APIR_LOG_WARN, __VA_ARGS__)
#define apir_info(log, ...) apir_log_print(log, APIR_LOG_INFO, __VA_ARGS__)
#define apir_debug(log, ...) apir_log_print(log, APIR_LOG_DEBUG, __VA_ARGS__)

#endif
