/* What the files of the executor share. */
#ifndef APIR_EXECUTOR_PRIVATE_H
#define APIR_EXECUTOR_PRIVATE_H

#include <ggml-backend.h>
#include <ggml.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "apir-protocol.h"
#include "executor/executor.h"
#include "server/object.h"
#include "util/arena.h"
#include "util/quota.h"
#include "wire/cs.h"

enum {
    APIR_NO_NUMBER = -1, /* in a numbering: the host has no such op or type */
    APIR_RESIDUE_MODULUS = 4096, /* a base that a guest sees has the host's place in its page: kernels look at alignment */
    APIR_MAX_COMPLAINTS = 100, /* lines of a context */
    APIR_MAX_LIBRARIES = 16, /* ggml has about 16 backends */
    APIR_UPSTREAM_MAX_BACKENDS = 64, /* as many as a session of the own protocol can have, with a queue each */
};

/* A library of the list in the options. */
struct apir_library_file {
    char *path; /* owned */
    ggml_backend_reg_t reg;
};

/* A device of one of the libraries. */
struct apir_library_device {
    ggml_backend_dev_t host;
    char name[APIR_MAX_STRING]; /* the host's, made different from those of the devices before */
    char buffer_type_name[APIR_MAX_STRING];
    bool ready; /* it could be used */
};

/* The libraries and their devices; filled once by load_library. */
struct apir_library {
    pthread_mutex_t lock; /* guards loading */
    bool tried;
    enum apir_load_status status;
    char message[APIR_MAX_MESSAGE];
    char name[APIR_MAX_STRING]; /* file names, for people */
    struct apir_library_file files[APIR_MAX_LIBRARIES];
    uint32_t n_files;
    struct apir_library_device devices[APIR_MAX_DEVICES]; /* in the order of the libraries */
    uint32_t n_devices;
    struct apir_executor_sandbox sandbox;
};

/* Session numbers to host numbers; filled once by negotiate. */
struct apir_names {
    _Atomic bool begun;      /* by one of the queues: the others are refused */
    _Atomic bool negotiated; /* release after the rest is filled, acquire before it is read */
    uint32_t n_ops, n_unary_ops, n_glu_ops, n_types;
    int16_t ops[APIR_MAX_OPS];
    int16_t unary_ops[APIR_MAX_OPS];
    int16_t glu_ops[APIR_MAX_OPS];
    int16_t types[APIR_MAX_OPS];
};

/* Of a guest of the deployed protocol, which sees one device and, in a later revision, names its backends by numbers. */
struct apir_upstream_state {
    bool loaded;           /* by the session's first request that is not the handshake */
    uint32_t device;       /* index of the one device */
    pthread_mutex_t lock;  /* guards all below */
    uint64_t stream;       /* of guests that know of no backends; 0: not made yet */
    uint32_t last_id;
    struct {
        uint32_t id; /* 0: free */
        uint64_t stream;
    } backends[APIR_UPSTREAM_MAX_BACKENDS];
};

/* What the context has taken. */
struct apir_quotas {
    struct apir_quota memory;      /* bytes in buffers of devices */
    struct apir_quota host_memory; /* those of them that are the host's memory; its limit is set once by load_library */
    struct apir_quota buffers, streams;
    struct apir_quota graphs; /* bytes of graphs that are kept or under way */
};

struct apir_executor {
    struct apir_executor_options options; /* its limits are complete */
    struct apir_quotas quotas;
    const struct apir_log *log;
    struct apir_shm_table *memory;
    struct apir_library library;
    struct apir_names names;
    struct apir_object_table objects;
    struct apir_upstream_state upstream;
    _Atomic unsigned complaints; /* relaxed */
    _Atomic uint64_t graphs, nodes, buffers, buffer_bytes; /* counters, relaxed */
};

/* A buffer of the host. */
struct apir_buffer {
    struct apir_object object;
    struct apir_executor *executor;
    ggml_backend_buffer_t host; /* owned */
    char *base;
    uint64_t size;
    ggml_backend_dev_t device; /* whose memory it has; NULL: that of the guest */
    uint64_t charged;          /* of the device's memory */
    struct apir_mapping *memory; /* counted; what it was made of, NULL: of the device's own memory */
    _Atomic uint32_t resets;     /* how often backends forgot what they had attached to its tensors (relaxed) */
};

struct apir_kept_graph;

/* A backend of the host, with what it needs to compute graphs. */
struct apir_stream {
    struct apir_object object;
    struct apir_executor *executor;
    struct apir_kept_graph *kept[APIR_MAX_GRAPHS]; /* owned, by number - 1; guarded by lock */
    enum ggml_status status; /* of the first graph that failed, until the guest is told; guarded by lock */
    pthread_mutex_t lock;    /* held while it computes */
    ggml_backend_t host;     /* owned */
};

/* The buffer of a handle, to be put; NULL if there is none. Putting NULL is a no-op. */
struct apir_buffer *apir_buffer_get(struct apir_executor *executor, uint64_t handle);
void apir_buffer_put(struct apir_executor *executor, struct apir_buffer *buffer);

/* A buffer around host, of which it takes ownership; NULL, with host freed, when host is NULL or has no base, or when there
 * are too many buffers. */
struct apir_buffer *apir_buffer_wrap(struct apir_executor *executor, ggml_backend_buffer_t host);

/* Gives the buffer a handle and takes ownership; 0, with the buffer freed, when there are too many. */
uint64_t apir_buffer_add(struct apir_executor *executor, struct apir_buffer *buffer);

/* A part of shared memory that is to be a buffer. */
struct apir_shm_range {
    uint32_t shm;
    uint64_t offset, size;
    uint64_t max_tensor_size; /* of the tensors that will be in it */
};

/* Makes a buffer of the range, which is kept as long; as a handle in reply, 0 if the device cannot use it in place or there
 * are too many. -EFAULT: there is no such memory. */
int apir_shm_buffer_add(struct apir_executor *executor, ggml_backend_dev_t device, const struct apir_shm_range *range,
                        struct apir_buffer_alloc_reply *reply);

/* Buffers in use by a call, put together at its end. */
struct apir_buffer_uses {
    struct apir_buffer_use {
        uint64_t handle;
        struct apir_buffer *buffer; /* counted */
        uint32_t resets;            /* of the buffer, when tensors were bound to it */
    } *uses;
    uint32_t count, capacity;
};

/* The buffer of a handle, kept until the uses are finished; NULL if there is none. */
struct apir_buffer *apir_buffer_uses_get(struct apir_executor *executor, struct apir_buffer_uses *uses,
                                         uint64_t handle);
void apir_buffer_uses_finish(struct apir_executor *executor, struct apir_buffer_uses *uses);

/* Sets the quotas from the options. */
void apir_memory_init(struct apir_executor *executor);

/* A device has been loaded, which nobody uses yet. */
void apir_memory_note_device(struct apir_executor *executor, ggml_backend_dev_t device);

/* Charges size bytes of a device's memory, and adds what that counts for to *charged; false: the context may not have so
 * much more. */
bool apir_memory_charge(struct apir_executor *executor, ggml_backend_dev_t device, uint64_t size, uint64_t *charged);
void apir_memory_uncharge(struct apir_executor *executor, ggml_backend_dev_t device, uint64_t charged);

/* Zeroes a new buffer, whose memory is not taken before it is used if it is the host's. */
void apir_memory_clear(ggml_backend_buffer_t buffer);

/* What the context can really have of a device's memory, in bytes. */
void apir_memory_report(struct apir_executor *executor, ggml_backend_dev_t device, uint64_t *free, uint64_t *total);

/* Logs a warning about what a guest does, unless it has caused too many: the log is not the guest's to fill. */
void apir_executor_complain(struct apir_executor *executor, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Forgets the libraries; they stay loaded. */
void apir_library_finish(struct apir_library *library);

/* Loads the libraries if that was not tried yet; the outcome is in executor->library. */
void apir_library_load(struct apir_executor *executor);

/* Has a device add some numbers. NULL, or what went wrong. */
const char *apir_device_try(ggml_backend_dev_t device);

/* Finds the file of an entry of the list in the options: a path as it is, a NAME as the best libggml-NAME*.so that runs here.
 * The caller frees it; NULL if there is none. */
char *apir_library_find(const char *entry, size_t length);

/* Appends the devices of a library to those before, each with a name of its own; those beyond the maximum are left out. */
void apir_library_add_devices(struct apir_library *library, ggml_backend_reg_t reg);

/* The directory of ggml's own backends: a place beside the libggml.so that this process uses. */
bool apir_library_find_directory(char *directory, size_t size);

/* The device of an index, NULL if there is none or the library is not loaded. Waits while it is being loaded. */
ggml_backend_dev_t apir_device_get(struct apir_executor *executor, uint32_t index);

/* Whether the device can compute a node that apir_op_check() has passed. */
bool apir_device_takes(ggml_backend_dev_t device, const struct ggml_tensor *op);

/* Fills *tensor from the wire: type, op, shape, flags, parameters; not sources, not memory. -EOPNOTSUPP when the host
 * does not know the op or type, -EINVAL when the description makes no sense. */
int apir_tensor_describe(const struct apir_executor *executor, const struct apir_tensor *from,
                         struct ggml_tensor *tensor);

/* The same for a tensor that is only data: it has no op, for whose sources, which are not there, a backend could look. */
int apir_tensor_describe_data(const struct apir_executor *executor, const struct apir_tensor *from,
                              struct ggml_tensor *tensor);

/* Fills the n tensors of a list, with sources and views linked inside the list. As apir_tensor_describe. */
int apir_tensor_describe_list(const struct apir_executor *executor, const struct apir_tensor *from, uint32_t n,
                              struct ggml_tensor *tensors);

/* Checks that offset lies in buffer and the extent of tensor behind it, and gives tensor that memory without telling the
 * backend: for one copy. */
int apir_tensor_place(struct ggml_tensor *tensor, struct apir_buffer *buffer, uint64_t offset);

/* The same and tells the backend (init_tensor). status is ggml's answer. */
int apir_tensor_bind(struct ggml_tensor *tensor, struct apir_buffer *buffer, uint64_t offset,
                     enum ggml_status *status);

/* Binds a view whose source is bound. */
int apir_tensor_bind_view(struct ggml_tensor *tensor, enum ggml_status *status);

/* ggml's status as the wire has it. */
enum apir_graph_status apir_graph_status_from_ggml(enum ggml_status status);

/* Copies size bytes of shared memory to the arena, where dec then reads them. */
int apir_graph_fetch(struct apir_executor *executor, struct apir_arena *arena, uint32_t shm, uint64_t offset,
                     uint64_t size, struct apir_dec *dec);

/* Checks and computes a graph; a node that the device cannot compute, or that no function of ggml's makes, is a failure.
 * deployed: the guest does not say how often values are used, so that those that may be used elsewhere are kept. */
int apir_graph_run(struct apir_executor *executor, struct apir_arena *arena, const struct apir_graph *graph,
                   struct apir_stream *stream, bool deployed, enum ggml_status *status);

/* Takes the host's own numbers as the session's, for guests that do not negotiate. Once. */
void apir_names_take_own(struct apir_names *names);

/* Frees a graph that a stream keeps. NULL is a no-op. */
void apir_kept_graph_destroy(struct apir_kept_graph *kept);

/* Puts the buffers and keeps their handles; gets them again: 0, 1 if one was reset meanwhile, so that its tensors are to be
 * bound anew, or -ENOENT if one is gone. */
void apir_buffer_uses_release(struct apir_executor *executor, struct apir_buffer_uses *uses);
int apir_buffer_uses_hold(struct apir_executor *executor, struct apir_buffer_uses *uses);

/* Handlers: one for each call, named after it. */
int handle_load_library(void *data, struct apir_arena *scratch, struct apir_load_library_reply *reply);
int handle_negotiate(void *data, struct apir_arena *scratch, const struct apir_negotiate_args *args,
                     struct apir_negotiate_reply *reply);
int handle_device_get_info(void *data, struct apir_arena *scratch, const struct apir_device_get_info_args *args,
                           struct apir_device_get_info_reply *reply);
int handle_device_get_memory(void *data, struct apir_arena *scratch,
                             const struct apir_device_get_memory_args *args,
                             struct apir_device_get_memory_reply *reply);
int handle_device_supports_op(void *data, struct apir_arena *scratch,
                              const struct apir_device_supports_op_args *args,
                              struct apir_device_supports_op_reply *reply);
int handle_device_get_alloc_size(void *data, struct apir_arena *scratch,
                                 const struct apir_device_get_alloc_size_args *args,
                                 struct apir_device_get_alloc_size_reply *reply);
int handle_buffer_alloc(void *data, struct apir_arena *scratch, const struct apir_buffer_alloc_args *args,
                        struct apir_buffer_alloc_reply *reply);
int handle_buffer_from_shm(void *data, struct apir_arena *scratch, const struct apir_buffer_from_shm_args *args,
                           struct apir_buffer_from_shm_reply *reply);
int handle_buffer_free(void *data, struct apir_arena *scratch, const struct apir_buffer_free_args *args);
int handle_buffer_set_usage(void *data, struct apir_arena *scratch, const struct apir_buffer_set_usage_args *args);
int handle_buffer_init_tensor(void *data, struct apir_arena *scratch,
                              const struct apir_buffer_init_tensor_args *args,
                              struct apir_buffer_init_tensor_reply *reply);
int handle_buffer_clear(void *data, struct apir_arena *scratch, const struct apir_buffer_clear_args *args);
int handle_buffer_reset(void *data, struct apir_arena *scratch, const struct apir_buffer_reset_args *args);
int handle_tensor_memset(void *data, struct apir_arena *scratch, const struct apir_tensor_memset_args *args);
int handle_tensor_set(void *data, struct apir_arena *scratch, const struct apir_tensor_set_args *args);
int handle_tensor_get(void *data, struct apir_arena *scratch, const struct apir_tensor_get_args *args);
int handle_tensor_set_2d(void *data, struct apir_arena *scratch, const struct apir_tensor_set_2d_args *args);
int handle_tensor_get_2d(void *data, struct apir_arena *scratch, const struct apir_tensor_get_2d_args *args);
int handle_tensor_copy(void *data, struct apir_arena *scratch, const struct apir_tensor_copy_args *args,
                       struct apir_tensor_copy_reply *reply);
int handle_tensor_copy_async(void *data, struct apir_arena *scratch, const struct apir_tensor_copy_async_args *args);
int handle_stream_create(void *data, struct apir_arena *scratch, const struct apir_stream_create_args *args,
                         struct apir_stream_create_reply *reply);
int handle_stream_destroy(void *data, struct apir_arena *scratch, const struct apir_stream_destroy_args *args);
int handle_buffer_write(void *data, struct apir_arena *scratch, const struct apir_buffer_write_args *args);
int handle_buffer_read(void *data, struct apir_arena *scratch, const struct apir_buffer_read_args *args);
int handle_graph_compute(void *data, struct apir_arena *scratch, const struct apir_graph_compute_args *args);
int handle_graph_recompute(void *data, struct apir_arena *scratch, const struct apir_graph_recompute_args *args);
int handle_graph_derive(void *data, struct apir_arena *scratch, const struct apir_graph_derive_args *args);
int handle_stream_collect(void *data, struct apir_arena *scratch, const struct apir_stream_collect_args *args,
                          struct apir_stream_collect_reply *reply);
int handle_session_get_stats(void *data, struct apir_arena *scratch, struct apir_session_get_stats_reply *reply);

#endif
