/* What the tests of the device share: a loop, a log, and echo-worker beside the test program. */
#ifndef APIR_TESTS_ATTACH_FIXTURE_H
#define APIR_TESTS_ATTACH_FIXTURE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "attach/loop.h"
#include "attach/worker-process.h"
#include "util/log.h"

struct fixture {
    struct apir_loop loop;
    struct apir_log log; /* silent unless APIR_TEST_LOG is set */
    struct apir_worker_options options;
    char worker_path[4096];
    char folder[64]; /* temporary */
};

void fixture_init(struct fixture *fixture);
void fixture_finish(struct fixture *fixture);

/* Steps the loop until done(argument), for at most 10 seconds. False if it was not done by then. */
bool fixture_run_until(struct fixture *fixture, bool (*done)(void *argument), void *argument);

#endif
