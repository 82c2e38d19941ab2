/* A user that no other process is: root's workers can then not signal, trace or read each other. */
#ifndef APIR_JAIL_USER_H
#define APIR_JAIL_USER_H

#include "jail/jail.h"

/* Makes the calling process the user and the group options->user_base + its process id, with no other groups than those
 * that own options->devices, and bounds how many threads that user may have. Process ids are unique among those that
 * live, hence so is the user, also among those of other daemons. 0, a positive errno (EPERM: root, and no
 * user was asked for), or -1 if this process is not root. */
int apir_jail_become_user(const struct apir_jail_options *options);

/* How many threads a worker may have on this machine. */
unsigned apir_jail_max_threads(void);

#endif
