#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake-host.h"
#include "util/clock.h"

#define SECOND UINT64_C(1000000000)

static int get_stats(struct apir_queue *queue)
{
    struct apir_session_get_stats_reply stats;
    int ret = apir_call_session_get_stats(queue, NULL, &stats);
    if (ret == 0)
        assert_true(stats.graphs == 1 && stats.nodes == 2 && stats.buffers == 3 && stats.buffer_bytes == 4);
    return ret;
}

static void call_returns_the_results(void **state)
{
    (void)state;
    struct fake_host host = {0};
    struct apir_session *session = fake_host_must_open(&host);
    for (int i = 0; i < 100; i++)
        assert_int_equal(get_stats(apir_session_control(session)), 0);
    assert_int_equal(host.requests, 100);
    apir_session_close(session);
    fake_host_finish(&host);
}

/* The last request that the host saw. */
struct seen {
    struct apir_request_header header;
    struct apir_dependency wait; /* the first */
};

struct memory {
    pthread_mutex_t lock; /* guards seen */
    struct seen seen;
};

static void memorise(struct memory *memory, const struct fake_request *request)
{
    pthread_mutex_lock(&memory->lock);
    memory->seen.header = request->header;
    if (request->header.n_waits)
        memory->seen.wait = request->header.waits[0];
    pthread_mutex_unlock(&memory->lock);
}

static struct seen recall(struct memory *memory)
{
    pthread_mutex_lock(&memory->lock);
    struct seen seen = memory->seen;
    pthread_mutex_unlock(&memory->lock);
    return seen;
}

static bool remember(struct fake_host *host, const struct fake_request *request)
{
    memorise(host->test, request);
    return fake_host_serve(host, request);
}

static void requests_are_numbered_from_one(void **state)
{
    (void)state;
    struct memory memory = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct fake_host host = {.on_request = remember, .test = &memory};
    struct apir_session *session = fake_host_must_open(&host);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_true(apir_queue_next(apir_session_control(session)) == i);
        assert_int_equal(get_stats(apir_session_control(session)), 0);
        struct seen seen = recall(&memory);
        assert_true(seen.header.sequence == i);
        assert_int_equal(seen.header.n_waits, 0);
        assert_int_equal(seen.header.call, APIR_CALL_SESSION_GET_STATS);
    }
    apir_session_close(session);
    fake_host_finish(&host);
}

/* Calls on a failed session fail without reaching the host. */
static void expect_ended(struct fake_host *host, struct apir_session *session, int error)
{
    uint32_t before = host->requests;
    assert_int_equal(apir_session_error(session), error);
    assert_int_equal(get_stats(apir_session_control(session)), error);
    assert_int_equal(host->requests, before);
    assert_non_null(strstr(host->log_text, "session_get_stats"));
    apir_session_close(session);
    fake_host_finish(host);
}

static bool hang_up(struct fake_host *host, const struct fake_request *request)
{
    (void)host;
    (void)request;
    return false;
}

static void host_that_hangs_up_in_a_call_fails_it_within_a_second(void **state)
{
    (void)state;
    struct fake_host host = {.on_request = hang_up};
    struct apir_session *session = fake_host_must_open(&host);
    uint64_t start = apir_clock_now();
    assert_int_equal(get_stats(apir_session_control(session)), -EPIPE);
    assert_true(apir_clock_now() - start < SECOND);
    expect_ended(&host, session, -EPIPE);
}

static bool die(struct fake_host *host, const struct fake_request *request)
{
    (void)request;
    fake_host_mark_dead(host);
    return true;
}

static void host_that_dies_in_a_call_fails_it_within_a_second(void **state)
{
    (void)state;
    struct fake_host host = {.on_request = die};
    struct apir_session *session = fake_host_must_open(&host);
    uint64_t start = apir_clock_now();
    assert_int_equal(get_stats(apir_session_control(session)), -EPIPE);
    assert_true(apir_clock_now() - start < SECOND);
    expect_ended(&host, session, -EPIPE);
}

/* A reply as a bad host sends it. */
struct bad_reply {
    const char *what;
    uint32_t size; /* of the header; 0: as it should be */
    int32_t status;
    uint64_t sequence_offset;
    size_t results; /* words */
};

static bool reply_badly(struct fake_host *host, const struct fake_request *request)
{
    static const uint32_t words[32];
    const struct bad_reply *bad = host->test;
    uint8_t reply[4096];
    size_t size = fake_host_write_reply(reply, request->header.sequence + bad->sequence_offset, words, bad->results);
    if (bad->size != 48)
        memcpy(reply, &bad->size, sizeof bad->size);
    memcpy(reply + 4, &bad->status, sizeof bad->status);
    fake_host_reply(request->memory, reply, size, request->header.sequence);
    return true;
}

static void malformed_replies_end_the_session(void **state)
{
    (void)state;
    static const struct bad_reply replies[] = {
        {"sequence of the call before", 48, 0, UINT64_MAX, 8},
        {"sequence of the next call", 48, 0, 1, 8},
        {"sequence of another epoch", 48, 0, UINT64_C(1) << 32, 8},
        {"size 0", 0, 0, 0, 8},
        {"size inside of the word", 3, 0, 0, 8},
        {"size inside of the header", 15, 0, 0, 8},
        {"no results", 16, 0, 0, 0},
        {"results cut short", 44, 0, 0, 7},
        {"results too long", 52, 0, 0, 9},
        {"size over the area", APIR_MAX_RECORD + 1, 0, 0, 8},
        {"size over all", UINT32_MAX, 0, 0, 8},
        {"whole area", APIR_MAX_RECORD, 0, 0, 8},
        {"status over 0", 48, 1, 0, 8},
        {"largest status", 48, INT32_MAX, 0, 8},
    };
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        struct bad_reply bad = replies[i];
        struct fake_host host = {.on_request = reply_badly, .test = &bad};
        struct apir_session *session = fake_host_must_open(&host);
        int ret = get_stats(apir_session_control(session));
        if (ret != -EBADMSG)
            fail_msg("%s: %d", bad.what, ret);
        expect_ended(&host, session, -EBADMSG);
    }
}

static void refusal_of_the_host_ends_the_session_with_its_error(void **state)
{
    (void)state;
    struct bad_reply bad = {"refusal", 16, -ENOENT, 0, 0};
    struct fake_host host = {.on_request = reply_badly, .test = &bad};
    struct apir_session *session = fake_host_must_open(&host);
    assert_int_equal(get_stats(apir_session_control(session)), -ENOENT);
    expect_ended(&host, session, -ENOENT);
}

static bool reply_garbage(struct fake_host *host, const struct fake_request *request)
{
    uint8_t garbage[4096];
    memset(garbage, *(int *)host->test, sizeof garbage);
    fake_host_reply(request->memory, garbage, sizeof garbage, request->header.sequence);
    return true;
}

static void garbage_ends_the_session(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte += 15) {
        struct fake_host host = {.on_request = reply_garbage, .test = &byte};
        struct apir_session *session = fake_host_must_open(&host);
        assert_int_equal(get_stats(apir_session_control(session)), -EBADMSG);
        expect_ended(&host, session, -EBADMSG);
    }
}

static void request_that_does_not_fit_fails_alone(void **state)
{
    (void)state;
    static const char long_name[] = "a name of 80 letters, so that two lists of the largest length exceed a record";
    const char *names[APIR_MAX_OPS];
    struct fake_host host = {0};
    struct apir_session *session = fake_host_must_open(&host);
    struct apir_arena arena = {0};
    struct apir_negotiate_reply reply;
    for (uint32_t i = 0; i < APIR_MAX_OPS; i++)
        names[i] = long_name;
    const struct apir_negotiate_args args = {.ggml_version = "", .ops = names, .n_ops = APIR_MAX_OPS,
                                             .unary_ops = names, .n_unary_ops = APIR_MAX_OPS};
    assert_int_equal(apir_call_negotiate(apir_session_control(session), &arena, &args, &reply), -EMSGSIZE);
    assert_int_equal(host.requests, 0);
    assert_int_equal(apir_session_error(session), 0);
    assert_int_equal(get_stats(apir_session_control(session)), 0);
    apir_arena_finish(&arena);
    apir_session_close(session);
    fake_host_finish(&host);
}

static void queues_have_numbers_of_their_own_until_all_are_taken(void **state)
{
    (void)state;
    struct fake_host host = {0};
    struct apir_queue *queues[APIR_MAX_QUEUES];
    struct apir_session *session = fake_host_must_open(&host);
    assert_int_equal(apir_queue_id(apir_session_control(session)), 0);
    for (uint32_t i = 1; i < APIR_MAX_QUEUES; i++) {
        queues[i] = apir_queue_open(session);
        assert_non_null(queues[i]);
        assert_int_equal(apir_queue_id(queues[i]), i);
        assert_int_equal(get_stats(queues[i]), 0);
    }
    assert_null(apir_queue_open(session));
    assert_int_equal(errno, EBUSY);
    for (uint32_t i = 1; i < APIR_MAX_QUEUES; i++)
        apir_queue_close(queues[i]);
    apir_session_close(session);
    fake_host_finish(&host);
}

/* A control call whose answer waits until the host has seen a call of another queue. */
struct race {
    struct apir_session *session;
    struct fake_request held; /* the control call's */
    _Atomic int in_flight;
    struct memory memory;
};

static bool hold_control(struct fake_host *host, const struct fake_request *request)
{
    struct race *race = host->test;
    if (request->queue == 0) {
        race->held = *request;
        atomic_store(&race->in_flight, 1);
        return true;
    }
    memorise(&race->memory, request);
    bool held = atomic_exchange(&race->in_flight, 0);
    return (!held || fake_host_serve(host, &race->held)) && fake_host_serve(host, request);
}

static void *call_control(void *data)
{
    return (void *)(intptr_t)get_stats(apir_session_control(data));
}

static void call_waits_for_what_it_is_told_to_and_is_in_flight(void **state)
{
    (void)state;
    struct race race = {.memory.lock = PTHREAD_MUTEX_INITIALIZER};
    struct fake_host host = {.on_request = hold_control, .test = &race};
    struct apir_session *session = fake_host_must_open(&host);
    struct apir_queue *queue = apir_queue_open(session);
    pthread_t thread;
    void *ret;
    assert_int_equal(pthread_create(&thread, NULL, call_control, session), 0);
    while (!atomic_load(&race.in_flight))
        apir_clock_sleep(100000);
    apir_queue_wait_for(queue, 0, 1);
    apir_queue_wait_for(queue, 0, 1); /* said twice is waited for once */
    assert_int_equal(get_stats(queue), 0);
    pthread_join(thread, &ret);
    assert_null(ret);
    struct seen seen = recall(&race.memory);
    assert_int_equal(seen.header.n_waits, 1);
    assert_int_equal(seen.wait.queue, 0);
    assert_true(seen.wait.sequence == 1);
    assert_int_equal(get_stats(queue), 0);
    assert_int_equal(recall(&race.memory).header.n_waits, 0); /* once only */
    apir_queue_close(queue);
    apir_session_close(session);
    fake_host_finish(&host);
}

static void call_waits_for_nothing_that_has_completed(void **state)
{
    (void)state;
    struct memory memory = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct fake_host host = {.on_request = remember, .test = &memory};
    struct apir_session *session = fake_host_must_open(&host);
    struct apir_queue *queue = apir_queue_open(session);
    assert_int_equal(get_stats(apir_session_control(session)), 0);
    apir_queue_lock(queue);
    apir_queue_wait_for(queue, 0, 1);   /* has completed */
    apir_queue_wait_for(queue, 0, 99);  /* was never begun */
    apir_queue_wait_for(queue, 1, 1);   /* the queue itself */
    apir_queue_wait_for(queue, 33, 1);  /* not open */
    apir_queue_wait_for(queue, 999, 1); /* no queue at all */
    assert_int_equal(get_stats(queue), 0);
    apir_queue_unlock(queue);
    assert_int_equal(recall(&memory).header.n_waits, 0);
    apir_queue_close(queue);
    apir_session_close(session);
    fake_host_finish(&host);
}

/* The control queue's call is answered never, the other queue's badly. */
static bool fail_the_other(struct fake_host *host, const struct fake_request *request)
{
    static const uint8_t zeros[64];
    struct race *race = host->test;
    if (request->queue == 0)
        atomic_store(&race->in_flight, 1);
    else
        fake_host_reply(request->memory, zeros, sizeof zeros, request->header.sequence);
    return true;
}

static void failure_of_one_queue_ends_the_call_of_another(void **state)
{
    (void)state;
    struct race race = {.memory.lock = PTHREAD_MUTEX_INITIALIZER};
    struct fake_host host = {.on_request = fail_the_other, .test = &race};
    struct apir_session *session = fake_host_must_open(&host);
    struct apir_queue *queue = apir_queue_open(session);
    pthread_t thread;
    void *ret;
    assert_int_equal(pthread_create(&thread, NULL, call_control, session), 0);
    while (!atomic_load(&race.in_flight))
        apir_clock_sleep(100000);
    uint64_t start = apir_clock_now();
    assert_int_equal(get_stats(queue), -EBADMSG);
    pthread_join(thread, &ret);
    assert_true(apir_clock_now() - start < SECOND);
    assert_int_equal((intptr_t)ret, -EBADMSG);
    apir_queue_close(queue);
    apir_session_close(session);
    fake_host_finish(&host);
}

static void *call_many(void *data)
{
    intptr_t ret = 0;
    for (int i = 0; i < 50 && ret == 0; i++)
        ret = get_stats(data);
    return (void *)ret;
}

static void threads_share_a_queue(void **state)
{
    (void)state;
    struct fake_host host = {0};
    struct apir_session *session = fake_host_must_open(&host);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_many, apir_session_control(session)), 0);
    for (int i = 0; i < 3; i++) {
        void *ret;
        pthread_join(threads[i], &ret);
        assert_null(ret);
    }
    assert_int_equal(host.requests, 150);
    apir_session_close(session);
    fake_host_finish(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(call_returns_the_results),
        cmocka_unit_test(requests_are_numbered_from_one),
        cmocka_unit_test(host_that_hangs_up_in_a_call_fails_it_within_a_second),
        cmocka_unit_test(host_that_dies_in_a_call_fails_it_within_a_second),
        cmocka_unit_test(malformed_replies_end_the_session),
        cmocka_unit_test(refusal_of_the_host_ends_the_session_with_its_error),
        cmocka_unit_test(garbage_ends_the_session),
        cmocka_unit_test(request_that_does_not_fit_fails_alone),
        cmocka_unit_test(queues_have_numbers_of_their_own_until_all_are_taken),
        cmocka_unit_test(call_waits_for_what_it_is_told_to_and_is_in_flight),
        cmocka_unit_test(call_waits_for_nothing_that_has_completed),
        cmocka_unit_test(failure_of_one_queue_ends_the_call_of_another),
        cmocka_unit_test(threads_share_a_queue),
    };
    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
