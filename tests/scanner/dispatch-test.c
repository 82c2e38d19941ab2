/* Generated dispatch: good calls reach their handler, nothing else does. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sample.h"
#include "test-codec.h"
#include "test-dispatch.h"

enum { MAX_MESSAGE = 4096 };

/* A server: what its handlers saw, and what they are to do. */
struct server {
    struct test_handlers handlers;
    uint8_t request[MAX_MESSAGE];
    uint8_t reply[MAX_MESSAGE];
    struct apir_enc in; /* writes the request */
    struct apir_enc out;
    struct apir_arena arena;
    struct apir_arena scratch;
    unsigned called;       /* handlers called */
    int returns;           /* by each */
    uint32_t answer;       /* of ask */
    bool reply_was_zero;   /* as ask found it */
    struct test_item told; /* by tell */
    uint32_t level;        /* of far */
};

static int serve_nothing(void *ctx, struct apir_arena *scratch)
{
    struct server *server = ctx;
    assert_ptr_equal(scratch, &server->scratch);
    server->called++;
    return server->returns;
}

static int serve_tell(void *ctx, struct apir_arena *scratch, const struct test_tell_args *args)
{
    struct server *server = ctx;
    (void)scratch;
    server->called++;
    server->told = args->item;
    return server->returns;
}

static int serve_ask(void *ctx, struct apir_arena *scratch, struct test_ask_reply *reply)
{
    struct server *server = ctx;
    struct test_ask_reply zero;
    memset(&zero, 0, sizeof zero);
    server->called++;
    server->reply_was_zero = !memcmp(&zero, reply, sizeof zero);
    char *reason = apir_arena_alloc(scratch, 8);
    assert_non_null(reason);
    memcpy(reason, "because", 8);
    reply->answer = server->answer;
    reply->reason = reason;
    return server->returns;
}

static int serve_swap(void *ctx, struct apir_arena *scratch, const struct test_swap_args *args,
                      struct test_swap_reply *reply)
{
    struct server *server = ctx;
    (void)scratch;
    server->called++;
    reply->tree = args->tree;
    return server->returns;
}

static int serve_far(void *ctx, struct apir_arena *scratch, const struct test_far_args *args)
{
    struct server *server = ctx;
    (void)scratch;
    server->called++;
    server->level = args->level;
    return server->returns;
}

static int server_setup(void **state)
{
    struct server *server = calloc(1, sizeof *server);
    if (!server)
        return -1;
    server->handlers = (struct test_handlers){.nothing = serve_nothing,
                                              .tell = serve_tell,
                                              .ask = serve_ask,
                                              .swap = serve_swap,
                                              .far = serve_far};
    server->answer = 42;
    apir_enc_init(&server->in, server->request, sizeof server->request);
    apir_enc_init(&server->out, server->reply, sizeof server->reply);
    *state = server;
    return 0;
}

static int server_teardown(void **state)
{
    struct server *server = *state;
    apir_arena_finish(&server->arena);
    apir_arena_finish(&server->scratch);
    free(server);
    return 0;
}

/* Serves the first size bytes of the request, from memory of just that size. */
static int dispatch_part(struct server *server, uint32_t call, size_t size)
{
    struct apir_dec dec;
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, server->request, size);
    apir_arena_reset(&server->arena);
    apir_dec_init(&dec, copy, size, &server->arena);
    int ret = test_dispatch(&server->handlers, server, call, &dec, &server->scratch, &server->out);
    free(copy);
    return ret;
}

static int dispatch(struct server *server, uint32_t call)
{
    struct apir_dec dec;
    assert_true(apir_enc_ok(&server->in));
    apir_dec_init(&dec, server->request, apir_enc_used(&server->in), &server->arena);
    return test_dispatch(&server->handlers, server, call, &dec, &server->scratch, &server->out);
}

static void put_tell(struct server *server)
{
    struct test_tell_args args = {.item = sample_item()};
    test_encode_tell_args(&server->in, &args);
}

static void put_swap(struct server *server, struct test_group groups[2])
{
    struct test_swap_args args = {.tree = sample_tree(groups), .unit = TEST_UNIT_NONE};
    test_encode_swap_args(&server->in, &args);
}

/* --- good calls --- */

static void call_without_arguments_is_served(void **state)
{
    struct server *server = *state;
    assert_int_equal(dispatch(server, TEST_CALL_NOTHING), 0);
    assert_int_equal(server->called, 1);
    assert_int_equal(apir_enc_used(&server->out), 0);
}

static void arguments_reach_the_handler(void **state)
{
    struct server *server = *state;
    struct test_item item = sample_item();
    put_tell(server);
    assert_int_equal(dispatch(server, TEST_CALL_TELL), 0);
    assert_int_equal(server->called, 1);
    assert_same_item(&server->told, &item);
}

static void results_reach_the_reply(void **state)
{
    struct server *server = *state;
    struct test_ask_reply reply;
    struct apir_dec dec;
    assert_int_equal(dispatch(server, TEST_CALL_ASK), 0);
    assert_true(server->reply_was_zero);
    apir_dec_init(&dec, server->reply, apir_enc_used(&server->out), &server->arena);
    test_decode_ask_reply(&dec, &reply);
    assert_true(apir_dec_finish(&dec));
    assert_int_equal(reply.answer, 42);
    assert_string_equal(reply.reason, "because");
}

static void what_came_can_be_sent_back(void **state)
{
    struct server *server = *state;
    struct test_group groups[2];
    struct test_tree tree = sample_tree(groups);
    struct test_swap_reply reply;
    struct apir_dec dec;
    put_swap(server, groups);
    assert_int_equal(dispatch(server, TEST_CALL_SWAP), 0);
    apir_dec_init(&dec, server->reply, apir_enc_used(&server->out), &server->arena);
    test_decode_swap_reply(&dec, &reply);
    assert_true(apir_dec_finish(&dec));
    assert_same_tree(&tree, &reply.tree);
}

static void positive_return_is_told_of_calls_without_results(void **state)
{
    struct server *server = *state;
    server->returns = 7;
    assert_int_equal(dispatch(server, TEST_CALL_NOTHING), 7);
    assert_int_equal(dispatch(server, TEST_CALL_ASK), 0);
}

/* --- refused calls --- */

static void handler_refuses_with_its_own_code(void **state)
{
    struct server *server = *state;
    server->returns = -ENOENT;
    assert_int_equal(dispatch(server, TEST_CALL_NOTHING), -ENOENT);
    assert_int_equal(dispatch(server, TEST_CALL_ASK), -ENOENT);
    assert_int_equal(server->called, 2);
    assert_int_equal(apir_enc_used(&server->out), 0);
}

static void unknown_call_is_refused(void **state)
{
    struct server *server = *state;
    assert_int_equal(dispatch(server, 0), -ENOSYS);
    assert_int_equal(dispatch(server, 6), -ENOSYS);
    assert_int_equal(dispatch(server, UINT32_MAX), -ENOSYS);
    assert_int_equal(server->called, 0);
}

static void disabled_call_is_refused(void **state)
{
    struct server *server = *state;
    apir_enc_u32(&server->in, 1);
    assert_int_equal(dispatch(server, TEST_CALL_OLD), -ENOSYS);
    assert_int_equal(server->called, 0);
}

static void call_without_handler_is_refused(void **state)
{
    struct server *server = *state;
    memset(&server->handlers, 0, sizeof server->handlers);
    put_tell(server);
    assert_int_equal(dispatch(server, TEST_CALL_NOTHING), -ENOSYS);
    assert_int_equal(dispatch(server, TEST_CALL_TELL), -ENOSYS);
    assert_int_equal(dispatch(server, TEST_CALL_ASK), -ENOSYS);
    assert_int_equal(dispatch(server, TEST_CALL_SWAP), -ENOSYS);
    assert_int_equal(dispatch(server, TEST_CALL_FAR), -ENOSYS);
}

static void argument_out_of_range_is_refused(void **state)
{
    struct server *server = *state;
    apir_enc_u32(&server->in, 10);
    assert_int_equal(dispatch(server, TEST_CALL_FAR), -EBADMSG);
    assert_int_equal(server->called, 0);
}

static void truncated_arguments_are_refused(void **state)
{
    struct server *server = *state;
    struct test_group groups[2];
    put_swap(server, groups);
    size_t size = apir_enc_used(&server->in);
    for (size_t part = 0; part < size; part++)
        assert_int_equal(dispatch_part(server, TEST_CALL_SWAP, part), -EBADMSG);
    assert_int_equal(server->called, 0);
    assert_int_equal(dispatch_part(server, TEST_CALL_SWAP, size), 0);
}

static void leftover_bytes_are_refused(void **state)
{
    struct server *server = *state;
    put_tell(server);
    apir_enc_u32(&server->in, 0);
    assert_int_equal(dispatch(server, TEST_CALL_TELL), -EBADMSG);
    assert_int_equal(dispatch(server, TEST_CALL_NOTHING), -EBADMSG);
    assert_int_equal(dispatch(server, TEST_CALL_ASK), -EBADMSG);
    assert_int_equal(server->called, 0);
}

static void one_odd_byte_left_over_is_refused(void **state)
{
    struct server *server = *state;
    put_tell(server);
    size_t size = apir_enc_used(&server->in);
    assert_int_equal(dispatch_part(server, TEST_CALL_TELL, size + 1), -EBADMSG);
    assert_int_equal(dispatch_part(server, TEST_CALL_NOTHING, 1), -EBADMSG);
    assert_int_equal(server->called, 0);
}

static void reply_that_does_not_fit_is_refused(void **state)
{
    struct server *server = *state;
    apir_enc_init(&server->out, server->reply, 16);
    assert_int_equal(dispatch(server, TEST_CALL_ASK), -EMSGSIZE);
}

static void reply_out_of_range_is_refused(void **state)
{
    struct server *server = *state;
    server->answer = 43;
    assert_int_equal(dispatch(server, TEST_CALL_ASK), -EMSGSIZE);
}

static void failed_cursor_is_refused(void **state)
{
    struct server *server = *state;
    struct apir_dec dec;
    apir_dec_init(&dec, server->request, 0, &server->arena);
    apir_dec_set_fatal(&dec, "earlier");
    assert_int_equal(test_dispatch(&server->handlers, server, TEST_CALL_NOTHING, &dec,
                                   &server->scratch, &server->out),
                     -EBADMSG);
    assert_int_equal(server->called, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(call_without_arguments_is_served, server_setup,
                                        server_teardown),
        cmocka_unit_test_setup_teardown(arguments_reach_the_handler, server_setup, server_teardown),
        cmocka_unit_test_setup_teardown(results_reach_the_reply, server_setup, server_teardown),
        cmocka_unit_test_setup_teardown(what_came_can_be_sent_back, server_setup, server_teardown),
        cmocka_unit_test_setup_teardown(positive_return_is_told_of_calls_without_results, server_setup, server_teardown),
        cmocka_unit_test_setup_teardown(handler_refuses_with_its_own_code, server_setup,
                                        server_teardown),
        cmocka_unit_test_setup_teardown(unknown_call_is_refused, server_setup, server_teardown),
        cmocka_unit_test_setup_teardown(disabled_call_is_refused, server_setup, server_teardown),
        cmocka_unit_test_setup_teardown(call_without_handler_is_refused, server_setup,
                                        server_teardown),
        cmocka_unit_test_setup_teardown(argument_out_of_range_is_refused, server_setup,
                                        server_teardown),
        cmocka_unit_test_setup_teardown(truncated_arguments_are_refused, server_setup,
                                        server_teardown),
        cmocka_unit_test_setup_teardown(leftover_bytes_are_refused, server_setup, server_teardown),
        cmocka_unit_test_setup_teardown(one_odd_byte_left_over_is_refused, server_setup,
                                        server_teardown),
        cmocka_unit_test_setup_teardown(reply_that_does_not_fit_is_refused, server_setup,
                                        server_teardown),
        cmocka_unit_test_setup_teardown(reply_out_of_range_is_refused, server_setup,
                                        server_teardown),
        cmocka_unit_test_setup_teardown(failed_cursor_is_refused, server_setup, server_teardown),
    };
    return cmocka_run_group_tests_name("dispatch", tests, NULL, NULL);
}
