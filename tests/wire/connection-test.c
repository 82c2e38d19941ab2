#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/clock.h"
#include "util/fd.h"
#include "wire/connection.h"

/* Two ends of a socket, one of them also raw. */
struct pair {
    struct apir_connection a, b;
};

static void open_pair(struct pair *pair)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    apir_connection_init(&pair->a, fds[0]);
    apir_connection_init(&pair->b, fds[1]);
}

static void close_pair(struct pair *pair)
{
    apir_connection_finish(&pair->a);
    apir_connection_finish(&pair->b);
}

static void send_raw(struct pair *pair, const void *data, size_t size, const int *fds, size_t n_fds)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(16 * sizeof(int))];
    } control = {0};
    struct iovec part = {(void *)(uintptr_t)data, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (n_fds) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(n_fds * sizeof *fds);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(n_fds * sizeof *fds);
        memcpy(CMSG_DATA(header), fds, n_fds * sizeof *fds);
    }
    assert_int_equal(sendmsg(pair->a.fd, &message, 0), size);
}

static bool same_file(int a, int b)
{
    struct stat one, other;
    return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_ino == other.st_ino && one.st_dev == other.st_dev;
}

static unsigned count_fds(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void frame_arrives_as_sent(void **state)
{
    (void)state;
    struct pair pair;
    struct apir_frame frame;
    open_pair(&pair);
    assert_int_equal(apir_connection_send(&pair.a, 7, "payload", 7, -1), 0);
    assert_int_equal(apir_connection_receive(&pair.b, &frame), 1);
    assert_int_equal(frame.type, 7);
    assert_int_equal(frame.size, 7);
    assert_memory_equal(frame.data, "payload", 7);
    assert_int_equal(frame.fd, -1);
    close_pair(&pair);
}

static void empty_frame_arrives(void **state)
{
    (void)state;
    struct pair pair;
    struct apir_frame frame;
    open_pair(&pair);
    assert_int_equal(apir_connection_send(&pair.a, 8, NULL, 0, -1), 0);
    assert_int_equal(apir_connection_receive(&pair.b, &frame), 1);
    assert_int_equal(frame.type, 8);
    assert_int_equal(frame.size, 0);
    close_pair(&pair);
}

static void fd_travels_with_its_frame(void **state)
{
    (void)state;
    struct pair pair;
    struct apir_frame frame;
    int fd = apir_fd_memory("test", 4096);
    open_pair(&pair);
    assert_int_equal(apir_connection_send(&pair.a, 1, "x", 1, -1), 0);
    assert_int_equal(apir_connection_send(&pair.a, 2, "y", 1, fd), 0);
    assert_int_equal(apir_connection_receive(&pair.b, &frame), 1);
    assert_int_equal(frame.fd, -1);
    assert_int_equal(apir_connection_receive(&pair.b, &frame), 1);
    assert_true(frame.fd >= 0);
    assert_true(same_file(frame.fd, fd));
    assert_true(fcntl(frame.fd, F_GETFD) & FD_CLOEXEC);
    apir_fd_close(&frame.fd);
    apir_fd_close(&fd);
    close_pair(&pair);
}

static void fd_of_an_empty_frame_travels(void **state)
{
    (void)state;
    struct pair pair;
    struct apir_frame frame;
    int fd = apir_fd_memory("test", 4096);
    open_pair(&pair);
    assert_int_equal(apir_connection_send(&pair.a, 2, NULL, 0, fd), 0);
    assert_int_equal(apir_connection_receive(&pair.b, &frame), 1);
    assert_true(same_file(frame.fd, fd));
    apir_fd_close(&frame.fd);
    apir_fd_close(&fd);
    close_pair(&pair);
}

static void *send_large(void *data)
{
    struct pair *pair = data;
    char *bytes = malloc(APIR_MAX_FRAME);
    memset(bytes, 'z', APIR_MAX_FRAME);
    long ret = apir_connection_send(&pair->a, 3, bytes, APIR_MAX_FRAME, -1);
    free(bytes);
    return (void *)ret;
}

static void largest_frame_arrives_in_pieces(void **state)
{
    (void)state;
    struct pair pair;
    struct apir_frame frame;
    pthread_t sender;
    void *ret;
    open_pair(&pair);
    assert_int_equal(pthread_create(&sender, NULL, send_large, &pair), 0);
    assert_int_equal(apir_connection_receive(&pair.b, &frame), 1);
    pthread_join(sender, &ret);
    assert_null(ret);
    assert_int_equal(frame.size, APIR_MAX_FRAME);
    assert_int_equal(((const char *)frame.data)[APIR_MAX_FRAME - 1], 'z');
    close_pair(&pair);
}

static void oversized_frame_is_not_sent(void **state)
{
    (void)state;
    struct pair pair;
    open_pair(&pair);
    assert_int_equal(apir_connection_send(&pair.a, 3, "", APIR_MAX_FRAME + 1, -1), -EMSGSIZE);
    close_pair(&pair);
}

static void oversized_frame_is_refused(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {APIR_MAX_FRAME + 1, 0x7fffffff, 0x80000000, UINT32_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct pair pair;
        struct apir_frame frame;
        const uint32_t header[2] = {1, sizes[i]};
        open_pair(&pair);
        send_raw(&pair, header, sizeof header, NULL, 0);
        assert_int_equal(apir_connection_receive(&pair.b, &frame), -EBADMSG);
        close_pair(&pair);
    }
}

static void closing_between_frames_is_an_end(void **state)
{
    (void)state;
    struct pair pair;
    struct apir_frame frame;
    open_pair(&pair);
    assert_int_equal(apir_connection_send(&pair.a, 7, "x", 1, -1), 0);
    apir_connection_finish(&pair.a);
    assert_int_equal(apir_connection_receive(&pair.b, &frame), 1);
    assert_int_equal(apir_connection_receive(&pair.b, &frame), 0);
    close_pair(&pair);
}

static void closing_inside_a_frame_is_refused(void **state)
{
    (void)state;
    const uint32_t bytes[4] = {1, 8, 3, 4};
    for (size_t size = 1; size < sizeof bytes; size++) {
        struct pair pair;
        struct apir_frame frame;
        open_pair(&pair);
        send_raw(&pair, bytes, size, NULL, 0);
        apir_connection_finish(&pair.a);
        assert_int_equal(apir_connection_receive(&pair.b, &frame), -EBADMSG);
        close_pair(&pair);
    }
}

static void several_fds_are_refused_and_closed(void **state)
{
    (void)state;
    int fd = apir_fd_memory("test", 4096);
    const int fds[] = {fd, fd, fd, fd, fd, fd, fd, fd};
    const uint32_t bytes[3] = {1, 4, 0};
    for (size_t n = 2; n <= 8; n++) {
        struct pair pair;
        struct apir_frame frame;
        open_pair(&pair);
        unsigned before = count_fds();
        send_raw(&pair, bytes, sizeof bytes, fds, n);
        assert_int_equal(apir_connection_receive(&pair.b, &frame), -EBADMSG);
        assert_int_equal(count_fds(), before);
        close_pair(&pair);
    }
    apir_fd_close(&fd);
}

static void fds_with_two_parts_of_a_frame_are_refused_and_closed(void **state)
{
    (void)state;
    int fd = apir_fd_memory("test", 4096);
    const uint32_t bytes[4] = {1, 8, 0, 0};
    struct pair pair;
    struct apir_frame frame;
    open_pair(&pair);
    unsigned before = count_fds();
    send_raw(&pair, bytes, 12, &fd, 1);
    send_raw(&pair, &bytes[3], 4, &fd, 1);
    assert_int_equal(apir_connection_receive(&pair.b, &frame), -EBADMSG);
    assert_int_equal(count_fds(), before);
    close_pair(&pair);
    apir_fd_close(&fd);
}

static void fd_of_a_refused_frame_is_closed(void **state)
{
    (void)state;
    int fd = apir_fd_memory("test", 4096);
    const uint32_t bytes[2] = {1, UINT32_MAX};
    struct pair pair;
    struct apir_frame frame;
    open_pair(&pair);
    unsigned before = count_fds();
    send_raw(&pair, bytes, sizeof bytes, &fd, 1);
    assert_int_equal(apir_connection_receive(&pair.b, &frame), -EBADMSG);
    assert_int_equal(count_fds(), before);
    close_pair(&pair);
    apir_fd_close(&fd);
}

static void send_to_a_closed_peer_fails_without_a_signal(void **state)
{
    (void)state;
    struct pair pair;
    open_pair(&pair);
    apir_connection_finish(&pair.b);
    assert_int_equal(apir_connection_send(&pair.a, 1, "x", 1, -1), -EPIPE);
    close_pair(&pair);
}

static void send_times_out_when_the_peer_does_not_read(void **state)
{
    (void)state;
    struct pair pair;
    char *bytes = calloc(1, APIR_MAX_FRAME);
    open_pair(&pair);
    assert_int_equal(apir_connection_set_send_timeout(&pair.a, 50), 0);
    uint64_t start = apir_clock_now();
    assert_int_equal(apir_connection_send(&pair.a, 1, bytes, APIR_MAX_FRAME, -1), -ETIMEDOUT);
    assert_true(apir_clock_now() - start < UINT64_C(5000000000));
    close_pair(&pair);
    free(bytes);
}

static void finish_of_a_finished_connection_is_a_no_op(void **state)
{
    (void)state;
    struct apir_connection never = {.fd = -1};
    struct pair pair;
    open_pair(&pair);
    close_pair(&pair);
    close_pair(&pair);
    apir_connection_finish(&never);
    assert_int_equal(pair.a.fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_arrives_as_sent),
        cmocka_unit_test(empty_frame_arrives),
        cmocka_unit_test(fd_travels_with_its_frame),
        cmocka_unit_test(fd_of_an_empty_frame_travels),
        cmocka_unit_test(largest_frame_arrives_in_pieces),
        cmocka_unit_test(oversized_frame_is_not_sent),
        cmocka_unit_test(oversized_frame_is_refused),
        cmocka_unit_test(closing_between_frames_is_an_end),
        cmocka_unit_test(closing_inside_a_frame_is_refused),
        cmocka_unit_test(several_fds_are_refused_and_closed),
        cmocka_unit_test(fds_with_two_parts_of_a_frame_are_refused_and_closed),
        cmocka_unit_test(fd_of_a_refused_frame_is_closed),
        cmocka_unit_test(send_to_a_closed_peer_fails_without_a_signal),
        cmocka_unit_test(send_times_out_when_the_peer_does_not_read),
        cmocka_unit_test(finish_of_a_finished_connection_is_a_no_op),
    };
    return cmocka_run_group_tests_name("connection", tests, NULL, NULL);
}
