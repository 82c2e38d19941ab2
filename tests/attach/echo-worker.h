/* The commands of echo-worker: 32-bit words, the first names the command. Used by the tests and in the guest. */
#ifndef APIR_TESTS_ECHO_WORKER_H
#define APIR_TESTS_ECHO_WORKER_H

/* 0 is the handshake of wire/capset.h: it answers in the status page. */
enum {
    ECHO_WRITE = 0x100,  /* memory id, byte offset, value: writes the value there */
    ECHO_SUM = 0x101,    /* memory id, byte offset, words...: writes their sum */
    ECHO_DIE = 0x102,    /* is killed by a signal */
    ECHO_HANG = 0x103,   /* does nothing any more, not even end, while the other end is open */
    ECHO_SLEEP = 0x104,  /* milliseconds: takes nothing for that long */
    ECHO_LINGER = 0x105, /* milliseconds: goes on writing to the memory that is removed next, for that long */
    ECHO_EXIT = 0x106,   /* code: exits */
    ECHO_ENVIRONMENT = 0x107, /* memory id, byte offset: writes the number in the environment variable ECHO_VALUE */
    ECHO_LIE = 0x108,    /* memory id: answers the next removal as if it were of that */
};

#endif
