#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"
#include "util/fd.h"

enum {
    SHM = 1,
    SHM_SIZE = 4096,
    BUFFER_SIZE = 4096,
};

/* A ready executor with a buffer, a tensor of 4 rows of 16 bytes in it, and shared memory. */
struct desk {
    struct fixture f;
    uint64_t buffer;
    struct apir_tensor tensor;
    unsigned char *shm;
};

static void open_desk_of(struct desk *d, const char *library)
{
    fixture_open(&d->f, library, NULL);
    fixture_make_ready(&d->f);
    d->buffer = fixture_alloc(&d->f, BUFFER_SIZE);
    d->tensor = fixture_tensor(GGML_TYPE_F32, 4, 4);
    d->tensor.buffer = d->buffer;
    d->tensor.offset = 128;
    int fd = apir_fd_memory("test", SHM_SIZE);
    assert_int_equal(apir_shm_table_add(&d->f.memory, SHM, fd, 0, SHM_SIZE), 0);
    d->shm = mmap(NULL, SHM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(d->shm, MAP_FAILED);
    apir_fd_close(&fd);
}

static void open_desk(struct desk *d)
{
    open_desk_of(d, LIBRARIES "/fake-good.so");
}

static void close_desk(struct desk *d)
{
    munmap(d->shm, SHM_SIZE);
    fixture_close(&d->f);
}

/* The tensor's 64 bytes, by a get through the end of the shared memory. */
static const unsigned char *get_all(struct desk *d)
{
    const struct apir_tensor_get_args args = {
        .tensor = d->tensor, .size = 64, .shm = SHM, .shm_offset = SHM_SIZE - 64};
    memset(d->shm + SHM_SIZE - 64, 0xee, 64);
    assert_int_equal(handle_tensor_get(d->f.executor, &d->f.scratch, &args), 0);
    return d->shm + SHM_SIZE - 64;
}

static int set_2d(struct desk *d, uint64_t offset, uint64_t size, uint64_t copies, uint64_t stride, uint64_t shm_offset)
{
    const struct apir_tensor_set_2d_args args = {.tensor = d->tensor, .offset = offset, .size = size,
                                                 .copies = copies, .stride = stride, .shm = SHM,
                                                 .shm_offset = shm_offset};
    return handle_tensor_set_2d(d->f.executor, &d->f.scratch, &args);
}

static int get_2d(struct desk *d, uint64_t offset, uint64_t size, uint64_t copies, uint64_t stride, uint64_t shm_offset)
{
    const struct apir_tensor_get_2d_args args = {.tensor = d->tensor, .offset = offset, .size = size,
                                                 .copies = copies, .stride = stride, .shm = SHM,
                                                 .shm_offset = shm_offset};
    return handle_tensor_get_2d(d->f.executor, &d->f.scratch, &args);
}

static void set_writes_just_its_range(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d);
    memset(d.shm, 0x11, 64);
    const struct apir_tensor_set_args args = {.tensor = d.tensor, .offset = 4, .size = 8, .shm = SHM, .shm_offset = 2};
    assert_int_equal(handle_tensor_set(d.f.executor, &d.f.scratch, &args), 0);
    const unsigned char *bytes = get_all(&d);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(bytes[i], i >= 4 && i < 12 ? 0x11 : 0);
    close_desk(&d);
}

static void memset_writes_just_its_range(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d);
    const struct apir_tensor_memset_args args = {.tensor = d.tensor, .value = 0xff, .offset = 63, .size = 1};
    assert_int_equal(handle_tensor_memset(d.f.executor, &d.f.scratch, &args), 0);
    const unsigned char *bytes = get_all(&d);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(bytes[i], i == 63 ? 0xff : 0);
    close_desk(&d);
}

static void rows_go_where_the_stride_says(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d);
    for (unsigned i = 0; i < 12; i++)
        d.shm[i] = (unsigned char)(1 + i);
    assert_int_equal(set_2d(&d, 2, 3, 4, 16, 0), 0);
    const unsigned char *bytes = get_all(&d);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(bytes[i], i % 16 >= 2 && i % 16 < 5 ? 1 + i / 16 * 3 + i % 16 - 2 : 0);
    memset(d.shm, 0, 64);
    assert_int_equal(get_2d(&d, 2, 3, 4, 16, 100), 0);
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(d.shm[100 + i], 1 + i);
    close_desk(&d);
}

static void rows_of_no_size_are_not_counted(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d);
    assert_int_equal(set_2d(&d, 0, 0, APIR_MAX_SIZE, 0, 0), 0);
    assert_int_equal(get_2d(&d, 64, 0, APIR_MAX_SIZE, 0, SHM_SIZE), 0);
    assert_int_equal(set_2d(&d, 0, 8, 0, APIR_MAX_SIZE, 0), 0);
    assert_int_equal(get_2d(&d, 0, 8, 0, 16, 0), 0);
    close_desk(&d);
}

static void rows_outside_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint64_t offset, size, copies, stride, shm_offset;
        int error;
    } bad[] = {
        {0, 65, 1, 0, 0, -ERANGE},
        {64, 1, 1, 0, 0, -ERANGE},
        {65, 0, 0, 0, 0, -ERANGE},
        {0, 1, 5, 16, 0, -ERANGE},
        {0, 16, 4, 17, 0, -ERANGE},
        {0, 1, 2, UINT64_MAX, 0, -ERANGE},
        {0, UINT64_C(1) << 32, UINT64_C(1) << 32, 0, 0, -ERANGE},
        {0, 1, (UINT64_C(1) << 32) + 1, UINT64_C(1) << 32, 0, -ERANGE},
        {0, 64, 65, 0, 0, -EFAULT},
        {0, 1, 1, 0, SHM_SIZE, -EFAULT},
        {0, 1, 1, 0, UINT64_MAX, -EFAULT},
        {0, 0, 0, 0, SHM_SIZE + 1, -EFAULT},
    };
    struct desk d;
    open_desk(&d);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(set_2d(&d, bad[i].offset, bad[i].size, bad[i].copies, bad[i].stride, bad[i].shm_offset),
                         bad[i].error);
        assert_int_equal(get_2d(&d, bad[i].offset, bad[i].size, bad[i].copies, bad[i].stride, bad[i].shm_offset),
                         bad[i].error);
    }
    close_desk(&d);
}

static int copy(struct desk *d, const struct apir_tensor *from, const struct apir_tensor *to)
{
    struct apir_tensor_copy_reply reply = {0};
    const struct apir_tensor_copy_args args = {.source = *from, .destination = *to};
    int ret = handle_tensor_copy(d->f.executor, &d->f.scratch, &args, &reply);
    assert_int_equal(reply.done, ret == 0);
    return ret;
}

static void copy_needs_the_same_layout(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d);
    struct apir_tensor to = d.tensor, other;
    to.buffer = fixture_alloc(&d.f, BUFFER_SIZE);
    assert_int_equal(copy(&d, &d.tensor, &to), 0);
    assert_int_equal(copy(&d, &d.tensor, &d.tensor), 0);
    other = to;
    other.type = GGML_TYPE_I32;
    assert_int_equal(copy(&d, &d.tensor, &other), -EINVAL);
    other = to;
    other.ne[1] = 3;
    assert_int_equal(copy(&d, &d.tensor, &other), -EINVAL);
    other = to;
    other.nb[1] = 32;
    assert_int_equal(copy(&d, &d.tensor, &other), -EINVAL);
    other = to;
    other.buffer = 0;
    assert_int_equal(copy(&d, &d.tensor, &other), -ENOENT);
    assert_int_equal(copy(&d, &other, &to), -ENOENT);
    close_desk(&d);
}

static uint64_t alloc_on(struct desk *d, uint32_t device)
{
    const struct apir_buffer_alloc_args args = {.device = device, .size = BUFFER_SIZE};
    struct apir_buffer_alloc_reply reply = {0};
    assert_int_equal(handle_buffer_alloc(d->f.executor, &d->f.scratch, &args, &reply), 0);
    assert_true(reply.buffer != 0);
    return reply.buffer;
}

static void copy_passes_between_devices_of_different_libraries(void **state)
{
    (void)state;
    /* 0: the host's memory. 1 and 2: memory of their own, which no other device and no host reaches. */
    char other[] = "/tmp/apir-test-XXXXXX", command[256], list[512];
    struct desk d;
    close(mkstemp(other));
    snprintf(command, sizeof command, "cp %s/fake-own-memory.so %s", LIBRARIES, other);
    assert_int_equal(system(command), 0);
    snprintf(list, sizeof list, "%s/fake-good.so:%s/fake-own-memory.so:%s", LIBRARIES, LIBRARIES, other);
    open_desk_of(&d, list);
    unlink(other);
    struct apir_tensor at[4] = {d.tensor, d.tensor, d.tensor, d.tensor};
    at[1].buffer = alloc_on(&d, 1);
    at[2].buffer = alloc_on(&d, 2);
    at[3].buffer = alloc_on(&d, 0);
    for (unsigned i = 0; i < 64; i++)
        d.shm[i] = (unsigned char)(i * 3 + 1);
    const struct apir_tensor_set_args set = {.tensor = at[0], .size = 64, .shm = SHM};
    assert_int_equal(handle_tensor_set(d.f.executor, &d.f.scratch, &set), 0);
    for (unsigned i = 0; i < 3; i++) /* from the host, between devices, to the host */
        assert_int_equal(copy(&d, &at[i], &at[i + 1]), 0);
    d.tensor = at[3];
    assert_memory_equal(get_all(&d), d.shm, 64);
    close_desk(&d);
}

static void copy_of_what_overlaps_is_refused(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d);
    struct apir_tensor to = d.tensor;
    static const struct {
        uint64_t offset;
        int ret;
    } cases[] = {{64, 0}, {65, -EINVAL}, {127, -EINVAL}, {128, 0}, {129, -EINVAL}, {191, -EINVAL}, {192, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        to.offset = cases[i].offset; /* the source is from 128 to 192 */
        assert_int_equal(copy(&d, &d.tensor, &to), cases[i].ret);
    }
    close_desk(&d);
}

static void buffer_of_no_size_is_none(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, LIBRARIES "/fake-good.so", NULL);
    fixture_make_ready(&f);
    struct apir_buffer_alloc_reply reply = {.buffer = 0};
    assert_int_equal(handle_buffer_alloc(f.executor, &f.scratch, &(struct apir_buffer_alloc_args){.size = 0}, &reply), 0);
    assert_true(reply.buffer == 0);
    fixture_close(&f);
}

static void buffer_has_its_size_and_residue(void **state)
{
    (void)state;
    struct fixture f;
    struct apir_buffer_alloc_reply reply = {0};
    fixture_open(&f, LIBRARIES "/fake-good.so", NULL);
    fixture_make_ready(&f);
    const struct apir_buffer_alloc_args args = {.size = 1000};
    assert_int_equal(handle_buffer_alloc(f.executor, &f.scratch, &args, &reply), 0);
    assert_true(reply.size >= 1000);
    assert_true(reply.base_residue < 4096);
    fixture_close(&f);
}

static void buffer_has_nothing_of_others_in_it(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d);
    const unsigned char *bytes = get_all(&d);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(bytes[i], 0);
    close_desk(&d);
}

static void freed_buffer_is_not_found(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d);
    const uint64_t handle = d.buffer;
    struct apir_executor *executor = d.f.executor;
    struct apir_arena *scratch = &d.f.scratch;
    struct apir_buffer_init_tensor_reply reply;
    assert_int_equal(handle_buffer_free(executor, scratch, &(struct apir_buffer_free_args){handle}), 0);
    assert_int_equal(handle_buffer_free(executor, scratch, &(struct apir_buffer_free_args){handle}), -ENOENT);
    assert_int_equal(handle_buffer_clear(executor, scratch, &(struct apir_buffer_clear_args){.buffer = handle}), -ENOENT);
    assert_int_equal(handle_buffer_reset(executor, scratch, &(struct apir_buffer_reset_args){handle}), -ENOENT);
    assert_int_equal(handle_buffer_set_usage(executor, scratch, &(struct apir_buffer_set_usage_args){.buffer = handle}),
                     -ENOENT);
    assert_int_equal(handle_buffer_init_tensor(executor, scratch,
                                               &(struct apir_buffer_init_tensor_args){.tensor = d.tensor}, &reply),
                     -ENOENT);
    close_desk(&d);
}

static void usage_reaches_the_buffer(void **state)
{
    (void)state;
    static const struct {
        enum apir_buffer_usage from;
        enum ggml_backend_buffer_usage to;
    } usages[] = {{APIR_BUFFER_USAGE_WEIGHTS, GGML_BACKEND_BUFFER_USAGE_WEIGHTS},
                  {APIR_BUFFER_USAGE_COMPUTE, GGML_BACKEND_BUFFER_USAGE_COMPUTE},
                  {APIR_BUFFER_USAGE_ANY, GGML_BACKEND_BUFFER_USAGE_ANY}};
    struct desk d;
    struct apir_buffer_uses uses = {0};
    open_desk(&d);
    struct apir_buffer *buffer = apir_buffer_uses_get(d.f.executor, &uses, d.buffer);
    for (int i = 0; i < 3; i++) {
        const struct apir_buffer_set_usage_args args = {.buffer = d.buffer, .usage = usages[i].from};
        assert_int_equal(handle_buffer_set_usage(d.f.executor, &d.f.scratch, &args), 0);
        assert_int_equal(ggml_backend_buffer_get_usage(buffer->host), usages[i].to);
    }
    apir_buffer_uses_finish(d.f.executor, &uses);
    close_desk(&d);
}

static void buffer_freed_while_in_use_lives_on(void **state)
{
    (void)state;
    struct desk d;
    struct apir_buffer_uses uses = {0};
    struct apir_executor_stats stats;
    open_desk(&d);
    struct apir_buffer *buffer = apir_buffer_uses_get(d.f.executor, &uses, d.buffer);
    assert_ptr_equal(apir_buffer_uses_get(d.f.executor, &uses, d.buffer), buffer);
    assert_int_equal(uses.count, 1);
    assert_int_equal(handle_buffer_free(d.f.executor, &d.f.scratch, &(struct apir_buffer_free_args){d.buffer}), 0);
    memset(buffer->base, 1, BUFFER_SIZE);
    apir_buffer_uses_finish(d.f.executor, &uses);
    apir_executor_get_stats(d.f.executor, &stats);
    assert_int_equal(stats.buffers, 0);
    assert_int_equal(stats.buffer_bytes, 0);
    close_desk(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_writes_just_its_range),
        cmocka_unit_test(memset_writes_just_its_range),
        cmocka_unit_test(rows_go_where_the_stride_says),
        cmocka_unit_test(rows_of_no_size_are_not_counted),
        cmocka_unit_test(rows_outside_are_refused),
        cmocka_unit_test(copy_needs_the_same_layout),
        cmocka_unit_test(copy_passes_between_devices_of_different_libraries),
        cmocka_unit_test(copy_of_what_overlaps_is_refused),
        cmocka_unit_test(buffer_of_no_size_is_none),
        cmocka_unit_test(buffer_has_its_size_and_residue),
        cmocka_unit_test(buffer_has_nothing_of_others_in_it),
        cmocka_unit_test(freed_buffer_is_not_found),
        cmocka_unit_test(usage_reaches_the_buffer),
        cmocka_unit_test(buffer_freed_while_in_use_lives_on),
    };
    return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
