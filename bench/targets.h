/* What the project promises about its speed, as data: --check holds a run against it. */
#ifndef APIR_BENCH_TARGETS_H
#define APIR_BENCH_TARGETS_H

#include "samples.h"

enum apir_relation {
    APIR_RELATION_VALUE,      /* the arm's value; the best of three if it is a time */
    APIR_RELATION_DIFFERENCE, /* the same of the difference to another arm */
    APIR_RELATION_RATIO,      /* the median of the ratios to another arm in the same round */
    APIR_RELATION_INVERSE,    /* of the ratios of the other arm to it */
};

struct apir_target {
    const char *what;
    enum apir_measure measure;
    uint64_t parameter;
    const char *arm;
    enum apir_relation relation;
    const char *other; /* the other arm; NULL for VALUE */
    bool at_least;     /* else at most */
    double limit;
};

extern const struct apir_target apir_targets[];
extern const size_t apir_targets_count;

enum apir_verdict { APIR_VERDICT_PASS, APIR_VERDICT_MISS, APIR_VERDICT_NOT_MEASURED };

/* *value is set unless it was not measured. */
enum apir_verdict apir_target_judge(const struct apir_target *target, const struct apir_samples *samples,
                                    double *value);

#endif
