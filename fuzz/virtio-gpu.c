/* What a guest asks of its virtio-gpu device, with workers that do as the input says. */
#include "device.h"
#include "fuzz.h"

enum action {
    ACTION_COMMAND,
    ACTION_COMMAND_AGAIN, /* twice as often as the rest */
    ACTION_STEP,
    ACTION_WORKER,
    ACTION_WAIT,
    ACTION_WINDOW,
    ACTION_CONFIG,
    ACTION_RARE,
    N_ACTIONS,
};

static void read_config(struct reader *reader)
{
    uint8_t data[64];
    apir_virtio_gpu_read_config(reader_u32(reader) % 80, data, reader_u8(reader) % (sizeof data + 1));
}

static void act(struct device *device, struct reader *reader)
{
    uint8_t bytes[DEVICE_MAX_COMMAND], action = reader_u8(reader);
    switch ((enum action)(action % N_ACTIONS)) {
    case ACTION_COMMAND:
    case ACTION_COMMAND_AGAIN:
        device_command(device, bytes, device_make_command(reader, bytes));
        break;
    case ACTION_STEP:
        world_step(&device->world.loop, action / N_ACTIONS);
        break;
    case ACTION_WORKER:
        world_play_worker(&device->world, reader);
        break;
    case ACTION_WAIT:
        world_wait(action * UINT32_C(8));
        break;
    case ACTION_WINDOW:
        apir_virtio_gpu_set_window(&device->gpu, (enum apir_window_state)(reader_u8(reader) % 3));
        break;
    case ACTION_CONFIG:
        read_config(reader);
        break;
    case ACTION_RARE:
        if (action > 200)
            apir_virtio_gpu_reset(&device->gpu, "the input says so");
        else if (action < 60)
            world_starve(action / 8);
        else if (action < 80)
            device->world.no_workers = !device->world.no_workers;
        break;
    case N_ACTIONS:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct device device;
    struct reader reader = {data, size};
    device_init(&device);
    if (size > 0 && data[size - 1] & 1)
        device.world.options.socket = NULL;
    if (size > 0 && data[0] & 1)
        apir_virtio_gpu_set_window(&device.gpu, APIR_WINDOW_READY);
    while (reader.left > 0)
        act(&device, &reader);
    device_finish(&device);
    return 0;
}
