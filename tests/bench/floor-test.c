/* The device without a transport: like a remote one for ggml, and with the CPU's results. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmocka-all.h"
#include "work.h"

/* The floor's device, loaded once. */
static int load(void **state)
{
    char path[PATH_MAX] = "", file[PATH_MAX + 64];
    ggml_backend_load_all();
    if (readlink("/proc/self/exe", path, sizeof path - 1) < 0)
        return -1;
    *strrchr(path, '/') = '\0';
    snprintf(file, sizeof file, "%s/../lib/libggml-floor.so", path);
    ggml_backend_reg_t reg = ggml_backend_load(file);
    if (!reg || ggml_backend_reg_dev_count(reg) != 1)
        return -1;
    *state = ggml_backend_dev_init(ggml_backend_reg_dev_get(reg, 0), NULL);
    return *state ? 0 : -1;
}

static int unload(void **state)
{
    ggml_backend_free(*state);
    return 0;
}

static void its_memory_is_not_the_programs(void **state)
{
    assert_false(ggml_backend_buft_is_host(ggml_backend_get_default_buffer_type(*state)));
    assert_int_equal(ggml_backend_dev_type(ggml_backend_get_device(*state)), GGML_BACKEND_DEVICE_TYPE_GPU);
}

static void what_was_set_is_got(void **state)
{
    struct apir_work work;
    char to[6] = "";
    assert_int_equal(apir_work_init_data(&work, *state, 4096), 0);
    ggml_backend_tensor_set(work.input, "hello", 4000, 6);
    ggml_backend_tensor_get(work.input, to, 4000, 6);
    assert_string_equal(to, "hello");
    apir_work_finish(&work);
}

static void it_computes_chains(void **state)
{
    struct apir_work work;
    float input[16] = {0}, result[16] = {0};
    input[15] = 0.5f;
    assert_int_equal(apir_work_init_chain(&work, *state, 1000), 0);
    ggml_backend_tensor_set(work.input, input, 0, sizeof input);
    for (int run = 0; run < 2; run++)
        assert_int_equal(apir_work_run(&work, result, sizeof result), 0);
    assert_true(result[0] == 1000.0f && result[15] == 1000.5f);
    apir_work_finish(&work);
}

static void it_computes_products(void **state)
{
    struct apir_work work;
    float input[512], result[512];
    for (int i = 0; i < 512; i++)
        input[i] = 2.0f;
    assert_int_equal(apir_work_init_products(&work, *state, 3), 0);
    ggml_backend_tensor_set(work.input, input, 0, sizeof input);
    assert_int_equal(apir_work_run(&work, result, sizeof result), 0);
    assert_true(result[0] == 2.0f && result[511] == 2.0f); /* rows of 512 times 1/512 */
    apir_work_finish(&work);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_memory_is_not_the_programs),
        cmocka_unit_test(what_was_set_is_got),
        cmocka_unit_test(it_computes_chains),
        cmocka_unit_test(it_computes_products),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
