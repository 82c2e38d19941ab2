#include "attach/listener.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/fd.h"

enum { BACKLOG = 64 };

static int fill_address(struct sockaddr_un *address, const char *path)
{
    size_t length = strlen(path);
    if (length == 0)
        return -EINVAL;
    if (length >= sizeof address->sun_path)
        return -ENAMETOOLONG;
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, length);
    return 0;
}

/* Removes a socket that nobody listens on. 0, or -EADDRINUSE. */
static int remove_stale(const struct sockaddr_un *address)
{
    struct stat st;
    if (lstat(address->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -EADDRINUSE;
    /* non-blocking: a full backlog is a listener too */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int ret = connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 ? errno : 0;
    close(fd);
    if (ret != ECONNREFUSED)
        return -EADDRINUSE;
    return unlink(address->sun_path) < 0 ? -errno : 0;
}

static int bind_and_listen(int fd, const struct sockaddr_un *address)
{
    /* the mode that the file is created with: there is no moment at which others may connect */
    if (fchmod(fd, S_IRUSR | S_IWUSR) < 0)
        return -errno;
    if (bind(fd, (const struct sockaddr *)address, sizeof *address) < 0)
        return -errno;
    return listen(fd, BACKLOG) < 0 ? -errno : 0;
}

int apir_listener_open(struct apir_listener *listener, const char *path)
{
    struct sockaddr_un address;
    struct stat st;
    listener->fd = -1;
    int ret = fill_address(&address, path);
    if (ret < 0)
        return ret;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    ret = remove_stale(&address);
    if (ret < 0)
        goto err_fd;
    ret = bind_and_listen(fd, &address);
    if (ret < 0)
        goto err_fd;
    if (lstat(path, &st) < 0) {
        ret = -errno;
        goto err_fd;
    }
    listener->fd = fd;
    listener->path = path;
    listener->device = st.st_dev;
    listener->inode = st.st_ino;
    return 0;

err_fd:
    close(fd);
    return ret;
}

int apir_listener_accept(struct apir_listener *listener)
{
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int apir_listener_connect(const char *path)
{
    struct sockaddr_un address;
    int ret = fill_address(&address, path);
    if (ret < 0)
        return ret;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        ret = -errno;
        close(fd);
        return ret;
    }
    return fd;
}

void apir_listener_close(struct apir_listener *listener)
{
    struct stat st;
    if (listener->fd < 0)
        return;
    if (lstat(listener->path, &st) == 0 && st.st_dev == listener->device && st.st_ino == listener->inode)
        unlink(listener->path);
    apir_fd_close(&listener->fd);
}
