/* What a link of the deployed protocol promises, with a host that does what the test says. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apir-calls.h"
#include "apir-upstream-protocol.h"
#include "client/queue.h"
#include "deployed-host.h"
#include "upstream/sample.h"
#include "util/arena.h"
#include "wire/capset.h"

enum { LOAD = APIR_UPSTREAM_COMMAND_LOAD_LIBRARY, FORWARD = APIR_UPSTREAM_COMMAND_FORWARD };

/* A session whose library is loaded, and the end of it. */
static struct apir_session *open_loaded(struct deployed_host *host)
{
    struct apir_session_options options = deployed_host_options();
    struct apir_session *session = deployed_host_must_open(host, &options);
    struct apir_arena arena = {0};
    struct apir_load_library_reply reply;
    assert_int_equal(apir_call_load_library(apir_session_control(session), &arena, &reply), 0);
    assert_int_equal(reply.status, APIR_LOAD_STATUS_OK);
    assert_int_equal(reply.devices, 1);
    apir_arena_finish(&arena);
    return session;
}

static void close_all(struct apir_session *session, struct deployed_host *host)
{
    apir_session_close(session);
    deployed_host_finish(host);
}

/* Any call that is one request. */
static int call(struct apir_session *session, struct apir_device_get_memory_reply *reply)
{
    struct apir_device_get_memory_args args = {.device = 0};
    return apir_call_device_get_memory(apir_session_control(session), NULL, &args, reply);
}

static int call_plain(struct apir_session *session)
{
    struct apir_device_get_memory_reply reply;
    return call(session, &reply);
}

static void expect_sample(const struct deployed_host *host, unsigned number, const char *name)
{
    struct sample_folder folder;
    struct sample sample;
    sample_folder_init(&folder, UPSTREAM_VECTORS);
    assert_true(sample_read(&folder, name, &sample));
    assert_true(number < host->n_requests);
    assert_int_equal(host->requests[number].size, sample.request.size);
    assert_memory_equal(host->requests[number].bytes, sample.request.data, sample.request.size);
}

static void handshake_and_load_are_those_of_deployed_guests(void **state)
{
    (void)state;
    struct deployed_host host = {.minor = 1};
    struct apir_session *session = open_loaded(&host);
    expect_sample(&host, 0, "HANDSHAKE");
    expect_sample(&host, 1, "LOADLIBRARY");
    assert_non_null(strstr(deployed_host_log(&host), "guest is running with 0.2"));
    assert_non_null(strstr(deployed_host_log(&host), "host is running with 0.1"));
    assert_non_null(strstr(deployed_host_log(&host), "handshake took"));
    assert_non_null(strstr(deployed_host_log(&host), "loading the host's library took"));
    close_all(session, &host);
}

static void host_that_knows_no_other_is_found_out(void **state)
{
    (void)state;
    struct deployed_host host = {.minor = 1};
    struct apir_session_options options = deployed_host_options();
    uint32_t major, minor;
    options.protocol = APIR_SESSION_ANY;
    struct apir_session *session = deployed_host_must_open(&host, &options);
    assert_int_equal(host.requests[0].size, 32); /* with what announces apir's own */
    apir_session_host_version(session, &major, &minor);
    assert_int_equal(major, 0);
    assert_int_equal(minor, 1);
    assert_false(apir_session_has_numbering(session));
    assert_false(apir_session_has_rows(session));
    close_all(session, &host);
}

static void host_that_can_do_more_is_spoken_to_so_on_demand(void **state)
{
    (void)state;
    struct deployed_host host = {.minor = 2, .has_trailer = true};
    struct apir_session *session = open_loaded(&host);
    assert_int_equal(host.requests[0].size, 20);
    assert_int_equal(call_plain(session), 0);
    close_all(session, &host);
}

static void expect_declined(struct deployed_host *host, enum apir_session_protocol protocol, const char *says)
{
    char reason[512] = "";
    struct apir_session_options options = deployed_host_options();
    options.protocol = protocol;
    assert_null(deployed_host_open(host, &options, reason, sizeof reason));
    assert_int_equal(errno, EPROTO);
    if (!strstr(reason, says))
        fail_msg("\"%s\" does not say \"%s\"", reason, says);
    deployed_host_finish(host);
}

static void another_major_version_is_declined(void **state)
{
    (void)state;
    expect_declined(&(struct deployed_host){.major = 1}, APIR_SESSION_ANY, "host speaks protocol 1.0, this guest 0.2");
    expect_declined(&(struct deployed_host){.major = 7}, APIR_SESSION_UPSTREAM, "install versions of the same major");
}

static void host_is_declined_when_the_protocol_is_excluded(void **state)
{
    (void)state;
    expect_declined(&(struct deployed_host){.minor = 1}, APIR_SESSION_OWN, "GGML_VIRTGPU_PROTOCOL=1");
}

static void handshake_that_is_not_answered_is_given_up(void **state)
{
    (void)state;
    char reason[512] = "";
    struct deployed_host host = {.has_code = {true}, .code = {DEPLOYED_SILENT}};
    struct apir_session_options options = deployed_host_options();
    deployed_host_start_watch();
    assert_null(deployed_host_open(&host, &options, reason, sizeof reason));
    assert_int_equal(errno, ETIMEDOUT);
    assert_non_null(strstr(reason, "no answer to the handshake"));
    assert_int_equal(deployed_host_watch(), 2000);
    deployed_host_finish(&host);
}

static const struct {
    uint32_t code;
    enum apir_load_status status;
    const char *says;
} load_codes[] = {
    {0, APIR_LOAD_STATUS_OK, ""},
    {1, APIR_LOAD_STATUS_REGISTER_FAILED, "renderer answers hypercall_initialization_error (1)"},
    {2, APIR_LOAD_STATUS_OK, ""},
    {3, APIR_LOAD_STATUS_PATH_MISSING, "env_var_missing (3): set VIRGL_APIR_BACKEND_LIBRARY"},
    {4, APIR_LOAD_STATUS_CANNOT_OPEN, "cannot_open (4): check VIRGL_APIR_BACKEND_LIBRARY"},
    {5, APIR_LOAD_STATUS_SYMBOL_MISSING, "symbol_missing (5)"},
    {7, APIR_LOAD_STATUS_REGISTER_FAILED, "backend library answers hypercall_initialization_error (7)"},
    {9, APIR_LOAD_STATUS_PATH_MISSING, "env_var_missing (9): set APIR_LLAMA_CPP_GGML_LIBRARY_PATH"},
    {10, APIR_LOAD_STATUS_CANNOT_OPEN,
     "backend library answers cannot_open (10): check APIR_LLAMA_CPP_GGML_LIBRARY_PATH"},
    {11, APIR_LOAD_STATUS_SYMBOL_MISSING, "symbol_missing (11): check APIR_LLAMA_CPP_GGML_LIBRARY_REG"},
    {13, APIR_LOAD_STATUS_REGISTER_FAILED, "cannot_open_backend_library (13)"},
    {14, APIR_LOAD_STATUS_CANNOT_OPEN, "cannot_open_ggml_library (14): check APIR_LLAMA_CPP_GGML_LIBRARY_PATH"},
    {15, APIR_LOAD_STATUS_REGISTER_FAILED, "missing_backend_symbols (15)"},
    {16, APIR_LOAD_STATUS_SYMBOL_MISSING, "missing_ggml_symbols (16): check APIR_LLAMA_CPP_GGML_LIBRARY_REG"},
    {17, APIR_LOAD_STATUS_REGISTER_FAILED, "backend_failed (17)"},
    {18, APIR_LOAD_STATUS_REGISTER_FAILED, "backend_reg_failed (18)"},
    {19, APIR_LOAD_STATUS_REGISTER_FAILED, "already_inited (19)"},
    {20, APIR_LOAD_STATUS_NO_DEVICE, "no_device (20)"},
    {21, APIR_LOAD_STATUS_NO_DEVICE, "backend_init_failed (21)"},
    {77, APIR_LOAD_STATUS_REGISTER_FAILED, "a code without a name (77)"},
};

static void every_load_code_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof load_codes / sizeof *load_codes; i++) {
        struct deployed_host host = {.has_code = {[LOAD] = true}, .code = {[LOAD] = load_codes[i].code}};
        struct apir_session_options options = deployed_host_options();
        struct apir_session *session = deployed_host_must_open(&host, &options);
        struct apir_arena arena = {0};
        struct apir_load_library_reply reply;
        assert_int_equal(apir_call_load_library(apir_session_control(session), &arena, &reply), 0);
        assert_int_equal(reply.status, load_codes[i].status);
        if (!strstr(reply.message, load_codes[i].says))
            fail_msg("\"%s\" does not say \"%s\"", reply.message, load_codes[i].says);
        apir_arena_finish(&arena);
        close_all(session, &host);
    }
}

static void load_that_is_not_answered_is_given_up(void **state)
{
    (void)state;
    struct deployed_host host = {.has_code = {[LOAD] = true}, .code = {[LOAD] = DEPLOYED_SILENT}};
    struct apir_session_options options = deployed_host_options();
    struct apir_session *session = deployed_host_must_open(&host, &options);
    struct apir_load_library_reply reply;
    deployed_host_start_watch();
    assert_int_equal(apir_call_load_library(apir_session_control(session), NULL, &reply), -ETIMEDOUT);
    assert_int_equal(apir_session_error(session), -ETIMEDOUT);
    assert_int_equal(deployed_host_watch(), 60000);
    close_all(session, &host);
}

static void results_are_the_hosts(void **state)
{
    (void)state;
    struct deployed_host host = {.minor = 1};
    struct apir_session *session = open_loaded(&host);
    struct apir_device_get_memory_reply reply;
    assert_int_equal(call(session, &reply), 0);
    assert_true(reply.total > 0 && reply.free <= reply.total);
    close_all(session, &host);
}

static void nothing_of_earlier_replies_is_left(void **state)
{
    (void)state;
    struct deployed_host host = {.minor = 1};
    struct apir_session *session = open_loaded(&host);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(call_plain(session), 0);
        assert_true(host.blob_was_zero);
    }
    close_all(session, &host);
}

static const struct {
    uint32_t code;
    int error;
    int session_error; /* afterwards */
    const char *says;
} forward_codes[] = {
    {0, -EPROTO, -EPROTO, "answers success (0)"},
    {1, -ENOSYS, 0, "answers no_dispatch_fct (1): it has no such function"},
    {2, -EPIPE, -EPIPE, "answers timeout (2)"},
    {3, -EPROTO, -EPROTO, "answers failed_to_sync_streams (3)"},
    {5, -EREMOTEIO, 0, "device_get_memory failed on the host: refused (1)"},
    {10, -EREMOTEIO, 0, "invalid_index (6)"},
    {99, -EREMOTEIO, 0, "a code without a name (95)"},
};

static void every_forward_code_is_an_error_and_logged(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forward_codes / sizeof *forward_codes; i++) {
        struct deployed_host host = {.minor = 1};
        struct apir_session *session = open_loaded(&host);
        host.has_code[FORWARD] = true;
        host.code[FORWARD] = forward_codes[i].code;
        assert_int_equal(call_plain(session), forward_codes[i].error);
        assert_int_equal(apir_session_error(session), forward_codes[i].session_error);
        if (!strstr(deployed_host_log(&host), forward_codes[i].says))
            fail_msg("\"%s\" does not say \"%s\"", deployed_host_log(&host), forward_codes[i].says);
        host.has_code[FORWARD] = false;
        assert_int_equal(call_plain(session), forward_codes[i].session_error);
        close_all(session, &host);
    }
}

static void results_that_cannot_be_read_end_the_session(void **state)
{
    (void)state;
    static const char not_a_string[] = "\xff\xff\xff\xff\xff\xff\xff\xff";
    struct deployed_host host = {.minor = 1};
    struct apir_session *session = open_loaded(&host);
    struct apir_arena arena = {0};
    struct apir_device_get_info_args args = {.device = 0};
    struct apir_device_get_info_reply reply;
    host.results = not_a_string;
    host.results_size = 8;
    assert_int_equal(apir_call_device_get_info(apir_session_control(session), &arena, &args, &reply), -EBADMSG);
    assert_int_equal(apir_session_error(session), -EBADMSG);
    assert_non_null(strstr(deployed_host_log(&host), "answer to device_get_name cannot be read"));
    apir_arena_finish(&arena);
    close_all(session, &host);
}

static void host_that_is_gone_ends_the_session(void **state)
{
    (void)state;
    struct deployed_host host = {.minor = 1};
    struct apir_session *session = open_loaded(&host);
    host.has_code[FORWARD] = true;
    host.code[FORWARD] = DEPLOYED_SILENT;
    host.wait_result = -EPIPE;
    assert_int_equal(call_plain(session), -EPIPE);
    assert_int_equal(apir_session_error(session), -EPIPE);
    unsigned requests = host.n_requests;
    assert_int_equal(call_plain(session), -EPIPE);
    assert_int_equal(host.n_requests, requests); /* nothing more is sent */
    close_all(session, &host);
}

/* Answers after an hour. */
static void answer_late(struct deployed_host *host)
{
    if (deployed_host_watch() >= 3600 * 1000)
        deployed_host_answer(host, APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE);
}

static void call_lasts_as_long_as_the_host_lives(void **state)
{
    (void)state;
    struct deployed_host host = {.minor = 1, .has_probe = true, .on_wait = answer_late};
    struct apir_session *session = open_loaded(&host);
    host.has_code[FORWARD] = true;
    host.code[FORWARD] = DEPLOYED_SILENT;
    deployed_host_start_watch();
    assert_int_equal(call_plain(session), 0);
    assert_true(host.n_probes >= 350 && host.n_probes <= 360); /* one in ten seconds */
    close_all(session, &host);
}

static void miss_one_fence(struct deployed_host *host)
{
    enum { MISSED = 3 };
    host->probe_result = host->n_probes == MISSED ? -ETIMEDOUT : 0; /* later ones come in time */
    answer_late(host);
}

static void fence_that_is_late_ends_nothing(void **state)
{
    (void)state;
    struct deployed_host host = {.minor = 1, .has_probe = true, .on_wait = miss_one_fence};
    struct apir_session *session = open_loaded(&host);
    host.has_code[FORWARD] = true;
    host.code[FORWARD] = DEPLOYED_SILENT;
    deployed_host_start_watch();
    assert_int_equal(call_plain(session), 0);
    assert_true(host.n_probes >= 350 && host.n_probes <= 360);
    close_all(session, &host);
}

static void link_that_notices_by_itself_has_no_limit(void **state)
{
    (void)state;
    struct deployed_host host = {.minor = 1, .on_wait = answer_late};
    struct apir_session *session = open_loaded(&host);
    host.has_code[FORWARD] = true;
    host.code[FORWARD] = DEPLOYED_SILENT;
    deployed_host_start_watch();
    assert_int_equal(call_plain(session), 0);
    assert_int_equal(host.n_probes, 0);
    close_all(session, &host);
}

static void limit_that_was_chosen_holds_there_too(void **state)
{
    (void)state;
    struct deployed_host host = {.minor = 1};
    struct apir_session_options options = deployed_host_options();
    options.silence_ns = UINT64_C(5000000000);
    options.silence_chosen = true;
    struct apir_session *session = deployed_host_must_open(&host, &options);
    host.has_code[FORWARD] = true;
    host.code[FORWARD] = DEPLOYED_SILENT;
    deployed_host_start_watch();
    assert_int_equal(call_plain(session), -ETIMEDOUT);
    assert_int_equal(deployed_host_watch(), 5000);
    close_all(session, &host);
}

static void host_without_fences_is_probed_once_and_given_up_in_time(void **state)
{
    (void)state;
    struct deployed_host host = {.minor = 1, .has_probe = true, .probe_result = -ETIMEDOUT};
    struct apir_session *session = open_loaded(&host);
    host.has_code[FORWARD] = true;
    host.code[FORWARD] = DEPLOYED_SILENT;
    deployed_host_start_watch();
    assert_int_equal(call_plain(session), -ETIMEDOUT);
    assert_int_equal(deployed_host_watch(), 600 * 1000);
    assert_int_equal(host.n_probes, 1);
    assert_int_equal(apir_session_error(session), -ETIMEDOUT);
    close_all(session, &host);
}

static void host_that_is_quick_is_not_probed(void **state)
{
    (void)state;
    struct deployed_host host = {.minor = 1, .has_probe = true, .probe_result = -ETIMEDOUT};
    struct apir_session *session = open_loaded(&host);
    for (int i = 0; i < 10; i++)
        assert_int_equal(call_plain(session), 0);
    assert_int_equal(host.n_probes, 0);
    close_all(session, &host);
}

static void worker_that_has_died_is_told_in_the_probe(void **state)
{
    (void)state;
    struct deployed_host host = {.minor = 1, .has_probe = true, .probe_tells_dead = true};
    struct apir_session *session = open_loaded(&host);
    host.has_code[FORWARD] = true;
    host.code[FORWARD] = DEPLOYED_SILENT;
    assert_int_equal(call_plain(session), -EPIPE);
    assert_int_equal(host.n_probes, 1);
    close_all(session, &host);
}

static void end_session(struct deployed_host *host)
{
    apir_session_fail(host->test, -EIO, "another thread");
}

static void session_that_ends_elsewhere_ends_the_wait(void **state)
{
    (void)state;
    struct deployed_host host = {.minor = 1};
    struct apir_session *session = open_loaded(&host);
    host.has_code[FORWARD] = true;
    host.code[FORWARD] = DEPLOYED_SILENT;
    host.test = session;
    host.on_wait = end_session;
    assert_int_equal(call_plain(session), -EIO);
    close_all(session, &host);
}

static void environment_sets_protocol_and_limit(void **state)
{
    (void)state;
    struct apir_session_options options;
    setenv("GGML_VIRTGPU_PROTOCOL", "0", 1);
    setenv("GGML_VIRTGPU_TIMEOUT", "5", 1);
    apir_session_options_init(&options, NULL);
    assert_int_equal(options.protocol, APIR_SESSION_UPSTREAM);
    assert_true(options.silence_ns == UINT64_C(5000000000) && options.silence_chosen);
    assert_true(options.handshake_ns == UINT64_C(2000000000) && options.load_ns == UINT64_C(60000000000));
    setenv("GGML_VIRTGPU_PROTOCOL", "1", 1);
    apir_session_options_init(&options, NULL);
    assert_int_equal(options.protocol, APIR_SESSION_OWN);
    static const char *const nonsense[] = {"", "x", "-3", "0", "5s", "99999999999999999999"};
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        setenv("GGML_VIRTGPU_PROTOCOL", nonsense[i], 1);
        setenv("GGML_VIRTGPU_TIMEOUT", nonsense[i], 1);
        apir_session_options_init(&options, NULL);
        assert_int_equal(options.protocol, strcmp(nonsense[i], "0") == 0 ? APIR_SESSION_UPSTREAM : APIR_SESSION_ANY);
        assert_true(options.silence_ns == UINT64_C(600000000000) && !options.silence_chosen);
    }
    unsetenv("GGML_VIRTGPU_PROTOCOL");
    unsetenv("GGML_VIRTGPU_TIMEOUT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake_and_load_are_those_of_deployed_guests),
        cmocka_unit_test(host_that_knows_no_other_is_found_out),
        cmocka_unit_test(host_that_can_do_more_is_spoken_to_so_on_demand),
        cmocka_unit_test(another_major_version_is_declined),
        cmocka_unit_test(host_is_declined_when_the_protocol_is_excluded),
        cmocka_unit_test(handshake_that_is_not_answered_is_given_up),
        cmocka_unit_test(every_load_code_is_told),
        cmocka_unit_test(load_that_is_not_answered_is_given_up),
        cmocka_unit_test(results_are_the_hosts),
        cmocka_unit_test(nothing_of_earlier_replies_is_left),
        cmocka_unit_test(every_forward_code_is_an_error_and_logged),
        cmocka_unit_test(results_that_cannot_be_read_end_the_session),
        cmocka_unit_test(host_that_is_gone_ends_the_session),
        cmocka_unit_test(call_lasts_as_long_as_the_host_lives),
        cmocka_unit_test(fence_that_is_late_ends_nothing),
        cmocka_unit_test(link_that_notices_by_itself_has_no_limit),
        cmocka_unit_test(limit_that_was_chosen_holds_there_too),
        cmocka_unit_test(host_without_fences_is_probed_once_and_given_up_in_time),
        cmocka_unit_test(host_that_is_quick_is_not_probed),
        cmocka_unit_test(worker_that_has_died_is_told_in_the_probe),
        cmocka_unit_test(session_that_ends_elsewhere_ends_the_wait),
        cmocka_unit_test(environment_sets_protocol_and_limit),
    };
    return cmocka_run_group_tests_name("upstream-link", tests, NULL, NULL);
}
