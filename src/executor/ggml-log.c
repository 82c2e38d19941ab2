#include "executor/ggml-log.h"

#include <ggml.h>
#include <string.h>

/* Progress dots and the like only at debug level. */
static enum apir_log_level our_level(enum ggml_log_level level)
{
    switch (level) {
    case GGML_LOG_LEVEL_ERROR:
        return APIR_LOG_ERROR;
    case GGML_LOG_LEVEL_WARN:
        return APIR_LOG_WARN;
    default:
        return APIR_LOG_DEBUG;
    }
}

static void write_line(enum ggml_log_level level, const char *text, void *data)
{
    struct apir_ggml_log *self = data;
    enum apir_log_level ours = our_level(level);
    size_t length = strcspn(text, "\n");
    if (length == 0)
        return;
    unsigned before = ours == APIR_LOG_DEBUG ? 0 : atomic_fetch_add_explicit(&self->lines, 1, memory_order_relaxed);
    if (before == APIR_MAX_GGML_LINES)
        apir_warn(&self->log, "more of what ggml says is logged at debug level only");
    apir_log_print(&self->log, before < APIR_MAX_GGML_LINES ? ours : APIR_LOG_DEBUG, "%.*s", (int)length, text);
}

void apir_ggml_log_attach(struct apir_ggml_log *log)
{
    ggml_log_set(write_line, log);
}
