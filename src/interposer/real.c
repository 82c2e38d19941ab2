#include "interposer/real.h"

#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const char soname[] = "libvirglrenderer.so.1";
static const char first_function[] = "virgl_renderer_init"; /* every release has it */

enum { MAX_CANDIDATES = 8 };

/* Paths of loaded objects that are called like the real library; the drop-in is one, too. */
struct candidates {
    char *paths[MAX_CANDIDATES];
    unsigned count;
};

static int note_object(struct dl_phdr_info *info, size_t size, void *data)
{
    struct candidates *candidates = data;
    const char *slash = strrchr(info->dlpi_name, '/');
    const char *name = slash ? slash + 1 : info->dlpi_name;
    (void)size;
    if (strncmp(name, "libvirglrenderer.so", strlen("libvirglrenderer.so")) == 0 &&
        candidates->count < MAX_CANDIDATES) {
        char *path = strdup(info->dlpi_name);
        if (path)
            candidates->paths[candidates->count++] = path;
    }
    return 0;
}

static bool is_ours(const void *address)
{
    Dl_info theirs, ours;
    return !dladdr(address, &theirs) || !dladdr(soname, &ours) || theirs.dli_fbase == ours.dli_fbase;
}

/* NULL if there is no such function, or if it is ours. */
static void *find_function(void *handle, const char *name)
{
    void *function = dlsym(handle, name);
    return function && !is_ours(function) ? function : NULL;
}

/* A handle that leads to the real library, NULL if none of the loaded objects is that. */
static void *find_loaded(void)
{
    struct candidates candidates = {.count = 0};
    void *found = NULL;
    dl_iterate_phdr(note_object, &candidates);
    for (unsigned i = 0; i < candidates.count; i++) {
        void *handle = found ? NULL : dlopen(candidates.paths[i], RTLD_NOW | RTLD_NOLOAD);
        if (handle && find_function(handle, first_function))
            found = handle;
        else if (handle)
            dlclose(handle);
        free(candidates.paths[i]);
    }
    return found;
}

/* A hypervisor's module loads it for itself alone; then RTLD_NEXT does not see it, but the list of objects does. */
static void *find_library(void)
{
    void *handle = find_loaded();
    if (!handle && find_function(RTLD_NEXT, first_function))
        handle = RTLD_NEXT;
    if (!handle) {
        void *loaded = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
        handle = find_loaded(); /* that may have been the drop-in, which brings the real one */
        if (!handle && loaded && find_function(loaded, first_function))
            return loaded;
    }
    return handle;
}

struct function {
    const char *name;
    size_t offset; /* in struct apir_real_functions */
};

#define FUNCTION(member)                                                                                               \
    {                                                                                                                  \
        "virgl_renderer_" #member, offsetof(struct apir_real_functions, member)                                        \
    }

static const struct function functions[] = {
    FUNCTION(init),
    FUNCTION(cleanup),
    FUNCTION(reset),
    FUNCTION(poll),
    FUNCTION(get_poll_fd),
    FUNCTION(get_cap_set),
    FUNCTION(fill_caps),
    FUNCTION(context_create),
    FUNCTION(context_create_with_flags),
    FUNCTION(context_destroy),
    FUNCTION(context_create_fence),
    FUNCTION(context_poll),
    FUNCTION(context_get_poll_fd),
    FUNCTION(submit_cmd),
    FUNCTION(submit_cmd2),
    FUNCTION(ctx_attach_resource),
    FUNCTION(ctx_detach_resource),
    FUNCTION(resource_create),
    FUNCTION(resource_create_blob),
    FUNCTION(resource_import_blob),
    FUNCTION(resource_import_eglimage),
    FUNCTION(resource_export_blob),
    FUNCTION(resource_unref),
    FUNCTION(resource_map),
    FUNCTION(resource_map_fixed),
    FUNCTION(resource_unmap),
    FUNCTION(resource_get_map_info),
    FUNCTION(resource_get_info),
    FUNCTION(resource_get_info_ext),
    FUNCTION(resource_attach_iov),
    FUNCTION(resource_detach_iov),
    FUNCTION(resource_set_priv),
    FUNCTION(resource_get_priv),
    FUNCTION(transfer_read_iov),
    FUNCTION(transfer_write_iov),
};

static bool find_locked(struct apir_real *real)
{
    void *handle = find_library();
    if (!handle)
        return false;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        void *function = find_function(handle, functions[i].name);
        memcpy((char *)&real->functions + functions[i].offset, &function, sizeof function);
    }
    return true;
}

const struct apir_real_functions *apir_real_get(struct apir_real *real)
{
    static const struct apir_real_functions none;
    /* acquire: pairs with the release below, behind which the functions are complete */
    if (atomic_load_explicit(&real->found, memory_order_acquire))
        return &real->functions;
    pthread_mutex_lock(&real->lock);
    /* relaxed: written with the lock held */
    bool found = atomic_load_explicit(&real->found, memory_order_relaxed) || find_locked(real);
    atomic_store_explicit(&real->found, found, memory_order_release);
    pthread_mutex_unlock(&real->lock);
    return found ? &real->functions : &none;
}
