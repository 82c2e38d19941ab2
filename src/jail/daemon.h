/* The jail of a process that starts workers: all that it has to keep for them, and nothing else. */
#ifndef APIR_JAIL_DAEMON_H
#define APIR_JAIL_DAEMON_H

#include "jail/jail.h"

/* Confines this process and all that it starts, which may then be confined further. What its workers need must be among
 * the options; user_base counts for nothing. Root keeps what it takes to make workers other users, and to end them.
 * Called while there is one thread. */
void apir_jail_enter_daemon(const struct apir_jail_options *options, struct apir_jail_report *report);

#endif
