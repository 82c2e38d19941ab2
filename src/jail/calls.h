/* Which system calls a process may make: seccomp. One that nobody needs here ends the process; one that a library asks for
 * and can do without fails with EPERM; one that is younger than this program is unknown, ENOSYS. */
#ifndef APIR_JAIL_CALLS_H
#define APIR_JAIL_CALLS_H

#include <stdint.h>

/* Restricts all threads to these groups, bits of enum apir_jail_calls, and to what they were restricted to before. 0, or an
 * errno. */
int apir_jail_restrict_calls(uint32_t groups);

#endif
