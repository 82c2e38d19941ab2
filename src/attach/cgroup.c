#include "attach/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/fd.h"

enum {
    MAX_PATH = APIR_CGROUP_PATH + 64,
    MAX_MEMBERS = 64 * 1024, /* bytes of a list of processes: it is read to see whether there is another */
};

#define OWN_GROUP "apird"
#define CLIENT_GROUP "apird-client-" /* then the daemon's process id, '-', and the client's number */
#define WORKER_GROUP "worker-"       /* below its client's; then its process id */

static int make_folder(const char *path)
{
    return mkdir(path, 0755) < 0 ? -errno : 0;
}

static int remove_folder(const char *path)
{
    return rmdir(path) < 0 ? -errno : 0;
}

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t written = write(fd, text, strlen(text));
    int ret = written < 0 ? -errno : 0;
    apir_fd_close(&fd);
    return ret;
}

const struct apir_cgroup_files *apir_cgroup_system(void)
{
    static const struct apir_cgroup_files files = {make_folder, remove_folder, write_file};
    return &files;
}

/* Reads a whole file, of size - 1 bytes at most, as text. 0 or -errno. */
static int read_file(const char *path, char *text, size_t size)
{
    size_t used = 0;
    ssize_t got = 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    while (used < size - 1 && (got = read(fd, text + used, size - 1 - used)) > 0)
        used += (size_t)got;
    text[used] = '\0';
    int ret = got < 0 ? -errno : 0;
    apir_fd_close(&fd);
    return ret;
}

/* Where version 2 is mounted, and which group is at the top there. 0 or -ENOENT. */
static int find_mount(char *point, char *top, size_t size)
{
    char *line = NULL, *rest;
    size_t capacity = 0;
    int ret = -ENOENT;
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    while (mounts && ret != 0 && getline(&line, &capacity, mounts) > 0) {
        const char *type = strstr(line, " - cgroup2 "); /* proc_pid_mountinfo(5): the 4th and the 5th field */
        for (int i = 0; type && i < 3; i++)
            strtok_r(i == 0 ? line : NULL, " ", &rest);
        const char *root = type ? strtok_r(NULL, " ", &rest) : NULL, *place = root ? strtok_r(NULL, " ", &rest) : NULL;
        if (place && strlen(root) < size && strlen(place) < size) {
            strcpy(top, root);
            strcpy(point, place);
            ret = 0;
        }
    }
    free(line);
    if (mounts)
        fclose(mounts);
    return ret;
}

/* The name of this process' group in version 2. 0 or -ENOENT. */
static int find_name(char *name, size_t size)
{
    char text[8192];
    if (read_file("/proc/self/cgroup", text, sizeof text) < 0)
        return -ENOENT;
    char *line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
    if (!line)
        return -ENOENT;
    line = strchr(line, ':') + 2;
    line[strcspn(line, "\n")] = '\0';
    if (strlen(line) >= size)
        return -ENAMETOOLONG;
    strcpy(name, line);
    return 0;
}

/* Takes a group of our name off the end: it is one of those that the one above is divided into. */
static void strip_own(char *folder)
{
    size_t length = strlen(folder), own = strlen("/" OWN_GROUP);
    while (length > 1 && folder[length - 1] == '/')
        folder[--length] = '\0';
    if (length > own && strcmp(folder + length - own, "/" OWN_GROUP) == 0)
        folder[length - own] = '\0';
}

int apir_cgroup_find(char *folder, size_t size)
{
    char point[1024], top[1024], name[1024];
    int ret = find_mount(point, top, sizeof point);
    if (ret == 0)
        ret = find_name(name, sizeof name);
    if (ret < 0)
        return ret;
    size_t shared = strcmp(top, "/") == 0 ? 0 : strlen(top);
    if (strncmp(name, top, shared) != 0)
        return -ENOENT; /* it is not below what is mounted */
    int length = snprintf(folder, size, "%s%s", point, name + shared);
    if (length < 0 || (size_t)length >= size)
        return -ENAMETOOLONG;
    strip_own(folder);
    return 0;
}

static int write_to(const struct apir_cgroup *groups, const char *group, const char *file, const char *text)
{
    char path[MAX_PATH];
    int length = snprintf(path, sizeof path, "%s%s%s/%s", groups->folder, *group ? "/" : "", group, file);
    return length < 0 || (size_t)length >= sizeof path ? -ENAMETOOLONG : groups->files->write(path, text);
}

static int make(const struct apir_cgroup *groups, const char *group)
{
    char path[MAX_PATH];
    int length = snprintf(path, sizeof path, "%s/%s", groups->folder, group);
    return length < 0 || (size_t)length >= sizeof path ? -ENAMETOOLONG : groups->files->make(path);
}

static int remove_group(const struct apir_cgroup *groups, const char *group)
{
    char path[MAX_PATH];
    int length = snprintf(path, sizeof path, "%s/%s", groups->folder, group);
    return length < 0 || (size_t)length >= sizeof path ? -ENAMETOOLONG : groups->files->remove(path);
}

/* A group with processes of its own cannot be divided. 0: nobody but us; -EBUSY; or -errno. */
static int check_members(const struct apir_cgroup *groups)
{
    char path[MAX_PATH], *rest;
    char *text = malloc(MAX_MEMBERS);
    if (!text)
        return -ENOMEM;
    snprintf(path, sizeof path, "%s/cgroup.procs", groups->folder);
    int ret = read_file(path, text, MAX_MEMBERS);
    for (char *line = ret == 0 ? strtok_r(text, "\n", &rest) : NULL; line && ret == 0; line = strtok_r(NULL, "\n", &rest))
        if (strtol(line, NULL, 10) != getpid())
            ret = -EBUSY;
    free(text);
    return ret;
}

/* Whether a word is one of a list: "cpuset" is not "cpu". */
static bool has_word(const char *list, const char *word)
{
    size_t length;
    for (list += strspn(list, " \n"); *list; list += length + strspn(list + length, " \n")) {
        length = strcspn(list, " \n");
        if (length == strlen(word) && strncmp(list, word, length) == 0)
            return true;
    }
    return false;
}

static int check_controllers(struct apir_cgroup *groups)
{
    char path[MAX_PATH], text[512];
    snprintf(path, sizeof path, "%s/cgroup.controllers", groups->folder);
    int ret = read_file(path, text, sizeof text);
    if (ret < 0)
        return ret;
    groups->cpu = has_word(text, "cpu");
    return has_word(text, "memory") ? 0 : -EOPNOTSUPP;
}

/* Whether a group is of a client whose daemon has gone: of another process, or of one that had our number before us. */
static bool is_abandoned(const char *group)
{
    if (strncmp(group, CLIENT_GROUP, strlen(CLIENT_GROUP)) != 0)
        return false;
    long daemon = strtol(group + strlen(CLIENT_GROUP), NULL, 10);
    return daemon == getpid() || (daemon > 0 && kill((pid_t)daemon, 0) < 0 && errno == ESRCH);
}

static void remove_workers(const struct apir_cgroup *groups, const char *client)
{
    char path[MAX_PATH], name[2 * sizeof((struct dirent *)0)->d_name];
    struct dirent *entry;
    int length = snprintf(path, sizeof path, "%s/%s", groups->folder, client);
    DIR *folder = length < 0 || (size_t)length >= sizeof path ? NULL : opendir(path);
    while (folder && (entry = readdir(folder))) {
        if (strncmp(entry->d_name, WORKER_GROUP, strlen(WORKER_GROUP)) != 0)
            continue;
        snprintf(name, sizeof name, "%s/%s", client, entry->d_name);
        remove_group(groups, name);
    }
    if (folder)
        closedir(folder);
}

/* What was left is killed, which takes a moment; its group goes the next time then. */
static void remove_abandoned(const struct apir_cgroup *groups)
{
    struct dirent *entry;
    DIR *folder = opendir(groups->folder);
    while (folder && (entry = readdir(folder))) {
        if (!is_abandoned(entry->d_name))
            continue;
        write_to(groups, entry->d_name, "cgroup.kill", "1");
        remove_workers(groups, entry->d_name);
        remove_group(groups, entry->d_name);
    }
    if (folder)
        closedir(folder);
}

/* Has the groups below one limit memory and threads, and share processors alike if that can be: their weights stay what
 * they are by default. 1: processors, too; 0; or -errno. */
static int hand_down(const struct apir_cgroup *groups, const char *group)
{
    if (groups->cpu && write_to(groups, group, "cgroup.subtree_control", "+cpu +memory +pids") == 0)
        return 1;
    return write_to(groups, group, "cgroup.subtree_control", "+memory +pids");
}

/* As hand_down. */
static int divide(const struct apir_cgroup *groups)
{
    int ret = make(groups, OWN_GROUP);
    if (ret < 0 && ret != -EEXIST)
        return ret;
    ret = write_to(groups, OWN_GROUP, "cgroup.procs", "0");
    if (ret < 0)
        goto err_group;
    ret = hand_down(groups, "");
    if (ret < 0)
        goto err_member;
    return ret;

err_member:
    write_to(groups, "", "cgroup.procs", "0");
err_group:
    remove_group(groups, OWN_GROUP); /* does nothing if somebody else is in it */
    return ret;
}

int apir_cgroup_init(struct apir_cgroup *groups, const char *folder, const struct apir_cgroup_files *files,
                     uint64_t memory, unsigned tasks)
{
    if (strlen(folder) >= sizeof groups->folder)
        return -ENAMETOOLONG;
    strcpy(groups->folder, folder);
    groups->files = files;
    groups->memory = memory;
    groups->tasks = tasks;
    int ret = check_controllers(groups);
    if (ret == 0)
        ret = check_members(groups);
    if (ret == 0)
        ret = divide(groups);
    if (ret < 0)
        return ret;
    groups->cpu = ret == 1;
    remove_abandoned(groups);
    return 0;
}

static void name_client(char *name, size_t size, unsigned client)
{
    snprintf(name, size, CLIENT_GROUP "%d-%u", (int)getpid(), client);
}

static void name_worker(char *name, size_t size, unsigned client, pid_t worker)
{
    snprintf(name, size, CLIENT_GROUP "%d-%u/" WORKER_GROUP "%d", (int)getpid(), client, (int)worker);
}

/* The first of its workers makes it. */
static int make_client(const struct apir_cgroup *groups, const char *client)
{
    int ret = make(groups, client);
    return ret < 0 && ret != -EEXIST ? ret : hand_down(groups, client);
}

/* If memory runs out in it, all of it ends, not what the kernel picks. */
static int limit(const struct apir_cgroup *groups, const char *group)
{
    char text[32];
    strcpy(text, "max");
    if (groups->memory)
        snprintf(text, sizeof text, "%" PRIu64, groups->memory);
    int ret = write_to(groups, group, "memory.max", text);
    if (ret == 0)
        ret = write_to(groups, group, "memory.oom.group", "1");
    snprintf(text, sizeof text, "%u", groups->tasks);
    return ret == 0 ? write_to(groups, group, "pids.max", text) : ret;
}

int apir_cgroup_add(const struct apir_cgroup *groups, unsigned client, pid_t worker)
{
    char above[64], name[96], text[32];
    name_client(above, sizeof above, client);
    name_worker(name, sizeof name, client, worker);
    snprintf(text, sizeof text, "%d", (int)worker);
    int ret = make_client(groups, above);
    if (ret < 0)
        goto err_client;
    ret = make(groups, name);
    if (ret < 0)
        goto err_client;
    ret = limit(groups, name);
    if (ret == 0)
        ret = write_to(groups, name, "cgroup.procs", text);
    if (ret < 0)
        goto err_worker;
    return 0;

err_worker:
    remove_group(groups, name);
err_client:
    remove_group(groups, above); /* does nothing if it has other workers */
    return ret;
}

void apir_cgroup_remove(const struct apir_cgroup *groups, unsigned client, pid_t worker)
{
    char above[64], name[96];
    if (!groups)
        return;
    name_client(above, sizeof above, client);
    name_worker(name, sizeof name, client, worker);
    if (remove_group(groups, name) == -EBUSY) {
        write_to(groups, name, "cgroup.kill", "1"); /* what it has started */
        remove_group(groups, name);
    }
    remove_group(groups, above); /* does nothing if it has other workers */
}
