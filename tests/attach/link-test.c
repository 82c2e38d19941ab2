/* The daemon's end of a worker's connection, and a worker that does not read. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attach/link.h"
#include "fixture.h"

enum { FRAME = 1024 * 1024, LIMIT = 10 * FRAME };

struct pair {
    struct apir_loop loop;
    struct apir_quota quota;
    struct apir_link links[2];
    int peers[2];
    uint8_t *frame;
};

static void received(void *owner, uint32_t type, const void *data, uint32_t size)
{
    (void)owner, (void)type, (void)data, (void)size;
}

static void closed(void *owner, int error)
{
    (void)owner, (void)error;
}

static int setup(void **state)
{
    static const struct apir_link_events events = {received, closed};
    struct pair *pair = calloc(1, sizeof *pair);
    *state = pair;
    if (!pair || apir_loop_init(&pair->loop) < 0)
        return -1;
    pair->frame = calloc(1, FRAME);
    pair->quota.limit = LIMIT;
    for (int i = 0; i < 2; i++) {
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
            return -1;
        apir_link_init(&pair->links[i], &pair->loop, &events, pair);
        pair->links[i].quota = &pair->quota;
        pair->peers[i] = ends[1];
        if (apir_link_open(&pair->links[i], ends[0]) < 0)
            return -1;
    }
    return pair->frame ? 0 : -1;
}

static int teardown(void **state)
{
    struct pair *pair = *state;
    for (int i = 0; i < 2; i++) {
        apir_link_close(&pair->links[i]);
        close(pair->peers[i]);
    }
    apir_loop_finish(&pair->loop);
    free(pair->frame);
    free(pair);
    return 0;
}

static void assert_in_range_of(unsigned value, unsigned min, unsigned max)
{
    assert_true(value >= min && value <= max);
}

static unsigned fill(struct pair *pair, int link)
{
    unsigned count = 0;
    int ret;
    while ((ret = apir_link_send(&pair->links[link], APIR_FRAME_SUBMIT, pair->frame, FRAME, -1)) == 0)
        count++;
    assert_int_equal(ret, -ENOBUFS);
    return count;
}

static void what_workers_do_not_read_is_limited_for_all_together(void **state)
{
    struct pair *pair = *state;
    assert_in_range_of(fill(pair, 0), LIMIT / FRAME - 1, LIMIT / FRAME);
    assert_in_range_of(fill(pair, 1), 0, 1);
    assert_true(pair->quota.used <= LIMIT);
}

static void what_a_closed_worker_did_not_read_is_given_back(void **state)
{
    struct pair *pair = *state;
    fill(pair, 0);
    apir_link_close(&pair->links[0]);
    assert_int_equal(pair->quota.used, 0);
    assert_true(fill(pair, 1) >= LIMIT / FRAME - 1);
}

static void one_worker_has_a_limit_of_its_own(void **state)
{
    struct pair *pair = *state;
    pair->quota.limit = UINT64_MAX;
    assert_in_range_of(fill(pair, 0), APIR_LINK_MAX_OUTBOX / FRAME - 1, APIR_LINK_MAX_OUTBOX / FRAME);
    assert_int_equal(pair->quota.used, pair->links[0].outbox_size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_workers_do_not_read_is_limited_for_all_together, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_closed_worker_did_not_read_is_given_back, setup, teardown),
        cmocka_unit_test_setup_teardown(one_worker_has_a_limit_of_its_own, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
