#include "arms.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What ggml-rpc.h declares, and its library hands out by name. */
typedef ggml_backend_reg_t (*add_server_function)(const char *endpoint);

static void log_errors_only(enum ggml_log_level level, const char *text, void *unused)
{
    (void)unused;
    if (level == GGML_LOG_LEVEL_ERROR)
        fputs(text, stderr);
}

ggml_backend_t apir_arm_make_backend(const struct apir_arm *arm)
{
    ggml_backend_t backend = ggml_backend_dev_init(arm->device, NULL);
    ggml_backend_set_n_threads_t set_threads =
        (ggml_backend_set_n_threads_t)(uintptr_t)ggml_backend_reg_get_proc_address(
            ggml_backend_dev_backend_reg(arm->device), "ggml_backend_set_n_threads");
    if (backend && set_threads)
        set_threads(backend, 1);
    return backend;
}

static int add_arm(struct apir_arms *arms, const char *name, ggml_backend_dev_t device)
{
    struct apir_arm *arm = &arms->list[arms->count];
    *arm = (struct apir_arm){.name = name, .device = device};
    arm->backend = apir_arm_make_backend(arm);
    if (!arm->backend) {
        fprintf(stderr, "apir bench: device %s cannot be used\n", ggml_backend_dev_name(device));
        return -ENODEV;
    }
    arm->counters = (apir_get_counters)(uintptr_t)ggml_backend_reg_get_proc_address(
        ggml_backend_dev_backend_reg(device), "ggml_backend_virtgpu_get_counters");
    arms->count++;
    return 0;
}

/* The first device of a library that ggml has loaded, or the one named. */
static int add_arm_of(struct apir_arms *arms, const char *name, ggml_backend_reg_t reg, const char *device)
{
    size_t count = reg ? ggml_backend_reg_dev_count(reg) : 0;
    for (size_t i = 0; i < count; i++) {
        ggml_backend_dev_t found = ggml_backend_reg_dev_get(reg, i);
        if (!device || strcmp(device, ggml_backend_dev_name(found)) == 0)
            return add_arm(arms, name, found);
    }
    fprintf(stderr, "apir bench: there is no %s device%s%s%s\n", name, device ? " called " : "", device ? device : "",
            strcmp(name, "apir") == 0 || strcmp(name, "vm") == 0 ? ": apir info says why" : "");
    return -ENODEV;
}

static ggml_backend_reg_t rpc_reg(const char *endpoint)
{
    ggml_backend_reg_t library = ggml_backend_reg_by_name("RPC");
    void *address = library ? ggml_backend_reg_get_proc_address(library, "ggml_backend_rpc_add_server") : NULL;
    return address ? ((add_server_function)(uintptr_t)address)(endpoint) : NULL;
}

static int add_remote_arms(struct apir_arms *arms, const struct apir_bench_options *options)
{
    int err = 0;
    if (options->floor)
        err = add_arm_of(arms, "floor", ggml_backend_load(options->floor), NULL);
    ggml_backend_reg_t plugin =
        options->plugin ? ggml_backend_load(options->plugin) : ggml_backend_reg_by_name("virtgpu");
    /* without one, the other arms may be what is wanted */
    if (!err && (plugin || options->plugin || options->device || !options->floor))
        err = add_arm_of(arms, options->guest ? "vm" : "apir", plugin, options->device);
    if (!err && options->rpc)
        err = add_arm_of(arms, "rpc", rpc_reg(options->rpc), NULL);
    return err;
}

int apir_arms_init(struct apir_arms *arms, const struct apir_bench_options *options)
{
    *arms = (struct apir_arms){.memcpy = options->guest ? "vm-memcpy" : "memcpy"};
    ggml_log_set(log_errors_only, NULL);
    ggml_backend_load_all();
    ggml_backend_dev_t cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    if (!cpu) {
        fputs("apir bench: ggml has no CPU backend here\n", stderr);
        return -ENODEV;
    }
    int err = add_arm(arms, options->guest ? "vm-native" : "native", cpu);
    if (!err)
        err = add_remote_arms(arms, options);
    if (err)
        apir_arms_finish(arms);
    return err;
}

void apir_arms_release(struct apir_arms *arms)
{
    for (size_t i = 0; i < arms->count; i++) {
        ggml_backend_free(arms->list[i].backend);
        arms->list[i].backend = NULL;
    }
}

void apir_arms_finish(struct apir_arms *arms)
{
    apir_arms_release(arms);
    arms->count = 0;
}

const struct apir_arm *apir_arms_find(const struct apir_arms *arms, const char *name)
{
    for (size_t i = 0; i < arms->count; i++)
        if (strcmp(arms->list[i].name, name) == 0)
            return &arms->list[i];
    return NULL;
}
