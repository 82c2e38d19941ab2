/* Names: what may be one, and which C names the generated code takes. */
#ifndef APIR_SCANNER_NAMES_H
#define APIR_SCANNER_NAMES_H

#include "protocol.h"

/* The C names that are taken. Zero-initialised is empty; the memory is the protocol's. */
struct name_table {
    struct text *names;
    size_t n;
    size_t room;
};

/* Lower case, digits and underscores, no C keyword. Reports an error if not. */
bool check_name(struct protocol *p, const struct text *name);

/* Takes a C name for what line declares. Reports an error when another line has it. */
bool take_name(struct protocol *p, struct name_table *table, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
