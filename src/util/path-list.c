#include "util/path-list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int apir_path_list_add(char **list, const char *paths)
{
    size_t length = *list ? strlen(*list) : 0, more = strlen(paths);
    char *grown = realloc(*list, length + 1 + more + 1);
    if (!grown)
        return -ENOMEM;
    if (length > 0)
        grown[length++] = ':';
    memcpy(grown + length, paths, more + 1);
    *list = grown;
    return 0;
}

const char *apir_path_list_next(const char **list, size_t *length)
{
    const char *path = *list + strspn(*list, ":");
    *length = strcspn(path, ":");
    *list = path + *length;
    return *length > 0 ? path : NULL;
}
