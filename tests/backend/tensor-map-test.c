#include "backend/tensor-map.h"

#include <ggml.h>

#include "cmocka-all.h"

enum {
    MANY = 5000, /* makes the map grow several times */
};

static struct ggml_tensor tensors[MANY];

static void numbers_survive_growth(void **state)
{
    (void)state;
    struct apir_tensor_map map = {0};
    bool added;
    for (uint32_t i = 0; i < MANY; i++) {
        assert_int_equal(*apir_tensor_map_at(&map, &tensors[i], i, &added), i);
        assert_true(added);
    }
    for (uint32_t i = 0; i < MANY; i++) {
        assert_int_equal(*apir_tensor_map_at(&map, &tensors[i], 0, &added), i);
        assert_false(added);
    }
    apir_tensor_map_finish(&map);
}

static void clear_forgets_everything_and_keeps_memory(void **state)
{
    (void)state;
    struct apir_tensor_map map = {0};
    bool added;
    for (uint32_t i = 0; i < MANY; i++)
        apir_tensor_map_at(&map, &tensors[i], i, &added);
    const void *slots = map.slots;
    apir_tensor_map_clear(&map);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_int_equal(*apir_tensor_map_at(&map, &tensors[i], 9, &added), 9);
        assert_true(added);
    }
    assert_ptr_equal(map.slots, slots);
    apir_tensor_map_finish(&map);
}

static void clear_forgets_when_the_epoch_wraps(void **state)
{
    (void)state;
    struct apir_tensor_map map = {0};
    bool added;
    apir_tensor_map_at(&map, &tensors[0], 1, &added); /* in epoch 1 */
    map.epoch = UINT32_MAX;
    apir_tensor_map_clear(&map);
    apir_tensor_map_at(&map, &tensors[0], 2, &added);
    assert_true(added);
    apir_tensor_map_finish(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_survive_growth),
        cmocka_unit_test(clear_forgets_everything_and_keeps_memory),
        cmocka_unit_test(clear_forgets_when_the_epoch_wraps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
