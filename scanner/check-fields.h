/* Judges the fields of structs, arguments and results. */
#ifndef APIR_SCANNER_CHECK_FIELDS_H
#define APIR_SCANNER_CHECK_FIELDS_H

#include "protocol.h"

/* KIND_INVALID if name is not a built-in type. */
enum kind builtin_kind(const char *name);

/* Checks and completes the fields of r, which may use the first n_structs structs of p. */
void check_fields(struct protocol *p, struct record *r, size_t n_structs);

#endif
