#include "device.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

static void respond(void *owner, const struct apir_chain *chain, const void *response, uint32_t size)
{
    struct device *device = owner;
    assert_true(device->answer_count < MAX_ANSWERS && size <= sizeof device->answers[0].u);
    struct answer *answer = &device->answers[device->answer_count++];
    answer->head = chain->head;
    answer->size = size;
    memcpy(answer->u.bytes, response, size);
}

int device_setup(void **state)
{
    struct device *device = calloc(1, sizeof *device);
    *state = device;
    fixture_init(&device->fixture);
    if (apir_virtio_gpu_init(&device->gpu, &device->fixture.loop, &device->fixture.log, &device->fixture.options,
                             WINDOW, MAX_CONTEXTS) < 0)
        return -1;
    device->gpu.respond = respond;
    device->gpu.owner = device;
    apir_virtio_gpu_set_window(&device->gpu, APIR_WINDOW_READY);
    return 0;
}

int device_teardown(void **state)
{
    struct device *device = *state;
    apir_virtio_gpu_finish(&device->gpu);
    fixture_finish(&device->fixture);
    free(device);
    return 0;
}

uint16_t send_command(struct device *device, const void *command, size_t size)
{
    struct apir_chain chain = {.head = device->next_head++};
    struct apir_request request = {.size = (uint32_t)size};
    request.data = malloc(size ? size : 1); /* of just that size: reads beyond it are found */
    assert_non_null(request.data);
    memcpy(request.data, command, size);
    apir_virtio_gpu_command(&device->gpu, &request, &chain);
    free(request.data);
    return chain.head;
}

const struct answer *find_answer(const struct device *device, uint16_t head)
{
    for (unsigned i = 0; i < device->answer_count; i++)
        if (device->answers[i].head == head)
            return &device->answers[i];
    return NULL;
}

uint32_t result_of(const struct device *device, uint16_t head)
{
    const struct answer *answer = find_answer(device, head);
    return answer ? le32toh(answer->u.header.type) : 0;
}

uint32_t command(struct device *device, const void *bytes, size_t size)
{
    return result_of(device, send_command(device, bytes, size));
}

struct virtio_gpu_ctrl_hdr header(uint32_t type, uint32_t context)
{
    return (struct virtio_gpu_ctrl_hdr){.type = htole32(type), .ctx_id = htole32(context)};
}

uint32_t create_context(struct device *device, uint32_t id, uint32_t capset)
{
    struct virtio_gpu_ctx_create create = {.hdr = header(VIRTIO_GPU_CMD_CTX_CREATE, id),
                                           .nlen = htole32(64),
                                           .context_init = htole32(capset)};
    memset(create.debug_name, 'x', sizeof create.debug_name); /* no NUL */
    return command(device, &create, sizeof create);
}

uint32_t destroy_context(struct device *device, uint32_t id)
{
    struct virtio_gpu_ctx_destroy destroy = {header(VIRTIO_GPU_CMD_CTX_DESTROY, id)};
    return command(device, &destroy, sizeof destroy);
}

uint32_t create_blob(struct device *device, uint32_t id, uint64_t size)
{
    struct virtio_gpu_resource_create_blob create = {.hdr = header(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, 1),
                                                     .resource_id = htole32(id),
                                                     .blob_mem = htole32(VIRTIO_GPU_BLOB_MEM_HOST3D),
                                                     .blob_flags = htole32(VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE),
                                                     .size = htole64(size)};
    return command(device, &create, sizeof create);
}

uint16_t send_map(struct device *device, uint32_t id, uint64_t offset)
{
    struct virtio_gpu_resource_map_blob map = {
        .hdr = header(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, 0), .resource_id = htole32(id), .offset = htole64(offset)};
    return send_command(device, &map, sizeof map);
}

uint32_t map_blob(struct device *device, uint32_t id, uint64_t offset)
{
    return result_of(device, send_map(device, id, offset));
}

uint16_t send_with_resource(struct device *device, uint32_t type, uint32_t context, uint32_t id)
{
    struct virtio_gpu_ctx_resource bytes = {.hdr = header(type, context), .resource_id = htole32(id)};
    return send_command(device, &bytes, sizeof bytes);
}

uint32_t with_resource(struct device *device, uint32_t type, uint32_t context, uint32_t id)
{
    return result_of(device, send_with_resource(device, type, context, id));
}

static uint16_t submit(struct device *device, uint32_t context, uint32_t flags, uint32_t ring, const uint32_t words[4])
{
    struct {
        struct virtio_gpu_cmd_submit submit;
        uint32_t words[4];
    } bytes = {.submit = {.hdr = header(VIRTIO_GPU_CMD_SUBMIT_3D, context), .size = htole32(16)}};
    bytes.submit.hdr.flags = htole32(flags);
    bytes.submit.hdr.fence_id = htole64(1000 + device->next_head);
    bytes.submit.hdr.ring_idx = (uint8_t)ring;
    memcpy(bytes.words, words, sizeof bytes.words);
    return send_command(device, &bytes, sizeof bytes);
}

uint16_t submit_words(struct device *device, uint32_t context, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    return submit(device, context, 0, 0, (const uint32_t[4]){a, b, c, d});
}

uint16_t submit_fenced(struct device *device, uint32_t context, uint32_t ring, uint32_t a, uint32_t b)
{
    return submit(device, context, VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX, ring,
                  (const uint32_t[4]){a, b, 0, 0});
}

void prepare(struct device *device, uint64_t size)
{
    assert_int_equal(create_context(device, 1, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(create_blob(device, 1, size), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(with_resource(device, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 1, 1), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(map_blob(device, 1, 0), VIRTIO_GPU_RESP_OK_MAP_INFO);
}

struct wait {
    struct device *device;
    uint16_t head;
    const uint32_t *word;
    uint32_t value;
};

static bool is_answered(void *argument)
{
    const struct wait *wait = argument;
    return find_answer(wait->device, wait->head) != NULL;
}

static bool has_value(void *argument)
{
    const struct wait *wait = argument;
    return __atomic_load_n(wait->word, __ATOMIC_ACQUIRE) == wait->value;
}

static bool has_no_workers(void *argument)
{
    const struct wait *wait = argument;
    return wait->device->gpu.worker_count == 0;
}

uint32_t wait_answer(struct device *device, uint16_t head)
{
    struct wait wait = {.device = device, .head = head};
    assert_true(fixture_run_until(&device->fixture, is_answered, &wait));
    return result_of(device, head);
}

void wait_word(struct device *device, uint64_t offset, uint32_t value)
{
    struct wait wait = {.word = (const uint32_t *)(const void *)(device->gpu.window.memory + offset), .value = value};
    assert_true(fixture_run_until(&device->fixture, has_value, &wait));
}

void wait_no_workers(struct device *device)
{
    struct wait wait = {.device = device};
    assert_true(fixture_run_until(&device->fixture, has_no_workers, &wait));
}
