#include "jail/daemon-calls.h"

#include <errno.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

/* LeakSanitizer stops the process that it looks at. */
#if defined __SANITIZE_ADDRESS__ || __has_feature(address_sanitizer)
#define IS_TRACED 1
#else
#define IS_TRACED 0
#endif

/* Other file systems, name spaces, kernels, clocks and processes. */
static const int killed[] = {
    SCMP_SYS(acct),          SCMP_SYS(add_key),         SCMP_SYS(bpf),            SCMP_SYS(chroot),
    SCMP_SYS(clock_settime), SCMP_SYS(delete_module),   SCMP_SYS(fanotify_init),  SCMP_SYS(finit_module),
    SCMP_SYS(fsconfig),      SCMP_SYS(fsmount),         SCMP_SYS(fsopen),         SCMP_SYS(fspick),
    SCMP_SYS(init_module),   SCMP_SYS(ioperm),          SCMP_SYS(iopl),           SCMP_SYS(kexec_file_load),
    SCMP_SYS(kexec_load),    SCMP_SYS(keyctl),          SCMP_SYS(mount),          SCMP_SYS(mount_setattr),
    SCMP_SYS(move_mount),    SCMP_SYS(open_by_handle_at), SCMP_SYS(open_tree),    SCMP_SYS(pivot_root),
    SCMP_SYS(quotactl),      SCMP_SYS(reboot),          SCMP_SYS(request_key),    SCMP_SYS(setdomainname),
    SCMP_SYS(sethostname),   SCMP_SYS(setns),           SCMP_SYS(settimeofday),   SCMP_SYS(swapoff),
    SCMP_SYS(swapon),        SCMP_SYS(umount2),         SCMP_SYS(unshare),        SCMP_SYS(userfaultfd),
    SCMP_SYS(vhangup),
};

static const int refused[] = {
    SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register), SCMP_SYS(io_uring_setup),   SCMP_SYS(perf_event_open),
    SCMP_SYS(personality),    SCMP_SYS(process_vm_readv),  SCMP_SYS(process_vm_writev), SCMP_SYS(syslog),
};

/* A call that this machine does not have is none to forbid. */
static int add(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t n)
{
    int ret = 0;
    for (size_t i = 0; i < n && ret == 0; i++)
        if (calls[i] >= 0)
            ret = seccomp_rule_add(filter, action, calls[i], 0);
    return ret;
}

static int load(scmp_filter_ctx filter)
{
    int ret = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (ret == 0)
        ret = add(filter, SCMP_ACT_KILL_PROCESS, killed, sizeof killed / sizeof *killed);
    if (ret == 0)
        ret = add(filter, SCMP_ACT_ERRNO(EPERM), refused, sizeof refused / sizeof *refused);
    if (ret == 0 && !IS_TRACED)
        ret = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(ptrace), 0);
    if (ret == 0)
        ret = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    return ret == 0 ? seccomp_load(filter) : ret;
}

int apir_jail_forbid_calls(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter)
        return ENOMEM;
    int ret = load(filter);
    seccomp_release(filter);
    return -ret;
}
