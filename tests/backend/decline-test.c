/* The plug-in where it has nothing to offer: at once, silently, and with a reason for those who
 * ask. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cmocka-all.h"
#include "plugin.h"

struct outcome {
    const char *debug; /* GGML_VIRTGPU_DEBUG, or NULL */
    int score;         /* expected: 0, or 1 for above 0 */
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* How much slower than usual programs are, where somebody looks at each instruction; else 1. */
static double slowness(void)
{
    const char *text = getenv("APIR_TEST_SLOWNESS");
    return text ? strtod(text, NULL) : 1;
}

static void expect_nothing(void *data)
{
    const struct outcome *outcome = data;
    if (outcome->debug)
        setenv("GGML_VIRTGPU_DEBUG", outcome->debug, 1);
    else
        unsetenv("GGML_VIRTGPU_DEBUG");
    void *library = dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL);
    require(library != NULL, "it can be opened");
    int (*score)(void);
    ggml_backend_reg_t (*init)(void);
    *(void **)&score = dlsym(library, "ggml_backend_score");
    *(void **)&init = dlsym(library, "ggml_backend_init");
    double start = now();
    require((score() > 0) == (outcome->score > 0), "score");
    ggml_backend_reg_t reg = init();
    require(!reg || ggml_backend_reg_dev_count(reg) == 0, "no device");
    require(now() - start < 0.1 * slowness(), "under 100 ms");
    dlclose(library);
}

/* Both silent, and with the reason when debugging is on. */
static void declines(const char *socket, int score, const char *reason)
{
    char output[2048];
    struct outcome outcome = {.score = score};
    assert_true(in_child(socket, expect_nothing, &outcome, output, sizeof output));
    assert_string_equal(output, "");
    outcome.debug = "1";
    assert_true(in_child(socket, expect_nothing, &outcome, output, sizeof output));
    if (!strstr(output, reason))
        print_error("\"%s\" lacks \"%s\"\n", output, reason);
    assert_non_null(strstr(output, reason));
}

static void missing_socket(void **state)
{
    (void)state;
    declines("/nonexistent/apird.sock", 1, "/nonexistent/apird.sock");
}

static void refused_socket(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/apir-test-refused.%d", getpid());
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* and nobody listens */
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    declines(address.sun_path, 1, address.sun_path);
    close(fd);
    unlink(address.sun_path);
}

static void no_render_node(void **state)
{
    (void)state;
    struct stat info;
    if (stat("/dev/dri", &info) == 0)
        skip();
    declines(NULL, 0, "/dev/dri");
}

static void host_without_library(void **state)
{
    (void)state;
    struct daemon host;
    assert_int_equal(daemon_start(&host, false), 0);
    declines(host.socket, 1, "--ggml-library");
    daemon_stop(&host);
}

static void second_copy_body(void *data)
{
    const char *copy = data;
    load_device();
    void *library = dlopen(copy, RTLD_NOW | RTLD_LOCAL);
    require(library != NULL, "the copy can be opened");
    int (*score)(void);
    ggml_backend_reg_t (*init)(void);
    *(void **)&score = dlsym(library, "ggml_backend_score");
    *(void **)&init = dlsym(library, "ggml_backend_init");
    require(score() == 0, "score of the copy");
    require(init() == NULL, "registration of the copy");
}

static void second_copy(void **state)
{
    (void)state;
    char folder[] = "/tmp/apir-test-copy.XXXXXX", command[512], copy[128];
    assert_non_null(mkdtemp(folder));
    snprintf(copy, sizeof copy, "%s/libggml-virtgpu-apir.so", folder);
    snprintf(command, sizeof command, "cp %s %s", PLUGIN, copy);
    assert_int_equal(system(command), 0);
    struct daemon host;
    assert_int_equal(daemon_start(&host, true), 0);
    assert_true(in_child(host.socket, second_copy_body, copy, NULL, 0));
    daemon_stop(&host);
    unlink(copy);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_socket), cmocka_unit_test(refused_socket),
        cmocka_unit_test(no_render_node), cmocka_unit_test(host_without_library),
        cmocka_unit_test(second_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
