/* Buffers: memory of a device of the host. ggml knows one by an address that we invent; nothing is
 * mapped there. */
#ifndef APIR_BACKEND_BUFFER_H
#define APIR_BACKEND_BUFFER_H

#include <stdatomic.h>
#include <stdint.h>

#include <ggml-backend.h>

#include "backend/order.h"

struct apir_device;

/* Made by apir_buffer_create, freed by ggml_backend_buffer_free. */
struct apir_buffer {
    struct apir_device *device;    /* borrowed */
    ggml_backend_buffer_t of_ggml; /* the object that ggml has for it; owns this struct */
    uint64_t handle;
    void *base;
    uint64_t size;
    _Atomic int usage; /* as the host knows it; written with the lock of the queue that tells it */
    struct apir_order order;
};

/* Allocates size bytes on a device. NULL when the host cannot. */
ggml_backend_buffer_t apir_buffer_create(struct apir_device *device, size_t size);

/* Makes a buffer of memory that is shared with the host, at ptr; NULL if it is not, or the device cannot use it. */
ggml_backend_buffer_t apir_buffer_from_host_ptr(ggml_backend_dev_t device, void *ptr, size_t size,
                                                size_t max_tensor_size);

/* Tells the host about a usage that ggml has set since the last time; ggml does so without a call.
 * 0 or -errno. The caller holds no lock. */
int apir_buffer_mirror_usage(struct apir_buffer *buffer);

/* What ggml calls. After an error of the session all but free and get_base do nothing, and get
 * gives zeros. */
void apir_buffer_free(ggml_backend_buffer_t buffer);
void *apir_buffer_get_base(ggml_backend_buffer_t buffer);
enum ggml_status apir_buffer_init_tensor(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor);
void apir_buffer_memset_tensor(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor,
                               uint8_t value, size_t offset, size_t size);
void apir_buffer_set_tensor(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor,
                            const void *data, size_t offset, size_t size);
void apir_buffer_get_tensor(ggml_backend_buffer_t buffer, const struct ggml_tensor *tensor,
                            void *data, size_t offset, size_t size);
void apir_buffer_set_tensor_2d(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor,
                               const void *data, size_t offset, size_t size, size_t n_copies,
                               size_t stride_tensor, size_t stride_data);
void apir_buffer_get_tensor_2d(ggml_backend_buffer_t buffer, const struct ggml_tensor *tensor,
                               void *data, size_t offset, size_t size, size_t n_copies,
                               size_t stride_tensor, size_t stride_data);
bool apir_buffer_cpy_tensor(ggml_backend_buffer_t buffer, const struct ggml_tensor *src,
                            struct ggml_tensor *dst);
void apir_buffer_clear(ggml_backend_buffer_t buffer, uint8_t value);
void apir_buffer_reset(ggml_backend_buffer_t buffer);

#endif
