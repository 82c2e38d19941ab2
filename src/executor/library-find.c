/* Finds the file of a library. */
#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "executor/private.h"

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

/* The path of the best library called name, which the caller frees; NULL if none runs here. */
static char *find_by_name(const char *name)
{
    char directory[2048], candidate[4096], *path = NULL;
    DIR *dir = apir_library_find_directory(directory, sizeof directory) ? opendir(directory) : NULL;
    if (!dir)
        return NULL;
    int best = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (!is_library_of(entry->d_name, name))
            continue;
        snprintf(candidate, sizeof candidate, "%s/%s", directory, entry->d_name);
        int score = score_file(candidate);
        if (score > best) {
            best = score;
            free(path);
            path = strdup(candidate);
        }
    }
    closedir(dir);
    return path;
}

char *apir_library_find(const char *entry, size_t length)
{
    char *name = strndup(entry, length);
    if (!name || strchr(name, '/'))
        return name;
    char *path = find_by_name(name);
    free(name);
    return path;
}
