/* Asks a worker at start-up whether the ggml library can be used, and logs what it says. */
#ifndef APIR_ATTACH_PROBE_H
#define APIR_ATTACH_PROBE_H

#include "attach/loop.h"
#include "attach/worker-process.h"
#include "util/log.h"

enum {
    APIR_PROBE_LINE = 512,
    APIR_PROBE_NOT_CONFINED = 3, /* exit code of a worker whose sandbox lacks something that is required */
};

/* What the probe has printed on one stream and is not logged yet. */
struct apir_probe_stream {
    struct apir_probe *probe;
    struct apir_source source;
    int fd; /* our end of the pipe; -1: at its end */
    enum apir_log_level level;
    char line[APIR_PROBE_LINE];
    unsigned used;
    unsigned lines; /* logged so far */
};

/* Lives inside its owner; finish may be called at any time. */
struct apir_probe {
    struct apir_loop *loop;
    const struct apir_log *log;
    const struct apir_worker_options *options;
    struct apir_worker_process process;
    struct apir_probe_stream output; /* a line per device */
    struct apir_probe_stream error;  /* what is wrong */
    void (*unconfined)(void *owner); /* may be set once it is started: called when the sandbox is not what is required */
    void *owner;
};

/* Starts the probe of options->ggml_library (not NULL). Returns at once, 0 or -errno; the outcome is logged. */
int apir_probe_start(struct apir_probe *probe, struct apir_loop *loop, const struct apir_log *log,
                     const struct apir_worker_options *options);

/* Kills the probe if it still runs. A zeroed probe is a no-op. */
void apir_probe_finish(struct apir_probe *probe);

#endif
