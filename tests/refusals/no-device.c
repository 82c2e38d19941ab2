/* A ggml backend library that works, but finds no device. */
#include <stddef.h>

struct registry {
    int api_version;
    const char *(*get_name)(void *reg);
    size_t (*get_device_count)(void *reg);
    void *(*get_device)(void *reg, size_t index);
    void *(*get_proc_address)(void *reg, const char *name);
    void *context;
};

static const char *get_name(void *reg)
{
    (void)reg;
    return "none";
}

static size_t get_device_count(void *reg)
{
    (void)reg;
    return 0;
}

static void *get_device(void *reg, size_t index)
{
    (void)reg;
    (void)index;
    return NULL;
}

struct registry *ggml_backend_init(void);

__attribute__((visibility("default"))) struct registry *ggml_backend_init(void)
{
    static struct registry registry = {3, get_name, get_device_count, get_device, NULL, NULL};
    return &registry;
}
