#include "interposer/interposer.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "wire/capset.h"

/* The exception to "no mutable globals": the interface that is implemented here has no handle. */
static struct {
    struct apir_real real;
    struct apir_renderer renderer;
} state = {.real.lock = PTHREAD_MUTEX_INITIALIZER};

/* A fork copies only the thread that calls it: the child must neither find the lock taken nor believe that our thread
 * is there. */
static void before_fork(void)
{
    pthread_mutex_lock(&state.renderer.lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&state.renderer.lock);
}

static void in_child(void)
{
    apir_renderer_forked(&state.renderer);
}

/* Our own path, which stays good when the hypervisor changes its folder. */
static void find_object(char *path, size_t size)
{
    Dl_info info;
    char full[PATH_MAX];
    path[0] = '\0';
    if (!dladdr(&state, &info) || !info.dli_fname)
        return;
    const char *name = info.dli_fname[0] == '/' ? info.dli_fname : realpath(info.dli_fname, full);
    if (name && strlen(name) < size)
        strcpy(path, name);
}

__attribute__((constructor)) static void load(void)
{
    apir_renderer_init(&state.renderer);
    find_object(state.renderer.object, sizeof state.renderer.object);
    pthread_atfork(before_fork, after_fork, in_child);
}

struct apir_renderer *apir_interposer_renderer(void)
{
    return &state.renderer;
}

const struct apir_real_functions *apir_interposer_real(void)
{
    return apir_real_get(&state.real);
}

bool apir_interposer_routes_venus(void)
{
    return getenv("VIRGL_ROUTE_VENUS_TO_APIR") != NULL; /* an empty one too, as users know it */
}

bool apir_interposer_has_venus(void)
{
    const struct apir_real_functions *real = apir_interposer_real();
    uint32_t version = 0, size = 0;
    if (real->get_cap_set)
        real->get_cap_set(APIR_CAPSET_VENUS, &version, &size);
    return size > 0;
}
