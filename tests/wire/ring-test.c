#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "wire/ring.h"

struct pair {
    void *memory;
    struct apir_ring *ring;
    struct apir_ring_producer producer;
    struct apir_ring_consumer consumer;
    uint8_t record[APIR_MAX_RECORD];
};

static struct pair *make_pair(void)
{
    struct pair *pair = calloc(1, sizeof *pair);
    assert_non_null(pair);
    pair->memory = aligned_alloc(4096, APIR_QUEUE_SIZE);
    assert_non_null(pair->memory);
    memset(pair->memory, 0, APIR_QUEUE_SIZE);
    pair->ring = pair->memory;
    apir_ring_producer_init(&pair->producer, pair->memory);
    apir_ring_consumer_init(&pair->consumer, pair->memory);
    return pair;
}

static void drop_pair(struct pair *pair)
{
    free(pair->memory);
    free(pair);
}

/* A record that can be told from others: its size and content follow from number. */
static uint32_t size_of(uint32_t number)
{
    uint32_t x = number * 2654435761u;
    return 1 + (x >> 8) % (x % 64 == 0 ? APIR_MAX_RECORD : 300);
}

static void fill(uint8_t *record, uint32_t number)
{
    for (uint32_t i = 0; i < size_of(number); i++)
        record[i] = (uint8_t)(number + i);
}

static bool is_filled(const uint8_t *record, uint32_t number)
{
    for (uint32_t i = 0; i < size_of(number); i++)
        if (record[i] != (uint8_t)(number + i))
            return false;
    return true;
}

static int push(struct pair *pair, uint32_t number)
{
    uint8_t record[APIR_MAX_RECORD];
    fill(record, number);
    return apir_ring_push(&pair->producer, record, size_of(number));
}

static void expect(struct pair *pair, uint32_t number)
{
    assert_int_equal(apir_ring_pop(&pair->consumer, pair->record), size_of(number));
    assert_true(is_filled(pair->record, number));
}

static void records_come_out_as_they_went_in(void **state)
{
    (void)state;
    struct pair *pair = make_pair();
    uint32_t pushed = 0, popped = 0;
    while (popped < 100000) {
        while (pushed - popped < 7 && push(pair, pushed) == 0)
            pushed++;
        assert_true(pushed > popped);
        expect(pair, popped++);
    }
    drop_pair(pair);
}

static void empty_ring_has_nothing(void **state)
{
    (void)state;
    struct pair *pair = make_pair();
    assert_int_equal(apir_ring_pop(&pair->consumer, pair->record), 0);
    assert_false(apir_ring_has_record(&pair->consumer));
    assert_int_equal(push(pair, 1), 0);
    assert_true(apir_ring_has_record(&pair->consumer));
    expect(pair, 1);
    assert_int_equal(apir_ring_pop(&pair->consumer, pair->record), 0);
    drop_pair(pair);
}

static void full_ring_takes_no_more_until_there_is_room(void **state)
{
    (void)state;
    struct pair *pair = make_pair();
    uint8_t record[1000] = {0};
    int ret;
    unsigned count = 0;
    while ((ret = apir_ring_push(&pair->producer, record, sizeof record)) == 0)
        count++;
    assert_int_equal(ret, -EAGAIN);
    assert_int_equal(count, APIR_RING_SIZE / 1008);
    assert_int_equal(apir_ring_pop(&pair->consumer, pair->record), sizeof record);
    assert_int_equal(apir_ring_pop(&pair->consumer, pair->record), sizeof record);
    assert_int_equal(apir_ring_push(&pair->producer, record, sizeof record), 0);
    drop_pair(pair);
}

static void longest_records_fit_at_any_place(void **state)
{
    (void)state;
    static uint8_t longest[APIR_MAX_RECORD];
    struct pair *pair = make_pair();
    for (uint32_t i = 0; i < 3000; i++) {
        assert_int_equal(apir_ring_push(&pair->producer, longest, sizeof longest), 0);
        assert_int_equal(apir_ring_pop(&pair->consumer, pair->record), sizeof longest);
        assert_int_equal(push(pair, i), 0);
        expect(pair, i);
    }
    drop_pair(pair);
}

static void a_sleep_is_announced_to_one(void **state)
{
    (void)state;
    struct pair *pair = make_pair();
    assert_false(apir_ring_take_parked(pair->ring));
    assert_true(apir_ring_park(&pair->consumer));
    assert_true(apir_ring_take_parked(pair->ring));
    assert_false(apir_ring_take_parked(pair->ring));
    drop_pair(pair);
}

static void nobody_sleeps_before_a_record(void **state)
{
    (void)state;
    struct pair *pair = make_pair();
    assert_int_equal(push(pair, 5), 0);
    assert_false(apir_ring_park(&pair->consumer));
    assert_false(apir_ring_take_parked(pair->ring));
    drop_pair(pair);
}

static void completion_is_known_across_the_wrap_of_numbers(void **state)
{
    (void)state;
    struct pair *pair = make_pair();
    static const uint64_t numbers[] = {1, 0x7fffffff, 0x80000000, 0xffffffff, UINT64_C(0x100000000),
                                       UINT64_C(0x1ffffffff)};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        atomic_store(&pair->ring->completed, (uint32_t)(numbers[i] - 1));
        assert_false(apir_ring_is_complete(pair->ring, numbers[i]));
        assert_true(apir_ring_is_complete(pair->ring, numbers[i] - 1));
        apir_ring_complete(pair->ring, numbers[i]);
        assert_true(apir_ring_is_complete(pair->ring, numbers[i]));
    }
    drop_pair(pair);
}

static void a_sleeping_guest_is_to_be_woken(void **state)
{
    (void)state;
    struct pair *pair = make_pair();
    assert_false(apir_ring_complete(pair->ring, 1));
    atomic_store(&pair->ring->sleeping, 1);
    assert_true(apir_ring_complete(pair->ring, 2));
    drop_pair(pair);
}

static void sleeper_is_woken_by_the_call_that_it_wants(void **state)
{
    (void)state;
    static const uint64_t starts[] = {0, 0x7ffffffd, 0xfffffffd, UINT64_C(0x1fffffffe)};
    struct pair *pair = make_pair();
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        apir_ring_want(pair->ring, starts[i] + 3);
        atomic_store(&pair->ring->sleeping, 1);
        assert_false(apir_ring_complete(pair->ring, starts[i] + 1));
        assert_false(apir_ring_complete(pair->ring, starts[i] + 2));
        assert_true(apir_ring_complete(pair->ring, starts[i] + 3));
        assert_true(apir_ring_complete(pair->ring, starts[i] + 4)); /* as long as it sleeps */
        atomic_store(&pair->ring->sleeping, 0);
        assert_false(apir_ring_complete(pair->ring, starts[i] + 5));
    }
    drop_pair(pair);
}

static void first_failure_stays_until_it_is_cleared(void **state)
{
    (void)state;
    struct pair *pair = make_pair();
    assert_int_equal(apir_ring_failed(pair->ring), 0);
    apir_ring_fail(pair->ring, 3);
    apir_ring_fail(pair->ring, 1);
    apir_ring_fail(pair->ring, (uint32_t)-EINVAL);
    assert_int_equal(apir_ring_failed(pair->ring), 3);
    apir_ring_clear_failed(pair->ring);
    assert_int_equal(apir_ring_failed(pair->ring), 0);
    apir_ring_fail(pair->ring, (uint32_t)-EINVAL);
    assert_int_equal((int32_t)apir_ring_failed(pair->ring), -EINVAL);
    drop_pair(pair);
}

static void positions_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const uint32_t wrong[] = {1, 4, 7, APIR_RING_SIZE + 8, APIR_RING_SIZE + 1, 0x80000000, 0xfffffff8};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct pair *pair = make_pair();
        atomic_store(&pair->ring->tail, wrong[i]);
        assert_int_equal(apir_ring_pop(&pair->consumer, pair->record), -EBADMSG);
        drop_pair(pair);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct pair *pair = make_pair();
        atomic_store(&pair->ring->head, 0u - wrong[i]);
        assert_int_equal(push(pair, 1), -EBADMSG);
        drop_pair(pair);
    }
}

static void sizes_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const uint32_t wrong[] = {0, 17, 24, APIR_MAX_RECORD + 1, 0x7fffffff, 0xfffffff8, 0xffffffff};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct pair *pair = make_pair();
        memcpy((char *)pair->memory + APIR_RING_OFFSET, &wrong[i], sizeof wrong[i]);
        atomic_store(&pair->ring->tail, 24); /* room for 16 bytes */
        assert_int_equal(apir_ring_pop(&pair->consumer, pair->record), -EBADMSG);
        drop_pair(pair);
    }
}

static void record_over_the_end_is_refused(void **state)
{
    (void)state;
    struct pair *pair = make_pair();
    static uint8_t longest[APIR_MAX_RECORD];
    const uint32_t size = 4096;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(apir_ring_push(&pair->producer, longest, sizeof longest), 0);
        assert_int_equal(apir_ring_pop(&pair->consumer, pair->record), sizeof longest);
    }
    uint32_t position = pair->consumer.head;
    while (APIR_RING_SIZE - position > 1024)
        position += 1024;
    pair->consumer.head = position;
    memcpy((char *)pair->memory + APIR_RING_OFFSET + position, &size, sizeof size);
    atomic_store(&pair->ring->tail, position + 8192);
    assert_int_equal(apir_ring_pop(&pair->consumer, pair->record), -EBADMSG);
    drop_pair(pair);
}

/* --- two threads ------------------------------------------------------------------------------------------ */

enum { STRESS = 200000 };

static void futex(_Atomic uint32_t *word, int operation, uint32_t value)
{
    syscall(SYS_futex, word, operation, value, NULL, NULL, 0);
}

static void *produce(void *data)
{
    struct pair *pair = data;
    for (uint32_t number = 0; number < STRESS; number++) {
        while (push(pair, number) == -EAGAIN)
            ;
        if (apir_ring_take_parked(pair->ring))
            futex(&pair->ring->parked, FUTEX_WAKE, 1);
    }
    return NULL;
}

/* Sleeps whenever it may: a wake-up that is lost hangs the test. */
static void no_record_and_no_wake_up_is_lost(void **state)
{
    (void)state;
    struct pair *pair = make_pair();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, produce, pair), 0);
    for (uint32_t number = 0; number < STRESS;) {
        int size = apir_ring_pop(&pair->consumer, pair->record);
        if (size > 0) {
            assert_int_equal(size, size_of(number));
            assert_true(is_filled(pair->record, number));
            apir_ring_complete(pair->ring, ++number);
        } else if (size == 0 && apir_ring_park(&pair->consumer)) {
            futex(&pair->ring->parked, FUTEX_WAIT, 1);
            apir_ring_unpark(&pair->consumer);
        }
        assert_true(size >= 0);
    }
    pthread_join(thread, NULL);
    assert_true(apir_ring_is_complete(pair->ring, STRESS));
    drop_pair(pair);
}

/* A guest that writes what it likes, where it likes, is refused at most: every size that comes out fits. */
enum {
    COMPLETIONS = 100000,
};

static void *complete_all(void *data)
{
    struct pair *pair = data;
    for (uint64_t i = 1; i <= COMPLETIONS; i++) {
        if (i % 1000 == 0)
            apir_ring_fail(pair->ring, (uint32_t)i);
        if (apir_ring_complete(pair->ring, i))
            futex(&pair->ring->completed, FUTEX_WAKE, INT_MAX);
    }
    return NULL;
}

/* Sleeps as a guest does. What is slept through would make it sleep for good. */
static void sleep_until(struct pair *pair, uint64_t sequence)
{
    apir_ring_want(pair->ring, sequence);
    while (!apir_ring_is_complete(pair->ring, sequence)) {
        uint32_t seen = atomic_load(&pair->ring->completed);
        atomic_store(&pair->ring->sleeping, 1);
        if (!apir_ring_is_complete(pair->ring, sequence))
            futex(&pair->ring->completed, FUTEX_WAIT, seen);
        atomic_store_explicit(&pair->ring->sleeping, 0, memory_order_relaxed);
    }
}

static void no_completion_is_slept_through(void **state)
{
    (void)state;
    struct pair *pair = make_pair();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, complete_all, pair), 0);
    for (uint64_t i = 1; i <= COMPLETIONS; i += 1 + i % 7)
        sleep_until(pair, i);
    sleep_until(pair, COMPLETIONS);
    assert_int_equal(apir_ring_failed(pair->ring), 1000);
    pthread_join(thread, NULL);
    drop_pair(pair);
}

static void noise_in_the_ring_stays_in_the_ring(void **state)
{
    (void)state;
    struct pair *pair = make_pair();
    uint32_t *words = pair->memory, x = 12345;
    for (int round = 0; round < 200000; round++) {
        x = x * 1664525 + 1013904223;
        words[(x >> 8) % (round % 2 ? 256u : APIR_QUEUE_SIZE / 4u)] = round % 3 ? x % 4096 : x;
        if (round % 5 == 0)
            atomic_store(&pair->ring->tail, pair->consumer.head + 8 * (x % 2000));
        int size = apir_ring_pop(&pair->consumer, pair->record);
        assert_true(size == -EBADMSG || (size >= 0 && size <= APIR_MAX_RECORD));
    }
    drop_pair(pair);
}

/* Stores noise to the words of the other side until told to stop. */
struct vandal {
    struct apir_ring *ring;
    bool is_guest;
    _Atomic bool stop;
};

static void *vandalise(void *data)
{
    struct vandal *vandal = data;
    struct apir_ring *ring = vandal->ring;
    _Atomic uint32_t *of_guest[] = {&ring->tail, &ring->sleeping, &ring->wanted, &ring->failed, &ring->parked};
    _Atomic uint32_t *of_worker[] = {&ring->head, &ring->parked, &ring->completed, &ring->failed, &ring->sleeping};
    uint32_t x = 4321;
    while (!atomic_load_explicit(&vandal->stop, memory_order_relaxed)) {
        x = x * 1664525 + 1013904223;
        _Atomic uint32_t *word = (vandal->is_guest ? of_guest : of_worker)[(x >> 8) % 5];
        atomic_store_explicit(word, x % 3 ? (x >> 12) % 0x1000 * 8 : x, memory_order_relaxed);
    }
    return NULL;
}

/* A guest whose positions change while they are used: what comes out fits, and is of the ring. */
static void guest_that_changes_its_words_harms_nobody(void **state)
{
    (void)state;
    struct pair *pair = make_pair();
    struct vandal vandal = {.ring = pair->ring, .is_guest = true};
    pthread_t thread;
    for (uint32_t number = 0; push(pair, number) == 0; number++)
        ;
    assert_int_equal(pthread_create(&thread, NULL, vandalise, &vandal), 0);
    for (uint32_t i = 0; i < STRESS; i++) {
        int size = apir_ring_pop(&pair->consumer, pair->record);
        assert_true(size == -EBADMSG || (size >= 0 && size <= APIR_MAX_RECORD));
        if (size == 0 && apir_ring_park(&pair->consumer))
            apir_ring_unpark(&pair->consumer);
        apir_ring_complete(pair->ring, i);
        apir_ring_fail(pair->ring, 1 + i % 3);
    }
    atomic_store(&vandal.stop, true);
    pthread_join(thread, NULL);
    drop_pair(pair);
}

/* The same the other way round: what goes in stays inside. */
static void worker_that_changes_its_words_harms_nobody(void **state)
{
    (void)state;
    struct pair *pair = make_pair();
    struct vandal vandal = {.ring = pair->ring};
    pthread_t thread;
    uint8_t *reply = apir_ring_reply(pair->memory);
    memset(reply, 0x5a, APIR_MAX_RECORD);
    assert_int_equal(pthread_create(&thread, NULL, vandalise, &vandal), 0);
    for (uint32_t i = 0; i < STRESS; i++) {
        int ret = push(pair, i);
        assert_true(ret == 0 || ret == -EAGAIN || ret == -EBADMSG);
        apir_ring_take_parked(pair->ring);
        apir_ring_is_complete(pair->ring, i);
        apir_ring_failed(pair->ring);
    }
    atomic_store(&vandal.stop, true);
    pthread_join(thread, NULL);
    for (uint32_t i = 0; i < APIR_MAX_RECORD; i++)
        assert_int_equal(reply[i], 0x5a);
    drop_pair(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_out_as_they_went_in),
        cmocka_unit_test(empty_ring_has_nothing),
        cmocka_unit_test(full_ring_takes_no_more_until_there_is_room),
        cmocka_unit_test(longest_records_fit_at_any_place),
        cmocka_unit_test(a_sleep_is_announced_to_one),
        cmocka_unit_test(nobody_sleeps_before_a_record),
        cmocka_unit_test(completion_is_known_across_the_wrap_of_numbers),
        cmocka_unit_test(a_sleeping_guest_is_to_be_woken),
        cmocka_unit_test(sleeper_is_woken_by_the_call_that_it_wants),
        cmocka_unit_test(first_failure_stays_until_it_is_cleared),
        cmocka_unit_test(positions_that_make_no_sense_are_refused),
        cmocka_unit_test(sizes_that_make_no_sense_are_refused),
        cmocka_unit_test(record_over_the_end_is_refused),
        cmocka_unit_test(no_record_and_no_wake_up_is_lost),
        cmocka_unit_test(no_completion_is_slept_through),
        cmocka_unit_test(noise_in_the_ring_stays_in_the_ring),
        cmocka_unit_test(guest_that_changes_its_words_harms_nobody),
        cmocka_unit_test(worker_that_changes_its_words_harms_nobody),
    };
    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
