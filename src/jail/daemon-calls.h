/* System calls that neither a daemon nor the workers that it starts have any business with: seccomp. */
#ifndef APIR_JAIL_DAEMON_CALLS_H
#define APIR_JAIL_DAEMON_CALLS_H

/* From now on such a call ends the process that makes it, or fails with EPERM where libraries are known to try it. For the
 * calling thread and all that it starts, whatever else restricts them. 0 or a positive errno. */
int apir_jail_forbid_calls(void);

#endif
