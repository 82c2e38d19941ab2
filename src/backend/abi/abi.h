/* Generations of ggml's private backend interface. The plug-in is built once and serves every ggml
 * release whose generation it knows: the rest of backend/ sees ggml's objects only through this. */
#ifndef APIR_BACKEND_ABI_ABI_H
#define APIR_BACKEND_ABI_ABI_H

#include "backend/abi/gen3.h"

/* Storage for ggml's objects of any generation. Each is the first member of a struct of ours, so
 * that ggml's pointer to its object is a pointer to ours. */
union apir_abi_reg {
    struct apir_gen3_reg gen3;
};
union apir_abi_device {
    struct apir_gen3_device gen3;
};
union apir_abi_buffer_type {
    struct apir_gen3_buffer_type gen3;
};
union apir_abi_backend {
    struct apir_gen3_backend gen3;
};
union apir_abi_event {
    struct apir_gen3_event gen3;
};

/* How often each of some tensors is used, and where the graph keeps that. */
struct apir_uses {
    struct apir_use {
        uint32_t at;
        uint32_t count;
    } *list;           /* owned by whoever made the struct */
    size_t table_size; /* of the graph; 0: it has not all of them */
};

struct apir_abi {
    const char *releases; /* those it was tried with: the start of ggml_version() */

    /* Fill the objects with our functions. */
    void (*init_reg)(union apir_abi_reg *reg);
    void (*init_device)(union apir_abi_device *device, ggml_backend_reg_t reg);
    void (*init_buffer_type)(union apir_abi_buffer_type *buft, ggml_backend_dev_t device);
    void (*init_host_buffer_type)(union apir_abi_buffer_type *buft, ggml_backend_dev_t device);
    void (*init_event)(union apir_abi_event *event, ggml_backend_dev_t device);
    void (*init_backend)(union apir_abi_backend *backend, ggml_guid_t guid,
                         ggml_backend_dev_t device);

    /* Makes a buffer of ours; ggml_backend_buffer_free ends it. NULL when memory is short. */
    ggml_backend_buffer_t (*make_buffer)(ggml_backend_buffer_type_t buft, void *context,
                                         size_t size);

    /* Makes a buffer of memory in this process that ggml reads and writes itself; when it is freed, our function is told
     * (apir_host_buffer_free). */
    ggml_backend_buffer_t (*make_host_buffer)(ggml_backend_buffer_type_t buft, void *data, size_t size);

    /* The context of a buffer that make_buffer made; NULL of any other. buffer may be NULL. */
    void *(*buffer_context)(ggml_backend_buffer_t buffer);

    /* How many tensors of the graph that cgraph is, or is a part of, use tensor; 0 if it is not in
     * there. */
    uint32_t (*use_count)(const struct ggml_cgraph *cgraph, const struct ggml_tensor *tensor);

    /* The same of n tensors: use_counts writes it down, in a list that is long enough, has_use_counts compares. To find
     * them where they were is fast. */
    void (*use_counts)(const struct ggml_cgraph *cgraph, struct ggml_tensor *const *tensors, size_t n,
                       struct apir_uses *uses);
    bool (*has_use_counts)(const struct ggml_cgraph *cgraph, struct ggml_tensor *const *tensors, size_t n,
                           const struct apir_uses *uses);
};

/* The generation of a ggml release, as ggml_version() gives it; NULL if it is not known: never
 * guessed. */
const struct apir_abi *apir_abi_find(const char *version);

/* The releases that apir_abi_find knows, for people: "0.27.*". */
const char *apir_abi_known(void);

extern const struct apir_abi apir_abi_gen3;

#endif
