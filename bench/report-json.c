#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "report.h"

/* All strings are names from our own tables: nothing in them needs escaping. */

static void print_spread(const char *name, const struct apir_spread *spread, FILE *file)
{
    fprintf(file, ", \"%s\": {\"median\": %.9g, \"low\": %.9g, \"high\": %.9g}", name, spread->median, spread->low,
            spread->high);
}

static void print_values(const struct apir_samples *samples, struct apir_samples_key key, FILE *file)
{
    double values[APIR_MAX_ROUNDS];
    size_t count = apir_samples_collect(samples, key, APIR_PAIRING_NONE, NULL, values);
    fputs(", \"values\": [", file);
    for (size_t i = 0; i < count; i++)
        fprintf(file, "%s%.9g", i ? ", " : "", values[i]);
    fputs("]}", file);
}

/* Prints the object of an arm, behind the separator; false if there is none. */
static bool print_arm(const struct apir_samples *samples, struct apir_samples_key key, const char *separator,
                      FILE *file)
{
    const struct apir_measure_info *info = apir_measure_get(key.measure);
    const char *reference = apir_report_reference(key.measure, key.arm);
    struct apir_spread spread;
    if (!apir_report_spread(samples, key, APIR_PAIRING_NONE, NULL, &spread))
        return false;
    fprintf(file, "%s\n    {\"measure\": \"%s\", \"parameter\": %" PRIu64 ", \"arm\": \"%s\", \"unit\": \"%s\"",
            separator, info->key, key.parameter, key.arm, info->unit);
    print_spread("value", &spread, file);
    if (reference && apir_report_spread(samples, key, APIR_PAIRING_RATIO, reference, &spread)) {
        fprintf(file, ", \"reference\": \"%s\"", reference);
        print_spread("ratio", &spread, file);
    }
    const char *floor = apir_report_floor(key.arm);
    if (floor && apir_report_spread(samples, key, APIR_PAIRING_RATIO, floor, &spread))
        print_spread("ratio_to_floor", &spread, file);
    print_values(samples, key, file);
    return true;
}

static void print_results(const struct apir_samples *samples, FILE *file)
{
    const char *separator = "";
    for (enum apir_measure measure = 0; measure < APIR_MEASURE_COUNT; measure++) {
        uint64_t parameters[APIR_MAX_PARAMETERS];
        size_t count = apir_report_parameters(samples, measure, parameters);
        for (size_t i = 0; i < count; i++)
            for (const char *const *arm = apir_report_arms; *arm; arm++)
                if (print_arm(samples, (struct apir_samples_key){measure, parameters[i], *arm}, separator, file))
                    separator = ",";
    }
}

static void print_target(const struct apir_target *target, const struct apir_samples *samples, FILE *file)
{
    static const char *const words[] = {"pass", "miss", "not-measured"};
    double value;
    enum apir_verdict verdict = apir_target_judge(target, samples, &value);
    fprintf(file, "\n    {\"what\": \"%s\", \"%s\": %g, \"verdict\": \"%s\"", target->what,
            target->at_least ? "at_least" : "at_most", target->limit, words[verdict]);
    if (verdict != APIR_VERDICT_NOT_MEASURED)
        fprintf(file, ", \"measured\": %.9g", value);
    fputc('}', file);
}

void apir_report_json(const struct apir_samples *samples, const struct apir_machine *machine, FILE *file)
{
    fprintf(file, "{\n  \"machine\": {\"processor\": \"%s\", \"processors\": %ld, \"busy\": %.2f},", machine->processor,
            machine->processors, machine->busy);
    fputs("\n  \"results\": [", file);
    print_results(samples, file);
    fputs("\n  ],\n  \"targets\": [", file);
    for (size_t i = 0; i < apir_targets_count; i++) {
        fputs(i ? "," : "", file);
        print_target(&apir_targets[i], samples, file);
    }
    fputs("\n  ]\n}\n", file);
}
