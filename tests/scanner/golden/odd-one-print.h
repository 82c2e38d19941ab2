/* generated from odd.yaml by apir-scanner; do not edit */
#ifndef ODD_ONE_PRINT_H
#define ODD_ONE_PRINT_H

#include <stdio.h>

#include "odd-one-protocol.h"

struct apir_dec;

/* Print a call as "name(argument=value, ...)", and a reply as "name -> (result=value, ...)",
 * without a newline. Text is quoted and escaped, so that bytes of the peer do no harm to a
 * terminal; lists end after 8 items. The decoder needs an arena. 0, or -EBADMSG when the message
 * is malformed, or the call unknown or disabled: that is printed, too. */
int odd_one_print_call(FILE *f, uint32_t call, struct apir_dec *dec);
int odd_one_print_reply(FILE *f, uint32_t call, struct apir_dec *dec);

/* Print a struct as "{field=value, ...}". */
void odd_one_print_entry(FILE *f, const struct odd_one_entry *v);
void odd_one_print_head(FILE *f, const struct odd_one_head *v);
void odd_one_print_cluster(FILE *f, const struct odd_one_cluster *v);

#endif
