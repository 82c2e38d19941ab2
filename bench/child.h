/* Programs that are run for a measurement. They end when this one does. */
#ifndef APIR_BENCH_CHILD_H
#define APIR_BENCH_CHILD_H

#include <stdio.h>
#include <sys/types.h>

enum { APIR_MAX_ARGUMENTS = 48 };

/* The command line of a child, being put together. Borrows its strings. */
struct apir_command {
    const char *list[APIR_MAX_ARGUMENTS + 1];
    size_t count;
};

/* Adds an argument; one too many is left out, and then start refuses. */
void apir_command_add(struct apir_command *command, const char *argument);

struct apir_child {
    pid_t pid;
    FILE *input, *output; /* its standard input and output */
};

/* Starts the command, found by PATH, with its messages on our stderr, or dropped if quiet. 0 or -errno; a program that
 * does not exist ends with 127. */
int apir_child_start(struct apir_child *child, const struct apir_command *command, int quiet);

/* Closes its standard input, reads what it still says to the end, and waits. Returns its exit code, 128 + N for signal
 * N. */
int apir_child_finish(struct apir_child *child);

/* The path of a program in the folder of this one. 0 or -errno. */
int apir_child_beside(const char *name, char *path, size_t size);

#endif
