#include "wire/capset.h"

#include <assert.h>
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

void apir_capset_write_trailer(void *data)
{
    static_assert(sizeof APIR_TRAILER_MAGIC == APIR_TRAILER_MAGIC_SIZE, "size of the magic");
    struct apir_capset capset;
    apir_capset_fill(&capset);
    memcpy(data, APIR_TRAILER_MAGIC, APIR_TRAILER_MAGIC_SIZE);
    memcpy((char *)data + APIR_TRAILER_MAGIC_SIZE, &capset, sizeof capset);
}

bool apir_capset_has_trailer(const void *data, size_t size)
{
    uint8_t expected[APIR_TRAILER_SIZE];
    apir_capset_write_trailer(expected);
    for (size_t at = 0; size >= sizeof expected && at <= size - sizeof expected; at += 4)
        if (memcmp((const uint8_t *)data + at, expected, sizeof expected) == 0)
            return true;
    return false;
}
