/* The two ways to be in front of libvirglrenderer.so.1 in a program that knows nothing of us. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <unistd.h>
#include <cmocka.h>

/* The first line of what interposed-program prints with these variables, %s being the folder of the tests. */
static char *run_program(const char *variables)
{
    static char line[256];
    char folder[4096], command[16384], settings[8192];
    ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
    assert_true(length > 0);
    folder[length] = '\0';
    *strrchr(folder, '/') = '\0';
    snprintf(settings, sizeof settings, variables, folder);
    /* our sanitized library comes before the sanitizer's own, by its nature */
    snprintf(command, sizeof command,
             "ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 %s exec %s/interposed-program", settings, folder);
    FILE *output = popen(command, "r");
    assert_non_null(output);
    line[0] = '\0';
    assert_non_null(fgets(line, sizeof line, output));
    assert_int_equal(pclose(output), 0);
    return line;
}

static void without_us_the_program_has_the_real_library(void **state)
{
    (void)state;
    assert_string_equal(run_program(""), "linked 110, opened 110, real called, other called\n");
}

static void preloaded_we_are_in_front(void **state)
{
    (void)state;
    assert_string_equal(run_program("LD_PRELOAD=%s/../lib/libvirglrenderer-apir.so"),
                        "linked 24, opened 110, real called, other called\n");
}

static void the_drop_in_is_in_front_and_brings_the_real_one(void **state)
{
    (void)state;
    assert_string_equal(run_program("LD_LIBRARY_PATH=%s/drop-in"), "linked 24, opened 24, real called, other called\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_us_the_program_has_the_real_library),
        cmocka_unit_test(preloaded_we_are_in_front),
        cmocka_unit_test(the_drop_in_is_in_front_and_brings_the_real_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
