/* Fault 14 of deployed hosts: what was seen to end or to mislead them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "upstream-faults/request.h"

enum { GPU = 1 };

static void fault_14_a_buffer_of_the_guests_memory_can_be_freed(void **state)
{
    (void)state;
    struct upstream_session session;
    upstream_session_open(&session, NULL, true, UPSTREAM_SMALL_DATA);
    upstream_session_replay(&session, NULL); /* ends with two of them freed */
    assert_int_equal(upstream_session_close(&session), 0);
}

static void fault_14_get_alloc_size_takes_any_address_for_a_handle(void **state)
{
    (void)state;
    static const uint64_t addresses[] = {0, 1, UINT64_C(0x7ffde06f9bf8), UINT64_MAX};
    struct upstream_session session;
    struct sample sample;
    upstream_session_open(&session, NULL, false, UPSTREAM_SMALL_DATA);
    upstream_session_replay(&session, "buffer_type_get_alloc_size.2");
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        request_sample(&session, "buffer_type_get_alloc_size.2", &sample);
        deployed_put_u64(sample.request.data + sample.request.size - 8, addresses[i]);
        assert_int_equal(request_send_sample(&session, &sample), DEPLOYED_OK);
        assert_int_equal(deployed_u64(session.guest.reply.data + FIRST_RESULT), 32);
    }
    assert_int_equal(upstream_session_close(&session), 0);
}

static void fault_14_a_cpu_is_announced_as_what_guests_use(void **state)
{
    (void)state;
    struct upstream_session session;
    struct request request;
    upstream_session_open(&session, NULL, false, UPSTREAM_SMALL_DATA);
    upstream_session_replay(&session, "device_get_type");
    request_begin(&request, GET_TYPE);
    assert_int_equal(request_send(&session, &request), DEPLOYED_OK);
    assert_int_equal(deployed_u32(session.guest.reply.data + FIRST_RESULT), GPU);
    assert_int_equal(upstream_session_close(&session), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_14_a_buffer_of_the_guests_memory_can_be_freed),
        cmocka_unit_test(fault_14_get_alloc_size_takes_any_address_for_a_handle),
        cmocka_unit_test(fault_14_a_cpu_is_announced_as_what_guests_use),
    };
    return cmocka_run_group_tests_name("upstream's fault 14 in a host", tests, NULL, NULL);
}
