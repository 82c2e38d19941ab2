/* The buffer type of a device: its default one on the host. */
#ifndef APIR_BACKEND_BUFFER_TYPE_H
#define APIR_BACKEND_BUFFER_TYPE_H

#include "apir-protocol.h"
#include "backend/abi/abi.h"

struct apir_device;

/* Part of its device; constant once made. */
struct apir_buffer_type {
    union apir_abi_buffer_type base; /* first: a ggml_backend_buffer_type_t of ours points here */
    struct apir_device *device;      /* the one that it is part of */
    char name[APIR_MAX_STRING + 16];
    uint64_t alignment;
    uint64_t max_size;
    bool has_alloc_size; /* false: every tensor needs ggml_nbytes */
};

/* Fills *buft from what the host says of its device. */
void apir_buffer_type_init(struct apir_buffer_type *buft, struct apir_device *device,
                           const struct apir_device_info *info);

/* What ggml calls. */
const char *apir_buffer_type_get_name(ggml_backend_buffer_type_t buft);
ggml_backend_buffer_t apir_buffer_type_alloc_buffer(ggml_backend_buffer_type_t buft, size_t size);
size_t apir_buffer_type_get_alignment(ggml_backend_buffer_type_t buft);
size_t apir_buffer_type_get_max_size(ggml_backend_buffer_type_t buft);
size_t apir_buffer_type_get_alloc_size(ggml_backend_buffer_type_t buft,
                                       const struct ggml_tensor *tensor);
bool apir_buffer_type_is_host(ggml_backend_buffer_type_t buft);

#endif
