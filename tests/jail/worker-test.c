/* A worker whose library was taken over, in apir's own protocol, or in that of deployed guests when the program is built with
 * PROTOCOL: what the jail refuses as it is wired in the real programs, before and after it is complete. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../backend/desk.h"
#include "attempt.h"

#ifndef PROTOCOL
#define PROTOCOL "1"
#endif

enum { WORDS = DESK_WORDS, NO_ANSWER = 0x5a5a5a5a };

/* Its name says that it computes on the processor and needs no driver; that of the other, nothing. */
static const char narrow[] = LIBRARIES "/libggml-cpu-hostile.so";
static const char wide[] = LIBRARIES "/fake-hostile.so";

static struct daemon host;

#ifdef APIR_UNFILTERED /* then workers have no filter of system calls */
#define SKIP_WITHOUT_FILTER() skip()
#else
#define SKIP_WITHOUT_FILTER() (void)0
#endif

static int start(const char *library)
{
    setenv("GGML_VIRTGPU_PROTOCOL", PROTOCOL, 1);
    return daemon_start_with(&host, library);
}

static int start_narrow(void **state)
{
    (void)state;
    return start(narrow);
}

static int start_wide(void **state)
{
    (void)state;
    return start(wide);
}

static int stop_host(void **state)
{
    (void)state;
    daemon_stop(&host);
    return 0;
}

/* What came of an attempt: its errno; NO_ANSWER if the worker did not survive it. */
static int attempt(struct desk *desk, int number)
{
    const int32_t words[WORDS] = {number}, before[WORDS] = {NO_ANSWER};
    int32_t after[WORDS] = {NO_ANSWER};
    ggml_backend_tensor_set(desk->source, words, 0, sizeof words);
    ggml_backend_tensor_set(desk->result, before, 0, sizeof before);
    ggml_backend_graph_compute(desk->backend, desk->graph);
    ggml_backend_synchronize(desk->backend);
    ggml_backend_tensor_get(desk->result, after, 0, sizeof after);
    if (ggml_backend_graph_compute(desk->backend, desk->graph) != GGML_STATUS_SUCCESS)
        return NO_ANSWER;
    return after[0];
}

static void expect(struct desk *desk, int number, bool success)
{
    char text[64];
    int error = attempt(desk, number);
    snprintf(text, sizeof text, "attempt %d gives %d", number, error);
    require(success ? error == 0 : error != 0 && error != NO_ANSWER, text);
}

static const int refused_always[] = {
    ATTEMPT_READ_PASSWORDS, ATTEMPT_READ_ENVIRONMENT, ATTEMPT_READ_DATA, ATTEMPT_WRITE_FILE,   ATTEMPT_USE_TCP,
    ATTEMPT_USE_UNIX_SOCKET, ATTEMPT_SIGNAL_PARENT,   ATTEMPT_FORK,      ATTEMPT_NAMESPACE, ATTEMPT_LOWER_PARENT,
};

static void try_what_is_refused_always(void *data)
{
    (void)data;
    struct desk desk = desk_open(0, ATTEMPT_NODE);
    expect(&desk, ATTEMPT_NOTHING, true);
    for (size_t i = 0; i < sizeof refused_always / sizeof *refused_always; i++) {
        expect(&desk, refused_always[i], false);
        expect(&desk, refused_always[i] + ATTEMPT_AT_LOAD, false);
        expect(&desk, refused_always[i] + ATTEMPT_IN_THREAD, false);
    }
}

static void what_a_worker_needs_not_is_refused_from_the_start(void **state)
{
    (void)state;
    SKIP_WITHOUT_FILTER();
    assert_true(in_child(host.socket, try_what_is_refused_always, NULL, NULL, 0));
}

static const int of_loading[] = {ATTEMPT_LOAD_LIBRARY, ATTEMPT_MAKE_CODE, ATTEMPT_READ_ITSELF};

static void try_what_loading_needs(void *narrow_later)
{
    struct desk desk = desk_open(0, ATTEMPT_NODE);
    for (size_t i = 0; i < sizeof of_loading / sizeof *of_loading; i++) {
        expect(&desk, of_loading[i] + ATTEMPT_AT_LOAD, true);
        expect(&desk, of_loading[i], !narrow_later);
        expect(&desk, of_loading[i] + ATTEMPT_IN_THREAD, !narrow_later);
    }
}

static void what_only_loading_needs_is_lost_before_the_first_call(void **state)
{
    (void)state;
    SKIP_WITHOUT_FILTER();
    assert_true(in_child(host.socket, try_what_loading_needs, &host, NULL, 0));
}

static void what_drivers_need_they_keep(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, try_what_loading_needs, NULL, NULL, 0));
}

/* Whether the daemon's log says so, soon. */
static bool is_logged(const char *text)
{
    char path[128], line[512];
    snprintf(path, sizeof path, "%s/log", host.folder);
    for (int i = 0; i < 1000; i++) { /* 5 s */
        FILE *log = fopen(path, "re");
        bool found = false;
        while (log && !found && fgets(line, sizeof line, log))
            found = strstr(line, text) != NULL;
        if (log)
            fclose(log);
        if (found)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    return false;
}

static void try_what_ends_the_worker(void *number)
{
    struct desk desk = desk_open(0, ATTEMPT_NODE);
    require(attempt(&desk, *(const int *)number) == NO_ANSWER, "the worker is ended");
}

static void what_nobody_needs_ends_the_worker_and_is_logged(void **state)
{
    (void)state;
    SKIP_WITHOUT_FILTER();
    for (int number = ATTEMPT_EXECUTE; number < ATTEMPT_COUNT; number++)
        assert_true(in_child(host.socket, try_what_ends_the_worker, &number, NULL, 0));
    assert_true(is_logged("died by signal 31"));
    assert_true(is_logged("its sandbox forbids a system call"));
}

static void find_no_device(void *data)
{
    (void)data;
    ggml_backend_reg_t reg = ggml_backend_load(PLUGIN);
    require(!reg || ggml_backend_reg_dev_count(reg) == 0, "there is no device");
}

static void who_requires_a_sandbox_gets_no_other(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip(); /* root's workers that stay root lack a layer on every kernel */
    setenv("GGML_VIRTGPU_PROTOCOL", PROTOCOL, 1);
    assert_int_equal(daemon_start_options(&host, "cpu", (const char *const[]){"--require-sandbox", "--worker-users", "none", NULL}), 0);
    assert_true(is_logged("the host serves only in a complete sandbox (--require-sandbox), and this one is without: own user"));
    bool declined = in_child(host.socket, find_no_device, NULL, NULL, 0);
    siginfo_t info = {.si_code = 0};
    waitid(P_PID, (id_t)host.pid, &info, WEXITED | WNOWAIT); /* it stops by itself, and says that it failed */
    daemon_stop(&host);
    assert_true(declined);
    assert_int_equal(info.si_code, CLD_EXITED);
    assert_int_equal(info.si_status, 1);
}

static void what_was_not_tried_on_a_gpu_is_told(void **state)
{
    SKIP_WITHOUT_FILTER();
    assert_int_equal(start(LIBRARIES "/libggml-cuda-hostile.so"), 0);
    bool told = is_logged("a trial on a GPU of NVIDIA");
    stop_host(state);
    assert_true(told);
}

int main(void)
{
    const struct CMUnitTest in_narrow[] = {
        cmocka_unit_test(what_a_worker_needs_not_is_refused_from_the_start),
        cmocka_unit_test(what_only_loading_needs_is_lost_before_the_first_call),
        cmocka_unit_test(what_nobody_needs_ends_the_worker_and_is_logged),
    };
    const struct CMUnitTest in_wide[] = {
        cmocka_unit_test(what_a_worker_needs_not_is_refused_from_the_start),
        cmocka_unit_test(what_drivers_need_they_keep),
        cmocka_unit_test(what_nobody_needs_ends_the_worker_and_is_logged),
    };
    const struct CMUnitTest required[] = {
        cmocka_unit_test(who_requires_a_sandbox_gets_no_other),
        cmocka_unit_test(what_was_not_tried_on_a_gpu_is_told),
    };
    int failed = cmocka_run_group_tests_name("required sandbox", required, NULL, NULL);
    failed += cmocka_run_group_tests_name("worker without drivers", in_narrow, start_narrow, stop_host);
    return failed + cmocka_run_group_tests_name("worker with drivers", in_wide, start_wide, stop_host);
}
