/* What all contexts of a client have taken together: a list of numbers in memory that the daemon shares with the client's
 * workers, a line for each. A worker writes its own, and reads all; the daemon clears the line of one that is gone. A worker
 * that its guest has taken over can write what it likes: that concerns workers of the same guest only. */
#ifndef APIR_UTIL_LEDGER_H
#define APIR_UTIL_LEDGER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    APIR_LEDGER_LINES = 8192, /* twice as many as there are contexts: some have yet to end */
    APIR_LEDGER_SIZE = APIR_LEDGER_LINES * 8, /* bytes of the memory */
};

/* One that reads and writes it. */
struct apir_ledger {
    _Atomic uint64_t *lines; /* owned mapping */
    uint32_t own;
    uint64_t limit; /* of the sum */
};

/* Maps fd, APIR_LEDGER_SIZE bytes that cannot shrink, which it borrows. 0, -EINVAL or another -errno. */
int apir_ledger_open(struct apir_ledger *ledger, int fd, uint32_t own, uint64_t limit);

/* One that was not opened (all zero) is a no-op. */
void apir_ledger_close(struct apir_ledger *ledger);

/* Adds to the own line, unless the sum would exceed the limit. Two at once may both be refused what one could have. */
bool apir_ledger_charge(struct apir_ledger *ledger, uint64_t amount);
void apir_ledger_uncharge(struct apir_ledger *ledger, uint64_t amount);

/* How much is left of the limit. */
uint64_t apir_ledger_left(const struct apir_ledger *ledger);

#endif
