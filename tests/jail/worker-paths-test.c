/* What a worker may open, by what it is started with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker-paths.h"

static bool needs(const char *libraries, const char *name)
{
    return apir_worker_needs_library(&(struct apir_worker_needs){.libraries = libraries}, name);
}

static void libraries_are_known_by_ggmls_names(void **state)
{
    (void)state;
    assert_true(needs("rpc", "rpc"));
    assert_true(needs("cpu:rpc", "rpc"));
    assert_true(needs("/usr/lib/ggml/libggml-rpc.so", "rpc"));
    assert_true(needs("libggml-cpu-zen4.so", "cpu"));
    assert_false(needs("/srv/rpc/libggml-vulkan.so", "rpc")); /* a folder is no name */
    assert_false(needs("rpcs", "rpc"));
    assert_false(needs("/lib/librpc.so.1", "rpc"));
    assert_false(needs("", "rpc"));
    assert_false(needs(NULL, "rpc"));
}

static bool needs_no_device(const char *libraries, const char *backend_library)
{
    return apir_worker_needs_no_device(
        &(struct apir_worker_needs){.libraries = libraries, .backend_library = backend_library});
}

static void only_known_libraries_need_no_device(void **state)
{
    (void)state;
    assert_true(needs_no_device("cpu", NULL));
    assert_true(needs_no_device("cpu:/usr/lib/libggml-rpc.so", NULL));
    assert_false(needs_no_device("vulkan", NULL));
    assert_false(needs_no_device("cpu:vulkan", NULL));
    assert_false(needs_no_device("/usr/lib/libcpu.so", NULL));
    assert_false(needs_no_device("cpu", "/usr/lib/libggml-virtgpu-backend.so"));
}

static bool has(const struct apir_worker_path_list *list, const char *path)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i], path) == 0)
            return true;
    return false;
}

/* Whether a worker started so may read path itself. */
static bool reads(const struct apir_worker_needs *needs, bool process, const char *path)
{
    struct apir_worker_paths *paths = malloc(sizeof *paths);
    assert_non_null(paths);
    apir_worker_paths_collect(paths, needs, process);
    bool found = has(&paths->readable, path);
    assert_true(has(&paths->readable, "/usr/lib"));
    assert_true(has(&paths->devices, "/dev/null"));
    assert_false(has(&paths->readable, "/usr") || has(&paths->readable, "/") || has(&paths->readable, "/tmp"));
    apir_worker_paths_finish(paths);
    free(paths);
    return found;
}

static void drivers_files_are_for_libraries_with_a_driver(void **state)
{
    (void)state;
    assert_true(reads(&(struct apir_worker_needs){.libraries = "vulkan"}, true, "/usr/share/vulkan"));
    assert_false(reads(&(struct apir_worker_needs){.libraries = "cpu"}, true, "/usr/share/vulkan"));
    assert_true(reads(&(struct apir_worker_needs){.libraries = "rpc"}, true, "/etc/resolv.conf"));
    assert_false(reads(&(struct apir_worker_needs){.libraries = "vulkan"}, true, "/etc/resolv.conf"));
}

static void a_process_reads_of_itself_only(void **state)
{
    (void)state;
    const struct apir_worker_needs needs = {.libraries = "vulkan"};
    assert_true(reads(&needs, true, "/proc/self"));
    assert_false(reads(&needs, true, "/proc"));
    assert_true(reads(&needs, false, "/proc")); /* for the one that starts it */
}

static void paths_of_the_user_are_added(void **state)
{
    (void)state;
    const struct apir_worker_needs needs = {.libraries = "cpu", .more = "/srv/driver:/srv/data"};
    assert_true(reads(&needs, true, "/srv/driver"));
    assert_true(reads(&needs, true, "/srv/data"));
}

static void make_file(const char *folder, const char *name)
{
    char path[96];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fclose(file);
}

static void of_a_librarys_folder_only_libraries_are_read(void **state)
{
    (void)state;
    static const char *const names[] = {"libggml-cpu.so", "libother.so.1", "secret"};
    char folder[] = "/tmp/apir-paths-test-XXXXXX", path[96];
    bool found[3];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/%s", folder, names[0]);
    const struct apir_worker_needs needs = {.libraries = strdup(path)};
    for (int i = 0; i < 3; i++)
        make_file(folder, names[i]);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        found[i] = reads(&needs, true, path);
    }
    bool whole = reads(&needs, true, folder);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
    free((char *)(uintptr_t)needs.libraries);
    assert_true(found[0] && found[1]);
    assert_false(found[2] || whole);
}

int main(void)
{
    unsetenv("LD_LIBRARY_PATH");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(libraries_are_known_by_ggmls_names),
        cmocka_unit_test(only_known_libraries_need_no_device),
        cmocka_unit_test(drivers_files_are_for_libraries_with_a_driver),
        cmocka_unit_test(a_process_reads_of_itself_only),
        cmocka_unit_test(paths_of_the_user_are_added),
        cmocka_unit_test(of_a_librarys_folder_only_libraries_are_read),
    };
    return cmocka_run_group_tests_name("worker paths", tests, NULL, NULL);
}
