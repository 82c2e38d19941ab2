#include "jail/user.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_GROUPS = 16,
    THREADS = 256,             /* of drivers, and of a context's queues */
    THREADS_PER_PROCESSOR = 64, /* ggml computes with one for each processor, in each backend of a context */
};

struct groups {
    gid_t ids[MAX_GROUPS];
    size_t n;
};

static bool has_group(const struct groups *groups, gid_t id)
{
    for (size_t i = 0; i < groups->n; i++)
        if (groups->ids[i] == id)
            return true;
    return false;
}

/* The group of a device node that its group may use. Root's own would open more than the node. */
static void add_group(struct groups *groups, const char *path)
{
    struct stat status;
    if (stat(path, &status) < 0 || !S_ISCHR(status.st_mode))
        return;
    bool needed = (status.st_mode & 0060) == 0060 && (status.st_mode & 0006) != 0006;
    if (needed && status.st_gid != 0 && groups->n < MAX_GROUPS && !has_group(groups, status.st_gid))
        groups->ids[groups->n++] = status.st_gid;
}

static void add_groups_in(struct groups *groups, const char *folder)
{
    char path[512];
    struct dirent *entry;
    DIR *nodes = opendir(folder);
    while (nodes && (entry = readdir(nodes))) {
        int length = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (length > 0 && (size_t)length < sizeof path)
            add_group(groups, path);
    }
    if (nodes)
        closedir(nodes);
}

static void collect_groups(struct groups *groups, const struct apir_jail_options *options)
{
    struct stat status;
    for (size_t i = 0; i < options->n_devices; i++) {
        if (stat(options->devices[i], &status) == 0 && S_ISDIR(status.st_mode))
            add_groups_in(groups, options->devices[i]);
        else
            add_group(groups, options->devices[i]);
    }
}

unsigned apir_jail_max_threads(void)
{
    long processors = sysconf(_SC_NPROCESSORS_CONF);
    return THREADS + THREADS_PER_PROCESSOR * (unsigned)(processors > 0 ? processors : 1);
}

static int limit_threads(void)
{
    struct rlimit limit;
    rlim_t most = apir_jail_max_threads();
    if (getrlimit(RLIMIT_NPROC, &limit) < 0)
        return errno;
    limit.rlim_max = limit.rlim_max < most ? limit.rlim_max : most;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NPROC, &limit) < 0 ? errno : 0;
}

int apir_jail_become_user(const struct apir_jail_options *options)
{
    struct groups groups = {.n = 0};
    if (geteuid() != 0)
        return -1;
    if (!options->user_base)
        return EPERM;
    uint64_t id = (uint64_t)options->user_base + (uint64_t)getpid();
    if (id > APIR_JAIL_MAX_USER)
        return ERANGE;
    collect_groups(&groups, options);
    if (setgroups(groups.n, groups.ids) < 0 || setresgid((gid_t)id, (gid_t)id, (gid_t)id) < 0)
        return errno;
    int error = limit_threads();
    if (error == 0 && setresuid((uid_t)id, (uid_t)id, (uid_t)id) < 0)
        error = errno;
    return error;
}
