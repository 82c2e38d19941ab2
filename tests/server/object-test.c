#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/object.h"

/* An object that counts its own end. */
struct thing {
    struct apir_object object;
    int destroyed;
};

static void destroy_thing(struct apir_object *object)
{
    ((struct thing *)object)->destroyed++;
}

static uint64_t add(struct apir_object_table *table, struct thing *thing, enum apir_object_kind kind)
{
    *thing = (struct thing){.object = {.kind = kind, .destroy = destroy_thing}};
    uint64_t handle = apir_object_table_add(table, &thing->object);
    assert_true(handle != 0);
    return handle;
}

static void handle_finds_its_object(void **state)
{
    (void)state;
    struct apir_object_table table;
    struct thing a, b;
    apir_object_table_init(&table);
    uint64_t first = add(&table, &a, APIR_OBJECT_BUFFER), second = add(&table, &b, APIR_OBJECT_BUFFER);
    assert_true(first != second);
    assert_ptr_equal(apir_object_table_get(&table, first, APIR_OBJECT_BUFFER), &a);
    assert_ptr_equal(apir_object_table_get(&table, second, APIR_OBJECT_BUFFER), &b);
    apir_object_table_put(&table, &a.object);
    apir_object_table_put(&table, &b.object);
    apir_object_table_finish(&table);
    assert_int_equal(a.destroyed, 1);
    assert_int_equal(b.destroyed, 1);
}

static void handle_of_another_kind_is_not_found(void **state)
{
    (void)state;
    struct apir_object_table table;
    struct thing a;
    apir_object_table_init(&table);
    uint64_t handle = add(&table, &a, APIR_OBJECT_BUFFER);
    assert_null(apir_object_table_get(&table, handle, APIR_OBJECT_STREAM));
    assert_int_equal(apir_object_table_remove(&table, handle, APIR_OBJECT_STREAM), -ENOENT);
    assert_int_equal(a.destroyed, 0);
    apir_object_table_finish(&table);
}

static void handle_with_any_changed_bit_is_not_found(void **state)
{
    (void)state;
    struct apir_object_table table;
    struct thing a;
    apir_object_table_init(&table);
    uint64_t handle = add(&table, &a, APIR_OBJECT_BUFFER);
    for (int bit = 0; bit < 64; bit++)
        assert_null(apir_object_table_get(&table, handle ^ UINT64_C(1) << bit, APIR_OBJECT_BUFFER));
    assert_null(apir_object_table_get(&table, 0, APIR_OBJECT_BUFFER));
    assert_null(apir_object_table_get(&table, UINT64_MAX, APIR_OBJECT_BUFFER));
    apir_object_table_finish(&table);
}

static void removed_handle_is_stale_also_when_its_place_is_taken_again(void **state)
{
    (void)state;
    struct apir_object_table table;
    struct thing a, b;
    apir_object_table_init(&table);
    uint64_t stale = add(&table, &a, APIR_OBJECT_BUFFER);
    assert_int_equal(apir_object_table_remove(&table, stale, APIR_OBJECT_BUFFER), 0);
    assert_int_equal(a.destroyed, 1);
    assert_null(apir_object_table_get(&table, stale, APIR_OBJECT_BUFFER));
    uint64_t fresh = add(&table, &b, APIR_OBJECT_BUFFER);
    assert_int_equal((uint32_t)fresh, (uint32_t)stale);
    assert_true(fresh != stale);
    assert_null(apir_object_table_get(&table, stale, APIR_OBJECT_BUFFER));
    assert_int_equal(apir_object_table_remove(&table, stale, APIR_OBJECT_BUFFER), -ENOENT);
    assert_int_equal(b.destroyed, 0);
    apir_object_table_finish(&table);
}

static void object_removed_while_in_use_goes_with_its_last_user(void **state)
{
    (void)state;
    struct apir_object_table table;
    struct thing a;
    apir_object_table_init(&table);
    uint64_t handle = add(&table, &a, APIR_OBJECT_STREAM);
    struct apir_object *one = apir_object_table_get(&table, handle, APIR_OBJECT_STREAM);
    struct apir_object *other = apir_object_table_get(&table, handle, APIR_OBJECT_STREAM);
    assert_int_equal(apir_object_table_remove(&table, handle, APIR_OBJECT_STREAM), 0);
    assert_null(apir_object_table_get(&table, handle, APIR_OBJECT_STREAM));
    apir_object_table_put(&table, one);
    assert_int_equal(a.destroyed, 0);
    apir_object_table_put(&table, other);
    assert_int_equal(a.destroyed, 1);
    apir_object_table_finish(&table);
    assert_int_equal(a.destroyed, 1);
}

static void full_table_takes_no_more_until_one_is_removed(void **state)
{
    (void)state;
    struct apir_object_table table;
    struct thing *things = calloc(APIR_MAX_OBJECTS, sizeof *things), extra = {0};
    uint64_t last = 0;
    apir_object_table_init(&table);
    for (uint32_t i = 0; i < APIR_MAX_OBJECTS; i++)
        last = add(&table, &things[i], APIR_OBJECT_BUFFER);
    extra.object = (struct apir_object){.kind = APIR_OBJECT_BUFFER, .destroy = destroy_thing};
    assert_true(apir_object_table_add(&table, &extra.object) == 0);
    assert_int_equal(apir_object_table_remove(&table, last, APIR_OBJECT_BUFFER), 0);
    assert_true(apir_object_table_add(&table, &extra.object) != 0);
    apir_object_table_finish(&table);
    assert_int_equal(extra.destroyed, 1);
    for (uint32_t i = 0; i < APIR_MAX_OBJECTS; i++)
        assert_int_equal(things[i].destroyed, 1);
    free(things);
}

static void put_of_nothing_is_a_no_op(void **state)
{
    (void)state;
    struct apir_object_table table;
    apir_object_table_init(&table);
    apir_object_table_put(&table, NULL);
    apir_object_table_finish(&table);
}

struct shared {
    struct apir_object_table table;
    uint64_t handle;
    struct thing thing;
};

static void *get_until_gone(void *data)
{
    struct shared *shared = data;
    struct apir_object *object;
    while ((object = apir_object_table_get(&shared->table, shared->handle, APIR_OBJECT_BUFFER)))
        apir_object_table_put(&shared->table, object);
    return NULL;
}

static void object_removed_under_other_threads_goes_once(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct shared shared;
        pthread_t threads[3];
        apir_object_table_init(&shared.table);
        shared.handle = add(&shared.table, &shared.thing, APIR_OBJECT_BUFFER);
        for (int i = 0; i < 3; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, get_until_gone, &shared), 0);
        assert_int_equal(apir_object_table_remove(&shared.table, shared.handle, APIR_OBJECT_BUFFER), 0);
        for (int i = 0; i < 3; i++)
            pthread_join(threads[i], NULL);
        assert_int_equal(shared.thing.destroyed, 1);
        apir_object_table_finish(&shared.table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handle_finds_its_object),
        cmocka_unit_test(handle_of_another_kind_is_not_found),
        cmocka_unit_test(handle_with_any_changed_bit_is_not_found),
        cmocka_unit_test(removed_handle_is_stale_also_when_its_place_is_taken_again),
        cmocka_unit_test(object_removed_while_in_use_goes_with_its_last_user),
        cmocka_unit_test(full_table_takes_no_more_until_one_is_removed),
        cmocka_unit_test(put_of_nothing_is_a_no_op),
        cmocka_unit_test(object_removed_under_other_threads_goes_once),
    };
    return cmocka_run_group_tests_name("object", tests, NULL, NULL);
}
