/* Deployed guests are served as they were by deployed hosts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "upstream/host.h"
#include "upstream/loop.h"

static void replay_samples(bool fromptr, uint32_t base)
{
    struct upstream_session session;
    upstream_session_open(&session, NULL, fromptr, UPSTREAM_SMALL_DATA);
    session.guest.base = base;
    upstream_session_replay(&session, NULL);
    assert_int_equal(upstream_session_close(&session), 0);
}

static void samples_on_an_apir_context(void **state)
{
    (void)state;
    replay_samples(false, 0);
}

static void samples_on_a_venus_context(void **state)
{
    (void)state;
    replay_samples(false, DEPLOYED_VENUS_BASE);
}

static void samples_with_buffers_of_the_guests_memory(void **state)
{
    (void)state;
    replay_samples(true, 0);
}

/* Call by call, so that each sees what it would see alone although the other's handles have the same values. */
static void two_contexts_at_once(void **state)
{
    (void)state;
    struct upstream_session sessions[2];
    for (int i = 0; i < 2; i++)
        upstream_session_open(&sessions[i], NULL, false, UPSTREAM_SMALL_DATA);
    for (int ret = 0; ret == 0;)
        for (int i = 0; i < 2; i++)
            if ((ret = replay_next(&sessions[i].replay)) < 0)
                fail_msg("%s", sessions[i].replay.error);
    for (int i = 0; i < 2; i++)
        assert_int_equal(upstream_session_close(&sessions[i]), 0);
}

static void the_end_of_one_context_leaves_the_others_buffers(void **state)
{
    (void)state;
    struct upstream_session stays, ends;
    upstream_session_open(&stays, NULL, false, UPSTREAM_SMALL_DATA);
    upstream_session_replay(&stays, "buffer_get_tensor");
    upstream_session_open(&ends, NULL, false, UPSTREAM_SMALL_DATA);
    upstream_session_replay(&ends, "buffer_get_tensor");
    assert_int_equal(upstream_session_close(&ends), 0);
    upstream_session_replay(&stays, NULL);
    assert_int_equal(upstream_session_close(&stays), 0);
}

static void large_graphs_again_and_again(void **state)
{
    (void)state;
    struct upstream_session session;
    upstream_session_open(&session, NULL, false, DEPLOYED_DATA_SIZE);
    upstream_session_replay(&session, "backend_graph_compute");
    if (loop_run(&session.replay, 100) < 0)
        fail_msg("%s", session.replay.error);
    assert_int_equal(upstream_session_close(&session), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_on_an_apir_context),
        cmocka_unit_test(samples_on_a_venus_context),
        cmocka_unit_test(samples_with_buffers_of_the_guests_memory),
        cmocka_unit_test(two_contexts_at_once),
        cmocka_unit_test(the_end_of_one_context_leaves_the_others_buffers),
        cmocka_unit_test(large_graphs_again_and_again),
    };
    return cmocka_run_group_tests_name("replay of deployed guests", tests, NULL, NULL);
}
