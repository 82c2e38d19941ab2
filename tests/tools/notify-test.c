/* Telling who has started the daemon that it serves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "notify.h"
#include "util/fd.h"

/* A listener of a name that the kernel picks, in $NOTIFY_SOCKET. */
static int listen_for_it(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = sizeof address;
    char name[sizeof address.sun_path + 1] = "@";
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address.sun_family), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    memcpy(name + 1, address.sun_path + 1, length - offsetof(struct sockaddr_un, sun_path) - 1);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    return fd;
}

static void whoever_wants_to_know_is_told_once(void **state)
{
    char text[64];
    (void)state;
    int listener = listen_for_it();
    int fd = apir_notify_open();
    assert_true(fd >= 0);
    assert_int_equal(recv(listener, text, sizeof text, 0), -1); /* not yet */
    apir_notify_ready(&fd);
    assert_int_equal(fd, -1);
    assert_int_equal(recv(listener, text, sizeof text, 0), strlen("READY=1"));
    assert_memory_equal(text, "READY=1", strlen("READY=1"));
    apir_notify_ready(&fd);
    assert_int_equal(recv(listener, text, sizeof text, 0), -1);
    apir_fd_close(&listener);
}

static void what_is_started_later_does_not_find_it(void **state)
{
    (void)state;
    int listener = listen_for_it();
    int fd = apir_notify_open();
    assert_null(getenv("NOTIFY_SOCKET"));
    apir_fd_close(&fd);
    apir_fd_close(&listener);
}

static void nobody_needs_to_listen(void **state)
{
    char longer[200];
    const char *const names[] = {"", "vsock:2:1", "relative", "/nowhere/notify", longer};
    (void)state;
    memset(longer, 'x', sizeof longer - 1);
    longer[0] = '/';
    longer[sizeof longer - 1] = '\0';
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(apir_notify_open(), -1);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        assert_int_equal(apir_notify_open(), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_wants_to_know_is_told_once),
        cmocka_unit_test(what_is_started_later_does_not_find_it),
        cmocka_unit_test(nobody_needs_to_listen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
