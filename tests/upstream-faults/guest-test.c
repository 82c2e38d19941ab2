/* Faults 1, 2, 3, 13 and 14 of deployed guests, tried with our plug-in as an application has it. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <ggml-alloc.h>

#include "backend/plugin.h"
#include "transport/transport.h"
#include "upstream-faults/process.h"
#include "util/clock.h"

enum { THREADS = 4, ROUNDS = 200, ELEMENTS = 1024 };

static const char *const apird_arguments[] = {"--listen", "@", "--ggml-library", "cpu", "--threads", "1", NULL};
static const char *const two_devices_arguments[] = {"--listen", "@", "--ggml-library", FAULT_TWO, NULL};

/* An application that dies is not to go on as the test does when it would. */
static void run_application(void *data)
{
    static const int signals[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGSYS};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], SIG_DFL);
    void (*const *body)(void) = data;
    (*body)();
}

/* Runs body in an application whose host is program. Whether the application ended well. */
static bool application(const char *program, const char *const *arguments, void (*body)(void))
{
    struct process host;
    assert_true(process_start(&host, program, arguments));
    bool good = in_child(host.socket, run_application, &body, NULL, 0);
    process_stop(&host);
    return good;
}

static size_t count_devices(void)
{
    setenv("GGML_VIRTGPU_PROTOCOL", "0", 1);
    ggml_backend_reg_t reg = ggml_backend_load(PLUGIN);
    return reg ? ggml_backend_reg_dev_count(reg) : 0;
}

/* --- fault 1 ---------------------------------------------------------------------------------------------------- */

static void make_path(const char *folder, unsigned number, char path[128])
{
    snprintf(path, 128, "%s/renderD%u", folder, number);
}

/* What a folder of render nodes can hold that is none of ours: a file, another device, a folder, nothing. */
static void fill_folder(const char *folder)
{
    char path[128];
    make_path(folder, 128, path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fclose(file);
    make_path(folder, 129, path);
    assert_int_equal(symlink("/dev/null", path), 0);
    make_path(folder, 130, path);
    assert_int_equal(mkdir(path, 0700), 0);
    make_path(folder, 131, path);
    assert_int_equal(symlink("/no/such/node", path), 0);
}

static void empty_folder(const char *folder)
{
    char path[128];
    for (unsigned i = 128; i < 132; i++) {
        make_path(folder, i, path);
        remove(path);
    }
    rmdir(folder);
}

static void fault_01_foreign_and_broken_nodes_are_passed_over(void **state)
{
    (void)state;
    char folder[] = "/tmp/apir-dri.XXXXXX", reason[512] = "";
    assert_non_null(mkdtemp(folder));
    const struct apir_virtgpu_options options = {.dri_dir = folder};
    assert_null(apir_transport_virtgpu_open(&options, NULL, reason, sizeof reason));
    fill_folder(folder);
    assert_null(apir_transport_virtgpu_open(&options, NULL, reason, sizeof reason));
    assert_true(errno == ENODEV || errno == EACCES || errno == EOPNOTSUPP);
    assert_true(strlen(reason) > 0);
    empty_folder(folder);
}

static void require_no_device(void)
{
    require(count_devices() == 0, "there is no device");
}

static void fault_01_an_application_without_a_device_goes_on(void **state)
{
    (void)state;
    void (*body)(void) = require_no_device;
    assert_true(in_child(NULL, run_application, &body, NULL, 0));
}

/* --- fault 2 ---------------------------------------------------------------------------------------------------- */

/* What a thread computes with: a tensor, and twice that tensor. */
struct twice {
    ggml_backend_dev_t device;
    ggml_backend_t backend;
    struct ggml_tensor *in, *out;
    struct ggml_cgraph *graph;
};

static void round_trip(const struct twice *twice, unsigned start)
{
    float in[ELEMENTS], out[ELEMENTS];
    for (unsigned i = 0; i < ELEMENTS; i++)
        in[i] = (float)(start + i);
    ggml_backend_tensor_set(twice->in, in, 0, sizeof in);
    require(ggml_backend_graph_compute(twice->backend, twice->graph) == GGML_STATUS_SUCCESS, "a thread computes");
    ggml_backend_tensor_get(twice->out, out, 0, sizeof out);
    for (unsigned i = 0; i < ELEMENTS; i++)
        require(out[i] == 2 * in[i], "a thread gets twice what it has set");
    size_t unused, total = 0;
    ggml_backend_dev_memory(twice->device, &unused, &total);
    require(total > 0, "a thread gets its own answer");
}

static void *set_and_get(void *data)
{
    struct ggml_init_params params = {.mem_size = ggml_tensor_overhead() * 4 + ggml_graph_overhead(), .no_alloc = true};
    struct ggml_context *ggml = ggml_init(params);
    struct twice twice = {.device = data, .backend = ggml_backend_dev_init(data, NULL)};
    require(twice.backend != NULL, "a thread gets a backend");
    twice.in = ggml_new_tensor_1d(ggml, GGML_TYPE_F32, ELEMENTS);
    twice.out = ggml_add(ggml, twice.in, twice.in);
    twice.graph = ggml_new_graph(ggml);
    ggml_build_forward_expand(twice.graph, twice.out);
    ggml_backend_buffer_t buffer =
        ggml_backend_alloc_ctx_tensors_from_buft(ggml, ggml_backend_dev_buffer_type(twice.device));
    require(buffer != NULL, "a thread gets a buffer");
    for (unsigned i = 0; i < ROUNDS; i++)
        round_trip(&twice, (unsigned)((uintptr_t)buffer / 64 % 1000 * 1000) + i);
    ggml_backend_buffer_free(buffer);
    ggml_backend_free(twice.backend);
    ggml_free(ggml);
    return NULL;
}

static void race(void)
{
    pthread_t threads[THREADS];
    setenv("GGML_VIRTGPU_PROTOCOL", "0", 1);
    ggml_backend_dev_t device = load_device();
    for (int i = 0; i < THREADS; i++)
        require(pthread_create(&threads[i], NULL, set_and_get, device) == 0, "a thread starts");
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void fault_02_threads_do_not_share_an_answer(void **state)
{
    (void)state;
    assert_true(application(APIRD, apird_arguments, race));
}

/* --- fault 3 ---------------------------------------------------------------------------------------------------- */

static void fault_03_a_host_that_fails_is_no_device(void **state)
{
    (void)state;
    static const char *const hosts[][8] = {
        {"--socket", "@", NULL},                                    /* no library is configured */
        {"--socket", "@", "--backend-library", "/no/such.so", NULL}, /* it cannot be opened */
        {"--socket", "@", "--backend-library", FAULT_TWO, NULL},    /* it has no such symbols */
        {"--socket", "@", "--version", "1.0", NULL},                /* another major version */
        {"--socket", "@", "--kill-after", "1", NULL},               /* dies at the handshake */
        {"--socket", "@", "--kill-after", "2", NULL},               /* dies while it loads */
    };
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        if (!application(RENDERER, hosts[i], require_no_device))
            fail_msg("the application did not get over host %zu", i);
}

static void use_dying_host(void)
{
    setenv("GGML_VIRTGPU_PROTOCOL", "0", 1);
    setenv("GGML_VIRTGPU_TIMEOUT", "2", 1);
    ggml_backend_reg_t reg = ggml_backend_load(PLUGIN);
    if (!reg || ggml_backend_reg_dev_count(reg) == 0)
        return;
    ggml_backend_dev_t device = ggml_backend_reg_dev_get(reg, 0);
    ggml_backend_t backend = ggml_backend_dev_init(device, NULL);
    ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(ggml_backend_dev_buffer_type(device), 4096);
    if (buffer) {
        ggml_backend_buffer_clear(buffer, 1);
        ggml_backend_buffer_free(buffer);
    }
    if (backend)
        ggml_backend_free(backend);
}

/* The host ends, stalls, or fails at each of its first calls in turn. */
static void fault_03_no_failure_ends_the_application(void **state)
{
    (void)state;
    char number[16];
    static const char *const ways[] = {"--kill-after", "--stall-after"};
    for (int way = 0; way < 2; way++)
        for (unsigned call = 3; call < (way == 0 ? 24u : 15u); call += way == 0 ? 1 : 4) {
            const char *const arguments[] = {"--socket", "@", "--backend-library", BACKEND, "--ggml-library",
                                             CPU_LIBRARY, ways[way], number, NULL};
            snprintf(number, sizeof number, "%u", call);
            if (!application(RENDERER, arguments, use_dying_host))
                fail_msg("the application did not get over %s %u", ways[way], call);
        }
}

static void fault_03_every_code_is_an_error_of_the_call(void **state)
{
    (void)state;
    static const char *const codes[] = {"0", "1", "2", "3", "5", "10", "4294967294"};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        const char *const arguments[] = {"--socket", "@", "--backend-library", BACKEND, "--ggml-library", CPU_LIBRARY,
                                         "--code", codes[i], NULL};
        if (!application(RENDERER, arguments, require_no_device))
            fail_msg("code %s", codes[i]);
    }
}

/* --- faults 13 and 14 ------------------------------------------------------------------------------------------- */

static void *read_name(void *data)
{
    return (void *)(uintptr_t)ggml_backend_dev_name(data);
}

static void compare_names(void)
{
    pthread_t thread;
    ggml_backend_reg_t reg = ggml_backend_load(PLUGIN);
    require(reg && ggml_backend_reg_dev_count(reg) == 2, "there are two devices");
    void *other = NULL;
    require(pthread_create(&thread, NULL, read_name, ggml_backend_reg_dev_get(reg, 1)) == 0, "a thread starts");
    const char *name = ggml_backend_dev_name(ggml_backend_reg_dev_get(reg, 0));
    pthread_join(thread, &other);
    require(strcmp(name, "[virtgpu] FAULT0") == 0, "the first has its name");
    require(strcmp(other, "[virtgpu] FAULT1") == 0, "the second has its name");
    require(strcmp(ggml_backend_buft_name(ggml_backend_dev_buffer_type(ggml_backend_reg_dev_get(reg, 0))), name) == 0,
            "a buffer type has the name of its own device");
}

static void fault_13_two_devices_have_two_names(void **state)
{
    (void)state;
    assert_true(application(APIRD, two_devices_arguments, compare_names));
}

static void require_gpu(void)
{
    require(count_devices() == 1, "there is a device");
    ggml_backend_dev_t device = ggml_backend_reg_dev_get(ggml_backend_load(PLUGIN), 0);
    require(ggml_backend_dev_type(device) == GGML_BACKEND_DEVICE_TYPE_GPU, "it is one that applications use");
}

static void fault_14_a_cpu_of_the_host_is_used_by_applications(void **state)
{
    (void)state;
    assert_true(application(APIRD, apird_arguments, require_gpu));
}

static void fault_14_fences_that_never_signal_hold_nothing_up(void **state)
{
    (void)state;
    static const char *const arguments[] = {"--socket",     "@",           "--backend-library", BACKEND,
                                            "--ggml-library", CPU_LIBRARY, "--no-fences",       NULL};
    assert_true(application(RENDERER, arguments, race));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_01_foreign_and_broken_nodes_are_passed_over),
        cmocka_unit_test(fault_01_an_application_without_a_device_goes_on),
        cmocka_unit_test(fault_02_threads_do_not_share_an_answer),
        cmocka_unit_test(fault_03_a_host_that_fails_is_no_device),
        cmocka_unit_test(fault_03_no_failure_ends_the_application),
        cmocka_unit_test(fault_03_every_code_is_an_error_of_the_call),
        cmocka_unit_test(fault_13_two_devices_have_two_names),
        cmocka_unit_test(fault_14_a_cpu_of_the_host_is_used_by_applications),
        cmocka_unit_test(fault_14_fences_that_never_signal_hold_nothing_up),
    };
    return cmocka_run_group_tests_name("upstream's faults in a guest", tests, NULL, NULL);
}
