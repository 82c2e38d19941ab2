/* The jail of apird: what its workers need of the system, how to start and end them, and nothing else. */
#ifndef APIR_TOOLS_DAEMON_JAIL_H
#define APIR_TOOLS_DAEMON_JAIL_H

#include <stdbool.h>

struct apir_log;
struct apir_worker_options;

/* All borrowed. */
struct apir_daemon_jail {
    const struct apir_worker_options *worker; /* is asked what it needs */
    const char *const *sockets;               /* are removed at the end */
    unsigned socket_count;
    const char *const *machines; /* the same */
    unsigned machine_count;
    const char *groups; /* the folder of its control groups, NULL: none */
    const struct apir_log *log;
};

/* Confines this process, which has one thread and has opened what it needs. Says in the log what holds, and what does not.
 * True: every layer holds. */
bool apir_daemon_jail_enter(const struct apir_daemon_jail *jail);

#endif
