#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "executor/private.h"

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

/* The score of a backend library as ggml judges it: 1 without a score function, 0 if it does not run here. */
static int score_file(const char *path)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return 0;
    int (*score)(void) = NULL;
    *(void **)&score = dlsym(handle, "ggml_backend_score");
    int result = score ? score() : 1;
    dlclose(handle);
    return result;
}

/* Whether file is libggml-NAME.so or libggml-NAME-VARIANT.so. */
static bool is_library_of(const char *file, const char *name)
{
    static const char head[] = "libggml-";
    size_t length = strlen(name);
    if (strncmp(file, head, sizeof head - 1) != 0)
        return false;
    file += sizeof head - 1;
    if (strncmp(file, name, length) != 0 || (file[length] != '-' && file[length] != '.'))
        return false;
    const char *end = strrchr(file, '.');
    return end && strcmp(end, ".so") == 0;
}

/* Finds the best library called name; false if none runs here. */
static bool find_by_name(const char *name, char *path, size_t size)
{
    char directory[2048];
    DIR *dir = apir_library_find_directory(directory, sizeof directory) ? opendir(directory) : NULL;
    if (!dir)
        return false;
    int best = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char candidate[4096];
        if (!is_library_of(entry->d_name, name))
            continue;
        snprintf(candidate, sizeof candidate, "%s/%s", directory, entry->d_name);
        int score = score_file(candidate);
        if (score > best) {
            best = score;
            snprintf(path, size, "%s", candidate);
        }
    }
    closedir(dir);
    return best > 0;
}

/* Turns the option into a path; false and the reason in the library otherwise. */
static bool resolve(struct apir_executor *executor)
{
    struct apir_library *library = &executor->library;
    const char *option = executor->options.library;
    if (!option || !*option) {
        fail(library, APIR_LOAD_STATUS_PATH_MISSING,
             "cannot open the GGML library: env var 'APIR_LLAMA_CPP_GGML_LIBRARY_PATH' not defined "
             "(or start apird with --ggml-library PATH)");
        return false;
    }
    if (strchr(option, '/')) {
        snprintf(library->path, sizeof library->path, "%s", option);
        return true;
    }
    if (!find_by_name(option, library->path, sizeof library->path)) {
        fail(library, APIR_LOAD_STATUS_CANNOT_OPEN,
             "cannot open the GGML library: no libggml-%.64s*.so that runs on this host in ggml's backend directory "
             "(give --ggml-library its path)", option);
        return false;
    }
    return true;
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

static void open_library(struct apir_executor *executor)
{
    struct apir_library *library = &executor->library;
    const char *symbol = executor->options.symbol ? executor->options.symbol : DEFAULT_SYMBOL;
    if (!*symbol) {
        fail(library, APIR_LOAD_STATUS_SYMBOL_MISSING,
             "cannot register the GGML library: env var 'APIR_LLAMA_CPP_GGML_LIBRARY_REG' not defined "
             "(or start apird with --ggml-reg SYMBOL)");
        return;
    }
    /* kept open for the life of the process */
    void *handle = dlopen(library->path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        fail(library, APIR_LOAD_STATUS_CANNOT_OPEN, "cannot open the GGML library: %.800s", dlerror());
        return;
    }
    if (!dlsym(handle, symbol)) {
        fail(library, APIR_LOAD_STATUS_SYMBOL_MISSING,
             "%.600s has no symbol %.100s: is it a ggml backend? (--ggml-reg names another symbol)",
             library->path, symbol);
        return;
    }
    library->reg = register_symbol(handle, library->path, symbol);
    if (!library->reg) {
        fail(library, APIR_LOAD_STATUS_REGISTER_FAILED,
             "%.600s did not register: built for another ggml than %s, or its driver does not work",
             library->path, ggml_version());
        return;
    }
    size_t count = ggml_backend_reg_dev_count(library->reg);
    library->n_devices = count < APIR_MAX_DEVICES ? (uint32_t)count : APIR_MAX_DEVICES;
    for (uint32_t i = 0; i < library->n_devices; i++)
        library->devices[i] = ggml_backend_reg_dev_get(library->reg, i);
    if (count == 0)
        fail(library, APIR_LOAD_STATUS_NO_DEVICE, "%.600s has no device: is its driver installed and permitted?",
             library->path);
}

/* Makes each device ready, so that the first graph does not pay for it. */
static void warm_up(struct apir_library *library)
{
    for (uint32_t i = 0; i < library->n_devices; i++) {
        ggml_backend_t backend = ggml_backend_dev_init(library->devices[i], NULL);
        library->ready[i] = backend != NULL;
        if (backend)
            ggml_backend_free(backend);
    }
}

void apir_library_load(struct apir_executor *executor)
{
    struct apir_library *library = &executor->library;
    pthread_mutex_lock(&library->lock);
    if (!library->tried) {
        library->tried = true;
        if (resolve(executor))
            open_library(executor);
        if (library->status == APIR_LOAD_STATUS_OK)
            warm_up(library);
        else
            apir_error(executor->log, "%s", library->message);
    }
    pthread_mutex_unlock(&library->lock);
}

const char *apir_executor_library_name(const struct apir_executor *executor)
{
    const char *slash = strrchr(executor->library.path, '/');
    const char *name = slash ? slash + 1 : executor->library.path;
    return *name ? name : "none";
}

const char *apir_executor_device_name(const struct apir_executor *executor)
{
    uint32_t index = executor->upstream.loaded ? executor->upstream.device : 0;
    return executor->library.n_devices ? ggml_backend_dev_name(executor->library.devices[index]) : "none";
}

int apir_executor_probe(struct apir_executor *executor, FILE *out, char *message, size_t message_size)
{
    struct apir_library *library = &executor->library;
    apir_library_load(executor);
    if (library->status != APIR_LOAD_STATUS_OK) {
        snprintf(message, message_size, "%s", library->message);
        return -ENODEV;
    }
    for (uint32_t i = 0; i < library->n_devices; i++)
        fprintf(out, "%s: %s (%s)\n", ggml_backend_dev_name(library->devices[i]),
                ggml_backend_dev_description(library->devices[i]), apir_executor_library_name(executor));
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
    return 0;
}
