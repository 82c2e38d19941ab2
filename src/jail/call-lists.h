/* The system calls of each group. */
#ifndef APIR_JAIL_CALL_LISTS_H
#define APIR_JAIL_CALL_LISTS_H

#include <stddef.h>
#include <stdint.h>

/* Groups beside those of enum apir_jail_calls. */
#define APIR_CALLS_ALWAYS (UINT32_C(1) << 30)  /* in every filter */
#define APIR_CALLS_REFUSED (UINT32_C(1) << 31) /* in none, but libraries ask and go on without: EPERM */

#define APIR_CALLS_OWN_USER (UINT32_C(1) << 29) /* on other processes of this user: there are none */

/* Calls of a group, whatever their arguments. Negative: this machine has no such call. */
struct apir_call_list {
    uint32_t group;
    const int *calls;
    size_t n;
};

/* A call that is of a group if one of its arguments, masked, has this value; else it fails with EPERM. */
struct apir_call_condition {
    uint32_t group;
    int call;
    unsigned argument;
    uint64_t mask, value;
};

const struct apir_call_list *apir_call_lists(size_t *n);
const struct apir_call_condition *apir_call_conditions(size_t *n);

#endif
