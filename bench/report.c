#include "report.h"

#include <stdlib.h>
#include <string.h>

const char *const apir_report_arms[] = {"memcpy",    "native",    "floor", "apir", "rpc",
                                        "vm-memcpy", "vm-native", "vm",    NULL};

const char *apir_report_reference(enum apir_measure measure, const char *arm)
{
    const char *reference = apir_measure_get(measure)->reference;
    if (!reference || strncmp(arm, "vm", 2) != 0)
        return reference;
    return strcmp(reference, "memcpy") == 0 ? "vm-memcpy" : "vm-native";
}

const char *apir_report_floor(const char *arm)
{
    bool device = strncmp(arm, "vm", 2) != 0 && strcmp(arm, "memcpy") != 0;
    return device ? "floor" : NULL;
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static bool is_among(const uint64_t *parameters, size_t count, uint64_t parameter)
{
    for (size_t i = 0; i < count; i++)
        if (parameters[i] == parameter)
            return true;
    return false;
}

size_t apir_report_parameters(const struct apir_samples *samples, enum apir_measure measure, uint64_t *parameters)
{
    size_t count = 0;
    for (size_t i = 0; i < samples->count && count < APIR_MAX_PARAMETERS; i++) {
        const struct apir_sample *sample = &samples->list[i];
        if (sample->measure == measure && !is_among(parameters, count, sample->parameter))
            parameters[count++] = sample->parameter;
    }
    qsort(parameters, count, sizeof *parameters, compare);
    return count;
}

bool apir_report_spread(const struct apir_samples *samples, struct apir_samples_key key, enum apir_pairing pairing,
                        const char *other, struct apir_spread *spread)
{
    double values[APIR_MAX_ROUNDS];
    size_t count = apir_samples_collect(samples, key, pairing, other, values);
    if (!count)
        return false;
    *spread = apir_stats_spread(values, count);
    return true;
}
