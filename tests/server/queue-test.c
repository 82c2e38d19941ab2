#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "apir-codec.h"
#include "server/queue.h"
#include "wire/ring.h"
#include "util/clock.h"
#include "util/fd.h"
#include "wire/cs.h"

enum {
    QUEUES = 4,
    CALL_NOTE = APIR_CALL_SESSION_GET_STATS, /* answers with its place in the order of calls */
    CALL_GATE = APIR_CALL_LOAD_LIBRARY,      /* waits for the gate first */
    CALL_FAIL = APIR_CALL_BUFFER_FREE,       /* is refused by its handler */
    CALL_GRAPH = APIR_CALL_GRAPH_RECOMPUTE,  /* fails in normal use, with its number as the status */
};

/* Queues with rings, and handlers whose progress the test decides. */
struct fixture {
    struct apir_shm_table memory;
    struct apir_server_queues queues;
    struct apir_watchdog watchdog; /* there is none */
    void *shared[QUEUES]; /* shared memory 1 + index */
    struct apir_ring_producer rings[QUEUES];
    uint8_t request[APIR_MAX_RECORD]; /* the next one */
    uint32_t size;                    /* of it */
    uint32_t graph;                   /* number in the next CALL_GRAPH */
    _Atomic int refused;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    bool gate_open;
    int entered;
    uint64_t order;
};

static int note(void *data, struct apir_arena *scratch, struct apir_session_get_stats_reply *reply)
{
    struct fixture *f = data;
    (void)scratch;
    pthread_mutex_lock(&f->lock);
    reply->graphs = ++f->order;
    pthread_mutex_unlock(&f->lock);
    return 0;
}

static int gate(void *data, struct apir_arena *scratch, struct apir_load_library_reply *reply)
{
    struct fixture *f = data;
    (void)scratch;
    pthread_mutex_lock(&f->lock);
    f->entered++;
    pthread_cond_broadcast(&f->changed);
    while (!f->gate_open)
        pthread_cond_wait(&f->changed, &f->lock);
    f->order++;
    pthread_mutex_unlock(&f->lock);
    reply->message = reply->library = reply->ggml_version = reply->sandbox = reply->sandbox_lacks = "";
    return 0;
}

static int refuse(void *data, struct apir_arena *scratch, const struct apir_buffer_free_args *args)
{
    (void)data;
    (void)scratch;
    (void)args;
    return -ENOENT;
}

static int fail_graph(void *data, struct apir_arena *scratch, const struct apir_graph_recompute_args *args)
{
    (void)data;
    (void)scratch;
    return (int)args->graph;
}

static const struct apir_handlers handlers = {
    .graph_recompute = fail_graph,
    .session_get_stats = note,
    .load_library = gate,
    .buffer_free = refuse,
};

static void note_refused(void *data)
{
    atomic_fetch_add(&((struct fixture *)data)->refused, 1);
}

static void *share(struct fixture *f, uint32_t id, uint64_t size)
{
    int fd = apir_fd_memory("test", size);
    assert_int_equal(apir_shm_table_add(&f->memory, id, fd, 0, size), 0);
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(data, MAP_FAILED);
    apir_fd_close(&fd);
    return data;
}

static void set_up(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    apir_shm_table_init(&f->memory);
    apir_server_queues_init(&f->queues);
    f->queues.handlers = &handlers;
    f->queues.handler_data = f;
    f->queues.memory = &f->memory;
    f->queues.watchdog = &f->watchdog;
    f->queues.max_open = APIR_MAX_QUEUES;
    f->queues.refused = note_refused;
    f->queues.refused_data = f;
    for (uint32_t i = 0; i < QUEUES; i++) {
        f->shared[i] = share(f, i + 1, APIR_QUEUE_SIZE);
        apir_ring_producer_init(&f->rings[i], f->shared[i]);
    }
}

static void set_up_open(struct fixture *f, uint32_t n)
{
    set_up(f);
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(apir_server_queues_open(&f->queues, i, i + 1), 0);
}

static void tear_down(struct fixture *f)
{
    apir_server_queues_finish(&f->queues);
    for (uint32_t i = 0; i < QUEUES; i++)
        munmap(f->shared[i], APIR_QUEUE_SIZE);
    apir_shm_table_finish(&f->memory);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
}

static void open_gate(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    f->gate_open = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static void wait_entered(struct fixture *f, int n)
{
    pthread_mutex_lock(&f->lock);
    while (f->entered < n)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

/* Writes a request with its right size; bytes of it. */
static uint32_t write_request(struct fixture *f, const struct apir_request_header *header)
{
    struct apir_enc enc;
    apir_enc_init(&enc, f->request, sizeof f->request);
    apir_encode_request_header(&enc, header);
    if (header->call == CALL_FAIL)
        apir_enc_u64(&enc, 1);
    if (header->call == CALL_GRAPH) {
        apir_enc_u64(&enc, 1);
        apir_enc_u32(&enc, f->graph);
    }
    assert_true(apir_enc_ok(&enc));
    f->size = (uint32_t)apir_enc_used(&enc);
    memcpy(f->request + 4, &f->size, sizeof f->size);
    return f->size;
}

static void kick(struct fixture *f, uint32_t queue)
{
    assert_int_equal(apir_ring_push(&f->rings[queue], f->request, f->size), 0);
    assert_int_equal(apir_server_queues_kick(&f->queues, queue), 0);
}

static void post(struct fixture *f, uint32_t queue, uint32_t call, uint64_t sequence)
{
    write_request(f, &(struct apir_request_header){.call = call, .sequence = sequence});
    kick(f, queue);
}

static void post_after(struct fixture *f, uint32_t queue, uint64_t sequence, uint32_t on, uint64_t on_sequence)
{
    const struct apir_dependency wait = {.queue = on, .sequence = on_sequence};
    write_request(f, &(struct apir_request_header){.call = CALL_NOTE, .sequence = sequence, .waits = &wait, .n_waits = 1});
    kick(f, queue);
}

/* Whether a reply comes within ms milliseconds. */
static bool is_answered(struct fixture *f, uint32_t queue, uint64_t sequence, unsigned ms)
{
    uint64_t end = apir_clock_now() + ms * UINT64_C(1000000);
    while (atomic_load(&((struct apir_ring *)f->shared[queue])->completed) != (uint32_t)sequence) {
        if (apir_clock_now() > end)
            return false;
        apir_clock_sleep(100000);
    }
    return true;
}

/* The status of a reply that must come; *order is what CALL_NOTE told. */
static int status_of(struct fixture *f, uint32_t queue, uint64_t sequence, uint64_t *order)
{
    struct apir_reply_header header;
    struct apir_session_get_stats_reply stats;
    struct apir_dec dec;
    assert_true(is_answered(f, queue, sequence, 20000));
    apir_dec_init(&dec, apir_ring_reply(f->shared[queue]), APIR_MAX_RECORD, NULL);
    apir_decode_reply_header(&dec, &header);
    assert_true(apir_dec_ok(&dec));
    assert_true(header.sequence == sequence);
    if (order) {
        apir_decode_session_get_stats_reply(&dec, &stats);
        *order = stats.graphs;
    }
    return header.status;
}

static void assert_refused(struct fixture *f)
{
    uint64_t end = apir_clock_now() + UINT64_C(20000000000);
    while (atomic_load(&f->refused) == 0 && apir_clock_now() < end)
        apir_clock_sleep(100000);
    assert_int_equal(atomic_load(&f->refused), 1);
}

static void requests_are_answered_in_sequence(void **state)
{
    (void)state;
    struct fixture f;
    set_up_open(&f, 1);
    for (uint64_t sequence = 1; sequence <= 10; sequence++) {
        uint64_t order;
        post(&f, 0, CALL_NOTE, sequence);
        assert_int_equal(status_of(&f, 0, sequence, &order), 0);
        assert_true(order == sequence);
    }
    tear_down(&f);
}

static void kick_without_a_request_does_nothing(void **state)
{
    (void)state;
    struct fixture f;
    set_up_open(&f, 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(apir_server_queues_kick(&f.queues, 0), 0);
    post(&f, 0, CALL_NOTE, 1);
    assert_int_equal(status_of(&f, 0, 1, NULL), 0);
    assert_int_equal(apir_server_queues_kick(&f.queues, 0), 0);
    post(&f, 0, CALL_NOTE, 2);
    assert_int_equal(status_of(&f, 0, 2, NULL), 0);
    tear_down(&f);
    assert_int_equal(f.refused, 0);
}

static void queue_numbers_and_memory_are_checked(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    void *small = share(&f, 50, APIR_QUEUE_SIZE - 4096);
    assert_int_equal(apir_server_queues_open(&f.queues, APIR_MAX_QUEUES, 1), -EINVAL);
    assert_int_equal(apir_server_queues_open(&f.queues, UINT32_MAX, 1), -EINVAL);
    assert_int_equal(apir_server_queues_open(&f.queues, 1, 99), -EINVAL);
    assert_int_equal(apir_server_queues_open(&f.queues, 1, 0), -EINVAL);
    assert_int_equal(apir_server_queues_open(&f.queues, 1, 50), -EINVAL);
    assert_int_equal(apir_server_queues_open(&f.queues, APIR_MAX_QUEUES - 1, 1), 0);
    assert_int_equal(apir_server_queues_open(&f.queues, APIR_MAX_QUEUES - 1, 2), -EEXIST);
    munmap(small, APIR_QUEUE_SIZE - 4096);
    tear_down(&f);
}

static void queue_that_is_not_open_is_not_found(void **state)
{
    (void)state;
    static const uint32_t ids[] = {0, 1, APIR_MAX_QUEUES - 1, APIR_MAX_QUEUES, UINT32_MAX};
    struct fixture f;
    set_up(&f);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        assert_int_equal(apir_server_queues_kick(&f.queues, ids[i]), -ENOENT);
        assert_int_equal(apir_server_queues_close(&f.queues, ids[i]), -ENOENT);
    }
    tear_down(&f);
}

static void queue_number_is_free_after_close(void **state)
{
    (void)state;
    struct fixture f;
    set_up_open(&f, 1);
    post(&f, 0, CALL_NOTE, 1);
    assert_int_equal(status_of(&f, 0, 1, NULL), 0);
    assert_int_equal(apir_server_queues_close(&f.queues, 0), 0);
    assert_int_equal(apir_server_queues_close(&f.queues, 0), -ENOENT);
    assert_int_equal(apir_server_queues_open(&f.queues, 0, 2), 0);
    tear_down(&f);
}

static void removal_of_its_memory_closes_a_queue(void **state)
{
    (void)state;
    struct fixture f;
    set_up_open(&f, 2);
    apir_server_queues_close_shm(&f.queues, 1);
    assert_int_equal(apir_server_queues_kick(&f.queues, 0), -ENOENT);
    assert_int_equal(apir_server_queues_kick(&f.queues, 1), 0);
    tear_down(&f);
}

static void wrong_sequence_is_refused(void **state)
{
    (void)state;
    static const uint64_t wrong[] = {0, 2, UINT64_MAX, (UINT64_C(1) << 32) + 1};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct fixture f;
        set_up_open(&f, 1);
        write_request(&f, &(struct apir_request_header){.call = CALL_NOTE, .sequence = wrong[i]});
        kick(&f, 0);
        assert_int_equal(status_of(&f, 0, 1, NULL), -EBADMSG);
        assert_refused(&f);
        tear_down(&f);
    }
}

static void wrong_size_is_refused(void **state)
{
    (void)state;
    static const uint32_t wrong[] = {0, 1, 4, 7, 8, 19, 21, 24, APIR_MAX_RECORD, APIR_MAX_RECORD + 1,
                                     0x7fffffff, UINT32_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct fixture f;
        set_up_open(&f, 1);
        write_request(&f, &(struct apir_request_header){.call = CALL_NOTE, .sequence = 1});
        memcpy(f.request + 4, &wrong[i], sizeof wrong[i]);
        kick(&f, 0);
        assert_int_equal(status_of(&f, 0, 1, NULL), -EBADMSG);
        assert_refused(&f);
        tear_down(&f);
    }
}

static void unknown_calls_are_refused(void **state)
{
    (void)state;
    static const uint32_t calls[] = {0, 23, 1000, 0x7fffffff, UINT32_MAX, APIR_CALL_NEGOTIATE /* has no handler */};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct fixture f;
        set_up_open(&f, 1);
        post(&f, 0, calls[i], 1);
        assert_int_equal(status_of(&f, 0, 1, NULL), -ENOSYS);
        assert_refused(&f);
        tear_down(&f);
    }
}

static void refusal_of_a_handler_ends_the_queue(void **state)
{
    (void)state;
    struct fixture f;
    set_up_open(&f, 1);
    post(&f, 0, CALL_FAIL, 1);
    assert_int_equal(status_of(&f, 0, 1, NULL), -ENOENT);
    assert_refused(&f);
    post(&f, 0, CALL_NOTE, 2);
    assert_false(is_answered(&f, 0, 2, 20));
    tear_down(&f);
}

static void dependency_on_the_queue_itself_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    set_up_open(&f, 1);
    post_after(&f, 0, 1, 0, 0);
    assert_int_equal(status_of(&f, 0, 1, NULL), -EINVAL);
    assert_refused(&f);
    tear_down(&f);
}

static void dependency_on_no_queue_is_refused(void **state)
{
    (void)state;
    static const uint32_t wrong[] = {APIR_MAX_QUEUES, 0x7fffffff, UINT32_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const struct apir_dependency wait = {.queue = 1, .sequence = 1};
        struct fixture f;
        set_up_open(&f, 1);
        uint32_t size = write_request(
            &f, &(struct apir_request_header){.call = CALL_NOTE, .sequence = 1, .waits = &wait, .n_waits = 1});
        memcpy(f.request + size - 12, &wrong[i], sizeof wrong[i]);
        kick(&f, 0);
        assert_int_equal(status_of(&f, 0, 1, NULL), -EBADMSG);
        assert_refused(&f);
        tear_down(&f);
    }
}

static void too_many_dependencies_are_refused(void **state)
{
    (void)state;
    static const uint32_t wrong[] = {2, APIR_MAX_WAITS + 1, 0x7fffffff, UINT32_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const struct apir_dependency wait = {.queue = 1, .sequence = 1};
        struct fixture f;
        set_up_open(&f, 1);
        write_request(&f, &(struct apir_request_header){.call = CALL_NOTE, .sequence = 1, .waits = &wait, .n_waits = 1});
        memcpy(f.request + 16, &wrong[i], sizeof wrong[i]);
        kick(&f, 0);
        assert_int_equal(status_of(&f, 0, 1, NULL), -EBADMSG);
        assert_refused(&f);
        tear_down(&f);
    }
}

static void as_many_dependencies_as_queues_are_taken(void **state)
{
    (void)state;
    struct apir_dependency waits[APIR_MAX_WAITS];
    struct fixture f;
    for (uint32_t i = 0; i < APIR_MAX_WAITS; i++)
        waits[i] = (struct apir_dependency){.queue = 1 + i % 63, .sequence = 1};
    set_up_open(&f, 1);
    write_request(&f, &(struct apir_request_header){
                             .call = CALL_NOTE, .sequence = 1, .waits = waits, .n_waits = APIR_MAX_WAITS});
    kick(&f, 0);
    assert_int_equal(status_of(&f, 0, 1, NULL), 0);
    tear_down(&f);
}

static void call_runs_after_what_it_depends_on(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t order;
    set_up_open(&f, 2);
    post(&f, 0, CALL_GATE, 1);
    wait_entered(&f, 1);
    post_after(&f, 1, 1, 0, 1);
    assert_false(is_answered(&f, 1, 1, 20));
    open_gate(&f);
    assert_int_equal(status_of(&f, 1, 1, &order), 0);
    assert_true(order == 2);
    tear_down(&f);
}

static void call_runs_after_a_dependency_that_is_posted_later(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t order;
    set_up_open(&f, 2);
    post_after(&f, 1, 1, 0, 2);
    post(&f, 0, CALL_NOTE, 1);
    assert_int_equal(status_of(&f, 0, 1, NULL), 0);
    assert_false(is_answered(&f, 1, 1, 20));
    post(&f, 0, CALL_NOTE, 2);
    assert_int_equal(status_of(&f, 1, 1, &order), 0);
    assert_true(order == 3);
    tear_down(&f);
}

static void queue_without_dependencies_runs_beside_a_busy_one(void **state)
{
    (void)state;
    struct fixture f;
    uint64_t order;
    set_up_open(&f, 2);
    post(&f, 0, CALL_GATE, 1);
    wait_entered(&f, 1);
    post(&f, 1, CALL_NOTE, 1);
    assert_int_equal(status_of(&f, 1, 1, &order), 0);
    assert_true(order == 1);
    open_gate(&f);
    assert_int_equal(status_of(&f, 0, 1, NULL), 0);
    tear_down(&f);
}

static void closed_queue_satisfies_whoever_waits_for_it(void **state)
{
    (void)state;
    struct fixture f;
    set_up_open(&f, 2);
    post_after(&f, 1, 1, 2, 9); /* never opened */
    assert_int_equal(status_of(&f, 1, 1, NULL), 0);
    post_after(&f, 1, 2, 0, 9);
    assert_false(is_answered(&f, 1, 2, 20));
    assert_int_equal(apir_server_queues_close(&f.queues, 0), 0);
    assert_int_equal(status_of(&f, 1, 2, NULL), 0);
    tear_down(&f);
}

static void queue_that_waits_can_be_closed(void **state)
{
    (void)state;
    struct fixture f;
    set_up_open(&f, 2);
    post_after(&f, 1, 1, 0, 9);
    assert_int_equal(apir_server_queues_close(&f.queues, 1), 0);
    assert_false(is_answered(&f, 1, 1, 0));
    assert_int_equal(apir_server_queues_kick(&f.queues, 0), 0);
    tear_down(&f);
    assert_int_equal(f.refused, 0);
}

static void queues_that_wait_for_each_other_can_be_ended(void **state)
{
    (void)state;
    struct fixture f;
    set_up_open(&f, 3);
    post_after(&f, 0, 1, 1, 1);
    post_after(&f, 1, 1, 2, 1);
    post_after(&f, 2, 1, 0, UINT64_MAX);
    tear_down(&f);
    assert_int_equal(f.refused, 0);
}

static void sleeping_guest_is_woken(void **state)
{
    (void)state;
    const struct timespec timeout = {.tv_sec = 20};
    struct fixture f;
    set_up_open(&f, 1);
    struct apir_ring *ring = f.shared[0];
    atomic_store(&ring->sleeping, 1);
    post(&f, 0, CALL_GATE, 1);
    wait_entered(&f, 1);
    open_gate(&f);
    long ret = syscall(SYS_futex, &ring->completed, FUTEX_WAIT, 0, &timeout, NULL, 0);
    assert_true(ret == 0 || errno == EAGAIN || errno == EINTR);
    assert_int_equal(status_of(&f, 0, 1, NULL), 0);
    tear_down(&f);
}

static void post_graph(struct fixture *f, uint64_t sequence, uint32_t status)
{
    f->graph = status;
    post(f, 0, CALL_GRAPH, sequence);
    assert_int_equal(status_of(f, 0, sequence, NULL), 0); /* no mistake: the queue goes on */
}

static void failure_in_normal_use_is_told_in_the_ring(void **state)
{
    (void)state;
    struct fixture f;
    set_up_open(&f, 2);
    struct apir_ring *ring = f.shared[0];
    post_graph(&f, 1, 3);
    assert_int_equal(apir_ring_failed(ring), 3);
    post_graph(&f, 2, 1);
    assert_int_equal(apir_ring_failed(ring), 3); /* the first one's, until it is taken */
    apir_ring_clear_failed(ring);
    post_graph(&f, 3, 1);
    assert_int_equal(apir_ring_failed(ring), 1);
    assert_int_equal(apir_ring_failed(f.shared[1]), 0);
    tear_down(&f);
    assert_int_equal(f.refused, 0);
}

static void futex_wait(_Atomic uint32_t *word, uint32_t seen)
{
    const struct timespec timeout = {.tv_sec = 20};
    long ret = syscall(SYS_futex, word, FUTEX_WAIT, seen, &timeout, NULL, 0);
    assert_true(ret == 0 || errno == EAGAIN || errno == EINTR);
}

static void refusal_is_told_in_the_ring_and_wakes_who_sleeps_for_more(void **state)
{
    (void)state;
    struct fixture f;
    set_up_open(&f, 1);
    struct apir_ring *ring = f.shared[0];
    apir_ring_want(ring, 100);
    atomic_store(&ring->sleeping, 1);
    post(&f, 0, CALL_FAIL, 1);
    futex_wait(&ring->completed, 0);
    assert_refused(&f);
    assert_int_equal((int32_t)apir_ring_failed(ring), -ENOENT);
    tear_down(&f);
}

static void guest_sleeps_until_the_call_that_it_wants(void **state)
{
    (void)state;
    struct fixture f;
    uint32_t seen;
    set_up_open(&f, 1);
    struct apir_ring *ring = f.shared[0];
    apir_ring_want(ring, 3);
    atomic_store(&ring->sleeping, 1);
    post(&f, 0, CALL_GATE, 1);
    post(&f, 0, CALL_NOTE, 2);
    post(&f, 0, CALL_NOTE, 3);
    wait_entered(&f, 1);
    open_gate(&f);
    while ((seen = atomic_load(&ring->completed)) != 3)
        futex_wait(&ring->completed, seen);
    tear_down(&f);
}

static void queue_beyond_the_quota_is_refused_in_its_ring(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    f.queues.max_open = 2;
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(apir_server_queues_open(&f.queues, i, i + 1), 0);
    assert_int_equal(apir_ring_failed(f.shared[1]), 0);
    assert_int_equal((int32_t)apir_ring_failed(f.shared[2]), -EBUSY);
    assert_int_equal(apir_server_queues_kick(&f.queues, 2), -ENOENT);
    assert_int_equal(apir_server_queues_close(&f.queues, 0), 0);
    assert_int_equal(apir_server_queues_open(&f.queues, 3, 4), 0);
    assert_int_equal(apir_ring_failed(f.shared[3]), 0);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_answered_in_sequence),
        cmocka_unit_test(kick_without_a_request_does_nothing),
        cmocka_unit_test(queue_numbers_and_memory_are_checked),
        cmocka_unit_test(queue_that_is_not_open_is_not_found),
        cmocka_unit_test(queue_number_is_free_after_close),
        cmocka_unit_test(removal_of_its_memory_closes_a_queue),
        cmocka_unit_test(wrong_sequence_is_refused),
        cmocka_unit_test(wrong_size_is_refused),
        cmocka_unit_test(unknown_calls_are_refused),
        cmocka_unit_test(refusal_of_a_handler_ends_the_queue),
        cmocka_unit_test(dependency_on_the_queue_itself_is_refused),
        cmocka_unit_test(dependency_on_no_queue_is_refused),
        cmocka_unit_test(too_many_dependencies_are_refused),
        cmocka_unit_test(as_many_dependencies_as_queues_are_taken),
        cmocka_unit_test(call_runs_after_what_it_depends_on),
        cmocka_unit_test(call_runs_after_a_dependency_that_is_posted_later),
        cmocka_unit_test(queue_without_dependencies_runs_beside_a_busy_one),
        cmocka_unit_test(closed_queue_satisfies_whoever_waits_for_it),
        cmocka_unit_test(queue_that_waits_can_be_closed),
        cmocka_unit_test(queues_that_wait_for_each_other_can_be_ended),
        cmocka_unit_test(sleeping_guest_is_woken),
        cmocka_unit_test(failure_in_normal_use_is_told_in_the_ring),
        cmocka_unit_test(refusal_is_told_in_the_ring_and_wakes_who_sleeps_for_more),
        cmocka_unit_test(guest_sleeps_until_the_call_that_it_wants),
        cmocka_unit_test(queue_beyond_the_quota_is_refused_in_its_ring),
    };
    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
