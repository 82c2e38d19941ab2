/* A session of the deployed protocol with a backend that the test controls. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "apir-upstream-protocol.h"
#include "server/raw-guest.h"
#include "server/server.h"
#include "util/clock.h"

#define PATIENCE_NS UINT64_C(20000000000)

enum {
    ECHO = 1,     /* results: the arguments */
    REFUSE = 2,   /* malformed arguments */
    TOO_MUCH = 3, /* says that it wrote more than there is room */
    BLOCK = 4,    /* waits until the test opens the gate */
    FILL = 5,     /* fills all the room */
    MAX_SEEN = 4096,
};

struct fixture {
    struct apir_shm_table memory;
    struct apir_server_options options;
    FILE *log_file;
    char *log_text;
    size_t log_size;
    struct apir_log log;
    pthread_t thread;
    int result;
    struct raw_guest guest;
    struct raw_shm reply;

    /* the backend's */
    uint32_t load_code;
    unsigned loads;
    uint32_t seen[MAX_SEEN]; /* first words of arguments */
    unsigned seen_count;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    bool open;
    bool blocked; /* BLOCK is waiting */
};

static uint32_t load(void *data)
{
    struct fixture *f = data;
    f->loads++;
    return f->load_code;
}

static void wait_gate(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    f->blocked = true;
    pthread_cond_broadcast(&f->changed);
    while (!f->open)
        pthread_cond_wait(&f->changed, &f->lock);
    f->blocked = false;
    pthread_mutex_unlock(&f->lock);
}

static void open_gate(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    f->open = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void wait_blocked(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    while (!f->blocked)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

static uint32_t forward(void *data, uint32_t function, const void *args, size_t args_size, void *results,
                        size_t capacity, size_t *used)
{
    struct fixture *f = data;
    if (args_size >= 4 && f->seen_count < MAX_SEEN)
        memcpy(&f->seen[f->seen_count++], args, 4);
    switch (function) {
    case BLOCK:
        wait_gate(f);
        return APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE;
    case ECHO:
        *used = args_size < capacity ? args_size : capacity;
        memcpy(results, args, *used);
        return APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE;
    case FILL:
        *used = capacity;
        memset(results, 0x5a, capacity);
        return APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE;
    case REFUSE:
        *used = capacity;
        return (uint32_t)APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE + APIR_UPSTREAM_FUNCTION_CODE_REFUSED;
    case TOO_MUCH:
        *used = capacity + 1;
        return APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE;
    default:
        return APIR_UPSTREAM_FORWARD_CODE_NO_DISPATCH_FCT;
    }
}

static const struct apir_upstream_backend backend = {load, forward};
static const struct apir_handlers no_handlers;

static void *serve(void *data)
{
    struct fixture *f = data;
    f->result = apir_server_run(&f->options);
    return NULL;
}

static void set_up(struct fixture *f)
{
    int pair[2];
    memset(f, 0, sizeof *f);
    f->log_file = open_memstream(&f->log_text, &f->log_size);
    assert_non_null(f->log_file);
    f->log = (struct apir_log){.stream = f->log_file, .level = APIR_LOG_WARN, .prefix = "t"};
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    apir_shm_table_init(&f->memory);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    f->options = (struct apir_server_options){.fd = pair[0],
                                              .handlers = &no_handlers,
                                              .memory = &f->memory,
                                              .log = &f->log,
                                              .upstream = &backend,
                                              .upstream_data = f};
    raw_guest_init(&f->guest, pair[1]);
}

static void start(struct fixture *f)
{
    assert_int_equal(pthread_create(&f->thread, NULL, serve, f), 0);
    raw_guest_share(&f->guest, APIR_UPSTREAM_REPLY_SIZE, &f->reply);
}

/* The server's result; f->log_text is complete afterwards. */
static int end_session(struct fixture *f)
{
    shutdown(f->guest.connection.fd, SHUT_WR);
    pthread_join(f->thread, NULL);
    fclose(f->log_file);
    return f->result;
}

static void clean_up(struct fixture *f)
{
    raw_guest_unshare(&f->reply);
    raw_guest_finish(&f->guest);
    apir_shm_table_finish(&f->memory);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    free(f->log_text);
}

static unsigned log_lines(const struct fixture *f)
{
    unsigned lines = 0;
    for (const char *at = f->log_text; (at = strchr(at, '\n')); at++)
        lines++;
    return lines;
}

static uint32_t word(const struct raw_shm *shm, unsigned index)
{
    return atomic_load_explicit((_Atomic uint32_t *)shm->data + index, memory_order_acquire);
}

static void clear(const struct raw_shm *shm)
{
    atomic_store((_Atomic uint32_t *)shm->data, 0);
}

/* notif, once it is not 0; 0 if it never comes. */
static uint32_t wait_notif(const struct raw_shm *reply)
{
    uint64_t end = apir_clock_now() + PATIENCE_NS;
    while (word(reply, 0) == 0 && apir_clock_now() < end)
        apir_clock_sleep(20 * 1000);
    return word(reply, 0);
}

static void submit(struct fixture *f, uint32_t command, uint32_t flags, uint32_t reply, const uint32_t *args,
                   unsigned count)
{
    uint32_t words[16] = {command, flags, reply};
    assert_true(count <= 13);
    if (count > 0)
        memcpy(words + 3, args, count * sizeof *args);
    raw_guest_submit(&f->guest, words, 3 + count);
}

static uint32_t call(struct fixture *f, uint32_t command, uint32_t flags, const uint32_t *args, unsigned count)
{
    clear(&f->reply);
    submit(f, command, flags, f->reply.id, args, count);
    return wait_notif(&f->reply);
}

static uint32_t shake_hands(struct fixture *f, uint32_t base, uint32_t major, uint32_t minor)
{
    const uint32_t version[] = {major, minor};
    return call(f, base + APIR_UPSTREAM_COMMAND_HANDSHAKE, 0, version, 2);
}

static void remove_memory(struct fixture *f, uint32_t id)
{
    struct apir_frame frame;
    raw_guest_send(&f->guest, APIR_FRAME_SHM_REMOVE, &id, sizeof id, -1);
    assert_int_equal(apir_connection_receive(&f->guest.connection, &frame), 1);
    assert_int_equal(frame.type, APIR_FRAME_SHM_REMOVED);
    assert_memory_equal(frame.data, &id, sizeof id);
}

/* With a handshake and a library. */
static void start_loaded(struct fixture *f)
{
    start(f);
    assert_int_equal(shake_hands(f, 0, 0, 2), APIR_HANDSHAKE_CODE + 1);
    assert_int_equal(call(f, APIR_UPSTREAM_COMMAND_LOAD_LIBRARY, 0, NULL, 0), 1);
}

static uint32_t call_function(struct fixture *f, uint32_t function, uint32_t argument)
{
    return call(f, APIR_UPSTREAM_COMMAND_FORWARD, function, &argument, 1);
}

/* A function that succeeded. */
#define GOOD (1 + APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE)

static void deployed_guest_is_served_on_both_bases(void **state)
{
    (void)state;
    const uint32_t bases[] = {0, APIR_VENUS_COMMAND_BASE};
    for (unsigned i = 0; i < 2; i++) {
        struct fixture f;
        const uint32_t args[] = {7, 8, 9};
        set_up(&f);
        start(&f);
        assert_int_equal(shake_hands(&f, bases[i], 0, 2), APIR_HANDSHAKE_CODE + 1);
        assert_int_equal(word(&f.reply, 1), 0);
        assert_int_equal(word(&f.reply, 2), 2);
        assert_int_equal(call(&f, bases[i] + APIR_UPSTREAM_COMMAND_LOAD_LIBRARY, 0, NULL, 0), 1);
        assert_int_equal(call(&f, bases[i] + APIR_UPSTREAM_COMMAND_FORWARD, ECHO, args, 3), GOOD);
        for (unsigned j = 0; j < 3; j++)
            assert_int_equal(word(&f.reply, 1 + j), args[j]);
        assert_int_equal(end_session(&f), 0);
        assert_int_equal(log_lines(&f), 0);
        clean_up(&f);
    }
}

static void older_guest_gets_its_own_version(void **state)
{
    (void)state;
    static const uint32_t cases[][3] = {{0, 1, 1}, {0, 2, 2}, {0, 3, 2}, {0, 0, 0}, {1, 0, 2}, {UINT32_MAX, 7, 2}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        set_up(&f);
        start(&f);
        assert_int_equal(shake_hands(&f, 0, cases[i][0], cases[i][1]), APIR_HANDSHAKE_CODE + 1);
        assert_int_equal(word(&f.reply, 1), 0);
        assert_int_equal(word(&f.reply, 2), cases[i][2]);
        assert_int_equal(end_session(&f), 0);
        assert_int_equal(log_lines(&f), cases[i][0] != 0);
        clean_up(&f);
    }
}

static void trailing_bytes_of_a_handshake_are_ignored(void **state)
{
    (void)state;
    struct fixture f;
    const uint32_t args[] = {0, 1, 0xdeadbeef, 4, 5, 6, 7};
    set_up(&f);
    start(&f);
    assert_int_equal(call(&f, APIR_UPSTREAM_COMMAND_HANDSHAKE, 0, args, 7), APIR_HANDSHAKE_CODE + 1);
    assert_int_equal(word(&f.reply, 2), 1);
    assert_int_equal(word(&f.reply, 3), 0); /* nothing of a trailer comes back */
    assert_int_equal(end_session(&f), 0);
    clean_up(&f);
}

static void repeated_handshake_is_answered_again(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    start_loaded(&f);
    assert_int_equal(shake_hands(&f, 0, 0, 1), APIR_HANDSHAKE_CODE + 1);
    assert_int_equal(word(&f.reply, 2), 1);
    assert_int_equal(call_function(&f, ECHO, 1), GOOD);
    assert_int_equal(end_session(&f), 0);
    clean_up(&f);
}

/* Guests of ours shake hands to find out whether the host lives; others could fill the log. */
static void handshake_is_logged_once(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    f.log.level = APIR_LOG_INFO;
    start(&f);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(shake_hands(&f, 0, i % 3, 2), APIR_HANDSHAKE_CODE + 1);
    assert_int_equal(end_session(&f), 0);
    assert_int_equal(log_lines(&f), 1);
    clean_up(&f);
}

static void own_protocol_is_preferred(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    start(&f);
    assert_true(raw_guest_handshake(&f.guest));
    assert_int_equal(word(&f.guest.status, 3), APIR_HANDSHAKE_MAGIC);
    assert_int_equal(end_session(&f), 0);
    clean_up(&f);
}

/* Both at once would share a numbering of ops, which each fills. */
static void session_of_the_own_protocol_stays_one(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    start(&f);
    assert_true(raw_guest_handshake(&f.guest));
    remove_memory(&f, f.guest.status.id);
    const uint32_t version[] = {0, 2};
    clear(&f.reply);
    submit(&f, APIR_UPSTREAM_COMMAND_HANDSHAKE, 0, f.reply.id, version, 2);
    assert_int_equal(end_session(&f), -EPROTO);
    assert_int_equal(word(&f.reply, 0), 0);
    clean_up(&f);
}

static void own_protocol_is_not_offered_with_upstream_only(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    f.options.upstream_only = true;
    start(&f);
    assert_true(raw_guest_handshake(&f.guest));
    assert_int_equal(word(&f.guest.status, 2), 2);
    assert_int_equal(word(&f.guest.status, 3), 0);
    assert_int_equal(call(&f, APIR_UPSTREAM_COMMAND_LOAD_LIBRARY, 0, NULL, 0), 1);
    assert_int_equal(end_session(&f), 0);
    clean_up(&f);
}

static void deployed_guest_is_declined_without_a_backend(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    f.options.upstream = NULL;
    start(&f);
    const uint32_t version[] = {0, 2};
    submit(&f, APIR_UPSTREAM_COMMAND_HANDSHAKE, 0, f.reply.id, version, 2);
    assert_int_equal(end_session(&f), -EPROTO);
    assert_int_equal(log_lines(&f), 1);
    assert_int_equal(word(&f.reply, 0), 0);
    clean_up(&f);
}

static void library_is_loaded_once(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    start_loaded(&f);
    assert_int_equal(call(&f, APIR_UPSTREAM_COMMAND_LOAD_LIBRARY, 0, NULL, 0),
                     1 + APIR_UPSTREAM_LOAD_CODE_ALREADY_LOADED);
    assert_int_equal(end_session(&f), 0);
    assert_int_equal(f.loads, 1);
    clean_up(&f);
}

static void library_that_fails_is_not_asked(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    f.load_code = 20;
    start(&f);
    assert_int_equal(shake_hands(&f, 0, 0, 2), APIR_HANDSHAKE_CODE + 1);
    assert_int_equal(call(&f, APIR_UPSTREAM_COMMAND_LOAD_LIBRARY, 0, NULL, 0), 21);
    assert_int_equal(call(&f, APIR_UPSTREAM_COMMAND_LOAD_LIBRARY, 0, NULL, 0), 21);
    assert_int_equal(call_function(&f, ECHO, 5), 1 + APIR_UPSTREAM_FORWARD_CODE_NO_DISPATCH_FCT);
    assert_int_equal(end_session(&f), 0);
    assert_int_equal(f.loads, 1);
    assert_int_equal(f.seen_count, 0);
    clean_up(&f);
}

static void function_before_the_library_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    start(&f);
    assert_int_equal(shake_hands(&f, 0, 0, 2), APIR_HANDSHAKE_CODE + 1);
    assert_int_equal(call_function(&f, ECHO, 5), 1 + APIR_UPSTREAM_FORWARD_CODE_NO_DISPATCH_FCT);
    assert_int_equal(end_session(&f), 0);
    assert_int_equal(f.seen_count, 0);
    clean_up(&f);
}

static void unknown_function_does_not_end_the_session(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    start_loaded(&f);
    assert_int_equal(call_function(&f, 99, 1), 1 + APIR_UPSTREAM_FORWARD_CODE_NO_DISPATCH_FCT);
    assert_int_equal(call_function(&f, UINT32_MAX, 1), 1 + APIR_UPSTREAM_FORWARD_CODE_NO_DISPATCH_FCT);
    assert_int_equal(call_function(&f, ECHO, 3), GOOD);
    assert_int_equal(end_session(&f), 0);
    assert_int_equal(log_lines(&f), 1); /* a guest cannot fill the log */
    clean_up(&f);
}

static void refused_function_does_not_end_the_session(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    start_loaded(&f);
    memset((char *)f.reply.data + 4, 0x11, 64);
    assert_int_equal(call_function(&f, REFUSE, 1), GOOD + APIR_UPSTREAM_FUNCTION_CODE_REFUSED);
    assert_int_equal(word(&f.reply, 1), 0x11111111); /* it has no results */
    assert_int_equal(call_function(&f, TOO_MUCH, 1), GOOD + APIR_UPSTREAM_FUNCTION_CODE_REFUSED);
    assert_int_equal(call_function(&f, ECHO, 3), GOOD);
    assert_int_equal(end_session(&f), 0);
    assert_int_equal(log_lines(&f), 0); /* the backend has said why */
    clean_up(&f);
}

static void requests_run_in_order(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    start_loaded(&f);
    submit(&f, APIR_UPSTREAM_COMMAND_FORWARD, BLOCK, f.reply.id, NULL, 0);
    wait_blocked(&f);
    clear(&f.reply);
    for (uint32_t i = 0; i < APIR_UPSTREAM_MAX_PENDING - 1; i++)
        submit(&f, APIR_UPSTREAM_COMMAND_FORWARD, 99, f.reply.id, &i, 1);
    struct raw_shm last;
    raw_guest_share(&f.guest, 4096, &last);
    const uint32_t argument = APIR_UPSTREAM_MAX_PENDING - 1;
    submit(&f, APIR_UPSTREAM_COMMAND_FORWARD, ECHO, last.id, &argument, 1);
    open_gate(&f);
    assert_int_equal(wait_notif(&last), GOOD);
    assert_int_equal(end_session(&f), 0);
    assert_int_equal(f.seen_count, APIR_UPSTREAM_MAX_PENDING);
    for (uint32_t i = 0; i < f.seen_count; i++)
        assert_int_equal(f.seen[i], i);
    raw_guest_unshare(&last);
    clean_up(&f);
}

/* Also while a function runs: fences, memory, and another handshake. */
static void reader_does_not_wait_for_functions(void **state)
{
    (void)state;
    struct fixture f;
    struct raw_shm other;
    struct apir_frame frame;
    const struct apir_frame_fence fence = {.ring = 1, .id = 5};
    const uint32_t version[] = {0, 2};
    set_up(&f);
    start_loaded(&f);
    clear(&f.reply);
    submit(&f, APIR_UPSTREAM_COMMAND_FORWARD, BLOCK, f.reply.id, NULL, 0);
    wait_blocked(&f);
    raw_guest_share(&f.guest, 4096, &other);
    submit(&f, APIR_UPSTREAM_COMMAND_HANDSHAKE, 0, other.id, version, 2);
    assert_int_equal(wait_notif(&other), APIR_HANDSHAKE_CODE + 1);
    raw_guest_send(&f.guest, APIR_FRAME_FENCE, &fence, sizeof fence, -1);
    assert_int_equal(apir_connection_receive(&f.guest.connection, &frame), 1);
    assert_int_equal(frame.type, APIR_FRAME_FENCE_DONE);
    assert_int_equal(word(&f.reply, 0), 0);
    open_gate(&f);
    assert_int_equal(wait_notif(&f.reply), GOOD);
    assert_int_equal(end_session(&f), 0);
    raw_guest_unshare(&other);
    clean_up(&f);
}

static void too_many_requests_fail_the_context(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    start_loaded(&f);
    submit(&f, APIR_UPSTREAM_COMMAND_FORWARD, BLOCK, f.reply.id, NULL, 0);
    wait_blocked(&f);
    struct raw_shm pending;
    raw_guest_share(&f.guest, 4096, &pending);
    for (uint32_t i = 0; i < APIR_UPSTREAM_MAX_PENDING + 1; i++)
        submit(&f, APIR_UPSTREAM_COMMAND_FORWARD, ECHO, pending.id, &i, 1);
    assert_int_equal(wait_notif(&pending), 1 + APIR_UPSTREAM_FORWARD_CODE_TIMEOUT);
    open_gate(&f);
    assert_int_equal(end_session(&f), -EPROTO);
    assert_int_equal(log_lines(&f), 1);
    assert_int_equal(f.seen_count, 0);
    raw_guest_unshare(&pending);
    clean_up(&f);
}

static void too_many_bytes_fail_the_context(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    start_loaded(&f);
    size_t size = 12 + APIR_UPSTREAM_MAX_PENDING_BYTES + 4;
    uint32_t *words = calloc(1, size);
    words[0] = APIR_UPSTREAM_COMMAND_FORWARD;
    words[1] = ECHO;
    words[2] = f.reply.id;
    clear(&f.reply);
    raw_guest_submit(&f.guest, words, size / 4 - 1);
    assert_int_equal(wait_notif(&f.reply), GOOD); /* just as many as there may be */
    raw_guest_submit(&f.guest, words, size / 4);
    free(words);
    assert_int_equal(end_session(&f), -EPROTO);
    assert_int_equal(log_lines(&f), 1);
    clean_up(&f);
}

static void end_answers_what_is_pending(void **state)
{
    (void)state;
    struct fixture f;
    struct raw_shm pending[3];
    set_up(&f);
    start_loaded(&f);
    clear(&f.reply);
    submit(&f, APIR_UPSTREAM_COMMAND_FORWARD, BLOCK, f.reply.id, NULL, 0);
    wait_blocked(&f);
    for (unsigned i = 0; i < 3; i++) {
        raw_guest_share(&f.guest, 4096, &pending[i]);
        submit(&f, APIR_UPSTREAM_COMMAND_FORWARD, ECHO, pending[i].id, &i, 1);
    }
    shutdown(f.guest.connection.fd, SHUT_WR);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(wait_notif(&pending[i]), 1 + APIR_UPSTREAM_FORWARD_CODE_TIMEOUT);
    assert_int_equal(word(&f.reply, 0), 0); /* it still runs */
    open_gate(&f);
    assert_int_equal(wait_notif(&f.reply), GOOD);
    assert_int_equal(end_session(&f), 0);
    assert_int_equal(f.seen_count, 0);
    for (unsigned i = 0; i < 3; i++)
        raw_guest_unshare(&pending[i]);
    clean_up(&f);
}

static void reply_blob_can_go_while_requests_are_pending(void **state)
{
    (void)state;
    struct fixture f;
    struct raw_shm other;
    const uint32_t argument = 4;
    set_up(&f);
    start_loaded(&f);
    clear(&f.reply);
    raw_guest_share(&f.guest, 4096, &other);
    submit(&f, APIR_UPSTREAM_COMMAND_FORWARD, BLOCK, f.reply.id, NULL, 0);
    submit(&f, APIR_UPSTREAM_COMMAND_FORWARD, ECHO, f.reply.id, &argument, 1);
    submit(&f, APIR_UPSTREAM_COMMAND_FORWARD, ECHO, other.id, &argument, 1);
    wait_blocked(&f);
    remove_memory(&f, f.reply.id); /* acknowledged although a function runs that will answer there */
    open_gate(&f);
    assert_int_equal(wait_notif(&other), GOOD);
    assert_int_equal(word(&f.reply, 0), 0);
    assert_int_equal(end_session(&f), 0);
    assert_int_equal(f.seen_count, 2);
    raw_guest_unshare(&other);
    clean_up(&f);
}

static void results_are_bounded_by_the_reply_blob(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {4, 8, 100, 4096, APIR_UPSTREAM_REPLY_SIZE, 2 * APIR_UPSTREAM_REPLY_SIZE};
    struct fixture f;
    set_up(&f);
    start_loaded(&f);
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct raw_shm reply;
        raw_guest_share(&f.guest, 65536, &reply);
        const struct apir_frame_shm shm = {.id = reply.id + 1000, .size = sizes[i]};
        raw_guest_send(&f.guest, APIR_FRAME_SHM_ADD, &shm, sizeof shm, reply.fd);
        submit(&f, APIR_UPSTREAM_COMMAND_FORWARD, FILL, shm.id, NULL, 0);
        assert_int_equal(wait_notif(&reply), GOOD);
        uint64_t room = sizes[i] < APIR_UPSTREAM_REPLY_SIZE ? sizes[i] : APIR_UPSTREAM_REPLY_SIZE;
        for (uint64_t at = 4; at < 65536; at++)
            assert_int_equal(((uint8_t *)reply.data)[at], at < room ? 0x5a : 0);
        raw_guest_unshare(&reply);
    }
    assert_int_equal(end_session(&f), 0);
    clean_up(&f);
}

struct bad_request {
    uint32_t words[5];
    unsigned count;
};

/* 1000: an unknown blob. */
static void malformed_requests_fail_the_context(void **state)
{
    (void)state;
    static const struct bad_request requests[] = {
        {{APIR_UPSTREAM_COMMAND_FORWARD, ECHO}, 2},
        {{APIR_UPSTREAM_COMMAND_FORWARD, ECHO, 0}, 3},
        {{APIR_UPSTREAM_COMMAND_FORWARD, ECHO, 1000}, 3},
        {{APIR_UPSTREAM_COMMAND_LOAD_LIBRARY, 0, 1000}, 3},
        {{APIR_UPSTREAM_COMMAND_HANDSHAKE, 0, 1000, 0, 2}, 5},
        {{APIR_UPSTREAM_COMMAND_HANDSHAKE, 0, 1, 0}, 4},
        {{3, 0, 1}, 3},
        {{APIR_COMMAND_KICK, 0, 1}, 3},
        {{APIR_VENUS_COMMAND_BASE - 1, 0, 1}, 3},
        {{APIR_VENUS_COMMAND_BASE + 3, 0, 1}, 3},
        {{UINT32_MAX, 0, 1}, 3},
    };
    for (unsigned i = 0; i < sizeof requests / sizeof *requests; i++) {
        struct fixture f;
        set_up(&f);
        start_loaded(&f);
        assert_int_equal(f.reply.id, 1);
        raw_guest_submit(&f.guest, requests[i].words, requests[i].count);
        assert_int_equal(end_session(&f), -EPROTO);
        assert_int_equal(log_lines(&f), 1);
        clean_up(&f);
    }
}

static void request_without_a_handshake_fails_the_context(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    start(&f);
    submit(&f, APIR_UPSTREAM_COMMAND_LOAD_LIBRARY, 0, f.reply.id, NULL, 0);
    assert_int_equal(end_session(&f), -EPROTO);
    assert_int_equal(f.loads, 0);
    assert_int_equal(word(&f.reply, 0), 0);
    clean_up(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deployed_guest_is_served_on_both_bases),
        cmocka_unit_test(older_guest_gets_its_own_version),
        cmocka_unit_test(trailing_bytes_of_a_handshake_are_ignored),
        cmocka_unit_test(repeated_handshake_is_answered_again),
        cmocka_unit_test(handshake_is_logged_once),
        cmocka_unit_test(own_protocol_is_preferred),
        cmocka_unit_test(session_of_the_own_protocol_stays_one),
        cmocka_unit_test(own_protocol_is_not_offered_with_upstream_only),
        cmocka_unit_test(deployed_guest_is_declined_without_a_backend),
        cmocka_unit_test(library_is_loaded_once),
        cmocka_unit_test(library_that_fails_is_not_asked),
        cmocka_unit_test(function_before_the_library_is_refused),
        cmocka_unit_test(unknown_function_does_not_end_the_session),
        cmocka_unit_test(refused_function_does_not_end_the_session),
        cmocka_unit_test(requests_run_in_order),
        cmocka_unit_test(reader_does_not_wait_for_functions),
        cmocka_unit_test(too_many_requests_fail_the_context),
        cmocka_unit_test(too_many_bytes_fail_the_context),
        cmocka_unit_test(end_answers_what_is_pending),
        cmocka_unit_test(reply_blob_can_go_while_requests_are_pending),
        cmocka_unit_test(results_are_bounded_by_the_reply_blob),
        cmocka_unit_test(malformed_requests_fail_the_context),
        cmocka_unit_test(request_without_a_handshake_fails_the_context),
    };
    return cmocka_run_group_tests_name("upstream session", tests, NULL, NULL);
}
