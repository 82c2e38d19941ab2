#include "upstream/replay.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "upstream/compare.h"

/* Numbers of the functions that need more than to be sent, and where their requests have what. */
enum {
    COMMAND_FORWARD = 2,
    GET_BUFFER_TYPE = 7,
    BUFFER_FROM_PTR = 9,
    ALLOC_BUFFER = 14,
    SET_TENSOR = 17,
    GET_TENSOR = 18,
    GRAPH_COMPUTE = 22,
    TENSOR_SHM = 324,  /* in set and get */
    FIRST_SHM = 12,    /* in graph_compute and buffer_from_ptr */
    FROM_PTR_SIZE = 16,
    FIRST_RESULT = 4,
    SECOND_RESULT = 12,
    PTR_BLOB_SIZE = 0x4000, /* holds the buffers of the guest's memory */
    BEYOND = 4096, /* bytes of a blob behind the data, that must stay as they are */
};

__attribute__((format(printf, 2, 3))) static int fail(struct replay *replay, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(replay->error, sizeof replay->error, format, args);
    va_end(args);
    return -1;
}

static uint32_t function_of(const struct sample *sample)
{
    uint32_t command = deployed_u32(sample->request.data) % DEPLOYED_VENUS_BASE;
    return command == COMMAND_FORWARD ? deployed_u32(sample->request.data + DEPLOYED_FUNCTION) : UINT32_MAX;
}

void replay_init(struct replay *replay, struct deployed_guest *guest, const char *folder, bool fromptr)
{
    memset(replay, 0, sizeof *replay);
    replay->guest = guest;
    replay->order = fromptr ? sample_order_fromptr : sample_order;
    char path[SAMPLE_MAX_PATH];
    snprintf(path, sizeof path, "%s%s", folder, fromptr ? "/fromptr" : "");
    sample_folder_init(&replay->folder, path);
}

static void learn(struct replay *replay, uint64_t sample, uint64_t here)
{
    if (replay->n_handles < REPLAY_MAX_HANDLES)
        replay->handles[replay->n_handles++] = (struct replay_handle){.sample = sample, .here = here};
}

/* Puts this host's handles where the samples have theirs, which are 64-bit numbers that occur nowhere else. */
static void translate(const struct replay *replay, struct sample_bytes *bytes, size_t start)
{
    for (size_t at = start; at + 8 <= bytes->size; at += 4)
        for (unsigned i = 0; i < replay->n_handles; i++)
            if (deployed_u64(bytes->data + at) == replay->handles[i].sample) {
                deployed_put_u64(bytes->data + at, replay->handles[i].here);
                at += 4;
                break;
            }
}

static size_t shm_offset(uint32_t function)
{
    if (function == SET_TENSOR || function == GET_TENSOR)
        return TENSOR_SHM;
    return function == GRAPH_COMPUTE || function == BUFFER_FROM_PTR ? FIRST_SHM : 0;
}

bool replay_prepare(struct replay *replay, const char *name, struct sample *sample)
{
    if (!sample_read(&replay->folder, name, sample)) {
        fail(replay, "%s/%s: a sample has a request and a reply", replay->folder.path, name);
        return false;
    }
    uint32_t function = function_of(sample);
    size_t shm = shm_offset(function);
    translate(replay, &sample->request, DEPLOYED_HEADER_SIZE);
    if (function == GRAPH_COMPUTE)
        translate(replay, &sample->shm, 0);
    const struct deployed_blob *blob = &replay->guest->data;
    if (function == BUFFER_FROM_PTR)
        blob = deployed_guest_share(replay->guest, PTR_BLOB_SIZE);
    if (!blob) {
        fail(replay, "%s: no memory to share", name);
        return false;
    }
    if (shm)
        deployed_put_u32(sample->request.data + shm, blob->id);
    deployed_guest_address(replay->guest, sample->request.data, sample->request.size);
    return true;
}

/* The data blob holds what the guest gives, or nothing where the host is to write; and a canary behind. */
static void fill_data(struct replay *replay, const struct sample *sample, bool host_writes)
{
    uint8_t *data = replay->guest->data.data;
    size_t size = sample->shm.size;
    memset(data, DEPLOYED_CANARY, size + BEYOND);
    if (!host_writes)
        memcpy(data, sample->shm.data, size);
}

static int check_data(struct replay *replay, const char *name, const struct sample *sample)
{
    const uint8_t *data = replay->guest->data.data;
    size_t size = sample->shm.size;
    for (size_t i = 0; i < size + BEYOND; i++)
        if (data[i] != (i < size ? sample->shm.data[i] : DEPLOYED_CANARY))
            return fail(replay, "%s: byte %zu of the data is %#x", name, i, data[i]);
    return 0;
}

/* A host that makes no buffers of the guest's memory gives handle 0. A deployed guest would not have asked such a
 * host, which says so in its properties; here a buffer of the host takes its place, so that the rest can be tried. */
static int make_stand_in(struct replay *replay, const struct sample *sample, uint64_t *buffer)
{
    uint8_t request[28] = {0};
    uint32_t notif;
    deployed_put_u32(request + DEPLOYED_COMMAND, COMMAND_FORWARD);
    deployed_put_u32(request + DEPLOYED_FUNCTION, ALLOC_BUFFER);
    deployed_put_u64(request + 12, replay->stand_in_type);
    deployed_put_u64(request + 20, deployed_u64(sample->request.data + FROM_PTR_SIZE));
    deployed_guest_address(replay->guest, request, sizeof request);
    if (deployed_guest_call(replay->guest, request, sizeof request, &notif) < 0 || notif != DEPLOYED_OK)
        return fail(replay, "no buffer in place of the guest's memory");
    *buffer = deployed_u64(replay->guest->reply.data + FIRST_RESULT);
    return 0;
}

static int learn_from(struct replay *replay, const struct sample *sample)
{
    uint32_t function = function_of(sample);
    const uint8_t *here = replay->guest->reply.data, *there = sample->reply.data;
    if (function != GET_BUFFER_TYPE && function != ALLOC_BUFFER && function != BUFFER_FROM_PTR)
        return 0;
    uint64_t first = deployed_u64(here + FIRST_RESULT);
    if (function == GET_BUFFER_TYPE)
        replay->stand_in_type = first;
    if (function == BUFFER_FROM_PTR) {
        uint64_t second = deployed_u64(here + SECOND_RESULT);
        learn(replay, deployed_u64(there + SECOND_RESULT), first ? second : replay->stand_in_type);
        if (first == 0 && make_stand_in(replay, sample, &first) < 0)
            return -1;
    }
    learn(replay, deployed_u64(there + FIRST_RESULT), first);
    return 0;
}

int replay_exchange(struct replay *replay, const char *name)
{
    struct sample sample;
    uint32_t notif, function;
    if (!replay_prepare(replay, name, &sample))
        return -1;
    function = function_of(&sample);
    fill_data(replay, &sample, function == GET_TENSOR);
    int ret = deployed_guest_call(replay->guest, sample.request.data, sample.request.size, &notif);
    if (ret < 0)
        return fail(replay, "%s: %s", name, strerror(-ret));
    char difference[160];
    if (!compare_reply(function, &sample.reply, replay->guest->reply.data, deployed_guest_written(replay->guest),
                       difference, sizeof difference))
        return fail(replay, "%s: %s", name, difference);
    if (check_data(replay, name, &sample) < 0)
        return -1;
    return learn_from(replay, &sample);
}

int replay_next(struct replay *replay)
{
    const char *name = replay->order[replay->step];
    if (!name)
        return REPLAY_DONE;
    replay->step++;
    return replay_exchange(replay, name);
}

int replay_until(struct replay *replay, const char *name)
{
    for (;;) {
        if (name && replay->order[replay->step] && strcmp(replay->order[replay->step], name) == 0)
            return 0;
        int ret = replay_next(replay);
        if (ret < 0)
            return ret;
        if (ret == REPLAY_DONE)
            break;
    }
    if (name)
        return fail(replay, "there is no sample %s", name);
    char *unused = sample_unused(&replay->folder);
    if (unused)
        fail(replay, "%s: not used", unused);
    free(unused);
    return unused ? -1 : 0;
}
