/* Calls of apir's own protocol, from their bytes into an executor on ggml's CPU library. A step is a call, or a struct that is
 * put into shared memory, or one of those below. What a real server would end the session for does not end it here. */
#include <assert.h>
#include <stdlib.h>

#include "apir-codec.h"
#include "apir-dispatch.h"
#include "fuzz.h"
#include "host.h"
#include "repair.h"
#include "slots.h"
#include "support/ggml-lists.h"

enum own_step {
    STEP_BEGIN, /* loads the library, negotiates ggml's own numbering, makes a stream and a buffer */
    STEP_DATA,  /* u16 offset, then bytes for the shared memory of param */
    STEP_HOST,  /* the first: u8 variant of the host */
    N_OWN_STEPS,
};

enum { REPLY_SIZE = 0x10000, FIRST_BUFFER = 0x10000, MAX_CALLS = 200 };

const struct fuzz_subject fuzz_subject = {
    .protocol = &apir_fuzz_protocol, .n_own = N_OWN_STEPS, .n_params = HOST_SLOTS, .repair = repair_tensor};

struct session {
    struct host host;
    struct fuzz_handles handles;
    struct apir_arena arena;
    uint8_t *reply;
    unsigned calls;
    struct slot_struct last;
};

/* A graph that is to be found where the last struct was put. */
static void find_graph(const struct session *session, uint64_t *size, uint32_t *shm)
{
    if (*size == 0) {
        *size = session->last.size;
        *shm = session->last.slot + 1;
    }
}

static int compute(void *data, struct apir_arena *scratch, const struct apir_graph_compute_args *args)
{
    struct session *session = data;
    struct apir_graph_compute_args found = *args;
    find_graph(session, &found.size, &found.shm);
    return apir_executor_handlers()->graph_compute(session->host.executor, scratch, &found);
}

static int derive(void *data, struct apir_arena *scratch, const struct apir_graph_derive_args *args)
{
    struct session *session = data;
    struct apir_graph_derive_args found = *args;
    find_graph(session, &found.size, &found.shm);
    return apir_executor_handlers()->graph_derive(session->host.executor, scratch, &found);
}

/* These two are given the session, all others the executor. */
static int dispatch(struct session *session, uint32_t call, struct apir_dec *in, struct apir_enc *out)
{
    static const struct apir_handlers own = {.graph_compute = compute, .graph_derive = derive};
    if (call == APIR_CALL_GRAPH_COMPUTE || call == APIR_CALL_GRAPH_DERIVE)
        return apir_dispatch(&own, session, call, in, &session->arena, out);
    return apir_dispatch(apir_executor_handlers(), session->host.executor, call, in, &session->arena, out);
}

static const struct fuzz_message *message_of(uint32_t call)
{
    for (size_t i = 0; i < apir_fuzz_protocol.n_messages; i++)
        if (apir_fuzz_protocol.messages[i].call == call)
            return &apir_fuzz_protocol.messages[i];
    return NULL;
}

/* bytes is memory of its own, with nothing behind it. */
static void run_call(struct session *session, const struct fuzz_message *message, uint8_t *bytes, size_t size)
{
    struct apir_dec in;
    struct apir_enc out;
    if (session->calls++ >= MAX_CALLS)
        return;
    if (message->args)
        fuzz_handles_put(&session->handles, &apir_fuzz_protocol, message->args, bytes, size);
    apir_dec_init(&in, bytes, size, &session->arena);
    apir_enc_init(&out, session->reply, REPLY_SIZE);
    int ret = dispatch(session, (uint32_t)message->call, &in, &out);
    host_tell(message->name, ret);
    FUZZ_CHECK(ret <= 0 || !message->reply);
    if (ret == 0 && message->reply)
        fuzz_handles_take(&session->handles, &apir_fuzz_protocol, message->reply, session->reply,
                          apir_enc_used(&out));
    apir_arena_reset(&session->arena);
}

static void negotiate(struct session *session)
{
    struct test_lists lists;
    struct apir_negotiate_reply reply = {0};
    test_lists_init(&lists, 0);
    apir_executor_handlers()->negotiate(session->host.executor, &session->arena, &lists.args, &reply);
    apir_arena_reset(&session->arena);
}

static void begin(struct session *session)
{
    uint8_t bytes[64];
    struct apir_enc enc;
    run_call(session, message_of(APIR_CALL_LOAD_LIBRARY), bytes, 0);
    negotiate(session);
    apir_enc_init(&enc, bytes, sizeof bytes);
    apir_encode_stream_create_args(&enc, &(struct apir_stream_create_args){0});
    run_call(session, message_of(APIR_CALL_STREAM_CREATE), bytes, apir_enc_used(&enc));
    apir_enc_init(&enc, bytes, sizeof bytes);
    apir_encode_buffer_alloc_args(&enc, &(struct apir_buffer_alloc_args){.size = FIRST_BUFFER});
    run_call(session, message_of(APIR_CALL_BUFFER_ALLOC), bytes, apir_enc_used(&enc));
}

static void run_step(struct session *session, const struct fuzz_step *step)
{
    if (step->what == apir_fuzz_protocol.n_messages + STEP_BEGIN) {
        begin(session);
    } else if (step->what == apir_fuzz_protocol.n_messages + STEP_DATA) {
        slots_put_data(step);
    } else if (step->what < apir_fuzz_protocol.n_messages) {
        const struct fuzz_message *message = &apir_fuzz_protocol.messages[step->what];
        if (message->call == FUZZ_NO_CALL) {
            slots_put_struct(step, &session->handles, &apir_fuzz_protocol, &session->last);
            return;
        }
        uint8_t *bytes = fuzz_step_copy(step);
        run_call(session, message, bytes, step->size);
        free(bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader reader = {data, size};
    struct fuzz_step step;
    struct session session = {.reply = malloc(REPLY_SIZE)};
    assert(session.reply);
    host_init(&session.host, fuzz_first_step(data, size, apir_fuzz_protocol.n_messages + STEP_HOST));
    host_share_slots(&session.host);
    while (fuzz_step_next(&reader, &step))
        run_step(&session, &step);
    host_finish(&session.host);
    apir_arena_finish(&session.arena);
    free(session.reply);
    return 0;
}
