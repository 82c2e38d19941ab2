/* The registration of the plug-in: one session with the host, and the devices that it serves. */
#ifndef APIR_BACKEND_REG_H
#define APIR_BACKEND_REG_H

#include <pthread.h>
#include <stdatomic.h>

#include "backend/abi/abi.h"
#include "backend/content.h"
#include "backend/names.h"
#include "backend/staging.h"
#include "client/session.h"
#include "util/log.h"
#include "wire/status.h"

struct apir_device;
struct apir_host_buffer;
struct apir_op_cache;

/* Lives from the first ggml_backend_init that finds a host to the end of the process: ggml never
 * says that it has let go of its devices. */
struct apir_reg {
    union apir_abi_reg base; /* first: a ggml_backend_reg_t of ours points here */
    const struct apir_abi *abi;
    const struct apir_log *log;    /* borrowed */
    struct apir_session *session;  /* owned */
    struct apir_names names;       /* constant once negotiated */
    struct apir_op_cache *answers; /* owned */
    apir_content_function *print;  /* constant */
    pthread_mutex_t order_lock;    /* guards what buffers know of their order (order.h); taken last */
    struct apir_staging staging[APIR_MAX_QUEUES]; /* by queue; guarded by the queue's lock */
    pthread_mutex_t host_lock;     /* guards host_buffers */
    struct apir_host_buffer *host_buffers; /* owned; in no order */
    _Atomic uint64_t next_base;    /* where the next buffer pretends to be */
    struct apir_device *devices;   /* owned; constant */
    uint32_t n_devices;
};

/* Takes addresses for a buffer of size bytes that no other buffer of this process has. residue:
 * address modulo APIR_BASE_ALIGN. Nothing is mapped there. */
enum {
    APIR_BASE_ALIGN = 4096,
};
void *apir_reg_take_base(struct apir_reg *reg, uint64_t size, uint64_t residue);

/* What ggml calls; see ggml-backend.h for the functions of the same names. */
const char *apir_reg_get_name(ggml_backend_reg_t reg);
size_t apir_reg_get_device_count(ggml_backend_reg_t reg);
ggml_backend_dev_t apir_reg_get_device(ggml_backend_reg_t reg, size_t index);
void *apir_reg_get_proc_address(ggml_backend_reg_t reg, const char *name);

/* What the library exports; ggml looks both up by name. init returns the same registration each
 * time, or NULL when there is no device to offer; score is above 0 when init may find one. */
__attribute__((visibility("default"))) ggml_backend_reg_t ggml_backend_init(void);
__attribute__((visibility("default"))) int ggml_backend_score(void);

/* Memory to share has run out: frees what transfers have of it, which can do with less. False: there was none. The caller
 * holds no queue's lock. */
bool apir_reg_free_staging(struct apir_reg *reg);

#endif
