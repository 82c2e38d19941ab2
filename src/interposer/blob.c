#include "interposer/blob.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "util/checked.h"
#include "util/fd.h"

enum { PAGE = 4096 };

static void give_back(struct apir_blob_quota *quota, uint64_t size)
{
    /* relaxed, here and below: only the sums matter, nothing is published by them */
    atomic_fetch_sub_explicit(&quota->bytes, size, memory_order_relaxed);
    atomic_fetch_sub_explicit(&quota->count, 1, memory_order_relaxed);
}

static bool take(struct apir_blob_quota *quota, uint64_t size)
{
    uint64_t bytes = atomic_fetch_add_explicit(&quota->bytes, size, memory_order_relaxed);
    uint32_t count = atomic_fetch_add_explicit(&quota->count, 1, memory_order_relaxed);
    if (apir_checked_range(bytes, size, APIR_MAX_BLOB_BYTES) && count < APIR_MAX_BLOBS)
        return true;
    give_back(quota, size);
    return false;
}

struct apir_blob *apir_blob_create(struct apir_blob_quota *quota, uint64_t size)
{
    if (size == 0 || !apir_checked_align(size, PAGE, &size) || size > APIR_MAX_BLOB_BYTES) {
        errno = EINVAL;
        return NULL;
    }
    if (!take(quota, size)) {
        errno = ENOSPC;
        return NULL;
    }
    struct apir_blob *blob = calloc(1, sizeof *blob);
    if (!blob)
        goto err_quota;
    blob->fd = apir_fd_memory("apir-blob", size);
    if (blob->fd < 0) {
        errno = -blob->fd;
        goto err_blob;
    }
    atomic_init(&blob->refs, 1);
    blob->size = size;
    blob->quota = quota;
    return blob;

err_blob:
    free(blob);
err_quota:
    give_back(quota, size);
    return NULL;
}

struct apir_blob *apir_blob_ref(struct apir_blob *blob)
{
    /* relaxed: the caller has a reference already */
    atomic_fetch_add_explicit(&blob->refs, 1, memory_order_relaxed);
    return blob;
}

void apir_blob_unref(struct apir_blob *blob)
{
    /* acquire and release: what others did with it comes before its end */
    if (!blob || atomic_fetch_sub_explicit(&blob->refs, 1, memory_order_acq_rel) > 1)
        return;
    give_back(blob->quota, blob->size);
    apir_fd_close(&blob->fd);
    free(blob);
}

void *apir_blob_map(const struct apir_blob *blob, void *address, uint64_t size)
{
    if (size > blob->size) {
        errno = EINVAL;
        return NULL;
    }
    void *data = mmap(address, size, PROT_READ | PROT_WRITE, MAP_SHARED | (address ? MAP_FIXED : 0), blob->fd, 0);
    return data == MAP_FAILED ? NULL : data;
}
