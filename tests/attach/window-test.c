#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attach/window.h"
#include "fixture.h"

enum { PAGE = APIR_WINDOW_PAGE };

static int setup(void **state)
{
    static struct apir_window window;
    *state = &window;
    return apir_window_init(&window, 1024 * PAGE);
}

static int teardown(void **state)
{
    apir_window_finish(*state);
    return 0;
}

static void size_must_be_pages(void **state)
{
    struct apir_window window;
    (void)state;
    assert_int_equal(apir_window_init(&window, 0), -EINVAL);
    assert_int_equal(apir_window_init(&window, PAGE + 1), -EINVAL);
    apir_window_finish(&window);
}

static void overlap_is_refused(void **state)
{
    struct apir_window *window = *state;
    assert_int_equal(apir_window_take(window, 100 * PAGE, 100 * PAGE), 0);
    assert_int_equal(apir_window_take(window, 199 * PAGE, PAGE), -EBUSY);
    assert_int_equal(apir_window_take(window, 0, 101 * PAGE), -EBUSY);
    assert_int_equal(apir_window_take(window, 150 * PAGE, PAGE), -EBUSY);
    assert_int_equal(apir_window_take(window, 0, 1024 * PAGE), -EBUSY);
}

static void neighbours_are_accepted(void **state)
{
    struct apir_window *window = *state;
    assert_int_equal(apir_window_take(window, 64 * PAGE, 64 * PAGE), 0);
    assert_int_equal(apir_window_take(window, 0, 64 * PAGE), 0);
    assert_int_equal(apir_window_take(window, 128 * PAGE, 896 * PAGE), 0);
}

static void out_of_range_is_refused(void **state)
{
    struct apir_window *window = *state;
    assert_int_equal(apir_window_take(window, 1024 * PAGE, PAGE), -EINVAL);
    assert_int_equal(apir_window_take(window, 1023 * PAGE, 2 * PAGE), -EINVAL);
    assert_int_equal(apir_window_take(window, UINT64_MAX - PAGE + 1, 2 * PAGE), -EINVAL);
    assert_int_equal(apir_window_take(window, PAGE, UINT64_MAX - PAGE + 1), -EINVAL);
    assert_int_equal(apir_window_take(window, 0, 0), -EINVAL);
}

static void unaligned_is_refused(void **state)
{
    struct apir_window *window = *state;
    assert_int_equal(apir_window_take(window, 1, PAGE), -EINVAL);
    assert_int_equal(apir_window_take(window, 0, PAGE + 1), -EINVAL);
}

static void released_range_is_free_and_zero(void **state)
{
    struct apir_window *window = *state;
    assert_int_equal(apir_window_take(window, 10 * PAGE, 3 * PAGE), 0);
    memset(window->memory + 10 * PAGE, 1, 3 * PAGE);
    apir_window_release(window, 10 * PAGE, 3 * PAGE);
    assert_int_equal(window->memory[10 * PAGE], 0);
    assert_int_equal(window->memory[13 * PAGE - 1], 0);
    assert_int_equal(apir_window_take(window, 10 * PAGE, 3 * PAGE), 0);
}

static void cleared_window_takes_no_memory(void **state)
{
    struct apir_window *window = *state;
    struct stat st;
    assert_int_equal(apir_window_take(window, 0, 1024 * PAGE), 0);
    memset(window->memory, 1, 1024 * PAGE);
    apir_window_clear(window);
    assert_int_equal(fstat(window->fd, &st), 0);
    assert_int_equal(st.st_blocks, 0);
    assert_int_equal(apir_window_take(window, 0, 1024 * PAGE), 0);
}

static void size_cannot_change(void **state)
{
    struct apir_window *window = *state;
    assert_int_equal(ftruncate(window->fd, 0), -1);
    assert_int_equal(ftruncate(window->fd, 2048 * PAGE), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(size_must_be_pages),
        cmocka_unit_test_setup_teardown(overlap_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(neighbours_are_accepted, setup, teardown),
        cmocka_unit_test_setup_teardown(out_of_range_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(unaligned_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(released_range_is_free_and_zero, setup, teardown),
        cmocka_unit_test_setup_teardown(cleared_window_takes_no_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(size_cannot_change, setup, teardown),
    };
    return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
