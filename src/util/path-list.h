/* Several paths or names in one string, separated by ':' as in PATH. */
#ifndef APIR_UTIL_PATH_LIST_H
#define APIR_UTIL_PATH_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* Puts paths (one, or a list) behind those of *list, a string that the caller frees; NULL: none yet. 0 or -ENOMEM. */
int apir_path_list_add(char **list, const char *paths);

/* Takes the first path off *list, which is moved on, not changed; length is that of the path. Nothing between two ':' is no
 * path. NULL: there is none left. */
const char *apir_path_list_next(const char **list, size_t *length);

#endif
