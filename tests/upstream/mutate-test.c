/* Requests of deployed guests that were cut or changed: answered with a code or refused with the context, never
 * anything worse; and nothing is written but the answer. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "upstream/host.h"

enum {
    ALLOC_BUFFER = 14,
    FREE_BUFFER = 21,
    HANDSHAKE_DONE = 0xab1f,
    LOADED = 1,
    MAX_ANSWER = 512, /* bytes: the longest string and what is before it */
    MAX_DATA = 256,   /* bytes of the largest buffer in the samples */
    CHECKED = 0x2000, /* bytes of a blob that are looked at */
    GRAPH_SIZE = 16,  /* where backend_graph_compute has the graph's size */
};

static const uint32_t words[] = {0, 1, 0x7fffffff, 0x80000000, UINT32_MAX};
enum { N_WORDS = sizeof words / sizeof *words };

/* A session that is replaced when it has died of a mutation. */
struct victim {
    bool graphs; /* of a library that only touches what a graph names: whether the numbers of an op make sense is left
                    to ggml's libraries, which end their process if not */
    struct upstream_session session;
    struct deployed_blob *canary; /* shared, and named by no request */
    struct sample sample;         /* the one that is mutated, for this session */
    const char *name;
    bool alive;
    uint8_t data[CHECKED]; /* what the data blob held before the request */
    uint8_t untouched[CHECKED];
};

static void bury(struct victim *victim)
{
    if (victim->alive)
        assert_int_equal(upstream_session_close(&victim->session), 0);
    victim->alive = false;
}

static const char *const before_graphs[] = {
    "HANDSHAKE",
    "LOADLIBRARY",
    "device_get_buffer_type",
    "buffer_type_alloc_buffer",
    "buffer_type_alloc_buffer.2",
};

static void open_for_graphs(struct upstream_session *session)
{
    const struct upstream_setup setup = {.executor = {.library = FAULT_ONE}};
    upstream_session_open(session, &setup, false, UPSTREAM_SMALL_DATA);
    for (size_t i = 0; i < sizeof before_graphs / sizeof *before_graphs; i++)
        if (replay_exchange(&session->replay, before_graphs[i]) < 0)
            fail_msg("%s", session->replay.error);
}

static void open_for_requests(struct upstream_session *session, const char *name)
{
    upstream_session_open(session, NULL, false, UPSTREAM_SMALL_DATA);
    upstream_session_replay(session, name);
}

/* Makes the sample's session, and brings it to the point before the sample. */
static void revive(struct victim *victim, const char *name)
{
    if (!victim->alive || victim->name != name) {
        bury(victim);
        if (victim->graphs)
            open_for_graphs(&victim->session);
        else
            open_for_requests(&victim->session, name);
        victim->canary = deployed_guest_share(&victim->session.guest, CHECKED);
        assert_non_null(victim->canary);
        memset(victim->canary->data, DEPLOYED_CANARY, CHECKED);
        memset(victim->untouched, DEPLOYED_CANARY, CHECKED);
        victim->alive = true;
        victim->name = name;
    }
    assert_true(replay_prepare(&victim->session.replay, name, &victim->sample));
    memset(victim->data, DEPLOYED_CANARY, sizeof victim->data);
    memcpy(victim->data, victim->sample.shm.data, victim->sample.shm.size);
}

static bool is_success(const struct victim *victim, uint32_t notif)
{
    uint32_t command = deployed_u32(victim->sample.request.data) % DEPLOYED_VENUS_BASE;
    return notif == (command == 0 ? HANDSHAKE_DONE : command == 1 ? LOADED : DEPLOYED_OK);
}

static void check_memory(const struct victim *victim, uint32_t notif)
{
    const struct deployed_guest *guest = &victim->session.guest;
    bool good = notif == DEPLOYED_OK;
    assert_memory_equal(victim->canary->data, victim->untouched, CHECKED);
    size_t from = good ? MAX_DATA : 0;
    assert_memory_equal(guest->data.data + from, victim->data + from, CHECKED - from);
    assert_true(deployed_guest_written(guest) <= (good || notif == HANDSHAKE_DONE ? MAX_ANSWER : 4));
}

/* Sends the first size bytes of the victim's request. True if the answer is one of success. */
static bool post(struct victim *victim, size_t size)
{
    const uint8_t *request = victim->sample.request.data;
    uint32_t notif = 0, function = size >= 8 ? deployed_u32(request + DEPLOYED_FUNCTION) : 0;
    memcpy(victim->session.guest.data.data, victim->data, sizeof victim->data);
    int ret = deployed_guest_call(&victim->session.guest, request, size, &notif);
    if (ret == -EPIPE) {
        assert_int_equal(upstream_session_close(&victim->session), -EPROTO);
        victim->alive = false;
        return false;
    }
    if (ret < 0)
        fail_msg("%s: no answer, and the context goes on", victim->name);
    check_memory(victim, notif);
    if (notif == DEPLOYED_OK && (function == ALLOC_BUFFER || function == FREE_BUFFER))
        bury(victim); /* it is no longer what the sample expects */
    return is_success(victim, notif);
}

static void cut(struct victim *victim, const char *name, size_t size)
{
    revive(victim, name);
    if (post(victim, size))
        fail_msg("%s: served although only %zu bytes of it were sent", name, size);
}

static size_t request_size(struct victim *victim, const char *name)
{
    revive(victim, name);
    return victim->sample.request.size;
}

/* Headers are spoiled once for each function, since each time costs a session. */
static size_t first_byte(const char *name)
{
    return strchr(name, '.') ? DEPLOYED_HEADER_SIZE : 0;
}

static void a_request_cut_anywhere_is_refused(void **state)
{
    (void)state;
    struct victim victim = {0};
    for (const char *const *name = sample_order; *name; name++)
        for (size_t size = request_size(&victim, *name); size > first_byte(*name); size--)
            cut(&victim, *name, size - 1);
    bury(&victim);
}

/* which is a word of the list, or beyond: all 8 bytes of a number are ones. */
static void change(struct victim *victim, uint8_t *bytes, size_t size, size_t at, unsigned which)
{
    if (which < N_WORDS)
        deployed_put_u32(bytes + at, words[which]);
    else if (at + 8 <= size)
        deployed_put_u64(bytes + at, UINT64_MAX);
    post(victim, victim->sample.request.size);
}

static void any_field_of_a_request_may_be_anything(void **state)
{
    (void)state;
    struct victim victim = {0};
    for (const char *const *name = sample_order; *name; name++) {
        size_t size = request_size(&victim, *name);
        for (size_t at = first_byte(*name); at + 4 <= size; at += 4)
            for (unsigned which = 0; which <= N_WORDS; which++) {
                revive(&victim, *name);
                change(&victim, victim.sample.request.data, size, at, which);
            }
    }
    bury(&victim);
}

static const char *const graphs[] = {"backend_graph_compute", "backend_graph_compute.2"};

static size_t graph_size(struct victim *victim, const char *name)
{
    revive(victim, name);
    return victim->sample.shm.size;
}

static void any_field_of_a_graph_may_be_anything(void **state)
{
    (void)state;
    struct victim victim = {.graphs = true};
    for (unsigned i = 0; i < 2; i++) {
        size_t size = graph_size(&victim, graphs[i]);
        for (size_t at = 0; at + 4 <= size; at += 4)
            for (unsigned which = 0; which <= N_WORDS; which++) {
                revive(&victim, graphs[i]);
                change(&victim, victim.data, size, at, which);
            }
    }
    bury(&victim);
}

static void a_graph_cut_anywhere_is_refused(void **state)
{
    (void)state;
    struct victim victim = {.graphs = true};
    for (unsigned i = 0; i < 2; i++)
        for (size_t size = graph_size(&victim, graphs[i]); size > 0; size--) {
            revive(&victim, graphs[i]);
            deployed_put_u64(victim.sample.request.data + GRAPH_SIZE, size - 1);
            assert_false(post(&victim, victim.sample.request.size));
        }
    bury(&victim);
}

static void a_good_session_is_served_after_all_that(void **state)
{
    (void)state;
    struct upstream_session session;
    upstream_session_open(&session, NULL, false, UPSTREAM_SMALL_DATA);
    upstream_session_replay(&session, NULL);
    assert_int_equal(upstream_session_close(&session), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_cut_anywhere_is_refused),
        cmocka_unit_test(any_field_of_a_request_may_be_anything),
        cmocka_unit_test(a_graph_cut_anywhere_is_refused),
        cmocka_unit_test(any_field_of_a_graph_may_be_anything),
        cmocka_unit_test(a_good_session_is_served_after_all_that),
    };
    return cmocka_run_group_tests_name("mutations of deployed guests", tests, NULL, NULL);
}
