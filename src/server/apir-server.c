#include "apir-server.h"

#include <errno.h>
#include <stdlib.h>

#include "server/server.h"
#include "util/arena.h"
#include "util/fd.h"

struct apir_service {
    int fd; /* owned; -1 once it was served */
    const struct apir_handlers *handlers;
    void *handler_data;
    struct apir_log log;
    struct apir_shm_table memory;
};

struct apir_service *apir_service_create(const struct apir_service_options *options)
{
    struct apir_service *service = calloc(1, sizeof *service);
    if (!service) {
        int fd = options->fd;
        apir_fd_close(&fd);
        return NULL;
    }
    service->fd = options->fd;
    service->handlers = options->handlers;
    service->handler_data = options->handler_data;
    service->log = (struct apir_log){
        .stream = options->log,
        .level = (enum apir_log_level)options->log_level,
        .prefix = "apir-server",
    };
    apir_shm_table_init(&service->memory);
    return service;
}

int apir_service_run(struct apir_service *service)
{
    if (service->fd < 0)
        return -EINVAL;
    struct apir_server_options options = {
        .fd = apir_fd_take(&service->fd),
        .handlers = service->handlers,
        .handler_data = service->handler_data,
        .memory = &service->memory,
        .log = &service->log,
    };
    return apir_server_run(&options);
}

void apir_service_destroy(struct apir_service *service)
{
    if (!service)
        return;
    apir_fd_close(&service->fd);
    apir_shm_table_finish(&service->memory);
    free(service);
}

void *apir_service_alloc(struct apir_arena *scratch, size_t size)
{
    return apir_arena_alloc(scratch, size);
}

int apir_service_get_memory(struct apir_service *service, uint32_t id,
                            struct apir_service_memory *memory)
{
    struct apir_mapping *mapping = apir_shm_table_get(&service->memory, id);
    if (!mapping)
        return -ENOENT;
    *memory = (struct apir_service_memory){
        .data = mapping->data,
        .size = mapping->size,
        .handle = mapping,
    };
    return 0;
}

void apir_service_put_memory(struct apir_service *service, struct apir_service_memory *memory)
{
    apir_shm_table_put(&service->memory, memory->handle);
    *memory = (struct apir_service_memory){0};
}
