/* Generated client functions, on a queue that serves the calls itself. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/queue.h"
#include "sample.h"
#include "test-calls.h"
#include "test-codec.h"
#include "test-dispatch.h"

enum { MAX_MESSAGE = 4096 };

/* Stands in for the client's queue. */
struct apir_queue {
    struct test_handlers handlers;
    uint8_t request[MAX_MESSAGE];
    uint8_t reply[MAX_MESSAGE];
    struct apir_arena arena; /* of the arguments, as the server decodes them */
    struct apir_arena scratch;
    uint32_t call;
    int begin_returns;
    int submit_returns; /* 0: serve */
    size_t reply_extra; /* bytes left over in the reply */
    size_t reply_lacks; /* bytes cut off its end */
    bool spoil_first_word;
    uint32_t answer; /* of ask */
    unsigned begun;
    unsigned submitted;
    unsigned posted;
    unsigned ended;
    bool request_was_good; /* as submit found it */
    bool end_had_reply;
    struct apir_arena *given; /* to submit */
};

int apir_queue_begin(struct apir_queue *queue, uint32_t call, struct apir_enc *request)
{
    if (queue->begin_returns)
        return queue->begin_returns;
    queue->begun++;
    queue->call = call;
    apir_enc_init(request, queue->request, sizeof queue->request);
    return 0;
}

/* The size of the reply, or the error. */
static int serve(struct apir_queue *queue, size_t request_size)
{
    struct apir_dec in;
    struct apir_enc out;
    apir_dec_init(&in, queue->request, request_size, &queue->arena);
    apir_enc_init(&out, queue->reply, sizeof queue->reply - 64);
    int ret = test_dispatch(&queue->handlers, queue, queue->call, &in, &queue->scratch, &out);
    return ret ? ret : (int)apir_enc_used(&out);
}

int apir_queue_submit(struct apir_queue *queue, struct apir_enc *request, struct apir_arena *arena,
                      struct apir_dec *reply)
{
    queue->submitted++;
    queue->given = arena;
    queue->request_was_good = apir_enc_ok(request);
    if (queue->submit_returns)
        return queue->submit_returns;
    if (!apir_enc_ok(request))
        return -EMSGSIZE;
    int size = serve(queue, apir_enc_used(request));
    if (size < 0)
        return size;
    uint8_t *copy = apir_arena_alloc(arena, sizeof queue->reply);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, queue->reply, (size_t)size);
    if (queue->spoil_first_word)
        memset(copy, 0xff, 4);
    apir_dec_init(reply, copy, (size_t)size + queue->reply_extra - queue->reply_lacks, arena);
    return 0;
}

int apir_queue_end(struct apir_queue *queue, struct apir_dec *reply, int ret)
{
    queue->ended++;
    queue->end_had_reply = reply != NULL;
    if (reply && !apir_dec_finish(reply))
        return -EBADMSG;
    return ret;
}

/* Without results: nobody waits. */
int apir_queue_post(struct apir_queue *queue, struct apir_enc *request)
{
    queue->posted++;
    queue->request_was_good = apir_enc_ok(request);
    if (!apir_enc_ok(request))
        return -EMSGSIZE;
    int size = serve(queue, apir_enc_used(request));
    return size < 0 ? size : queue->submit_returns;
}

static int serve_nothing(void *ctx, struct apir_arena *scratch)
{
    (void)ctx;
    (void)scratch;
    return 0;
}

static int serve_tell(void *ctx, struct apir_arena *scratch, const struct test_tell_args *args)
{
    struct test_item item = sample_item();
    (void)ctx;
    (void)scratch;
    assert_same_item(&args->item, &item);
    return 0;
}

static int serve_ask(void *ctx, struct apir_arena *scratch, struct test_ask_reply *reply)
{
    struct apir_queue *queue = ctx;
    (void)scratch;
    reply->answer = queue->answer;
    reply->reason = "because";
    return 0;
}

static int serve_swap(void *ctx, struct apir_arena *scratch, const struct test_swap_args *args,
                      struct test_swap_reply *reply)
{
    (void)ctx;
    (void)scratch;
    reply->tree = args->tree;
    return 0;
}

/* A queue, and memory of the caller. */
struct client {
    struct apir_queue queue;
    struct apir_arena arena;
};

static int client_setup(void **state)
{
    struct client *client = calloc(1, sizeof *client);
    if (!client)
        return -1;
    client->queue.handlers = (struct test_handlers){
        .nothing = serve_nothing, .tell = serve_tell, .ask = serve_ask, .swap = serve_swap};
    client->queue.answer = 42;
    *state = client;
    return 0;
}

static int client_teardown(void **state)
{
    struct client *client = *state;
    apir_arena_finish(&client->arena);
    apir_arena_finish(&client->queue.arena);
    apir_arena_finish(&client->queue.scratch);
    free(client);
    return 0;
}

static void assert_balanced(const struct apir_queue *queue)
{
    assert_int_equal(queue->begun, 1);
    assert_int_equal(queue->submitted, 1);
    assert_int_equal(queue->ended, 1);
}

static void assert_posted(const struct apir_queue *queue)
{
    assert_int_equal(queue->begun, 1);
    assert_int_equal(queue->posted, 1);
    assert_int_equal(queue->submitted, 0);
    assert_int_equal(queue->ended, 0);
}

static void call_without_results_is_posted(void **state)
{
    struct client *client = *state;
    assert_int_equal(test_call_nothing(&client->queue), 0);
    assert_int_equal(client->queue.call, TEST_CALL_NOTHING);
    assert_posted(&client->queue);
}

static void arguments_are_sent(void **state)
{
    struct client *client = *state;
    struct test_tell_args args = {.item = sample_item()};
    assert_int_equal(test_call_tell(&client->queue, &args), 0);
    assert_posted(&client->queue);
}

static void results_are_returned(void **state)
{
    struct client *client = *state;
    struct test_ask_reply reply;
    assert_int_equal(test_call_ask(&client->queue, &client->arena, &reply), 0);
    assert_int_equal(reply.answer, 42);
    assert_string_equal(reply.reason, "because");
    assert_balanced(&client->queue);
}

static void large_results_are_returned(void **state)
{
    struct client *client = *state;
    struct test_group groups[2];
    struct test_swap_args args = {.tree = sample_tree(groups)};
    struct test_swap_reply reply;
    assert_int_equal(test_call_swap(&client->queue, &client->arena, &args, &reply), 0);
    memset(client->queue.reply, 0xff, sizeof client->queue.reply);
    memset(client->queue.request, 0xff, sizeof client->queue.request);
    assert_same_tree(&args.tree, &reply.tree);
}

static void failed_begin_ends_nothing(void **state)
{
    struct client *client = *state;
    struct test_ask_reply reply = {.answer = 7};
    client->queue.begin_returns = -EPIPE;
    assert_int_equal(test_call_ask(&client->queue, &client->arena, &reply), -EPIPE);
    assert_int_equal(client->queue.submitted, 0);
    assert_int_equal(client->queue.ended, 0);
    assert_int_equal(reply.answer, 7);
}

static void failed_submit_leaves_the_reply(void **state)
{
    struct client *client = *state;
    struct test_ask_reply reply = {.answer = 7};
    client->queue.submit_returns = -ETIMEDOUT;
    assert_int_equal(test_call_ask(&client->queue, &client->arena, &reply), -ETIMEDOUT);
    assert_balanced(&client->queue);
    assert_false(client->queue.end_had_reply);
    assert_int_equal(reply.answer, 7);
}

static void failed_post_returns_its_error(void **state)
{
    struct client *client = *state;
    client->queue.submit_returns = -ETIMEDOUT;
    assert_int_equal(test_call_nothing(&client->queue), -ETIMEDOUT);
    assert_posted(&client->queue);
}

static void refused_call_returns_its_error(void **state)
{
    struct client *client = *state;
    struct test_far_args args = {.level = 3};
    assert_int_equal(test_call_far(&client->queue, &args), -ENOSYS);
    assert_posted(&client->queue);
}

static void leftover_bytes_in_the_reply_are_an_error(void **state)
{
    struct client *client = *state;
    struct test_ask_reply reply = {.answer = 7};
    client->queue.reply_extra = 4;
    assert_int_equal(test_call_ask(&client->queue, &client->arena, &reply), -EBADMSG);
    assert_int_equal(reply.answer, 7);
}

static void reply_that_is_too_short_is_an_error(void **state)
{
    struct client *client = *state;
    struct test_ask_reply reply = {.answer = 7};
    client->queue.reply_lacks = 4;
    assert_int_equal(test_call_ask(&client->queue, &client->arena, &reply), -EBADMSG);
    assert_int_equal(reply.answer, 7);
    assert_balanced(&client->queue);
}

static void result_out_of_range_is_an_error(void **state)
{
    struct client *client = *state;
    struct test_ask_reply reply = {.answer = 7};
    client->queue.spoil_first_word = true;
    assert_int_equal(test_call_ask(&client->queue, &client->arena, &reply), -EBADMSG);
    assert_int_equal(reply.answer, 7);
    assert_balanced(&client->queue);
}

static void argument_out_of_range_is_not_sent(void **state)
{
    struct client *client = *state;
    struct test_far_args args = {.level = 10};
    assert_int_equal(test_call_far(&client->queue, &args), -EMSGSIZE);
    assert_false(client->queue.request_was_good);
    assert_posted(&client->queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(call_without_results_is_posted, client_setup, client_teardown),
        cmocka_unit_test_setup_teardown(arguments_are_sent, client_setup, client_teardown),
        cmocka_unit_test_setup_teardown(results_are_returned, client_setup, client_teardown),
        cmocka_unit_test_setup_teardown(large_results_are_returned, client_setup, client_teardown),
        cmocka_unit_test_setup_teardown(failed_begin_ends_nothing, client_setup, client_teardown),
        cmocka_unit_test_setup_teardown(failed_submit_leaves_the_reply, client_setup,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(failed_post_returns_its_error, client_setup,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(refused_call_returns_its_error, client_setup,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(leftover_bytes_in_the_reply_are_an_error, client_setup,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(reply_that_is_too_short_is_an_error, client_setup,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(result_out_of_range_is_an_error, client_setup,
                                        client_teardown),
        cmocka_unit_test_setup_teardown(argument_out_of_range_is_not_sent, client_setup,
                                        client_teardown),
    };
    return cmocka_run_group_tests_name("calls", tests, NULL, NULL);
}
