/* How the worker of one context is started: from what the hypervisor configured, else from the environment. */
#ifndef APIR_INTERPOSER_SETTINGS_H
#define APIR_INTERPOSER_SETTINGS_H

#include <stdint.h>

#include "attach/worker-process.h"
#include "interposer/config.h"
#include "util/arena.h"
#include "util/log.h"

/* Owns all that options points to, but for its log. */
struct apir_settings {
    struct apir_worker_options options;
    struct apir_arena arena;
};

/* Reads the settings for that context as they are now; object is the path of this library, or NULL. Logs what a user
 * has to mend. NULL when memory is short, or when the limits of a context cannot be kept. */
struct apir_settings *apir_settings_create(const struct apir_config *config, uint32_t context, const char *object,
                                           const struct apir_log *log);

/* NULL is a no-op. */
void apir_settings_destroy(struct apir_settings *settings);

/* Copies the value of LD_PRELOAD to result (as long as value) without the library of that path, or another of its name.
 * Returns result. */
char *apir_settings_clean_preload(const char *value, const char *object, char *result);

/* The log: VIRGL_APIR_LOG_TO_FILE, to which is appended, or stderr; VIRGL_APIR_LOG_LEVEL. */
void apir_settings_open_log(struct apir_log *log);

#endif
