/* The jail of a worker: what it needs of the system, and nothing else. */
#ifndef APIR_TOOLS_WORKER_JAIL_H
#define APIR_TOOLS_WORKER_JAIL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct apir_log;

/* Confines this process. libraries: paths or names of ggml libraries, with ':' between them, may be NULL; backend_library:
 * the path of another, may be NULL; user_base: as in struct apir_jail_options. Says in the
 * log what holds, and what does not. True: every layer holds. */
bool apir_worker_jail_enter(const char *libraries, const char *backend_library, uint32_t user_base,
                            const struct apir_log *log);

/* Writes what a worker with these libraries will read and use, for who confines it from outside: lines "readable PATH",
 * "device PATH" and "network". 0 or -EIO. */
int apir_worker_jail_list(const char *libraries, const char *backend_library, FILE *stream);

#endif
