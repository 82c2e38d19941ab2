/* In front of the libvirglrenderer of this machine, without a display: skipped where there is none, or where it cannot
 * start so. */
#include <dlfcn.h>
#include <stdlib.h>

#include "../attach/echo-worker.h"
#include "hypervisor.h"
#include "wire/capset.h"

static struct hypervisor hypervisor;

static void *real_function(const char *name)
{
    void *library = dlopen("libvirglrenderer.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        print_message("no libvirglrenderer.so.1\n");
        skip();
    }
    void *function = dlsym(library, name);
    assert_non_null(function);
    return function;
}

static void its_capsets_are_seen_through_ours(void **state)
{
    __typeof__(virgl_renderer_get_cap_set) *get_cap_set;
    uint32_t version, size, real_version, real_size;
    (void)state;
    *(void **)&get_cap_set = real_function("virgl_renderer_get_cap_set");
    for (uint32_t set = 1; set <= 2; set++) {
        get_cap_set(set, &real_version, &real_size);
        virgl_renderer_get_cap_set(set, &version, &size);
        assert_int_equal(version, real_version);
        assert_int_equal(size, real_size);
    }
    get_cap_set(CAPSET_VENUS, &real_version, &real_size);
    virgl_renderer_get_cap_set(CAPSET_VENUS, &version, &size);
    assert_int_equal(size, real_size ? real_size + APIR_TRAILER_SIZE : APIR_CAPSET_SIZE);
}

static void our_contexts_work_beside_it(void **state)
{
    const uint32_t words[] = {ECHO_WRITE, 5, 8, 31};
    (void)state;
    real_function("virgl_renderer_init");
    int ret = hypervisor_start(&hypervisor,
                               VIRGL_RENDERER_NO_VIRGL | VIRGL_RENDERER_ASYNC_FENCE_CB | VIRGL_RENDERER_THREAD_SYNC);
    if (ret != 0) {
        print_message("virgl_renderer_init() without a display: %d\n", ret);
        skip();
    }
    hypervisor_create_context(1);
    uint32_t *data = hypervisor_create_blob(1, 5);
    hypervisor_submit(1, words, 4);
    assert_true(hypervisor_fence(&hypervisor, 1, 1));
    assert_int_equal(data[2], 31);
    hypervisor_destroy_blob(1, 5, data);
    virgl_renderer_poll();
    virgl_renderer_reset();
    hypervisor_stop(&hypervisor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_capsets_are_seen_through_ours),
        cmocka_unit_test(our_contexts_work_beside_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
