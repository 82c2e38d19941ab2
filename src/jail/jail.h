/* Confinement of a process: what it can still do when somebody else has taken it over. Each layer stands for itself; one
 * that the kernel does not have is reported, and the others hold. There is no way back. */
#ifndef APIR_JAIL_JAIL_H
#define APIR_JAIL_JAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    APIR_JAIL_MAX_USER = 0x7ffffffe, /* larger ones are negative to some programs */
};

enum apir_jail_layer {
    APIR_JAIL_NO_NEW_PRIVILEGES, /* nothing that is executed gains any: PR_SET_NO_NEW_PRIVS */
    APIR_JAIL_CAPABILITIES,      /* none are left, and none come back */
    APIR_JAIL_LIMITS,            /* no core dumps, a bounded number of files */
    APIR_JAIL_FILES,             /* only what is listed can be opened, nothing be written: Landlock, Linux 5.13 */
    APIR_JAIL_NETWORK,           /* no TCP: Landlock, Linux 6.7 */
    APIR_JAIL_SCOPE,             /* no signals to, no abstract sockets of processes outside: Landlock, Linux 6.12 */
    APIR_JAIL_USER,              /* a user of its own, which no other process is */
    APIR_JAIL_LAYERS,
};

struct apir_jail_options {
    const char *const *readable; /* files, and folders with all below, that may be read and mapped; those that are
                                  * missing are skipped. Borrowed */
    size_t n_readable;
    const char *const *devices;  /* the same for device nodes, which may be written to, too */
    size_t n_devices;
    const char *const *writable; /* the same for files that may be written to, and folders in which folders may be made
                                  * and removed, too */
    size_t n_writable;
    const char *const *emptied;  /* folders in which, and below, files may be removed */
    size_t n_emptied;
    bool network;                /* it needs TCP */
    uint32_t user_base;          /* as root: become the user of this number plus the process id; 0: stay root, a
                                  * layer that is missing then */
};

/* Which layers hold: 0, or the errno that says why not, or -1 for one that does not apply here: without root there is no
 * other user to become. */
struct apir_jail_report {
    int errors[APIR_JAIL_LAYERS];
};

/* Confines this process and all that it starts. Called while there is one thread. */
void apir_jail_enter(const struct apir_jail_options *options, struct apir_jail_report *report);

/* "files", for people. */
const char *apir_jail_layer_name(enum apir_jail_layer layer);

/* Whether every layer that applies holds. */
bool apir_jail_is_complete(const struct apir_jail_report *report);

/* Writes the names of the layers that do not hold, or of all that do, with ", " between them. */
void apir_jail_describe(const struct apir_jail_report *report, bool missing, char *text, size_t size);

#endif
