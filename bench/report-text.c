#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report.h"

/* Three digits that matter, and all those before the point. */
static void print_number(double value, char *text, size_t size)
{
    double magnitude = fabs(value);
    int decimals = magnitude >= 100 || value == 0 ? 0 : magnitude >= 10 ? 1 : magnitude >= 1 ? 2 : 3;
    snprintf(text, size, "%.*f", decimals, value);
}

static void print_ratio(const struct apir_samples *samples, struct apir_samples_key key, const char *other, FILE *file)
{
    struct apir_spread spread;
    char text[32];
    if (other && strcmp(other, key.arm) != 0 && apir_report_spread(samples, key, APIR_PAIRING_RATIO, other, &spread)) {
        snprintf(text, sizeof text, spread.median >= 10 ? "%.1f" : "%.3f", spread.median);
        fprintf(file, " %10s", text);
    } else {
        fprintf(file, " %10s", "-");
    }
}

static void print_line(const struct apir_samples *samples, struct apir_samples_key key, const char *parameter,
                       FILE *file)
{
    struct apir_spread spread;
    char median[32], low[32], high[32], quartiles[80];
    if (!apir_report_spread(samples, key, APIR_PAIRING_NONE, NULL, &spread))
        return;
    print_number(spread.median, median, sizeof median);
    print_number(spread.low, low, sizeof low);
    print_number(spread.high, high, sizeof high);
    snprintf(quartiles, sizeof quartiles, "%s - %s", low, high);
    fprintf(file, "  %-12s %-10s %10s  %-20s", parameter, key.arm, median, quartiles);
    print_ratio(samples, key, apir_report_reference(key.measure, key.arm), file);
    print_ratio(samples, key, apir_report_floor(key.arm), file);
    fputc('\n', file);
}

static void print_measure(const struct apir_samples *samples, enum apir_measure measure, FILE *file)
{
    const struct apir_measure_info *info = apir_measure_get(measure);
    uint64_t parameters[APIR_MAX_PARAMETERS];
    size_t count = apir_report_parameters(samples, measure, parameters);
    char text[32], to[32];
    if (!count)
        return;
    snprintf(text, sizeof text, "%s%s", *info->unit ? ", " : "", info->unit);
    snprintf(to, sizeof to, "%s%s", info->reference ? "/" : "", info->reference ? info->reference : "");
    fprintf(file, "\n%s%s\n  %-12s %-10s %10s  %-20s %10s %10s\n", info->title, text, "", "", "median", "quartiles", to,
            "/floor");
    for (size_t i = 0; i < count; i++) {
        apir_measure_print_parameter(measure, parameters[i], text, sizeof text);
        for (const char *const *arm = apir_report_arms; *arm; arm++)
            print_line(samples, (struct apir_samples_key){measure, parameters[i], *arm}, text, file);
    }
}

void apir_report_machine(const struct apir_machine *machine, FILE *file)
{
    fprintf(file, "%s, %ld processors, %.1f of them busy with other things before\n", machine->processor,
            machine->processors, machine->busy);
    if (machine->busy > 0.2)
        fputs("Times are not to be trusted: other programs run.\n", file);
}

void apir_report_text(const struct apir_samples *samples, FILE *file)
{
    for (enum apir_measure measure = 0; measure < APIR_MEASURE_COUNT; measure++)
        print_measure(samples, measure, file);
}

size_t apir_report_targets(const struct apir_samples *samples, FILE *file)
{
    static const char *const words[] = {"PASS", "MISS", "not measured"};
    size_t counts[3] = {0};
    fprintf(file, "\n%-54s %10s %10s\n", "target", "wanted", "measured");
    for (size_t i = 0; i < apir_targets_count; i++) {
        const struct apir_target *target = &apir_targets[i];
        double value;
        enum apir_verdict verdict = apir_target_judge(target, samples, &value);
        char limit[32], text[32] = "-";
        if (verdict != APIR_VERDICT_NOT_MEASURED)
            snprintf(text, sizeof text, fabs(value) >= 100 ? "%.0f" : "%.3f", value);
        snprintf(limit, sizeof limit, "%s %g", target->at_least ? ">=" : "<=", target->limit);
        fprintf(file, "%-54s %10s %10s  %s\n", target->what, limit, text, words[verdict]);
        counts[verdict]++;
    }
    fprintf(file, "\n%zu met, %zu missed, %zu not measured\n", counts[APIR_VERDICT_PASS], counts[APIR_VERDICT_MISS],
            counts[APIR_VERDICT_NOT_MEASURED]);
    return counts[APIR_VERDICT_MISS];
}
