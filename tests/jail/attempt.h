/* What a library does that somebody has taken over. */
#ifndef APIR_TESTS_JAIL_ATTEMPT_H
#define APIR_TESTS_JAIL_ATTEMPT_H

/* A node of this name is computed by an attempt: the number is the first 32-bit word of its source, what came of it the first of
 * the node. */
#define ATTEMPT_NODE "attempt"

enum attempt {
    ATTEMPT_NOTHING,
    ATTEMPT_READ_PASSWORDS,
    ATTEMPT_READ_ENVIRONMENT, /* of process 1 */
    ATTEMPT_READ_DATA,        /* that another program has installed */
    ATTEMPT_WRITE_FILE,
    ATTEMPT_USE_TCP,
    ATTEMPT_USE_UNIX_SOCKET,
    ATTEMPT_SIGNAL_PARENT,
    ATTEMPT_FORK,
    ATTEMPT_NAMESPACE,
    ATTEMPT_LOWER_PARENT, /* its limits */
    ATTEMPT_LOAD_LIBRARY,
    ATTEMPT_MAKE_CODE,
    ATTEMPT_READ_ITSELF, /* /proc/self */
    /* these end the process */
    ATTEMPT_EXECUTE,
    ATTEMPT_TRACE_PARENT,
    ATTEMPT_IO_URING,
    ATTEMPT_SET_USER,
    ATTEMPT_UNSHARE,
    ATTEMPT_MOUNT,
    ATTEMPT_COUNT,
    /* added to one of the above: */
    ATTEMPT_AT_LOAD = 100,   /* what came of it while the library was loaded; not those that end the process */
    ATTEMPT_IN_THREAD = 200, /* in a thread that was started while the library was loaded */
};

/* Called while the library is loaded. */
void attempt_prepare(void);

/* 0: it succeeded. Else an errno. */
int attempt_make(int number);

#endif
