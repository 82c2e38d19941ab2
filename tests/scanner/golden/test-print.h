/* generated from tests.yaml by apir-scanner; do not edit */
#ifndef TEST_PRINT_H
#define TEST_PRINT_H

#include <stdio.h>

#include "test-protocol.h"

struct apir_dec;

/* Print a call as "name(argument=value, ...)", and a reply as "name -> (result=value, ...)",
 * without a newline. Text is quoted and escaped, so that bytes of the peer do no harm to a
 * terminal; lists end after 8 items. The decoder needs an arena. 0, or -EBADMSG when the message
 * is malformed, or the call unknown or disabled: that is printed, too. */
int test_print_call(FILE *f, uint32_t call, struct apir_dec *dec);
int test_print_reply(FILE *f, uint32_t call, struct apir_dec *dec);

/* Print a struct as "{field=value, ...}". */
void test_print_point(FILE *f, const struct test_point *v);
void test_print_item(FILE *f, const struct test_item *v);
void test_print_group(FILE *f, const struct test_group *v);
void test_print_tree(FILE *f, const struct test_tree *v);

#endif
