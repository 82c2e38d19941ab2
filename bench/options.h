/* What the program was asked to do. */
#ifndef APIR_BENCH_OPTIONS_H
#define APIR_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "samples.h"

enum { APIR_MAX_MERGES = 8 };

struct apir_bench_options {
    const char *floor;      /* path of libggml-floor.so; NULL: no such arm */
    const char *plugin;     /* path of the plug-in; NULL: where ggml finds it */
    const char *rpc;        /* HOST:PORT of a ggml-rpc server; NULL: no such arm */
    const char *device;     /* the device of the plug-in; NULL: its first */
    const char *model;      /* GGUF file; NULL: nothing with llama.cpp */
    const char *json, *svg; /* files to write, or NULL */
    const char *samples;    /* file for the raw values, "-" for standard output */
    const char *merge[APIR_MAX_MERGES];
    size_t n_merges;
    const char *only;    /* keys of measures with commas; NULL: all */
    size_t max_size;     /* largest set and get */
    unsigned int rounds; /* up to APIR_MAX_ROUNDS */
    bool quick, check, guest, help, version;
    unsigned int tokens; /* for ourselves: how many to generate while watched */
    bool hold;           /* for ourselves: connect, and wait to be watched */
};

/* 0; -1 after a message about wrong usage. */
int apir_bench_options_parse(struct apir_bench_options *options, int argc, char **argv);

void apir_bench_options_help(void);

/* Whether --only asks for the measure. */
bool apir_bench_options_wants(const struct apir_bench_options *options, enum apir_measure measure);

#endif
