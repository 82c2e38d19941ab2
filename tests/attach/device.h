/* The device driven by the bytes of commands, with echo-worker behind it. */
#ifndef APIR_TESTS_ATTACH_DEVICE_H
#define APIR_TESTS_ATTACH_DEVICE_H

#include <linux/virtio_gpu.h>

#include "attach/virtio-gpu.h"
#include "echo-worker.h"
#include "fixture.h"
#include "wire/capset.h"

enum { PAGE = APIR_WINDOW_PAGE, WINDOW = 1024 * PAGE, MAX_CONTEXTS = 4, MAX_ANSWERS = 256 };

struct answer {
    uint16_t head; /* of the command */
    uint32_t size;
    union {
        struct virtio_gpu_ctrl_hdr header;
        struct virtio_gpu_resp_map_info map;
        struct virtio_gpu_resp_capset_info capset_info;
        uint8_t bytes[512];
    } u;
};

struct device {
    struct fixture fixture;
    struct apir_virtio_gpu gpu;
    struct answer answers[MAX_ANSWERS];
    unsigned answer_count;
    uint16_t next_head;
};

/* cmocka's: a device whose window is there. */
int device_setup(void **state);
int device_teardown(void **state);

/* Gives a command of size bytes to the device; returns its head, by which its answer is known. */
uint16_t send_command(struct device *device, const void *command, size_t size);

/* NULL: not answered yet. Later answers have higher addresses. */
const struct answer *find_answer(const struct device *device, uint16_t head);

/* The type of the answer; 0: not answered yet. */
uint32_t result_of(const struct device *device, uint16_t head);

/* Gives a command to the device; the type of the answer, 0 if there is none yet. */
uint32_t command(struct device *device, const void *bytes, size_t size);

struct virtio_gpu_ctrl_hdr header(uint32_t type, uint32_t context);

/* As command(). with_resource: of a type that names a resource and nothing else. */
uint32_t create_context(struct device *device, uint32_t id, uint32_t capset);
uint32_t destroy_context(struct device *device, uint32_t id);
uint32_t create_blob(struct device *device, uint32_t id, uint64_t size);
uint32_t map_blob(struct device *device, uint32_t id, uint64_t offset);
uint32_t with_resource(struct device *device, uint32_t type, uint32_t context, uint32_t id);

/* As send_command(). The words are one of echo-worker's commands. */
uint16_t send_map(struct device *device, uint32_t id, uint64_t offset);
uint16_t send_with_resource(struct device *device, uint32_t type, uint32_t context, uint32_t id);
uint16_t submit_words(struct device *device, uint32_t context, uint32_t a, uint32_t b, uint32_t c, uint32_t d);
uint16_t submit_fenced(struct device *device, uint32_t context, uint32_t ring, uint32_t a, uint32_t b);

/* A context 1 with blob 1 of that size mapped at 0 and attached. */
void prepare(struct device *device, uint64_t size);

/* The type of the answer, once it is there. */
uint32_t wait_answer(struct device *device, uint16_t head);

/* Until the word at that offset of the window has the value. */
void wait_word(struct device *device, uint64_t offset, uint32_t value);

void wait_no_workers(struct device *device);

#endif
