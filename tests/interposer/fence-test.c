/* How fences are reported. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../attach/echo-worker.h"
#include "fake-virgl.h"
#include "hypervisor.h"

static struct hypervisor hypervisor;
static int real; /* an eventfd, the real library's; open as long as the library in front of it knows its number */

static int set_up_async(void **state)
{
    (void)state;
    hypervisor_start(&hypervisor, VIRGL_RENDERER_ASYNC_FENCE_CB | VIRGL_RENDERER_THREAD_SYNC);
    hypervisor_create_context(1);
    return 0;
}

static int set_up_polled(void **state)
{
    (void)state;
    hypervisor_start(&hypervisor, VIRGL_RENDERER_THREAD_SYNC);
    hypervisor_create_context(1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_virgl_set_poll_fd(-1);
    hypervisor_stop(&hypervisor);
    return 0;
}

static void make_fence(uint32_t context, uint32_t ring, uint64_t id)
{
    assert_int_equal(virgl_renderer_context_create_fence(context, 0, ring, id), 0);
}

static void assert_in_order(uint32_t ring, unsigned count)
{
    uint64_t next = 1;
    for (unsigned i = 0; i < hypervisor.count; i++)
        if (hypervisor.fences[i].ring == ring) {
            assert_int_equal(hypervisor.fences[i].id, next);
            next++;
        }
    assert_int_equal(next, count + 1);
}

static void fences_of_a_ring_are_reported_in_order(void **state)
{
    const uint32_t sleep[] = {ECHO_SLEEP, 1, 0, 0};
    (void)state;
    for (uint64_t id = 1; id <= 100; id++)
        for (uint32_t ring = 0; ring < 4; ring++) {
            if (id % 25 == 0)
                hypervisor_submit(1, sleep, 4);
            make_fence(1, ring, id);
        }
    assert_true(hypervisor_wait(&hypervisor, 400));
    for (uint32_t ring = 0; ring < 4; ring++)
        assert_in_order(ring, 100);
}

static void a_fence_comes_after_what_it_was_put_behind(void **state)
{
    const uint32_t sleep[] = {ECHO_SLEEP, 20, 0, 0}, write[] = {ECHO_WRITE, 5, 0, 9};
    (void)state;
    uint32_t *data = hypervisor_create_blob(1, 5);
    hypervisor_submit(1, sleep, 4);
    hypervisor_submit(1, write, 4);
    assert_int_equal(data[0], 0);
    assert_true(hypervisor_fence(&hypervisor, 1, 1));
    assert_int_equal(data[0], 9);
    hypervisor_destroy_blob(1, 5, data);
}

static void fences_are_reported_by_a_thread_of_ours(void **state)
{
    (void)state;
    assert_true(hypervisor_fence(&hypervisor, 1, 1));
    assert_false(pthread_equal(hypervisor.reporter, pthread_self()));
    assert_int_equal(virgl_renderer_context_get_poll_fd(1), -1);
}

static void fences_of_an_ended_context_are_reported(void **state)
{
    const uint32_t hang[] = {ECHO_HANG, 0, 0, 0};
    (void)state;
    hypervisor_submit(1, hang, 4);
    for (uint64_t id = 1; id <= 3; id++)
        make_fence(1, 2, id);
    virgl_renderer_context_destroy(1);
    assert_true(hypervisor_wait(&hypervisor, 3));
    assert_in_order(2, 3);
}

static void fences_from_before_a_reset_are_forgotten(void **state)
{
    const uint32_t hang[] = {ECHO_HANG, 0, 0, 0};
    (void)state;
    hypervisor_submit(1, hang, 4);
    make_fence(1, 0, 1000);
    virgl_renderer_reset();
    hypervisor_create_context(1);
    assert_true(hypervisor_fence(&hypervisor, 1, 1));
    assert_int_equal(hypervisor.count, 1);
    assert_int_equal(hypervisor.fences[0].id, 1);
}

static void fences_without_a_callback_are_refused(void **state)
{
    struct virgl_renderer_callbacks old = {.version = 2};
    (void)state;
    virgl_renderer_init(&hypervisor, 0, &old);
    assert_int_equal(virgl_renderer_context_create_fence(1, 0, 0, 1), -EINVAL);
}

/* Waits until fd is readable. */
static bool becomes_readable(int fd)
{
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    return poll(&waiting, 1, 10000) == 1;
}

static bool is_readable(int fd)
{
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    return poll(&waiting, 1, 0) == 1;
}

static void polled_fences_are_reported_when_the_hypervisor_polls(void **state)
{
    (void)state;
    int fd = virgl_renderer_context_get_poll_fd(1);
    assert_true(fd >= 0);
    assert_int_equal(virgl_renderer_context_get_poll_fd(1), fd);
    make_fence(1, 0, 1);
    assert_true(becomes_readable(fd));
    assert_int_equal(hypervisor.count, 0);
    virgl_renderer_context_poll(1);
    assert_int_equal(hypervisor.count, 1);
    assert_true(pthread_equal(hypervisor.reporter, pthread_self()));
    assert_false(is_readable(fd));
    make_fence(1, 0, 2);
    assert_true(becomes_readable(fd));
    virgl_renderer_poll();
    assert_int_equal(hypervisor.count, 2);
}

static void polling_a_context_leaves_those_of_others(void **state)
{
    (void)state;
    hypervisor_create_context(2);
    make_fence(1, 0, 1);
    make_fence(2, 0, 1);
    assert_true(becomes_readable(virgl_renderer_context_get_poll_fd(1)));
    assert_true(becomes_readable(virgl_renderer_context_get_poll_fd(2)));
    virgl_renderer_context_poll(2);
    assert_int_equal(hypervisor.count, 1);
    assert_int_equal(hypervisor.fences[0].context, 2);
    virgl_renderer_poll();
    assert_int_equal(hypervisor.count, 2);
    assert_int_equal(hypervisor.fences[1].context, 1);
}

static void one_descriptor_tells_of_our_fences_and_of_others(void **state)
{
    (void)state;
    assert_int_equal(virgl_renderer_get_poll_fd(), -1); /* the real library has none: the hypervisor polls anyway */
    fake_virgl_set_poll_fd(real);
    int fd = virgl_renderer_get_poll_fd();
    assert_true(fd >= 0 && fd != real);
    assert_int_equal(virgl_renderer_get_poll_fd(), fd);
    assert_false(is_readable(fd));
    make_fence(1, 0, 1);
    assert_true(becomes_readable(fd));
    virgl_renderer_poll();
    assert_int_equal(hypervisor.count, 1);
    assert_false(is_readable(fd));
    assert_int_equal(eventfd_write(real, 1), 0);
    assert_true(is_readable(fd));
    assert_int_equal(eventfd_read(real, &(eventfd_t){0}), 0);
}

static void polled_fences_from_before_a_reset_are_forgotten(void **state)
{
    (void)state;
    make_fence(1, 0, 1);
    assert_true(becomes_readable(virgl_renderer_context_get_poll_fd(1)));
    virgl_renderer_reset();
    virgl_renderer_poll();
    assert_int_equal(hypervisor.count, 0);
}

static void fences_that_are_forgotten_wake_nobody(void **state)
{
    const uint32_t hang[] = {ECHO_HANG, 0, 0, 0};
    (void)state;
    fake_virgl_set_poll_fd(real);
    hypervisor_submit(1, hang, 4);
    make_fence(1, 0, 1);
    virgl_renderer_reset(); /* ends the context, and with it the fence */
    hypervisor_create_context(1);
    make_fence(1, 0, 2);
    assert_true(becomes_readable(virgl_renderer_get_poll_fd()));
    virgl_renderer_poll();
    assert_int_equal(hypervisor.count, 1);
    assert_int_equal(hypervisor.fences[0].id, 2);
}

#define ASYNC(name) cmocka_unit_test_setup_teardown(name, set_up_async, tear_down)
#define POLLED(name) cmocka_unit_test_setup_teardown(name, set_up_polled, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ASYNC(fences_of_a_ring_are_reported_in_order),
        ASYNC(a_fence_comes_after_what_it_was_put_behind),
        ASYNC(fences_are_reported_by_a_thread_of_ours),
        ASYNC(fences_of_an_ended_context_are_reported),
        ASYNC(fences_from_before_a_reset_are_forgotten),
        ASYNC(fences_without_a_callback_are_refused),
        POLLED(polled_fences_are_reported_when_the_hypervisor_polls),
        POLLED(polling_a_context_leaves_those_of_others),
        POLLED(one_descriptor_tells_of_our_fences_and_of_others),
        POLLED(polled_fences_from_before_a_reset_are_forgotten),
        POLLED(fences_that_are_forgotten_wake_nobody),
    };
    real = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    close(real);
    return failed;
}
