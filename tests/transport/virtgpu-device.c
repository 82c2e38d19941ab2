/* What the virtgpu transport promises of shared memory, on a real device: run in a virtual machine (tests/vm/suite.sh).
 * What is common to all transports is in conformance-test.c. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "transport/transport.h"
#include "wire/connection.h"

enum {
    MIB = 1024 * 1024,
    LARGE = 32 * MIB,
    MAX_LARGE = 256, /* more than fit any window that the tests give to a machine */
    MANY = 400,
    THREADS = 4,
};

static int open_device(void **state)
{
    char reason[512] = "";
    struct apir_transport *transport = apir_transport_virtgpu_open(NULL, NULL, reason, sizeof reason);
    if (!transport)
        fail_msg("no device: %s", reason);
    *state = transport;
    return 0;
}

static int close_device(void **state)
{
    struct apir_transport *transport = *state;
    transport->ops->destroy(transport);
    return 0;
}

static int make(struct apir_transport *transport, uint64_t size, struct apir_shm *shm)
{
    *shm = (struct apir_shm){0};
    return transport->ops->shm_create(transport, size, shm);
}

static bool is_zero(const struct apir_shm *shm)
{
    const uint8_t *bytes = shm->data;
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, shm->size - 1) == 0;
}

static void the_door_is_named(void **state)
{
    struct apir_transport *transport = *state;
    assert_non_null(strstr(transport->door, "/dev/dri/renderD"));
    assert_non_null(strstr(transport->door, "capset"));
}

static void memory_is_rounded_up_and_zero(void **state)
{
    struct apir_transport *transport = *state;
    struct apir_shm shm;
    assert_int_equal(make(transport, 100, &shm), 0);
    assert_int_not_equal(shm.id, 0);
    assert_true(shm.size >= 100);
    assert_int_equal(shm.size % 0x4000, 0);
    assert_true(is_zero(&shm));
    transport->ops->shm_destroy(transport, &shm);
    assert_null(shm.data);
    transport->ops->shm_destroy(transport, &shm); /* zeroed: a no-op */
}

static void memory_used_before_is_zero_again(void **state)
{
    struct apir_transport *transport = *state;
    struct apir_shm shm;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(make(transport, MIB, &shm), 0);
        assert_true(is_zero(&shm));
        memset(shm.data, 0xa5, shm.size);
        transport->ops->shm_destroy(transport, &shm);
    }
}

static void no_bytes_and_too_many_are_refused(void **state)
{
    struct apir_transport *transport = *state;
    struct apir_shm shm;
    assert_int_equal(make(transport, 0, &shm), -EINVAL);
    assert_int_equal(make(transport, UINT64_MAX, &shm), -ENOMEM);
    assert_int_equal(make(transport, INT64_MAX - 10, &shm), -ENOMEM);
    assert_int_equal(make(transport, UINT64_C(1) << 46, &shm), -ENOMEM);
}

/* Takes memory until there is none left; returns how many pieces. */
static unsigned fill_window(struct apir_transport *transport, struct apir_shm *shms)
{
    unsigned count = 0;
    int ret = 0;
    while (count < MAX_LARGE && (ret = make(transport, LARGE, &shms[count])) == 0)
        count++;
    assert_int_equal(ret, -ENOMEM);
    return count;
}

/* What was freed is there at once, even if the host takes its time. */
static void a_full_window_is_no_memory_until_some_is_freed(void **state)
{
    struct apir_transport *transport = *state;
    struct apir_shm shms[MAX_LARGE];
    unsigned before = 1;
    for (int turn = 0; turn < 8; turn++) {
        unsigned count = fill_window(transport, shms);
        assert_true(count >= before); /* a process that has just ended may have been giving back at first */
        for (unsigned i = 0; i < count; i++)
            transport->ops->shm_destroy(transport, &shms[i]);
        before = count;
    }
}

static void many_pieces_are_apart(void **state)
{
    struct apir_transport *transport = *state;
    struct apir_shm shms[MANY];
    for (uint32_t i = 0; i < MANY; i++) {
        assert_int_equal(make(transport, 0x4000, &shms[i]), 0);
        memcpy(shms[i].data, &i, sizeof i);
    }
    for (uint32_t i = 0; i < MANY; i++) {
        assert_memory_equal(shms[i].data, &i, sizeof i);
        transport->ops->shm_destroy(transport, &shms[i]);
    }
}

static void a_forked_child_has_none_of_it(void **state)
{
    struct apir_transport *transport = *state;
    struct apir_shm shm;
    unsigned char page;
    int status;
    assert_int_equal(make(transport, 0x4000, &shm), 0);
    memset(shm.data, 1, shm.size);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(mincore(shm.data, 1, &page) < 0 && errno == ENOMEM ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(((uint8_t *)shm.data)[0], 1);
    transport->ops->shm_destroy(transport, &shm);
}

static void *churn(void *data)
{
    struct apir_transport *transport = data;
    struct apir_shm shm;
    for (int i = 0; i < 50; i++) {
        if (make(transport, 0x4000 * (1 + i % 7), &shm) < 0)
            return "no memory";
        if (!is_zero(&shm))
            return "not zero";
        memset(shm.data, 0xff, shm.size);
        transport->ops->shm_destroy(transport, &shm);
    }
    return NULL;
}

static void threads_may_share_it(void **state)
{
    pthread_t threads[THREADS];
    void *failure;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, *state), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &failure);
        assert_null(failure);
    }
}

static void commands_that_are_too_long_are_refused(void **state)
{
    struct apir_transport *transport = *state;
    char *payload = calloc(1, APIR_MAX_FRAME + 4);
    assert_int_equal(transport->ops->submit(transport, payload, APIR_MAX_FRAME + 4), -EMSGSIZE);
    free(payload);
}

static void a_second_link_works_beside_the_first(void **state)
{
    struct apir_transport *first = *state;
    struct apir_shm a, b;
    void *other = NULL;
    assert_int_equal(open_device(&other), 0);
    struct apir_transport *second = other;
    assert_int_equal(make(first, 0x4000, &a), 0);
    assert_int_equal(make(second, 0x4000, &b), 0);
    memset(a.data, 1, a.size);
    assert_true(is_zero(&b));
    second->ops->shm_destroy(second, &b);
    close_device(&other);
    assert_int_equal(((uint8_t *)a.data)[0], 1);
    first->ops->shm_destroy(first, &a);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_device, close_device)
    const struct CMUnitTest tests[] = {
        TEST(the_door_is_named),
        TEST(memory_is_rounded_up_and_zero),
        TEST(memory_used_before_is_zero_again),
        TEST(no_bytes_and_too_many_are_refused),
        TEST(many_pieces_are_apart),
        TEST(a_forked_child_has_none_of_it),
        TEST(threads_may_share_it),
        TEST(commands_that_are_too_long_are_refused),
        TEST(a_second_link_works_beside_the_first),
        /* the last: a host that is busy takes a moment to have all of it back */
        TEST(a_full_window_is_no_memory_until_some_is_freed),
    };
    return cmocka_run_group_tests_name("virtgpu-device", tests, NULL, NULL);
}
