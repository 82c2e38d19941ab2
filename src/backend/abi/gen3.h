/* ggml's private interface to backends, generation 3 (ggml 0.27): what ggml-backend-impl.h and
 * ggml-impl.h of that release declare and no package installs. Field names are ggml's. The offsets
 * are checked below against those read from Debian's libggml-base.so.0.27.0, and by
 * tests/backend/abi-test.c through ggml's public functions. */
#ifndef APIR_BACKEND_ABI_GEN3_H
#define APIR_BACKEND_ABI_GEN3_H

#include <assert.h>
#include <stddef.h>

#include <ggml-backend.h>
#include <ggml.h>

enum {
    APIR_GEN3_API_VERSION = 3, /* ggml compares it for equality */
};

struct apir_gen3_buffer_type_i {
    const char *(*get_name)(ggml_backend_buffer_type_t buft);
    ggml_backend_buffer_t (*alloc_buffer)(ggml_backend_buffer_type_t buft, size_t size);
    /* NULL: ggml adds up the tensors and calls alloc_buffer */
    ggml_backend_buffer_t (*alloc_buffer_n)(ggml_backend_buffer_type_t buft,
                                            struct ggml_tensor **tensors, int n);
    size_t (*get_alignment)(ggml_backend_buffer_type_t buft);
    size_t (*get_max_size)(ggml_backend_buffer_type_t buft);
    size_t (*get_alloc_size)(ggml_backend_buffer_type_t buft, const struct ggml_tensor *tensor);
    /* NULL: ggml adds up get_alloc_size */
    size_t (*get_alloc_size_n)(ggml_backend_buffer_type_t buft, struct ggml_tensor **tensors,
                               int n);
    bool (*is_host)(ggml_backend_buffer_type_t buft);
};

struct apir_gen3_buffer_type {
    struct apir_gen3_buffer_type_i iface;
    ggml_backend_dev_t device;
    void *context;
};

struct apir_gen3_buffer_i {
    /* frees what is ours; ggml frees the struct */
    void (*free_buffer)(ggml_backend_buffer_t buffer);
    void *(*get_base)(ggml_backend_buffer_t buffer);
    enum ggml_status (*init_tensor)(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor);
    void (*memset_tensor)(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor, uint8_t value,
                          size_t offset, size_t size);
    void (*set_tensor)(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor, const void *data,
                       size_t offset, size_t size);
    void (*get_tensor)(ggml_backend_buffer_t buffer, const struct ggml_tensor *tensor, void *data,
                       size_t offset, size_t size);
    void (*set_tensor_2d)(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor,
                          const void *data, size_t offset, size_t size, size_t n_copies,
                          size_t stride_tensor, size_t stride_data);
    void (*get_tensor_2d)(ggml_backend_buffer_t buffer, const struct ggml_tensor *tensor,
                          void *data, size_t offset, size_t size, size_t n_copies,
                          size_t stride_tensor, size_t stride_data);
    bool (*cpy_tensor)(ggml_backend_buffer_t buffer, const struct ggml_tensor *src,
                       struct ggml_tensor *dst);
    void (*clear)(ggml_backend_buffer_t buffer, uint8_t value);
    void (*reset)(ggml_backend_buffer_t buffer);
};

struct apir_gen3_buffer {
    struct apir_gen3_buffer_i iface;
    ggml_backend_buffer_type_t buft;
    void *context;
    size_t size;
    enum ggml_backend_buffer_usage usage;
};

struct apir_gen3_backend_i {
    const char *(*get_name)(ggml_backend_t backend);
    void (*free)(ggml_backend_t backend); /* frees the struct, too */
    /* From here to graph_plan_compute NULL means what the public functions do without: the
     * synchronous form. */
    void (*set_tensor_async)(ggml_backend_t backend, struct ggml_tensor *tensor, const void *data,
                             size_t offset, size_t size);
    void (*get_tensor_async)(ggml_backend_t backend, const struct ggml_tensor *tensor, void *data,
                             size_t offset, size_t size);
    void (*set_tensor_2d_async)(ggml_backend_t backend, struct ggml_tensor *tensor,
                                const void *data, size_t offset, size_t size, size_t n_copies,
                                size_t stride_tensor, size_t stride_data);
    void (*get_tensor_2d_async)(ggml_backend_t backend, const struct ggml_tensor *tensor,
                                void *data, size_t offset, size_t size, size_t n_copies,
                                size_t stride_tensor, size_t stride_data);
    bool (*cpy_tensor_async)(ggml_backend_t backend_src, ggml_backend_t backend_dst,
                             const struct ggml_tensor *src, struct ggml_tensor *dst);
    void (*synchronize)(ggml_backend_t backend);
    ggml_backend_graph_plan_t (*graph_plan_create)(ggml_backend_t backend,
                                                   const struct ggml_cgraph *cgraph);
    void (*graph_plan_free)(ggml_backend_t backend, ggml_backend_graph_plan_t plan);
    void (*graph_plan_update)(ggml_backend_t backend, ggml_backend_graph_plan_t plan,
                              const struct ggml_cgraph *cgraph);
    enum ggml_status (*graph_plan_compute)(ggml_backend_t backend, ggml_backend_graph_plan_t plan);
    enum ggml_status (*graph_compute)(ggml_backend_t backend, struct ggml_cgraph *cgraph);
    void (*event_record)(ggml_backend_t backend, ggml_backend_event_t event);
    void (*event_wait)(ggml_backend_t backend, ggml_backend_event_t event);
    void (*graph_optimize)(ggml_backend_t backend, struct ggml_cgraph *cgraph, void *params);
};

struct apir_gen3_backend {
    ggml_guid_t guid;
    struct apir_gen3_backend_i iface;
    ggml_backend_dev_t device;
    void *context;
};

struct apir_gen3_event {
    ggml_backend_dev_t device;
    void *context;
};

struct apir_gen3_device_i {
    const char *(*get_name)(ggml_backend_dev_t device);
    const char *(*get_description)(ggml_backend_dev_t device);
    void (*get_memory)(ggml_backend_dev_t device, size_t *free, size_t *total);
    enum ggml_backend_dev_type (*get_type)(ggml_backend_dev_t device);
    void (*get_props)(ggml_backend_dev_t device, struct ggml_backend_dev_props *props);
    ggml_backend_t (*init_backend)(ggml_backend_dev_t device, const char *params);
    ggml_backend_buffer_type_t (*get_buffer_type)(ggml_backend_dev_t device);
    ggml_backend_buffer_type_t (*get_host_buffer_type)(ggml_backend_dev_t device);
    ggml_backend_buffer_t (*buffer_from_host_ptr)(ggml_backend_dev_t device, void *ptr, size_t size,
                                                  size_t max_tensor_size);
    bool (*supports_op)(ggml_backend_dev_t device, const struct ggml_tensor *op);
    bool (*supports_buft)(ggml_backend_dev_t device, ggml_backend_buffer_type_t buft);
    bool (*offload_op)(ggml_backend_dev_t device, const struct ggml_tensor *op);
    ggml_backend_event_t (*event_new)(ggml_backend_dev_t device);
    void (*event_free)(ggml_backend_dev_t device, ggml_backend_event_t event);
    void (*event_synchronize)(ggml_backend_dev_t device, ggml_backend_event_t event);
};

struct apir_gen3_device {
    struct apir_gen3_device_i iface;
    ggml_backend_reg_t reg;
    void *context;
};

struct apir_gen3_reg_i {
    const char *(*get_name)(ggml_backend_reg_t reg);
    size_t (*get_device_count)(ggml_backend_reg_t reg);
    ggml_backend_dev_t (*get_device)(ggml_backend_reg_t reg, size_t index);
    void *(*get_proc_address)(ggml_backend_reg_t reg, const char *name);
};

struct apir_gen3_reg {
    int api_version;
    struct apir_gen3_reg_i iface;
    void *context;
};

/* Open addressing: a key starts at (address >> 4) % size and goes up by one. Bit i of used: keys[i]
 * is set. */
struct apir_gen3_hash_set {
    size_t size;
    uint32_t *used;
    struct ggml_tensor **keys;
};

struct apir_gen3_cgraph {
    int size;
    int n_nodes;
    int n_leafs;
    struct ggml_tensor **nodes;
    struct ggml_tensor **grads;
    struct ggml_tensor **grad_accs;
    struct ggml_tensor **leafs;
    int32_t *use_counts; /* by position in visited_hash_set; a view of a graph shares both with the
                            whole graph */
    struct apir_gen3_hash_set visited_hash_set;
    int order;
    uint64_t uid;
};

/* The only private function: wraps context in a buffer. */
ggml_backend_buffer_t ggml_backend_buffer_init(ggml_backend_buffer_type_t buft,
                                               struct apir_gen3_buffer_i iface, void *context,
                                               size_t size);

static_assert(offsetof(struct apir_gen3_buffer_type, iface.get_alignment) == 0x18, "generation 3");
static_assert(offsetof(struct apir_gen3_buffer_type, iface.is_host) == 0x38, "generation 3");
static_assert(offsetof(struct apir_gen3_buffer_type, device) == 0x40, "generation 3");
static_assert(offsetof(struct apir_gen3_buffer_type, context) == 0x48, "generation 3");
static_assert(offsetof(struct apir_gen3_buffer, iface.set_tensor_2d) == 0x30, "generation 3");
static_assert(offsetof(struct apir_gen3_buffer, iface.reset) == 0x50, "generation 3");
static_assert(offsetof(struct apir_gen3_buffer, buft) == 0x58, "generation 3");
static_assert(offsetof(struct apir_gen3_buffer, context) == 0x60, "generation 3");
static_assert(offsetof(struct apir_gen3_buffer, size) == 0x68, "generation 3");
static_assert(offsetof(struct apir_gen3_buffer, usage) == 0x70, "generation 3");
static_assert(sizeof(struct apir_gen3_buffer) == 0x78, "generation 3");
static_assert(offsetof(struct apir_gen3_backend, iface.get_name) == 0x08, "generation 3");
static_assert(offsetof(struct apir_gen3_backend, iface.cpy_tensor_async) == 0x38, "generation 3");
static_assert(offsetof(struct apir_gen3_backend, iface.graph_compute) == 0x68, "generation 3");
static_assert(offsetof(struct apir_gen3_backend, iface.graph_optimize) == 0x80, "generation 3");
static_assert(offsetof(struct apir_gen3_backend, device) == 0x88, "generation 3");
static_assert(offsetof(struct apir_gen3_backend, context) == 0x90, "generation 3");
static_assert(offsetof(struct apir_gen3_device, iface.supports_op) == 0x48, "generation 3");
static_assert(offsetof(struct apir_gen3_device, iface.event_synchronize) == 0x70, "generation 3");
static_assert(offsetof(struct apir_gen3_device, reg) == 0x78, "generation 3");
static_assert(offsetof(struct apir_gen3_device, context) == 0x80, "generation 3");
static_assert(offsetof(struct apir_gen3_reg, iface.get_name) == 0x08, "generation 3");
static_assert(offsetof(struct apir_gen3_reg, iface.get_proc_address) == 0x20, "generation 3");
static_assert(offsetof(struct apir_gen3_reg, context) == 0x28, "generation 3");
static_assert(offsetof(struct apir_gen3_cgraph, nodes) == 0x10, "generation 3");
static_assert(offsetof(struct apir_gen3_cgraph, use_counts) == 0x30, "generation 3");
static_assert(offsetof(struct apir_gen3_cgraph, visited_hash_set.keys) == 0x48, "generation 3");
static_assert(offsetof(struct apir_gen3_cgraph, order) == 0x50, "generation 3");
static_assert(offsetof(struct apir_gen3_cgraph, uid) == 0x58, "generation 3");

#endif
