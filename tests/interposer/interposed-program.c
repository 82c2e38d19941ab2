/* A program that is linked with libvirglrenderer.so.1 and knows nothing of us. Prints what it finds behind that name.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define VIRGL_RENDERER_UNSTABLE_APIS
#include <virglrenderer.h>

#include "fake-virgl.h"

/* The size of capset 10, seen by a function. */
static uint32_t size_of_10(void (*get_cap_set)(uint32_t, uint32_t *, uint32_t *))
{
    uint32_t version, size;
    get_cap_set(10, &version, &size);
    return size;
}

/* By a module that loads the library for itself. */
static uint32_t size_by_dlopen(void)
{
    void (*get_cap_set)(uint32_t, uint32_t *, uint32_t *) = NULL;
    void *library = dlopen("libvirglrenderer.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library)
        *(void **)&get_cap_set = dlsym(library, "virgl_renderer_get_cap_set");
    return get_cap_set ? size_of_10(get_cap_set) : 0;
}

int main(void)
{
    printf("linked %u, opened %u", size_of_10(virgl_renderer_get_cap_set), size_by_dlopen());
    virgl_renderer_resource_unref(9);
    printf(", real %s", strcmp(fake_virgl_take_call(), "resource_unref 9") == 0 ? "called" : "not called");
    virgl_renderer_force_ctx_0();
    printf(", other %s\n", strcmp(fake_virgl_take_call(), "force_ctx_0") == 0 ? "called" : "not called");
    return 0;
}
