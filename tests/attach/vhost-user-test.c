/* The protocol of front ends: what is offered, messages that are refused, machines that come and go. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "front-end.h"

static void features_are_those_that_the_guest_needs(void **state)
{
    struct front *front = *state;
    assert_int_equal(get_number(front, GET_FEATURES), 0x170000019);
    uint64_t protocol = get_number(front, GET_PROTOCOL_FEATURES);
    assert_true(protocol & 1 << 22);
    assert_false(protocol & 1 << 15); /* QEMU crashes with it */
    assert_int_equal(get_number(front, GET_QUEUE_NUM), 2);
}

static void config_is_served_at_any_offset(void **state)
{
    struct front *front = *state;
    for (uint32_t size = 1; size <= 20; size++)
        for (uint32_t offset = 0; offset + size <= 20; offset++) {
            uint8_t message[12 + 20] = {0};
            const uint32_t words[3] = {offset, size, 0};
            memcpy(message, words, sizeof words);
            send_message(front, GET_CONFIG, 0, message, 12 + size);
            assert_int_equal(receive(front, GET_CONFIG, message, sizeof message), 12 + size);
            if (offset <= 12 && offset + size > 12)
                assert_int_equal(message[12 + 12 - offset], 1); /* num_capsets */
        }
}

static void config_beyond_its_space_is_refused(void **state)
{
    struct front *front = *state;
    const uint32_t bad[][3] = {{0, 257, 0}, {257, 1, 0}, {UINT32_MAX, UINT32_MAX, 0}};
    uint8_t reply[512];
    for (unsigned i = 0; i < 3; i++) {
        send_message(front, GET_CONFIG, 0, bad[i], sizeof bad[i]);
        assert_int_equal(receive(front, GET_CONFIG, reply, sizeof reply), 0);
    }
}

static void one_region_is_the_window(void **state)
{
    struct front *front = *state;
    uint64_t words[257];
    send_message(front, GET_SHMEM_CONFIG, 0, NULL, 0);
    assert_int_equal(receive(front, GET_SHMEM_CONFIG, words, sizeof words), sizeof words);
    assert_int_equal((uint32_t)words[0], 1);
    assert_int_equal(words[1 + VIRTIO_GPU_SHM_ID_HOST_VISIBLE], WINDOW);
    assert_int_equal(words[1], 0);
}

static void message_may_come_in_pieces(void **state)
{
    struct front *front = *state;
    struct {
        struct apir_vhost_header header;
        uint64_t features;
    } __attribute__((packed)) message = {{SET_FEATURES, APIR_VHOST_VERSION, 8}, UINT64_MAX};
    for (size_t i = 0; i < sizeof message; i++) {
        send_bytes(front, (const uint8_t *)&message + i, 1, NULL, 0);
        step(front);
    }
    assert_int_equal(front->door.features, 0x170000019); /* what was not offered is not taken */
}

static void wrong_version_disconnects(void **state)
{
    struct front *front = *state;
    const struct apir_vhost_header header = {GET_FEATURES, 2, 0};
    send_bytes(front, &header, sizeof header, NULL, 0);
    step(front);
    assert_true(is_disconnected(front));
}

static void too_long_message_disconnects(void **state)
{
    struct front *front = *state;
    const uint32_t sizes[] = {APIR_VHOST_MAX_PAYLOAD + 1, UINT32_MAX};
    for (unsigned i = 0; i < 2; i++) {
        const struct apir_vhost_header header = {SET_FEATURES, APIR_VHOST_VERSION, sizes[i]};
        send_bytes(front, &header, sizeof header, NULL, 0);
        step(front);
        assert_true(is_disconnected(front));
        apir_fd_close(&front->fd);
        connect_front(front);
    }
}

static void unknown_request_disconnects(void **state)
{
    struct front *front = *state;
    send_message(front, 99, 0, NULL, 0);
    assert_true(is_disconnected(front));
}

static void unknown_request_is_refused_if_that_is_asked(void **state)
{
    struct front *front = *state;
    negotiate(front);
    assert_int_not_equal(ask(front, 99, NULL, 0), 0);
    assert_int_equal(get_number(front, GET_FEATURES), 0x170000019);
}

static void wrong_sizes_are_refused(void **state)
{
    struct front *front = *state;
    const uint32_t requests[] = {GET_FEATURES,   SET_FEATURES,   SET_OWNER,        SET_MEM_TABLE,
                                 SET_VRING_NUM,  SET_VRING_ADDR, SET_VRING_BASE,   GET_VRING_BASE,
                                 SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR,    GET_PROTOCOL_FEATURES,
                                 GET_QUEUE_NUM,  SET_CONFIG,     SET_VRING_ENABLE, SET_PROTOCOL_FEATURES,
                                 GET_CONFIG,     GET_SHMEM_CONFIG};
    const uint8_t zeros[APIR_VHOST_MAX_PAYLOAD] = {0};
    negotiate(front);
    for (unsigned i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        assert_int_not_equal(ask(front, requests[i], zeros, 3), 0);
        assert_int_not_equal(ask(front, requests[i], zeros, APIR_VHOST_MAX_PAYLOAD), 0);
    }
}

static void fds_that_belong_to_nothing_are_refused_and_closed(void **state)
{
    struct front *front = *state;
    int ends[2];
    char byte;
    negotiate(front);
    assert_int_equal(pipe(ends), 0);
    assert_int_not_equal(ask_with_fds(front, SET_OWNER, NULL, 0, &ends[1], 1), 0);
    assert_int_equal(get_number(front, GET_QUEUE_NUM), 2);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 0); /* nobody has the other end */
    close(ends[0]);
}

static void too_many_fds_disconnect(void **state)
{
    struct front *front = *state;
    const struct apir_vhost_header header = {SET_MEM_TABLE, APIR_VHOST_VERSION, 0};
    int fds[12];
    for (unsigned i = 0; i < 12; i++)
        fds[i] = front->memory_fd;
    send_bytes(front, &header, sizeof header, fds, 12);
    step(front);
    assert_true(is_disconnected(front));
}

static void next_machine_waits_for_the_first(void **state)
{
    struct front *front = *state;
    assert_int_equal(get_number(front, GET_QUEUE_NUM), 2);
    int first = front->fd;
    connect_front(front);
    send_message(front, GET_QUEUE_NUM, 0, NULL, 0);
    uint64_t number;
    assert_int_equal(receive(front, GET_QUEUE_NUM, &number, sizeof number), -1);
    close(first);
    step(front);
    assert_int_equal(receive(front, GET_QUEUE_NUM, &number, sizeof number), sizeof number);
}

static void next_machine_starts_from_nothing(void **state)
{
    struct front *front = *state;
    for (unsigned i = 0; i < 3; i++) {
        memset(front->memory, 0, COMMAND);
        negotiate(front);
        assert_int_equal(start(front, 0), 0);
        create_blob(front);
        apir_fd_close(&front->fd);
        step(front);
        connect_front(front);
    }
}

static bool is_let_in(void *argument)
{
    const struct front *front = argument;
    return front->door.front.fd >= 0;
}

/* Without that it would spin on the connection that waits. */
static void nobody_is_let_in_while_descriptors_are_short(void **state)
{
    struct front *front = *state;
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(apir_loop_step(&front->fixture.loop, 0), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(front->door.listener_source.fd, -1);
    assert_false(is_let_in(front));
    assert_true(fixture_run_until(&front->fixture, is_let_in, front));
}

static void set_idle(void *owner)
{
    *(bool *)owner = true;
}

static void stopped_door_is_gone(void **state)
{
    struct front *front = *state;
    struct stat st;
    bool idle = false;
    negotiate(front);
    apir_vhost_user_stop(&front->door, set_idle, &idle);
    assert_true(idle);
    assert_true(is_disconnected(front));
    assert_int_equal(stat(front->path, &st), -1);
}

/* Whatever comes, the door serves the next machine. */
static void random_messages_do_no_harm(void **state)
{
    struct front *front = *state;
    srand(1);
    for (unsigned round = 0; round < 3000; round++) {
        struct {
            struct apir_vhost_header header;
            uint32_t words[80];
        } message;
        int fds[9];
        uint8_t sink[8192];
        unsigned fd_count = (unsigned)rand() % 4 ? (unsigned)rand() % 2 : (unsigned)rand() % 9;
        message.header = (struct apir_vhost_header){(uint32_t)rand() % 46,
                                                    APIR_VHOST_VERSION | (rand() % 2 ? NEED : 0), 0};
        const uint32_t sizes[] = {0, 8, 8, 40, 264, 12, (uint32_t)rand() % sizeof message.words};
        message.header.size = sizes[(unsigned)rand() % 7];
        for (unsigned i = 0; i < 80; i++)
            message.words[i] = rand() % 3 ? (uint32_t)rand() % 3 : (uint32_t)rand();
        for (unsigned i = 0; i < 9; i++)
            fds[i] = rand() % 2 ? front->memory_fd : front->kick;
        send_bytes(front, &message, sizeof message.header + message.header.size, fds, fd_count);
        step(front);
        ssize_t got;
        while ((got = recv(front->fd, sink, sizeof sink, MSG_DONTWAIT)) > 0)
            ;
        if (got == 0 || errno != EAGAIN) {
            apir_fd_close(&front->fd);
            connect_front(front);
            step(front);
        }
    }
    apir_fd_close(&front->fd);
    step(front);
    connect_front(front);
    memset(front->memory, 0, COMMAND);
    negotiate(front);
    assert_int_equal(start(front, 0), 0);
    create_blob(front);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, front_setup, front_teardown)
    const struct CMUnitTest tests[] = {
        TEST(features_are_those_that_the_guest_needs),
        TEST(config_is_served_at_any_offset),
        TEST(config_beyond_its_space_is_refused),
        TEST(one_region_is_the_window),
        TEST(message_may_come_in_pieces),
        TEST(wrong_version_disconnects),
        TEST(too_long_message_disconnects),
        TEST(unknown_request_disconnects),
        TEST(unknown_request_is_refused_if_that_is_asked),
        TEST(wrong_sizes_are_refused),
        TEST(fds_that_belong_to_nothing_are_refused_and_closed),
        TEST(too_many_fds_disconnect),
        TEST(nobody_is_let_in_while_descriptors_are_short),
        TEST(next_machine_waits_for_the_first),
        TEST(next_machine_starts_from_nothing),
        TEST(stopped_door_is_gone),
        TEST(random_messages_do_no_harm),
    };
    return cmocka_run_group_tests_name("vhost-user", tests, NULL, NULL);
}
