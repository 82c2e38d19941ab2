#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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

static void connection_is_to_the_socket_with_that_path(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/tmp/apir-fd-test.XXXXXX"};
    assert_non_null(mkdtemp(address.sun_path));
    char folder[sizeof address.sun_path], byte = 0;
    strcpy(folder, address.sun_path);
    strcat(address.sun_path, "/s");
    assert_int_equal(apir_fd_connect(address.sun_path), -ENOENT);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(apir_fd_connect(address.sun_path), -ECONNREFUSED);
    assert_int_equal(listen(listener, 1), 0);
    int fd = apir_fd_connect(address.sun_path), other = accept(listener, NULL, NULL);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(read(other, &byte, 1), 1);
    assert_int_equal(byte, 'x');
    apir_fd_close(&fd);
    apir_fd_close(&other);
    apir_fd_close(&listener);
    unlink(address.sun_path);
    rmdir(folder);
}

static void path_that_no_socket_has_is_refused(void **state)
{
    (void)state;
    struct sockaddr_un address;
    char path[sizeof address.sun_path + 1];
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    assert_int_equal(apir_fd_connect(path), -ENAMETOOLONG);
    path[sizeof path - 2] = '\0';
    assert_int_equal(apir_fd_connect(path), -ENOENT);
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
        cmocka_unit_test(connection_is_to_the_socket_with_that_path),
        cmocka_unit_test(path_that_no_socket_has_is_refused),
    };
    return cmocka_run_group_tests_name("fd", tests, NULL, NULL);
}
