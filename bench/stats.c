#include "stats.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

/* values are sorted */
static double quantile(const double *values, size_t count, double part)
{
    double position = part * (double)(count - 1);
    size_t below = (size_t)position;
    if (below + 1 >= count)
        return values[count - 1];
    return values[below] + (position - (double)below) * (values[below + 1] - values[below]);
}

struct apir_spread apir_stats_spread(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return (struct apir_spread){
        .median = quantile(values, count, 0.5),
        .low = quantile(values, count, 0.25),
        .high = quantile(values, count, 0.75),
        .count = count,
    };
}

double apir_stats_median(double *values, size_t count)
{
    return apir_stats_spread(values, count).median;
}

double apir_stats_best_of_three(double *values, size_t count)
{
    size_t runs = count < 3 ? count : 3;
    double best = 0;
    for (size_t run = 0, from = 0; run < runs; run++) {
        size_t to = count * (run + 1) / runs;
        double median = apir_stats_median(values + from, to - from);
        if (run == 0 || median < best)
            best = median;
        from = to;
    }
    return best;
}
