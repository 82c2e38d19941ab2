/* Control groups (cgroups version 2): one for each client, so that all have the same share of the processors, and below
 * it one for each worker, which bounds what the kernel gives it. */
#ifndef APIR_ATTACH_CGROUP_H
#define APIR_ATTACH_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { APIR_CGROUP_PATH = 4096 };

/* How groups are made: as files are. Each returns 0 or -errno. */
struct apir_cgroup_files {
    int (*make)(const char *path);   /* a group */
    int (*remove)(const char *path); /* a group without processes */
    int (*write)(const char *path, const char *text);
};

/* The groups below one that this process may divide. Immutable after init: threads share it. */
struct apir_cgroup {
    const struct apir_cgroup_files *files;
    char folder[APIR_CGROUP_PATH]; /* without '/' at its end */
    uint64_t memory;               /* bytes of each worker; 0: no limit */
    unsigned tasks;                /* threads of each worker */
    bool cpu;                      /* clients share processors alike, whatever the number of their workers */
};

/* Finds the folder of the group that this process may divide: its own, or that above one named "apird", in which a service
 * manager has started it. 0, -ENOENT if there is no version 2 of control groups, -ENAMETOOLONG, or another -errno. */
int apir_cgroup_find(char *folder, size_t size);

/* The files of the system. */
const struct apir_cgroup_files *apir_cgroup_system(void);

/* Divides the group of that folder: moves this process to a group "apird" in it, and has the others limit memory and
 * threads, and share processors where that can be (cpu tells); removes groups of clients whose daemon has died, and
 * kills what is left in them. 0, -EBUSY if other processes are in the folder's group, -EACCES if it is not this user's,
 * -EOPNOTSUPP if memory cannot be limited there, or another -errno: then nothing has changed. */
int apir_cgroup_init(struct apir_cgroup *groups, const char *folder, const struct apir_cgroup_files *files,
                     uint64_t memory, unsigned tasks);

/* Puts a worker that was just started into a group of its own, below that of its client, which may be any number. 0 or
 * -errno: then it has no limits. Workers of one client are added and removed by one thread. */
int apir_cgroup_add(const struct apir_cgroup *groups, unsigned client, pid_t worker);

/* Removes the group of a worker that is reaped, and that of its client if it was the last one. NULL is a no-op. */
void apir_cgroup_remove(const struct apir_cgroup *groups, unsigned client, pid_t worker);

#endif
