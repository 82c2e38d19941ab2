/* What was measured: a value for each measure, parameter, arm and round. Programs that measure for another one print
 * them as lines of five words: measure, parameter, arm, round, value. */
#ifndef APIR_BENCH_SAMPLES_H
#define APIR_BENCH_SAMPLES_H

#include <stdio.h>

#include "measures.h"
#include "stats.h"

enum {
    APIR_MAX_ARM_NAME = 24,
    APIR_MAX_ROUNDS = 200,
};

struct apir_sample {
    enum apir_measure measure;
    uint64_t parameter;
    char arm[APIR_MAX_ARM_NAME];
    unsigned int round;
    double value;
};

/* {0} is empty; finish frees. */
struct apir_samples {
    struct apir_sample *list;
    size_t count, room;
};

void apir_samples_finish(struct apir_samples *samples);

/* 0 or -ENOMEM; -EINVAL for a round from APIR_MAX_ROUNDS on, or a value that is no number. */
int apir_samples_add(struct apir_samples *samples, enum apir_measure measure, uint64_t parameter, const char *arm,
                     unsigned int round, double value);

/* Reads lines until the end; others than described above are passed on to `rest`, if that is not NULL. */
int apir_samples_read(struct apir_samples *samples, FILE *file, FILE *rest);
void apir_samples_write(const struct apir_samples *samples, FILE *file);

/* What is asked about: an arm of a measure. */
struct apir_samples_key {
    enum apir_measure measure;
    uint64_t parameter;
    const char *arm;
};

/* Finds a value by its round. */
const struct apir_sample *apir_samples_find(const struct apir_samples *samples, struct apir_samples_key key,
                                            unsigned int round);

/* How the values of two arms of the same round are put together; NONE takes no second arm. */
enum apir_pairing { APIR_PAIRING_NONE, APIR_PAIRING_RATIO, APIR_PAIRING_DIFFERENCE };

/* Fills values (APIR_MAX_ROUNDS of them) in the order of rounds, and returns how many there are. */
size_t apir_samples_collect(const struct apir_samples *samples, struct apir_samples_key key, enum apir_pairing pairing,
                            const char *other_arm, double *values);

#endif
