#include "util/move.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "util/fd.h"

/* How many threads of the machine run or want to, this one among them; 0: it cannot be told. */
static unsigned count_running(void)
{
    char text[64];
    unsigned running = 0;
    int fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t got = read(fd, text, sizeof text - 1);
    apir_fd_close(&fd);
    text[got > 0 ? got : 0] = '\0';
    return sscanf(text, "%*s %*s %*s %u/", &running) == 1 ? running : 0;
}

bool apir_move_away(void)
{
    cpu_set_t allowed, others;
    unsigned running = count_running();
    int here = sched_getcpu();
    if (here < 0 || running == 0 || sched_getaffinity(0, sizeof allowed, &allowed) < 0)
        return false;
    others = allowed;
    CPU_CLR(here, &others);
    if (CPU_COUNT(&others) == 0 || running > (unsigned)sysconf(_SC_NPROCESSORS_ONLN))
        return false;
    if (sched_setaffinity(0, sizeof others, &others) < 0)
        return false;
    sched_setaffinity(0, sizeof allowed, &allowed); /* as it was: the kernel may move it on */
    return true;
}
