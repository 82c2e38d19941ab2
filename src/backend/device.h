/* Devices of the host's library. */
#ifndef APIR_BACKEND_DEVICE_H
#define APIR_BACKEND_DEVICE_H

#include "apir-protocol.h"
#include "backend/abi/abi.h"
#include "backend/buffer-type.h"
#include "backend/host-buffer.h"

struct apir_reg;

/* Owned by the registration; constant once made. */
struct apir_device {
    union apir_abi_device base; /* first: a ggml_backend_dev_t of ours points here */
    struct apir_reg *reg;       /* borrowed */
    uint32_t index;             /* the host's */
    char name[APIR_MAX_STRING + 16];
    char description[APIR_MAX_STRING];
    enum ggml_backend_dev_type type;
    uint64_t buffer_types; /* bit d: can use buffers of device d */
    struct apir_buffer_type buffer_type;
    struct apir_host_buffer_type host_buffer_type;
};

/* Asks the host about device `index` and fills *device. 0 or -errno. Nothing needs to be ended. */
int apir_device_init(struct apir_device *device, struct apir_reg *reg, uint32_t index);

/* What ggml calls. */
const char *apir_device_get_name(ggml_backend_dev_t device);
const char *apir_device_get_description(ggml_backend_dev_t device);
void apir_device_get_memory(ggml_backend_dev_t device, size_t *free, size_t *total);
enum ggml_backend_dev_type apir_device_get_type(ggml_backend_dev_t device);
void apir_device_get_props(ggml_backend_dev_t device, struct ggml_backend_dev_props *props);
ggml_backend_t apir_device_init_backend(ggml_backend_dev_t device, const char *params);
ggml_backend_buffer_type_t apir_device_get_buffer_type(ggml_backend_dev_t device);
ggml_backend_buffer_type_t apir_device_get_host_buffer_type(ggml_backend_dev_t device);
bool apir_device_supports_op(ggml_backend_dev_t device, const struct ggml_tensor *op);
bool apir_device_supports_buft(ggml_backend_dev_t device, ggml_backend_buffer_type_t buft);
bool apir_device_offload_op(ggml_backend_dev_t device, const struct ggml_tensor *op);

#endif
