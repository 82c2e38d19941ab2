#include "fake.h"

#include <string.h>

static void know_everything(struct apir_names *names)
{
    bool yes[APIR_MAX_OPS];
    for (uint32_t i = 0; i < APIR_MAX_OPS; i++)
        yes[i] = true;
    struct apir_negotiate_reply reply = {
        .ops = yes, .n_ops = names->ops.count, .types = yes, .n_types = names->types.count};
    apir_names_learn(names, &reply);
}

static void init_device(struct fake *fake, uint32_t index)
{
    struct apir_device *device = &fake->devices[index];
    const struct apir_device_info info = {.buffer_type_name = "FAKE",
                                          .alignment = 64,
                                          .max_buffer_size = UINT64_MAX,
                                          .buffer_types = 1u << index};
    device->reg = &fake->reg;
    device->index = index;
    device->buffer_types = info.buffer_types;
    fake->reg.abi->init_device(&device->base, (ggml_backend_reg_t)&fake->reg);
    apir_buffer_type_init(&device->buffer_type, device, &info);
}

static void init_buffer(struct fake *fake, uint32_t index)
{
    struct fake_buffer *buffer = &fake->buffers[index];
    buffer->ours = (struct apir_buffer){
        .device = &fake->devices[index],
        .of_ggml = (ggml_backend_buffer_t)&buffer->of_ggml,
        .handle = 101 + index,
        .base = apir_reg_take_base(&fake->reg, FAKE_BUFFER_SIZE, 0),
        .size = FAKE_BUFFER_SIZE,
    };
    buffer->of_ggml = (struct apir_gen3_buffer){
        .iface = {.free_buffer = apir_buffer_free, .get_base = apir_buffer_get_base},
        .buft = (ggml_backend_buffer_type_t)&fake->devices[index].buffer_type,
        .context = &buffer->ours,
        .size = FAKE_BUFFER_SIZE,
    };
}

void fake_init(struct fake *fake, uint64_t seed)
{
    memset(fake, 0, sizeof *fake);
    fake->reg.abi = &apir_abi_gen3;
    fake->reg.print = apir_content_choose();
    fake->reg.devices = fake->devices;
    fake->reg.n_devices = FAKE_DEVICES;
    atomic_init(&fake->reg.next_base, UINT64_C(1) << 56);
    apir_names_init(&fake->reg.names, seed);
    know_everything(&fake->reg.names);
    fake->reg.abi->init_reg(&fake->reg.base);
    for (uint32_t i = 0; i < FAKE_DEVICES; i++) {
        init_device(fake, i);
        init_buffer(fake, i);
    }
    fake->ctx = ggml_init((struct ggml_init_params){.mem_size = 4 << 20, .no_alloc = true});
}

void fake_finish(struct fake *fake)
{
    ggml_free(fake->ctx);
}

void fake_place(struct ggml_tensor *tensor, struct fake_buffer *buffer, uint64_t offset)
{
    tensor->buffer = buffer->ours.of_ggml;
    tensor->data = (char *)buffer->ours.base + offset;
}

void fake_place_foreign(struct ggml_tensor *tensor, struct fake *fake)
{
    tensor->buffer = (ggml_backend_buffer_t)&fake->foreign;
    tensor->data = fake;
}
