#include "device.h"

#include <stdlib.h>

#include "fuzz.h"
#include "wire/capset.h"

enum { PAGE = APIR_WINDOW_PAGE };

/* Promised to each guest: an answer fits any buffer that its driver has for it, and there is one to a command. */
static void respond(void *owner, const struct apir_chain *chain, const void *response, uint32_t size)
{
    struct device *device = owner;
    struct virtio_gpu_ctrl_hdr header;
    FUZZ_CHECK(size >= sizeof header && size <= sizeof(struct virtio_gpu_resp_display_info));
    memcpy(&header, response, sizeof header);
    FUZZ_CHECK(header.type >= VIRTIO_GPU_RESP_OK_NODATA && header.type < 0x1300);
    FUZZ_CHECK(chain->head < device->commands && !device->answered[chain->head]);
    device->answered[chain->head] = true;
}

void device_init(struct device *device)
{
    memset(device->answered, 0, sizeof device->answered);
    device->commands = 0;
    world_init(&device->world);
    int ret = apir_virtio_gpu_init(&device->gpu, &device->world.loop, &device->world.log, &device->world.options,
                                   DEVICE_WINDOW, DEVICE_CONTEXTS);
    FUZZ_CHECK(ret == 0);
    device->gpu.respond = respond;
    device->gpu.owner = device;
}

void device_finish(struct device *device)
{
    apir_virtio_gpu_finish(&device->gpu);
    world_finish(&device->world);
}

void device_command(struct device *device, const void *bytes, uint32_t size)
{
    struct apir_chain chain = {.head = device->commands};
    struct apir_request request = {.size = size, .data = world_alloc(size)};
    if (device->commands < DEVICE_COMMANDS) {
        device->commands++;
        memcpy(request.data, bytes, size);
        apir_virtio_gpu_command(&device->gpu, &request, &chain);
    }
    free(request.data);
}

static uint32_t put(uint8_t *bytes, const void *command, size_t size)
{
    memcpy(bytes, command, size);
    return (uint32_t)size;
}

static uint32_t make_simple(uint8_t *bytes, const struct virtio_gpu_ctrl_hdr *header, uint32_t resource,
                            uint64_t number)
{
    struct virtio_gpu_ctx_create create = {.hdr = *header, .nlen = 4, .context_init = number ? (uint32_t)number : 10};
    struct virtio_gpu_resource_map_blob map = {.hdr = *header, .resource_id = resource, .offset = number};
    struct virtio_gpu_get_capset capset = {.hdr = *header, .capset_id = (uint32_t)number, .capset_version = resource};
    struct virtio_gpu_resource_create_blob blob = {.hdr = *header,
                                                   .resource_id = resource,
                                                   .blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D,
                                                   .blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE,
                                                   .size = number};
    struct virtio_gpu_ctx_resource with_resource = {.hdr = *header, .resource_id = resource};
    switch (header->type) {
    case VIRTIO_GPU_CMD_CTX_CREATE:
        memset(create.debug_name, 'x', sizeof create.debug_name);
        return put(bytes, &create, sizeof create);
    case VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB:
        return put(bytes, &blob, sizeof blob);
    case VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB:
        return put(bytes, &map, sizeof map);
    case VIRTIO_GPU_CMD_GET_CAPSET:
    case VIRTIO_GPU_CMD_GET_CAPSET_INFO:
        return put(bytes, &capset, sizeof capset);
    default:
        return put(bytes, &with_resource, sizeof with_resource);
    }
}

void device_simple(struct device *device, uint32_t type, uint32_t context, uint32_t resource, uint64_t number)
{
    uint8_t bytes[DEVICE_MAX_COMMAND];
    const struct virtio_gpu_ctrl_hdr header = {.type = type, .ctx_id = context};
    device_command(device, bytes, make_simple(bytes, &header, resource, number));
}

/* A handshake in either protocol that names a status page, or bytes. */
static uint32_t make_submit(struct reader *reader, uint8_t *bytes, const struct virtio_gpu_ctrl_hdr *header,
                            uint32_t resource)
{
    uint32_t words[8] = {0, 0, resource, 0, 2, resource % 2 ? APIR_HANDSHAKE_MAGIC : 0, 1, 0};
    struct virtio_gpu_cmd_submit submit = {.hdr = *header, .size = sizeof words};
    uint8_t size = reader_u8(reader);
    if (size > 0) {
        submit.size = size;
        reader_copy(reader, words, size < sizeof words ? size : sizeof words);
    }
    memcpy(bytes, &submit, sizeof submit);
    memcpy(bytes + sizeof submit, words, sizeof words);
    return (uint32_t)(sizeof submit + sizeof words);
}

static uint64_t make_number(struct reader *reader, uint8_t shape)
{
    if (shape & 0x80)
        return (uint64_t)reader_u32(reader) << 32 | reader_u32(reader);
    return (uint64_t)(shape % 32) * PAGE;
}

uint32_t device_make_command(struct reader *reader, uint8_t *bytes)
{
    static const uint16_t types[] = {
        VIRTIO_GPU_CMD_CTX_CREATE,          VIRTIO_GPU_CMD_CTX_DESTROY,          VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE,
        VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB,
        VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, VIRTIO_GPU_CMD_RESOURCE_UNREF,       VIRTIO_GPU_CMD_SUBMIT_3D,
        VIRTIO_GPU_CMD_GET_CAPSET,          VIRTIO_GPU_CMD_GET_CAPSET_INFO,      VIRTIO_GPU_CMD_GET_DISPLAY_INFO,
        VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, /* we have not */
    };
    uint8_t kind = reader_u8(reader), ids = reader_u8(reader), shape = reader_u8(reader);
    if (kind >= 240) { /* bytes of any kind */
        size_t size = shape;
        reader_copy(reader, bytes, size);
        return (uint32_t)size;
    }
    struct virtio_gpu_ctrl_hdr header = {.type = types[kind % (sizeof types / sizeof types[0])], .ctx_id = ids % 4};
    uint32_t resource = ids / 4 % 8;
    if (ids & 0x80) {
        header.flags = VIRTIO_GPU_FLAG_FENCE | (ids & 0x40 ? VIRTIO_GPU_FLAG_INFO_RING_IDX : 0);
        header.fence_id = kind;
        header.ring_idx = shape & 3;
    }
    if (header.type == VIRTIO_GPU_CMD_SUBMIT_3D)
        return make_submit(reader, bytes, &header, resource);
    uint64_t number = header.type == VIRTIO_GPU_CMD_CTX_CREATE && !(shape & 0x80) ? 0 : make_number(reader, shape);
    uint32_t size = make_simple(bytes, &header, resource, number);
    return kind < 220 ? size : size * shape / 255; /* cut */
}
