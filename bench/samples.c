#include "samples.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void apir_samples_finish(struct apir_samples *samples)
{
    free(samples->list);
    *samples = (struct apir_samples){0};
}

static int make_room(struct apir_samples *samples)
{
    if (samples->count < samples->room)
        return 0;
    size_t room = samples->room ? 2 * samples->room : 256;
    struct apir_sample *list = realloc(samples->list, room * sizeof *list);
    if (!list)
        return -ENOMEM;
    samples->list = list;
    samples->room = room;
    return 0;
}

int apir_samples_add(struct apir_samples *samples, enum apir_measure measure, uint64_t parameter, const char *arm,
                     unsigned int round, double value)
{
    if (round >= APIR_MAX_ROUNDS || !isfinite(value))
        return -EINVAL;
    int err = make_room(samples);
    if (err)
        return err;
    struct apir_sample *sample = &samples->list[samples->count++];
    *sample = (struct apir_sample){.measure = measure, .parameter = parameter, .round = round, .value = value};
    snprintf(sample->arm, sizeof sample->arm, "%s", arm);
    return 0;
}

static int parse_line(struct apir_samples *samples, const char *line)
{
    char key[32], arm[APIR_MAX_ARM_NAME];
    uint64_t parameter;
    unsigned int round;
    double value;
    if (sscanf(line, "%31s %" SCNu64 " %23s %u %lf", key, &parameter, arm, &round, &value) != 5)
        return -EINVAL;
    enum apir_measure measure = apir_measure_find(key);
    if (measure == APIR_MEASURE_COUNT)
        return -EINVAL;
    return apir_samples_add(samples, measure, parameter, arm, round, value);
}

int apir_samples_read(struct apir_samples *samples, FILE *file, FILE *rest)
{
    char line[1024];
    int err = 0;
    while (fgets(line, sizeof line, file)) {
        int parsed = parse_line(samples, line);
        if (parsed == -ENOMEM)
            err = parsed;
        else if (parsed && rest)
            fputs(line, rest);
    }
    return err;
}

void apir_samples_write(const struct apir_samples *samples, FILE *file)
{
    for (size_t i = 0; i < samples->count; i++) {
        const struct apir_sample *sample = &samples->list[i];
        fprintf(file, "%s %" PRIu64 " %s %u %.17g\n", apir_measure_get(sample->measure)->key, sample->parameter,
                sample->arm, sample->round, sample->value);
    }
}

const struct apir_sample *apir_samples_find(const struct apir_samples *samples, struct apir_samples_key key,
                                            unsigned int round)
{
    for (size_t i = 0; i < samples->count; i++) {
        const struct apir_sample *sample = &samples->list[i];
        if (sample->measure == key.measure && sample->parameter == key.parameter && sample->round == round &&
            strcmp(sample->arm, key.arm) == 0)
            return sample;
    }
    return NULL;
}

static double pair(double value, double other, enum apir_pairing pairing)
{
    switch (pairing) {
    case APIR_PAIRING_RATIO:
        return value / other;
    case APIR_PAIRING_DIFFERENCE:
        return value - other;
    case APIR_PAIRING_NONE:
        break;
    }
    return value;
}

size_t apir_samples_collect(const struct apir_samples *samples, struct apir_samples_key key, enum apir_pairing pairing,
                            const char *other_arm, double *values)
{
    struct apir_samples_key other_key = {key.measure, key.parameter, other_arm};
    size_t count = 0;
    for (unsigned int round = 0; round < APIR_MAX_ROUNDS; round++) {
        const struct apir_sample *one = apir_samples_find(samples, key, round);
        if (!one)
            break;
        const struct apir_sample *other = one;
        if (pairing != APIR_PAIRING_NONE)
            other = apir_samples_find(samples, other_key, round);
        double value = other ? pair(one->value, other->value, pairing) : (double)NAN;
        if (isfinite(value))
            values[count++] = value;
    }
    return count;
}
