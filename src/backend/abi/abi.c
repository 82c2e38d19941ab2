#include "backend/abi/abi.h"

#include <string.h>

const struct apir_abi *apir_abi_find(const char *version)
{
    const char *releases = apir_abi_gen3.releases;
    return strncmp(version, releases, strlen(releases)) == 0 ? &apir_abi_gen3 : NULL;
}

const char *apir_abi_known(void)
{
    return "0.27.*";
}
