#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "executor/private.h"
#include "util/path-list.h"

#define DEFAULT_SYMBOL "ggml_backend_init"

static void fail(struct apir_library *library, enum apir_load_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void fail(struct apir_library *library, enum apir_load_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(library->message, sizeof library->message, format, args);
    va_end(args);
    library->status = status;
}

/* The usual symbol is left to ggml's loader, which checks the ABI version and the score. Another symbol the loader does not
 * know: whoever names one vouches for the library. */
static ggml_backend_reg_t register_symbol(void *handle, const char *path, const char *symbol)
{
    if (strcmp(symbol, DEFAULT_SYMBOL) == 0)
        return ggml_backend_load(path);
    ggml_backend_reg_t (*init)(void) = NULL;
    *(void **)&init = dlsym(handle, symbol);
    return init ? init() : NULL;
}

/* Opens a file of the list. What is opened stays so for the life of the process. */
static void open_file(struct apir_library *library, struct apir_library_file *file, const char *symbol)
{
    const char *path = file->path;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        fail(library, APIR_LOAD_STATUS_CANNOT_OPEN, "cannot open the GGML library: %.800s", dlerror());
        return;
    }
    if (!dlsym(handle, symbol)) {
        fail(library, APIR_LOAD_STATUS_SYMBOL_MISSING,
             "%.600s has no symbol %.100s: is it a ggml backend? (--ggml-reg names another symbol)", path, symbol);
        return;
    }
    file->reg = register_symbol(handle, path, symbol);
    if (!file->reg)
        fail(library, APIR_LOAD_STATUS_REGISTER_FAILED,
             "%.600s did not register: built for another ggml than %s, or its driver does not work", path,
             ggml_version());
    else if (ggml_backend_reg_dev_count(file->reg) == 0)
        fail(library, APIR_LOAD_STATUS_NO_DEVICE, "%.600s has no device: is its driver installed and permitted?", path);
}

/* Whether a library of the list before was the same. */
static bool is_repeated(const struct apir_library *library, const struct apir_library_file *file)
{
    for (uint32_t i = 0; i < library->n_files; i++)
        if (library->files[i].reg == file->reg)
            return true;
    return false;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void take_file(struct apir_library *library, const struct apir_library_file *file)
{
    size_t used = strlen(library->name);
    snprintf(library->name + used, sizeof library->name - used, "%s%s", used > 0 ? ", " : "", base_name(file->path));
    library->files[library->n_files++] = *file;
    apir_library_add_devices(library, file->reg);
}

/* Opens one entry of the list and takes its devices. */
static void add_entry(struct apir_executor *executor, const char *entry, size_t length, const char *symbol)
{
    struct apir_library *library = &executor->library;
    if (library->n_files >= APIR_MAX_LIBRARIES) {
        fail(library, APIR_LOAD_STATUS_CANNOT_OPEN, "cannot open the GGML library: there are more than %d in the list",
             APIR_MAX_LIBRARIES);
        return;
    }
    struct apir_library_file file = {.path = apir_library_find(entry, length)};
    if (!file.path) {
        fail(library, APIR_LOAD_STATUS_CANNOT_OPEN,
             "cannot open the GGML library: no libggml-%.*s*.so that runs on this host in ggml's backend directory "
             "(give --ggml-library its path)", length < 64 ? (int)length : 64, entry);
        return;
    }
    open_file(library, &file, symbol);
    if (library->status == APIR_LOAD_STATUS_OK && !is_repeated(library, &file)) {
        take_file(library, &file);
        return;
    }
    if (library->status == APIR_LOAD_STATUS_OK)
        apir_info(executor->log, "%s is in the list more than once: its devices are served once", file.path);
    free(file.path);
}

/* All or none: who names a library wants its devices, and would miss them without a word. */
static void open_all(struct apir_executor *executor)
{
    struct apir_library *library = &executor->library;
    const char *symbol = executor->options.symbol ? executor->options.symbol : DEFAULT_SYMBOL;
    const char *list = executor->options.library ? executor->options.library : "", *entry;
    size_t length;
    if (*symbol == '\0') {
        fail(library, APIR_LOAD_STATUS_SYMBOL_MISSING,
             "cannot register the GGML library: env var 'APIR_LLAMA_CPP_GGML_LIBRARY_REG' not defined "
             "(or start apird with --ggml-reg SYMBOL)");
        return;
    }
    while (library->status == APIR_LOAD_STATUS_OK && (entry = apir_path_list_next(&list, &length)))
        add_entry(executor, entry, length, symbol);
    if (library->status == APIR_LOAD_STATUS_OK && library->n_files == 0)
        fail(library, APIR_LOAD_STATUS_PATH_MISSING,
             "cannot open the GGML library: env var 'APIR_LLAMA_CPP_GGML_LIBRARY_PATH' not defined "
             "(or start apird with --ggml-library PATH)");
    if (library->status != APIR_LOAD_STATUS_OK)
        library->n_devices = 0;
}

/* Makes each device ready, so that the first graph does not pay for it. */
static void warm_up(struct apir_library *library)
{
    for (uint32_t i = 0; i < library->n_devices; i++) {
        ggml_backend_t backend = ggml_backend_dev_init(library->devices[i].host, NULL);
        library->devices[i].ready = backend != NULL;
        if (backend)
            ggml_backend_free(backend);
    }
}

/* From here on a guest is served, or not at all. */
static void confine(struct apir_executor *executor)
{
    struct apir_library *library = &executor->library;
    library->sandbox = (struct apir_executor_sandbox){.holds = "", .lacks = ""};
    if (executor->options.confine)
        executor->options.confine(executor->options.confine_data, &library->sandbox);
    if (!library->sandbox.refusal || library->status != APIR_LOAD_STATUS_OK)
        return;
    fail(library, APIR_LOAD_STATUS_NOT_CONFINED, "%.900s", library->sandbox.refusal);
    library->n_devices = 0;
}

void apir_library_load(struct apir_executor *executor)
{
    struct apir_library *library = &executor->library;
    pthread_mutex_lock(&library->lock);
    if (!library->tried) {
        library->tried = true;
        open_all(executor);
        for (uint32_t i = 0; i < library->n_devices; i++)
            apir_memory_note_device(executor, library->devices[i].host);
        if (library->status == APIR_LOAD_STATUS_OK)
            warm_up(library);
        confine(executor);
        if (library->status != APIR_LOAD_STATUS_OK)
            apir_error(executor->log, "%s", library->message);
    }
    pthread_mutex_unlock(&library->lock);
}

void apir_library_finish(struct apir_library *library)
{
    for (uint32_t i = 0; i < library->n_files; i++)
        free(library->files[i].path);
    pthread_mutex_destroy(&library->lock);
}

const char *apir_executor_library_name(const struct apir_executor *executor)
{
    return *executor->library.name ? executor->library.name : "none";
}

const char *apir_executor_device_name(const struct apir_executor *executor)
{
    uint32_t index = executor->upstream.loaded ? executor->upstream.device : 0;
    return executor->library.n_devices ? executor->library.devices[index].name : "none";
}

/* The file that a device is of. */
static const char *file_of(const struct apir_library *library, ggml_backend_dev_t device)
{
    uint32_t i = 0;
    while (i + 1 < library->n_files && library->files[i].reg != ggml_backend_dev_backend_reg(device))
        i++;
    return base_name(library->files[i].path);
}

int apir_executor_probe(struct apir_executor *executor, FILE *out, char *message, size_t message_size)
{
    struct apir_library *library = &executor->library;
    apir_library_load(executor);
    if (library->status != APIR_LOAD_STATUS_OK) {
        snprintf(message, message_size, "%s", library->message);
        return library->status == APIR_LOAD_STATUS_NOT_CONFINED ? -EPERM : -ENODEV;
    }
    for (uint32_t i = 0; i < library->n_devices; i++) {
        const struct apir_library_device *device = &library->devices[i];
        const char *problem = apir_device_try(device->host);
        fprintf(out, "%s: %s (%s)%s%s\n", device->name, ggml_backend_dev_description(device->host),
                file_of(library, device->host), problem ? ": " : "", problem ? problem : "");
        fflush(out); /* what comes next may end the process */
    }
    return 0;
}

int handle_load_library(void *data, struct apir_arena *scratch, struct apir_load_library_reply *reply)
{
    (void)scratch;
    struct apir_executor *executor = data;
    apir_library_load(executor);
    reply->status = executor->library.status;
    reply->message = executor->library.message;
    reply->library = apir_executor_library_name(executor);
    reply->ggml_version = ggml_version();
    reply->devices = executor->library.status == APIR_LOAD_STATUS_OK ? executor->library.n_devices : 0;
    reply->sandbox = executor->library.sandbox.holds;
    reply->sandbox_lacks = executor->library.sandbox.lacks;
    return 0;
}
