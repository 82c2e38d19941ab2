/* The jail of a worker: what it needs of the system, and nothing else. Entered before a byte of the guest is read, wide
 * enough to load libraries and to make devices ready; completed when that is done. */
#ifndef APIR_TOOLS_WORKER_JAIL_H
#define APIR_TOOLS_WORKER_JAIL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "jail/jail.h"
#include "worker-paths.h"

struct apir_log;

struct apir_worker_jail {
    struct apir_worker_needs needs; /* all borrowed; set by the caller before it enters, as the next four */
    uint32_t user_base;             /* as in struct apir_jail_options, and so is this: */
    unsigned descriptors;
    bool required;                  /* every layer has to hold */
    const struct apir_log *log;
    struct apir_jail_report report;
    char holds[256], lacks[256]; /* names of layers, filled when it is complete */
    char refusal[512];           /* why nobody is served; "": no reason */
};

/* Confines this process. While there is one thread. */
void apir_worker_jail_enter(struct apir_worker_jail *jail);

/* Confines all threads of this process further, and says in the log what holds and what does not. */
void apir_worker_jail_complete(struct apir_worker_jail *jail);

/* Writes what a worker will read and use, for who confines it from outside: lines "readable PATH", "device PATH" and
 * "network". 0 or -EIO. */
int apir_worker_jail_list(const struct apir_worker_needs *needs, FILE *stream);

#endif
