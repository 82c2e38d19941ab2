#include "jail/capabilities.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

void apir_jail_bound_capabilities(uint64_t kept)
{
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
        if (!(kept >> capability & 1))
            prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

int apir_jail_keep_capabilities(uint64_t kept)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {{0}};
    if (syscall(SYS_capget, &header, sets) < 0)
        return errno;
    bool change = false;
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        const struct __user_cap_data_struct before = sets[i];
        sets[i].permitted &= (uint32_t)(kept >> 32 * i);
        sets[i].effective &= sets[i].permitted;
        sets[i].inheritable = 0;
        change = change || memcmp(&before, &sets[i], sizeof before) != 0;
    }
    if (!change)
        return 0; /* a service manager that has given it none may forbid the call, too */
    return syscall(SYS_capset, &header, sets) < 0 ? errno : 0;
}
