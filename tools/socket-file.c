#include "socket-file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/log.h"

int apir_socket_file_parse_mode(const char *text)
{
    if (strcmp(text, "0600") != 0 && strcmp(text, "0660") != 0 && strcmp(text, "0666") != 0)
        return -EINVAL;
    return (int)strtol(text, NULL, 8);
}

/* Who can write to a folder without the sticky bit can replace what is in it. */
static void check_folder(const char *path, const struct apir_log *log)
{
    struct stat status;
    char *folder = strdup(path);
    if (!folder)
        return;
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    if (stat(slash ? folder : ".", &status) == 0 && (status.st_mode & S_IWOTH) && !(status.st_mode & S_ISVTX))
        apir_warn(log, "%s: everybody can write to its folder, and put a socket of theirs in its place", path);
    free(folder);
}

int apir_socket_file_share(const char *path, int mode, const struct apir_log *log)
{
    check_folder(path, log);
    if (mode == 0600)
        return 0;
    return chmod(path, (mode_t)mode) < 0 ? -errno : 0;
}
