/* A host in a process of its own: apird, or the test renderer. */
#ifndef APIR_TESTS_UPSTREAM_FAULTS_PROCESS_H
#define APIR_TESTS_UPSTREAM_FAULTS_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

struct process {
    pid_t pid;
    char folder[64];
    char socket[96];
};

/* Starts program with these arguments (up to NULL), of which "@" is replaced by the path of the socket, and waits until
 * it listens. False if it does not. */
bool process_start(struct process *process, const char *program, const char *const *arguments);

/* Ends it, if it still runs. */
void process_stop(struct process *process);

#endif
