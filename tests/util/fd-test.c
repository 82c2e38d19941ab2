#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/fd.h"

static void close_stores_minus_one_and_keeps_errno(void **state)
{
    (void)state;
    int fd = memfd_create("test", MFD_CLOEXEC), copy = fd;
    errno = 77;
    apir_fd_close(&fd);
    assert_int_equal(fd, -1);
    assert_int_equal(errno, 77);
    assert_int_equal(fcntl(copy, F_GETFD), -1);
    apir_fd_close(&fd);
    assert_int_equal(fd, -1);
}

static void take_moves_ownership(void **state)
{
    (void)state;
    int fd = 42;
    assert_int_equal(apir_fd_take(&fd), 42);
    assert_int_equal(fd, -1);
    assert_int_equal(apir_fd_take(&fd), -1);
}

static void memory_has_its_size_and_cannot_change_it(void **state)
{
    (void)state;
    struct stat st;
    int fd = apir_fd_memory("test", 8192);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 8192);
    assert_int_equal(ftruncate(fd, 4096), -1);
    assert_int_equal(ftruncate(fd, 16384), -1);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(apir_fd_check_memory(fd, 8192), 0);
    apir_fd_close(&fd);
}

static void memory_of_a_size_no_file_has_fails(void **state)
{
    (void)state;
    assert_int_equal(apir_fd_memory("test", UINT64_MAX), -EINVAL);
    assert_int_equal(apir_fd_memory("test", (uint64_t)INT64_MAX + 1), -EINVAL);
}

static void memory_smaller_than_wanted_is_refused(void **state)
{
    (void)state;
    int fd = apir_fd_memory("test", 4096);
    assert_int_equal(apir_fd_check_memory(fd, 4096), 0);
    assert_int_equal(apir_fd_check_memory(fd, 4097), -EINVAL);
    assert_int_equal(apir_fd_check_memory(fd, UINT64_MAX), -EINVAL);
    apir_fd_close(&fd);
}

static void memory_that_can_shrink_is_refused(void **state)
{
    (void)state;
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(fd, 4096), 0);
    assert_int_equal(apir_fd_check_memory(fd, 4096), -EINVAL);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
    assert_int_equal(apir_fd_check_memory(fd, 4096), -EINVAL);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    assert_int_equal(apir_fd_check_memory(fd, 4096), 0);
    apir_fd_close(&fd);
}

static void what_is_no_memory_is_refused(void **state)
{
    (void)state;
    int pair[2];
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
    assert_true(apir_fd_check_memory(null, 0) < 0);
    assert_true(apir_fd_check_memory(pair[0], 0) < 0);
    assert_int_equal(apir_fd_check_memory(-1, 0), -EBADF);
    apir_fd_close(&null);
    apir_fd_close(&pair[0]);
    apir_fd_close(&pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(close_stores_minus_one_and_keeps_errno),
        cmocka_unit_test(take_moves_ownership),
        cmocka_unit_test(memory_has_its_size_and_cannot_change_it),
        cmocka_unit_test(memory_of_a_size_no_file_has_fails),
        cmocka_unit_test(memory_smaller_than_wanted_is_refused),
        cmocka_unit_test(memory_that_can_shrink_is_refused),
        cmocka_unit_test(what_is_no_memory_is_refused),
    };
    return cmocka_run_group_tests_name("fd", tests, NULL, NULL);
}
