#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "fixture.h"
#include "util/fd.h"

enum {
    SHM = 1,
    SHM_SIZE = 8192,
    PAGE = 4096,
};

/* A ready executor, and shared memory as its guest sees it. */
struct desk {
    struct fixture f;
    unsigned char *shm;
};

static void open_desk(struct desk *d, const char *library)
{
    fixture_open(&d->f, library, NULL);
    fixture_make_ready(&d->f);
    int fd = apir_fd_memory("test", SHM_SIZE);
    assert_int_equal(apir_shm_table_add(&d->f.memory, SHM, fd, 0, SHM_SIZE), 0);
    d->shm = mmap(NULL, SHM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(d->shm, MAP_FAILED);
    apir_fd_close(&fd);
}

static void close_desk(struct desk *d)
{
    munmap(d->shm, SHM_SIZE);
    fixture_close(&d->f);
}

static int from_shm(struct desk *d, const struct apir_buffer_from_shm_args *args,
                    struct apir_buffer_from_shm_reply *reply)
{
    memset(reply, 0, sizeof *reply);
    return handle_buffer_from_shm(d->f.executor, &d->f.scratch, args, reply);
}

static uint64_t must_make(struct desk *d, uint64_t offset, uint64_t size)
{
    const struct apir_buffer_from_shm_args args = {.shm = SHM, .shm_offset = offset, .size = size};
    struct apir_buffer_from_shm_reply reply;
    assert_int_equal(from_shm(d, &args, &reply), 0);
    assert_true(reply.buffer != 0);
    assert_true(reply.size == size);
    assert_true(reply.base_residue == offset % PAGE);
    return reply.buffer;
}

static void fill(struct desk *d, uint64_t buffer, uint8_t value)
{
    struct apir_tensor tensor = fixture_tensor(GGML_TYPE_F32, 4, 1);
    tensor.buffer = buffer;
    tensor.offset = 64;
    const struct apir_tensor_memset_args args = {.tensor = tensor, .value = value, .size = 16};
    assert_int_equal(handle_tensor_memset(d->f.executor, &d->f.scratch, &args), 0);
}

static void what_the_device_writes_is_in_the_memory(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d, "cpu");
    fill(&d, must_make(&d, PAGE, PAGE), 0x5a);
    for (unsigned i = 0; i < SHM_SIZE; i++)
        assert_int_equal(d.shm[i], i >= PAGE + 64 && i < PAGE + 80 ? 0x5a : 0);
    close_desk(&d);
}

static void memory_stays_until_its_buffer_is_freed(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d, "cpu");
    uint64_t buffer = must_make(&d, 0, SHM_SIZE);
    assert_int_equal(apir_shm_table_remove(&d.f.memory, SHM), 0);
    fill(&d, buffer, 0x77);
    assert_int_equal(d.shm[64], 0x77);
    const struct apir_buffer_free_args args = {.buffer = buffer};
    assert_int_equal(handle_buffer_free(d.f.executor, &d.f.scratch, &args), 0);
    close_desk(&d);
}

static void device_that_cannot_makes_none(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d, LIBRARIES "/fake-good.so");
    const struct apir_buffer_from_shm_args args = {.shm = SHM, .size = PAGE};
    struct apir_buffer_from_shm_reply reply;
    assert_int_equal(from_shm(&d, &args, &reply), 0);
    assert_true(reply.buffer == 0);
    close_desk(&d);
}

/* ggml's own backend would end the process. */
static void misaligned_memory_makes_none(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d, "cpu");
    const struct apir_buffer_from_shm_args args = {.shm = SHM, .shm_offset = 4, .size = PAGE};
    struct apir_buffer_from_shm_reply reply;
    assert_int_equal(from_shm(&d, &args, &reply), 0);
    assert_true(reply.buffer == 0);
    close_desk(&d);
}

static void empty_memory_makes_none(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d, "cpu");
    const struct apir_buffer_from_shm_args args = {.shm = SHM, .shm_offset = SHM_SIZE};
    struct apir_buffer_from_shm_reply reply;
    assert_int_equal(from_shm(&d, &args, &reply), 0);
    assert_true(reply.buffer == 0);
    close_desk(&d);
}

/* ggml would copy with memcpy() from memory onto the same. */
static void copies_onto_the_buffer_itself_are_refused(void **state)
{
    (void)state;
    struct desk d;
    open_desk(&d, "cpu");
    struct apir_tensor tensor = fixture_tensor(GGML_TYPE_F32, 16, 1);
    tensor.buffer = must_make(&d, 0, PAGE);
    struct apir_tensor_get_args get = {.tensor = tensor, .size = 64, .shm = SHM, .shm_offset = 60};
    assert_int_equal(handle_tensor_get(d.f.executor, &d.f.scratch, &get), -EINVAL);
    get.shm_offset = 64;
    assert_int_equal(handle_tensor_get(d.f.executor, &d.f.scratch, &get), 0);
    struct apir_tensor_set_args set = {.tensor = tensor, .offset = 32, .size = 32, .shm = SHM, .shm_offset = 1};
    assert_int_equal(handle_tensor_set(d.f.executor, &d.f.scratch, &set), -EINVAL);
    set.shm_offset = 0;
    assert_int_equal(handle_tensor_set(d.f.executor, &d.f.scratch, &set), 0);
    struct apir_tensor_get_2d_args rows = {
        .tensor = tensor, .size = 4, .copies = 3, .stride = 16, .shm = SHM, .shm_offset = 35};
    assert_int_equal(handle_tensor_get_2d(d.f.executor, &d.f.scratch, &rows), -EINVAL);
    rows.shm_offset = 36;
    assert_int_equal(handle_tensor_get_2d(d.f.executor, &d.f.scratch, &rows), 0);
    struct apir_buffer_read_args read = {.buffer = tensor.buffer, .size = 302, .shm = SHM, .shm_offset = 4};
    assert_int_equal(handle_buffer_read(d.f.executor, &d.f.scratch, &read), -EINVAL);
    read.shm_offset = 302;
    assert_int_equal(handle_buffer_read(d.f.executor, &d.f.scratch, &read), 0);
    close_desk(&d);
}

static void what_is_not_there_is_refused(void **state)
{
    (void)state;
    static const struct {
        struct apir_buffer_from_shm_args args;
        int error;
    } bad[] = {
        {{.shm = SHM + 1, .size = PAGE}, -EFAULT},
        {{.shm = SHM, .size = SHM_SIZE + 1}, -EFAULT},
        {{.shm = SHM, .shm_offset = PAGE, .size = PAGE + 1}, -EFAULT},
        {{.shm = SHM, .shm_offset = UINT64_MAX - PAGE + 1, .size = 2 * PAGE}, -EFAULT},
        {{.shm = SHM, .size = PAGE, .max_tensor_size = PAGE + 1}, -EFAULT},
        {{.device = 1, .shm = SHM, .size = PAGE}, -ENODEV},
    };
    struct desk d;
    open_desk(&d, "cpu");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct apir_buffer_from_shm_reply reply;
        assert_int_equal(from_shm(&d, &bad[i].args, &reply), bad[i].error);
        assert_true(reply.buffer == 0);
    }
    close_desk(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_device_writes_is_in_the_memory),
        cmocka_unit_test(memory_stays_until_its_buffer_is_freed),
        cmocka_unit_test(device_that_cannot_makes_none),
        cmocka_unit_test(misaligned_memory_makes_none),
        cmocka_unit_test(empty_memory_makes_none),
        cmocka_unit_test(copies_onto_the_buffer_itself_are_refused),
        cmocka_unit_test(what_is_not_there_is_refused),
    };
    return cmocka_run_group_tests_name("shm-buffer", tests, NULL, NULL);
}
