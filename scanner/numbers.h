/* Numbers of a protocol file: literals and limits. */
#ifndef APIR_SCANNER_NUMBERS_H
#define APIR_SCANNER_NUMBERS_H

#include "protocol.h"

static inline bool number_given(const struct number *n)
{
    return n->text.s != NULL;
}

/* A decimal or 0x literal in lo..hi. Reports an error if it is not. key is how the file calls it.
 */
void check_literal(struct protocol *p, struct number *n, const char *key, uint64_t lo, uint64_t hi);

/* A literal (negative ones too) or a limit's name, which is looked up. False if it is neither,
 * which is reported, or the limit is bad, which has been reported. */
bool check_number(struct protocol *p, struct number *n);

/* Both are known, and equal. */
bool same_numbers(const struct number *a, const struct number *b);

/* -1, 0, 1: a is less than, equal to, greater than b. */
int compare_numbers(const struct number *a, const struct number *b);

/* In the range -lo..hi of a C type. */
bool number_fits(const struct number *n, uint64_t minus_lo, uint64_t hi);

#endif
