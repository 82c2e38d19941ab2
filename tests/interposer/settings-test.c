#include "interposer/settings.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

static const char object[] = "/usr/lib/libvirglrenderer-apir.so";
static struct apir_config config;
static struct apir_log logger;
static char *logged;
static size_t logged_size;

static int set_up(void **state)
{
    static const char *const variables[] = {"VIRGL_APIR_BACKEND_LIBRARY",
                                            "APIR_LLAMA_CPP_GGML_LIBRARY_PATH",
                                            "APIR_LLAMA_CPP_GGML_LIBRARY_REG",
                                            "APIR_LLAMA_CPP_GGML_LIBRARY_INIT",
                                            "VIRGL_APIR_SOCKET",
                                            "VIRGL_APIR_WORKER",
                                            "VIRGL_APIR_THREADS",
                                            "VIRGL_APIR_SINGLE_DEVICE",
                                            "VIRGL_APIR_UPSTREAM_FUNCTIONS",
                                            "VIRGL_APIR_LIMITS",
                                            "VIRGL_APIR_SANDBOX_PATH",
                                            "VIRGL_APIR_REQUIRE_SANDBOX"};
    (void)state;
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        unsetenv(variables[i]);
    apir_config_init(&config);
    logged_size = 0; /* until something is flushed */
    logger = (struct apir_log){.stream = open_memstream(&logged, &logged_size), .level = APIR_LOG_INFO, .prefix = "test"};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    apir_config_clear(&config);
    fclose(logger.stream);
    free(logged);
    return 0;
}

static void assert_optional_string(const char *actual, const char *expected)
{
    if (expected)
        assert_string_equal(actual, expected);
    else
        assert_null(actual);
}

static const char *variable_of(const struct apir_settings *settings, const char *name)
{
    size_t length = strlen(name);
    for (const char *const *entry = settings->options.environment; *entry; entry++)
        if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=')
            return *entry + length + 1;
    return NULL;
}

static void the_environment_is_used_when_nothing_is_configured(void **state)
{
    (void)state;
    setenv("VIRGL_APIR_BACKEND_LIBRARY", "/opt/backend.so", 1);
    setenv("APIR_LLAMA_CPP_GGML_LIBRARY_PATH", "/opt/ggml.so", 1);
    setenv("APIR_LLAMA_CPP_GGML_LIBRARY_REG", "register_me", 1);
    setenv("VIRGL_APIR_WORKER", "/opt/worker", 1);
    setenv("VIRGL_APIR_THREADS", "7", 1);
    struct apir_settings *settings = apir_settings_create(&config, 1, object, &logger);
    assert_string_equal(settings->options.backend_library, "/opt/backend.so");
    assert_string_equal(settings->options.ggml_library, "/opt/ggml.so");
    assert_string_equal(settings->options.ggml_reg, "register_me");
    assert_string_equal(settings->options.path, "/opt/worker");
    assert_int_equal(settings->options.threads, 7);
    assert_null(settings->options.socket);
    assert_int_equal(logged_size, 0);
    apir_settings_destroy(settings);
}

static void the_sandbox_can_be_widened_and_required(void **state)
{
    (void)state;
    struct apir_settings *settings = apir_settings_create(&config, 1, object, &logger);
    assert_null(settings->options.sandbox_paths);
    assert_false(settings->options.require_sandbox);
    apir_settings_destroy(settings);
    setenv("VIRGL_APIR_SANDBOX_PATH", "/srv/driver:/srv/data", 1);
    setenv("VIRGL_APIR_REQUIRE_SANDBOX", "1", 1);
    settings = apir_settings_create(&config, 1, object, &logger);
    assert_string_equal(settings->options.sandbox_paths, "/srv/driver:/srv/data");
    assert_true(settings->options.require_sandbox);
    apir_settings_destroy(settings);
}

static void what_guests_of_0_x_see_can_be_set(void **state)
{
    (void)state;
    setenv("VIRGL_APIR_SINGLE_DEVICE", "Vulkan1", 1);
    setenv("VIRGL_APIR_UPSTREAM_FUNCTIONS", "30,31", 1);
    setenv("APIR_LLAMA_CPP_GGML_LIBRARY_PATH", "/opt/ggml.so", 1);
    struct apir_settings *settings = apir_settings_create(&config, 1, object, &logger);
    assert_string_equal(settings->options.single_device, "Vulkan1");
    assert_int_equal(settings->options.backend_initialize, 30);
    assert_int_equal(settings->options.backend_cleanup, 31);
    assert_int_equal(logged_size, 0);
    apir_settings_destroy(settings);

    static const char *const wrong[] = {"30", "30,", "0,1", "7,7", "1,2,3", "a,b", "-1,2"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        setenv("VIRGL_APIR_UPSTREAM_FUNCTIONS", wrong[i], 1);
        settings = apir_settings_create(&config, 1, object, &logger);
        assert_int_equal(settings->options.backend_initialize, 0);
        assert_non_null(strstr(logged, "VIRGL_APIR_UPSTREAM_FUNCTIONS"));
        apir_settings_destroy(settings);
    }
}

static void what_a_context_may_take_can_be_set(void **state)
{
    (void)state;
    setenv("APIR_LLAMA_CPP_GGML_LIBRARY_PATH", "/opt/ggml.so", 1);
    setenv("VIRGL_APIR_LIMITS", "max-memory=2G,max-queues=3", 1);
    struct apir_settings *settings = apir_settings_create(&config, 1, object, &logger);
    assert_true(settings->options.limits.memory == UINT64_C(2) << 30);
    assert_true(settings->options.limits.queues == 3);
    assert_true(settings->options.limits.buffers == 0);
    assert_int_equal(logged_size, 0);
    apir_settings_destroy(settings);

    setenv("VIRGL_APIR_LIMITS", "max-memory=2G,max-queue=3", 1);
    assert_null(apir_settings_create(&config, 1, object, &logger)); /* not without a limit that was wanted */
    assert_non_null(strstr(logged, "VIRGL_APIR_LIMITS"));
    setenv("VIRGL_APIR_LIMITS", "client-memory=2G", 1);
    assert_null(apir_settings_create(&config, 1, object, &logger));
}

static void the_environment_is_ignored_once_a_key_is_set(void **state)
{
    (void)state;
    setenv("VIRGL_APIR_BACKEND_LIBRARY", "/opt/backend.so", 1);
    setenv("APIR_LLAMA_CPP_GGML_LIBRARY_PATH", "/opt/ggml.so", 1);
    setenv("APIR_LLAMA_CPP_GGML_LIBRARY_REG", "register_me", 1);
    assert_int_equal(apir_config_set(&config, 1, "ggml.library.path", "/other/ggml.so"), 0);
    assert_int_equal(apir_config_set(&config, 1, "ggml.library.init", "init_me"), 0);
    struct apir_settings *settings = apir_settings_create(&config, 1, object, &logger);
    assert_null(settings->options.backend_library);
    assert_string_equal(settings->options.ggml_library, "/other/ggml.so");
    assert_null(settings->options.ggml_reg);
    /* a backend library in the worker sees the same */
    assert_optional_string(variable_of(settings, "APIR_LLAMA_CPP_GGML_LIBRARY_PATH"), "/other/ggml.so");
    assert_optional_string(variable_of(settings, "APIR_LLAMA_CPP_GGML_LIBRARY_INIT"), "init_me");
    assert_optional_string(variable_of(settings, "APIR_LLAMA_CPP_GGML_LIBRARY_REG"), NULL);
    assert_optional_string(variable_of(settings, "VIRGL_APIR_BACKEND_LIBRARY"), NULL);
    apir_settings_destroy(settings);
    settings = apir_settings_create(&config, 2, object, &logger); /* another context */
    assert_string_equal(settings->options.ggml_library, "/opt/ggml.so");
    apir_settings_destroy(settings);
}

static void a_missing_library_is_told_in_known_words(void **state)
{
    (void)state;
    struct apir_settings *settings = apir_settings_create(&config, 1, object, &logger);
    assert_null(settings->options.ggml_library);
    assert_string_equal(logged, "test: cannot open the GGML library: env var 'APIR_LLAMA_CPP_GGML_LIBRARY_PATH' not "
                                "defined\n");
    apir_settings_destroy(settings);
}

static void an_empty_registration_is_told_in_known_words(void **state)
{
    (void)state;
    setenv("APIR_LLAMA_CPP_GGML_LIBRARY_PATH", "cpu", 1);
    setenv("APIR_LLAMA_CPP_GGML_LIBRARY_REG", "", 1);
    struct apir_settings *settings = apir_settings_create(&config, 1, object, &logger);
    assert_string_equal(settings->options.ggml_reg, ""); /* the worker refuses it */
    assert_string_equal(logged, "test: cannot register the GGML library: env var 'APIR_LLAMA_CPP_GGML_LIBRARY_REG' "
                                "not defined\n");
    apir_settings_destroy(settings);
}

static void a_running_apird_has_its_own_settings(void **state)
{
    (void)state;
    setenv("VIRGL_APIR_SOCKET", "/run/apird", 1);
    struct apir_settings *settings = apir_settings_create(&config, 1, object, &logger);
    assert_string_equal(settings->options.socket, "/run/apird");
    assert_int_equal(logged_size, 0);
    apir_settings_destroy(settings);
}

static void a_worker_is_not_made_to_load_us(void **state)
{
    (void)state;
    setenv("LD_PRELOAD", "/lib/a.so:/usr/lib/libvirglrenderer-apir.so", 1);
    struct apir_settings *settings = apir_settings_create(&config, 1, object, &logger);
    assert_optional_string(variable_of(settings, "LD_PRELOAD"), "/lib/a.so");
    apir_settings_destroy(settings);
    setenv("LD_PRELOAD", "/usr/lib/libvirglrenderer-apir.so", 1);
    settings = apir_settings_create(&config, 1, object, &logger);
    assert_optional_string(variable_of(settings, "LD_PRELOAD"), NULL);
    unsetenv("LD_PRELOAD");
    apir_settings_destroy(settings);
}

static void only_we_are_taken_out_of_a_list(void **state)
{
    char result[128];
    (void)state;
    assert_string_equal(apir_settings_clean_preload("libvirglrenderer-apir.so", object, result), "");
    assert_string_equal(apir_settings_clean_preload("a.so /x/libvirglrenderer-apir.so:b.so", object, result),
                        "a.so:b.so");
    assert_string_equal(apir_settings_clean_preload("libother-libvirglrenderer-apir.so", object, result),
                        "libother-libvirglrenderer-apir.so");
    assert_string_equal(apir_settings_clean_preload("", object, result), "");
}

static void numbers_that_are_none_are_as_if_not_set(void **state)
{
    static const char *const values[] = {"", "x", "-1", "0", "513", "7x"};
    (void)state;
    setenv("VIRGL_APIR_SOCKET", "/run/apird", 1);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        setenv("VIRGL_APIR_THREADS", values[i], 1);
        struct apir_settings *settings = apir_settings_create(&config, 1, object, &logger);
        assert_int_equal(settings->options.threads, 0);
        apir_settings_destroy(settings);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_environment_is_used_when_nothing_is_configured),
        TEST(the_sandbox_can_be_widened_and_required),
        TEST(what_guests_of_0_x_see_can_be_set),
        TEST(what_a_context_may_take_can_be_set),
        TEST(the_environment_is_ignored_once_a_key_is_set),
        TEST(a_missing_library_is_told_in_known_words),
        TEST(an_empty_registration_is_told_in_known_words),
        TEST(a_running_apird_has_its_own_settings),
        TEST(a_worker_is_not_made_to_load_us),
        TEST(only_we_are_taken_out_of_a_list),
        TEST(numbers_that_are_none_are_as_if_not_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
