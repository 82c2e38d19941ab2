/* Memory of devices: what the context may have of it, and what it has. */
#include "executor/private.h"
#include "util/checked.h"
#include "util/zero.h"

enum {
    PAGE = 4096, /* what the smallest buffer counts as: it has its costs elsewhere */
};

/* Buffers of devices that compute on the processor are the host's memory, of which malloc() gives more than there is. */
static bool is_host_memory(ggml_backend_dev_t device)
{
    enum ggml_backend_dev_type type = ggml_backend_dev_type(device);
    return type == GGML_BACKEND_DEVICE_TYPE_CPU || type == GGML_BACKEND_DEVICE_TYPE_ACCEL;
}

void apir_memory_init(struct apir_executor *executor)
{
    const struct apir_limits *limits = &executor->options.limits;
    executor->quotas = (struct apir_quotas){
        .memory = {.limit = limits->memory},
        .host_memory = {.limit = APIR_NO_LIMIT},
        .buffers = {.limit = limits->buffers},
        .streams = {.limit = limits->queues},
        .graphs = {.limit = limits->graph_memory},
    };
}

void apir_memory_note_device(struct apir_executor *executor, ggml_backend_dev_t device)
{
    size_t free_bytes = 0, total = 0;
    if (!is_host_memory(device))
        return;
    ggml_backend_dev_memory(device, &free_bytes, &total);
    if (total > 0 && total < executor->quotas.host_memory.limit) /* the host's memory, which all such devices have */
        executor->quotas.host_memory.limit = total;
}

/* The quota of the memory that the device has, if it is the host's. */
static struct apir_quota *host_quota(struct apir_executor *executor, ggml_backend_dev_t device)
{
    return is_host_memory(device) ? &executor->quotas.host_memory : NULL;
}

bool apir_memory_charge(struct apir_executor *executor, ggml_backend_dev_t device, uint64_t size, uint64_t *charged)
{
    struct apir_quota *host = host_quota(executor, device);
    struct apir_ledger *ledger = executor->options.ledger;
    uint64_t bytes;
    if (!apir_checked_align(size ? size : 1, PAGE, &bytes) || !apir_quota_charge(&executor->quotas.memory, bytes))
        return false;
    if (host && !apir_quota_charge(host, bytes))
        goto err_memory;
    if (ledger && !apir_ledger_charge(ledger, bytes))
        goto err_host;
    *charged += bytes;
    return true;

err_host:
    if (host)
        apir_quota_uncharge(host, bytes);
err_memory:
    apir_quota_uncharge(&executor->quotas.memory, bytes);
    return false;
}

void apir_memory_uncharge(struct apir_executor *executor, ggml_backend_dev_t device, uint64_t charged)
{
    struct apir_quota *host = host_quota(executor, device);
    apir_quota_uncharge(&executor->quotas.memory, charged);
    if (host)
        apir_quota_uncharge(host, charged);
    if (executor->options.ledger)
        apir_ledger_uncharge(executor->options.ledger, charged);
}

static void cap(uint64_t *value, uint64_t limit)
{
    if (*value > limit)
        *value = limit;
}

void apir_memory_report(struct apir_executor *executor, ggml_backend_dev_t device, uint64_t *free, uint64_t *total)
{
    struct apir_quota *host = host_quota(executor, device);
    size_t free_bytes = 0, total_bytes = 0;
    ggml_backend_dev_memory(device, &free_bytes, &total_bytes);
    *free = free_bytes;
    *total = total_bytes;
    cap(free, apir_quota_left(&executor->quotas.memory));
    cap(total, executor->quotas.memory.limit);
    if (host)
        cap(free, apir_quota_left(host));
    if (executor->options.ledger) {
        cap(free, apir_ledger_left(executor->options.ledger));
        cap(total, executor->options.ledger->limit);
    }
}

void apir_memory_clear(ggml_backend_buffer_t buffer)
{
    /* ggml's own buffers for the CPU are from malloc() */
    if (ggml_backend_buffer_get_type(buffer) == ggml_backend_cpu_buffer_type())
        apir_zero_memory(ggml_backend_buffer_get_base(buffer), ggml_backend_buffer_get_size(buffer));
    else
        ggml_backend_buffer_clear(buffer, 0);
}
