/* Graphs that fail on the host, and calls that it refuses, as an application sees them: a failure is told by the next
 * status, until then there are zeros for results. */
#include <stdlib.h>
#include <string.h>

#include "../executor/fake-library.h"
#include "cmocka-all.h"
#include "desk.h"

enum {
    WORDS = DESK_WORDS,
    DATA = 1234, /* what tensors hold that are not computed: no device of this host computes anything */
};

static struct daemon host;

static int start_host(void **state)
{
    (void)state;
    return daemon_start_with(&host, LIBRARIES "/fake-two-devices.so");
}

static int stop_host(void **state)
{
    (void)state;
    daemon_stop(&host);
    return 0;
}

static void set_all(struct ggml_tensor *tensor, int32_t value)
{
    int32_t words[WORDS];
    for (int i = 0; i < WORDS; i++)
        words[i] = value;
    ggml_backend_tensor_set(tensor, words, 0, sizeof words);
}

static void expect_words(const int32_t *words, int32_t value, const char *what)
{
    for (int i = 0; i < WORDS; i++)
        require(words[i] == value, what);
}

static void expect_all(struct ggml_tensor *tensor, int32_t value, const char *what)
{
    int32_t words[WORDS];
    ggml_backend_tensor_get(tensor, words, 0, sizeof words);
    expect_words(words, value, what);
}

/* Its graph ends with the status that the source holds. */
static struct desk open_desk(size_t device)
{
    struct desk desk = desk_open(device, FAKE_JUDGE);
    set_all(desk.source, GGML_STATUS_SUCCESS);
    set_all(desk.result, DATA);
    return desk;
}

static enum ggml_status compute(struct desk *desk)
{
    return ggml_backend_graph_compute(desk->backend, desk->graph);
}

static void fail_with(struct desk *desk, enum ggml_status status)
{
    set_all(desk->source, status);
    require(compute(desk) == GGML_STATUS_SUCCESS, "a graph is on its way");
    set_all(desk->source, GGML_STATUS_SUCCESS);
}

static void expect_told(struct desk *desk, enum ggml_status status)
{
    expect_all(desk->result, 0, "there are zeros until somebody is told");
    require(compute(desk) == status, "the next status is the failure");
    expect_all(desk->result, DATA, "then data");
    require(compute(desk) == GGML_STATUS_SUCCESS, "then it computes again");
    require(compute(desk) == GGML_STATUS_SUCCESS, "and again");
    expect_all(desk->result, DATA, "with data");
}

static void fail_in_each_way(void *data)
{
    (void)data;
    static const enum ggml_status ways[] = {GGML_STATUS_FAILED, GGML_STATUS_ALLOC_FAILED, GGML_STATUS_ABORTED};
    struct desk desk = open_desk(0);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        fail_with(&desk, ways[i]); /* the first is new to the host, later ones it keeps */
        expect_told(&desk, ways[i]);
    }
    desk_close(&desk);
}

static void failure_is_told_by_the_next_status_once(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, fail_in_each_way, NULL, NULL, 0));
}

static void log_failure(void *data)
{
    (void)data;
    struct desk desk = open_desk(0);
    fail_with(&desk, GGML_STATUS_FAILED);
    for (int i = 0; i < 5; i++)
        ggml_backend_synchronize(desk.backend);
    expect_told(&desk, GGML_STATUS_FAILED);
    desk_close(&desk);
}

static int count_lines(const char *output)
{
    int n = 0;
    for (const char *at = output; (at = strstr(at, "ggml-virtgpu: ")) != NULL; at++)
        n++;
    return n;
}

static void failure_is_logged_once(void **state)
{
    (void)state;
    char output[4096];
    assert_true(in_child(host.socket, log_failure, NULL, output, sizeof output));
    assert_int_equal(count_lines(output), 1);
    assert_non_null(strstr(output, "a graph has failed"));
}

static void compute_after_a_failure(void *data)
{
    (void)data;
    struct desk desk = open_desk(0);
    set_all(desk.source, GGML_STATUS_ALLOC_FAILED);
    require(ggml_backend_graph_compute_async(desk.backend, desk.graph) == GGML_STATUS_SUCCESS, "a graph is on its way");
    /* before it is known; these are skipped or told, and never the first to fail */
    bool told = false;
    for (int i = 0; i < 40 && !told; i++) {
        enum ggml_status status = ggml_backend_graph_compute_async(desk.backend, desk.graph);
        told = status == GGML_STATUS_ALLOC_FAILED;
        require(told || status == GGML_STATUS_SUCCESS, "status");
    }
    set_all(desk.source, GGML_STATUS_SUCCESS);
    ggml_backend_synchronize(desk.backend);
    if (!told)
        require(compute(&desk) == GGML_STATUS_ALLOC_FAILED, "told");
    require(compute(&desk) == GGML_STATUS_SUCCESS, "it computes again");
    expect_all(desk.result, DATA, "data");
    desk_close(&desk);
}

static void graphs_after_a_failure_do_not_hide_it(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, compute_after_a_failure, NULL, NULL, 0));
}

/* Graphs that differ a little each time, after one that fails: the host is told them by what differs. */
static void change_after_a_failure(void *data)
{
    (void)data;
    struct desk desk = open_desk(0);
    for (int round = 0; round < 5; round++) {
        bool told = false;
        for (int i = 0; i < 30 && !told; i++) {
            struct ggml_context *ctx = ggml_init((struct ggml_init_params){.mem_size = 1 << 16, .no_alloc = true});
            struct ggml_tensor *scaled = ggml_scale_inplace(ctx, desk.source, (float)i);
            struct ggml_cgraph *graph = ggml_new_graph_custom(ctx, 8, false);
            ggml_set_name(scaled, FAKE_JUDGE);
            ggml_build_forward_expand(graph, scaled);
            require(ggml_backend_view_init(scaled) == GGML_STATUS_SUCCESS, "a view");
            if (i == 10)
                set_all(desk.source, GGML_STATUS_ABORTED);
            enum ggml_status status = ggml_backend_graph_compute_async(desk.backend, graph);
            told = status == GGML_STATUS_ABORTED;
            require(told ? i > 10 : status == GGML_STATUS_SUCCESS, "status");
            ggml_free(ctx);
        }
        ggml_backend_synchronize(desk.backend);
        set_all(desk.source, GGML_STATUS_SUCCESS);
        require(told || compute(&desk) == GGML_STATUS_ABORTED, "told");
        require(compute(&desk) == GGML_STATUS_SUCCESS, "it computes again");
        expect_all(desk.result, DATA, "data");
    }
    desk_close(&desk);
}

static void graphs_that_change_after_a_failure_do_not_hide_it(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, change_after_a_failure, NULL, NULL, 0));
}

static void get_in_every_way(void *data)
{
    (void)data;
    struct desk desk = open_desk(0);
    int32_t plain[WORDS], again[WORDS];
    ggml_backend_buffer_type_t buft = ggml_backend_dev_host_buffer_type(ggml_backend_get_device(desk.backend));
    ggml_backend_buffer_t shared = ggml_backend_buft_alloc_buffer(buft, sizeof plain);
    int32_t *in_shared = ggml_backend_buffer_get_base(shared);
    memset(plain, 1, sizeof plain);
    memset(again, 1, sizeof again);
    memset(in_shared, 1, sizeof plain);
    set_all(desk.source, GGML_STATUS_FAILED);
    require(ggml_backend_graph_compute_async(desk.backend, desk.graph) == GGML_STATUS_SUCCESS, "a graph is on its way");
    ggml_backend_tensor_get_async(desk.backend, desk.result, in_shared, 0, sizeof plain);
    ggml_backend_tensor_get_async(desk.backend, desk.result, plain, 0, sizeof plain);
    ggml_backend_tensor_get_2d_async(desk.backend, desk.result, again, 0, 4, WORDS, 4, 4);
    ggml_backend_synchronize(desk.backend);
    expect_words(in_shared, 0, "zeros in shared memory");
    expect_words(plain, 0, "zeros in other memory");
    expect_words(again, 0, "zeros in rows");
    ggml_backend_tensor_get(desk.result, in_shared, 0, sizeof plain);
    expect_words(in_shared, 0, "zeros when asked again");
    set_all(desk.source, GGML_STATUS_SUCCESS);
    expect_told(&desk, GGML_STATUS_FAILED);
    ggml_backend_tensor_get_async(desk.backend, desk.result, in_shared, 0, sizeof plain);
    ggml_backend_synchronize(desk.backend);
    expect_words(in_shared, DATA, "data");
    ggml_backend_buffer_free(shared);
    desk_close(&desk);
}

static void results_of_a_failed_graph_are_zeros_however_they_are_got(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, get_in_every_way, NULL, NULL, 0));
}

static void fail_beside(void *data)
{
    (void)data;
    struct desk bad = open_desk(0), good = open_desk(0);
    fail_with(&bad, GGML_STATUS_FAILED);
    expect_all(good.result, DATA, "data of another backend");
    require(compute(&good) == GGML_STATUS_SUCCESS, "another backend computes");
    expect_all(good.result, DATA, "data of another backend");
    expect_told(&bad, GGML_STATUS_FAILED);
    desk_close(&bad);
    desk_close(&good);
}

static void other_backends_do_not_notice(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, fail_beside, NULL, NULL, 0));
}

static void free_failed_backend(void *data)
{
    (void)data;
    struct desk desk = open_desk(0);
    fail_with(&desk, GGML_STATUS_FAILED);
    ggml_backend_free(desk.backend);
    expect_all(desk.result, DATA, "nobody is left to be told");
    desk.backend = ggml_backend_dev_init(ggml_backend_buft_get_device(ggml_backend_buffer_get_type(desk.buffer)), NULL);
    require(compute(&desk) == GGML_STATUS_SUCCESS, "a new one has not failed");
    expect_all(desk.result, DATA, "data");
    desk_close(&desk);
}

static void failure_ends_with_its_backend(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, free_failed_backend, NULL, NULL, 0));
}

/* The first device's failure, after its result was passed on to the second. */
static void pass_failure_on(void *data)
{
    (void)data;
    struct desk first = open_desk(0), second = open_desk(1), third = open_desk(1);
    set_all(first.source, GGML_STATUS_FAILED);
    require(ggml_backend_graph_compute_async(first.backend, first.graph) == GGML_STATUS_SUCCESS, "a graph is on its way");
    ggml_backend_tensor_copy_async(first.backend, second.backend, first.result, second.result);
    if (ggml_backend_graph_compute_async(second.backend, second.graph) != GGML_STATUS_SUCCESS) /* it is known already */
        ggml_backend_tensor_copy_async(first.backend, second.backend, first.result, second.result);
    ggml_backend_tensor_copy_async(second.backend, third.backend, second.result, third.result);
    ggml_backend_synchronize(third.backend);
    expect_all(second.result, 0, "what is made of failed results is not seen");
    expect_all(third.result, 0, "nor what is made of that");
    require(compute(&second) == GGML_STATUS_FAILED, "who has taken them is told");
    expect_all(second.result, DATA, "then data");
    require(compute(&second) == GGML_STATUS_SUCCESS, "then it computes again");
    set_all(first.source, GGML_STATUS_SUCCESS);
    expect_told(&first, GGML_STATUS_FAILED);
    require(compute(&third) == GGML_STATUS_SUCCESS, "nothing that it has taken is bad");
    desk_close(&first);
    desk_close(&second);
    desk_close(&third);
}

static void failure_is_passed_on_with_copies(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, pass_failure_on, NULL, NULL, 0));
}

/* The second works on with what the first leaves in a buffer of both. */
static void wait_for_failure(void *data)
{
    (void)data;
    struct desk first = open_desk(0), second = open_desk(0);
    ggml_backend_event_t event = ggml_backend_event_new(ggml_backend_get_device(first.backend));
    set_all(first.source, GGML_STATUS_ABORTED);
    require(ggml_backend_graph_compute_async(first.backend, first.graph) == GGML_STATUS_SUCCESS, "a graph is on its way");
    ggml_backend_event_record(event, first.backend);
    ggml_backend_event_wait(second.backend, event);
    ggml_backend_event_synchronize(event);
    expect_all(second.result, DATA, "what was there before is"); /* no backend has used it */
    require(compute(&second) == GGML_STATUS_FAILED, "who waits for a failure is told");
    require(compute(&second) == GGML_STATUS_SUCCESS, "then it computes");
    set_all(first.source, GGML_STATUS_SUCCESS);
    expect_told(&first, GGML_STATUS_ABORTED);
    ggml_backend_event_free(event);
    desk_close(&first);
    desk_close(&second);
}

static void failure_is_passed_on_with_events(void **state)
{
    (void)state;
    assert_true(in_child(host.socket, wait_for_failure, NULL, NULL, 0));
}

/* Two places that overlap: no device copies that, and an application that asks for it has lost its way. */
static void be_refused(void *data)
{
    (void)data;
    struct desk desk = open_desk(0);
    struct ggml_tensor *one = ggml_view_1d(desk.ctx, desk.source, 4, 0), *other = ggml_view_1d(desk.ctx, desk.source, 4, 8);
    require(ggml_backend_view_init(one) == GGML_STATUS_SUCCESS && ggml_backend_view_init(other) == GGML_STATUS_SUCCESS, "views");
    ggml_backend_tensor_copy_async(desk.backend, desk.backend, one, other);
    for (int i = 0; i < 5; i++)
        ggml_backend_synchronize(desk.backend);
    expect_all(desk.result, 0, "zeros for good");
    for (int i = 0; i < 3; i++)
        require(compute(&desk) == GGML_STATUS_FAILED, "failures for good");
    desk_close(&desk);
}

static void refusal_ends_the_session_with_one_line(void **state)
{
    (void)state;
    char output[4096];
    assert_true(in_child(host.socket, be_refused, NULL, output, sizeof output));
    assert_int_equal(count_lines(output), 1);
    assert_non_null(strstr(output, "Invalid argument"));
}

/* The host's driver does not return: its worker is ended after a second. */
static void hang(void *data)
{
    (void)data;
    struct desk desk = open_desk(0);
    set_all(desk.source, FAKE_HANG);
    require(compute(&desk) == GGML_STATUS_SUCCESS, "a graph is on its way");
    expect_all(desk.result, 0, "it ends with zeros");
    require(compute(&desk) == GGML_STATUS_FAILED, "and a failure");
    desk_close(&desk);
}

static void graph_that_hangs_ends_its_program_only(void **state)
{
    static const char *const options[] = {"--max-compute-time", "1", NULL};
    struct daemon limited;
    (void)state;
    assert_int_equal(daemon_start_options(&limited, LIBRARIES "/fake-two-devices.so", options), 0);
    assert_true(in_child(limited.socket, hang, NULL, NULL, 0));
    assert_true(in_child(limited.socket, fail_in_each_way, NULL, NULL, 0));
    daemon_stop(&limited);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failure_is_told_by_the_next_status_once),
        cmocka_unit_test(failure_is_logged_once),
        cmocka_unit_test(graphs_after_a_failure_do_not_hide_it),
        cmocka_unit_test(graphs_that_change_after_a_failure_do_not_hide_it),
        cmocka_unit_test(results_of_a_failed_graph_are_zeros_however_they_are_got),
        cmocka_unit_test(other_backends_do_not_notice),
        cmocka_unit_test(failure_ends_with_its_backend),
        cmocka_unit_test(failure_is_passed_on_with_copies),
        cmocka_unit_test(failure_is_passed_on_with_events),
        cmocka_unit_test(refusal_ends_the_session_with_one_line),
        cmocka_unit_test(graph_that_hangs_ends_its_program_only),
    };
    return cmocka_run_group_tests_name("failure", tests, start_host, stop_host);
}
