/* What the virtgpu transport promises where there is no usable device: it says why, at once, and
 * holds nothing open. The device itself is tested in the virtual machine. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "transport/poll.h"
#include "transport/transport.h"
#include "transport/virtgpu.h"
#include "util/clock.h"

#define MS UINT64_C(1000000)

/* A folder in place of /dev/dri. */
struct fixture {
    char dir[64];
    char reason[512];
    unsigned open_before;
};

static unsigned open_files(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    strcpy(f->dir, "/tmp/apir-dri-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->open_before = open_files();
    *state = f;
    return 0;
}

static void node_path(const struct fixture *f, unsigned number, char path[128])
{
    snprintf(path, 128, "%s/renderD%u", f->dir, number);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char path[128];
    assert_int_equal(open_files(), f->open_before);
    for (unsigned i = 128; i < 132; i++) {
        node_path(f, i, path);
        unlink(path);
    }
    rmdir(f->dir);
    free(f);
    return 0;
}

static void make_node(const struct fixture *f, unsigned number, mode_t mode)
{
    char path[128];
    node_path(f, number, path);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, mode);
    assert_true(fd >= 0);
    close(fd);
}

/* Opens, which fails within milliseconds; returns errno. */
static int open_fails(struct fixture *f, const char *dir)
{
    struct apir_virtgpu_options options = {.dri_dir = dir};
    uint64_t start = apir_clock_now();
    struct apir_transport *transport =
        apir_transport_virtgpu_open(&options, NULL, f->reason, sizeof f->reason);
    int error = errno;
    assert_null(transport);
    assert_true(apir_clock_now() - start < 50 * MS);
    return error;
}

static void a_missing_folder_has_no_device(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(open_fails(f, "/nonexistent/dri"), ENODEV);
    assert_non_null(strstr(f->reason, "no render node in /nonexistent/dri"));
}

static void an_empty_folder_has_no_device(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(open_fails(f, f->dir), ENODEV);
    assert_non_null(strstr(f->reason, "no render node"));
}

static void a_node_that_is_no_device_is_skipped(void **state)
{
    struct fixture *f = *state;
    make_node(f, 128, 0600);
    assert_int_equal(open_fails(f, f->dir), ENODEV);
    assert_non_null(strstr(f->reason, "renderD128: is not a DRM device"));
}

static void a_character_device_of_no_driver_is_skipped(void **state)
{
    struct fixture *f = *state;
    char path[128];
    node_path(f, 130, path);
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_int_equal(open_fails(f, f->dir), ENODEV);
    assert_non_null(strstr(f->reason, "renderD130: is not a DRM device"));
}

static void all_nodes_are_searched(void **state)
{
    struct fixture *f = *state;
    make_node(f, 128, 0600);
    make_node(f, 131, 0600);
    assert_int_equal(open_fails(f, f->dir), ENODEV);
    assert_non_null(strstr(f->reason, "renderD128"));
    assert_non_null(strstr(f->reason, "renderD131"));
}

/* Root opens everything, hence another effective user. */
static void a_node_that_cannot_be_opened_is_the_reason(void **state)
{
    struct fixture *f = *state;
    uid_t user = geteuid();
    make_node(f, 128, 0600);
    make_node(f, 129, 0000);
    assert_int_equal(chmod(f->dir, 0755), 0);
    if (user == 0) {
        char path[128];
        node_path(f, 128, path);
        assert_int_equal(chmod(path, 0666), 0);
        assert_int_equal(seteuid(65534), 0);
    }
    int error = open_fails(f, f->dir);
    if (user == 0)
        assert_int_equal(seteuid(user), 0);
    assert_int_equal(error, EACCES);
    assert_non_null(strstr(f->reason, "renderD129: cannot be opened: Permission denied"));
    assert_null(strstr(f->reason, "renderD128")); /* the lesser reason */
}

static void a_short_reason_is_cut(void **state)
{
    struct fixture *f = *state;
    struct apir_virtgpu_options options = {.dri_dir = f->dir};
    char reason[16];
    make_node(f, 128, 0600);
    make_node(f, 129, 0600);
    assert_null(apir_transport_virtgpu_open(&options, NULL, reason, sizeof reason));
    assert_int_equal(strlen(reason), sizeof reason - 1);
}

static void poll_returns_at_once_when_the_word_differs(void **state)
{
    (void)state;
    _Atomic uint32_t word = 7;
    uint64_t start = apir_clock_now();
    apir_poll(&word, 6, true, 10000 * MS);
    assert_true(apir_clock_now() - start < 1000 * MS);
}

static void poll_ends_with_its_time(void **state)
{
    (void)state;
    _Atomic uint32_t word = 7;
    for (int busy = 0; busy < 2; busy++) {
        uint64_t start = apir_clock_now();
        apir_poll(&word, 7, busy, 3 * MS);
        uint64_t waited = apir_clock_now() - start;
        assert_true(waited >= 3 * MS);
        assert_true(waited < 1000 * MS);
    }
}

static void *change(void *word)
{
    apir_clock_sleep(2 * MS);
    atomic_store_explicit((_Atomic uint32_t *)word, 8, memory_order_release); /* poll's acquire */
    return NULL;
}

static void poll_sees_a_change_by_another_thread(void **state)
{
    (void)state;
    _Atomic uint32_t word = 7;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, change, &word), 0);
    apir_poll(&word, 7, true, 60000 * MS);
    assert_int_equal(atomic_load(&word), 8);
    pthread_join(thread, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_missing_folder_has_no_device),
        TEST(an_empty_folder_has_no_device),
        TEST(a_node_that_is_no_device_is_skipped),
        TEST(a_character_device_of_no_driver_is_skipped),
        TEST(all_nodes_are_searched),
        TEST(a_node_that_cannot_be_opened_is_the_reason),
        TEST(a_short_reason_is_cut),
        cmocka_unit_test(poll_returns_at_once_when_the_word_differs),
        cmocka_unit_test(poll_ends_with_its_time),
        cmocka_unit_test(poll_sees_a_change_by_another_thread),
    };
    return cmocka_run_group_tests_name("virtgpu", tests, NULL, NULL);
}
