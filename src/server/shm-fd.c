/* What is checked about a descriptor before its memory is mapped: apart from the table, since it is Linux's. */
#include <errno.h>

#include "server/shm.h"
#include "util/checked.h"
#include "util/fd.h"

int apir_shm_table_add(struct apir_shm_table *table, uint32_t id, int fd, uint64_t offset, uint64_t size)
{
    uint64_t end;
    if (id == 0 || size == 0 || !apir_checked_add(offset, size, &end) || end > INT64_MAX)
        return -EINVAL;
    int ret = apir_fd_check_memory(fd, end);
    return ret < 0 ? ret : apir_shm_table_map(table, id, fd, offset, size);
}
