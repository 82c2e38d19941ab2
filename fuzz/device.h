/* The virtio-gpu device in a world of its own, and the commands of a guest made of few bytes. */
#ifndef APIR_FUZZ_DEVICE_H
#define APIR_FUZZ_DEVICE_H

#include "attach/virtio-gpu.h"
#include "world.h"

enum {
    DEVICE_WINDOW = 64 * 4096,
    DEVICE_CONTEXTS = 3,
    DEVICE_COMMANDS = 4096, /* of one input */
    DEVICE_MAX_COMMAND = 512,
};

struct device {
    struct world world;
    struct apir_virtio_gpu gpu;
    bool answered[DEVICE_COMMANDS];
    uint16_t commands;
};

void device_init(struct device *device);
void device_finish(struct device *device);

/* A command of a guest, by what the input says: mostly one that makes sense, for few contexts and resources. At most
 * DEVICE_MAX_COMMAND bytes; its size. */
uint32_t device_make_command(struct reader *reader, uint8_t *bytes);

/* Gives a command to the device, in memory of just that size. */
void device_command(struct device *device, const void *bytes, uint32_t size);

/* A command with nothing but a context and, if it has one, a resource. */
void device_simple(struct device *device, uint32_t type, uint32_t context, uint32_t resource, uint64_t number);

#endif
