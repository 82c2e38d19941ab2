#include "backend/host-buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/device.h"
#include "backend/reg.h"
#include "util/checked.h"

enum {
    ALIGNMENT = 4096, /* more than any kernel of ggml's CPU backend wants */
};

static struct apir_host_buffer_type *of(ggml_backend_buffer_type_t buft)
{
    return (struct apir_host_buffer_type *)buft;
}

void apir_host_buffer_type_init(struct apir_host_buffer_type *buft, struct apir_device *device)
{
    *buft = (struct apir_host_buffer_type){.device = device};
    snprintf(buft->name, sizeof buft->name, "%s_Host", device->buffer_type.name);
    device->reg->abi->init_host_buffer_type(&buft->base, (ggml_backend_dev_t)device);
}

const char *apir_host_buffer_type_get_name(ggml_backend_buffer_type_t buft)
{
    return of(buft)->name;
}

size_t apir_host_buffer_type_get_alignment(ggml_backend_buffer_type_t buft)
{
    (void)buft;
    return ALIGNMENT;
}

bool apir_host_buffer_type_is_host(ggml_backend_buffer_type_t buft)
{
    (void)buft;
    return true;
}

/* Shared memory if the host has some to spare, else memory of this process: applications need the buffer, and the host
 * does without. */
static bool take_memory(struct apir_reg *reg, struct apir_host_buffer *buffer)
{
    if (buffer->size <= apir_session_max_host_buffer(reg->session) &&
        apir_session_shm_create(reg->session, buffer->size, &buffer->shm) == 0) {
        buffer->data = buffer->shm.data;
        return true;
    }
    uint64_t rounded;
    buffer->shm = (struct apir_shm){0};
    if (!apir_checked_align(buffer->size, ALIGNMENT, &rounded))
        return false;
    buffer->data = aligned_alloc(ALIGNMENT, rounded);
    return buffer->data != NULL;
}

static void insert(struct apir_reg *reg, struct apir_host_buffer *buffer)
{
    pthread_mutex_lock(&reg->host_lock);
    buffer->next = reg->host_buffers;
    reg->host_buffers = buffer;
    pthread_mutex_unlock(&reg->host_lock);
}

ggml_backend_buffer_t apir_host_buffer_type_alloc_buffer(ggml_backend_buffer_type_t buft, size_t size)
{
    struct apir_reg *reg = of(buft)->device->reg;
    struct apir_host_buffer *buffer = calloc(1, sizeof *buffer);
    if (!buffer)
        return NULL;
    buffer->size = size ? size : 1;
    if (!take_memory(reg, buffer)) {
        free(buffer);
        return NULL;
    }
    insert(reg, buffer);
    return reg->abi->make_host_buffer(buft, buffer->data, size);
}

/* Takes the buffer of this memory off the list. */
static struct apir_host_buffer *take(struct apir_reg *reg, const void *data)
{
    pthread_mutex_lock(&reg->host_lock);
    struct apir_host_buffer **link = &reg->host_buffers;
    while (*link && (*link)->data != data)
        link = &(*link)->next;
    struct apir_host_buffer *buffer = *link;
    if (buffer)
        *link = buffer->next;
    pthread_mutex_unlock(&reg->host_lock);
    return buffer;
}

void apir_host_buffer_free(ggml_backend_buffer_t of_ggml)
{
    struct apir_reg *reg = of(ggml_backend_buffer_get_type(of_ggml))->device->reg;
    struct apir_host_buffer *buffer = take(reg, ggml_backend_buffer_get_base(of_ggml));
    if (!buffer)
        return;
    if (buffer->shm.data) {
        apir_session_drain(reg->session); /* calls under way may read or write it */
        apir_session_shm_destroy(reg->session, &buffer->shm);
    } else {
        free(buffer->data);
    }
    free(buffer);
}

bool apir_host_buffer_find(struct apir_reg *reg, const void *data, uint64_t size, uint32_t *shm, uint64_t *offset)
{
    bool found = false;
    pthread_mutex_lock(&reg->host_lock);
    for (const struct apir_host_buffer *buffer = reg->host_buffers; buffer && !found; buffer = buffer->next) {
        uint64_t start = (uintptr_t)data - (uintptr_t)buffer->data;
        found = buffer->shm.data && apir_checked_range(start, size, buffer->size);
        if (found) {
            *shm = buffer->shm.id;
            *offset = start;
        }
    }
    pthread_mutex_unlock(&reg->host_lock);
    return found;
}
