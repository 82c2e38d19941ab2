/* The devices that are compared. */
#ifndef APIR_BENCH_ARMS_H
#define APIR_BENCH_ARMS_H

#include <ggml-backend.h>

#include "apir-counters.h"
#include "options.h"

enum { APIR_MAX_ARMS = 5 };

struct apir_arm {
    const char *name; /* native, floor, apir, rpc; vm-native, vm in a guest */
    ggml_backend_dev_t device;
    ggml_backend_t backend;     /* with one thread, if it is the CPU */
    apir_get_counters counters; /* NULL: it has none */
};

struct apir_arms {
    struct apir_arm list[APIR_MAX_ARMS];
    size_t count;
    const char *memcpy; /* what the arm that only copies is called: memcpy, vm-memcpy */
};

/* Loads ggml's backends and those that options name. What is missing is told on stderr. The first arm is the CPU.
 * 0, or -ENODEV if that is all there is or one that was asked for is missing. finish ends the backends. */
int apir_arms_init(struct apir_arms *arms, const struct apir_bench_options *options);
void apir_arms_finish(struct apir_arms *arms);

/* Ends the backends; devices stay. A ggml-rpc server serves one program at a time, and now may serve another one. */
void apir_arms_release(struct apir_arms *arms);

/* The arm with this name, or NULL. */
const struct apir_arm *apir_arms_find(const struct apir_arms *arms, const char *name);

/* Another backend of the arm's device, as its own one. */
ggml_backend_t apir_arm_make_backend(const struct apir_arm *arm);

#endif
