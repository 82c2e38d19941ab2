/* Functions of the deployed protocol, from their bytes into an executor on ggml's CPU library. A step is a function with its
 * arguments, or a graph that is put into shared memory, or one of those below. */
#include <assert.h>
#include <stdlib.h>

#include "apir-upstream-codec.h"
#include "fuzz.h"
#include "host.h"
#include "repair.h"
#include "slots.h"

enum own_step {
    STEP_BEGIN,      /* loads the library, makes a buffer */
    STEP_DATA,       /* u16 offset, then bytes for the shared memory of param */
    STEP_BACKEND,    /* makes a backend of the later revision, */
    STEP_NO_BACKEND, /* and frees one: the bytes are the arguments */
    STEP_FUNCTION,   /* u32 number, then anything */
    STEP_HOST,       /* the first: u8 variant of the host */
    N_OWN_STEPS,
};

enum {
    REPLY_SIZE = APIR_UPSTREAM_REPLY_SIZE,
    MAX_CALLS = 200,
    BUFFER_TYPE = 1, /* number of the first buffer type in a session's handles */
    FIRST_BUFFER = 0x10000,
};

const struct fuzz_subject fuzz_subject = {
    .protocol = &apir_upstream_fuzz_protocol, .n_own = N_OWN_STEPS, .n_params = HOST_SLOTS, .repair = repair_tensor};

struct session {
    struct host host;
    const struct apir_upstream_backend *backend;
    struct fuzz_handles handles;
    uint8_t *reply;
    unsigned calls;
    struct slot_struct last;
};

/* An argument of a call, to be read or changed; NULL if it has none of that name. */
static const struct fuzz_place *argument(const struct fuzz_walk *walk, const char *name)
{
    return walk->n_places > 0 ? fuzz_find(walk, 0, name, 0) : NULL;
}

static bool is_call(const struct fuzz_message *message, const char *name)
{
    return strcmp(message->name, name) == 0;
}

/* A graph whose size is 0 is the struct that was put last. */
static void find_graph(const struct session *session, const struct fuzz_message *message, uint8_t *bytes, size_t length)
{
    struct fuzz_walk walk;
    fuzz_walk_init(&walk, &apir_upstream_fuzz_protocol, message->args, bytes, length, length, NULL);
    const struct fuzz_place *shm = argument(&walk, "shm"), *size = argument(&walk, "size");
    if (shm && size && fuzz_get(&walk, size) == 0) {
        fuzz_set(&walk, shm, session->last.slot + 1);
        fuzz_set(&walk, size, session->last.size);
    }
    fuzz_walk_finish(&walk);
}

static size_t forward(struct session *session, uint32_t function, const uint8_t *bytes, size_t size)
{
    size_t used = 0;
    uint32_t code = session->backend->forward(session->host.executor, function, bytes, size, session->reply,
                                              REPLY_SIZE, &used);
    host_tell("function", (long)code);
    FUZZ_CHECK(used <= REPLY_SIZE);
    return code == APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE ? used : 0;
}

static void run_call(struct session *session, const struct fuzz_message *message, uint8_t *bytes, size_t size)
{
    if (message->args)
        fuzz_handles_put(&session->handles, &apir_upstream_fuzz_protocol, message->args, bytes, size);
    if (is_call(message, "backend_graph_compute"))
        find_graph(session, message, bytes, size);
    if (session->calls++ >= MAX_CALLS)
        return;
    size_t used = forward(session, (uint32_t)message->call, bytes, size);
    if (used > 0 && message->reply)
        fuzz_handles_take(&session->handles, &apir_upstream_fuzz_protocol, message->reply, session->reply, used);
}

static void run_named(struct session *session, const char *name, uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < apir_upstream_fuzz_protocol.n_messages; i++)
        if (is_call(&apir_upstream_fuzz_protocol.messages[i], name))
            run_call(session, &apir_upstream_fuzz_protocol.messages[i], bytes, size);
}

static void begin(struct session *session)
{
    uint8_t bytes[16];
    struct apir_enc enc;
    session->backend->load(session->host.executor);
    run_named(session, "device_get_buffer_type", bytes, 0);
    apir_enc_init(&enc, bytes, sizeof bytes);
    apir_enc_u64(&enc, BUFFER_TYPE);
    apir_enc_u64(&enc, FIRST_BUFFER);
    run_named(session, "buffer_type_alloc_buffer", bytes, apir_enc_used(&enc));
}

static void run_own(struct session *session, const struct fuzz_step *step, const uint8_t *bytes)
{
    uint32_t function = 0;
    switch ((enum own_step)(step->what - apir_upstream_fuzz_protocol.n_messages)) {
    case STEP_BEGIN:
        begin(session);
        break;
    case STEP_DATA:
        slots_put_data(step);
        break;
    case STEP_BACKEND:
        forward(session, HOST_INITIALIZE, bytes, step->size);
        break;
    case STEP_NO_BACKEND:
        forward(session, HOST_CLEAN_UP, bytes, step->size);
        break;
    case STEP_FUNCTION:
        if (step->size < sizeof function)
            break;
        memcpy(&function, bytes, sizeof function);
        forward(session, function, bytes + sizeof function, step->size - sizeof function);
        break;
    case STEP_HOST:
    case N_OWN_STEPS:
        break;
    }
}

static void run_step(struct session *session, const struct fuzz_step *step)
{
    const struct fuzz_message *message = step->what < apir_upstream_fuzz_protocol.n_messages
                                             ? &apir_upstream_fuzz_protocol.messages[step->what]
                                             : NULL;
    uint8_t *bytes = fuzz_step_copy(step);
    if (!message)
        run_own(session, step, bytes);
    else if (message->call == FUZZ_NO_CALL)
        slots_put_struct(step, &session->handles, &apir_upstream_fuzz_protocol, &session->last);
    else
        run_call(session, message, bytes, step->size);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader reader = {data, size};
    struct fuzz_step step;
    struct session session = {.reply = malloc(REPLY_SIZE), .backend = apir_executor_upstream_backend()};
    assert(session.reply);
    host_init(&session.host, fuzz_first_step(data, size, apir_upstream_fuzz_protocol.n_messages + STEP_HOST));
    host_share_slots(&session.host);
    while (fuzz_step_next(&reader, &step))
        run_step(&session, &step);
    host_finish(&session.host);
    free(session.reply);
    return 0;
}
