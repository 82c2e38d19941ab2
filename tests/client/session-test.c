#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apir-upstream-protocol.h"
#include "fake-host.h"
#include "util/clock.h"

#define SECOND UINT64_C(1000000000)

static void handshake_offers_both_versions(void **state)
{
    (void)state;
    struct fake_host host = {0};
    struct apir_session *session = fake_host_must_open(&host);
    apir_session_close(session);
    fake_host_finish(&host);
    assert_int_equal(host.handshake[0], APIR_UPSTREAM_COMMAND_HANDSHAKE);
    assert_int_equal(host.handshake[3], APIR_COMPAT_MAJOR);
    assert_int_equal(host.handshake[4], APIR_COMPAT_MINOR);
    assert_int_equal(host.handshake[5], APIR_HANDSHAKE_MAGIC);
    assert_int_equal(host.handshake[6], APIR_PROTOCOL_MAJOR);
    assert_int_equal(host.handshake[7], APIR_PROTOCOL_MINOR);
}

static void session_tells_and_logs_the_hosts_version(void **state)
{
    (void)state;
    struct fake_host host = {0};
    struct apir_session *session = fake_host_must_open(&host);
    uint32_t major, minor;
    apir_session_host_version(session, &major, &minor);
    assert_int_equal(major, APIR_PROTOCOL_MAJOR);
    assert_int_equal(minor, APIR_PROTOCOL_MINOR);
    assert_int_equal(apir_session_error(session), 0);
    assert_non_null(strstr(host.log_text, "guest is running with 1.0"));
    assert_non_null(strstr(host.log_text, "host is running with 1.0"));
    assert_null(strstr(host.log_text, "differ"));
    apir_session_close(session);
    fake_host_finish(&host);
}

/* Opens a session that must fail within so many nanoseconds; reason must hold `says`. */
static void expect_failure(struct fake_host *host, int error, const char *says, uint64_t within)
{
    char reason[512] = "";
    uint64_t start = apir_clock_now();
    assert_null(fake_host_open(host, reason, sizeof reason));
    int got = errno;
    assert_true(apir_clock_now() - start < within);
    if (!strstr(reason, says))
        fail_msg("\"%s\" does not say \"%s\"", reason, says);
    assert_int_equal(got, error);
    fake_host_finish(host);
}

static bool stay_silent(struct fake_host *host, uint32_t *page, const uint32_t *words, size_t n)
{
    (void)host;
    (void)page;
    (void)words;
    (void)n;
    return true;
}

static void silent_host_is_given_up_after_two_seconds(void **state)
{
    (void)state;
    struct fake_host host = {.on_handshake = stay_silent};
    uint64_t start = apir_clock_now();
    expect_failure(&host, ETIMEDOUT, "no answer", 4 * SECOND);
    assert_true(apir_clock_now() - start >= 2 * SECOND - SECOND / 10);
}

static bool hang_up(struct fake_host *host, uint32_t *page, const uint32_t *words, size_t n)
{
    (void)host;
    (void)page;
    (void)words;
    (void)n;
    return false;
}

static void host_that_hangs_up_is_noticed_at_once(void **state)
{
    (void)state;
    struct fake_host host = {.on_handshake = hang_up};
    expect_failure(&host, EPIPE, "no answer", SECOND);
}

static bool die(struct fake_host *host, uint32_t *page, const uint32_t *words, size_t n)
{
    (void)page;
    (void)words;
    (void)n;
    fake_host_mark_dead(host);
    return true;
}

static void host_that_dies_is_noticed_at_once(void **state)
{
    (void)state;
    struct fake_host host = {.on_handshake = die};
    expect_failure(&host, EPIPE, "no answer", SECOND);
}

/* Answers with the words that the test chose. */
static bool answer(struct fake_host *host, uint32_t *page, const uint32_t *words, size_t n)
{
    (void)words;
    (void)n;
    fake_host_answer_handshake(page, host->test, 6);
    return true;
}

static void wrong_code_is_declined(void **state)
{
    (void)state;
    static const uint32_t codes[] = {1, APIR_HANDSHAKE_CODE, APIR_HANDSHAKE_CODE + 2, UINT32_MAX};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        uint32_t words[6] = {codes[i], 0, 2, APIR_HANDSHAKE_MAGIC, 1, 0};
        struct fake_host host = {.on_handshake = answer, .test = words};
        expect_failure(&host, EPROTO, "instead of 0xab1e", SECOND);
    }
}

static void host_of_the_deployed_protocol_is_declined_on_demand(void **state)
{
    (void)state;
    uint32_t words[6] = {APIR_HANDSHAKE_CODE + 1, 0, 2, 0, 0, 0};
    struct fake_host host = {.on_handshake = answer, .test = words};
    setenv("GGML_VIRTGPU_PROTOCOL", "1", 1);
    expect_failure(&host, EPROTO, "deployed APIR protocol, version 0.2", SECOND);
    unsetenv("GGML_VIRTGPU_PROTOCOL");
}

static void host_of_the_deployed_protocol_is_spoken_to(void **state)
{
    (void)state;
    uint32_t words[6] = {APIR_HANDSHAKE_CODE + 1, 0, 1, 0, 0, 0}, major, minor;
    struct fake_host host = {.on_handshake = answer, .test = words};
    struct apir_session *session = fake_host_must_open(&host);
    apir_session_host_version(session, &major, &minor);
    assert_int_equal(major, 0);
    assert_int_equal(minor, 1);
    apir_session_own_version(session, &major, &minor);
    assert_int_equal(major, 0);
    assert_int_equal(minor, 2);
    assert_non_null(strstr(host.log_text, "guest is running with 0.2"));
    assert_non_null(strstr(host.log_text, "host is running with 0.1"));
    apir_session_close(session);
    fake_host_finish(&host);
}

static void other_major_version_of_the_deployed_protocol_is_declined(void **state)
{
    (void)state;
    uint32_t words[6] = {APIR_HANDSHAKE_CODE + 1, 1, 0, 0, 0, 0};
    struct fake_host host = {.on_handshake = answer, .test = words};
    expect_failure(&host, EPROTO, "host speaks protocol 1.0, this guest 0.2", SECOND);
}

static void other_major_version_is_declined(void **state)
{
    (void)state;
    static const uint32_t majors[] = {0, APIR_PROTOCOL_MAJOR + 1, UINT32_MAX};
    for (size_t i = 0; i < sizeof majors / sizeof *majors; i++) {
        uint32_t words[6] = {APIR_HANDSHAKE_CODE + 1, 0, 2, APIR_HANDSHAKE_MAGIC, majors[i], 5};
        struct fake_host host = {.on_handshake = answer, .test = words};
        expect_failure(&host, EPROTO, "same major number", SECOND);
    }
}

static void other_minor_version_works_and_is_warned_of(void **state)
{
    (void)state;
    uint32_t words[6] = {APIR_HANDSHAKE_CODE + 1, 0, 2, APIR_HANDSHAKE_MAGIC, APIR_PROTOCOL_MAJOR, 77};
    struct fake_host host = {.on_handshake = answer, .test = words};
    struct apir_session *session = fake_host_must_open(&host);
    struct apir_session_get_stats_reply stats;
    assert_int_equal(apir_call_session_get_stats(apir_session_control(session), NULL, &stats), 0);
    assert_non_null(strstr(host.log_text, "differ: guest 1.0, host 1.77"));
    apir_session_close(session);
    fake_host_finish(&host);
}

static void first_failure_stays_and_is_logged_once(void **state)
{
    (void)state;
    struct fake_host host = {0};
    struct apir_session *session = fake_host_must_open(&host);
    apir_session_fail(session, -EIO, "first");
    apir_session_fail(session, -ENOMEM, "second");
    assert_int_equal(apir_session_error(session), -EIO);
    assert_non_null(strstr(host.log_text, "first"));
    assert_null(strstr(host.log_text, "second"));
    apir_session_close(session);
    fake_host_finish(&host);
}

static void failed_session_shares_no_more_memory(void **state)
{
    (void)state;
    struct fake_host host = {0};
    struct apir_shm before, after;
    struct apir_session *session = fake_host_must_open(&host);
    assert_int_equal(apir_session_shm_create(session, 4096, &before), 0);
    apir_session_fail(session, -EIO, "test");
    assert_int_equal(apir_session_shm_create(session, 4096, &after), -EIO);
    apir_session_shm_destroy(session, &before);
    apir_session_close(session);
    fake_host_finish(&host);
}

static void close_of_nothing_is_a_no_op(void **state)
{
    (void)state;
    apir_session_close(NULL);
    apir_queue_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake_offers_both_versions),
        cmocka_unit_test(session_tells_and_logs_the_hosts_version),
        cmocka_unit_test(silent_host_is_given_up_after_two_seconds),
        cmocka_unit_test(host_that_hangs_up_is_noticed_at_once),
        cmocka_unit_test(host_that_dies_is_noticed_at_once),
        cmocka_unit_test(wrong_code_is_declined),
        cmocka_unit_test(host_of_the_deployed_protocol_is_declined_on_demand),
        cmocka_unit_test(host_of_the_deployed_protocol_is_spoken_to),
        cmocka_unit_test(other_major_version_of_the_deployed_protocol_is_declined),
        cmocka_unit_test(other_major_version_is_declined),
        cmocka_unit_test(other_minor_version_works_and_is_warned_of),
        cmocka_unit_test(first_failure_stays_and_is_logged_once),
        cmocka_unit_test(failed_session_shares_no_more_memory),
        cmocka_unit_test(close_of_nothing_is_a_no_op),
    };
    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
