/* Buffers of the guest's own memory, shared with the host where it can be: the host reads and writes them in place.
 * llama.cpp keeps inputs, outputs and what it loads weights through in there. */
#ifndef APIR_BACKEND_HOST_BUFFER_H
#define APIR_BACKEND_HOST_BUFFER_H

#include <stdbool.h>
#include <stdint.h>

#include <ggml-backend.h>

#include "apir-protocol.h"
#include "backend/abi/abi.h"
#include "client/session.h"

struct apir_device;
struct apir_reg;

/* Part of its device; constant once made. */
struct apir_host_buffer_type {
    union apir_abi_buffer_type base; /* first: a ggml_backend_buffer_type_t of ours points here */
    struct apir_device *device;      /* the one that it is part of */
    char name[APIR_MAX_STRING + 24];
};

/* One buffer; owned by the registration's list, and freed by ggml_backend_buffer_free. */
struct apir_host_buffer {
    struct apir_host_buffer *next;
    void *data;
    size_t size;
    struct apir_shm shm; /* none: it is memory of this process only */
};

void apir_host_buffer_type_init(struct apir_host_buffer_type *buft, struct apir_device *device);

/* Where in shared memory size bytes at data are; false: they are not. */
bool apir_host_buffer_find(struct apir_reg *reg, const void *data, uint64_t size, uint32_t *shm, uint64_t *offset);

/* What ggml calls. */
const char *apir_host_buffer_type_get_name(ggml_backend_buffer_type_t buft);
ggml_backend_buffer_t apir_host_buffer_type_alloc_buffer(ggml_backend_buffer_type_t buft, size_t size);
size_t apir_host_buffer_type_get_alignment(ggml_backend_buffer_type_t buft);
bool apir_host_buffer_type_is_host(ggml_backend_buffer_type_t buft);
void apir_host_buffer_free(ggml_backend_buffer_t buffer);

#endif
