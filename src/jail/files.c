#include "jail/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/fd.h"

/* Numbers of linux/landlock.h that older headers lack. */
#define FS_EXECUTE (UINT64_C(1) << 0)
#define FS_WRITE_FILE (UINT64_C(1) << 1)
#define FS_READ_FILE (UINT64_C(1) << 2)
#define FS_READ_DIR (UINT64_C(1) << 3)
#define FS_REMOVE_DIR (UINT64_C(1) << 4)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_DIR (UINT64_C(1) << 7)
#define FS_ABI_1 ((UINT64_C(1) << 13) - 1) /* up to MAKE_SYM */
#define FS_REFER (UINT64_C(1) << 13)       /* ABI 2 */
#define FS_TRUNCATE (UINT64_C(1) << 14)    /* ABI 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15)   /* ABI 5 */
#define NET_BIND_TCP (UINT64_C(1) << 0)    /* ABI 4 */
#define NET_CONNECT_TCP (UINT64_C(1) << 1) /* ABI 4 */
#define SCOPE_ALL UINT64_C(3)              /* ABI 6: abstract sockets and signals */

#define ON_FILES (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

/* struct landlock_ruleset_attr as of ABI 6; a kernel is given as much of it as it knows. */
struct ruleset {
    uint64_t fs, net, scope;
};

static int get_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi < 0 ? -errno : (int)abi;
}

static struct ruleset make_ruleset(int abi, bool network)
{
    struct ruleset ruleset = {.fs = FS_ABI_1};
    if (abi >= 2)
        ruleset.fs |= FS_REFER;
    if (abi >= 3)
        ruleset.fs |= FS_TRUNCATE;
    if (abi >= 4)
        ruleset.net = network ? NET_BIND_TCP : NET_BIND_TCP | NET_CONNECT_TCP;
    if (abi >= 5)
        ruleset.fs |= FS_IOCTL_DEV;
    if (abi >= 6)
        ruleset.scope = SCOPE_ALL;
    return ruleset;
}

static size_t known_size(int abi)
{
    return abi >= 6 ? sizeof(struct ruleset) : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
}

/* Lets what is at path, and below, be accessed as said. What is not there cannot be opened anyway. */
static int allow(int rules, const char *path, uint64_t access)
{
    struct stat status;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -errno;
    int ret = fstat(fd, &status) < 0 ? -errno : 0;
    if (ret == 0 && !S_ISDIR(status.st_mode))
        access &= ON_FILES;
    struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
    if (ret == 0 && syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
        ret = -errno;
    apir_fd_close(&fd);
    return ret;
}

static int allow_all(int rules, const char *const *paths, size_t n, uint64_t access)
{
    int ret = 0;
    for (size_t i = 0; i < n && ret == 0; i++)
        ret = allow(rules, paths[i], access);
    return ret;
}

static int restrict_to(const struct apir_jail_options *options, const struct ruleset *ruleset, int abi)
{
    const uint64_t reading = FS_EXECUTE | FS_READ_FILE | FS_READ_DIR; /* execute: so may be mapped */
    const uint64_t driving = FS_READ_FILE | FS_READ_DIR | FS_WRITE_FILE | FS_IOCTL_DEV;
    const uint64_t writing = FS_READ_FILE | FS_READ_DIR | FS_WRITE_FILE | FS_TRUNCATE | FS_MAKE_DIR | FS_REMOVE_DIR;
    int rules = (int)syscall(SYS_landlock_create_ruleset, ruleset, known_size(abi), 0);
    if (rules < 0)
        return -errno;
    int ret = allow_all(rules, options->readable, options->n_readable, reading & ruleset->fs);
    if (ret == 0)
        ret = allow_all(rules, options->devices, options->n_devices, driving & ruleset->fs);
    if (ret == 0)
        ret = allow_all(rules, options->writable, options->n_writable, writing & ruleset->fs);
    if (ret == 0)
        ret = allow_all(rules, options->emptied, options->n_emptied, FS_REMOVE_FILE);
    if (ret == 0 && syscall(SYS_landlock_restrict_self, rules, 0) < 0)
        ret = -errno;
    apir_fd_close(&rules);
    return ret;
}

void apir_jail_restrict_files(const struct apir_jail_options *options, struct apir_jail_report *report)
{
    int abi = get_abi(), ret = abi;
    if (abi > 0) {
        struct ruleset ruleset = make_ruleset(abi, options->network);
        ret = restrict_to(options, &ruleset, abi);
    }
    int error = ret < 0 ? -ret : 0;
    report->errors[APIR_JAIL_FILES] = error;
    report->errors[APIR_JAIL_NETWORK] = options->network ? -1 : error ? error : abi >= 4 ? 0 : EOPNOTSUPP;
    report->errors[APIR_JAIL_SCOPE] = error ? error : abi >= 6 ? 0 : EOPNOTSUPP;
}
