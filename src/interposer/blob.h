/* Memory that a guest shares with its workers: a sealed file of its own for each blob, so that it stays while anybody
 * uses it. Counted; thread-safe. */
#ifndef APIR_INTERPOSER_BLOB_H
#define APIR_INTERPOSER_BLOB_H

#include <stdatomic.h>
#include <stdint.h>

enum { APIR_MAX_BLOBS = 65536 }; /* of a virtual machine; 1,500 live ones were seen */

/* Bytes of all blobs of a virtual machine, many times what fits the shared-memory window of a usual one. */
#define APIR_MAX_BLOB_BYTES (UINT64_C(64) << 30)

/* What a virtual machine has. Zero-initialised is nothing. */
struct apir_blob_quota {
    _Atomic uint64_t bytes;
    _Atomic uint32_t count;
};

struct apir_blob {
    _Atomic uint32_t refs;
    int fd;
    uint64_t size; /* bytes, multiple of the page size */
    struct apir_blob_quota *quota;
};

/* Makes zeroed memory with one reference. NULL with errno: EINVAL (size 0, or beyond all limits), ENOSPC (the quota is
 * used up), EMFILE, another of memfd_create(). */
struct apir_blob *apir_blob_create(struct apir_blob_quota *quota, uint64_t size);

struct apir_blob *apir_blob_ref(struct apir_blob *blob);

/* NULL is a no-op. */
void apir_blob_unref(struct apir_blob *blob);

/* Maps the first size bytes, at address (page-aligned, replaces what is there) or where there is room (NULL). The
 * caller unmaps it. NULL with errno. */
void *apir_blob_map(const struct apir_blob *blob, void *address, uint64_t size);

#endif
