/* Which capsets there are, and which contexts are APIR's. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fake-virgl.h"
#include "hypervisor.h"
#include "wire/capset.h"

static struct hypervisor hypervisor;

static int set_up(void **state)
{
    (void)state;
    unsetenv("VIRGL_ROUTE_VENUS_TO_APIR");
    fake_virgl_set_venus(1);
    hypervisor_start(&hypervisor, 0x342);
    fake_virgl_take_call();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unsetenv("VIRGL_ROUTE_VENUS_TO_APIR");
    hypervisor_stop(&hypervisor);
    return 0;
}

static uint32_t capset_size(uint32_t set, uint32_t *version)
{
    uint32_t size = 12345;
    *version = 12345;
    virgl_renderer_get_cap_set(set, version, &size);
    return size;
}

static void assert_only_apir(uint32_t set)
{
    uint32_t version;
    uint8_t data[APIR_CAPSET_SIZE + 4];
    assert_int_equal(capset_size(set, &version), APIR_CAPSET_SIZE);
    assert_int_equal(version, 1);
    memset(data, 0xee, sizeof data);
    virgl_renderer_fill_caps(set, 0, data);
    assert_true(apir_capset_is_apir(data, APIR_CAPSET_SIZE));
    assert_int_equal(data[APIR_CAPSET_SIZE], 0xee);
}

static void capset_10_is_ours(void **state)
{
    (void)state;
    assert_only_apir(CAPSET_APIR);
    assert_string_equal(fake_virgl_take_call(), "");
}

static void capset_4_has_the_real_data_and_ours_behind(void **state)
{
    enum { OFFSET = (FAKE_VENUS_SIZE + 3) / 4 * 4 };
    uint32_t version;
    uint8_t data[OFFSET + APIR_TRAILER_SIZE + 4];
    (void)state;
    assert_int_equal(capset_size(CAPSET_VENUS, &version), OFFSET + APIR_TRAILER_SIZE);
    assert_int_equal(version, 0);
    memset(data, 0xee, sizeof data);
    virgl_renderer_fill_caps(CAPSET_VENUS, 0, data);
    for (int i = 0; i < FAKE_VENUS_SIZE; i++)
        assert_int_equal(data[i], FAKE_VENUS_BYTE);
    for (int i = FAKE_VENUS_SIZE; i < OFFSET; i++)
        assert_int_equal(data[i], 0);
    assert_true(apir_capset_has_trailer(data + OFFSET, APIR_TRAILER_SIZE));
    assert_int_equal(data[OFFSET + APIR_TRAILER_SIZE], 0xee);
}

static void other_capsets_are_the_real_librarys(void **state)
{
    uint32_t version;
    char data[4];
    (void)state;
    assert_int_equal(capset_size(2, &version), 102);
    assert_int_equal(version, 0);
    virgl_renderer_fill_caps(2, 7, data);
    assert_memory_equal(fake_virgl_take_call(), "fill_caps 2 7 0x", 16);
}

static void capset_4_is_ours_without_venus(void **state)
{
    (void)state;
    fake_virgl_set_venus(0);
    assert_only_apir(CAPSET_VENUS);
    assert_string_equal(fake_virgl_take_call(), "");
}

static void without_venus_only_marked_contexts_are_made(void **state)
{
    (void)state;
    fake_virgl_set_venus(0);
    assert_int_equal(virgl_renderer_context_create_with_flags(1, CAPSET_VENUS, 4, "test"), EINVAL);
    assert_int_equal(virgl_renderer_context_create_with_flags(1, CAPSET_VENUS, 17, APIR_CONTEXT_MARKER), 0);
    assert_string_equal(fake_virgl_take_call(), "");
}

static void capset_4_is_ours_when_it_is_routed(void **state)
{
    (void)state;
    setenv("VIRGL_ROUTE_VENUS_TO_APIR", "", 1);
    assert_only_apir(CAPSET_VENUS);
    assert_int_equal(virgl_renderer_context_create_with_flags(1, CAPSET_VENUS, 4, "test"), 0);
    assert_string_equal(fake_virgl_take_call(), "");
}

static void the_real_library_starts_no_venus_when_it_is_routed(void **state)
{
    (void)state;
    setenv("VIRGL_ROUTE_VENUS_TO_APIR", "1", 1);
    virgl_renderer_init(&hypervisor, 0x342, &hypervisor.callbacks);
    assert_non_null(strstr(fake_virgl_take_call(), " 0x102 "));
}

static void marked_venus_contexts_are_ours(void **state)
{
    (void)state;
    assert_int_equal(virgl_renderer_context_create_with_flags(1, CAPSET_VENUS, 17, APIR_CONTEXT_MARKER), 0);
    assert_int_equal(virgl_renderer_context_create_with_flags(2, CAPSET_VENUS, 20, APIR_CONTEXT_MARKER "-42"), 0);
    assert_string_equal(fake_virgl_take_call(), "");
}

static void other_venus_contexts_are_the_real_librarys(void **state)
{
    (void)state;
    assert_int_equal(virgl_renderer_context_create_with_flags(1, CAPSET_VENUS, 6, "vkcube"), FAKE_RESULT);
    assert_string_equal(fake_virgl_take_call(), "context_create_with_flags 1 0x4 6 vkcube");
    /* a task of which the name was cut off is not one of ours */
    assert_int_equal(virgl_renderer_context_create_with_flags(1, CAPSET_VENUS, 15, "apir-ggml-virtg"), FAKE_RESULT);
    assert_string_equal(fake_virgl_take_call(), "context_create_with_flags 1 0x4 15 apir-ggml-virtg");
    /* what stands behind the name is none of it */
    assert_int_equal(virgl_renderer_context_create_with_flags(1, CAPSET_VENUS, 4, APIR_CONTEXT_MARKER), FAKE_RESULT);
    /* an OpenGL context with our name is none of ours, either */
    assert_int_equal(virgl_renderer_context_create_with_flags(1, 2, 17, APIR_CONTEXT_MARKER), FAKE_RESULT);
    assert_string_equal(fake_virgl_take_call(), "context_create_with_flags 1 0x2 17 " APIR_CONTEXT_MARKER);
}

static void a_name_is_read_no_further_than_it_goes(void **state)
{
    char *name = strdup("apir");
    (void)state;
    /* the length is the guest's; a sanitizer tells */
    assert_int_equal(virgl_renderer_context_create_with_flags(1, CAPSET_VENUS, UINT32_MAX, name), FAKE_RESULT);
    free(name);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(capset_10_is_ours),
        TEST(capset_4_has_the_real_data_and_ours_behind),
        TEST(other_capsets_are_the_real_librarys),
        TEST(capset_4_is_ours_without_venus),
        TEST(without_venus_only_marked_contexts_are_made),
        TEST(capset_4_is_ours_when_it_is_routed),
        TEST(the_real_library_starts_no_venus_when_it_is_routed),
        TEST(marked_venus_contexts_are_ours),
        TEST(other_venus_contexts_are_the_real_librarys),
        TEST(a_name_is_read_no_further_than_it_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
