/* What a worker tells the daemon, true or not, while a guest has it busy: two contexts that share memory, commands in
 * flight, fences of several rings. Whatever it says, what a worker has is given back once it is gone, and each command
 * of the guest is answered then. */
#include "device.h"
#include "fuzz.h"

enum { RESOURCES = 6, PAGE = APIR_WINDOW_PAGE };

static void set_up(struct device *device)
{
    apir_virtio_gpu_set_window(&device->gpu, APIR_WINDOW_READY);
    for (uint32_t context = 1; context <= 2; context++)
        device_simple(device, VIRTIO_GPU_CMD_CTX_CREATE, context, 0, 0);
    for (uint32_t resource = 1; resource <= RESOURCES; resource++) {
        device_simple(device, VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, 1, resource, 4 * PAGE);
        device_simple(device, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 1, resource, 0);
        if (resource % 2)
            device_simple(device, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 2, resource, 0);
        device_simple(device, VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, 0, resource, resource * 4 * (uint64_t)PAGE);
    }
}

static void act(struct device *device, struct reader *reader)
{
    uint8_t bytes[DEVICE_MAX_COMMAND], action = reader_u8(reader);
    switch (action % 8) {
    case 0:
    case 1:
    case 2:
    case 3:
        world_play_worker(&device->world, reader);
        break;
    case 4:
    case 5:
        world_step(&device->world.loop, action / 8);
        break;
    case 6:
        device_command(device, bytes, device_make_command(reader, bytes));
        break;
    default:
        if (action < 64)
            world_starve(action / 8);
        else
            world_wait(action * UINT32_C(8));
        break;
    }
}

/* All workers end: whatever waited for them goes on. */
static void check_end(struct device *device)
{
    world_starve(0);
    for (unsigned i = 0; i < device->world.worker_count; i++)
        if (device->world.workers[i] >= 0)
            world_drop(device->world.workers[i], 1 << 24);
    device->world.no_workers = true;
    for (uint32_t context = 1; context <= DEVICE_CONTEXTS; context++)
        device_simple(device, VIRTIO_GPU_CMD_CTX_DESTROY, context, 0, 0);
    for (int i = 0; i < 4; i++) {
        world_wait(2 * APIR_WORKER_PATIENCE_MS);
        world_step(&device->world.loop, 64);
    }
    FUZZ_CHECK(device->gpu.worker_count == 0 && device->gpu.stale_count == 0);
    for (unsigned i = 0; i < device->commands; i++)
        FUZZ_CHECK(device->answered[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct device device;
    struct reader reader = {data, size};
    device_init(&device);
    if (size > 0 && data[size - 1] & 1)
        device.world.options.socket = NULL;
    set_up(&device);
    while (reader.left > 0)
        act(&device, &reader);
    check_end(&device);
    device_finish(&device);
    return 0;
}
