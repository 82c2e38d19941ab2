/* The native door, with clients played by the test. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "attach/listener.h"
#include "attach/probe.h"
#include "attach/socket.h"
#include "echo-worker.h"
#include "fixture.h"
#include "util/fd.h"
#include "wire/connection.h"

enum { MAX_CLIENTS = 2 };

struct door {
    struct fixture fixture;
    struct apir_socket socket;
    char path[96];
    bool idle;
};

static void set_idle(void *owner)
{
    struct door *door = owner;
    door->idle = true;
}

static bool is_idle(void *argument)
{
    const struct door *door = argument;
    return door->idle;
}

static int setup(void **state)
{
    struct door *door = calloc(1, sizeof *door);
    *state = door;
    fixture_init(&door->fixture);
    snprintf(door->path, sizeof door->path, "%s/apir.sock", door->fixture.folder);
    return apir_socket_init(&door->socket, &door->fixture.loop, &door->fixture.log, &door->fixture.options,
                            door->path, MAX_CLIENTS);
}

static int teardown(void **state)
{
    struct door *door = *state;
    if (!door->socket.stopping)
        apir_socket_stop(&door->socket, set_idle, door);
    assert_true(fixture_run_until(&door->fixture, is_idle, door));
    fixture_finish(&door->fixture);
    free(door);
    return 0;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int ret = -errno;
    close(fd);
    return ret;
}

struct wait {
    struct door *door;
    int fd;
    unsigned clients;
};

static bool is_readable(void *argument)
{
    const struct wait *wait = argument;
    struct pollfd poll_fd = {wait->fd, POLLIN, 0};
    return poll(&poll_fd, 1, 0) == 1;
}

static bool has_clients(void *argument)
{
    const struct wait *wait = argument;
    return wait->door->socket.client_count == wait->clients;
}

/* A fence through the worker, and back. */
static bool answers(struct door *door, int fd)
{
    struct apir_connection connection;
    struct apir_frame_fence fence = {.ring = 1, .id = 42};
    struct apir_frame frame;
    struct wait wait = {.fd = fd};
    apir_connection_init(&connection, fcntl(fd, F_DUPFD_CLOEXEC, 0));
    bool good = apir_connection_send(&connection, APIR_FRAME_FENCE, &fence, sizeof fence, -1) == 0 &&
                fixture_run_until(&door->fixture, is_readable, &wait) &&
                apir_connection_receive(&connection, &frame) == 1 && frame.type == APIR_FRAME_FENCE_DONE &&
                frame.size == sizeof fence && memcmp(frame.data, &fence, sizeof fence) == 0;
    apir_connection_finish(&connection);
    return good;
}

static bool is_closed(struct door *door, int fd)
{
    struct wait wait = {.fd = fd};
    char byte;
    return fixture_run_until(&door->fixture, is_readable, &wait) && recv(fd, &byte, 1, MSG_DONTWAIT) <= 0;
}

static void client_speaks_to_a_worker_of_its_own(void **state)
{
    struct door *door = *state;
    int first = connect_to(door->path), second = connect_to(door->path);
    assert_true(answers(door, first));
    assert_true(answers(door, second));
    assert_int_equal(door->socket.client_count, 2);
    close(first);
    close(second);
}

static void too_many_clients_are_refused(void **state)
{
    struct door *door = *state;
    struct wait wait = {.door = door, .clients = MAX_CLIENTS - 1};
    int fds[MAX_CLIENTS + 1];
    for (unsigned i = 0; i < MAX_CLIENTS; i++) {
        fds[i] = connect_to(door->path);
        assert_true(answers(door, fds[i]));
    }
    fds[MAX_CLIENTS] = connect_to(door->path);
    assert_true(is_closed(door, fds[MAX_CLIENTS]));
    close(fds[0]);
    assert_true(fixture_run_until(&door->fixture, has_clients, &wait));
    close(fds[MAX_CLIENTS]);
    fds[0] = connect_to(door->path);
    assert_true(answers(door, fds[0]));
    for (unsigned i = 0; i < MAX_CLIENTS; i++)
        close(fds[i]);
}

static void dead_worker_ends_only_its_client(void **state)
{
    struct door *door = *state;
    const uint32_t words[4] = {ECHO_DIE, 0, 0, 0};
    struct apir_connection victim;
    int other = connect_to(door->path), fd = connect_to(door->path);
    assert_true(answers(door, other));
    assert_true(answers(door, fd));
    apir_connection_init(&victim, fd);
    assert_int_equal(apir_connection_send(&victim, APIR_FRAME_SUBMIT, words, sizeof words, -1), 0);
    assert_true(is_closed(door, fd));
    apir_connection_finish(&victim);
    assert_true(answers(door, other));
    close(other);
}

static void a_worker_that_cannot_start_refuses_the_client(void **state)
{
    struct door *door = *state;
    door->fixture.options.path = "/nowhere/apird-worker";
    int fd = connect_to(door->path);
    assert_true(is_closed(door, fd));
    assert_int_equal(door->socket.client_count, 0);
    close(fd);
}

static void stop_ends_the_clients(void **state)
{
    struct door *door = *state;
    int fd = connect_to(door->path);
    struct stat st;
    assert_true(answers(door, fd));
    apir_socket_stop(&door->socket, set_idle, door);
    assert_int_equal(stat(door->path, &st), -1);
    assert_true(is_closed(door, fd));
    assert_true(fixture_run_until(&door->fixture, is_idle, door));
    close(fd);
}

static void stop_kills_a_worker_that_hangs(void **state)
{
    struct door *door = *state;
    const uint32_t words[4] = {ECHO_HANG, 0, 0, 0};
    struct apir_connection connection;
    int fd = connect_to(door->path);
    assert_true(answers(door, fd));
    apir_connection_init(&connection, fd);
    assert_int_equal(apir_connection_send(&connection, APIR_FRAME_SUBMIT, words, sizeof words, -1), 0);
    apir_socket_stop(&door->socket, set_idle, door);
    assert_true(fixture_run_until(&door->fixture, is_idle, door));
    apir_connection_finish(&connection);
}

static void a_worker_that_does_not_see_its_client_go_is_killed(void **state)
{
    struct door *door = *state;
    const uint32_t words[4] = {ECHO_SLEEP, 60 * 1000, 0, 0};
    struct apir_connection connection;
    struct wait wait = {.door = door, .clients = 0};
    int fd = connect_to(door->path);
    assert_true(answers(door, fd));
    apir_connection_init(&connection, fd);
    assert_int_equal(apir_connection_send(&connection, APIR_FRAME_SUBMIT, words, sizeof words, -1), 0);
    apir_connection_finish(&connection);
    assert_true(fixture_run_until(&door->fixture, has_clients, &wait));
}

static void socket_is_for_its_owner_only(void **state)
{
    struct door *door = *state;
    struct stat st;
    assert_int_equal(stat(door->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void socket_in_use_is_not_replaced(void **state)
{
    struct door *door = *state;
    struct apir_listener listener;
    assert_int_equal(apir_listener_open(&listener, door->path), -EADDRINUSE);
    int fd = connect_to(door->path);
    assert_true(answers(door, fd));
    close(fd);
}

static void stale_socket_is_replaced(void **state)
{
    struct door *door = *state;
    struct apir_listener first, second;
    char path[160];
    snprintf(path, sizeof path, "%s.stale", door->path);
    assert_int_equal(apir_listener_open(&first, path), 0);
    apir_fd_close(&first.fd); /* as if killed */
    assert_int_equal(apir_listener_open(&second, path), 0);
    int fd = connect_to(path);
    assert_true(fd >= 0);
    close(fd);
    apir_listener_close(&second);
    assert_int_equal(connect_to(path), -ENOENT);
}

static void other_files_are_not_replaced(void **state)
{
    struct door *door = *state;
    struct apir_listener listener;
    char path[160];
    snprintf(path, sizeof path, "%s.file", door->path);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_equal(apir_listener_open(&listener, path), -EADDRINUSE);
    assert_int_equal(unlink(path), 0);
}

static void bad_paths_are_refused(void **state)
{
    struct apir_listener listener;
    char path[200];
    (void)state;
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    assert_int_equal(apir_listener_open(&listener, path), -ENAMETOOLONG);
    assert_int_equal(apir_listener_open(&listener, ""), -EINVAL);
    assert_int_equal(apir_listener_open(&listener, "/nowhere/socket"), -ENOENT);
}

static bool probe_is_over(void *argument)
{
    const struct apir_probe *probe = argument;
    return probe->process.pid == 0;
}

static void probe_counts_the_lines(void **state)
{
    struct door *door = *state;
    struct apir_probe probe;
    assert_int_equal(apir_probe_start(&probe, &door->fixture.loop, &door->fixture.log, &door->fixture.options), 0);
    assert_true(fixture_run_until(&door->fixture, probe_is_over, &probe));
    assert_int_equal(probe.output.lines, 1);
    apir_probe_finish(&probe);
}

static void probe_can_be_left(void **state)
{
    struct door *door = *state;
    struct apir_probe probe = {0};
    apir_probe_finish(&probe);
    assert_int_equal(apir_probe_start(&probe, &door->fixture.loop, &door->fixture.log, &door->fixture.options), 0);
    apir_probe_finish(&probe);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(client_speaks_to_a_worker_of_its_own),
        TEST(too_many_clients_are_refused),
        TEST(dead_worker_ends_only_its_client),
        TEST(a_worker_that_cannot_start_refuses_the_client),
        TEST(stop_ends_the_clients),
        TEST(stop_kills_a_worker_that_hangs),
        TEST(a_worker_that_does_not_see_its_client_go_is_killed),
        TEST(socket_is_for_its_owner_only),
        TEST(socket_in_use_is_not_replaced),
        TEST(stale_socket_is_replaced),
        TEST(other_files_are_not_replaced),
        TEST(bad_paths_are_refused),
        TEST(probe_counts_the_lines),
        TEST(probe_can_be_left),
    };
    return cmocka_run_group_tests_name("socket", tests, NULL, NULL);
}
