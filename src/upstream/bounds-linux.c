/* By the kernel's list of this process's mappings. */
#include "upstream/bounds.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

/* Reads the next line's range and whether it can be read and written. */
static bool read_mapping(FILE *maps, uintptr_t *start, uintptr_t *end, bool *usable)
{
    char permissions[5];
    int c;
    if (fscanf(maps, "%" SCNxPTR "-%" SCNxPTR " %4s", start, end, permissions) != 3)
        return false;
    *usable = permissions[0] == 'r' && permissions[1] == 'w';
    while ((c = getc_unlocked(maps)) != '\n' && c != EOF)
        ;
    return true;
}

uint64_t apir_bounds_find(const void *pointer)
{
    uintptr_t address = (uintptr_t)pointer, start, end;
    uint64_t size = 0;
    bool usable;
    FILE *maps = fopen("/proc/self/maps", "re");
    if (!maps)
        return 0;
    while (read_mapping(maps, &start, &end, &usable) && start <= address)
        if (usable && address < end)
            size = end - address;
    fclose(maps);
    return size;
}
