/* The device driven by the bytes of commands, with echo-worker behind it. */
#include <endian.h>
#include <fcntl.h>
#include <linux/virtio_gpu.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apir-upstream-protocol.h"
#include "attach/socket.h"
#include "attach/virtio-gpu.h"
#include "echo-worker.h"
#include "fixture.h"
#include "wire/capset.h"
#include "wire/status.h"

enum { PAGE = APIR_WINDOW_PAGE, WINDOW = 1024 * PAGE, MAX_CONTEXTS = 4, MAX_ANSWERS = 256, FENCED = 1 << 16 };

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

static void respond(void *owner, const struct apir_chain *chain, const void *response, uint32_t size)
{
    struct device *device = owner;
    assert_true(device->answer_count < MAX_ANSWERS && size <= sizeof device->answers[0].u);
    struct answer *answer = &device->answers[device->answer_count++];
    answer->head = chain->head;
    answer->size = size;
    memcpy(answer->u.bytes, response, size);
}

static int setup(void **state)
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

static int teardown(void **state)
{
    struct device *device = *state;
    apir_virtio_gpu_finish(&device->gpu);
    fixture_finish(&device->fixture);
    free(device);
    return 0;
}

/* Gives a command of size bytes to the device; returns its head, by which its answer is known. */
static uint16_t send_command(struct device *device, const void *command, size_t size)
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

static const struct answer *find_answer(const struct device *device, uint16_t head)
{
    for (unsigned i = 0; i < device->answer_count; i++)
        if (device->answers[i].head == head)
            return &device->answers[i];
    return NULL;
}

/* The type of the answer; 0: not answered yet. */
static uint32_t result_of(const struct device *device, uint16_t head)
{
    const struct answer *answer = find_answer(device, head);
    return answer ? le32toh(answer->u.header.type) : 0;
}

static uint32_t command(struct device *device, const void *bytes, size_t size)
{
    return result_of(device, send_command(device, bytes, size));
}

static struct virtio_gpu_ctrl_hdr header(uint32_t type, uint32_t context)
{
    return (struct virtio_gpu_ctrl_hdr){.type = htole32(type), .ctx_id = htole32(context)};
}

static uint32_t create_context(struct device *device, uint32_t id, uint32_t capset)
{
    struct virtio_gpu_ctx_create create = {.hdr = header(VIRTIO_GPU_CMD_CTX_CREATE, id),
                                           .nlen = htole32(64),
                                           .context_init = htole32(capset)};
    memset(create.debug_name, 'x', sizeof create.debug_name); /* no NUL */
    return command(device, &create, sizeof create);
}

static uint32_t destroy_context(struct device *device, uint32_t id)
{
    struct virtio_gpu_ctx_destroy destroy = {header(VIRTIO_GPU_CMD_CTX_DESTROY, id)};
    return command(device, &destroy, sizeof destroy);
}

static uint32_t create_blob(struct device *device, uint32_t id, uint64_t size)
{
    struct virtio_gpu_resource_create_blob create = {.hdr = header(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, 1),
                                                     .resource_id = htole32(id),
                                                     .blob_mem = htole32(VIRTIO_GPU_BLOB_MEM_HOST3D),
                                                     .blob_flags = htole32(VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE),
                                                     .size = htole64(size)};
    return command(device, &create, sizeof create);
}

static uint16_t send_map(struct device *device, uint32_t id, uint64_t offset)
{
    struct virtio_gpu_resource_map_blob map = {
        .hdr = header(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, 0), .resource_id = htole32(id), .offset = htole64(offset)};
    return send_command(device, &map, sizeof map);
}

static uint32_t map_blob(struct device *device, uint32_t id, uint64_t offset)
{
    return result_of(device, send_map(device, id, offset));
}

static uint16_t send_with_resource(struct device *device, uint32_t type, uint32_t context, uint32_t id)
{
    struct virtio_gpu_ctx_resource bytes = {.hdr = header(type, context), .resource_id = htole32(id)};
    return send_command(device, &bytes, sizeof bytes);
}

static uint32_t with_resource(struct device *device, uint32_t type, uint32_t context, uint32_t id)
{
    return result_of(device, send_with_resource(device, type, context, id));
}

/* Submits four words; flags of virtio-gpu with the ring in the high half. */
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

static uint16_t submit_words(struct device *device, uint32_t context, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    return submit(device, context, 0, 0, (const uint32_t[4]){a, b, c, d});
}

static uint16_t submit_fenced(struct device *device, uint32_t context, uint32_t ring, uint32_t a, uint32_t b)
{
    return submit(device, context, VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX, ring,
                  (const uint32_t[4]){a, b, 0, 0});
}

/* A context 1 with blob 1 of that size mapped at 0 and attached. */
static void prepare(struct device *device, uint64_t size)
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

static uint32_t wait_answer(struct device *device, uint16_t head)
{
    struct wait wait = {.device = device, .head = head};
    assert_true(fixture_run_until(&device->fixture, is_answered, &wait));
    return result_of(device, head);
}

static void wait_word(struct device *device, uint64_t offset, uint32_t value)
{
    struct wait wait = {.word = (const uint32_t *)(const void *)(device->gpu.window.memory + offset), .value = value};
    assert_true(fixture_run_until(&device->fixture, has_value, &wait));
}

static void wait_no_workers(struct device *device)
{
    struct wait wait = {.device = device};
    assert_true(fixture_run_until(&device->fixture, has_no_workers, &wait));
}

/* ---- refusals ---- */

static void short_commands_are_refused(void **state)
{
    struct device *device = *state;
    static const struct {
        uint32_t type;
        size_t size;
    } commands[] = {
        {VIRTIO_GPU_CMD_GET_CAPSET_INFO, sizeof(struct virtio_gpu_get_capset_info)},
        {VIRTIO_GPU_CMD_GET_CAPSET, sizeof(struct virtio_gpu_get_capset)},
        {VIRTIO_GPU_CMD_CTX_CREATE, sizeof(struct virtio_gpu_ctx_create)},
        {VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, sizeof(struct virtio_gpu_ctx_resource)},
        {VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, sizeof(struct virtio_gpu_ctx_resource)},
        {VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, sizeof(struct virtio_gpu_resource_create_blob)},
        {VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, sizeof(struct virtio_gpu_resource_map_blob)},
        {VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, sizeof(struct virtio_gpu_resource_unmap_blob)},
        {VIRTIO_GPU_CMD_RESOURCE_UNREF, sizeof(struct virtio_gpu_resource_unref)},
        {VIRTIO_GPU_CMD_SUBMIT_3D, sizeof(struct virtio_gpu_cmd_submit)},
    };
    prepare(device, PAGE);
    for (unsigned i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        uint8_t bytes[128] = {0};
        struct virtio_gpu_ctrl_hdr head = header(commands[i].type, 1);
        memcpy(bytes, &head, sizeof head);
        assert_int_equal(command(device, bytes, commands[i].size - 1), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
        assert_int_equal(command(device, bytes, sizeof head), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    }
}

static void less_than_a_header_is_refused(void **state)
{
    struct device *device = *state;
    struct virtio_gpu_ctrl_hdr head = header(VIRTIO_GPU_CMD_GET_DISPLAY_INFO, 0);
    assert_int_equal(command(device, &head, 0), VIRTIO_GPU_RESP_ERR_UNSPEC);
    assert_int_equal(command(device, &head, sizeof head - 1), VIRTIO_GPU_RESP_ERR_UNSPEC);
}

static void unknown_commands_are_refused(void **state)
{
    struct device *device = *state;
    const uint32_t types[] = {0,
                              VIRTIO_GPU_CMD_RESOURCE_CREATE_2D,
                              VIRTIO_GPU_CMD_SET_SCANOUT,
                              VIRTIO_GPU_CMD_GET_EDID,
                              VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID,
                              VIRTIO_GPU_CMD_RESOURCE_CREATE_3D,
                              VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D,
                              VIRTIO_GPU_CMD_UPDATE_CURSOR,
                              UINT32_MAX};
    for (unsigned i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct virtio_gpu_ctrl_hdr head = header(types[i], 1);
        assert_int_equal(command(device, &head, sizeof head), VIRTIO_GPU_RESP_ERR_UNSPEC);
    }
}

static void only_our_capset_is_offered(void **state)
{
    struct device *device = *state;
    struct virtio_gpu_get_capset_info info = {.hdr = header(VIRTIO_GPU_CMD_GET_CAPSET_INFO, 0)};
    uint16_t head = send_command(device, &info, sizeof info);
    assert_int_equal(result_of(device, head), VIRTIO_GPU_RESP_OK_CAPSET_INFO);
    assert_int_equal(find_answer(device, head)->u.capset_info.capset_id, APIR_CAPSET_APIR);
    assert_int_equal(find_answer(device, head)->u.capset_info.capset_max_size, APIR_CAPSET_SIZE);
    info.capset_index = htole32(1);
    assert_int_equal(command(device, &info, sizeof info), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);

    struct virtio_gpu_get_capset get = {.hdr = header(VIRTIO_GPU_CMD_GET_CAPSET, 0), .capset_id = htole32(10)};
    head = send_command(device, &get, sizeof get);
    assert_int_equal(result_of(device, head), VIRTIO_GPU_RESP_OK_CAPSET);
    assert_true(apir_capset_is_apir(find_answer(device, head)->u.bytes + 24, find_answer(device, head)->size - 24));
    get.capset_version = htole32(APIR_CAPSET_NOTHING);
    assert_int_equal(command(device, &get, sizeof get), VIRTIO_GPU_RESP_OK_CAPSET);
    get.capset_version = htole32(APIR_CAPSET_NOTHING + 1);
    assert_int_equal(command(device, &get, sizeof get), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    get.capset_version = 0;
    get.capset_id = htole32(APIR_CAPSET_VENUS);
    assert_int_equal(command(device, &get, sizeof get), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
}

static void contexts_of_other_capsets_are_refused(void **state)
{
    struct device *device = *state;
    assert_int_equal(create_context(device, 1, APIR_CAPSET_VENUS), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    assert_int_equal(create_context(device, 1, 0), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    assert_int_equal(device->gpu.worker_count, 0);
}

static void context_ids_are_checked(void **state)
{
    struct device *device = *state;
    assert_int_equal(create_context(device, 0, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
    assert_int_equal(create_context(device, 7, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(create_context(device, 7, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
    assert_int_equal(destroy_context(device, 8), VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
    assert_int_equal(result_of(device, submit_words(device, 8, ECHO_WRITE, 1, 0, 0)),
                     VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
    assert_int_equal(create_blob(device, 1, PAGE), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(with_resource(device, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 8, 1),
                     VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
    assert_int_equal(destroy_context(device, 7), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(create_context(device, 7, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
}

static void too_many_contexts_are_refused(void **state)
{
    struct device *device = *state;
    for (uint32_t i = 1; i <= MAX_CONTEXTS; i++)
        assert_int_equal(create_context(device, i, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(create_context(device, 99, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
    assert_int_equal(destroy_context(device, 1), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(create_context(device, 99, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
}

static void a_worker_that_cannot_start_is_refused(void **state)
{
    struct device *device = *state;
    device->fixture.options.path = "/nowhere/apird-worker";
    assert_int_equal(create_context(device, 1, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
    assert_int_equal(device->gpu.worker_count, 0);
}

/* One worker may start now, and the next after so many milliseconds. */
static void allow_one(struct device *device, unsigned ms)
{
    device->gpu.pace.interval_ns = ms * UINT64_C(1000000);
    device->gpu.pace.ahead_ns = 0;
}

/* That time is over. */
static void allow_next(struct device *device)
{
    device->gpu.pace.due_ns = 0;
    apir_loop_set_timer(&device->fixture.loop, &device->gpu.pace.timer, 0);
}

static bool has_one_worker(void *argument)
{
    const struct wait *wait = argument;
    return wait->device->gpu.worker_count == 1;
}

static void a_worker_that_starts_late_is_given_what_came_before(void **state)
{
    struct device *device = *state;
    allow_one(device, 3600 * 1000);
    prepare(device, PAGE);
    assert_int_equal(create_context(device, 2, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
    assert_false(apir_list_empty(&device->gpu.pace.waiting));
    assert_int_equal(with_resource(device, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 2, 1), VIRTIO_GPU_RESP_OK_NODATA);
    submit_words(device, 2, ECHO_WRITE, 1, 0, 7);
    allow_next(device);
    wait_word(device, 0, 7);
}

static void a_context_that_goes_early_starts_no_worker(void **state)
{
    struct device *device = *state;
    struct wait wait = {.device = device};
    allow_one(device, 3600 * 1000);
    prepare(device, PAGE);
    assert_int_equal(create_context(device, 2, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(with_resource(device, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 2, 1), VIRTIO_GPU_RESP_OK_NODATA);
    uint16_t head = submit_fenced(device, 2, 0, ECHO_SLEEP, 0);
    assert_int_equal(result_of(device, head), 0);
    assert_int_equal(destroy_context(device, 2), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(result_of(device, head), VIRTIO_GPU_RESP_ERR_UNSPEC);
    assert_true(apir_list_empty(&device->gpu.pace.waiting));
    assert_true(fixture_run_until(&device->fixture, has_one_worker, &wait));
}

static void a_worker_that_cannot_start_late_is_lost(void **state)
{
    struct device *device = *state;
    allow_one(device, 3600 * 1000);
    prepare(device, PAGE);
    assert_int_equal(create_context(device, 2, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
    uint16_t head = submit_fenced(device, 2, 0, ECHO_SLEEP, 0);
    device->fixture.options.path = "/nowhere/apird-worker";
    allow_next(device);
    assert_int_equal(wait_answer(device, head), VIRTIO_GPU_RESP_ERR_UNSPEC);
    assert_int_equal(device->gpu.worker_count, 1);
    assert_int_equal(destroy_context(device, 2), VIRTIO_GPU_RESP_OK_NODATA);
}

static void a_device_can_end_while_a_worker_waits_for_its_turn(void **state)
{
    struct device *device = *state;
    allow_one(device, 3600 * 1000);
    prepare(device, PAGE);
    assert_int_equal(create_context(device, 2, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
}

static void blob_ids_and_sizes_are_checked(void **state)
{
    struct device *device = *state;
    assert_int_equal(create_blob(device, 0, PAGE), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    assert_int_equal(create_blob(device, 1, 0), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    assert_int_equal(create_blob(device, 1, WINDOW + 1), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    assert_int_equal(create_blob(device, 1, UINT64_MAX), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    assert_int_equal(create_blob(device, 1, 1), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(create_blob(device, 1, PAGE), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
}

static void other_kinds_of_blobs_are_refused(void **state)
{
    struct device *device = *state;
    struct virtio_gpu_resource_create_blob create = {.hdr = header(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, 1),
                                                     .resource_id = htole32(1),
                                                     .size = htole64(PAGE)};
    for (uint32_t kind = 0; kind < 5; kind++) {
        create.blob_mem = htole32(kind);
        create.blob_id = htole64(kind == VIRTIO_GPU_BLOB_MEM_HOST3D);
        assert_int_equal(command(device, &create, sizeof create), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    }
}

static void too_many_resources_are_refused(void **state)
{
    struct device *device = *state;
    for (uint32_t id = 1; id <= APIR_MAX_RESOURCES; id++) {
        assert_int_equal(create_blob(device, id, PAGE), VIRTIO_GPU_RESP_OK_NODATA);
        device->answer_count = 0;
    }
    assert_int_equal(create_blob(device, UINT32_MAX, PAGE), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
}

static void unknown_resources_are_refused(void **state)
{
    struct device *device = *state;
    const uint32_t types[] = {VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE,
                              VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, VIRTIO_GPU_CMD_RESOURCE_UNREF};
    assert_int_equal(create_context(device, 1, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(with_resource(device, types[i], 1, 5), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    assert_int_equal(map_blob(device, 5, 0), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
}

static void bad_places_in_the_window_are_refused(void **state)
{
    struct device *device = *state;
    const uint64_t bad[] = {1, WINDOW, WINDOW - PAGE, UINT64_MAX, UINT64_MAX - PAGE + 1};
    assert_int_equal(create_blob(device, 1, 2 * PAGE), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(create_blob(device, 2, 2 * PAGE), VIRTIO_GPU_RESP_OK_NODATA);
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(map_blob(device, 1, bad[i]), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    assert_int_equal(map_blob(device, 1, PAGE), VIRTIO_GPU_RESP_OK_MAP_INFO);
    assert_int_equal(map_blob(device, 1, 8 * PAGE), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    assert_int_equal(map_blob(device, 2, 2 * PAGE), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    assert_int_equal(map_blob(device, 2, 3 * PAGE), VIRTIO_GPU_RESP_OK_MAP_INFO);
}

static void submit_longer_than_its_bytes_is_refused(void **state)
{
    struct device *device = *state;
    struct virtio_gpu_cmd_submit bytes = {.hdr = header(VIRTIO_GPU_CMD_SUBMIT_3D, 1)};
    const uint32_t sizes[] = {1, 0x7fffffff, UINT32_MAX};
    prepare(device, PAGE);
    for (unsigned i = 0; i < 3; i++) {
        bytes.size = htole32(sizes[i]);
        assert_int_equal(command(device, &bytes, sizeof bytes), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    }
}

static void cut_submit_is_refused(void **state)
{
    struct device *device = *state;
    struct virtio_gpu_cmd_submit bytes = {.hdr = header(VIRTIO_GPU_CMD_SUBMIT_3D, 1)};
    struct apir_request request = {.data = (uint8_t *)&bytes, .size = sizeof bytes, .too_long = true};
    struct apir_chain chain = {.head = 500};
    prepare(device, PAGE);
    apir_virtio_gpu_command(&device->gpu, &request, &chain);
    assert_int_equal(result_of(device, 500), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
}

/* ---- promises ---- */

static void config_space_reads_at_any_offset(void **state)
{
    uint32_t words[5], beyond = 7;
    uint8_t byte = 9;
    (void)state;
    apir_virtio_gpu_read_config(0, words, sizeof words);
    assert_int_equal(le32toh(words[2]), 0); /* num_scanouts */
    assert_int_equal(le32toh(words[3]), 1); /* num_capsets */
    apir_virtio_gpu_read_config(12, &byte, 1);
    assert_int_equal(byte, 1);
    apir_virtio_gpu_read_config(UINT32_MAX, &beyond, sizeof beyond);
    assert_int_equal(beyond, 0);
}

static void memory_is_given_in_either_order(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE); /* attached, then mapped */
    assert_int_equal(create_blob(device, 2, PAGE), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(map_blob(device, 2, PAGE), VIRTIO_GPU_RESP_OK_MAP_INFO);
    assert_int_equal(with_resource(device, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 1, 2), VIRTIO_GPU_RESP_OK_NODATA);
    submit_words(device, 1, ECHO_WRITE, 1, 4, 11);
    submit_words(device, 1, ECHO_WRITE, 2, 8, 22);
    wait_word(device, 4, 11);
    wait_word(device, PAGE + 8, 22);
}

static void fence_is_answered_when_the_worker_is_there(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    uint16_t head = submit_fenced(device, 1, 2, ECHO_SLEEP, 50);
    assert_int_equal(result_of(device, head), 0);
    assert_int_equal(wait_answer(device, head), VIRTIO_GPU_RESP_OK_NODATA);
    const struct virtio_gpu_ctrl_hdr *answer = &find_answer(device, head)->u.header;
    assert_int_equal(le32toh(answer->flags), VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX);
    assert_int_equal(le64toh(answer->fence_id), 1000 + head);
    assert_int_equal(answer->ring_idx, 2);
}

static void fences_of_a_ring_are_answered_in_order(void **state)
{
    struct device *device = *state;
    uint16_t heads[20];
    prepare(device, PAGE);
    for (unsigned i = 0; i < 20; i++)
        heads[i] = submit_fenced(device, 1, i % 2, ECHO_SLEEP, 1);
    wait_answer(device, heads[19]);
    wait_answer(device, heads[18]);
    for (unsigned i = 2; i < 20; i++)
        assert_true(find_answer(device, heads[i]) > find_answer(device, heads[i - 2]));
}

static void unmap_waits_for_the_worker(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    submit_words(device, 1, ECHO_LINGER, 200, 0, 0);
    uint16_t unmap = send_with_resource(device, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, 0, 1);
    uint16_t unref = send_with_resource(device, VIRTIO_GPU_CMD_RESOURCE_UNREF, 0, 1);
    assert_int_equal(result_of(device, unmap), 0);
    /* everything else goes on, but the place is not free */
    assert_int_equal(create_blob(device, 2, PAGE), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(map_blob(device, 2, 0), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    assert_int_equal(with_resource(device, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 1, 1),
                     VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    assert_int_equal(wait_answer(device, unref), VIRTIO_GPU_RESP_OK_NODATA);
    assert_true(find_answer(device, unmap) < find_answer(device, unref));
    assert_int_equal(device->gpu.window.memory[0], 0);
    assert_int_equal(map_blob(device, 2, 0), VIRTIO_GPU_RESP_OK_MAP_INFO);
}

static void detach_and_attach_again_give_the_memory_again(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    for (uint32_t i = 1; i <= 5; i++) {
        assert_int_equal(with_resource(device, VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, 1, 1), VIRTIO_GPU_RESP_OK_NODATA);
        assert_int_equal(with_resource(device, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 1, 1), VIRTIO_GPU_RESP_OK_NODATA);
        submit_words(device, 1, ECHO_WRITE, 1, 0, i);
        wait_word(device, 0, i);
    }
}

static void unref_of_mapped_memory_frees_it(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    submit_words(device, 1, ECHO_WRITE, 1, 0, 77);
    wait_word(device, 0, 77);
    uint16_t unref = send_with_resource(device, VIRTIO_GPU_CMD_RESOURCE_UNREF, 0, 1);
    assert_int_equal(wait_answer(device, unref), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(device->gpu.window.memory[0], 0);
    assert_int_equal(create_blob(device, 1, PAGE), VIRTIO_GPU_RESP_OK_NODATA);
}

static void memory_outlives_one_of_two_contexts(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    assert_int_equal(create_context(device, 2, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(with_resource(device, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 2, 1), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(destroy_context(device, 1), VIRTIO_GPU_RESP_OK_NODATA);
    submit_words(device, 2, ECHO_WRITE, 1, 0, 5);
    wait_word(device, 0, 5);
}

static void destroyed_context_keeps_its_memory_until_the_worker_is_gone(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    submit_words(device, 1, ECHO_SLEEP, 200, 0, 0);
    assert_int_equal(destroy_context(device, 1), VIRTIO_GPU_RESP_OK_NODATA);
    uint16_t unref = send_with_resource(device, VIRTIO_GPU_CMD_RESOURCE_UNREF, 0, 1);
    assert_int_equal(result_of(device, unref), 0);
    assert_int_equal(wait_answer(device, unref), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(device->gpu.worker_count, 0);
}

static void handshake(struct device *device, uint32_t page, uint32_t magic)
{
    struct {
        struct virtio_gpu_cmd_submit submit;
        uint32_t words[8];
    } bytes = {.submit = {.hdr = header(VIRTIO_GPU_CMD_SUBMIT_3D, 1), .size = htole32(32)},
               .words = {APIR_UPSTREAM_COMMAND_HANDSHAKE, 0, page, 0, 2, magic, 0, 1}};
    assert_int_equal(command(device, &bytes, sizeof bytes), VIRTIO_GPU_RESP_OK_NODATA);
    wait_word(device, 0, APIR_HANDSHAKE_CODE + 1);
}

static void death_of_the_worker_is_told(void **state)
{
    struct device *device = *state;
    prepare(device, APIR_STATUS_PAGE_SIZE);
    handshake(device, 1, APIR_HANDSHAKE_MAGIC);
    submit_words(device, 1, ECHO_DIE, 0, 0, 0);
    uint16_t fence = submit_fenced(device, 1, 0, ECHO_SLEEP, 1);
    wait_word(device, APIR_STATUS_DEAD_OFFSET, 1);
    assert_int_equal(wait_answer(device, fence), VIRTIO_GPU_RESP_ERR_UNSPEC);
    wait_no_workers(device);
    assert_int_equal(result_of(device, submit_words(device, 1, ECHO_WRITE, 1, 0, 0)), VIRTIO_GPU_RESP_ERR_UNSPEC);
    fence = submit_fenced(device, 1, 0, ECHO_SLEEP, 1);
    assert_int_equal(result_of(device, fence), VIRTIO_GPU_RESP_ERR_UNSPEC);
    assert_int_equal(le64toh(find_answer(device, fence)->u.header.fence_id), 1000 + fence);
    assert_int_equal(with_resource(device, VIRTIO_GPU_CMD_RESOURCE_UNREF, 0, 1), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(destroy_context(device, 1), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(create_context(device, 1, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
}

static void death_is_not_told_without_our_handshake(void **state)
{
    struct device *device = *state;
    prepare(device, APIR_STATUS_PAGE_SIZE);
    handshake(device, 1, 0); /* a guest that does not know of that word */
    submit_words(device, 1, ECHO_DIE, 0, 0, 0);
    wait_no_workers(device);
    assert_int_equal(device->gpu.window.memory[APIR_STATUS_DEAD_OFFSET], 0);
    wait_word(device, 0, APIR_HANDSHAKE_CODE + 1); /* what was answered stays */
}

/* echo-worker ends without an answer when it gets a request of the deployed protocol. */
static void deployed_guest_gets_an_error_for_its_request(void **state)
{
    struct device *device = *state;
    const uint32_t bases[] = {0, APIR_VENUS_COMMAND_BASE};
    prepare(device, APIR_STATUS_PAGE_SIZE);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t *notif = (uint32_t *)(void *)device->gpu.window.memory;
        *notif = 0;
        submit_words(device, 1, bases[i] + APIR_UPSTREAM_COMMAND_FORWARD, 3, 1, 0);
        wait_word(device, 0, 1 + 2); /* TIMEOUT */
        wait_no_workers(device);
        assert_int_equal(device->gpu.window.memory[APIR_STATUS_DEAD_OFFSET], 0);
        /* its next request too */
        *notif = 0;
        submit_words(device, 1, bases[i] + APIR_UPSTREAM_COMMAND_LOAD_LIBRARY, 0, 1, 0);
        assert_int_equal(*notif, 1 + 2);
        assert_int_equal(destroy_context(device, 1), VIRTIO_GPU_RESP_OK_NODATA);
        assert_int_equal(create_context(device, 1, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
        with_resource(device, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 1, 1);
    }
}

static void death_is_told_only_in_memory_of_the_context(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    assert_int_equal(create_blob(device, 2, PAGE), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(map_blob(device, 2, PAGE), VIRTIO_GPU_RESP_OK_MAP_INFO);
    submit_words(device, 1, APIR_UPSTREAM_COMMAND_FORWARD, 3, 2, 0);
    wait_no_workers(device);
    submit_words(device, 1, APIR_UPSTREAM_COMMAND_FORWARD, 3, 77, 0);
    assert_int_equal(device->gpu.window.memory[PAGE], 0);
    assert_int_equal(device->gpu.window.memory[0], 0);
}

/* A running apird in the same loop, and a device that uses it. */
struct running {
    struct apir_socket door;
    struct apir_worker_options options;
    char path[96];
    bool idle;
};

static void door_idle(void *owner)
{
    ((struct running *)owner)->idle = true;
}

static bool is_idle(void *argument)
{
    return ((struct running *)argument)->idle;
}

static void start_running(struct device *device, struct running *running)
{
    memset(running, 0, sizeof *running);
    snprintf(running->path, sizeof running->path, "%s/apird", device->fixture.folder);
    running->options = device->fixture.options;
    assert_int_equal(apir_socket_init(&running->door, &device->fixture.loop, &device->fixture.log,
                                      &running->options, running->path, MAX_CONTEXTS),
                     0);
    device->fixture.options.socket = running->path;
    device->fixture.options.path = "/nowhere/apird-worker";
}

static void stop_running(struct device *device, struct running *running)
{
    apir_socket_stop(&running->door, door_idle, running);
    assert_true(fixture_run_until(&device->fixture, is_idle, running));
}

static void running_apird_serves_a_context(void **state)
{
    struct device *device = *state;
    struct running running;
    start_running(device, &running);
    prepare(device, APIR_STATUS_PAGE_SIZE);
    handshake(device, 1, APIR_HANDSHAKE_MAGIC);
    uint16_t fence = submit_fenced(device, 1, 0, ECHO_SLEEP, 1);
    assert_int_equal(wait_answer(device, fence), VIRTIO_GPU_RESP_OK_NODATA);
    uint16_t unmap = send_with_resource(device, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, 0, 1);
    assert_int_equal(wait_answer(device, unmap), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(device->gpu.worker_count, 1);
    assert_int_equal(destroy_context(device, 1), VIRTIO_GPU_RESP_OK_NODATA);
    wait_no_workers(device);
    stop_running(device, &running);
}

static void death_behind_a_running_apird_is_told(void **state)
{
    struct device *device = *state;
    struct running running;
    start_running(device, &running);
    prepare(device, APIR_STATUS_PAGE_SIZE);
    handshake(device, 1, APIR_HANDSHAKE_MAGIC);
    submit_words(device, 1, ECHO_DIE, 0, 0, 0);
    uint16_t fence = submit_fenced(device, 1, 0, ECHO_SLEEP, 1);
    wait_word(device, APIR_STATUS_DEAD_OFFSET, 1);
    assert_int_equal(wait_answer(device, fence), VIRTIO_GPU_RESP_ERR_UNSPEC);
    wait_no_workers(device);
    assert_int_equal(with_resource(device, VIRTIO_GPU_CMD_RESOURCE_UNREF, 0, 1), VIRTIO_GPU_RESP_OK_NODATA);
    stop_running(device, &running);
}

static void hung_worker_of_a_running_apird_is_left(void **state)
{
    struct device *device = *state;
    struct running running;
    start_running(device, &running);
    prepare(device, PAGE);
    submit_words(device, 1, ECHO_HANG, 0, 0, 0);
    uint16_t unmap = send_with_resource(device, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, 0, 1);
    assert_int_equal(wait_answer(device, unmap), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(device->gpu.worker_count, 0);
    stop_running(device, &running);
}

static void reset_ends_contexts_of_a_running_apird(void **state)
{
    struct device *device = *state;
    struct running running;
    start_running(device, &running);
    prepare(device, PAGE);
    submit_words(device, 1, ECHO_WRITE, 1, 0, 9);
    wait_word(device, 0, 9);
    apir_virtio_gpu_reset(&device->gpu, "test");
    apir_virtio_gpu_set_window(&device->gpu, APIR_WINDOW_READY);
    wait_no_workers(device);
    prepare(device, PAGE);
    assert_int_equal(device->gpu.window.memory[0], 0);
    stop_running(device, &running);
    wait_no_workers(device);
}

static void apird_that_does_not_run_is_refused(void **state)
{
    struct device *device = *state;
    device->fixture.options.socket = "/nowhere/apird";
    assert_int_equal(create_context(device, 1, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
    assert_int_equal(device->gpu.worker_count, 0);
}

static void worker_gets_the_environment_that_is_given(void **state)
{
    struct device *device = *state;
    const char *const environment[] = {"ECHO_VALUE=7", NULL};
    device->fixture.options.environment = environment;
    prepare(device, PAGE);
    submit_words(device, 1, ECHO_ENVIRONMENT, 1, 0, 0);
    wait_word(device, 0, 7);
}

static void death_is_not_told_in_memory_that_is_too_small(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    struct {
        struct virtio_gpu_cmd_submit submit;
        uint32_t words[8];
    } bytes = {.submit = {.hdr = header(VIRTIO_GPU_CMD_SUBMIT_3D, 1), .size = htole32(32)},
               .words = {APIR_UPSTREAM_COMMAND_HANDSHAKE, 0, 1, 0, 2, APIR_HANDSHAKE_MAGIC, 0, 1}};
    command(device, &bytes, sizeof bytes);
    wait_no_workers(device); /* echo-worker refuses it too */
    assert_int_equal(device->gpu.window.memory[APIR_STATUS_DEAD_OFFSET], 0);
}

static void hung_worker_is_killed(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    submit_words(device, 1, ECHO_HANG, 0, 0, 0);
    uint16_t unmap = send_with_resource(device, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, 0, 1);
    assert_int_equal(wait_answer(device, unmap), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(device->gpu.worker_count, 0);
}

/* As one whose guest has made a buffer of memory, and then takes the memory away. */
static void context_that_keeps_memory_ends_alone(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    assert_int_equal(create_context(device, 2, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
    submit_words(device, 1, ECHO_HANG, 0, 0, 0);
    uint16_t unmap = send_with_resource(device, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, 0, 1);
    assert_int_equal(create_blob(device, 2, PAGE), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(with_resource(device, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 2, 2), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(map_blob(device, 2, PAGE), VIRTIO_GPU_RESP_OK_MAP_INFO);
    submit_words(device, 2, ECHO_WRITE, 2, 0, 77);
    wait_word(device, PAGE, 77);
    assert_int_equal(wait_answer(device, unmap), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(device->gpu.worker_count, 1);
    submit_words(device, 2, ECHO_WRITE, 2, 0, 78);
    wait_word(device, PAGE, 78);
}

static void worker_that_gives_up_what_it_was_not_asked_for_is_killed(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    submit_words(device, 1, ECHO_LIE, 7, 0, 0);
    uint16_t unmap = send_with_resource(device, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, 0, 1);
    assert_int_equal(wait_answer(device, unmap), VIRTIO_GPU_RESP_OK_NODATA); /* else it would never be */
    assert_int_equal(device->gpu.worker_count, 0);
}

static unsigned count_fds(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 4096; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* The limit of a process, or of all that a user has under way, is shared with other machines. */
static void worker_that_does_not_read_takes_no_descriptors(void **state)
{
    enum { COUNT = 1000 };
    struct device *device = *state;
    assert_int_equal(create_context(device, 1, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
    unsigned before = count_fds();
    submit_words(device, 1, ECHO_HANG, 0, 0, 0);
    for (uint32_t id = 1; id <= COUNT; id++) {
        assert_int_equal(create_blob(device, id, PAGE), VIRTIO_GPU_RESP_OK_NODATA);
        assert_int_equal(map_blob(device, id, id * (uint64_t)PAGE), VIRTIO_GPU_RESP_OK_MAP_INFO);
        assert_int_equal(with_resource(device, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, 1, id), VIRTIO_GPU_RESP_OK_NODATA);
        device->answer_count = 0;
    }
    assert_true(count_fds() <= before + 1);
}

static void worker_that_lingers_is_killed(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    submit_words(device, 1, ECHO_HANG, 0, 0, 0);
    assert_int_equal(destroy_context(device, 1), VIRTIO_GPU_RESP_OK_NODATA);
    wait_no_workers(device);
}

static void map_waits_for_the_window(void **state)
{
    struct device *device = *state;
    apir_virtio_gpu_set_window(&device->gpu, APIR_WINDOW_PENDING);
    assert_int_equal(create_blob(device, 1, PAGE), VIRTIO_GPU_RESP_OK_NODATA);
    uint16_t map = send_map(device, 1, 0);
    uint16_t unref = send_with_resource(device, VIRTIO_GPU_CMD_RESOURCE_UNREF, 0, 1);
    assert_int_equal(result_of(device, map), 0);
    assert_int_equal(result_of(device, unref), 0);
    apir_virtio_gpu_set_window(&device->gpu, APIR_WINDOW_READY);
    assert_int_equal(result_of(device, map), VIRTIO_GPU_RESP_OK_MAP_INFO);
    assert_int_equal(result_of(device, unref), VIRTIO_GPU_RESP_OK_NODATA);
}

static void map_fails_without_a_window(void **state)
{
    struct device *device = *state;
    apir_virtio_gpu_set_window(&device->gpu, APIR_WINDOW_ABSENT);
    assert_int_equal(create_blob(device, 1, PAGE), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(map_blob(device, 1, 0), VIRTIO_GPU_RESP_ERR_UNSPEC);
}

static void reset_forgets_everything(void **state)
{
    struct device *device = *state;
    prepare(device, PAGE);
    submit_words(device, 1, ECHO_WRITE, 1, 0, 9);
    wait_word(device, 0, 9);
    submit_words(device, 1, ECHO_SLEEP, 100, 0, 0);
    submit_fenced(device, 1, 0, ECHO_SLEEP, 1);
    apir_virtio_gpu_reset(&device->gpu, "test");
    apir_virtio_gpu_set_window(&device->gpu, APIR_WINDOW_READY);
    assert_int_equal(device->gpu.resources.count, 0);
    assert_int_equal(create_context(device, 1, APIR_CAPSET_APIR), VIRTIO_GPU_RESP_OK_NODATA);
    assert_int_equal(create_blob(device, 1, PAGE), VIRTIO_GPU_RESP_OK_NODATA);
    /* the worker from before may still write: the memory is given when it is gone */
    uint16_t map = send_map(device, 1, 0);
    assert_int_equal(result_of(device, map), 0);
    assert_int_equal(wait_answer(device, map), VIRTIO_GPU_RESP_OK_MAP_INFO);
    assert_int_equal(device->gpu.window.memory[0], 0);
    assert_int_equal(device->gpu.worker_count, 1);
}

/* Whatever comes, nothing breaks, and the device serves on. */
static void random_commands_do_no_harm(void **state)
{
    struct device *device = *state;
    const uint32_t types[] = {0x100, 0x102, 0x108, 0x109, 0x10c, 0x200, 0x201, 0x202, 0x203, 0x207, 0x208, 0x209};
    srand(1);
    for (unsigned i = 0; i < 20000; i++) {
        uint32_t words[32];
        for (unsigned j = 0; j < 32; j++)
            words[j] = rand() % 4 ? (uint32_t)rand() % 6 : (uint32_t)rand() * 5u;
        words[0] = types[(unsigned)rand() % 12];
        if (words[0] == VIRTIO_GPU_CMD_CTX_CREATE && rand() % 8 == 0)
            words[7] = APIR_CAPSET_APIR;
        if (words[0] == VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB && rand() % 2) {
            words[7] = VIRTIO_GPU_BLOB_MEM_HOST3D;
            words[9] = words[10] = words[11] = words[13] = 0;
            words[12] *= PAGE;
        }
        if (words[0] == VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB && rand() % 2) {
            words[8] *= PAGE;
            words[9] = 0;
        }
        send_command(device, words, rand() % 8 ? sizeof words : (size_t)rand() % sizeof words);
        device->answer_count = 0;
        apir_loop_step(&device->fixture.loop, 0);
    }
    apir_virtio_gpu_reset(&device->gpu, "test");
    wait_no_workers(device);
    apir_virtio_gpu_set_window(&device->gpu, APIR_WINDOW_READY);
    prepare(device, PAGE);
    submit_words(device, 1, ECHO_WRITE, 1, 0, 3);
    wait_word(device, 0, 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(short_commands_are_refused),
        TEST(less_than_a_header_is_refused),
        TEST(unknown_commands_are_refused),
        TEST(only_our_capset_is_offered),
        TEST(contexts_of_other_capsets_are_refused),
        TEST(context_ids_are_checked),
        TEST(too_many_contexts_are_refused),
        TEST(a_worker_that_cannot_start_is_refused),
        TEST(a_worker_that_starts_late_is_given_what_came_before),
        TEST(a_context_that_goes_early_starts_no_worker),
        TEST(a_worker_that_cannot_start_late_is_lost),
        TEST(a_device_can_end_while_a_worker_waits_for_its_turn),
        TEST(blob_ids_and_sizes_are_checked),
        TEST(other_kinds_of_blobs_are_refused),
        TEST(too_many_resources_are_refused),
        TEST(unknown_resources_are_refused),
        TEST(bad_places_in_the_window_are_refused),
        TEST(submit_longer_than_its_bytes_is_refused),
        TEST(cut_submit_is_refused),
        TEST(config_space_reads_at_any_offset),
        TEST(memory_is_given_in_either_order),
        TEST(fence_is_answered_when_the_worker_is_there),
        TEST(fences_of_a_ring_are_answered_in_order),
        TEST(unmap_waits_for_the_worker),
        TEST(detach_and_attach_again_give_the_memory_again),
        TEST(unref_of_mapped_memory_frees_it),
        TEST(memory_outlives_one_of_two_contexts),
        TEST(destroyed_context_keeps_its_memory_until_the_worker_is_gone),
        TEST(death_of_the_worker_is_told),
        TEST(death_is_not_told_without_our_handshake),
        TEST(death_is_not_told_in_memory_that_is_too_small),
        TEST(deployed_guest_gets_an_error_for_its_request),
        TEST(death_is_told_only_in_memory_of_the_context),
        TEST(running_apird_serves_a_context),
        TEST(death_behind_a_running_apird_is_told),
        TEST(hung_worker_of_a_running_apird_is_left),
        TEST(reset_ends_contexts_of_a_running_apird),
        TEST(apird_that_does_not_run_is_refused),
        TEST(worker_gets_the_environment_that_is_given),
        TEST(hung_worker_is_killed),
        TEST(context_that_keeps_memory_ends_alone),
        TEST(worker_that_gives_up_what_it_was_not_asked_for_is_killed),
        TEST(worker_that_does_not_read_takes_no_descriptors),
        TEST(worker_that_lingers_is_killed),
        TEST(map_waits_for_the_window),
        TEST(map_fails_without_a_window),
        TEST(reset_forgets_everything),
        TEST(random_commands_do_no_harm),
    };
    return cmocka_run_group_tests_name("virtio-gpu", tests, NULL, NULL);
}
