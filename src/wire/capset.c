#include "wire/capset.h"

#include <string.h>

void apir_capset_fill(struct apir_capset *capset)
{
    memset(capset, 0, sizeof *capset);
    capset->version = APIR_CAPSET_VERSION;
    capset->supports_blob_resources = 1;
}

bool apir_capset_is_apir(const void *data, size_t size)
{
    struct apir_capset offered, expected;
    if (size < sizeof offered)
        return false;
    memcpy(&offered, data, sizeof offered);
    apir_capset_fill(&expected);
    return memcmp(&offered, &expected, sizeof expected) == 0;
}
