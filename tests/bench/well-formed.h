/* Whether a text is JSON, or XML with all elements closed: enough to know that programs can read it. */
#ifndef APIR_TESTS_BENCH_WELL_FORMED_H
#define APIR_TESTS_BENCH_WELL_FORMED_H

#include <stdbool.h>

bool is_json(const char *text);
bool is_xml(const char *text);

#endif
