/* What the plug-in counts, for benchmarks and tests. A program that has loaded it with ggml asks for
 * ggml_backend_reg_get_proc_address(reg, "ggml_backend_virtgpu_get_counters"), and gets a function of the type
 * apir_get_counters. */
#ifndef APIR_COUNTERS_H
#define APIR_COUNTERS_H

#include <stdint.h>

/* Since the plug-in was loaded; only ever growing. */
struct apir_counters {
    uint64_t calls;         /* requests sent to the host */
    uint64_t waits;         /* times that a thread waited for the host to get so far; what was done already is no wait */
    uint64_t sleeps;        /* of those, the ones that slept, after looking in vain for a while */
    uint64_t doorbells;     /* times that the worker was woken up */
    uint64_t message_bytes; /* requests and replies, without the data of tensors */
    uint64_t data_bytes;    /* data of tensors */
};

/* Fills *counters. Thread-safe; costs no call to the host. */
typedef void (*apir_get_counters)(struct apir_counters *counters);

#endif
