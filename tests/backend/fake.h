/* The plug-in's objects without a host: enough for what is computed in the guest. */
#ifndef APIR_TESTS_BACKEND_FAKE_H
#define APIR_TESTS_BACKEND_FAKE_H

#include "backend/buffer.h"
#include "backend/device.h"
#include "backend/reg.h"

enum {
    FAKE_DEVICES = 2,
    FAKE_BUFFER_SIZE = 1 << 20,
};

struct fake_buffer {
    struct apir_gen3_buffer of_ggml;
    struct apir_buffer ours;
};

struct fake {
    struct apir_reg reg;
    struct apir_device devices[FAKE_DEVICES];
    struct fake_buffer buffers[FAKE_DEVICES]; /* one on each; handles 101, 102 */
    struct apir_gen3_buffer foreign;          /* another backend's */
    struct ggml_context *ctx;                 /* for tensors without memory */
};

/* Makes it, with a host that knows everything; seed as of apir_names_init. */
void fake_init(struct fake *fake, uint64_t seed);
void fake_finish(struct fake *fake);

/* Puts a tensor at an offset of a buffer. */
void fake_place(struct ggml_tensor *tensor, struct fake_buffer *buffer, uint64_t offset);

/* The same for a tensor of another backend. */
void fake_place_foreign(struct ggml_tensor *tensor, struct fake *fake);

#endif
