/* The life and death of workers, seen by the hypervisor and its guest. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../attach/echo-worker.h"
#include "apir-upstream-protocol.h"
#include "attach/listener.h"
#include "fake-virgl.h"
#include "hypervisor.h"
#include "util/clock.h"
#include "util/fd.h"
#include "wire/capset.h"
#include "wire/connection.h"
#include "wire/status.h"

enum {
    SECOND = 1000 * 1000 * 1000,
    NOTIF_TIMEOUT = 1 + 2, /* FORWARD's code */
    COMMAND_SIZE = 1 << 20,
};

static struct hypervisor hypervisor;

static int set_up(void **state)
{
    (void)state;
    hypervisor_start(&hypervisor, VIRGL_RENDERER_ASYNC_FENCE_CB);
    hypervisor_create_context(1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unsetenv("VIRGL_APIR_SOCKET");
    hypervisor_stop(&hypervisor);
    return 0;
}

static const uint32_t handshake[] = {APIR_UPSTREAM_COMMAND_HANDSHAKE, 0, 5, 0, 2, APIR_HANDSHAKE_MAGIC, 1, 0};
static const uint32_t deployed_forward[] = {APIR_VENUS_COMMAND_BASE + APIR_UPSTREAM_COMMAND_FORWARD, 3, 5};
static const uint32_t die[] = {ECHO_DIE, 0, 0, 0};
static const uint32_t hang[] = {ECHO_HANG, 0, 0, 0};

/* A long command without a meaning. The caller frees it. */
static char *make_command(void)
{
    char *command = malloc(COMMAND_SIZE);
    assert_non_null(command);
    return memset(command, 0xff, COMMAND_SIZE);
}

static void assert_serves(uint32_t context, uint32_t resource)
{
    const uint32_t words[] = {ECHO_WRITE, resource, 8, 31};
    hypervisor_create_context(context);
    uint32_t *data = hypervisor_create_blob(context, resource);
    assert_int_equal(hypervisor_submit(context, words, 4), 0);
    assert_true(hypervisor_fence(&hypervisor, context, 1));
    assert_int_equal(data[2], 31);
    hypervisor_destroy_blob(context, resource, data);
}

static void a_dead_worker_ends_all_waiting(void **state)
{
    (void)state;
    char *page = hypervisor_create_blob(1, 5);
    hypervisor_submit(1, handshake, 8);
    assert_true(hypervisor_fence(&hypervisor, 1, 1));
    hypervisor_submit(1, hang, 4);
    for (uint64_t id = 2; id <= 4; id++)
        assert_int_equal(virgl_renderer_context_create_fence(1, 0, 0, id), 0);
    hypervisor_create_context(2);
    hypervisor_submit(2, die, 4);
    assert_true(hypervisor_fence(&hypervisor, 2, 1));
    assert_int_equal(atomic_load(apir_status_dead(page)), 0); /* that was another */
    virgl_renderer_context_destroy(2);
    /* the worker that hangs is ended by too much that it does not read */
    char *much = make_command();
    while (hypervisor_count(&hypervisor) < 5 && virgl_renderer_submit_cmd(much, 1, COMMAND_SIZE / 4) == 0)
        ;
    free(much);
    assert_true(hypervisor_wait(&hypervisor, 5));
    assert_int_equal(hypervisor_wait_word(page + APIR_STATUS_DEAD_OFFSET), 1);
    assert_serves(3, 6);
    hypervisor_destroy_blob(1, 5, page);
}

/* While one guest's commands fill all room there is, another's few are taken. */
static void a_flood_of_one_context_leaves_room_for_others(void **state)
{
    (void)state;
    const uint32_t sleep[] = {ECHO_SLEEP, 100, 0, 0};
    const uint32_t words[] = {ECHO_WRITE, 6, 8, 31};
    char *much = make_command();
    hypervisor_create_context(2);
    uint32_t *data = hypervisor_create_blob(2, 6);
    assert_true(hypervisor_fence(&hypervisor, 2, 1));
    hypervisor_submit(1, sleep, 4);
    for (int flood = 0; flood < 8; flood++) {
        uint32_t context = 3 + (uint32_t)flood;
        hypervisor_create_context(context);
        hypervisor_submit(context, sleep, 4);
        for (int i = 0; i < 128 && virgl_renderer_submit_cmd(much, (int)context, COMMAND_SIZE / 4) == 0; i++)
            ;
        assert_int_equal(hypervisor_submit(2, words, 4), 0); /* the room may still be full */
    }
    free(much);
    assert_true(hypervisor_fence(&hypervisor, 2, 2));
    assert_int_equal(data[2], 31);
    hypervisor_destroy_blob(2, 6, data);
}

static void a_guest_of_our_protocol_is_told_of_death(void **state)
{
    (void)state;
    char *page = hypervisor_create_blob(1, 5);
    hypervisor_submit(1, handshake, 8);
    assert_int_equal(hypervisor_wait_word(page), APIR_HANDSHAKE_CODE + 1);
    hypervisor_submit(1, die, 4);
    assert_int_equal(hypervisor_wait_word(page + APIR_STATUS_DEAD_OFFSET), 1);
    assert_serves(2, 6);
    hypervisor_destroy_blob(1, 5, page);
}

static void a_deployed_guest_gets_an_answer_from_the_dead(void **state)
{
    (void)state;
    _Atomic uint32_t *page = hypervisor_create_blob(1, 5);
    hypervisor_submit(1, die, 4);
    assert_true(hypervisor_fence(&hypervisor, 1, 1));
    for (int i = 0; i < 3; i++) {
        atomic_store(page, 0);
        hypervisor_submit(1, deployed_forward, 3);
        assert_int_equal(hypervisor_wait_word(page), NOTIF_TIMEOUT);
    }
    hypervisor_destroy_blob(1, 5, page);
}

static void a_worker_that_cannot_start_is_as_a_dead_one(void **state)
{
    (void)state;
    setenv("VIRGL_APIR_WORKER", "/nonexistent/apird-worker", 1);
    char *page = hypervisor_create_blob(1, 5);
    hypervisor_submit(1, handshake, 8);
    assert_int_equal(hypervisor_wait_word(page + APIR_STATUS_DEAD_OFFSET), 1);
    assert_true(hypervisor_fence(&hypervisor, 1, 1));
    hypervisor_submit(1, deployed_forward, 3);
    assert_int_equal(hypervisor_wait_word(page), NOTIF_TIMEOUT);
    virgl_renderer_ctx_detach_resource(1, 5);
    virgl_renderer_ctx_attach_resource(1, 5);
    hypervisor_destroy_blob(1, 5, page);
}

static void a_worker_that_hangs_does_not_hold_the_hypervisor(void **state)
{
    (void)state;
    char *much = make_command();
    hypervisor_submit(1, hang, 4);
    assert_int_equal(virgl_renderer_context_create_fence(1, 0, 0, 1), 0);
    uint64_t start = apir_clock_now(), longest = 0;
    for (int i = 0; i < 200; i++) {
        uint64_t before = apir_clock_now();
        virgl_renderer_submit_cmd(much, 1, COMMAND_SIZE / 4);
        uint64_t took = apir_clock_now() - before;
        longest = took > longest ? took : longest;
    }
    virgl_renderer_context_destroy(1);
    assert_true(longest < SECOND / 2);
    assert_true(apir_clock_now() - start < UINT64_C(5) * SECOND);
    assert_true(hypervisor_wait(&hypervisor, 1));
    free(much);
}

/* Whether a new context gets a worker. */
static bool is_served(void)
{
    hypervisor_create_context(7);
    char *page = hypervisor_create_blob(7, 5);
    const uint32_t words[] = {ECHO_WRITE, 5, 8, 31};
    hypervisor_submit(7, words, 4);
    bool served = hypervisor_fence(&hypervisor, 7, 1) && page[8] == 31;
    hypervisor_destroy_blob(7, 5, page);
    virgl_renderer_context_destroy(7);
    return served;
}

/* Those of earlier tests may still be ending, and count. */
static void wait_until_no_worker_is_left(void)
{
    uint64_t limit = apir_clock_now() + UINT64_C(10) * SECOND;
    siginfo_t info;
    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && apir_clock_now() < limit)
        sched_yield();
}

static void there_are_only_so_many_workers(void **state)
{
    enum { MAX_WORKERS = 128, LAST = 1000 };
    const uint32_t last_handshake[] = {APIR_UPSTREAM_COMMAND_HANDSHAKE, 0, 6, 0, 2, APIR_HANDSHAKE_MAGIC, 1, 0};
    (void)state;
    wait_until_no_worker_is_left();
    hypervisor_create_context(LAST);
    char *page = hypervisor_create_blob(1, 5);
    for (uint32_t context = 2; context <= MAX_WORKERS; context++) {
        hypervisor_create_context(context);
        virgl_renderer_ctx_attach_resource((int)context, 5);
    }
    char *last_page = hypervisor_create_blob(LAST, 6);
    hypervisor_submit(LAST, last_handshake, 8);
    assert_int_equal(hypervisor_wait_word(last_page + APIR_STATUS_DEAD_OFFSET), 1);
    hypervisor_submit(1, handshake, 8); /* the others live */
    assert_int_equal(hypervisor_wait_word(page), APIR_HANDSHAKE_CODE + 1);
    hypervisor_destroy_blob(LAST, 6, last_page);
    hypervisor_destroy_blob(1, 5, page);
    virgl_renderer_reset();
    uint64_t limit = apir_clock_now() + UINT64_C(10) * SECOND;
    while (!is_served() && apir_clock_now() < limit)
        ; /* workers that are ending count, too */
    assert_true(is_served());
}

static void the_worker_is_started_when_it_is_needed(void **state)
{
    const uint32_t words[] = {ECHO_ENVIRONMENT, 5, 0, 0};
    (void)state;
    setenv("ECHO_VALUE", "77", 1);
    uint32_t *data = hypervisor_create_blob(1, 5);
    setenv("ECHO_VALUE", "78", 1);
    hypervisor_submit(1, words, 4);
    assert_true(hypervisor_fence(&hypervisor, 1, 1));
    assert_int_equal(data[0], 77);
    unsetenv("ECHO_VALUE");
    hypervisor_destroy_blob(1, 5, data);
}

static void a_context_is_configured_until_its_worker_starts(void **state)
{
    (void)state;
    assert_int_equal(virgl_apir_configure_kv(9, "ggml.library.path", "cpu"), 0); /* of a context to come */
    assert_int_equal(virgl_apir_configure_kv(1, "ggml.library.path", "cpu"), 0);
    assert_int_equal(virgl_apir_configure_kv(1, NULL, "cpu"), -1);
    assert_int_equal(virgl_apir_configure_kv(1, "ggml.library.path", NULL), -1);
    assert_true(hypervisor_fence(&hypervisor, 1, 1));
    assert_int_equal(virgl_apir_configure_kv(1, "ggml.library.path", "cpu"), -1);
}

static void a_forked_child_has_no_contexts(void **state)
{
    uint32_t words[] = {ECHO_WRITE, 5, 8, 9};
    int status;
    (void)state;
    uint32_t *data = hypervisor_create_blob(1, 5);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(10);
        bool good = virgl_renderer_submit_cmd(words, 1, 4) == FAKE_RESULT &&
                    virgl_renderer_context_create_with_flags(2, CAPSET_APIR, 4, "test") == EINVAL;
        virgl_renderer_reset();
        virgl_renderer_cleanup(NULL);
        _exit(good ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    hypervisor_submit(1, words, 4); /* the parent's go on */
    assert_true(hypervisor_fence(&hypervisor, 1, 1));
    assert_int_equal(data[2], 9);
    hypervisor_destroy_blob(1, 5, data);
}

/* An apird of which the test plays the part. */
static void a_running_apird_is_used_instead_of_a_worker(void **state)
{
    struct apir_listener listener;
    struct apir_connection connection;
    struct apir_frame frame;
    char path[64];
    (void)state;
    snprintf(path, sizeof path, "/tmp/apir-interposer-test.%d", (int)getpid());
    assert_int_equal(apir_listener_open(&listener, path), 0);
    setenv("VIRGL_APIR_SOCKET", path, 1);
    char *page = hypervisor_create_blob(1, 5);
    hypervisor_submit(1, handshake, 8);
    int fd;
    while ((fd = apir_listener_accept(&listener)) == -EAGAIN)
        ;
    assert_true(fd >= 0);
    apir_connection_init(&connection, fd);
    assert_int_equal(apir_connection_receive(&connection, &frame), 1);
    assert_int_equal(frame.type, APIR_FRAME_SHM_ADD);
    apir_fd_close(&frame.fd);
    assert_int_equal(apir_connection_receive(&connection, &frame), 1);
    assert_int_equal(frame.type, APIR_FRAME_SUBMIT);
    assert_int_equal(frame.size, sizeof handshake);
    assert_memory_equal(frame.data, handshake, sizeof handshake);
    apir_connection_finish(&connection); /* apird ends */
    assert_int_equal(hypervisor_wait_word(page + APIR_STATUS_DEAD_OFFSET), 1);
    apir_listener_close(&listener);
    hypervisor_destroy_blob(1, 5, page);
}

/* As a deployed guest: handshake, then the library. Returns the answer to the latter. */
static uint32_t load_library_as_deployed_guest(void)
{
    const uint32_t deployed_handshake[] = {APIR_VENUS_COMMAND_BASE, 0, 5, 0, 2};
    const uint32_t load[] = {APIR_VENUS_COMMAND_BASE + APIR_UPSTREAM_COMMAND_LOAD_LIBRARY, 0, 5};
    char path[4096];
    setenv("VIRGL_APIR_WORKER", hypervisor_beside(path, "../bin/apird-worker"), 1);
    _Atomic uint32_t *page = hypervisor_create_blob(1, 5);
    hypervisor_submit(1, deployed_handshake, 5);
    assert_int_equal(hypervisor_wait_word(page), APIR_HANDSHAKE_CODE + 1);
    atomic_store(page, 0);
    hypervisor_submit(1, load, 3);
    uint32_t answer = hypervisor_wait_word(page);
    hypervisor_destroy_blob(1, 5, page);
    return answer;
}

static void the_real_worker_serves(void **state)
{
    (void)state;
    setenv("APIR_LLAMA_CPP_GGML_LIBRARY_PATH", "cpu", 1);
    assert_int_equal(load_library_as_deployed_guest(), 1);
}

static void the_real_worker_loads_what_was_configured(void **state)
{
    (void)state;
    setenv("APIR_LLAMA_CPP_GGML_LIBRARY_PATH", "/nonexistent/ggml.so", 1);
    assert_int_equal(virgl_apir_configure_kv(1, "ggml.library.path", "cpu"), 0);
    assert_int_equal(load_library_as_deployed_guest(), 1);
}

static void a_registration_without_a_name_is_refused(void **state)
{
    (void)state;
    setenv("APIR_LLAMA_CPP_GGML_LIBRARY_PATH", "cpu", 1);
    setenv("APIR_LLAMA_CPP_GGML_LIBRARY_REG", "", 1);
    assert_true(load_library_as_deployed_guest() > 1);
    unsetenv("APIR_LLAMA_CPP_GGML_LIBRARY_REG");
}

static void a_backend_library_is_honoured_in_the_worker(void **state)
{
    char path[4096];
    (void)state;
    setenv("APIR_LLAMA_CPP_GGML_LIBRARY_PATH", "cpu", 1);
    setenv("VIRGL_APIR_BACKEND_LIBRARY", hypervisor_beside(path, "../lib/libggml-virtgpu-backend.so"), 1);
    assert_int_equal(load_library_as_deployed_guest(), 1);
    virgl_renderer_context_destroy(1);
    hypervisor_create_context(1);
    setenv("VIRGL_APIR_BACKEND_LIBRARY", "/nonexistent/backend.so", 1);
    assert_int_equal(load_library_as_deployed_guest(), 1 + APIR_UPSTREAM_LOAD_CODE_CANNOT_OPEN);
    unsetenv("VIRGL_APIR_BACKEND_LIBRARY");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_dead_worker_ends_all_waiting),
        TEST(a_flood_of_one_context_leaves_room_for_others),
        TEST(a_guest_of_our_protocol_is_told_of_death),
        TEST(a_deployed_guest_gets_an_answer_from_the_dead),
        TEST(a_worker_that_cannot_start_is_as_a_dead_one),
        TEST(a_worker_that_hangs_does_not_hold_the_hypervisor),
        TEST(there_are_only_so_many_workers),
        TEST(the_worker_is_started_when_it_is_needed),
        TEST(a_context_is_configured_until_its_worker_starts),
        TEST(a_forked_child_has_no_contexts),
        TEST(a_running_apird_is_used_instead_of_a_worker),
        TEST(the_real_worker_serves),
        TEST(the_real_worker_loads_what_was_configured),
        TEST(a_registration_without_a_name_is_refused),
        TEST(a_backend_library_is_honoured_in_the_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
