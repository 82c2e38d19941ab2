#include "jail/jail.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "jail/capabilities.h"
#include "jail/files.h"
#include "jail/user.h"

enum {
    MAX_FILES = 8192, /* a context's shared memory is closed once it is mapped; drivers have some hundred */
};

static const char *const names[APIR_JAIL_LAYERS] = {
    [APIR_JAIL_NO_NEW_PRIVILEGES] = "no new privileges", [APIR_JAIL_CAPABILITIES] = "no capabilities",
    [APIR_JAIL_LIMITS] = "limits",                       [APIR_JAIL_FILES] = "files",
    [APIR_JAIL_NETWORK] = "no network",                  [APIR_JAIL_SCOPE] = "scope",
    [APIR_JAIL_USER] = "own user",
};

const char *apir_jail_layer_name(enum apir_jail_layer layer)
{
    return names[layer];
}

static int error_of(long ret)
{
    return ret < 0 ? errno : 0;
}

/* No more than there were. */
static int lower(int resource, rlim_t most)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) < 0)
        return errno;
    limit.rlim_max = limit.rlim_max < most ? limit.rlim_max : most;
    limit.rlim_cur = limit.rlim_max;
    return error_of(setrlimit(resource, &limit));
}

static int set_limits(void)
{
    int error = lower(RLIMIT_CORE, 0);
    return error ? error : lower(RLIMIT_NOFILE, MAX_FILES);
}

void apir_jail_enter(const struct apir_jail_options *options, struct apir_jail_report *report)
{
    memset(report, 0, sizeof *report);
    report->errors[APIR_JAIL_NO_NEW_PRIVILEGES] = error_of(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    apir_jail_restrict_files(options, report); /* without new privileges, or with a capability */
    report->errors[APIR_JAIL_LIMITS] = set_limits();
    apir_jail_bound_capabilities(0); /* takes a capability that the next step gives up */
    report->errors[APIR_JAIL_USER] = apir_jail_become_user(options);
    report->errors[APIR_JAIL_CAPABILITIES] = apir_jail_keep_capabilities(0);
}

bool apir_jail_is_complete(const struct apir_jail_report *report)
{
    for (int i = 0; i < APIR_JAIL_LAYERS; i++)
        if (report->errors[i] > 0)
            return false;
    return true;
}

void apir_jail_describe(const struct apir_jail_report *report, bool missing, char *text, size_t size)
{
    size_t used = 0;
    if (size)
        text[0] = '\0';
    for (int i = 0; i < APIR_JAIL_LAYERS; i++) {
        if (missing ? report->errors[i] <= 0 : report->errors[i] != 0)
            continue;
        int length = snprintf(text + used, size - used, "%s%s", used ? ", " : "", names[i]);
        if (length < 0 || (size_t)length >= size - used)
            return;
        used += (size_t)length;
    }
}
