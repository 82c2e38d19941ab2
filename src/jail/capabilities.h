/* The capabilities of a process; a set is a bit mask of CAP_ numbers (linux/capability.h). */
#ifndef APIR_JAIL_CAPABILITIES_H
#define APIR_JAIL_CAPABILITIES_H

#include <stdint.h>

/* Takes all but kept out of what this process and what it executes can ever have, as far as it may: without new
 * privileges none come back anyway. */
void apir_jail_bound_capabilities(uint64_t kept);

/* Gives up all but kept; those that it lacks it does not get. 0 or a positive errno. */
int apir_jail_keep_capabilities(uint64_t kept);

#endif
