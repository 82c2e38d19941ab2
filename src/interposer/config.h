/* What the hypervisor configured for its contexts, key by key (virgl_apir_configure_kv()). Not thread-safe. */
#ifndef APIR_INTERPOSER_CONFIG_H
#define APIR_INTERPOSER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "attach/list.h"

enum {
    APIR_MAX_CONFIG_KEYS = 16,      /* of a context; four have a meaning */
    APIR_MAX_CONFIG_ENTRIES = 4096, /* of all contexts */
    APIR_MAX_CONFIG_KEY = 64,       /* bytes */
    APIR_MAX_CONFIG_VALUE = 4096,   /* bytes: a path */
};

/* Owns its entries. The owner calls clear. */
struct apir_config {
    struct apir_list entries; /* struct entry.link */
    unsigned count;
};

void apir_config_init(struct apir_config *config);

/* Sets a key, which replaces its value. 0, -EINVAL (NULL, or too long), -ENOSPC or -ENOMEM. */
int apir_config_set(struct apir_config *config, uint32_t context, const char *key, const char *value);

/* NULL if that key was not set. The value lives until the next call. */
const char *apir_config_get(const struct apir_config *config, uint32_t context, const char *key);

/* Whether anything was set for that context. */
bool apir_config_has(const struct apir_config *config, uint32_t context);

/* Forgets what was set for that context, or all. */
void apir_config_drop(struct apir_config *config, uint32_t context);
void apir_config_clear(struct apir_config *config);

#endif
