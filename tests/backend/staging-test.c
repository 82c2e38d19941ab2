/* Pieces of shared memory: none is given out while the host may use it. */
#include <errno.h>
#include <string.h>

#include "backend/staging.h"
#include "client/queue-private.h"
#include "cmocka-all.h"
#include "gated-host.h"

enum {
    MAX_PIECES = 4096,
};

/* A staging area, and what is known of its pieces: those that may still be in use. */
struct fixture {
    struct gated_host g;
    struct apir_staging staging;
    struct piece {
        uint64_t offset, size, sequence;
        bool held;
    } pieces[MAX_PIECES];
    uint32_t n;
};

static void set_up(struct fixture *f, uint64_t gate)
{
    memset(f, 0, sizeof *f);
    gated_host_open(&f->g, gate);
}

static void tear_down(struct fixture *f)
{
    apir_session_shm_destroy(f->g.session, &f->staging.shm);
    gated_host_close(&f->g);
}

static uint64_t post(struct fixture *f)
{
    const struct apir_buffer_clear_args args = {.buffer = 1};
    assert_int_equal(apir_call_buffer_clear(f->g.queue, &args), 0);
    return apir_queue_next(f->g.queue) - 1;
}

static bool is_in_use(const struct fixture *f, const struct piece *piece)
{
    return piece->held || !apir_queue_is_done(f->g.queue, piece->sequence);
}

/* No byte of it is in a piece that is in use. */
static void expect_free(const struct fixture *f, uint64_t offset, uint64_t size)
{
    assert_true(offset + size <= f->staging.shm.size);
    for (uint32_t i = 0; i < f->n; i++) {
        const struct piece *piece = &f->pieces[i];
        bool overlaps = offset < piece->offset + piece->size && piece->offset < offset + size;
        assert_false(overlaps && is_in_use(f, piece));
    }
}

/* Takes a piece, which a posted call uses. */
static void take(struct fixture *f, uint64_t size, bool hold)
{
    int64_t offset = apir_staging_take(&f->staging, f->g.queue, size);
    assert_true(offset >= 0);
    expect_free(f, (uint64_t)offset, size);
    assert_true(f->n < MAX_PIECES);
    f->pieces[f->n++] = (struct piece){(uint64_t)offset, size, post(f), hold};
    apir_staging_use(&f->staging, f->pieces[f->n - 1].sequence, hold);
}

static void release(struct fixture *f)
{
    apir_staging_release(&f->staging);
    for (uint32_t i = 0; i < f->n; i++) {
        if (f->pieces[i].held) {
            f->pieces[i].held = false;
            return;
        }
    }
}

static void pieces_are_of_a_good_size(void **state)
{
    (void)state;
    static const uint64_t totals[] = {1, 63, 4096, 65536, 1 << 20, (1 << 20) + 1, 20 << 20, UINT64_C(1) << 40};
    struct fixture f;
    set_up(&f, UINT64_MAX);
    uint64_t before = 0;
    for (size_t i = 0; i < sizeof totals / sizeof *totals; i++) {
        int64_t piece = apir_staging_prepare(&f.staging, f.g.queue, totals[i]);
        assert_true(piece >= 1 && (uint64_t)piece <= totals[i]);
        assert_true(f.staging.shm.size >= before && f.staging.shm.size <= APIR_STAGING_MAX);
        assert_true((uint64_t)piece <= f.staging.shm.size);
        before = f.staging.shm.size;
    }
    assert_int_equal(before, APIR_STAGING_MAX);
    assert_int_equal(apir_staging_prepare(&f.staging, f.g.queue, 100), 100);
    assert_int_equal(f.staging.shm.size, APIR_STAGING_MAX); /* what is there stays */
    tear_down(&f);
}

/* The host is slow: it does a call whenever it is waited for. */
static void no_piece_is_given_out_that_the_host_may_use(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, UINT64_MAX);
    assert_true(apir_staging_prepare(&f.staging, f.g.queue, 1 << 20) > 0);
    uint32_t random = 1;
    for (int i = 0; i < 3000; i++) {
        random = random * 1664525 + 1013904223;
        uint64_t size = 1 + (random >> 8) % (i % 5 ? 5000 : f.staging.shm.size / 2);
        take(&f, size, false);
    }
    assert_int_equal(apir_queue_sync(f.g.queue), 0);
    tear_down(&f);
}

static void largest_piece_is_all_of_it(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, UINT64_MAX);
    assert_true(apir_staging_prepare(&f.staging, f.g.queue, 1) == 1);
    for (int i = 0; i < 10; i++) {
        take(&f, f.staging.shm.size, false);
        take(&f, 1, false);
        take(&f, f.staging.shm.size - 1, false);
    }
    tear_down(&f);
}

static void held_pieces_stay_until_they_are_released(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, UINT64_MAX);
    assert_true(apir_staging_prepare(&f.staging, f.g.queue, 1) == 1);
    uint64_t third = f.staging.shm.size / 3 / 64 * 64;
    take(&f, third, true);
    take(&f, third, false);
    take(&f, third, true);
    assert_int_equal(apir_queue_sync(f.g.queue), 0);
    assert_int_equal(apir_staging_take(&f.staging, f.g.queue, third), -EAGAIN);
    release(&f);
    take(&f, third, true); /* where the first was */
    take(&f, third, false);
    assert_int_equal(apir_staging_take(&f.staging, f.g.queue, third), -EAGAIN);
    release(&f);
    release(&f);
    take(&f, 2 * third, false);
    apir_staging_release(&f.staging); /* nothing is held: nothing happens */
    take(&f, third, false);
    tear_down(&f);
}

static void there_are_no_more_pieces_than_can_be_noted(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, UINT64_MAX);
    assert_true(apir_staging_prepare(&f.staging, f.g.queue, 1) == 1);
    for (int i = 0; i < APIR_STAGING_PIECES; i++)
        take(&f, 1, true);
    assert_int_equal(apir_staging_take(&f.staging, f.g.queue, 1), -EAGAIN);
    for (int i = 0; i < 3 * APIR_STAGING_PIECES; i++) {
        release(&f);
        take(&f, 1, true);
    }
    tear_down(&f);
}

static void memory_that_grows_is_not_in_use(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, UINT64_MAX);
    for (uint64_t total = 1; total <= APIR_STAGING_MAX; total *= 2) {
        assert_true(apir_staging_prepare(&f.staging, f.g.queue, total) > 0);
        if (f.n > 0 && f.staging.count == 0) /* it has grown, or there was nothing to do */
            assert_true(apir_queue_is_done(f.g.queue, f.pieces[f.n - 1].sequence));
        f.n = 0;
        take(&f, f.staging.shm.size / 2, false);
        memset((char *)f.staging.shm.data + f.pieces[0].offset, 0x5a, f.pieces[0].size);
    }
    tear_down(&f);
}

static void failed_session_gives_an_error(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, UINT64_MAX);
    f.g.refuse_at = 2;
    assert_true(apir_staging_prepare(&f.staging, f.g.queue, 1) == 1);
    int64_t ret = 0;
    for (int i = 0; i < 10 && ret >= 0; i++) {
        ret = apir_staging_take(&f.staging, f.g.queue, f.staging.shm.size / 2);
        apir_call_buffer_clear(f.g.queue, &(struct apir_buffer_clear_args){.buffer = 1});
        if (ret >= 0)
            apir_staging_use(&f.staging, apir_queue_next(f.g.queue) - 1, false);
    }
    assert_int_equal(ret, -ENOENT);
    assert_int_equal(apir_staging_prepare(&(struct apir_staging){0}, f.g.queue, 100), -ENOENT);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_of_a_good_size),
        cmocka_unit_test(no_piece_is_given_out_that_the_host_may_use),
        cmocka_unit_test(largest_piece_is_all_of_it),
        cmocka_unit_test(held_pieces_stay_until_they_are_released),
        cmocka_unit_test(there_are_no_more_pieces_than_can_be_noted),
        cmocka_unit_test(memory_that_grows_is_not_in_use),
        cmocka_unit_test(failed_session_gives_an_error),
    };
    return cmocka_run_group_tests_name("staging", tests, NULL, NULL);
}
