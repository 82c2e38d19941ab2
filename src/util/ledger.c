#include "util/ledger.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "util/checked.h"
#include "util/fd.h"

int apir_ledger_open(struct apir_ledger *ledger, int fd, uint32_t own, uint64_t limit)
{
    if (own >= APIR_LEDGER_LINES)
        return -EINVAL;
    int ret = apir_fd_check_memory(fd, APIR_LEDGER_SIZE);
    if (ret < 0)
        return ret;
    void *memory = mmap(NULL, APIR_LEDGER_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    *ledger = (struct apir_ledger){.lines = memory, .own = own, .limit = limit};
    return 0;
}

void apir_ledger_close(struct apir_ledger *ledger)
{
    if (ledger->lines)
        munmap((void *)ledger->lines, APIR_LEDGER_SIZE);
    memset(ledger, 0, sizeof *ledger);
}

/* Others may have written anything: the sum does not wrap. */
static uint64_t sum(const struct apir_ledger *ledger)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < APIR_LEDGER_LINES; i++)
        /* seq_cst: see apir_ledger_charge */
        if (!apir_checked_add(total, atomic_load_explicit(&ledger->lines[i], memory_order_seq_cst), &total))
            return UINT64_MAX;
    return total;
}

bool apir_ledger_charge(struct apir_ledger *ledger, uint64_t amount)
{
    _Atomic uint64_t *own = &ledger->lines[ledger->own];
    /* seq_cst: of two who add and then read the sum, one at least sees what both have added */
    atomic_fetch_add_explicit(own, amount, memory_order_seq_cst);
    if (sum(ledger) <= ledger->limit)
        return true;
    atomic_fetch_sub_explicit(own, amount, memory_order_seq_cst);
    return false;
}

void apir_ledger_uncharge(struct apir_ledger *ledger, uint64_t amount)
{
    atomic_fetch_sub_explicit(&ledger->lines[ledger->own], amount, memory_order_seq_cst);
}

uint64_t apir_ledger_left(const struct apir_ledger *ledger)
{
    uint64_t used = sum(ledger);
    return used < ledger->limit ? ledger->limit - used : 0;
}
