#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/clock.h"

void fixture_init(struct fixture *fixture)
{
    static const char name[] = "echo-worker";
    memset(fixture, 0, sizeof *fixture);
    ssize_t length = readlink("/proc/self/exe", fixture->worker_path, sizeof fixture->worker_path - sizeof name);
    assert_true(length > 0);
    strcpy(strrchr(fixture->worker_path, '/') + 1, name);
    strcpy(fixture->folder, "/tmp/apir-attach-test.XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    fixture->log = (struct apir_log){.stream = getenv("APIR_TEST_LOG") ? stderr : NULL,
                                     .level = APIR_LOG_DEBUG,
                                     .prefix = "apird"};
    fixture->options = (struct apir_worker_options){.path = fixture->worker_path,
                                                    .ggml_library = "echo",
                                                    .log_level = APIR_LOG_INFO,
                                                    .log = stderr};
    assert_int_equal(apir_loop_init(&fixture->loop), 0);
}

void fixture_finish(struct fixture *fixture)
{
    apir_loop_finish(&fixture->loop);
    assert_int_equal(rmdir(fixture->folder), 0);
}

bool fixture_run_until(struct fixture *fixture, bool (*done)(void *argument), void *argument)
{
    uint64_t limit = apir_clock_now() + UINT64_C(10) * 1000 * 1000 * 1000;
    while (!done(argument)) {
        if (apir_clock_now() > limit || apir_loop_step(&fixture->loop, 100) < 0)
            return false;
    }
    return true;
}
