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
    APIR_JAIL_DESCRIPTORS,       /* nothing is open but what is needed */
    APIR_JAIL_LIMITS,            /* no core dumps, a bounded number of files */
    APIR_JAIL_FILES,             /* only what is listed can be opened, nothing be written: Landlock, Linux 5.13 */
    APIR_JAIL_NETWORK,           /* no TCP: Landlock, Linux 6.7 */
    APIR_JAIL_SCOPE,             /* no signals to, no abstract sockets of processes outside: Landlock, Linux 6.12 */
    APIR_JAIL_USER,              /* a user of its own, which no other process is */
    APIR_JAIL_CALLS,             /* only listed system calls: seccomp */
    APIR_JAIL_LAYERS,
};

/* Groups of system calls, as bits. Memory, threads, time, and what is open already: always. */
enum apir_jail_calls {
    APIR_JAIL_CALLS_OPEN = 1 << 0,      /* open files for reading, look at folders */
    APIR_JAIL_CALLS_CODE = 1 << 1,      /* make memory executable: load libraries, compile at run time */
    APIR_JAIL_CALLS_DEVICES = 1 << 2,   /* open for writing, but not create; ioctl of GPUs' drivers */
    APIR_JAIL_CALLS_NVIDIA = 1 << 3,    /* what NVIDIA's own driver needs beyond that; not tried on a GPU yet */
    APIR_JAIL_CALLS_NETWORK = 1 << 4,   /* connect to other machines by name */
    APIR_JAIL_CALLS_CONFINE = 1 << 5,   /* enter a jail, or a narrower one */
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
    bool network;                /* it needs TCP: to connect, not to listen */
    uint32_t user_base;          /* as root: become the user of this number plus the process id; 0: stay root, a
                                  * layer that is missing then */
    unsigned descriptors;        /* how many stay open, from 0 on */
    uint32_t calls;              /* bits of enum apir_jail_calls */
    uint32_t without;            /* bits 1 << layer that are left out */
};

/* Which layers hold: 0, or the errno that says why not, or -1 for one that does not apply here: it was left out, the network
 * is needed, or without root there is no other user to become. */
struct apir_jail_report {
    int errors[APIR_JAIL_LAYERS];
};

/* Confines this process and all that it starts. Called while there is one thread. */
void apir_jail_enter(const struct apir_jail_options *options, struct apir_jail_report *report);

/* Leaves all threads of this process no more than these groups of system calls, if the layer holds: those it entered with
 * must have CONFINE. Changes the layer in the report if that fails. */
void apir_jail_narrow(uint32_t calls, struct apir_jail_report *report);

/* "files", for people. */
const char *apir_jail_layer_name(enum apir_jail_layer layer);

/* Whether every layer that applies holds. */
bool apir_jail_is_complete(const struct apir_jail_report *report);

/* Writes the names of the layers that do not hold, or of all that do, with ", " between them. */
void apir_jail_describe(const struct apir_jail_report *report, bool missing, char *text, size_t size);

#endif
