/* QEMU's control socket as apir replug sees it, on a thread of the test: a machine with chosen devices. */
#ifndef APIR_TESTS_TOOLS_FAKE_QEMU_H
#define APIR_TESTS_TOOLS_FAKE_QEMU_H

#include <pthread.h>
#include <stdbool.h>

enum { FAKE_QEMU_LOG = 16384 };

struct fake_qemu {
    /* set before start */
    bool silent;             /* it does not greet */
    unsigned devices;        /* that are of apir's kind: 0 to 2 */
    bool unnamed;            /* the first of them has no id */
    unsigned refusals;       /* how often nobody listens on apird's socket */
    bool keeps;              /* the guest does not let go of the device */
    bool rejects;            /* device_add fails */
    /* afterwards */
    char folder[32], path[48];
    char log[FAKE_QEMU_LOG]; /* the commands that came, a line each */
    pthread_t thread;
    int listener;
    bool unplugged;
};

void fake_qemu_start(struct fake_qemu *qemu);

/* Once the client has gone. */
void fake_qemu_stop(struct fake_qemu *qemu);

#endif
