/* What ggml says, as lines of a log of ours. It says why each allocation failed, for one: the log is not the guest's to
 * fill, so that after some lines the rest counts as debugging. */
#ifndef APIR_EXECUTOR_GGML_LOG_H
#define APIR_EXECUTOR_GGML_LOG_H

#include <stdatomic.h>

#include "util/log.h"

enum {
    APIR_MAX_GGML_LINES = 1000, /* of warnings and errors in a process; drivers say some dozens at the start */
};

/* Zeroed but for log, which the owner sets before it is attached. */
struct apir_ggml_log {
    struct apir_log log;
    _Atomic unsigned lines; /* of warnings and errors so far; relaxed: a counter */
};

/* Has ggml log there. Borrows log for the rest of the process: ggml has one log for all. */
void apir_ggml_log_attach(struct apir_ggml_log *log);

#endif
