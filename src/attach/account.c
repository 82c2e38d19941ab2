#include "attach/account.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "util/fd.h"

enum {
    LOWEST_FD = 16, /* a worker's fds are below: while they are put in their places, none takes this one's */
};

int apir_account_init(struct apir_account *account)
{
    memset(account, 0, sizeof *account);
    account->fd = -1;
    int fd = apir_fd_memory("apir-ledger", APIR_LEDGER_SIZE);
    if (fd < 0)
        return fd;
    account->fd = fcntl(fd, F_DUPFD_CLOEXEC, LOWEST_FD);
    int ret = account->fd < 0 ? -errno : apir_ledger_open(&account->ledger, account->fd, 0, UINT64_MAX);
    apir_fd_close(&fd);
    if (ret < 0)
        apir_fd_close(&account->fd);
    return ret;
}

void apir_account_finish(struct apir_account *account)
{
    if (!account->ledger.lines)
        return;
    apir_ledger_close(&account->ledger);
    apir_fd_close(&account->fd);
}

int apir_account_take(struct apir_account *account)
{
    for (int line = 0; line < APIR_LEDGER_LINES; line++) {
        uint64_t bit = UINT64_C(1) << line % 64;
        if (account->taken[line / 64] & bit)
            continue;
        account->taken[line / 64] |= bit;
        return line;
    }
    return -EAGAIN;
}

void apir_account_give_back(struct apir_account *account, int line)
{
    account->taken[line / 64] &= ~(UINT64_C(1) << line % 64);
    /* seq_cst: as the workers add */
    atomic_store_explicit(&account->ledger.lines[line], 0, memory_order_seq_cst);
}
