/* A ggml backend library whose device computes nothing, but notes the graphs that it is given. The definitions with
 * which it is compiled say in which way it is bad. */
#include "fake-library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/gen3.h"
#include "fake-memory.h"
#include "fake-pipeline.h"
#ifdef FAKE_HOSTILE
#include "../jail/attempt.h"
#endif

#ifndef FAKE_DEVICES
#define FAKE_DEVICES 1
#endif
#ifndef FAKE_VERSION
#define FAKE_VERSION APIR_GEN3_API_VERSION
#endif
#ifndef FAKE_SYMBOL
#define FAKE_SYMBOL ggml_backend_init
#endif

#ifndef FAKE_TYPE
#define FAKE_TYPE GGML_BACKEND_DEVICE_TYPE_GPU
#endif
#ifndef FAKE_TOTAL
#define FAKE_TOTAL 2000
#endif

#define FAKE_PLACES (FAKE_DEVICES > 0 ? FAKE_DEVICES : 1)

static struct fake_seen seen = {.free_bytes = 1000, .total_bytes = FAKE_TOTAL};
static struct apir_gen3_device devices[FAKE_PLACES];
static char names[FAKE_PLACES][32];
static ggml_guid guid = {1, 2, 3};

static size_t index_of(ggml_backend_dev_t dev)
{
    return (size_t)((struct apir_gen3_device *)dev - devices);
}

static const char *get_name(ggml_backend_t backend)
{
    (void)backend;
    return "fake";
}

static void free_backend(ggml_backend_t backend)
{
    free(backend);
}

static int use_count(const struct apir_gen3_cgraph *graph, const struct ggml_tensor *tensor)
{
    for (size_t i = 0; i < graph->visited_hash_set.size; i++)
        if ((graph->visited_hash_set.used[i / 32] >> i % 32 & 1) && graph->visited_hash_set.keys[i] == tensor)
            return graph->use_counts[i];
    return -1;
}

static enum ggml_status judge(int32_t word)
{
    while (word == FAKE_HANG)
        pause();
    return (enum ggml_status)word;
}

static enum ggml_status graph_compute(ggml_backend_t backend, struct ggml_cgraph *cgraph)
{
    const struct apir_gen3_cgraph *graph = (const struct apir_gen3_cgraph *)cgraph;
#ifdef FAKE_PIPELINE
    return fake_pipeline_meet(index_of(ggml_backend_get_device(backend))) ? GGML_STATUS_SUCCESS : GGML_STATUS_FAILED;
#endif
#ifdef FAKE_STUCK
    for (;;)
        pause();
#endif
    enum ggml_status status = GGML_STATUS_SUCCESS;
    (void)backend;
    seen.graphs++;
    seen.n_nodes = graph->n_nodes;
    seen.n_leafs = graph->n_leafs;
    for (int i = 0; i < graph->n_nodes && i < FAKE_MAX_NODES; i++) {
        struct ggml_tensor *node = graph->nodes[i];
        snprintf(seen.nodes[i].name, sizeof seen.nodes[i].name, "%s", node->name);
        seen.nodes[i].op = (int)node->op;
        seen.nodes[i].flags = node->flags;
        seen.nodes[i].use_count = use_count(graph, node);
        seen.nodes[i].data = node->data;
        seen.nodes[i].extra = node->extra;
        node->extra = &seen;
        if (strcmp(node->name, FAKE_JUDGE) == 0)
            status = judge(*(const int32_t *)node->src[0]->data);
#ifdef FAKE_HOSTILE
        if (strcmp(node->name, ATTEMPT_NODE) == 0)
            *(int32_t *)node->data = attempt_make(*(const int32_t *)node->src[0]->data);
#endif
    }
    return status;
}

static const char *device_name(ggml_backend_dev_t dev)
{
    return names[index_of(dev)];
}

static const char *device_description(ggml_backend_dev_t dev)
{
    (void)dev;
    return "a fake";
}

static void device_memory(ggml_backend_dev_t dev, size_t *free_bytes, size_t *total)
{
    (void)dev;
    *free_bytes = seen.free_bytes;
    *total = seen.total_bytes;
}

static enum ggml_backend_dev_type device_type(ggml_backend_dev_t dev)
{
    (void)dev;
    return FAKE_TYPE;
}

static void device_props(ggml_backend_dev_t dev, struct ggml_backend_dev_props *props)
{
    memset(props, 0, sizeof *props);
    props->name = device_name(dev);
    props->description = device_description(dev);
    props->type = device_type(dev);
    device_memory(dev, &props->memory_free, &props->memory_total);
}

static ggml_backend_t init_backend(ggml_backend_dev_t dev, const char *params)
{
    (void)params;
#ifdef FAKE_NO_BACKEND
    return NULL;
#endif
    struct apir_gen3_backend *backend = calloc(1, sizeof *backend);
    if (!backend)
        return NULL;
    backend->guid = &guid;
    backend->iface.get_name = get_name;
    backend->iface.free = free_backend;
    backend->iface.graph_compute = graph_compute;
    backend->device = dev;
    return (ggml_backend_t)backend;
}

static ggml_backend_buffer_type_t buffer_type(ggml_backend_dev_t dev)
{
#ifdef FAKE_OWN_MEMORY
    return fake_memory(dev);
#else
    (void)dev;
    return ggml_backend_cpu_buffer_type();
#endif
}

static bool supports_op(ggml_backend_dev_t dev, const struct ggml_tensor *op)
{
    (void)dev;
    return seen.unsupported_op == 0 || (int)op->op != seen.unsupported_op;
}

static bool supports_buft(ggml_backend_dev_t dev, ggml_backend_buffer_type_t buft)
{
    return buft == buffer_type(dev);
}

static const struct apir_gen3_device device = {
    .iface = {.get_name = device_name,
              .get_description = device_description,
              .get_memory = device_memory,
              .get_type = device_type,
              .get_props = device_props,
              .init_backend = init_backend,
              .get_buffer_type = buffer_type,
              .supports_op = supports_op,
              .supports_buft = supports_buft},
};

static const char *reg_name(ggml_backend_reg_t reg)
{
    (void)reg;
    return "FAKE";
}

static size_t reg_device_count(ggml_backend_reg_t reg)
{
    (void)reg;
    return FAKE_DEVICES;
}

static ggml_backend_dev_t reg_device(ggml_backend_reg_t reg, size_t index)
{
    devices[index] = device;
    devices[index].reg = reg;
    snprintf(names[index], sizeof names[index], "FAKE%zu", index);
    return (ggml_backend_dev_t)&devices[index];
}

static void *reg_proc_address(ggml_backend_reg_t reg, const char *name)
{
    (void)reg;
    return strcmp(name, FAKE_SEEN) == 0 ? &seen : NULL;
}

static struct apir_gen3_reg registry = {
    .api_version = FAKE_VERSION,
    .iface = {.get_name = reg_name,
              .get_device_count = reg_device_count,
              .get_device = reg_device,
              .get_proc_address = reg_proc_address},
};

ggml_backend_reg_t FAKE_SYMBOL(void);

__attribute__((visibility("default"))) ggml_backend_reg_t FAKE_SYMBOL(void)
{
#ifdef FAKE_HOSTILE
    attempt_prepare();
#endif
#ifdef FAKE_NO_REGISTRY
    (void)registry;
    return NULL;
#else
    return (ggml_backend_reg_t)&registry;
#endif
}
