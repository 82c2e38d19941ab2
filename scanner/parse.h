/* Reads a protocol file into a struct protocol: the shape of the YAML, not its sense. */
#ifndef APIR_SCANNER_PARSE_H
#define APIR_SCANNER_PARSE_H

#include <stdio.h>

#include "protocol.h"

/* Errors are reported and counted in p. Borrows file. */
void parse_protocol(struct protocol *p, FILE *file);

#endif
