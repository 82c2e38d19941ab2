#include "backend/staging.h"

#include <errno.h>

static uint64_t min_size(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The power of two from MIN to MAX that wanted needs. */
static uint64_t piece(uint64_t wanted)
{
    uint64_t size = APIR_STAGING_MIN;
    while (size < wanted && size < APIR_STAGING_MAX)
        size *= 2;
    return size;
}

int64_t apir_staging_reserve(struct apir_staging *staging, struct apir_session *session,
                             uint64_t wanted)
{
    int ret = 0;
    for (uint64_t size = piece(wanted); staging->shm.size < size; size /= 2) {
        struct apir_shm larger = {0};
        ret = apir_session_shm_create(session, size, &larger);
        if (ret == 0) {
            apir_session_shm_destroy(session, &staging->shm);
            staging->shm = larger;
            break;
        }
        if (ret != -ENOMEM || size == APIR_STAGING_MIN)
            break;
    }
    if (staging->shm.size == 0)
        return ret;
    return (int64_t)min_size(min_size(wanted, APIR_STAGING_MAX), staging->shm.size);
}
