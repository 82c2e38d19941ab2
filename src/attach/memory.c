#include "attach/memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "util/checked.h"
#include "util/shared.h"

enum { MIN_ALIGN = 4096, MAX_ALIGN = 1 << 30 };

/* Checks that the file holds the range; *align is what mappings of it must be aligned to (huge pages). */
static int check_file(int fd, uint64_t offset, uint64_t size, uint64_t *align)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size < 0 || !apir_checked_range(offset, size, (uint64_t)st.st_size))
        return -EINVAL;
    uint64_t block = (uint64_t)st.st_blksize;
    *align = block > MIN_ALIGN && block <= MAX_ALIGN && (block & (block - 1)) == 0 ? block : MIN_ALIGN;
    return 0;
}

int apir_memory_add(struct apir_memory *memory, uint64_t guest, uint64_t user, uint64_t size, uint64_t offset,
                    int fd)
{
    uint64_t end, align = MIN_ALIGN, length;
    if (memory->count == APIR_MAX_REGIONS)
        return -ENOSPC;
    if (size > APIR_MAX_MEMORY - memory->total)
        return -ENOSPC;
    if (size == 0 || !apir_checked_add(guest, size - 1, &end) || !apir_checked_add(user, size - 1, &end))
        return -EINVAL;
    int ret = check_file(fd, offset, size, &align);
    if (ret < 0)
        return ret;
    uint64_t skip = offset % align;
    if (!apir_checked_add(size, skip, &length) || !apir_checked_align(length, align, &length))
        return -EINVAL;
    void *mapping = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, (off_t)(offset - skip));
    if (mapping == MAP_FAILED)
        return -errno;
    memory->regions[memory->count++] = (struct apir_memory_region){
        .guest = guest,
        .user = user,
        .size = size,
        .host = (uint8_t *)mapping + skip,
        .mapping = mapping,
        .mapping_size = length,
    };
    memory->total += size;
    return 0;
}

void apir_memory_clear(struct apir_memory *memory)
{
    for (unsigned i = 0; i < memory->count; i++)
        munmap(memory->regions[i].mapping, memory->regions[i].mapping_size);
    memory->count = 0;
    memory->total = 0;
    atomic_store_explicit(&memory->lost, false, memory_order_relaxed);
}

bool apir_memory_lose(struct apir_memory *memory, const void *address)
{
    for (unsigned i = 0; i < memory->count; i++) {
        const struct apir_memory_region *region = &memory->regions[i];
        uintptr_t start = (uintptr_t)region->mapping;
        if ((uintptr_t)address < start || (uintptr_t)address - start >= region->mapping_size)
            continue;
        /* all of it: a page of a huge one cannot be replaced */
        void *zeros = mmap(region->mapping, region->mapping_size, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
        if (zeros == MAP_FAILED)
            return false;
        atomic_store_explicit(&memory->lost, true, memory_order_relaxed);
        return true;
    }
    return false;
}

void *apir_memory_at_user(const struct apir_memory *memory, uint64_t user, uint64_t size)
{
    for (unsigned i = 0; i < memory->count; i++) {
        const struct apir_memory_region *region = &memory->regions[i];
        if (user >= region->user && apir_checked_range(user - region->user, size, region->size))
            return region->host + (user - region->user);
    }
    return NULL;
}

/* Our address of guest, and in *size how many bytes follow it in its region, at most as many as it was before. */
static uint8_t *find(const struct apir_memory *memory, uint64_t guest, uint64_t *size)
{
    for (unsigned i = 0; i < memory->count; i++) {
        const struct apir_memory_region *region = &memory->regions[i];
        if (guest < region->guest || guest - region->guest >= region->size)
            continue;
        uint64_t offset = guest - region->guest;
        if (*size > region->size - offset)
            *size = region->size - offset;
        return region->host + offset;
    }
    return NULL;
}

bool apir_memory_contains(const struct apir_memory *memory, uint64_t guest, uint64_t size)
{
    while (size > 0) {
        uint64_t step = size;
        if (!find(memory, guest, &step))
            return false;
        size -= step;
        if (size > 0 && !apir_checked_add(guest, step, &guest))
            return false;
    }
    return true;
}

int apir_memory_read(const struct apir_memory *memory, uint64_t guest, void *data, uint64_t size)
{
    if (!apir_memory_contains(memory, guest, size))
        return -EFAULT;
    for (uint64_t done = 0; done < size;) {
        uint64_t step = size - done;
        const uint8_t *host = find(memory, guest + done, &step);
        apir_shared_read((uint8_t *)data + done, host, step);
        done += step;
    }
    return 0;
}

int apir_memory_write(const struct apir_memory *memory, uint64_t guest, const void *data, uint64_t size)
{
    if (!apir_memory_contains(memory, guest, size))
        return -EFAULT;
    for (uint64_t done = 0; done < size;) {
        uint64_t step = size - done;
        uint8_t *host = find(memory, guest + done, &step);
        memcpy(host, (const uint8_t *)data + done, step);
        done += step;
    }
    return 0;
}
