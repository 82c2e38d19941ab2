#include "jail/daemon.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "jail/capabilities.h"
#include "jail/daemon-calls.h"
#include "jail/files.h"

static uint64_t kept_capabilities(void)
{
    const uint64_t for_workers = UINT64_C(1) << CAP_SETUID | UINT64_C(1) << CAP_SETGID | UINT64_C(1) << CAP_KILL;
    return geteuid() == 0 ? for_workers : 0;
}

/* No dumps of what guests computed; and as many files as there may be, since each context takes some. */
static int set_limits(void)
{
    const struct rlimit none = {0, 0};
    struct rlimit files;
    if (setrlimit(RLIMIT_CORE, &none) < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
        return errno;
    files.rlim_cur = files.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &files) < 0 ? errno : 0;
}

void apir_jail_enter_daemon(const struct apir_jail_options *options, struct apir_jail_report *report)
{
    memset(report, 0, sizeof *report);
    report->errors[APIR_JAIL_NO_NEW_PRIVILEGES] = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? errno : 0;
    apir_jail_restrict_files(options, report); /* without new privileges, or with a capability */
    report->errors[APIR_JAIL_LIMITS] = set_limits();
    apir_jail_bound_capabilities(kept_capabilities());
    report->errors[APIR_JAIL_CAPABILITIES] = apir_jail_keep_capabilities(kept_capabilities());
    report->errors[APIR_JAIL_CALLS] = apir_jail_forbid_calls();
    report->errors[APIR_JAIL_USER] = -1;        /* whoever started it */
    report->errors[APIR_JAIL_DESCRIPTORS] = -1; /* as systemd passes them, or a shell */
}
