/* Every call with bad arguments. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "apir-protocol.h"
#include "reject/message.h"

#define MAX_SIZE APIR_MAX_SIZE

/* A request on its way to be spoiled, in a context where it would be good. */
struct attempt {
    struct context context;
    const struct message *message;
    uint8_t request[MAX_MESSAGE];
    size_t size;
};

static void begin_at(struct attempt *attempt, const struct message *message, enum context_stage stage)
{
    context_open(&attempt->context, stage);
    memset(attempt->request, 0, sizeof attempt->request);
    attempt->message = message;
    attempt->size = message_write(&attempt->context, message, attempt->request);
}

static void begin(struct attempt *attempt, const struct message *message)
{
    begin_at(attempt, message, message->stage);
}

static void patch(struct attempt *attempt, size_t offset, unsigned width, uint64_t value)
{
    assert_true(offset + width <= attempt->size);
    memcpy(attempt->request + offset, &value, width); /* the wire and all our machines are little-endian */
}

static int post(struct attempt *attempt)
{
    return raw_guest_call(&attempt->context.guest, &attempt->context.control, attempt->request, attempt->size);
}

/* Posts what must be refused, and ends the context. */
static void must_be_refused(struct attempt *attempt, const char *how, uint64_t detail)
{
    char what[128];
    snprintf(what, sizeof what, "%s with %s %#llx", attempt->message->name, how, (unsigned long long)detail);
    int status = post(attempt);
    if (status >= 0)
        fail_msg("%s: status %d", what, status);
    context_assert_dead(&attempt->context, what);
}

static void good_messages_are_served(void **state)
{
    (void)state;
    for (unsigned i = 0; i < n_messages; i++) {
        struct attempt attempt;
        begin(&attempt, &messages[i]);
        int status = post(&attempt);
        if (status != 0)
            fail_msg("%s: status %d", messages[i].name, status);
        assert_int_equal(context_close(&attempt.context), 0);
    }
}

static void every_call_has_a_message(void **state)
{
    (void)state;
    uint32_t call = 1;
    for (; apir_call_name(call); call++)
        assert_string_equal(message_of(call)->name, apir_call_name(call));
    assert_int_equal(call - 1, n_messages);
}

static void truncated_arguments_are_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < n_messages; i++) {
        size_t full;
        struct attempt attempt;
        begin(&attempt, &messages[i]);
        full = attempt.size;
        context_close(&attempt.context);
        /* at every length as far as fields go, at every fourth behind: long messages repeat themselves */
        for (size_t size = HEADER_SIZE; size < full; size += size < HEADER_SIZE + TENSOR_SIZE + 48 ? 1 : 4) {
            begin(&attempt, &messages[i]);
            raw_guest_set_size(attempt.request, (uint32_t)size);
            must_be_refused(&attempt, "length", size);
        }
    }
    assert_next_session_is_served();
}

static void truncated_headers_are_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < n_messages; i++) {
        for (uint32_t size = 0; size < HEADER_SIZE; size++) {
            struct attempt attempt;
            begin(&attempt, &messages[i]);
            raw_guest_set_size(attempt.request, size);
            must_be_refused(&attempt, "length", size);
        }
    }
    assert_next_session_is_served();
}

static void extra_bytes_are_refused(void **state)
{
    (void)state;
    static const unsigned extra[] = {1, 2, 3, 4, 8, 2000};
    for (unsigned i = 0; i < n_messages; i++) {
        for (size_t k = 0; k < sizeof extra / sizeof *extra; k++) {
            struct attempt attempt;
            begin(&attempt, &messages[i]);
            attempt.size += extra[k];
            raw_guest_set_size(attempt.request, (uint32_t)attempt.size);
            must_be_refused(&attempt, "extra bytes", extra[k]);
        }
    }
    assert_next_session_is_served();
}

static void impossible_sizes_are_refused(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {APIR_MAX_RECORD, APIR_MAX_RECORD + 1, 0x7fffffff, 0x80000000,
                                     UINT32_MAX};
    for (unsigned i = 0; i < n_messages; i++) {
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            struct attempt attempt;
            begin(&attempt, &messages[i]);
            raw_guest_set_size(attempt.request, sizes[k]);
            must_be_refused(&attempt, "size", sizes[k]);
        }
    }
    assert_next_session_is_served();
}

static void wrong_sequences_are_refused(void **state)
{
    (void)state;
    static const uint64_t offsets[] = {1, UINT64_MAX, UINT64_C(1) << 32, UINT64_C(1) << 63};
    for (unsigned i = 0; i < n_messages; i++) {
        for (size_t k = 0; k < sizeof offsets / sizeof *offsets; k++) {
            struct attempt attempt;
            begin(&attempt, &messages[i]);
            patch(&attempt, 8, 8, attempt.context.control.sequence + 1 + offsets[k]);
            must_be_refused(&attempt, "sequence off by", offsets[k]);
        }
    }
    assert_next_session_is_served();
}

static void unknown_call_numbers_are_refused(void **state)
{
    (void)state;
    const uint32_t calls[] = {0, APIR_CALL_GRAPH_DERIVE + 1, 255, 0x10000, 0x7fffffff, 0x80000000, UINT32_MAX};
    for (unsigned i = 0; i < n_messages; i++) {
        for (size_t k = 0; k < sizeof calls / sizeof *calls; k++) {
            struct attempt attempt;
            begin(&attempt, &messages[i]);
            patch(&attempt, 0, 4, calls[k]);
            must_be_refused(&attempt, "call number", calls[k]);
        }
    }
    assert_next_session_is_served();
}

static void arguments_of_another_call_are_refused_or_served(void **state)
{
    (void)state;
    for (unsigned i = 0; i < n_messages; i++) {
        for (unsigned k = 0; k < n_messages; k++) {
            struct attempt attempt;
            begin(&attempt, &messages[i]);
            patch(&attempt, 0, 4, messages[k].call);
            int status = post(&attempt);
            assert_true(status <= 0);
            int result = context_close(&attempt.context);
            assert_int_equal(result, status < 0 ? -EPROTO : 0);
        }
    }
    assert_next_session_is_served();
}

static void put_dependencies(struct attempt *attempt, uint32_t count, uint32_t queue, uint64_t sequence)
{
    uint8_t *at = attempt->request + HEADER_SIZE;
    memmove(at + 12, at, attempt->size - HEADER_SIZE);
    memcpy(at - 4, &count, 4);
    memcpy(at, &queue, 4);
    memcpy(at + 4, &sequence, 8);
    attempt->size += 12;
    raw_guest_set_size(attempt->request, (uint32_t)attempt->size);
}

static void bad_dependencies_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t count, queue;
        uint64_t sequence;
    } bad[] = {
        {1, 0, 0}, {1, 0, 1}, {1, 0, UINT64_MAX},                                  /* on itself */
        {1, 64, 1}, {1, 0x7fffffff, 1}, {1, UINT32_MAX, 1},                        /* on no queue */
        {65, 1, 1}, {0x7fffffff, 1, 1}, {UINT32_MAX, 1, 1}, {0x15555556, 1, 1},    /* more than there are */
    };
    for (unsigned i = 0; i < n_messages; i++) {
        for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
            struct attempt attempt;
            begin(&attempt, &messages[i]);
            put_dependencies(&attempt, bad[k].count, bad[k].queue, bad[k].sequence);
            must_be_refused(&attempt, "dependencies, case", k);
        }
    }
    assert_next_session_is_served();
}

enum { WRONG_ONES = 7 };

/* What is wrong in the place of a handle or an id of the context; none if the value is neither. */
static unsigned wrong_ones(const struct context *context, unsigned width, uint64_t value, uint64_t *wrong)
{
    const uint64_t buffer = context->buffer, stream = context->stream;
    const uint64_t stale = value == buffer ? context->stale_buffer : context->stale_stream;
    const uint64_t handles[WRONG_ONES] = {
        0, UINT64_MAX, value ^ 1, value ^ UINT64_C(1) << 32, value ^ UINT64_C(1) << 56,
        value == buffer ? stream : buffer, stale};
    const uint64_t ids[WRONG_ONES] = {
        0, UINT32_MAX, 1, value + 256, context->small.id, context->removed.id, context->removed.id + 1};
    if (width == 8 && (value == buffer || value == stream))
        memcpy(wrong, handles, sizeof handles);
    else if (width == 4 && (value == context->data.id || value == context->graph.id))
        memcpy(wrong, ids, sizeof ids);
    else
        return 0;
    return WRONG_ONES;
}

/* Whether the call may name no buffer at all. */
static bool may_be_none(const struct message *message)
{
    return message->call == APIR_CALL_DEVICE_SUPPORTS_OP || message->call == APIR_CALL_DEVICE_GET_ALLOC_SIZE;
}

/* Spoils what is at one place of the request in each way. */
static void spoil_place(const struct message *message, size_t at, unsigned width)
{
    uint64_t value = 0, wrong[WRONG_ONES];
    for (unsigned which = 0; which < WRONG_ONES; which++) {
        struct attempt attempt;
        begin_at(&attempt, message, CONTEXT_USED);
        memcpy(&value, attempt.request + at, width);
        assert_int_equal(wrong_ones(&attempt.context, width, value, wrong), WRONG_ONES);
        if (which == 0 && may_be_none(message)) {
            context_close(&attempt.context);
            continue;
        }
        patch(&attempt, at, width, wrong[which]);
        must_be_refused(&attempt, width == 8 ? "handle" : "shared memory", wrong[which]);
    }
}

/* Spoils every place that holds a handle (width 8) or an id (4); number of places. */
static unsigned spoil_message(const struct message *message, unsigned width)
{
    struct attempt attempt;
    unsigned places = 0;
    if (message->stage < CONTEXT_READY)
        return 0;
    begin_at(&attempt, message, CONTEXT_USED);
    for (size_t at = HEADER_SIZE; at + width <= attempt.size; at += 4) {
        uint64_t value = 0, wrong[WRONG_ONES];
        memcpy(&value, attempt.request + at, width);
        if (wrong_ones(&attempt.context, width, value, wrong) == 0)
            continue;
        spoil_place(message, at, width);
        places++;
    }
    context_close(&attempt.context);
    return places;
}

static void bad_handles_are_refused(void **state)
{
    (void)state;
    unsigned calls = 0;
    for (unsigned i = 0; i < n_messages; i++)
        calls += spoil_message(&messages[i], 8) > 0;
    assert_int_equal(calls, 21);
    assert_next_session_is_served();
}

static void bad_shared_memory_is_refused(void **state)
{
    (void)state;
    unsigned calls = 0;
    for (unsigned i = 0; i < n_messages; i++)
        calls += spoil_message(&messages[i], 4) > 0;
    assert_int_equal(calls, 8);
    assert_next_session_is_served();
}

/* A bad argument, or several that are bad together. Offsets count from the end of the header. */
struct bad {
    uint32_t call;
    struct {
        size_t offset;
        unsigned width;
        uint64_t value;
    } patches[3];
};

#define T TENSOR_SIZE

static const struct bad out_of_range[] = {
    /* counts and strings of negotiate: the version's size, then its text; behind it three numbers and four lists */
    {APIR_CALL_NEGOTIATE, {{0, 8, 0}}},
    {APIR_CALL_NEGOTIATE, {{0, 8, 257}}},
    {APIR_CALL_NEGOTIATE, {{0, 8, UINT64_MAX}}},
    {APIR_CALL_NEGOTIATE, {{8, 1, 0}}},
    /* buffer_alloc: size */
    {APIR_CALL_BUFFER_ALLOC, {{4, 8, MAX_SIZE + 1}}},
    {APIR_CALL_BUFFER_ALLOC, {{4, 8, UINT64_MAX}}},
    {APIR_CALL_BUFFER_ALLOC, {{4, 8, UINT64_C(1) << 63}}},
    /* enums and bytes */
    {APIR_CALL_BUFFER_SET_USAGE, {{8, 4, 3}}},
    {APIR_CALL_BUFFER_SET_USAGE, {{8, 4, UINT32_MAX}}},
    {APIR_CALL_BUFFER_CLEAR, {{8, 4, 256}}},
    {APIR_CALL_BUFFER_CLEAR, {{8, 4, UINT32_MAX}}},
    {APIR_CALL_TENSOR_MEMSET, {{T, 4, 256}}},
    {APIR_CALL_TENSOR_MEMSET, {{T, 4, UINT32_MAX}}},
    /* tensor_memset: offset, size */
    {APIR_CALL_TENSOR_MEMSET, {{T + 4, 8, 33}}},
    {APIR_CALL_TENSOR_MEMSET, {{T + 4, 8, MAX_SIZE}}},
    {APIR_CALL_TENSOR_MEMSET, {{T + 4, 8, UINT64_MAX - 31}}},
    {APIR_CALL_TENSOR_MEMSET, {{T + 12, 8, 49}}},
    {APIR_CALL_TENSOR_MEMSET, {{T + 12, 8, UINT64_MAX - 15}}},
    {APIR_CALL_TENSOR_MEMSET, {{T + 4, 8, 65}, {T + 12, 8, 0}}},
    /* tensor_set: offset, size, memory's offset */
    {APIR_CALL_TENSOR_SET, {{T, 8, 33}}},
    {APIR_CALL_TENSOR_SET, {{T, 8, UINT64_MAX - 31}}},
    {APIR_CALL_TENSOR_SET, {{T + 8, 8, 49}}},
    {APIR_CALL_TENSOR_SET, {{T + 8, 8, MAX_SIZE}}},
    {APIR_CALL_TENSOR_SET, {{T + 8, 8, UINT64_MAX - 15}}},
    {APIR_CALL_TENSOR_SET, {{T, 8, 65}, {T + 8, 8, 0}}},
    {APIR_CALL_TENSOR_SET, {{T + 20, 8, DATA_SIZE - 31}}},
    {APIR_CALL_TENSOR_SET, {{T + 20, 8, MAX_SIZE}}},
    {APIR_CALL_TENSOR_SET, {{T + 20, 8, UINT64_MAX - 31}}},
    {APIR_CALL_TENSOR_SET, {{T, 8, 0}, {T + 8, 8, 0}, {T + 20, 8, DATA_SIZE + 1}}},
    {APIR_CALL_TENSOR_GET, {{T, 8, 33}}},
    {APIR_CALL_TENSOR_GET, {{T, 8, UINT64_MAX - 31}}},
    {APIR_CALL_TENSOR_GET, {{T + 8, 8, 49}}},
    {APIR_CALL_TENSOR_GET, {{T + 8, 8, MAX_SIZE}}},
    {APIR_CALL_TENSOR_GET, {{T + 8, 8, UINT64_MAX - 15}}},
    {APIR_CALL_TENSOR_GET, {{T + 20, 8, DATA_SIZE - 31}}},
    {APIR_CALL_TENSOR_GET, {{T + 20, 8, UINT64_MAX - 31}}},
    /* rows: offset, size, copies, stride, memory, its offset */
    {APIR_CALL_TENSOR_SET_2D, {{T, 8, 57}}},
    {APIR_CALL_TENSOR_SET_2D, {{T, 8, 25}}},
    {APIR_CALL_TENSOR_SET_2D, {{T + 8, 8, 29}}},
    {APIR_CALL_TENSOR_SET_2D, {{T + 8, 8, MAX_SIZE}}},
    {APIR_CALL_TENSOR_SET_2D, {{T + 16, 8, 5}}},
    {APIR_CALL_TENSOR_SET_2D, {{T + 16, 8, MAX_SIZE}}},
    {APIR_CALL_TENSOR_SET_2D, {{T + 24, 8, 27}}},
    {APIR_CALL_TENSOR_SET_2D, {{T + 24, 8, MAX_SIZE}}},
    {APIR_CALL_TENSOR_SET_2D, {{T + 24, 8, UINT64_MAX - 7}}},
    {APIR_CALL_TENSOR_SET_2D, {{T + 8, 8, MAX_SIZE}, {T + 16, 8, MAX_SIZE}}},
    {APIR_CALL_TENSOR_SET_2D, {{T + 8, 8, UINT64_C(1) << 32}, {T + 16, 8, UINT64_C(1) << 32}, {T + 24, 8, 0}}},
    {APIR_CALL_TENSOR_SET_2D, {{T + 16, 8, (UINT64_C(1) << 32) + 1}, {T + 24, 8, UINT64_C(1) << 32}}},
    {APIR_CALL_TENSOR_SET_2D, {{T + 8, 8, 4}, {T + 16, 8, 4096}, {T + 24, 8, 0}}},
    {APIR_CALL_TENSOR_SET_2D, {{T + 36, 8, DATA_SIZE - 23}}},
    {APIR_CALL_TENSOR_SET_2D, {{T + 36, 8, UINT64_MAX - 23}}},
    {APIR_CALL_TENSOR_GET_2D, {{T, 8, 25}}},
    {APIR_CALL_TENSOR_GET_2D, {{T + 8, 8, MAX_SIZE}}},
    {APIR_CALL_TENSOR_GET_2D, {{T + 16, 8, MAX_SIZE}}},
    {APIR_CALL_TENSOR_GET_2D, {{T + 24, 8, UINT64_MAX - 7}}},
    {APIR_CALL_TENSOR_GET_2D, {{T + 8, 8, UINT64_C(1) << 32}, {T + 16, 8, UINT64_C(1) << 32}, {T + 24, 8, 0}}},
    {APIR_CALL_TENSOR_GET_2D, {{T + 16, 8, (UINT64_C(1) << 32) + 1}, {T + 24, 8, UINT64_C(1) << 32}}},
    {APIR_CALL_TENSOR_GET_2D, {{T + 8, 8, 4}, {T + 16, 8, 4096}, {T + 24, 8, 0}}},
    {APIR_CALL_TENSOR_GET_2D, {{T + 36, 8, DATA_SIZE - 23}}},
    /* tensor_copy: other type, shape, strides */
    {APIR_CALL_TENSOR_COPY, {{T + 16, 8, 2}}},
    {APIR_CALL_TENSOR_COPY, {{T + 48 + 8, 8, 32}}},
    /* graph_compute: memory's offset, size */
    {APIR_CALL_GRAPH_COMPUTE, {{12, 8, 4}}},
    {APIR_CALL_GRAPH_COMPUTE, {{12, 8, 4096}}},
    {APIR_CALL_GRAPH_COMPUTE, {{12, 8, UINT64_MAX}}},
    {APIR_CALL_GRAPH_COMPUTE, {{20, 8, 0}}},
    {APIR_CALL_GRAPH_COMPUTE, {{20, 8, 4097}}},
    {APIR_CALL_GRAPH_COMPUTE, {{20, 8, APIR_MAX_GRAPH_BYTES + UINT64_C(1)}}},
    {APIR_CALL_GRAPH_COMPUTE, {{20, 8, UINT64_MAX}}},
    {APIR_CALL_GRAPH_COMPUTE, {{12, 8, UINT64_MAX - 4095}, {20, 8, 4096}}},
    /* graph_derive: base, memory's offset, size, number */
    {APIR_CALL_GRAPH_DERIVE, {{8, 4, 0}}},
    {APIR_CALL_GRAPH_DERIVE, {{8, 4, 16}}},
    {APIR_CALL_GRAPH_DERIVE, {{8, 4, APIR_MAX_GRAPHS + 1}}},
    {APIR_CALL_GRAPH_DERIVE, {{16, 8, DATA_SIZE - 3}}},
    {APIR_CALL_GRAPH_DERIVE, {{16, 8, UINT64_MAX - 3}}},
    {APIR_CALL_GRAPH_DERIVE, {{24, 8, 0}}},
    {APIR_CALL_GRAPH_DERIVE, {{24, 8, 8}}},
    {APIR_CALL_GRAPH_DERIVE, {{24, 8, APIR_MAX_GRAPH_BYTES + UINT64_C(1)}}},
    {APIR_CALL_GRAPH_DERIVE, {{32, 4, 0}}},
    {APIR_CALL_GRAPH_DERIVE, {{32, 4, APIR_MAX_GRAPHS + 1}}},
    /* buffer_write: offset, count */
    {APIR_CALL_BUFFER_WRITE, {{8, 8, MAX_SIZE}}},
    {APIR_CALL_BUFFER_WRITE, {{8, 8, UINT64_MAX - 11}}},
    {APIR_CALL_BUFFER_WRITE, {{16, 4, 0}}},
    {APIR_CALL_BUFFER_WRITE, {{16, 4, 13}}},
    {APIR_CALL_BUFFER_WRITE, {{16, 4, APIR_MAX_INLINE + 1}}},
    {APIR_CALL_BUFFER_WRITE, {{16, 4, UINT32_MAX}}},
    /* buffer_read: offset, size, memory's offset */
    {APIR_CALL_BUFFER_READ, {{8, 8, MAX_SIZE}}},
    {APIR_CALL_BUFFER_READ, {{8, 8, UINT64_MAX - 11}}},
    {APIR_CALL_BUFFER_READ, {{16, 8, 0}}},
    {APIR_CALL_BUFFER_READ, {{16, 8, MAX_SIZE}}},
    {APIR_CALL_BUFFER_READ, {{16, 8, UINT64_MAX - 3}}},
    {APIR_CALL_BUFFER_READ, {{28, 8, DATA_SIZE - 11}}},
    {APIR_CALL_BUFFER_READ, {{28, 8, UINT64_MAX - 11}}},
    /* buffer_from_shm: memory's offset, size, largest tensor */
    {APIR_CALL_BUFFER_FROM_SHM, {{8, 8, 4097}}},
    {APIR_CALL_BUFFER_FROM_SHM, {{8, 8, DATA_SIZE}}},
    {APIR_CALL_BUFFER_FROM_SHM, {{8, 8, UINT64_MAX - 4095}}},
    {APIR_CALL_BUFFER_FROM_SHM, {{16, 8, 4097}}},
    {APIR_CALL_BUFFER_FROM_SHM, {{16, 8, MAX_SIZE}}},
    {APIR_CALL_BUFFER_FROM_SHM, {{16, 8, UINT64_MAX - 4095}}},
    {APIR_CALL_BUFFER_FROM_SHM, {{24, 8, 4097}}},
    {APIR_CALL_BUFFER_FROM_SHM, {{24, 8, UINT64_MAX}}},
};

static void arguments_out_of_range_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof out_of_range / sizeof *out_of_range; i++) {
        const struct bad *bad = &out_of_range[i];
        struct attempt attempt;
        begin(&attempt, message_of(bad->call));
        for (unsigned k = 0; k < 3 && bad->patches[k].width; k++)
            patch(&attempt, HEADER_SIZE + bad->patches[k].offset, bad->patches[k].width, bad->patches[k].value);
        must_be_refused(&attempt, "bad argument, case", i);
    }
    assert_next_session_is_served();
}

static void devices_out_of_range_are_refused(void **state)
{
    (void)state;
    static const uint32_t calls[] = {APIR_CALL_DEVICE_GET_INFO,       APIR_CALL_DEVICE_GET_MEMORY,
                                     APIR_CALL_DEVICE_SUPPORTS_OP,    APIR_CALL_DEVICE_GET_ALLOC_SIZE,
                                     APIR_CALL_BUFFER_ALLOC,          APIR_CALL_STREAM_CREATE,
                                     APIR_CALL_BUFFER_FROM_SHM};
    static const uint32_t devices[] = {63, 64, 65, 0x7fffffff, UINT32_MAX};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        for (size_t k = 0; k < sizeof devices / sizeof *devices; k++) {
            struct attempt attempt;
            begin(&attempt, message_of(calls[i]));
            patch(&attempt, HEADER_SIZE, 4, devices[k]);
            must_be_refused(&attempt, "device", devices[k]);
        }
    }
    assert_next_session_is_served();
}

/* Offsets in an encoded tensor without sources. */
static const struct {
    size_t offset;
    unsigned width;
    uint64_t value;
} bad_in_tensor[] = {
    {0, 4, TYPE_UNKNOWN}, {0, 4, N_TYPES}, {0, 4, APIR_MAX_OPS}, {0, 4, APIR_MAX_OPS + 1}, {0, 4, UINT32_MAX},
    {0, 4, TYPE_Q4_0 /* 4 elements are no block */},
    {4, 4, OP_UNKNOWN}, {4, 4, N_OPS}, {4, 4, APIR_MAX_OPS + 1}, {4, 4, UINT32_MAX},
    {16, 8, BUFFER_SIZE}, {16, 8, MAX_SIZE}, {16, 8, MAX_SIZE + 1}, {16, 8, UINT64_MAX}, {16, 8, UINT64_C(1) << 63},
    {24, 8, 257}, {24, 8, MAX_SIZE}, {24, 8, UINT64_MAX}, {32, 8, 65}, {32, 8, UINT64_MAX}, {40, 8, 65},
    {40, 8, UINT64_MAX}, {48, 8, 2000}, {48, 8, MAX_SIZE}, {48, 8, MAX_SIZE + 1}, {48, 8, UINT64_MAX},
    {56, 8, 2000}, {56, 8, UINT64_MAX}, {64, 8, MAX_SIZE + 1}, {72, 8, UINT64_MAX},
    {144, 4, 11}, {144, 4, UINT32_MAX}, {148, 4, APIR_MAX_TENSORS + 1}, {148, 4, UINT32_MAX},
    {152, 8, MAX_SIZE + 1}, {152, 8, UINT64_MAX},
    {168, 8, BUFFER_SIZE - 63}, {168, 8, BUFFER_SIZE}, {168, 8, MAX_SIZE}, {168, 8, MAX_SIZE + 1}, {168, 8, UINT64_MAX},
    {168, 8, UINT64_MAX - 63}, {176, 8, 0}, {176, 8, 65}, {176, 8, UINT64_MAX}, {185, 1, 'x'},
};

static void tensors_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t call;
        size_t offset;
    } places[] = {
        {APIR_CALL_BUFFER_INIT_TENSOR, 0}, {APIR_CALL_TENSOR_MEMSET, 0}, {APIR_CALL_TENSOR_SET, 0},
        {APIR_CALL_TENSOR_GET, 0},         {APIR_CALL_TENSOR_SET_2D, 0}, {APIR_CALL_TENSOR_GET_2D, 0},
        {APIR_CALL_TENSOR_COPY, 0},        {APIR_CALL_TENSOR_COPY, T},
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        for (size_t k = 0; k < sizeof bad_in_tensor / sizeof *bad_in_tensor; k++) {
            struct attempt attempt;
            begin(&attempt, message_of(places[i].call));
            patch(&attempt, HEADER_SIZE + places[i].offset + bad_in_tensor[k].offset, bad_in_tensor[k].width,
                  bad_in_tensor[k].value);
            must_be_refused(&attempt, "bad tensor, case", k);
        }
    }
    assert_next_session_is_served();
}

static void calls_before_their_time_are_refused_or_served(void **state)
{
    (void)state;
    for (unsigned i = 0; i < n_messages; i++) {
        for (enum context_stage stage = CONTEXT_OPEN; stage <= CONTEXT_READY; stage++) {
            struct context context;
            uint8_t request[MAX_MESSAGE];
            context_open(&context, stage);
            int status = raw_guest_call(&context.guest, &context.control, request,
                                        message_write(&context, &messages[i], request));
            int result = context_close(&context);
            assert_true(status <= 0);
            assert_int_equal(result, status < 0 ? -EPROTO : 0);
        }
    }
    assert_next_session_is_served();
}

static void numbering_is_negotiated_once(void **state)
{
    (void)state;
    struct context context;
    uint8_t request[MAX_MESSAGE];
    context_open(&context, CONTEXT_READY);
    size_t size = message_write(&context, message_of(APIR_CALL_NEGOTIATE), request);
    assert_int_equal(raw_guest_call(&context.guest, &context.control, request, size), -EALREADY);
    context_assert_dead(&context, "negotiated twice");
}

static void refused_contexts_leave_no_descriptors(void **state)
{
    (void)state;
    unsigned before = context_count_fds();
    for (int i = 0; i < 20; i++) {
        struct attempt attempt;
        begin(&attempt, message_of(APIR_CALL_TENSOR_SET));
        patch(&attempt, 0, 4, 0);
        must_be_refused(&attempt, "call", 0);
    }
    assert_int_equal(context_count_fds(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_messages_are_served),
        cmocka_unit_test(every_call_has_a_message),
        cmocka_unit_test(truncated_arguments_are_refused),
        cmocka_unit_test(truncated_headers_are_refused),
        cmocka_unit_test(extra_bytes_are_refused),
        cmocka_unit_test(impossible_sizes_are_refused),
        cmocka_unit_test(wrong_sequences_are_refused),
        cmocka_unit_test(unknown_call_numbers_are_refused),
        cmocka_unit_test(arguments_of_another_call_are_refused_or_served),
        cmocka_unit_test(bad_dependencies_are_refused),
        cmocka_unit_test(bad_handles_are_refused),
        cmocka_unit_test(bad_shared_memory_is_refused),
        cmocka_unit_test(arguments_out_of_range_are_refused),
        cmocka_unit_test(devices_out_of_range_are_refused),
        cmocka_unit_test(tensors_that_make_no_sense_are_refused),
        cmocka_unit_test(calls_before_their_time_are_refused_or_served),
        cmocka_unit_test(numbering_is_negotiated_once),
        cmocka_unit_test(refused_contexts_leave_no_descriptors),
    };
    return cmocka_run_group_tests_name("reject calls", tests, context_group_setup, NULL);
}
