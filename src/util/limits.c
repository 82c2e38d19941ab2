#include "util/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)
#define GIB (MIB * KIB)
#define MAX_SIZE (UINT64_C(1) << 48) /* no address space is larger */

enum {
    VALUE_SIZE = 32,
};

struct limit {
    const char *name;
    size_t offset; /* in struct apir_limits */
    uint64_t otherwise, min, max;
    bool is_size; /* may have a suffix */
    bool may_be_none;
};

static const struct limit limits_table[] = {
    {"max-memory", offsetof(struct apir_limits, memory), APIR_NO_LIMIT, 4 * KIB, MAX_SIZE, true, true},
    /* handles are 65,536; a model has one for some GiB, test suites a few dozen */
    {"max-buffers", offsetof(struct apir_limits, buffers), 65536, 1, 65536, false, false},
    /* the rings of a virtio-gpu context; one is for what belongs to no backend */
    {"max-queues", offsetof(struct apir_limits, queues), 64, 2, 64, false, false},
    /* as much as fits the window of a few machines; over the socket, where a client's host buffers are in it */
    {"max-shared-memory", offsetof(struct apir_limits, shared_memory), 4 * GIB, MIB, MAX_SIZE, true, true},
    /* the largest models known have under 50,000 tensors */
    {"max-graph-nodes", offsetof(struct apir_limits, graph_nodes), 262144, 1, 262144, false, false},
    /* a node takes about 1 KiB; programs have a few dozen graphs of some thousand nodes kept */
    {"max-graph-memory", offsetof(struct apir_limits, graph_memory), GIB, MIB, MAX_SIZE, true, true},
    /* what guests of the deployed protocol wait for at most; a batch of the largest models takes minutes on a CPU */
    {"max-compute-time", offsetof(struct apir_limits, compute_seconds), 600, 1, 1000000, false, true},
    {"client-memory", offsetof(struct apir_limits, client_memory), APIR_NO_LIMIT, 4 * KIB, MAX_SIZE, true, true},
};

enum {
    LIMITS = sizeof limits_table / sizeof *limits_table,
};

static uint64_t *field(struct apir_limits *limits, const struct limit *limit)
{
    return (uint64_t *)((char *)limits + limit->offset);
}

/* A number with the suffix that its limit may have. */
static bool read_number(const struct limit *limit, const char *text, uint64_t *value)
{
    static const char suffixes[] = "KMGT";
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    const char *suffix = *end ? strchr(suffixes, *end) : NULL;
    unsigned shift = suffix ? 10 * (unsigned)(suffix - suffixes + 1) : 0;
    if (errno || *text < '0' || *text > '9' || (*end && !suffix) || (suffix && (end[1] || !limit->is_size)) ||
        number > limit->max >> shift || number << shift < limit->min)
        return false;
    *value = (uint64_t)number << shift;
    return true;
}

static int refuse(const struct limit *limit, const char *value, char *reason)
{
    const char *none = limit->may_be_none ? ", or none" : "";
    if (limit->is_size)
        snprintf(reason, APIR_LIMITS_TEXT, "%s %.64s: expected a size from %" PRIu64 "K to %" PRIu64 "T%s", limit->name,
                 value, limit->min / KIB, limit->max / (GIB * KIB), none);
    else
        snprintf(reason, APIR_LIMITS_TEXT, "%s %.64s: expected a number from %" PRIu64 " to %" PRIu64 "%s", limit->name,
                 value, limit->min, limit->max, none);
    return -EINVAL;
}

static const struct limit *find(const char *name, size_t length)
{
    for (size_t i = 0; i < LIMITS; i++)
        if (strlen(limits_table[i].name) == length && memcmp(limits_table[i].name, name, length) == 0)
            return &limits_table[i];
    return NULL;
}

static int set(struct apir_limits *limits, const char *name, size_t length, const char *value, char *reason)
{
    const struct limit *limit = find(name, length);
    if (!limit) {
        snprintf(reason, APIR_LIMITS_TEXT, "%.*s is no limit", length < 64 ? (int)length : 64, name);
        return -ENOENT;
    }
    if (limit->may_be_none && strcmp(value, "none") == 0)
        *field(limits, limit) = APIR_NO_LIMIT;
    else if (!read_number(limit, value, field(limits, limit)))
        return refuse(limit, value, reason);
    return 0;
}

int apir_limits_set(struct apir_limits *limits, const char *name, const char *value, char *reason)
{
    return set(limits, name, strlen(name), value, reason);
}

int apir_limits_parse(struct apir_limits *limits, const char *list, char *reason)
{
    int ret = 0;
    while (*list && ret == 0) {
        size_t length = strcspn(list, ","), name = strcspn(list, "=,");
        size_t start = name < length ? name + 1 : length;
        char value[VALUE_SIZE];
        snprintf(value, sizeof value, "%.*s", length - start < VALUE_SIZE ? (int)(length - start) : VALUE_SIZE - 1,
                 list + start);
        ret = set(limits, list, name, value, reason);
        list += length + (list[length] == ',');
    }
    return ret;
}

void apir_limits_print(const struct apir_limits *limits, char *text)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < LIMITS; i++) {
        uint64_t value = *(const uint64_t *)((const char *)limits + limits_table[i].offset);
        char number[VALUE_SIZE] = "none";
        if (value == 0)
            continue;
        if (value != APIR_NO_LIMIT)
            snprintf(number, sizeof number, "%" PRIu64, value);
        int length = snprintf(text + used, APIR_LIMITS_TEXT - used, "%s%s=%s", used ? "," : "", limits_table[i].name,
                              number);
        used += (size_t)length;
    }
}

void apir_limits_complete(struct apir_limits *limits)
{
    for (size_t i = 0; i < LIMITS; i++)
        if (*field(limits, &limits_table[i]) == 0)
            *field(limits, &limits_table[i]) = limits_table[i].otherwise;
}
