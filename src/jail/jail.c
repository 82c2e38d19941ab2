#include "jail/jail.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jail/call-lists.h"
#include "jail/calls.h"
#include "jail/capabilities.h"
#include "jail/files.h"
#include "jail/user.h"

enum {
    MAX_FILES = 8192, /* a context's shared memory is closed once it is mapped; drivers have some hundred */
};

static const char *const names[APIR_JAIL_LAYERS] = {
    [APIR_JAIL_NO_NEW_PRIVILEGES] = "no new privileges", [APIR_JAIL_CAPABILITIES] = "no capabilities",
    [APIR_JAIL_DESCRIPTORS] = "descriptors",             [APIR_JAIL_LIMITS] = "limits",
    [APIR_JAIL_FILES] = "files",                         [APIR_JAIL_NETWORK] = "no network",
    [APIR_JAIL_SCOPE] = "scope",                         [APIR_JAIL_USER] = "own user",
    [APIR_JAIL_CALLS] = "system calls",
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

static int close_descriptors(unsigned first)
{
    return error_of(syscall(SYS_close_range, first, ~0U, 0));
}

static int restrict_calls(uint32_t calls, const struct apir_jail_report *report)
{
    return apir_jail_restrict_calls(calls | (report->errors[APIR_JAIL_USER] == 0 ? APIR_CALLS_OWN_USER : 0));
}

static int enter_layer(const struct apir_jail_options *options, enum apir_jail_layer layer,
                       const struct apir_jail_report *report)
{
    switch (layer) {
    case APIR_JAIL_NO_NEW_PRIVILEGES:
        return error_of(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    case APIR_JAIL_DESCRIPTORS:
        return close_descriptors(options->descriptors);
    case APIR_JAIL_LIMITS:
        return set_limits();
    case APIR_JAIL_USER:
        return apir_jail_become_user(options);
    case APIR_JAIL_CAPABILITIES:
        return apir_jail_keep_capabilities(0);
    case APIR_JAIL_CALLS:
        return restrict_calls(options->calls, report);
    default:
        return 0; /* Landlock's, which go together */
    }
}

static bool is_left_out(const struct apir_jail_options *options, enum apir_jail_layer layer)
{
    return options->without & UINT32_C(1) << layer;
}

/* Each step leaves less of what the next could need: Landlock takes no new privileges, or a capability; another user has no
 * capabilities; the last needs nothing. */
void apir_jail_enter(const struct apir_jail_options *options, struct apir_jail_report *report)
{
    static const enum apir_jail_layer order[] = {
        APIR_JAIL_NO_NEW_PRIVILEGES, APIR_JAIL_DESCRIPTORS, APIR_JAIL_FILES, APIR_JAIL_LIMITS, APIR_JAIL_USER,
        APIR_JAIL_CAPABILITIES,      APIR_JAIL_CALLS,
    };
    for (int i = 0; i < APIR_JAIL_LAYERS; i++)
        report->errors[i] = is_left_out(options, (enum apir_jail_layer)i) ? -1 : 0;
    if (!is_left_out(options, APIR_JAIL_CAPABILITIES))
        apir_jail_bound_capabilities(0); /* takes one that becoming a user gives up */
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        if (is_left_out(options, order[i]))
            continue;
        if (order[i] == APIR_JAIL_FILES)
            apir_jail_restrict_files(options, report);
        else
            report->errors[order[i]] = enter_layer(options, order[i], report);
    }
}

void apir_jail_narrow(uint32_t calls, struct apir_jail_report *report)
{
    if (report->errors[APIR_JAIL_CALLS] == 0)
        report->errors[APIR_JAIL_CALLS] = restrict_calls(calls, report);
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
