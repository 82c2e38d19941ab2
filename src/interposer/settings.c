#include "interposer/settings.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_THREADS = 512 };

/* The settings that have a key and a variable. */
enum setting { BACKEND_LIBRARY, GGML_LIBRARY, GGML_REG, GGML_INIT, SETTING_COUNT };

static const struct {
    const char *key;
    const char *variable;
} names[SETTING_COUNT] = {
    [BACKEND_LIBRARY] = {"apir.load_library.path", "VIRGL_APIR_BACKEND_LIBRARY"},
    [GGML_LIBRARY] = {"ggml.library.path", "APIR_LLAMA_CPP_GGML_LIBRARY_PATH"},
    [GGML_REG] = {"ggml.library.reg", "APIR_LLAMA_CPP_GGML_LIBRARY_REG"},
    [GGML_INIT] = {"ggml.library.init", "APIR_LLAMA_CPP_GGML_LIBRARY_INIT"},
};

/* What is read, before it is copied. */
struct values {
    const char *of[SETTING_COUNT]; /* NULL: unset */
};

static struct values read_values(const struct apir_config *config, uint32_t context)
{
    struct values values;
    bool configured = apir_config_has(config, context);
    for (int i = 0; i < SETTING_COUNT; i++)
        values.of[i] = configured ? apir_config_get(config, context, names[i].key) : getenv(names[i].variable);
    return values;
}

static char *copy(struct apir_arena *arena, const char *text)
{
    size_t size = strlen(text) + 1;
    char *result = apir_arena_alloc(arena, size);
    return result ? memcpy(result, text, size) : NULL;
}

/* A copy of a value that is neither unset nor empty, else NULL; -1 when memory is short. */
static int keep(struct apir_arena *arena, const char *value, const char **kept)
{
    *kept = NULL;
    if (!value || !*value)
        return 0;
    *kept = copy(arena, value);
    return *kept ? 0 : -1;
}

/* A number from 0 or 1 to max; what is none is as if it were not set. */
static unsigned read_number(const char *variable, unsigned min, unsigned max, unsigned otherwise)
{
    const char *text = getenv(variable);
    char *end;
    if (!text || *text < '0' || *text > '9')
        return otherwise;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    return errno || *end || value < min || value > max ? otherwise : (unsigned)value;
}

static char *join(struct apir_arena *arena, const char *folder, size_t length, const char *rest)
{
    char *path = apir_arena_alloc(arena, length + strlen(rest) + 1);
    if (path) {
        memcpy(path, folder, length);
        strcpy(path + length, rest);
    }
    return path;
}

/* The worker's program: as set, or where it is installed with this library, or with the system. */
static const char *find_worker(struct apir_arena *arena, const char *object)
{
    static const char *const places[] = {"/../bin/apird-worker",    "/../libexec/apir/apird-worker",
                                         "/../sbin/apird-worker",   "/apird-worker",
                                         "/../../bin/apird-worker", "/../../libexec/apir/apird-worker"};
    static const char usual[] = "/usr/bin/apird-worker";
    const char *set = getenv("VIRGL_APIR_WORKER");
    const char *slash = object ? strrchr(object, '/') : NULL;
    if (set && *set)
        return copy(arena, set);
    for (size_t i = 0; slash && i < sizeof places / sizeof places[0]; i++) {
        char *path = join(arena, object, (size_t)(slash - object), places[i]);
        if (path && access(path, X_OK) == 0)
            return path;
    }
    return usual;
}

static bool is_object(const char *name, size_t length, const char *object)
{
    const char *slash = strrchr(object, '/');
    const char *base = slash ? slash + 1 : object;
    size_t base_length = strlen(base);
    return length >= base_length && memcmp(name + length - base_length, base, base_length) == 0 &&
           (length == base_length || name[length - base_length - 1] == '/');
}

char *apir_settings_clean_preload(const char *value, const char *object, char *result)
{
    char *end = result;
    for (const char *at = value; *at;) {
        size_t length = strcspn(at, " :"); /* both separate names, see ld.so(8) */
        if (length > 0 && !is_object(at, length, object)) {
            if (end != result)
                *end++ = ':';
            memcpy(end, at, length);
            end += length;
        }
        at += length + (at[length] != '\0');
    }
    *end = '\0';
    return result;
}

static bool is_variable(const char *entry, const char *name)
{
    size_t length = strlen(name);
    return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

/* Whether the worker's environment has something else in this place. */
static bool is_replaced(const char *entry)
{
    for (int i = 0; i < SETTING_COUNT; i++)
        if (is_variable(entry, names[i].variable))
            return true;
    return false;
}

/* The entry without this library in LD_PRELOAD; NULL when memory is short, "" if nothing is left. */
static const char *clean_entry(struct apir_arena *arena, const char *entry, const char *object)
{
    static const char preload[] = "LD_PRELOAD";
    char *result = copy(arena, entry);
    if (!result || !object || !is_variable(entry, preload))
        return result;
    apir_settings_clean_preload(entry + sizeof preload, object, result + sizeof preload);
    return result[sizeof preload] ? result : "";
}

static const char *make_entry(struct apir_arena *arena, const char *name, const char *value)
{
    char *entry = apir_arena_alloc(arena, strlen(name) + strlen(value) + 2);
    if (entry)
        sprintf(entry, "%s=%s", name, value);
    return entry;
}

/* The hypervisor's environment, without us, and with the settings of this context: a backend library asks for them. */
static const char *const *make_environment(struct apir_arena *arena, const struct values *values, const char *object)
{
    size_t size = 0, count = 0;
    while (environ[size])
        size++;
    const char **result = apir_arena_alloc(arena, (size + SETTING_COUNT + 1) * sizeof *result);
    if (!result)
        return NULL;
    for (size_t i = 0; i < size; i++) {
        const char *entry = is_replaced(environ[i]) ? "" : clean_entry(arena, environ[i], object);
        if (!entry)
            return NULL;
        if (*entry)
            result[count++] = entry;
    }
    for (int i = 0; i < SETTING_COUNT; i++)
        if (values->of[i] && !(result[count++] = make_entry(arena, names[i].variable, values->of[i])))
            return NULL;
    return result;
}

/* What guests of the protocol 0.x are shown. */
static int read_upstream(struct apir_settings *settings, const struct apir_log *log)
{
    const char *functions = getenv("VIRGL_APIR_UPSTREAM_FUNCTIONS");
    if (functions && *functions && apir_worker_options_set_functions(&settings->options, functions) < 0)
        apir_warn(log, "VIRGL_APIR_UPSTREAM_FUNCTIONS=%s is ignored: it is two numbers, as in 23,24", functions);
    return keep(&settings->arena, getenv("VIRGL_APIR_SINGLE_DEVICE"), &settings->options.single_device);
}

/* A list that is wrong is no list: whoever limits a machine is to see that it is not. */
static int read_limits(struct apir_worker_options *options, const struct apir_log *log)
{
    const char *list = getenv("VIRGL_APIR_LIMITS");
    char reason[APIR_LIMITS_TEXT];
    int ret = list ? apir_limits_parse(&options->limits, list, reason) : 0;
    if (ret == 0 && options->limits.client_memory) {
        snprintf(reason, sizeof reason, "client-memory is for apird (VIRGL_APIR_SOCKET)");
        ret = -EINVAL;
    }
    if (ret < 0)
        apir_error(log, "VIRGL_APIR_LIMITS: %s: no context is served", reason);
    return ret;
}

/* In words that users know. */
static void log_problems(const struct values *values, const struct apir_log *log)
{
    const char *library = values->of[GGML_LIBRARY], *reg = values->of[GGML_REG];
    if (values->of[BACKEND_LIBRARY] && *values->of[BACKEND_LIBRARY])
        return; /* it says itself what it lacks */
    if (!library || !*library)
        apir_error(log, "cannot open the GGML library: env var '%s' not defined", names[GGML_LIBRARY].variable);
    if (reg && !*reg)
        apir_error(log, "cannot register the GGML library: env var '%s' not defined", names[GGML_REG].variable);
}

static int fill(struct apir_settings *settings, const struct values *values, const char *object,
                const struct apir_log *log)
{
    struct apir_worker_options *options = &settings->options;
    struct apir_arena *arena = &settings->arena;
    options->threads = read_number("VIRGL_APIR_THREADS", 1, MAX_THREADS, 0);
    options->log_level = log->level;
    options->log = log->stream ? log->stream : stderr;
    if (keep(arena, getenv("VIRGL_APIR_SOCKET"), &options->socket) < 0)
        return -ENOMEM;
    if (options->socket)
        return 0; /* the other settings are those of the apird behind it */
    log_problems(values, log);
    if (read_limits(options, log) < 0)
        return -EINVAL;
    options->require_sandbox = read_number("VIRGL_APIR_REQUIRE_SANDBOX", 0, 1, 0);
    if (keep(arena, getenv("VIRGL_APIR_WORKER_USERS"), &options->user_base) < 0 ||
        keep(arena, getenv("VIRGL_APIR_SANDBOX_PATH"), &options->sandbox_paths) < 0 || read_upstream(settings, log) < 0 ||
        keep(arena, values->of[GGML_LIBRARY], &options->ggml_library) < 0 ||
        keep(arena, values->of[BACKEND_LIBRARY], &options->backend_library) < 0)
        return -ENOMEM;
    if (values->of[GGML_REG])
        options->ggml_reg = copy(arena, values->of[GGML_REG]); /* an empty one too: the worker refuses it */
    options->path = find_worker(arena, object);
    options->environment = make_environment(arena, values, object);
    return options->path && options->environment && (options->ggml_reg || !values->of[GGML_REG]) ? 0 : -ENOMEM;
}

struct apir_settings *apir_settings_create(const struct apir_config *config, uint32_t context, const char *object,
                                           const struct apir_log *log)
{
    struct values values = read_values(config, context);
    struct apir_settings *settings = calloc(1, sizeof *settings);
    if (settings && fill(settings, &values, object, log) < 0) {
        apir_settings_destroy(settings);
        return NULL;
    }
    return settings;
}

void apir_settings_destroy(struct apir_settings *settings)
{
    if (!settings)
        return;
    apir_arena_finish(&settings->arena);
    free(settings);
}

void apir_settings_open_log(struct apir_log *log)
{
    const char *path = getenv("VIRGL_APIR_LOG_TO_FILE");
    FILE *file = path && *path ? fopen(path, "ae") : NULL;
    log->level =
        (enum apir_log_level)read_number("VIRGL_APIR_LOG_LEVEL", APIR_LOG_ERROR, APIR_LOG_DEBUG, APIR_LOG_INFO);
    log->prefix = "virglrenderer-apir";
    log->stream = file ? file : stderr;
    if (path && *path && !file)
        apir_warn(log, "VIRGL_APIR_LOG_TO_FILE: cannot open %s: %s", path, strerror(errno));
}
