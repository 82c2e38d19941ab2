#include "interposer/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    struct apir_list link; /* apir_config.entries */
    uint32_t context;
    char *key;
    char *value;
};

static struct entry *entry_of(struct apir_list *link)
{
    return apir_list_entry(link, struct entry, link);
}

void apir_config_init(struct apir_config *config)
{
    apir_list_init(&config->entries);
    config->count = 0;
}

static struct entry *find(const struct apir_config *config, uint32_t context, const char *key)
{
    for (struct apir_list *link = config->entries.next; link != &config->entries; link = link->next)
        if (entry_of(link)->context == context && strcmp(entry_of(link)->key, key) == 0)
            return entry_of(link);
    return NULL;
}

static unsigned count_of(const struct apir_config *config, uint32_t context)
{
    unsigned count = 0;
    for (struct apir_list *link = config->entries.next; link != &config->entries; link = link->next)
        count += entry_of(link)->context == context;
    return count;
}

static void destroy(struct apir_config *config, struct entry *entry)
{
    apir_list_remove(&entry->link);
    config->count--;
    free(entry->key);
    free(entry->value);
    free(entry);
}

static struct entry *add(struct apir_config *config, uint32_t context, const char *key)
{
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return NULL;
    entry->context = context;
    entry->key = strdup(key);
    if (!entry->key) {
        free(entry);
        return NULL;
    }
    apir_list_append(&config->entries, &entry->link);
    config->count++;
    return entry;
}

static int check(const char *key, const char *value)
{
    if (!key || !value || strnlen(key, APIR_MAX_CONFIG_KEY) == APIR_MAX_CONFIG_KEY ||
        strnlen(value, APIR_MAX_CONFIG_VALUE) == APIR_MAX_CONFIG_VALUE)
        return -EINVAL;
    return 0;
}

int apir_config_set(struct apir_config *config, uint32_t context, const char *key, const char *value)
{
    int ret = check(key, value);
    if (ret < 0)
        return ret;
    struct entry *entry = find(config, context, key);
    if (!entry && (count_of(config, context) == APIR_MAX_CONFIG_KEYS || config->count == APIR_MAX_CONFIG_ENTRIES))
        return -ENOSPC;
    char *copy = strdup(value);
    if (!copy)
        return -ENOMEM;
    if (!entry)
        entry = add(config, context, key);
    if (!entry) {
        free(copy);
        return -ENOMEM;
    }
    free(entry->value);
    entry->value = copy;
    return 0;
}

const char *apir_config_get(const struct apir_config *config, uint32_t context, const char *key)
{
    const struct entry *entry = find(config, context, key);
    return entry ? entry->value : NULL;
}

bool apir_config_has(const struct apir_config *config, uint32_t context)
{
    return count_of(config, context) > 0;
}

void apir_config_drop(struct apir_config *config, uint32_t context)
{
    struct apir_list *next;
    for (struct apir_list *link = config->entries.next; link != &config->entries; link = next) {
        next = link->next;
        if (entry_of(link)->context == context)
            destroy(config, entry_of(link));
    }
}

void apir_config_clear(struct apir_config *config)
{
    while (!apir_list_empty(&config->entries))
        destroy(config, entry_of(config->entries.next));
}
