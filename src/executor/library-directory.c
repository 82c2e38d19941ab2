/* dladdr() is in every C library that ggml runs on, and in no standard: it is alone here, apart from what is POSIX. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "executor/private.h"

#define GGML_SUBDIR "/ggml/backends0" /* beside libggml.so, where Debian's ggml keeps its backends */

bool apir_library_find_directory(char *directory, size_t size)
{
    Dl_info info;
    if (!dladdr((void *)(uintptr_t)ggml_backend_load, &info) || !info.dli_fname)
        return false;
    char *real = realpath(info.dli_fname, NULL);
    char *slash = real ? strrchr(real, '/') : NULL;
    if (slash)
        *slash = '\0';
    int n = slash ? snprintf(directory, size, "%s" GGML_SUBDIR, real) : -1;
    free(real);
    return n > 0 && (size_t)n < size;
}
