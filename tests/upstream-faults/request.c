#include "upstream-faults/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { FORWARD = 2 };

void request_begin(struct request *request, uint32_t function)
{
    memset(request, 0, sizeof *request);
    request_u32(request, FORWARD);
    request_u32(request, function);
    request_u32(request, 0);
}

void request_u32(struct request *request, uint32_t value)
{
    deployed_put_u32(request->bytes + request->size, value);
    request->size += sizeof value;
}

void request_u64(struct request *request, uint64_t value)
{
    deployed_put_u64(request->bytes + request->size, value);
    request->size += sizeof value;
}

static uint32_t send_bytes(struct upstream_session *session, const uint8_t *bytes, size_t size)
{
    uint32_t notif;
    assert_int_equal(deployed_guest_call(&session->guest, bytes, size, &notif), 0);
    return notif;
}

uint32_t request_send(struct upstream_session *session, struct request *request)
{
    deployed_guest_address(&session->guest, request->bytes, request->size);
    return send_bytes(session, request->bytes, request->size);
}

uint32_t request_send_sample(struct upstream_session *session, const struct sample *sample)
{
    if (sample->shm.size > 0)
        memcpy(session->guest.data.data, sample->shm.data, sample->shm.size);
    return send_bytes(session, sample->request.data, sample->request.size);
}

void request_sample(struct upstream_session *session, const char *name, struct sample *sample)
{
    if (!replay_prepare(&session->replay, name, sample))
        fail_msg("%s", session->replay.error);
}

void request_open(struct upstream_session *session, const struct upstream_setup *setup, const char *const *names)
{
    upstream_session_open(session, setup, false, UPSTREAM_SMALL_DATA);
    for (; *names; names++)
        if (replay_exchange(&session->replay, *names) < 0)
            fail_msg("%s", session->replay.error);
}
