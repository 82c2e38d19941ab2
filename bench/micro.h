/* Measurements with ggml alone, in this process, arm by arm in rounds. Each adds to samples; 0 or -errno. */
#ifndef APIR_BENCH_MICRO_H
#define APIR_BENCH_MICRO_H

#include "arms.h"
#include "machine.h"
#include "samples.h"

struct apir_bench {
    const struct apir_bench_options *options;
    struct apir_arms *arms;
    struct apir_samples samples;
    struct apir_machine machine;
};

/* The smallest call hot and after idleness, small sets, graphs. */
int apir_latency_measure(struct apir_bench *bench);

/* Sets and gets by size. */
int apir_bandwidth_measure(struct apir_bench *bench);

/* Two threads with a backend each, against one. */
int apir_pair_measure(struct apir_bench *bench);

/* Says on stderr what is being measured. */
void apir_bench_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
