/* apir replug: connects a machine to a daemon that was started again. */
#ifndef APIR_TOOLS_APIR_REPLUG_H
#define APIR_TOOLS_APIR_REPLUG_H

#include <stdio.h>

struct apir_replug_options {
    const char *qmp;        /* QEMU's control socket */
    const char *device;     /* id of the device; NULL: the one that is of that kind */
    const char *vhost_user; /* apird's socket; NULL: the one that the device is connected to */
    unsigned limit_ms;      /* for the guest to let go of the device, and for the daemon to listen */
    unsigned grace_ms;      /* for programs of the guest to notice that the daemon was gone */
};

/* Takes the device out of the machine and puts it back with a new connection. Messages go to `messages`. Exit code: 0, 1
 * failed, 2 wrong options. */
int apir_replug(const struct apir_replug_options *options, FILE *messages);

/* The program: argv[0] is the word "replug". */
int apir_replug_main(int argc, char **argv);

#endif
