#include "reject/context.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>
#include <ggml.h>

#include "apir-codec.h"
#include "executor/private.h"
#include "reject/message.h"

enum {
    FIRST_ID = 0x5a5a0001,   /* ids that stand out in a message */
    MISSING_ID = 0x5a5affff, /* of what a context has not at its stage */
    MISSING_HANDLE = 77,
};

static void say_nothing(enum ggml_log_level level, const char *text, void *data)
{
    (void)level;
    (void)text;
    (void)data;
}

/* The status of a good call, and its results. */
static void must_call(struct context *context, uint32_t call, struct apir_dec *results)
{
    uint8_t request[MAX_MESSAGE];
    struct apir_reply_header header;
    size_t size = message_write(context, message_of(call), request);
    assert_int_equal(raw_guest_call(&context->guest, &context->control, request, size), 0);
    apir_dec_init(results, apir_ring_reply(context->control.memory.data), APIR_MAX_RECORD,
                  NULL);
    apir_decode_reply_header(results, &header);
}

static uint64_t alloc_buffer(struct context *context)
{
    struct apir_buffer_alloc_reply reply;
    struct apir_dec results;
    must_call(context, APIR_CALL_BUFFER_ALLOC, &results);
    apir_decode_buffer_alloc_reply(&results, &reply);
    assert_true(reply.buffer != 0);
    return reply.buffer;
}

static uint64_t create_stream(struct context *context)
{
    struct apir_stream_create_reply reply;
    struct apir_dec results;
    must_call(context, APIR_CALL_STREAM_CREATE, &results);
    apir_decode_stream_create_reply(&results, &reply);
    assert_true(reply.stream != 0);
    return reply.stream;
}

static void make_ready(struct context *context)
{
    struct apir_dec results;
    must_call(context, APIR_CALL_NEGOTIATE, &results);
    context->buffer = alloc_buffer(context);
    context->stream = create_stream(context);
    raw_guest_share(&context->guest, DATA_SIZE, &context->data);
    raw_guest_share(&context->guest, 4096, &context->graph);
    message_write_graph(context);
    must_call(context, APIR_CALL_GRAPH_COMPUTE, &results);
}

static void make_used(struct context *context)
{
    struct apir_dec results;
    context->stale_buffer = context->buffer;
    must_call(context, APIR_CALL_BUFFER_FREE, &results);
    context->buffer = alloc_buffer(context);
    context->stale_stream = context->stream;
    must_call(context, APIR_CALL_STREAM_DESTROY, &results);
    context->stream = create_stream(context);
    message_write_graph(context);
    must_call(context, APIR_CALL_GRAPH_COMPUTE, &results);
    raw_guest_share(&context->guest, SMALL_SIZE, &context->small);
    raw_guest_share(&context->guest, DATA_SIZE, &context->removed);
    raw_guest_send(&context->guest, APIR_FRAME_SHM_REMOVE, &context->removed.id, sizeof context->removed.id, -1);
}

void context_open(struct context *context, enum context_stage stage)
{
    struct apir_dec results;
    memset(context, 0, sizeof *context);
    context->control.memory.fd = context->data.fd = context->small.fd = context->graph.fd = context->removed.fd = -1;
    context->data.id = context->graph.id = MISSING_ID;
    context->buffer = context->stream = MISSING_HANDLE;
    raw_guest_init(&context->guest, test_host_start(&context->host));
    context->guest.next_id = FIRST_ID;
    if (stage >= CONTEXT_SHAKEN)
        assert_true(raw_guest_handshake(&context->guest));
    if (stage >= CONTEXT_OPEN)
        raw_guest_open_queue(&context->guest, &context->control, 0);
    if (stage >= CONTEXT_LOADED)
        must_call(context, APIR_CALL_LOAD_LIBRARY, &results);
    if (stage >= CONTEXT_READY)
        make_ready(context);
    if (stage >= CONTEXT_USED)
        make_used(context);
}

int context_close(struct context *context)
{
    shutdown(context->guest.connection.fd, SHUT_WR);
    int result = test_host_stop(&context->host);
    raw_guest_close_queue(&context->control);
    raw_guest_unshare(&context->data);
    raw_guest_unshare(&context->small);
    raw_guest_unshare(&context->graph);
    raw_guest_unshare(&context->removed);
    raw_guest_finish(&context->guest);
    return result;
}

enum apir_graph_status context_collect(struct context *context)
{
    struct apir_stream_collect_reply reply;
    struct apir_dec results;
    must_call(context, APIR_CALL_STREAM_COLLECT, &results);
    apir_decode_stream_collect_reply(&results, &reply);
    return reply.status;
}

void context_assert_dead(struct context *context, const char *what)
{
    bool dead = !context->guest.status.data || raw_guest_is_dead(&context->guest);
    int result = context_close(context);
    if (!dead || result != -EPROTO)
        fail_msg("%s: %s, server's result %d", what, dead ? "dead" : "not dead", result);
}

void assert_next_session_is_served(void)
{
    struct context context;
    struct apir_dec results;
    context_open(&context, CONTEXT_READY);
    must_call(&context, APIR_CALL_GRAPH_COMPUTE, &results);
    assert_int_equal(context_close(&context), 0);
}

int context_group_setup(void **state)
{
    struct context context;
    (void)state;
    ggml_log_set(say_nothing, NULL);
    context_open(&context, CONTEXT_LOADED);
    struct apir_library *library = &context.host.executor->library;
    pthread_mutex_lock(&library->lock); /* another thread has filled it */
    setenv("APIR_TEST_LIBRARY", library->files[0].path, 0);
    pthread_mutex_unlock(&library->lock);
    return context_close(&context);
}

unsigned context_count_fds(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}
