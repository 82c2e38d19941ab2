/* apir-bench, which `apir bench` runs: measures remote devices against the CPU. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "micro.h"
#include "programs.h"
#include "report.h"

#ifndef APIR_VERSION
#define APIR_VERSION "0.1.0"
#endif

enum {
    EXIT_MISSED = 1,
    EXIT_USAGE = 2,
    EXIT_NOT_MEASURED = 3,
};

void apir_bench_progress(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("-- ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

static int merge(struct apir_bench *bench)
{
    for (size_t i = 0; i < bench->options->n_merges; i++) {
        FILE *file = fopen(bench->options->merge[i], "re");
        int err = file ? apir_samples_read(&bench->samples, file, NULL) : -errno;
        if (file)
            fclose(file);
        if (err) {
            fprintf(stderr, "apir bench: %s: %s\n", bench->options->merge[i], strerror(-err));
            return err;
        }
    }
    return 0;
}

static void print_samples(const struct apir_bench *bench, FILE *file)
{
    apir_samples_write(&bench->samples, file);
}

static void print_json(const struct apir_bench *bench, FILE *file)
{
    apir_report_json(&bench->samples, &bench->machine, file);
}

static void print_svg(const struct apir_bench *bench, FILE *file)
{
    apir_report_svg(&bench->samples, file);
}

typedef void (*print_function)(const struct apir_bench *bench, FILE *file);

static int print_to(const char *path, print_function print, const struct apir_bench *bench)
{
    if (!path)
        return 0;
    FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
    int err = file ? 0 : -errno;
    if (file) {
        print(bench, file);
        if (ferror(file) || (file == stdout ? fflush(file) : fclose(file)) != 0)
            err = -EIO;
    }
    if (err)
        fprintf(stderr, "apir bench: %s cannot be written: %s\n", path, strerror(-err));
    return err;
}

/* The exit code. */
static int report(const struct apir_bench *bench)
{
    const struct apir_bench_options *options = bench->options;
    bool raw = options->samples && strcmp(options->samples, "-") == 0;
    if (!raw) {
        apir_report_machine(&bench->machine, stdout);
        apir_report_text(&bench->samples, stdout);
    }
    if (print_to(options->samples, print_samples, bench) || print_to(options->json, print_json, bench) ||
        print_to(options->svg, print_svg, bench))
        return EXIT_NOT_MEASURED;
    size_t missed = options->check ? apir_report_targets(&bench->samples, raw ? stderr : stdout) : 0;
    if (fflush(stdout) != 0)
        return EXIT_NOT_MEASURED;
    return missed ? EXIT_MISSED : 0;
}

static int measure(struct apir_bench *bench)
{
    int err = apir_latency_measure(bench);
    if (!err)
        err = apir_bandwidth_measure(bench);
    if (!err) {
        apir_arms_release(bench->arms);
        err = apir_programs_measure(bench);
    }
    if (err)
        fprintf(stderr, "apir bench: measuring failed: %s\n", strerror(-err));
    return err;
}

static int bench_main(const struct apir_bench_options *options)
{
    struct apir_arms arms;
    struct apir_bench bench = {.options = options, .arms = &arms};
    if (!options->hold)
        apir_machine_look(&bench.machine);
    if (apir_arms_init(&arms, options))
        return EXIT_NOT_MEASURED;
    int code = EXIT_NOT_MEASURED;
    if (options->hold)
        code = apir_programs_hold(&arms) ? EXIT_NOT_MEASURED : 0;
    else if (!merge(&bench) && !measure(&bench))
        code = report(&bench);
    apir_samples_finish(&bench.samples);
    apir_arms_finish(&arms);
    return code;
}

int main(int argc, char **argv)
{
    struct apir_bench_options options = {0};
    if (apir_bench_options_parse(&options, argc, argv))
        return EXIT_USAGE;
    if (options.help)
        apir_bench_options_help();
    else if (options.version)
        puts("apir bench " APIR_VERSION);
    else
        return bench_main(&options);
    return 0;
}
