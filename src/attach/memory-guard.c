#include "attach/memory-guard.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/* A handler is given nothing but an address: an exception to "no mutable globals". */
static _Thread_local struct apir_memory *watched;

static void handle_bus_error(int number, siginfo_t *info, void *context)
{
    static const struct sigaction by_default = {.sa_handler = SIG_DFL};
    int saved = errno;
    (void)context;
    bool sent = info->si_code <= 0; /* by a process: nothing has happened here */
    if (sent || !watched || !apir_memory_lose(watched, info->si_addr)) {
        sigaction(number, &by_default, NULL); /* the access is tried again, and ends the process */
        if (sent)
            raise(number);
    }
    errno = saved;
}

int apir_memory_guard_install(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handle_bus_error;
    action.sa_flags = SA_SIGINFO;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGBUS, &action, NULL) < 0 ? -errno : 0;
}

void apir_memory_guard_watch(struct apir_memory *memory)
{
    watched = memory;
}
