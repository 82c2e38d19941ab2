/* Shared memory through which the data of tensors pass, one piece at a time. */
#ifndef APIR_BACKEND_STAGING_H
#define APIR_BACKEND_STAGING_H

#include "client/session.h"

enum {
    APIR_STAGING_MIN = 64 * 1024,
    APIR_STAGING_MAX =
        8 * 1024 * 1024, /* larger pieces are no faster, and the window of a VM is small */
};

/* Zero-initialised is empty and ready. */
struct apir_staging {
    struct apir_shm shm;
};

/* Makes room for wanted bytes, or as many as can be had: at most APIR_STAGING_MAX, fewer when the
 * host is short of shared memory. Returns how many, at least 1, or -errno. What was in there is
 * lost. */
int64_t apir_staging_reserve(struct apir_staging *staging, struct apir_session *session,
                             uint64_t wanted);

#endif
