/* What is measured: names, units, and what each is compared with. */
#ifndef APIR_BENCH_MEASURES_H
#define APIR_BENCH_MEASURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum apir_measure {
    APIR_MEASURE_CALL,
    APIR_MEASURE_IDLE_CALL,
    APIR_MEASURE_POST,
    APIR_MEASURE_GRAPH, /* parameter: nodes */
    APIR_MEASURE_SET,   /* parameter of these four: bytes */
    APIR_MEASURE_GET,
    APIR_MEASURE_SET_HOST,
    APIR_MEASURE_GET_HOST,
    APIR_MEASURE_PAIR,
    APIR_MEASURE_TG,
    APIR_MEASURE_PP,
    APIR_MEASURE_TG_NO_REUSE,
    APIR_MEASURE_TG_ALTERNATING,
    APIR_MEASURE_PP_ALTERNATING,
    APIR_MEASURE_WAITS,
    APIR_MEASURE_SLEEPS,
    APIR_MEASURE_DOORBELLS,
    APIR_MEASURE_MESSAGE_BYTES,
    APIR_MEASURE_DATA_BYTES,
    APIR_MEASURE_SYSCALLS,
    APIR_MEASURE_IDLE_SYSCALLS,
    APIR_MEASURE_COUNT,
};

enum apir_parameter { APIR_PARAMETER_NONE, APIR_PARAMETER_NODES, APIR_PARAMETER_BYTES };

struct apir_measure_info {
    const char *key;   /* in options and files */
    const char *title; /* for people */
    const char *unit;
    enum apir_parameter parameter;
    const char *reference; /* the arm that ratios are to; in a guest that of the guest ("vm-" in front) */
    bool more_is_better;
};

const struct apir_measure_info *apir_measure_get(enum apir_measure measure);

/* The measure with this key; APIR_MEASURE_COUNT if there is none. */
enum apir_measure apir_measure_find(const char *key);

/* Prints "1,000 nodes", "16 MiB" or nothing into text. */
void apir_measure_print_parameter(enum apir_measure measure, uint64_t parameter, char *text, size_t size);

#endif
