#include "worker-jail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/log.h"
#include "util/path-list.h"

#ifdef APIR_UNFILTERED /* a sanitizer maps what it likes, and ends with ptrace */
static const uint32_t left_out = UINT32_C(1) << APIR_JAIL_CALLS;
#else
static const uint32_t left_out = 0;
#endif

/* What drivers keep of compiled programs would be the next guest's: none of it, instead of failing to write it. ggml's own
 * words on an abort come from a debugger that it cannot start. */
static const char *const settings[] = {
    "MESA_SHADER_CACHE_DISABLE=true", "__GL_SHADER_DISK_CACHE=0", "CUDA_CACHE_DISABLE=1", "GGML_NO_BACKTRACE=1",
};

/* NVIDIA's own driver, whether CUDA or Vulkan asks for it. */
static bool needs_nvidia(const struct apir_worker_needs *needs)
{
    return apir_worker_needs_library(needs, "cuda") ||
           (!apir_worker_needs_no_device(needs) && access("/dev/nvidiactl", F_OK) == 0);
}

static uint32_t calls_of_devices(const struct apir_worker_needs *needs)
{
    uint32_t calls = apir_worker_needs_library(needs, "rpc") ? APIR_JAIL_CALLS_NETWORK | APIR_JAIL_CALLS_OPEN : 0;
    if (!apir_worker_needs_no_device(needs)) /* their drivers compile programs, and open what they need when they need it */
        calls |= APIR_JAIL_CALLS_DEVICES | APIR_JAIL_CALLS_OPEN | APIR_JAIL_CALLS_CODE;
    return calls | (needs_nvidia(needs) ? APIR_JAIL_CALLS_NVIDIA : 0);
}

/* What root could read, and its worker cannot. */
static void explain_unreadable(const char *list, const struct apir_log *log)
{
    const char *rest = list ? list : "", *entry;
    size_t length;
    while ((entry = apir_path_list_next(&rest, &length))) {
        char *path = strndup(entry, length);
        if (path && strchr(path, '/') && access(path, R_OK) < 0 && errno == EACCES)
            apir_error(log, "%s cannot be read by the worker, which is a user of its own: let others read it and its "
                       "folders, or start as the user who may, or with --worker-users none", path);
        free(path);
    }
}

void apir_worker_jail_enter(struct apir_worker_jail *jail)
{
    const struct apir_worker_needs *needs = &jail->needs;
    struct apir_worker_paths *paths = malloc(sizeof *paths);
    if (!paths) {
        for (int i = 0; i < APIR_JAIL_LAYERS; i++)
            jail->report.errors[i] = ENOMEM;
        return;
    }
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        putenv((char *)(uintptr_t)settings[i]);
    apir_worker_paths_collect(paths, needs, true);
    const struct apir_jail_options options = {
        .readable = (const char *const *)paths->readable.items,
        .n_readable = paths->readable.n,
        .devices = (const char *const *)paths->devices.items,
        .n_devices = paths->devices.n,
        .network = apir_worker_needs_library(needs, "rpc"),
        .user_base = jail->user_base,
        .descriptors = jail->descriptors,
        .calls = calls_of_devices(needs) | APIR_JAIL_CALLS_OPEN | APIR_JAIL_CALLS_CODE | APIR_JAIL_CALLS_CONFINE,
        .without = left_out,
    };
    apir_jail_enter(&options, &jail->report);
    apir_worker_paths_finish(paths);
    free(paths);
    explain_unreadable(needs->libraries, jail->log);
    explain_unreadable(needs->backend_library, jail->log);
}

/* Said once for each worker, that is for each guest's session. */
static void report(const struct apir_worker_jail *jail)
{
    apir_debug(jail->log, "confined: %s", *jail->holds ? jail->holds : "in nothing");
    if (*jail->lacks)
        apir_info(jail->log, "DEGRADED: this kernel or set-up confines the worker without: %s", jail->lacks);
}

/* All layers may hold, and yet not let an honest driver work. */
static void add_what_was_not_tried(struct apir_worker_jail *jail)
{
    size_t used = strlen(jail->lacks);
    if (needs_nvidia(&jail->needs) && jail->report.errors[APIR_JAIL_CALLS] == 0)
        snprintf(jail->lacks + used, sizeof jail->lacks - used, "%sa trial on a GPU of NVIDIA", used ? ", " : "");
}

void apir_worker_jail_complete(struct apir_worker_jail *jail)
{
    apir_jail_narrow(calls_of_devices(&jail->needs), &jail->report);
    apir_jail_describe(&jail->report, false, jail->holds, sizeof jail->holds);
    apir_jail_describe(&jail->report, true, jail->lacks, sizeof jail->lacks);
    if (jail->required && !apir_jail_is_complete(&jail->report))
        snprintf(jail->refusal, sizeof jail->refusal,
                 "the host serves only in a complete sandbox (--require-sandbox), and this one is without: %s", jail->lacks);
    add_what_was_not_tried(jail);
    report(jail);
}

static void list(const struct apir_worker_path_list *paths, const char *word, FILE *stream)
{
    for (size_t i = 0; i < paths->n; i++)
        if (!strchr(paths->items[i], '\n'))
            fprintf(stream, "%s %s\n", word, paths->items[i]);
}

int apir_worker_jail_list(const struct apir_worker_needs *needs, FILE *stream)
{
    struct apir_worker_paths *paths = malloc(sizeof *paths);
    if (!paths)
        return -EIO;
    apir_worker_paths_collect(paths, needs, false); /* of which process, is seen later */
    list(&paths->readable, "readable", stream);
    list(&paths->devices, "device", stream);
    if (apir_worker_needs_library(needs, "rpc"))
        fputs("network\n", stream);
    apir_worker_paths_finish(paths);
    free(paths);
    return fflush(stream) == 0 ? 0 : -EIO;
}
