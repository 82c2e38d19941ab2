#include <errno.h>
#include <linux/virtio_ring.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach/memory-guard.h"
#include "attach/virtqueue.h"
#include "fixture.h"
#include "util/fd.h"

enum {
    SIZE = 8,          /* of the queue */
    MEMORY = 1 << 20,
    GUEST = 0x100000,  /* guest address of the memory */
    USER = 0x70000000, /* the front end's */
    DESCRIPTORS = 0,   /* offsets in the memory */
    AVAILABLE = 0x1000,
    USED = 0x2000,
    TABLE = 0x3000, /* indirect descriptors */
    DATA = 0x80000,
    MAX_REQUEST = 100000,
};

/* The driver's side. */
struct guest {
    struct apir_memory memory;
    struct apir_virtqueue queue;
    struct apir_request request;
    struct apir_chain chain;
    uint8_t *bytes;
    struct vring_desc *descriptors, *table;
    struct vring_avail *available;
    struct vring_used *used;
};

static int setup(void **state)
{
    struct guest *guest = calloc(1, sizeof *guest);
    int fd = apir_fd_memory("guest", MEMORY);
    *state = guest;
    if (!guest || fd < 0 || apir_memory_add(&guest->memory, GUEST, USER, MEMORY, 0, fd) < 0)
        return -1;
    close(fd);
    guest->bytes = guest->memory.regions[0].host;
    guest->descriptors = (void *)(guest->bytes + DESCRIPTORS);
    guest->table = (void *)(guest->bytes + TABLE);
    guest->available = (void *)(guest->bytes + AVAILABLE);
    guest->used = (void *)(guest->bytes + USED);
    guest->request.max = MAX_REQUEST;
    if (apir_virtqueue_start(&guest->queue, &guest->memory, SIZE, USER + DESCRIPTORS, USER + AVAILABLE, USER + USED,
                             0) < 0)
        return -1;
    guest->queue.indirect = true;
    guest->queue.event_index = true;
    return 0;
}

static int teardown(void **state)
{
    struct guest *guest = *state;
    apir_virtqueue_stop(&guest->queue);
    apir_request_finish(&guest->request);
    apir_memory_clear(&guest->memory);
    free(guest);
    return 0;
}

static void describe(struct vring_desc *descriptor, uint64_t offset, uint32_t size, unsigned flags, unsigned next)
{
    *descriptor = (struct vring_desc){GUEST + offset, size, (uint16_t)flags, (uint16_t)next};
}

static void offer(struct guest *guest, uint16_t head)
{
    guest->available->ring[guest->available->idx % SIZE] = head;
    guest->available->idx++;
}

static int pop(struct guest *guest)
{
    return apir_virtqueue_pop(&guest->queue, &guest->chain, &guest->request);
}

static void empty_queue_has_nothing(void **state)
{
    struct guest *guest = *state;
    assert_int_equal(pop(guest), 0);
}

static void chain_is_gathered_and_answered(void **state)
{
    struct guest *guest = *state;
    memcpy(guest->bytes + DATA, "hello, ", 7);
    memcpy(guest->bytes + DATA + 100, "world", 5);
    describe(&guest->descriptors[3], DATA, 7, VRING_DESC_F_NEXT, 1);
    describe(&guest->descriptors[1], DATA + 100, 5, VRING_DESC_F_NEXT, 2);
    describe(&guest->descriptors[2], DATA + 200, 3, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 0);
    describe(&guest->descriptors[0], DATA + 300, 10, VRING_DESC_F_WRITE, 0);
    offer(guest, 3);
    assert_int_equal(pop(guest), 1);
    assert_int_equal(guest->request.size, 12);
    assert_memory_equal(guest->request.data, "hello, world", 12);
    assert_int_equal(guest->chain.room, 13);
    apir_virtqueue_push(&guest->queue, &guest->chain, "answers", 7);
    assert_memory_equal(guest->bytes + DATA + 200, "ans", 3);
    assert_memory_equal(guest->bytes + DATA + 300, "wers", 4);
    assert_int_equal(guest->used->idx, 1);
    assert_int_equal(guest->used->ring[0].id, 3);
    assert_int_equal(guest->used->ring[0].len, 7);
}

static void answer_that_has_no_room_is_cut(void **state)
{
    struct guest *guest = *state;
    describe(&guest->descriptors[0], DATA, 4, VRING_DESC_F_NEXT, 1);
    describe(&guest->descriptors[1], DATA + 8, 4, VRING_DESC_F_WRITE, 0);
    offer(guest, 0);
    assert_int_equal(pop(guest), 1);
    apir_virtqueue_push(&guest->queue, &guest->chain, "answers", 7);
    assert_memory_equal(guest->bytes + DATA + 8, "answ\0", 5);
    assert_int_equal(guest->used->ring[0].len, 4);
}

static void chain_without_answer_is_fine(void **state)
{
    struct guest *guest = *state;
    describe(&guest->descriptors[0], DATA, 4, 0, 0);
    offer(guest, 0);
    assert_int_equal(pop(guest), 1);
    apir_virtqueue_push(&guest->queue, &guest->chain, "answers", 7);
    assert_int_equal(guest->used->ring[0].len, 0);
}

static void indirect_chain_is_longer_than_the_queue(void **state)
{
    struct guest *guest = *state;
    enum { PARTS = 1000 };
    for (unsigned i = 0; i < PARTS; i++) {
        guest->bytes[DATA + i] = (uint8_t)i;
        describe(&guest->table[i], DATA + i, 1, i + 1 < PARTS ? VRING_DESC_F_NEXT : 0, i + 1);
    }
    describe(&guest->descriptors[0], TABLE, PARTS * sizeof(struct vring_desc), VRING_DESC_F_INDIRECT, 0);
    offer(guest, 0);
    assert_int_equal(pop(guest), 1);
    assert_int_equal(guest->request.size, PARTS);
    assert_memory_equal(guest->request.data, guest->bytes + DATA, PARTS);
}

static void too_long_request_is_cut(void **state)
{
    struct guest *guest = *state;
    describe(&guest->descriptors[0], DATA, MAX_REQUEST, VRING_DESC_F_NEXT, 1);
    describe(&guest->descriptors[1], DATA, 1, 0, 0);
    offer(guest, 0);
    assert_int_equal(pop(guest), 1);
    assert_int_equal(guest->request.size, MAX_REQUEST);
    assert_true(guest->request.too_long);
}

static void memory_of_a_long_request_is_given_back(void **state)
{
    struct guest *guest = *state;
    describe(&guest->descriptors[0], DATA, 100, 0, 0);
    offer(guest, 0);
    assert_int_equal(pop(guest), 1);
    apir_request_trim(&guest->request);
    assert_non_null(guest->request.data); /* a short one's is kept */
    guest->request.data = realloc(guest->request.data, 1024 * 1024);
    guest->request.capacity = 1024 * 1024;
    apir_request_trim(&guest->request);
    assert_null(guest->request.data);
    assert_int_equal(guest->request.capacity, 0);
    apir_virtqueue_push(&guest->queue, &guest->chain, NULL, 0);
    describe(&guest->descriptors[0], DATA, 100, 0, 0);
    offer(guest, 0);
    assert_int_equal(pop(guest), 1);
    assert_int_equal(guest->request.size, 100);
}

static void loop_breaks_the_queue(void **state)
{
    struct guest *guest = *state;
    describe(&guest->descriptors[0], DATA, 4, VRING_DESC_F_NEXT, 1);
    describe(&guest->descriptors[1], DATA, 4, VRING_DESC_F_NEXT, 0);
    offer(guest, 0);
    assert_int_equal(pop(guest), -EBADMSG);
}

static void loop_in_an_indirect_table_breaks_the_queue(void **state)
{
    struct guest *guest = *state;
    describe(&guest->table[0], DATA, 4, VRING_DESC_F_NEXT, 0);
    describe(&guest->descriptors[0], TABLE, 16 * sizeof(struct vring_desc), VRING_DESC_F_INDIRECT, 0);
    offer(guest, 0);
    assert_int_equal(pop(guest), -EBADMSG);
}

static void address_outside_memory_breaks_the_queue(void **state)
{
    struct guest *guest = *state;
    const uint64_t bad[] = {0, GUEST - 1, GUEST + MEMORY, GUEST + MEMORY - 3, UINT64_MAX, UINT64_MAX - 3};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        describe(&guest->descriptors[0], 0, 4, i % 2 ? VRING_DESC_F_WRITE : 0, 0);
        guest->descriptors[0].addr = bad[i];
        offer(guest, 0);
        assert_int_equal(pop(guest), -EBADMSG);
        guest->descriptors[0].flags ^= VRING_DESC_F_WRITE;
        offer(guest, 0);
        assert_int_equal(pop(guest), -EBADMSG);
    }
}

static void huge_length_breaks_the_queue(void **state)
{
    struct guest *guest = *state;
    describe(&guest->descriptors[0], DATA, UINT32_MAX, 0, 0);
    offer(guest, 0);
    assert_int_equal(pop(guest), -EBADMSG);
}

static void huge_indirect_table_breaks_the_queue(void **state)
{
    struct guest *guest = *state;
    describe(&guest->descriptors[0], TABLE, UINT32_MAX - 15, VRING_DESC_F_INDIRECT, 0);
    offer(guest, 0);
    assert_int_equal(pop(guest), -EBADMSG);
}

static void zero_length_breaks_the_queue(void **state)
{
    struct guest *guest = *state;
    describe(&guest->descriptors[0], DATA, 0, 0, 0);
    offer(guest, 0);
    assert_int_equal(pop(guest), -EBADMSG);
}

static void indirect_inside_indirect_breaks_the_queue(void **state)
{
    struct guest *guest = *state;
    for (unsigned i = 0; i < 2; i++) {
        describe(&guest->table[0], DATA, 4, VRING_DESC_F_NEXT, 1);
        describe(&guest->table[i], TABLE, 32, VRING_DESC_F_INDIRECT, 0);
        describe(&guest->descriptors[0], TABLE, 32, VRING_DESC_F_INDIRECT, 0);
        offer(guest, 0);
        assert_int_equal(pop(guest), -EBADMSG);
    }
}

static void indirect_table_of_odd_size_breaks_the_queue(void **state)
{
    struct guest *guest = *state;
    const uint32_t sizes[] = {0, 8, 17};
    for (unsigned i = 0; i < 3; i++) {
        describe(&guest->table[0], DATA, 4, 0, 0);
        describe(&guest->descriptors[0], TABLE, sizes[i], VRING_DESC_F_INDIRECT, 0);
        offer(guest, 0);
        assert_int_equal(pop(guest), -EBADMSG);
    }
}

static void indirect_with_next_breaks_the_queue(void **state)
{
    struct guest *guest = *state;
    describe(&guest->table[0], DATA, 4, 0, 0);
    describe(&guest->descriptors[0], TABLE, 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1);
    describe(&guest->descriptors[1], DATA, 4, 0, 0);
    offer(guest, 0);
    assert_int_equal(pop(guest), -EBADMSG);
}

static void indirect_not_negotiated_breaks_the_queue(void **state)
{
    struct guest *guest = *state;
    guest->queue.indirect = false;
    describe(&guest->table[0], DATA, 4, 0, 0);
    describe(&guest->descriptors[0], TABLE, 16, VRING_DESC_F_INDIRECT, 0);
    offer(guest, 0);
    assert_int_equal(pop(guest), -EBADMSG);
}

static void readable_behind_writable_breaks_the_queue(void **state)
{
    struct guest *guest = *state;
    describe(&guest->descriptors[0], DATA, 4, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
    describe(&guest->descriptors[1], DATA, 4, 0, 0);
    offer(guest, 0);
    assert_int_equal(pop(guest), -EBADMSG);
}

static void head_out_of_range_breaks_the_queue(void **state)
{
    struct guest *guest = *state;
    offer(guest, SIZE);
    assert_int_equal(pop(guest), -EBADMSG);
}

static void next_out_of_range_breaks_the_queue(void **state)
{
    struct guest *guest = *state;
    describe(&guest->descriptors[0], DATA, 4, VRING_DESC_F_NEXT, SIZE);
    offer(guest, 0);
    assert_int_equal(pop(guest), -EBADMSG);
}

static void index_that_runs_away_breaks_the_queue(void **state)
{
    struct guest *guest = *state;
    guest->available->idx = SIZE + 1;
    assert_int_equal(pop(guest), -EBADMSG);
}

static void more_requests_than_the_queue_has_room_for_break_it(void **state)
{
    struct guest *guest = *state;
    describe(&guest->descriptors[0], DATA, 4, 0, 0);
    for (int i = 0; i < SIZE; i++) {
        offer(guest, 0); /* the same chain, again before it was answered */
        assert_int_equal(pop(guest), 1);
    }
    offer(guest, 0);
    assert_int_equal(pop(guest), -EBADMSG);
    apir_virtqueue_push(&guest->queue, &guest->chain, NULL, 0);
    assert_int_equal(pop(guest), 1);
}

static void rings_outside_memory_are_refused(void **state)
{
    struct guest *guest = *state;
    struct apir_virtqueue queue = {0};
    const uint64_t bad[] = {0, USER + MEMORY, USER + MEMORY - 16, UINT64_MAX - 15};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(apir_virtqueue_start(&queue, &guest->memory, SIZE, bad[i], USER, USER, 0), -EINVAL);
        assert_int_equal(apir_virtqueue_start(&queue, &guest->memory, SIZE, USER, bad[i], USER, 0), -EINVAL);
        assert_int_equal(apir_virtqueue_start(&queue, &guest->memory, SIZE, USER, USER, bad[i], 0), -EINVAL);
    }
}

static void ring_of_odd_size_or_place_is_refused(void **state)
{
    struct guest *guest = *state;
    struct apir_virtqueue queue = {0};
    const uint32_t sizes[] = {0, 3, 65536, UINT32_MAX};
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        assert_int_equal(apir_virtqueue_start(&queue, &guest->memory, sizes[i], USER, USER, USER, 0), -EINVAL);
    assert_int_equal(apir_virtqueue_start(&queue, &guest->memory, SIZE, USER + 8, USER, USER, 0), -EINVAL);
    assert_int_equal(apir_virtqueue_start(&queue, &guest->memory, SIZE, USER, USER + 1, USER, 0), -EINVAL);
    assert_int_equal(apir_virtqueue_start(&queue, &guest->memory, SIZE, USER, USER, USER + 2, 0), -EINVAL);
}

static void guest_is_notified_when_it_asks(void **state)
{
    struct guest *guest = *state;
    uint16_t *used_event = &guest->available->ring[SIZE];
    for (uint16_t i = 0; i < 3; i++) {
        describe(&guest->descriptors[i], DATA, 4, 0, 0);
        offer(guest, i);
        assert_int_equal(pop(guest), 1);
    }
    *used_event = 1; /* notify when the second is used */
    apir_virtqueue_push(&guest->queue, &guest->chain, NULL, 0);
    assert_false(apir_virtqueue_should_notify(&guest->queue));
    apir_virtqueue_push(&guest->queue, &guest->chain, NULL, 0);
    assert_true(apir_virtqueue_should_notify(&guest->queue));
    assert_false(apir_virtqueue_should_notify(&guest->queue));
    apir_virtqueue_push(&guest->queue, &guest->chain, NULL, 0);
    assert_false(apir_virtqueue_should_notify(&guest->queue));
}

static void guest_without_event_index_is_notified_unless_it_declines(void **state)
{
    struct guest *guest = *state;
    guest->queue.event_index = false;
    describe(&guest->descriptors[0], DATA, 4, 0, 0);
    offer(guest, 0);
    assert_int_equal(pop(guest), 1);
    apir_virtqueue_push(&guest->queue, &guest->chain, NULL, 0);
    assert_true(apir_virtqueue_should_notify(&guest->queue));
    guest->available->flags = VRING_AVAIL_F_NO_INTERRUPT;
    apir_virtqueue_push(&guest->queue, &guest->chain, NULL, 0);
    assert_false(apir_virtqueue_should_notify(&guest->queue));
}

static void buffer_across_two_regions_is_gathered(void **state)
{
    struct guest *guest = *state;
    int fd = apir_fd_memory("more", 4096);
    assert_int_equal(apir_memory_add(&guest->memory, GUEST + MEMORY, 0x10000, 4096, 0, fd), 0);
    close(fd);
    memcpy(guest->bytes + MEMORY - 2, "ab", 2);
    memcpy(guest->memory.regions[1].host, "cd", 2);
    describe(&guest->descriptors[0], MEMORY - 2, 4, 0, 0);
    offer(guest, 0);
    assert_int_equal(pop(guest), 1);
    assert_memory_equal(guest->request.data, "abcd", 4);
}

static void bad_regions_are_refused(void **state)
{
    struct apir_memory memory = {0};
    int fd = apir_fd_memory("small", 8192);
    (void)state;
    assert_int_equal(apir_memory_add(&memory, 0, 0, 0, 0, fd), -EINVAL);
    assert_int_equal(apir_memory_add(&memory, 0, 0, 8193, 0, fd), -EINVAL);
    assert_int_equal(apir_memory_add(&memory, 0, 0, 4096, 8192, fd), -EINVAL);
    assert_int_equal(apir_memory_add(&memory, 0, 0, 4096, UINT64_MAX - 4095, fd), -EINVAL);
    assert_int_equal(apir_memory_add(&memory, UINT64_MAX - 4094, 0, 4096, 0, fd), -EINVAL);
    assert_int_equal(apir_memory_add(&memory, 0, UINT64_MAX - 4094, 4096, 0, fd), -EINVAL);
    for (unsigned i = 0; i < APIR_MAX_REGIONS; i++)
        assert_int_equal(apir_memory_add(&memory, i * 4096, 0, 4096, 4096, fd), 0);
    assert_int_equal(apir_memory_add(&memory, 0x100000, 0, 4096, 0, fd), -ENOSPC);
    apir_memory_clear(&memory);
    close(fd);
}

static void more_memory_than_a_machine_may_have_is_refused(void **state)
{
    struct apir_memory memory = {.count = 0};
    int fd = memfd_create("sparse", MFD_CLOEXEC);
    (void)state;
    assert_int_equal(ftruncate(fd, (off_t)APIR_MAX_MEMORY), 0);
    assert_int_equal(apir_memory_add(&memory, 0, 0, APIR_MAX_MEMORY - 4096, 0, fd), 0);
    assert_int_equal(apir_memory_add(&memory, APIR_MAX_MEMORY, 0, 8192, 0, fd), -ENOSPC);
    assert_int_equal(apir_memory_add(&memory, APIR_MAX_MEMORY, 0, 4096, 0, fd), 0);
    apir_memory_clear(&memory);
    assert_int_equal(apir_memory_add(&memory, 0, 0, APIR_MAX_MEMORY, 0, fd), 0);
    apir_memory_clear(&memory);
    close(fd);
}

static void memory_that_is_cut_short_reads_as_zeros(void **state)
{
    struct apir_memory memory = {.count = 0};
    char bytes[8] = "unread";
    int fd = memfd_create("unsealed", MFD_CLOEXEC);
    (void)state;
    assert_int_equal(ftruncate(fd, 2 * 4096), 0);
    assert_int_equal(apir_memory_add(&memory, GUEST, USER, 2 * 4096, 0, fd), 0);
    assert_int_equal(apir_memory_guard_install(), 0);
    apir_memory_guard_watch(&memory);
    assert_int_equal(apir_memory_write(&memory, GUEST, "good", 4), 0);
    assert_false(memory.lost);
    assert_int_equal(ftruncate(fd, 4096), 0);
    assert_int_equal(apir_memory_read(&memory, GUEST + 4096 - 4, bytes, 8), 0);
    assert_memory_equal(bytes, "\0\0\0\0\0\0\0\0", 8);
    assert_true(memory.lost);
    assert_int_equal(apir_memory_write(&memory, GUEST + 4096, "more", 4), 0);
    apir_memory_guard_watch(NULL);
    apir_memory_clear(&memory);
    assert_false(memory.lost);
    close(fd);
    signal(SIGBUS, SIG_DFL);
}

/* In a child, which must die of it as it would without us. */
static void other_bus_errors_are_not_ours(void **state)
{
    struct guest *guest = *state;
    int fd = memfd_create("other", MFD_CLOEXEC), status;
    assert_int_equal(ftruncate(fd, 4096), 0);
    volatile char *other = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_DUMPABLE, 0);
        apir_memory_guard_install();
        apir_memory_guard_watch(&guest->memory);
        if (ftruncate(fd, 0) == 0)
            other[0] = 1;
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
    munmap((void *)(uintptr_t)other, 4096);
    close(fd);
}

/* A guest that changes what it has offered, until it is killed: descriptors that mostly could be good. */
static void rewrite(struct guest *guest)
{
    static const uint16_t flags[] = {0, VRING_DESC_F_NEXT, VRING_DESC_F_WRITE, VRING_DESC_F_NEXT,
                                     VRING_DESC_F_INDIRECT};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (uint32_t random = 1;; random = random * 1664525 + 1013904223) {
        volatile struct vring_desc *table = random >> 8 & 1 ? guest->table : guest->descriptors;
        volatile struct vring_desc *descriptor = &table[random >> 9 & 7];
        descriptor->addr = GUEST + (random >> 31 ? TABLE : DATA) + (random >> 28 == 15 ? MEMORY : 0);
        descriptor->len = (random >> 12 & 15) * (uint32_t)sizeof *descriptor;
        descriptor->flags = flags[(random >> 16) % (sizeof flags / sizeof *flags)];
        descriptor->next = random >> 20 & 7;
    }
}

static void check_chain(const struct guest *guest)
{
    assert_true(guest->chain.head < SIZE && guest->request.size <= MAX_REQUEST);
    for (unsigned i = 0; i < guest->chain.segment_count; i++)
        assert_true(apir_memory_contains(&guest->memory, guest->chain.segments[i].guest,
                                         guest->chain.segments[i].size));
}

/* The other side is a process, which ThreadSanitizer does not take for a thread of ours. */
static void what_is_rewritten_meanwhile_is_taken_as_it_was_or_refused(void **state)
{
    enum { ENOUGH = 20000 };
    struct guest *guest = *state;
    unsigned good = 0, bad = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        rewrite(guest);
    for (unsigned i = 0; i < 10000000 && (good < ENOUGH || bad < ENOUGH); i++) {
        guest->available->ring[guest->queue.next % SIZE] = i % SIZE;
        guest->available->idx = (uint16_t)(guest->queue.next + 1);
        int ret = pop(guest);
        if (ret < 0) {
            bad++;
            continue;
        }
        assert_int_equal(ret, 1);
        check_chain(guest);
        apir_virtqueue_push(&guest->queue, &guest->chain, "", 0);
        good++;
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_true(good >= ENOUGH && bad >= ENOUGH);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(empty_queue_has_nothing),
        TEST(chain_is_gathered_and_answered),
        TEST(answer_that_has_no_room_is_cut),
        TEST(chain_without_answer_is_fine),
        TEST(indirect_chain_is_longer_than_the_queue),
        TEST(too_long_request_is_cut),
        TEST(memory_of_a_long_request_is_given_back),
        TEST(loop_breaks_the_queue),
        TEST(loop_in_an_indirect_table_breaks_the_queue),
        TEST(address_outside_memory_breaks_the_queue),
        TEST(huge_length_breaks_the_queue),
        TEST(huge_indirect_table_breaks_the_queue),
        TEST(zero_length_breaks_the_queue),
        TEST(indirect_inside_indirect_breaks_the_queue),
        TEST(indirect_table_of_odd_size_breaks_the_queue),
        TEST(indirect_with_next_breaks_the_queue),
        TEST(indirect_not_negotiated_breaks_the_queue),
        TEST(readable_behind_writable_breaks_the_queue),
        TEST(head_out_of_range_breaks_the_queue),
        TEST(next_out_of_range_breaks_the_queue),
        TEST(index_that_runs_away_breaks_the_queue),
        TEST(more_requests_than_the_queue_has_room_for_break_it),
        TEST(rings_outside_memory_are_refused),
        TEST(ring_of_odd_size_or_place_is_refused),
        TEST(guest_is_notified_when_it_asks),
        TEST(guest_without_event_index_is_notified_unless_it_declines),
        TEST(buffer_across_two_regions_is_gathered),
        TEST(bad_regions_are_refused),
        TEST(more_memory_than_a_machine_may_have_is_refused),
        TEST(memory_that_is_cut_short_reads_as_zeros),
        TEST(other_bus_errors_are_not_ours),
        TEST(what_is_rewritten_meanwhile_is_taken_as_it_was_or_refused),
    };
    return cmocka_run_group_tests_name("virtqueue", tests, NULL, NULL);
}
