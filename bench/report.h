/* What was measured, for people and for programs. */
#ifndef APIR_BENCH_REPORT_H
#define APIR_BENCH_REPORT_H

#include "machine.h"
#include "samples.h"
#include "targets.h"

enum { APIR_MAX_PARAMETERS = 32 };

/* The arms that a report knows, in its order; NULL behind the last. */
extern const char *const apir_report_arms[];

/* The arm that ratios of a measure are to, seen from an arm: that of its side. NULL: none. */
const char *apir_report_reference(enum apir_measure measure, const char *arm);

/* The floor, for devices of its side; else NULL. */
const char *apir_report_floor(const char *arm);

/* Fills parameters (ascending, APIR_MAX_PARAMETERS of them) with those that were measured, and returns how many. */
size_t apir_report_parameters(const struct apir_samples *samples, enum apir_measure measure, uint64_t *parameters);

/* The spread of an arm's values, or of their pairing with another's; false: it has none. */
bool apir_report_spread(const struct apir_samples *samples, struct apir_samples_key key, enum apir_pairing pairing,
                        const char *other, struct apir_spread *spread);

/* A line about the machine, with a warning if it was not ours alone. */
void apir_report_machine(const struct apir_machine *machine, FILE *file);

/* A table with a line for each measure, parameter and arm. */
void apir_report_text(const struct apir_samples *samples, FILE *file);

/* The targets with their verdicts. Returns how many were missed. */
size_t apir_report_targets(const struct apir_samples *samples, FILE *file);

/* One object: "machine", "results" with the spreads, ratios and values, and "targets". */
void apir_report_json(const struct apir_samples *samples, const struct apir_machine *machine, FILE *file);

/* Two plots: overhead against graph size, bandwidth against size. */
void apir_report_svg(const struct apir_samples *samples, FILE *file);

#endif
