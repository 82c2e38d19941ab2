/* The account of a client, which is a virtual machine or all who use a socket: what its workers have taken together
 * (util/ledger.h), and which of them has which line. Not thread-safe. */
#ifndef APIR_ATTACH_ACCOUNT_H
#define APIR_ATTACH_ACCOUNT_H

#include <stdint.h>

#include "util/ledger.h"

/* The owner calls finish. */
struct apir_account {
    int fd; /* the ledger's memory; above those that a worker is given */
    struct apir_ledger ledger;
    uint64_t taken[APIR_LEDGER_LINES / 64]; /* bit n: a worker has line n */
};

/* 0 or -errno. */
int apir_account_init(struct apir_account *account);

/* One that was not initialised (all zero) is a no-op. */
void apir_account_finish(struct apir_account *account);

/* A line for a worker that is about to start, or -EAGAIN: there are too many. */
int apir_account_take(struct apir_account *account);

/* The worker is gone, and has nothing any more. */
void apir_account_give_back(struct apir_account *account, int line);

#endif
