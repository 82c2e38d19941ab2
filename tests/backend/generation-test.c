/* The plug-in in a process whose ggml is of a release that it does not know. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka-all.h"
#include "plugin.h"

/* Takes the place of the library's, since the program comes first. */
__attribute__((visibility("default"))) const char *ggml_version(void)
{
    return "0.99.1";
}

static void score_and_init(void *data)
{
    setenv("GGML_VIRTGPU_DEBUG", data, 1);
    void *library = dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL);
    require(library != NULL, "it can be opened");
    int (*score)(void);
    ggml_backend_reg_t (*init)(void);
    *(void **)&score = dlsym(library, "ggml_backend_score");
    *(void **)&init = dlsym(library, "ggml_backend_init");
    require(score() == 0, "score");
    require(init() == NULL, "registration");
}

static void unknown_generation_is_declined_silently(void **state)
{
    (void)state;
    char output[1024];
    assert_true(in_child("/nonexistent", score_and_init, "0", output, sizeof output));
    assert_string_equal(output, "");
}

static void debugging_names_the_release_and_what_is_known(void **state)
{
    (void)state;
    char output[1024];
    assert_true(in_child("/nonexistent", score_and_init, "1", output, sizeof output));
    assert_non_null(strstr(output, "0.99.1"));
    assert_non_null(strstr(output, "0.27"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_generation_is_declined_silently),
        cmocka_unit_test(debugging_names_the_release_and_what_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
