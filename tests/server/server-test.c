/* What a server does with good frames, and what is left when it ends. Bad ones: tests/reject. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "apir-codec.h"
#include "apir-upstream-protocol.h"
#include "server/raw-guest.h"
#include "server/server.h"
#include "util/clock.h"

/* A server of one harmless call on a thread, and its guest. */
struct fixture {
    struct apir_shm_table memory;
    pthread_t thread;
    int fd;
    int result;
    _Atomic int ended;
    _Atomic int expired;
    _Atomic bool hangs; /* the call does not return before the watchdog has found out */
    unsigned handshake_ms;
    struct apir_limits limits;
    struct raw_guest guest;
};

static int get_stats(void *data, struct apir_arena *scratch, struct apir_session_get_stats_reply *reply)
{
    struct fixture *f = data;
    (void)scratch;
    while (f->hangs && !atomic_load(&f->expired))
        apir_clock_sleep(1000000);
    reply->graphs = 1;
    return 0;
}

static const struct apir_handlers handlers = {.session_get_stats = get_stats};

static void note_ended(void *data)
{
    atomic_fetch_add(&((struct fixture *)data)->ended, 1);
}

static void note_expired(void *data)
{
    atomic_fetch_add(&((struct fixture *)data)->expired, 1);
}

static void *serve(void *data)
{
    struct fixture *f = data;
    const struct apir_server_options options = {
        .fd = f->fd, .handlers = &handlers, .handler_data = f, .memory = &f->memory, .ended = note_ended,
        .handshake_ms = f->handshake_ms, .limits = f->limits, .expired = note_expired, .expired_data = f};
    f->result = apir_server_run(&options);
    return NULL;
}

/* Of f, limits and handshake_ms are used. */
static void begin(struct fixture *f)
{
    int pair[2];
    apir_shm_table_init(&f->memory);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    f->fd = pair[0];
    raw_guest_init(&f->guest, pair[1]);
    assert_int_equal(pthread_create(&f->thread, NULL, serve, f), 0);
}

static void set_up_limited(struct fixture *f, const struct apir_limits *limits)
{
    *f = (struct fixture){.limits = *limits};
    begin(f);
}

static void set_up(struct fixture *f)
{
    set_up_limited(f, &(struct apir_limits){0});
}

/* The server's result. */
static int tear_down(struct fixture *f)
{
    shutdown(f->guest.connection.fd, SHUT_WR);
    pthread_join(f->thread, NULL);
    raw_guest_finish(&f->guest);
    apir_shm_table_finish(&f->memory);
    return f->result;
}

static int call_stats(struct fixture *f, struct raw_queue *queue)
{
    uint8_t request[64];
    size_t size = raw_guest_header(request, APIR_CALL_SESSION_GET_STATS, queue->sequence + 1);
    return raw_guest_call(&f->guest, queue, request, size);
}

static void handshake_is_answered_with_both_versions(void **state)
{
    (void)state;
    static const uint32_t expected[] = {APIR_HANDSHAKE_CODE + 1, APIR_COMPAT_MAJOR,   APIR_COMPAT_MINOR,
                                        APIR_HANDSHAKE_MAGIC,    APIR_PROTOCOL_MAJOR, APIR_PROTOCOL_MINOR};
    struct fixture f;
    set_up(&f);
    assert_true(raw_guest_handshake(&f.guest));
    assert_memory_equal(f.guest.status.data, expected, sizeof expected);
    assert_int_equal(tear_down(&f), 0);
}

static void handshake_under_a_venus_context_is_answered(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    raw_guest_share(&f.guest, APIR_STATUS_PAGE_SIZE, &f.guest.status);
    const uint32_t words[] = {APIR_VENUS_COMMAND_BASE + APIR_UPSTREAM_COMMAND_HANDSHAKE, 0, f.guest.status.id, 0, 2,
                              APIR_HANDSHAKE_MAGIC, 1, 0};
    raw_guest_submit(&f.guest, words, 8);
    assert_int_equal(tear_down(&f), 0);
}

static void a_peer_that_never_shakes_hands_is_ended(void **state)
{
    (void)state;
    struct fixture f = {.handshake_ms = 10};
    begin(&f);
    const uint8_t half = 1;
    send(f.guest.connection.fd, &half, sizeof half, 0);
    pthread_join(f.thread, NULL);
    assert_int_equal(f.result, -ETIMEDOUT);
    raw_guest_finish(&f.guest);
    apir_shm_table_finish(&f.memory);
}

static void who_has_shaken_hands_may_be_idle(void **state)
{
    (void)state;
    struct fixture f = {.handshake_ms = 10 * 1000};
    struct timeval timeout;
    socklen_t size = sizeof timeout;
    begin(&f);
    assert_true(raw_guest_handshake(&f.guest));
    f.guest.unsynced = true;
    raw_guest_sync(&f.guest);
    assert_int_equal(getsockopt(f.fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, &size), 0);
    assert_true(timeout.tv_sec == 0 && timeout.tv_usec == 0);
    assert_int_equal(tear_down(&f), 0);
}

static void nothing_may_be_asked_at_any_time(void **state)
{
    (void)state;
    struct fixture f;
    const uint32_t words[] = {APIR_COMMAND_NOTHING, 0, 0}, venus[] = {APIR_COMMAND_NOTHING + APIR_VENUS_COMMAND_BASE, 0, 0};
    set_up(&f);
    raw_guest_submit(&f.guest, words, 3);
    raw_guest_submit(&f.guest, venus, 3);
    assert_true(raw_guest_handshake(&f.guest));
    raw_guest_submit(&f.guest, words, 3);
    raw_guest_sync(&f.guest);
    assert_int_equal(tear_down(&f), 0);
}

static void calls_are_served_on_several_queues(void **state)
{
    (void)state;
    struct fixture f;
    struct raw_queue queues[3];
    set_up(&f);
    assert_true(raw_guest_handshake(&f.guest));
    for (uint32_t i = 0; i < 3; i++)
        raw_guest_open_queue(&f.guest, &queues[i], i * 20);
    for (int round = 0; round < 5; round++)
        for (uint32_t i = 0; i < 3; i++)
            assert_int_equal(call_stats(&f, &queues[i]), 0);
    assert_int_equal(tear_down(&f), 0);
    for (uint32_t i = 0; i < 3; i++)
        raw_guest_close_queue(&queues[i]);
}

static void removal_of_memory_is_acknowledged(void **state)
{
    (void)state;
    struct fixture f;
    struct raw_shm shm;
    struct apir_frame frame;
    set_up(&f);
    raw_guest_share(&f.guest, 4096, &shm);
    raw_guest_send(&f.guest, APIR_FRAME_SHM_REMOVE, &shm.id, sizeof shm.id, -1);
    assert_int_equal(apir_connection_receive(&f.guest.connection, &frame), 1);
    assert_int_equal(frame.type, APIR_FRAME_SHM_REMOVED);
    assert_int_equal(frame.size, sizeof shm.id);
    assert_memory_equal(frame.data, &shm.id, sizeof shm.id);
    raw_guest_unshare(&shm);
    assert_int_equal(tear_down(&f), 0);
}

static void removal_of_a_ring_is_acknowledged(void **state)
{
    (void)state;
    struct fixture f;
    struct raw_queue queue;
    struct apir_frame frame;
    set_up(&f);
    assert_true(raw_guest_handshake(&f.guest));
    raw_guest_open_queue(&f.guest, &queue, 0);
    assert_int_equal(call_stats(&f, &queue), 0);
    raw_guest_send(&f.guest, APIR_FRAME_SHM_REMOVE, &queue.memory.id, sizeof queue.memory.id, -1);
    assert_int_equal(apir_connection_receive(&f.guest.connection, &frame), 1);
    assert_int_equal(frame.type, APIR_FRAME_SHM_REMOVED);
    raw_guest_close_queue(&queue);
    assert_int_equal(tear_down(&f), 0);
}

static void fence_comes_back_after_earlier_frames(void **state)
{
    (void)state;
    struct fixture f;
    struct raw_shm shm;
    struct apir_frame frame;
    const struct apir_frame_fence fence = {.ring = 5, .id = UINT64_MAX};
    set_up(&f);
    raw_guest_share(&f.guest, 4096, &shm);
    raw_guest_send(&f.guest, APIR_FRAME_SHM_REMOVE, &shm.id, sizeof shm.id, -1);
    raw_guest_send(&f.guest, APIR_FRAME_FENCE, &fence, sizeof fence, -1);
    assert_int_equal(apir_connection_receive(&f.guest.connection, &frame), 1);
    assert_int_equal(frame.type, APIR_FRAME_SHM_REMOVED);
    assert_int_equal(apir_connection_receive(&f.guest.connection, &frame), 1);
    assert_int_equal(frame.type, APIR_FRAME_FENCE_DONE);
    assert_memory_equal(frame.data, &fence, sizeof fence);
    raw_guest_unshare(&shm);
    assert_int_equal(tear_down(&f), 0);
}

static void end_of_the_connection_marks_the_session_dead(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    assert_true(raw_guest_handshake(&f.guest));
    shutdown(f.guest.connection.fd, SHUT_WR);
    assert_true(raw_guest_is_dead(&f.guest));
    assert_int_equal(tear_down(&f), 0);
    assert_int_equal(f.ended, 1);
}

static void refusal_of_a_call_ends_the_server(void **state)
{
    (void)state;
    struct fixture f;
    struct raw_queue queue;
    uint8_t request[64];
    set_up(&f);
    assert_true(raw_guest_handshake(&f.guest));
    raw_guest_open_queue(&f.guest, &queue, 0);
    assert_int_equal(raw_guest_call(&f.guest, &queue, request, raw_guest_header(request, 999, 1)), -ENOSYS);
    assert_true(raw_guest_is_dead(&f.guest));
    assert_int_equal(tear_down(&f), -EPROTO);
    assert_int_equal(f.ended, 1);
    raw_guest_close_queue(&queue);
}

static void refusal_of_a_frame_ends_the_server(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    assert_true(raw_guest_handshake(&f.guest));
    raw_guest_send(&f.guest, 99, NULL, 0, -1);
    assert_true(raw_guest_is_dead(&f.guest));
    assert_int_equal(tear_down(&f), -EPROTO);
    assert_int_equal(f.ended, 1);
}

static void call_that_hangs_ends_the_session(void **state)
{
    (void)state;
    struct fixture f;
    struct raw_queue queue;
    set_up_limited(&f, &(struct apir_limits){.compute_seconds = 1});
    assert_true(raw_guest_handshake(&f.guest));
    raw_guest_open_queue(&f.guest, &queue, 0);
    assert_int_equal(call_stats(&f, &queue), 0);
    f.hangs = true; /* read by the thread of the queue after the next request */
    call_stats(&f, &queue);
    assert_true(raw_guest_is_dead(&f.guest));
    assert_int_equal(tear_down(&f), 0);
    assert_int_equal(f.expired, 1);
    assert_int_equal(f.ended, 1);
    raw_guest_close_queue(&queue);
}

static uint32_t refused_memory(struct fixture *f)
{
    raw_guest_sync(&f->guest);
    return atomic_load(apir_status_refused(f->guest.status.data));
}

static void memory_beyond_the_quota_is_named_in_the_status_page(void **state)
{
    (void)state;
    struct fixture f;
    struct raw_shm large, small;
    struct raw_queue queue;
    set_up_limited(&f, &(struct apir_limits){.shared_memory = 1 << 20});
    assert_true(raw_guest_handshake(&f.guest));
    raw_guest_share(&f.guest, 1 << 20, &large);
    assert_int_equal(refused_memory(&f), large.id);
    raw_guest_share(&f.guest, 4096, &small);
    assert_int_equal(refused_memory(&f), 0);
    raw_guest_send(&f.guest, APIR_FRAME_SHM_REMOVE, &large.id, sizeof large.id, -1);
    raw_guest_open_queue(&f.guest, &queue, 0);
    assert_int_equal(call_stats(&f, &queue), 0);
    raw_guest_close_queue(&queue);
    raw_guest_unshare(&large);
    raw_guest_unshare(&small);
    assert_int_equal(tear_down(&f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake_is_answered_with_both_versions),
        cmocka_unit_test(handshake_under_a_venus_context_is_answered),
        cmocka_unit_test(a_peer_that_never_shakes_hands_is_ended),
        cmocka_unit_test(who_has_shaken_hands_may_be_idle),
        cmocka_unit_test(nothing_may_be_asked_at_any_time),
        cmocka_unit_test(calls_are_served_on_several_queues),
        cmocka_unit_test(removal_of_memory_is_acknowledged),
        cmocka_unit_test(removal_of_a_ring_is_acknowledged),
        cmocka_unit_test(fence_comes_back_after_earlier_frames),
        cmocka_unit_test(end_of_the_connection_marks_the_session_dead),
        cmocka_unit_test(refusal_of_a_call_ends_the_server),
        cmocka_unit_test(refusal_of_a_frame_ends_the_server),
        cmocka_unit_test(call_that_hangs_ends_the_session),
        cmocka_unit_test(memory_beyond_the_quota_is_named_in_the_status_page),
    };
    return cmocka_run_group_tests_name("server", tests, NULL, NULL);
}
