/* Bad frames and bad payloads of commands. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "apir-protocol.h"
#include "reject/context.h"
#include "util/fd.h"

#define MAGIC APIR_HANDSHAKE_MAGIC
#define COUNT(array) (sizeof(array) / sizeof *(array))

enum {
    OWN_STATUS = -1,  /* in a payload: the id of the status page */
    OWN_DATA = -2,    /* the id of memory that is large enough for anything */
    OWN_SMALL = -3,   /* the id of memory that is too small for anything */
    OWN_REMOVED = -4, /* an id that was removed */
    VENUS = APIR_VENUS_COMMAND_BASE,
};

/* A payload that must be refused at a stage. */
struct payload {
    const char *what;
    enum context_stage stage;
    size_t size; /* bytes */
    int64_t words[10];
};

static const struct payload payloads[] = {
    {"nothing", CONTEXT_SHAKEN, 0, {0}},
    {"half a word", CONTEXT_SHAKEN, 2, {18}},
    {"unknown command 1", CONTEXT_OPEN, 12, {1, 0, 0}},
    {"unknown command 2", CONTEXT_OPEN, 12, {2, 0, 0}},
    {"unknown command 3", CONTEXT_OPEN, 12, {3, 0, 0}},
    {"unknown command 15", CONTEXT_OPEN, 12, {15, 0, 0}},
    {"unknown command 21", CONTEXT_OPEN, 12, {21, 0, 0}},
    {"unknown command 330", CONTEXT_OPEN, 12, {330, 0, 0}},
    {"unknown command of Venus", CONTEXT_OPEN, 12, {VENUS + 21, 0, 0}},
    {"largest command", CONTEXT_OPEN, 12, {UINT32_MAX, 0, 0}},
    {"sign bit command", CONTEXT_OPEN, 12, {0x80000000, 0, 0}},

    {"second handshake", CONTEXT_SHAKEN, 32, {0, 0, OWN_STATUS, 0, 2, MAGIC, 1, 0}},
    {"second handshake with other memory", CONTEXT_SHAKEN, 32, {0, 0, OWN_DATA, 0, 2, MAGIC, 1, 0}},
    {"second handshake while open", CONTEXT_OPEN, 32, {0, 0, OWN_DATA, 0, 2, MAGIC, 1, 0}},
    {"handshake without memory", CONTEXT_CONNECTED, 32, {0, 0, 0, 0, 2, MAGIC, 1, 0}},
    {"handshake with unknown memory", CONTEXT_CONNECTED, 32, {0, 0, 99, 0, 2, MAGIC, 1, 0}},
    {"handshake with removed memory", CONTEXT_CONNECTED, 32, {0, 0, OWN_REMOVED, 0, 2, MAGIC, 1, 0}},
    {"handshake with small memory", CONTEXT_CONNECTED, 32, {0, 0, OWN_SMALL, 0, 2, MAGIC, 1, 0}},
    {"handshake of a deployed guest", CONTEXT_CONNECTED, 20, {0, 0, OWN_DATA, 0, 2}},
    {"handshake with another magic", CONTEXT_CONNECTED, 32, {0, 0, OWN_DATA, 0, 2, MAGIC + 1, 1, 0}},

    {"open before the handshake", CONTEXT_CONNECTED, 12, {16, 0, OWN_DATA}},
    {"close before the handshake", CONTEXT_CONNECTED, 12, {17, 0, 0}},
    {"kick before the handshake", CONTEXT_CONNECTED, 12, {18, 0, 0}},
    {"unknown before the handshake", CONTEXT_CONNECTED, 12, {99, 0, 0}},

    {"open twice", CONTEXT_OPEN, 12, {16, 0, OWN_DATA}},
    {"open of queue 64", CONTEXT_SHAKEN, 12, {16, 64, OWN_DATA}},
    {"open of queue 2^31", CONTEXT_SHAKEN, 12, {16, 0x80000000, OWN_DATA}},
    {"open of the last number", CONTEXT_SHAKEN, 12, {16, UINT32_MAX, OWN_DATA}},
    {"open without memory", CONTEXT_SHAKEN, 12, {16, 1, 0}},
    {"open with unknown memory", CONTEXT_SHAKEN, 12, {16, 1, 99}},
    {"open with removed memory", CONTEXT_SHAKEN, 12, {16, 1, OWN_REMOVED}},
    {"open with small memory", CONTEXT_SHAKEN, 12, {16, 1, OWN_SMALL}},
    {"open on the status page", CONTEXT_SHAKEN, 12, {16, 1, OWN_STATUS}},

    {"close of a closed queue", CONTEXT_OPEN, 12, {17, 1, 0}},
    {"close of queue 64", CONTEXT_OPEN, 12, {17, 64, 0}},
    {"close of the last number", CONTEXT_OPEN, 12, {17, UINT32_MAX, 0}},
    {"kick of a closed queue", CONTEXT_OPEN, 12, {18, 1, 0}},
    {"kick of queue 64", CONTEXT_OPEN, 12, {18, 64, 0}},
    {"kick of the last number", CONTEXT_OPEN, 12, {18, UINT32_MAX, 0}},
};

/* Memory beside what a stage brings. */
struct extra {
    struct raw_shm data, small, removed;
};

static void make_extra(struct context *context, struct extra *extra)
{
    raw_guest_share(&context->guest, APIR_QUEUE_SIZE, &extra->data);
    raw_guest_share(&context->guest, 4096, &extra->small);
    raw_guest_share(&context->guest, APIR_QUEUE_SIZE, &extra->removed);
    raw_guest_send(&context->guest, APIR_FRAME_SHM_REMOVE, &extra->removed.id, sizeof extra->removed.id, -1);
}

static void drop_extra(struct extra *extra)
{
    raw_guest_unshare(&extra->data);
    raw_guest_unshare(&extra->small);
    raw_guest_unshare(&extra->removed);
}

static uint32_t resolve(const struct context *context, const struct extra *extra, int64_t word)
{
    switch (word) {
    case OWN_STATUS:
        return context->guest.status.id;
    case OWN_DATA:
        return extra->data.id;
    case OWN_SMALL:
        return extra->small.id;
    case OWN_REMOVED:
        return extra->removed.id;
    default:
        return (uint32_t)word;
    }
}

static void submit(struct context *context, const struct extra *extra, const struct payload *payload, size_t size)
{
    uint32_t words[COUNT(payload->words) + 1];
    for (size_t i = 0; i < COUNT(payload->words); i++)
        words[i] = resolve(context, extra, payload->words[i]);
    words[COUNT(payload->words)] = 0;
    raw_guest_send(&context->guest, APIR_FRAME_SUBMIT, words, (uint32_t)size, -1);
}

static void bad_payloads_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(payloads); i++) {
        struct context context;
        struct extra extra;
        context_open(&context, payloads[i].stage);
        make_extra(&context, &extra);
        submit(&context, &extra, &payloads[i], payloads[i].size);
        context_assert_dead(&context, payloads[i].what);
        drop_extra(&extra);
    }
    assert_next_session_is_served();
}

static void payloads_of_any_other_length_are_refused(void **state)
{
    (void)state;
    static const struct payload good[] = {
        {"handshake", CONTEXT_CONNECTED, 32, {0, 0, OWN_DATA, 0, 2, MAGIC, 1, 0}},
        {"open", CONTEXT_SHAKEN, 12, {16, 1, OWN_DATA}},
        {"close", CONTEXT_OPEN, 12, {17, 0, 0}},
        {"kick", CONTEXT_OPEN, 12, {18, 0, 0}},
        {"nothing", CONTEXT_OPEN, 12, {20, 0, 0}},
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        /* a handshake may be longer: what later versions add is not for us */
        size_t longest = good[i].words[0] ? 40 : good[i].size - 1;
        for (size_t size = 0; size <= longest; size++) {
            struct context context;
            struct extra extra;
            if (size == good[i].size)
                continue;
            context_open(&context, good[i].stage);
            make_extra(&context, &extra);
            submit(&context, &extra, &good[i], size);
            context_assert_dead(&context, good[i].what);
            drop_extra(&extra);
        }
    }
    assert_next_session_is_served();
}

/* A frame that must be refused. */
struct frame {
    uint32_t type, size;
};

static void unknown_frames_are_refused(void **state)
{
    (void)state;
    static const uint32_t types[] = {0, APIR_FRAME_SHM_REMOVED, APIR_FRAME_FENCE_DONE, 7, 0x7fffffff, UINT32_MAX};
    for (size_t i = 0; i < COUNT(types); i++) {
        for (uint32_t size = 0; size <= 24; size += 4) {
            static const char zeros[24];
            struct context context;
            context_open(&context, CONTEXT_OPEN);
            raw_guest_send(&context.guest, types[i], zeros, size, -1);
            context_assert_dead(&context, "unknown frame");
        }
    }
    assert_next_session_is_served();
}

static void frames_of_a_wrong_size_are_refused(void **state)
{
    (void)state;
    static const struct frame right[] = {{APIR_FRAME_SHM_ADD, sizeof(struct apir_frame_shm)},
                                         {APIR_FRAME_SHM_REMOVE, sizeof(uint32_t)},
                                         {APIR_FRAME_FENCE, sizeof(struct apir_frame_fence)}};
    for (size_t i = 0; i < COUNT(right); i++) {
        for (uint32_t size = 0; size <= 2 * right[i].size; size++) {
            static const struct apir_frame_shm content[2] = {{.id = 9, .size = 4096}};
            struct context context;
            if (size == right[i].size)
                continue;
            int fd = apir_fd_memory("test", 4096);
            context_open(&context, CONTEXT_SHAKEN);
            raw_guest_send(&context.guest, right[i].type, content, size, fd);
            context_assert_dead(&context, "frame of a wrong size");
            apir_fd_close(&fd);
        }
    }
    assert_next_session_is_served();
}

static void oversized_frames_are_refused(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {APIR_MAX_FRAME + 1, 0x7fffffff, UINT32_MAX};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct context context;
        const uint32_t header[] = {APIR_FRAME_SUBMIT, sizes[i]};
        context_open(&context, CONTEXT_SHAKEN);
        assert_int_equal(write(context.guest.connection.fd, header, sizeof header), sizeof header);
        assert_true(raw_guest_is_dead(&context.guest));
        assert_int_equal(context_close(&context), -EBADMSG);
    }
    assert_next_session_is_served();
}

static void connection_cut_inside_a_frame_ends_the_context(void **state)
{
    (void)state;
    static const uint32_t words[] = {APIR_FRAME_SUBMIT, 12, APIR_COMMAND_KICK, 0, 0};
    for (size_t size = 1; size < sizeof words; size++) {
        struct context context;
        context_open(&context, CONTEXT_OPEN);
        assert_int_equal(write(context.guest.connection.fd, words, size), size);
        assert_int_equal(context_close(&context), -EBADMSG);
    }
    assert_next_session_is_served();
}

static int memory_that_shrinks(void)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(fd, 8192), 0);
    return fd;
}

static int no_memory(void)
{
    int pair[2];
    assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
    apir_fd_close(&pair[0]);
    return pair[1];
}

static int good_memory(void)
{
    return apir_fd_memory("test", 8192);
}

static int nothing(void)
{
    return -1;
}

static void bad_memory_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        int (*make)(void);
        struct apir_frame_shm frame;
    } bad[] = {
        {"too large for the last descriptor", nothing, {.id = 9, .size = 1 << 20}},
        {"memory that shrinks", memory_that_shrinks, {.id = 9, .size = 8192}},
        {"a pipe", no_memory, {.id = 9, .size = 8192}},
        {"id 0", good_memory, {.id = 0, .size = 8192}},
        {"size 0", good_memory, {.id = 9, .size = 0}},
        {"too small", good_memory, {.id = 9, .size = 8193}},
        {"past its end", good_memory, {.id = 9, .offset = 4096, .size = 8192}},
        {"behind its end", good_memory, {.id = 9, .offset = 8192, .size = 1}},
        {"inside a page", good_memory, {.id = 9, .offset = 8, .size = 4096}},
        {"a range that wraps", good_memory, {.id = 9, .offset = UINT64_MAX - 4095, .size = 8192}},
        {"a size that wraps", good_memory, {.id = 9, .offset = 4096, .size = UINT64_MAX}},
        {"a sign bit", good_memory, {.id = 9, .offset = UINT64_C(1) << 63, .size = 4096}},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct context context;
        int fd = bad[i].make();
        context_open(&context, CONTEXT_SHAKEN);
        raw_guest_send(&context.guest, APIR_FRAME_SHM_ADD, &bad[i].frame, sizeof bad[i].frame, fd);
        context_assert_dead(&context, bad[i].what);
        apir_fd_close(&fd);
    }
    assert_next_session_is_served();
}

static void memory_before_any_descriptor_is_refused(void **state)
{
    (void)state;
    struct context context;
    const struct apir_frame_shm frame = {.id = 9, .size = 4096};
    context_open(&context, CONTEXT_CONNECTED);
    raw_guest_send(&context.guest, APIR_FRAME_SHM_ADD, &frame, sizeof frame, -1);
    assert_int_equal(context_close(&context), -EPROTO);
    assert_next_session_is_served();
}

static void memory_without_a_descriptor_is_that_of_the_last(void **state)
{
    (void)state;
    struct context context;
    struct apir_frame_shm frame = {.id = 9, .size = 4096};
    context_open(&context, CONTEXT_SHAKEN);
    int fd = good_memory();
    raw_guest_send(&context.guest, APIR_FRAME_SHM_ADD, &frame, sizeof frame, fd);
    frame = (struct apir_frame_shm){.id = 10, .offset = 4096, .size = 4096};
    raw_guest_send(&context.guest, APIR_FRAME_SHM_ADD, &frame, sizeof frame, -1);
    assert_int_equal(context_close(&context), 0);
    apir_fd_close(&fd);
}

static void duplicate_memory_is_refused(void **state)
{
    (void)state;
    struct context context;
    context_open(&context, CONTEXT_READY);
    const struct apir_frame_shm frame = {.id = context.data.id, .size = DATA_SIZE};
    raw_guest_send(&context.guest, APIR_FRAME_SHM_ADD, &frame, sizeof frame, context.data.fd);
    context_assert_dead(&context, "duplicate id");
    assert_next_session_is_served();
}

static void removal_of_unknown_memory_is_refused(void **state)
{
    (void)state;
    static const uint32_t ids[] = {0, 99, 0x7fffffff, UINT32_MAX};
    for (size_t i = 0; i < COUNT(ids); i++) {
        struct context context;
        context_open(&context, CONTEXT_READY);
        raw_guest_send(&context.guest, APIR_FRAME_SHM_REMOVE, &ids[i], sizeof ids[i], -1);
        context_assert_dead(&context, "unknown id");
    }
    assert_next_session_is_served();
}

static void removed_ring_takes_no_kicks(void **state)
{
    (void)state;
    struct context context;
    context_open(&context, CONTEXT_READY);
    uint32_t id = context.control.memory.id;
    raw_guest_send(&context.guest, APIR_FRAME_SHM_REMOVE, &id, sizeof id, -1);
    const uint32_t words[] = {APIR_COMMAND_KICK, 0, 0};
    raw_guest_submit(&context.guest, words, 3);
    context_assert_dead(&context, "kick without a ring");
    assert_next_session_is_served();
}

static void removed_status_page_ends_the_handshake(void **state)
{
    (void)state;
    struct context context;
    context_open(&context, CONTEXT_OPEN);
    uint32_t id = context.guest.status.id;
    raw_guest_send(&context.guest, APIR_FRAME_SHM_REMOVE, &id, sizeof id, -1);
    const uint32_t words[] = {APIR_COMMAND_KICK, 0, 0};
    raw_guest_submit(&context.guest, words, 3);
    assert_int_equal(context_close(&context), -EPROTO);
    assert_next_session_is_served();
}

static void descriptor_with_another_frame_is_closed(void **state)
{
    (void)state;
    struct context context;
    int fd = apir_fd_memory("test", 4096);
    context_open(&context, CONTEXT_OPEN);
    unsigned before = context_count_fds();
    const uint32_t words[] = {APIR_COMMAND_KICK, 0, 0};
    const struct apir_frame_fence fence = {.id = 1};
    struct apir_frame answer;
    raw_guest_send(&context.guest, APIR_FRAME_SUBMIT, words, sizeof words, fd);
    raw_guest_send(&context.guest, APIR_FRAME_FENCE, &fence, sizeof fence, -1);
    assert_int_equal(apir_connection_receive(&context.guest.connection, &answer), 1);
    assert_int_equal(context_count_fds(), before);
    assert_int_equal(context_close(&context), 0);
    apir_fd_close(&fd);
}

static void bad_memory_leaves_no_descriptors(void **state)
{
    (void)state;
    unsigned before = context_count_fds();
    for (int i = 0; i < 20; i++) {
        struct context context;
        const struct apir_frame_shm frame = {.id = 9, .size = 1 << 20};
        int fd = apir_fd_memory("test", 4096);
        context_open(&context, CONTEXT_SHAKEN);
        raw_guest_send(&context.guest, APIR_FRAME_SHM_ADD, &frame, sizeof frame, fd);
        context_assert_dead(&context, "too small");
        apir_fd_close(&fd);
    }
    assert_int_equal(context_count_fds(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_payloads_are_refused),
        cmocka_unit_test(payloads_of_any_other_length_are_refused),
        cmocka_unit_test(unknown_frames_are_refused),
        cmocka_unit_test(frames_of_a_wrong_size_are_refused),
        cmocka_unit_test(oversized_frames_are_refused),
        cmocka_unit_test(connection_cut_inside_a_frame_ends_the_context),
        cmocka_unit_test(bad_memory_is_refused),
        cmocka_unit_test(memory_before_any_descriptor_is_refused),
        cmocka_unit_test(memory_without_a_descriptor_is_that_of_the_last),
        cmocka_unit_test(duplicate_memory_is_refused),
        cmocka_unit_test(removal_of_unknown_memory_is_refused),
        cmocka_unit_test(removed_ring_takes_no_kicks),
        cmocka_unit_test(removed_status_page_ends_the_handshake),
        cmocka_unit_test(descriptor_with_another_frame_is_closed),
        cmocka_unit_test(bad_memory_leaves_no_descriptors),
    };
    return cmocka_run_group_tests_name("reject frames", tests, context_group_setup, NULL);
}
