/* Medians and spreads. */
#ifndef APIR_BENCH_STATS_H
#define APIR_BENCH_STATS_H

#include <stddef.h>

struct apir_spread {
    double median, low, high; /* low, high: the quartiles */
    size_t count;
};

/* Sorts values (count > 0) and interpolates between them. */
struct apir_spread apir_stats_spread(double *values, size_t count);

/* The median; sorts values (count > 0). */
double apir_stats_median(double *values, size_t count);

/* What a time is held against: values, in the order of measuring, are cut into three runs, and the lowest of the three
 * medians is taken. Sorts parts of values (count > 0). */
double apir_stats_best_of_three(double *values, size_t count);

#endif
