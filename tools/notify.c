#include "notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "util/fd.h"

/* How many bytes of the address are in use, or 0. */
static socklen_t set_address(struct sockaddr_un *address, const char *name)
{
    size_t length = strlen(name);
    if ((*name != '/' && *name != '@') || length >= sizeof address->sun_path)
        return 0;
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, name, length);
    if (*name == '@')
        address->sun_path[0] = '\0'; /* no file: the kernel's own name space */
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

int apir_notify_open(void)
{
    struct sockaddr_un address;
    const char *name = getenv("NOTIFY_SOCKET");
    socklen_t length = name ? set_address(&address, name) : 0;
    int fd = length ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
    unsetenv("NOTIFY_SOCKET");
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, length) < 0)
        apir_fd_close(&fd);
    return fd;
}

void apir_notify_ready(int *fd)
{
    static const char ready[] = "READY=1";
    if (*fd >= 0)
        send(*fd, ready, strlen(ready), MSG_NOSIGNAL); /* who does not hear it gives up on us */
    apir_fd_close(fd);
}
