/* Compares an answer with a sample's: byte for byte, but for what is the host's own (handles, addresses, memory, the
 * processor's name, the version) and what means nothing (the padding of strings, three bytes of each bool). */
#ifndef APIR_TESTS_UPSTREAM_COMPARE_H
#define APIR_TESTS_UPSTREAM_COMPARE_H

#include <stdbool.h>
#include <stddef.h>

#include "upstream/sample.h"

/* written bytes of answer were written by the host. False with the difference. function is UINT32_MAX for what is no
 * function. */
bool compare_reply(uint32_t function, const struct sample_bytes *sample, const uint8_t *answer, size_t written,
                   char *difference, size_t difference_size);

#endif
