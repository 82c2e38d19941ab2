#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/shm.h"
#include "util/fd.h"

enum { SIZE = 3 * 4096 };

/* A table, one piece of memory to put in, and what was reported as removed. */
struct fixture {
    struct apir_shm_table table;
    int fd;
    uint32_t removed_id;
    int removed_count;
};

static void note_removed(void *data, uint32_t id)
{
    struct fixture *f = data;
    f->removed_id = id;
    f->removed_count++;
}

static void set_up(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    apir_shm_table_init(&f->table);
    f->table.removed = note_removed;
    f->table.removed_data = f;
    f->fd = apir_fd_memory("test", SIZE);
    assert_true(f->fd >= 0);
}

static void tear_down(struct fixture *f)
{
    apir_fd_close(&f->fd);
    apir_shm_table_finish(&f->table);
}

static void memory_added_is_found_and_shared(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    assert_int_equal(apir_shm_table_add(&f.table, 5, f.fd, 0, SIZE), 0);
    struct apir_mapping *mapping = apir_shm_table_get(&f.table, 5);
    assert_non_null(mapping);
    assert_int_equal(mapping->id, 5);
    assert_int_equal(mapping->size, SIZE);
    assert_int_equal(pwrite(f.fd, "hello", 5, 4096), 5);
    assert_memory_equal((char *)mapping->data + 4096, "hello", 5);
    apir_shm_table_put(&f.table, mapping);
    tear_down(&f);
}

static void range_of_a_file_is_mapped(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    assert_int_equal(pwrite(f.fd, "there", 5, 8192), 5);
    assert_int_equal(apir_shm_table_add(&f.table, 5, f.fd, 8192, 4096), 0);
    struct apir_mapping *mapping = apir_shm_table_get(&f.table, 5);
    assert_memory_equal(mapping->data, "there", 5);
    apir_shm_table_put(&f.table, mapping);
    tear_down(&f);
}

static void unknown_id_is_not_found(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    assert_int_equal(apir_shm_table_add(&f.table, 5, f.fd, 0, SIZE), 0);
    assert_null(apir_shm_table_get(&f.table, 0));
    assert_null(apir_shm_table_get(&f.table, 5 + APIR_SHM_BUCKETS));
    assert_int_equal(apir_shm_table_remove(&f.table, 6), -ENOENT);
    tear_down(&f);
}

static void ids_of_one_bucket_are_told_apart(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    for (uint32_t i = 1; i <= 4; i++)
        assert_int_equal(apir_shm_table_add(&f.table, i * APIR_SHM_BUCKETS, f.fd, 0, SIZE), 0);
    assert_int_equal(apir_shm_table_remove(&f.table, 2 * APIR_SHM_BUCKETS), 0);
    for (uint32_t i = 1; i <= 4; i++) {
        struct apir_mapping *mapping = apir_shm_table_get(&f.table, i * APIR_SHM_BUCKETS);
        assert_int_equal(mapping ? mapping->id : 0, i == 2 ? 0 : i * APIR_SHM_BUCKETS);
        apir_shm_table_put(&f.table, mapping);
    }
    tear_down(&f);
}

static void duplicate_id_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    assert_int_equal(apir_shm_table_add(&f.table, 5, f.fd, 0, SIZE), 0);
    assert_int_equal(apir_shm_table_add(&f.table, 5, f.fd, 0, SIZE), -EEXIST);
    tear_down(&f);
}

static void bad_range_is_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t id;
        uint64_t offset, size;
    } bad[] = {
        {0, 0, SIZE},                         /* no id */
        {1, 0, 0},                            /* no size */
        {1, 0, SIZE + 1},                     /* past the end */
        {1, 4096, SIZE},                      /* past the end */
        {1, SIZE, 1},                         /* behind the end */
        {1, 1, 4096},                         /* inside a page */
        {1, UINT64_MAX - 4095, 8192},         /* wraps */
        {1, 4096, UINT64_MAX - 4095},         /* wraps to 0 */
        {1, UINT64_C(1) << 63, 4096},         /* no off_t */
        {1, 0, UINT64_MAX},
        {1, 0, (uint64_t)INT64_MAX + 1},
    };
    struct fixture f;
    set_up(&f);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(apir_shm_table_add(&f.table, bad[i].id, f.fd, bad[i].offset, bad[i].size), -EINVAL);
    assert_int_equal(f.table.count, 0);
    tear_down(&f);
}

static void memory_that_can_shrink_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING), pair[2];
    assert_int_equal(ftruncate(fd, SIZE), 0);
    assert_int_equal(pipe(pair), 0);
    assert_int_equal(apir_shm_table_add(&f.table, 1, fd, 0, SIZE), -EINVAL);
    assert_true(apir_shm_table_add(&f.table, 1, pair[0], 0, SIZE) < 0);
    assert_int_equal(apir_shm_table_add(&f.table, 1, -1, 0, SIZE), -EBADF);
    apir_fd_close(&fd);
    apir_fd_close(&pair[0]);
    apir_fd_close(&pair[1]);
    tear_down(&f);
}

static void removal_is_reported(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    assert_int_equal(apir_shm_table_add(&f.table, 5, f.fd, 0, SIZE), 0);
    assert_int_equal(apir_shm_table_remove(&f.table, 5), 0);
    assert_int_equal(f.removed_count, 1);
    assert_int_equal(f.removed_id, 5);
    assert_null(apir_shm_table_get(&f.table, 5));
    assert_int_equal(apir_shm_table_remove(&f.table, 5), -ENOENT);
    tear_down(&f);
}

static void memory_removed_while_in_use_stays_until_the_last_put(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    assert_int_equal(apir_shm_table_add(&f.table, 5, f.fd, 0, SIZE), 0);
    struct apir_mapping *mapping = apir_shm_table_get(&f.table, 5);
    assert_int_equal(apir_shm_table_remove(&f.table, 5), 0);
    assert_null(apir_shm_table_get(&f.table, 5));
    assert_int_equal(f.removed_count, 0);
    memset(mapping->data, 1, SIZE);
    apir_shm_table_put(&f.table, mapping);
    assert_int_equal(f.removed_count, 1);
    tear_down(&f);
}

static void id_of_removed_memory_is_free_at_once(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    assert_int_equal(apir_shm_table_add(&f.table, 5, f.fd, 0, SIZE), 0);
    struct apir_mapping *old = apir_shm_table_get(&f.table, 5);
    assert_int_equal(apir_shm_table_remove(&f.table, 5), 0);
    assert_int_equal(apir_shm_table_add(&f.table, 5, f.fd, 0, 4096), 0);
    struct apir_mapping *fresh = apir_shm_table_get(&f.table, 5);
    assert_ptr_not_equal(fresh, old);
    apir_shm_table_put(&f.table, fresh);
    apir_shm_table_put(&f.table, old);
    tear_down(&f);
}

static void full_table_takes_no_more(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    for (uint32_t id = 1; id <= APIR_MAX_SHMS; id++)
        assert_int_equal(apir_shm_table_add(&f.table, id, f.fd, 0, 4096), 0);
    assert_int_equal(apir_shm_table_add(&f.table, APIR_MAX_SHMS + 1, f.fd, 0, 4096), -ENOSPC);
    assert_int_equal(apir_shm_table_remove(&f.table, 7), 0);
    assert_int_equal(apir_shm_table_add(&f.table, APIR_MAX_SHMS + 1, f.fd, 0, 4096), 0);
    tear_down(&f);
}

/* An owner of one piece of memory. */
struct owner {
    char memory[64];
    uint32_t id;
    int asked;
};

static int find(void *data, uint32_t id, void **memory, uint64_t *size)
{
    struct owner *owner = data;
    owner->asked++;
    if (id != owner->id)
        return -ENOENT;
    *memory = owner->memory;
    *size = sizeof owner->memory;
    return 0;
}

static void owner_is_asked_at_every_use(void **state)
{
    (void)state;
    struct fixture f;
    struct owner owner = {.id = 7};
    set_up(&f);
    f.table.find = find;
    f.table.find_owner = &owner;
    for (int i = 0; i < 3; i++) {
        struct apir_mapping *mapping = apir_shm_table_get(&f.table, 7);
        assert_ptr_equal(mapping->data, owner.memory);
        assert_int_equal(mapping->size, sizeof owner.memory);
        assert_true(mapping->borrowed);
        apir_shm_table_put(&f.table, mapping);
    }
    assert_int_equal(owner.asked, 3);
    assert_int_equal(f.removed_count, 0);
    owner.id = 8;
    assert_null(apir_shm_table_get(&f.table, 7));
    tear_down(&f);
}

static void owner_is_not_asked_about_what_was_added(void **state)
{
    (void)state;
    struct fixture f;
    struct owner owner = {.id = 7};
    set_up(&f);
    f.table.find = find;
    f.table.find_owner = &owner;
    assert_int_equal(apir_shm_table_add(&f.table, 7, f.fd, 0, SIZE), 0);
    struct apir_mapping *mapping = apir_shm_table_get(&f.table, 7);
    assert_int_equal(mapping->size, SIZE);
    assert_false(mapping->borrowed);
    apir_shm_table_put(&f.table, mapping);
    assert_int_equal(owner.asked, 0);
    tear_down(&f);
}

static void unsealed_memory_is_mapped_only_for_who_vouches(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(ftruncate(fileno(file), SIZE), 0);
    assert_int_equal(apir_shm_table_add(&f.table, 1, fileno(file), 0, SIZE), -EINVAL);
    assert_int_equal(apir_shm_table_map(&f.table, 1, fileno(file), 0, SIZE), 0);
    assert_int_equal(apir_shm_table_map(&f.table, 2, fileno(file), UINT64_MAX, 2), -EINVAL);
    fclose(file);
    tear_down(&f);
}

static void memory_beyond_the_quota_takes_only_its_id(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    f.table.quota.limit = SIZE + 4096;
    assert_int_equal(apir_shm_table_add(&f.table, 1, f.fd, 0, SIZE), 0);
    assert_int_equal(apir_shm_table_add(&f.table, 2, f.fd, 0, SIZE), 1);
    assert_null(apir_shm_table_get(&f.table, 2));
    assert_int_equal(apir_shm_table_add(&f.table, 2, f.fd, 0, 4096), -EEXIST);
    assert_int_equal(apir_shm_table_add(&f.table, 3, f.fd, 0, 4096), 0);
    assert_int_equal(apir_shm_table_remove(&f.table, 2), 0);
    assert_int_equal(f.removed_id, 2); /* as with any other */
    assert_int_equal(apir_shm_table_remove(&f.table, 1), 0);
    assert_int_equal(apir_shm_table_add(&f.table, 2, f.fd, 0, SIZE), 0);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_added_is_found_and_shared),
        cmocka_unit_test(range_of_a_file_is_mapped),
        cmocka_unit_test(unknown_id_is_not_found),
        cmocka_unit_test(ids_of_one_bucket_are_told_apart),
        cmocka_unit_test(duplicate_id_is_refused),
        cmocka_unit_test(bad_range_is_refused),
        cmocka_unit_test(memory_that_can_shrink_is_refused),
        cmocka_unit_test(removal_is_reported),
        cmocka_unit_test(memory_removed_while_in_use_stays_until_the_last_put),
        cmocka_unit_test(id_of_removed_memory_is_free_at_once),
        cmocka_unit_test(full_table_takes_no_more),
        cmocka_unit_test(owner_is_asked_at_every_use),
        cmocka_unit_test(owner_is_not_asked_about_what_was_added),
        cmocka_unit_test(unsealed_memory_is_mapped_only_for_who_vouches),
        cmocka_unit_test(memory_beyond_the_quota_takes_only_its_id),
    };
    return cmocka_run_group_tests_name("shm", tests, NULL, NULL);
}
