/* Faults 4, 7 and 8 of deployed hosts: what a guest's names for things can do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "upstream-faults/request.h"

/* Every function whose first argument is a handle: of a buffer type, then of a buffer. */
static const char *const type_calls[] = {
    "buffer_type_get_name", "buffer_type_get_alignment", "buffer_type_get_max_size",   "buffer_type_is_host",
    "buffer_type_alloc_buffer", "buffer_type_get_alloc_size", NULL,
};
static const char *const buffer_calls[] = {
    "buffer_get_base",   "buffer_clear",      "buffer_set_tensor", "buffer_get_tensor",
    "buffer_cpy_tensor", "buffer_free_buffer", NULL,
};

static void refused(struct upstream_session *session, const char *name, size_t at, uint64_t handle)
{
    struct sample sample;
    request_sample(session, name, &sample);
    deployed_put_u64(sample.request.data + at, handle);
    if (request_send_sample(session, &sample) == DEPLOYED_OK)
        fail_msg("%s takes %#llx", name, (unsigned long long)handle);
}

static uint64_t handle_in(struct upstream_session *session, const char *name)
{
    struct sample sample;
    request_sample(session, name, &sample);
    return deployed_u64(sample.request.data + FIRST_ARGUMENT);
}

/* own is what the calls want, other a handle of the other kind. */
static void refuse_all(struct upstream_session *session, const char *const *names, uint64_t own, uint64_t other)
{
    const uint64_t invented[] = {0, UINT64_MAX, own + 1, other, (uintptr_t)session, (uintptr_t)session->host.executor};
    for (; *names; names++)
        for (size_t i = 0; i < sizeof invented / sizeof *invented; i++)
            refused(session, *names, FIRST_ARGUMENT, invented[i]);
}

static void fault_04_pointers_and_invented_handles_are_refused(void **state)
{
    (void)state;
    struct upstream_session session;
    upstream_session_open(&session, NULL, false, UPSTREAM_SMALL_DATA);
    upstream_session_replay(&session, "buffer_clear");
    uint64_t type = handle_in(&session, "buffer_type_get_name"), buffer = handle_in(&session, "buffer_clear");
    refuse_all(&session, type_calls, type, buffer);
    refuse_all(&session, buffer_calls, buffer, type);
    upstream_session_replay(&session, NULL);
    assert_int_equal(upstream_session_close(&session), 0);
}

static void fault_04_no_handle_is_a_pointer(void **state)
{
    (void)state;
    struct upstream_session session;
    upstream_session_open(&session, NULL, false, UPSTREAM_SMALL_DATA);
    upstream_session_replay(&session, "buffer_clear");
    const uint64_t handles[] = {handle_in(&session, "buffer_type_get_name"), handle_in(&session, "buffer_clear")};
    for (int i = 0; i < 2; i++) { /* the address space of a process begins above this, and holds the host's executor */
        assert_true(handles[i] >> 40 != (uintptr_t)session.host.executor >> 40);
        assert_true(handles[i] >> 40 != (uintptr_t)&session >> 40);
    }
    assert_int_equal(upstream_session_close(&session), 0);
}

static void fault_04_a_tensor_names_a_buffer_that_is_there(void **state)
{
    (void)state;
    const size_t offsets[] = {SET_TENSOR_TENSOR + TENSOR_BUFFER, SET_TENSOR_TENSOR + TENSOR_BYTES + TENSOR_BUFFER};
    struct upstream_session session;
    upstream_session_open(&session, NULL, false, UPSTREAM_SMALL_DATA);
    upstream_session_replay(&session, "buffer_cpy_tensor");
    refused(&session, "buffer_cpy_tensor", offsets[0], UINT64_MAX);
    refused(&session, "buffer_cpy_tensor", offsets[1], (uintptr_t)&session);
    refused(&session, "buffer_set_tensor", offsets[0], (uintptr_t)&session);
    refused(&session, "buffer_get_tensor", offsets[0], UINT64_MAX);
    assert_int_equal(upstream_session_close(&session), 0);
}

static void fault_04_a_freed_handle_is_refused_for_ever(void **state)
{
    (void)state;
    struct upstream_session session;
    struct sample sample;
    upstream_session_open(&session, NULL, false, UPSTREAM_SMALL_DATA);
    upstream_session_replay(&session, "buffer_clear");
    uint64_t handle = handle_in(&session, "buffer_clear");
    request_sample(&session, "buffer_free_buffer", &sample);
    deployed_put_u64(sample.request.data + FIRST_ARGUMENT, handle);
    assert_int_equal(request_send_sample(&session, &sample), DEPLOYED_OK);
    request_sample(&session, "buffer_type_alloc_buffer", &sample);
    assert_int_equal(request_send_sample(&session, &sample), DEPLOYED_OK); /* takes the place of the freed one */
    for (const char *const *name = buffer_calls; *name; name++)
        refused(&session, *name, FIRST_ARGUMENT, handle);
    assert_int_equal(upstream_session_close(&session), 0);
}

static void fault_08_no_bit_of_a_handle_is_left_out(void **state)
{
    (void)state;
    struct upstream_session session;
    upstream_session_open(&session, NULL, false, UPSTREAM_SMALL_DATA);
    upstream_session_replay(&session, "buffer_clear");
    uint64_t type = handle_in(&session, "buffer_type_get_name"), buffer = handle_in(&session, "buffer_clear");
    for (unsigned bit = 0; bit < 64; bit++) {
        refused(&session, "buffer_type_get_name", FIRST_ARGUMENT, type ^ UINT64_C(1) << bit);
        refused(&session, "buffer_get_base", FIRST_ARGUMENT, buffer ^ UINT64_C(1) << bit);
    }
    assert_int_equal(upstream_session_close(&session), 0);
}

/* --- fault 7: one of several devices, one of several contexts -------------------------------------------------- */

static const char *const opening[] = {"HANDSHAKE", "LOADLIBRARY", NULL};

static const uint8_t *ask(struct upstream_session *session, uint32_t function)
{
    struct request request;
    request_begin(&request, function);
    assert_int_equal(request_send(session, &request), DEPLOYED_OK);
    return session->guest.reply.data + FIRST_RESULT;
}

static void fault_07_what_is_announced_is_served(void **state)
{
    (void)state;
    const char *const choices[] = {NULL, "FAULT0", "FAULT1", "1"};
    const char *const names[] = {"FAULT0", "FAULT0", "FAULT1", "FAULT1"};
    for (int i = 0; i < 4; i++) {
        const struct upstream_setup setup = {.executor = {.library = FAULT_TWO, .single_device = choices[i]}};
        struct upstream_session session;
        request_open(&session, &setup, opening);
        assert_int_equal(deployed_u32(ask(&session, GET_COUNT)), 1);
        assert_string_equal((const char *)ask(&session, GET_NAME) + 8, names[i]);
        assert_int_equal(upstream_session_close(&session), 0);
    }
}

static void fault_07_free_memory_is_read_each_time(void **state)
{
    (void)state;
    const struct upstream_setup setup = {.executor = {.library = FAULT_TWO}};
    struct upstream_session session;
    request_open(&session, &setup, opening);
    uint64_t first = deployed_u64(ask(&session, GET_MEMORY)), second = deployed_u64(ask(&session, GET_MEMORY));
    assert_true(second < first);
    assert_int_equal(upstream_session_close(&session), 0);
}

static void fault_07_a_context_ends_without_the_others_buffers(void **state)
{
    (void)state;
    struct upstream_session stays, ends;
    upstream_session_open(&stays, NULL, false, UPSTREAM_SMALL_DATA);
    upstream_session_replay(&stays, "buffer_get_tensor");
    upstream_session_open(&ends, NULL, false, UPSTREAM_SMALL_DATA);
    upstream_session_replay(&ends, "backend_graph_compute");
    assert_int_equal(upstream_session_close(&ends), 0);
    upstream_session_replay(&stays, NULL);
    assert_int_equal(upstream_session_close(&stays), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_04_pointers_and_invented_handles_are_refused),
        cmocka_unit_test(fault_04_no_handle_is_a_pointer),
        cmocka_unit_test(fault_04_a_tensor_names_a_buffer_that_is_there),
        cmocka_unit_test(fault_04_a_freed_handle_is_refused_for_ever),
        cmocka_unit_test(fault_07_what_is_announced_is_served),
        cmocka_unit_test(fault_07_free_memory_is_read_each_time),
        cmocka_unit_test(fault_07_a_context_ends_without_the_others_buffers),
        cmocka_unit_test(fault_08_no_bit_of_a_handle_is_left_out),
    };
    return cmocka_run_group_tests_name("upstream's faults with handles", tests, NULL, NULL);
}
