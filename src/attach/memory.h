/* The memory of a virtual machine as its front end describes it: regions of files, mapped here. All addresses that
 * come in are the guest's or the front end's, and checked. */
#ifndef APIR_ATTACH_MEMORY_H
#define APIR_ATTACH_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { APIR_MAX_REGIONS = 8 }; /* of a SET_MEM_TABLE message without CONFIGURE_MEM_SLOTS (vhost-user spec) */

/* Bytes in all regions of a machine. Sparse files can have any size: this many are left to each of 32 machines by the
 * daemon's address space of 47 bits. */
#define APIR_MAX_MEMORY (UINT64_C(1) << 41)

struct apir_memory_region {
    uint64_t guest; /* physical address in the guest */
    uint64_t user;  /* address in the front end, which places rings by it */
    uint64_t size;
    uint8_t *host;  /* our address */
    void *mapping;
    size_t mapping_size;
};

/* Zero-initialised is empty. The owner calls clear. */
struct apir_memory {
    struct apir_memory_region regions[APIR_MAX_REGIONS];
    unsigned count;
    uint64_t total;    /* bytes in all regions */
    _Atomic bool lost; /* a part was taken away: what is read there are zeros (relaxed: of the same thread) */
};

/* Maps [offset, offset + size) of fd (borrowed). 0, -EINVAL if a number is wrong or the file is shorter, -ENOSPC if
 * there are too many, or too much, or another -errno. */
int apir_memory_add(struct apir_memory *memory, uint64_t guest, uint64_t user, uint64_t size, uint64_t offset,
                    int fd);

/* After a SIGBUS at that address: if it lies in a region, the whole region becomes private zeros, and lost is set. May be
 * called by a signal handler. False if it is of no region, or nothing can be done. */
bool apir_memory_lose(struct apir_memory *memory, const void *address);

/* Unmaps everything. */
void apir_memory_clear(struct apir_memory *memory);

/* Our address of size bytes at that address of the front end, or NULL if they are not all in one region. */
void *apir_memory_at_user(const struct apir_memory *memory, uint64_t user, uint64_t size);

/* True if these bytes of the guest all exist. */
bool apir_memory_contains(const struct apir_memory *memory, uint64_t guest, uint64_t size);

/* Copies out of, and into, the guest's memory. 0, or -EFAULT if not all of it exists. */
int apir_memory_read(const struct apir_memory *memory, uint64_t guest, void *data, uint64_t size);
int apir_memory_write(const struct apir_memory *memory, uint64_t guest, const void *data, uint64_t size);

#endif
