#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"

/* What load_library answers of a library; message must hold `says`. */
static struct apir_load_library_reply load(struct fixture *f, const char *library, const char *symbol, const char *says)
{
    struct apir_load_library_reply reply = {0};
    fixture_open(f, library, symbol);
    assert_int_equal(handle_load_library(f->executor, &f->scratch, &reply), 0);
    if (!strstr(reply.message, says))
        fail_msg("\"%s\" does not say \"%s\"", reply.message, says);
    assert_non_null(reply.library);
    return reply;
}

static void assert_no_device(struct fixture *f)
{
    struct apir_device_get_info_reply info;
    struct apir_stream_create_reply stream;
    struct apir_buffer_alloc_reply buffer;
    assert_int_equal(handle_device_get_info(f->executor, &f->scratch, &(struct apir_device_get_info_args){0}, &info),
                     -ENODEV);
    assert_int_equal(handle_stream_create(f->executor, &f->scratch, &(struct apir_stream_create_args){0}, &stream),
                     -ENODEV);
    assert_int_equal(
        handle_buffer_alloc(f->executor, &f->scratch, &(struct apir_buffer_alloc_args){.size = 1}, &buffer), -ENODEV);
}

static void expect_failure(const char *library, const char *symbol, enum apir_load_status status, const char *says)
{
    struct fixture f;
    struct apir_load_library_reply reply = load(&f, library, symbol, says);
    assert_int_equal(reply.status, status);
    assert_int_equal(reply.devices, 0);
    assert_no_device(&f);
    fixture_close(&f);
}

static void unset_library_says_what_to_set(void **state)
{
    (void)state;
    expect_failure(NULL, NULL, APIR_LOAD_STATUS_PATH_MISSING, "--ggml-library");
    expect_failure("", NULL, APIR_LOAD_STATUS_PATH_MISSING, "APIR_LLAMA_CPP_GGML_LIBRARY_PATH");
}

static void missing_file_cannot_be_opened(void **state)
{
    (void)state;
    expect_failure("/nonexistent/libggml.so", NULL, APIR_LOAD_STATUS_CANNOT_OPEN, "/nonexistent/libggml.so");
}

static void unknown_name_cannot_be_opened(void **state)
{
    (void)state;
    expect_failure("no-such-backend", NULL, APIR_LOAD_STATUS_CANNOT_OPEN, "libggml-no-such-backend");
}

static void file_that_is_no_library_cannot_be_opened(void **state)
{
    (void)state;
    char path[] = "/tmp/apir-test-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "this is no library", 18), 18);
    close(fd);
    expect_failure(path, NULL, APIR_LOAD_STATUS_CANNOT_OPEN, path);
    unlink(path);
}

static void library_without_the_symbol_names_it(void **state)
{
    (void)state;
    expect_failure(LIBRARIES "/fake-other-symbol.so", NULL, APIR_LOAD_STATUS_SYMBOL_MISSING, "ggml_backend_init");
    expect_failure(LIBRARIES "/fake-good.so", "no_such_symbol", APIR_LOAD_STATUS_SYMBOL_MISSING, "no_such_symbol");
    expect_failure(LIBRARIES "/fake-good.so", "", APIR_LOAD_STATUS_SYMBOL_MISSING, "--ggml-reg");
}

static void library_of_another_generation_is_refused(void **state)
{
    (void)state;
    expect_failure(LIBRARIES "/fake-other-version.so", NULL, APIR_LOAD_STATUS_REGISTER_FAILED, "another ggml");
}

static void library_that_does_not_register_is_refused(void **state)
{
    (void)state;
    expect_failure(LIBRARIES "/fake-no-registry.so", NULL, APIR_LOAD_STATUS_REGISTER_FAILED, "did not register");
}

static void library_without_a_device_is_refused(void **state)
{
    (void)state;
    expect_failure(LIBRARIES "/fake-no-device.so", NULL, APIR_LOAD_STATUS_NO_DEVICE, "no device");
}

static void good_library_has_its_device(void **state)
{
    (void)state;
    struct fixture f;
    struct apir_device_get_info_reply info;
    struct apir_device_get_memory_reply memory;
    struct apir_load_library_reply reply = load(&f, LIBRARIES "/fake-good.so", NULL, "");
    assert_int_equal(reply.status, APIR_LOAD_STATUS_OK);
    assert_int_equal(reply.devices, 1);
    assert_string_equal(reply.library, "fake-good.so");
    assert_string_equal(reply.message, "");
    assert_string_equal(reply.ggml_version, ggml_version());
    assert_int_equal(handle_device_get_info(f.executor, &f.scratch, &(struct apir_device_get_info_args){0}, &info), 0);
    assert_string_equal(info.info.name, "FAKE0");
    assert_string_equal(info.info.description, "a fake");
    assert_int_equal(info.info.type, APIR_DEVICE_TYPE_GPU);
    assert_true(info.info.buffer_types == 1);
    assert_int_equal(
        handle_device_get_memory(f.executor, &f.scratch, &(struct apir_device_get_memory_args){0}, &memory), 0);
    assert_true(memory.free == 1000 && memory.total == 2000);
    fixture_close(&f);
}

static void other_symbol_registers(void **state)
{
    (void)state;
    struct fixture f;
    struct apir_load_library_reply reply = load(&f, LIBRARIES "/fake-other-symbol.so", "other_init", "");
    assert_int_equal(reply.status, APIR_LOAD_STATUS_OK);
    assert_int_equal(reply.devices, 1);
    fixture_close(&f);
}

static void devices_beyond_the_maximum_are_left_out(void **state)
{
    (void)state;
    struct fixture f;
    struct apir_device_get_info_reply info;
    struct apir_load_library_reply reply = load(&f, LIBRARIES "/fake-many-devices.so", NULL, "");
    assert_int_equal(reply.devices, APIR_MAX_DEVICES);
    assert_int_equal(handle_device_get_info(f.executor, &f.scratch,
                                            &(struct apir_device_get_info_args){.device = APIR_MAX_DEVICES - 1}, &info),
                     0);
    assert_int_equal(handle_device_get_info(f.executor, &f.scratch,
                                            &(struct apir_device_get_info_args){.device = APIR_MAX_DEVICES}, &info),
                     -ENODEV);
    fixture_close(&f);
}

static void asking_again_gives_the_same_answer(void **state)
{
    (void)state;
    struct fixture f;
    struct apir_load_library_reply again = {0};
    struct apir_load_library_reply first = load(&f, "/nonexistent/libggml.so", NULL, "");
    assert_int_equal(handle_load_library(f.executor, &f.scratch, &again), 0);
    assert_int_equal(again.status, first.status);
    assert_string_equal(again.message, first.message);
    fixture_close(&f);
}

#define GOOD LIBRARIES "/fake-good.so"
#define TWO LIBRARIES "/fake-two-devices.so"

static void expect_device(struct fixture *f, uint32_t device, const char *name, const char *buffer_type)
{
    struct apir_device_get_info_reply info;
    assert_int_equal(
        handle_device_get_info(f->executor, &f->scratch, &(struct apir_device_get_info_args){device}, &info), 0);
    assert_string_equal(info.info.name, name);
    assert_string_equal(info.info.buffer_type_name, buffer_type);
    assert_int_equal(info.info.buffer_types, 1 << device);
}

static void devices_of_several_libraries_follow_each_other(void **state)
{
    (void)state;
    struct fixture f;
    struct apir_load_library_reply reply = load(&f, "cpu:" TWO, NULL, "");
    assert_int_equal(reply.status, APIR_LOAD_STATUS_OK);
    assert_int_equal(reply.devices, 3);
    assert_non_null(strstr(reply.library, ".so, fake-two-devices.so"));
    expect_device(&f, 0, "CPU", "CPU");
    expect_device(&f, 1, "FAKE0", "CPU #2"); /* the buffer type is the CPU's, and so is its name */
    expect_device(&f, 2, "FAKE1", "CPU #3");
    fixture_close(&f);
}

static void devices_of_one_name_get_numbers(void **state)
{
    (void)state;
    struct fixture f;
    struct apir_load_library_reply reply = load(&f, GOOD ":" TWO ":" LIBRARIES "/fake-no-backend.so", NULL, "");
    assert_int_equal(reply.devices, 4);
    expect_device(&f, 0, "FAKE0", "CPU");
    expect_device(&f, 1, "FAKE0 #2", "CPU #2");
    expect_device(&f, 2, "FAKE1", "CPU #3");
    expect_device(&f, 3, "FAKE0 #3", "CPU #4");
    fixture_close(&f);
}

static uint64_t buffer_types_of(struct fixture *f, uint32_t device)
{
    struct apir_device_get_info_reply info = {0};
    assert_int_equal(
        handle_device_get_info(f->executor, &f->scratch, &(struct apir_device_get_info_args){device}, &info), 0);
    return info.info.buffer_types;
}

static void accelerator_shares_the_memory_of_those_it_helps(void **state)
{
    (void)state;
    struct fixture f;
    load(&f, GOOD ":" LIBRARIES "/fake-accelerator.so:" LIBRARIES "/fake-own-memory.so:" TWO, NULL, "");
    assert_true(buffer_types_of(&f, 0) == 0x03);
    assert_true(buffer_types_of(&f, 1) == 0x1b); /* all but the memory that only its device reaches */
    assert_true(buffer_types_of(&f, 2) == 0x04);
    assert_true(buffer_types_of(&f, 3) == 0x0a);
    assert_true(buffer_types_of(&f, 4) == 0x12);
    fixture_close(&f);
}

static void library_given_twice_is_served_once(void **state)
{
    (void)state;
    struct fixture f;
    struct apir_load_library_reply reply = load(&f, TWO ":" GOOD "::" LIBRARIES "/../tests/fake-two-devices.so:", NULL, "");
    assert_int_equal(reply.status, APIR_LOAD_STATUS_OK);
    assert_int_equal(reply.devices, 3);
    assert_string_equal(reply.library, "fake-two-devices.so, fake-good.so");
    fixture_close(&f);
}

static void one_bad_library_of_several_is_named_and_none_is_served(void **state)
{
    (void)state;
    expect_failure(GOOD ":/nonexistent/libggml.so", NULL, APIR_LOAD_STATUS_CANNOT_OPEN, "/nonexistent/libggml.so");
    expect_failure(LIBRARIES "/fake-no-device.so:" GOOD, NULL, APIR_LOAD_STATUS_NO_DEVICE, "fake-no-device.so");
    expect_failure(GOOD ":no-such-backend:" TWO, NULL, APIR_LOAD_STATUS_CANNOT_OPEN, "libggml-no-such-backend*");
    expect_failure(GOOD ":" LIBRARIES "/fake-other-symbol.so", NULL, APIR_LOAD_STATUS_SYMBOL_MISSING,
                   "fake-other-symbol.so");
}

static void list_of_nothing_is_no_library(void **state)
{
    (void)state;
    expect_failure("::", NULL, APIR_LOAD_STATUS_PATH_MISSING, "--ggml-library");
}

static void libraries_beyond_the_maximum_are_refused(void **state)
{
    (void)state;
    char list[4096] = "", path[] = "/tmp/apir-test-XXXXXX";
    assert_non_null(mkdtemp(path));
    for (int i = 0; i <= APIR_MAX_LIBRARIES; i++) /* the same file again would be one */
        sprintf(list + strlen(list), "%s/%d.so:", path, i);
    for (int i = 0; i <= APIR_MAX_LIBRARIES; i++) {
        char command[2048];
        snprintf(command, sizeof command, "cp %s %s/%d.so", GOOD, path, i);
        assert_int_equal(system(command), 0);
    }
    expect_failure(list, NULL, APIR_LOAD_STATUS_CANNOT_OPEN, "more than 16");
    sprintf(list, "rm -r %s", path);
    assert_int_equal(system(list), 0);
}

static void library_is_found_by_its_name(void **state)
{
    (void)state;
    struct fixture f;
    struct apir_load_library_reply reply = load(&f, "cpu", NULL, "");
    assert_int_equal(reply.status, APIR_LOAD_STATUS_OK);
    assert_int_equal(strncmp(reply.library, "libggml-cpu", 11), 0);
    fixture_close(&f);
}

/* What a probe prints, which the caller frees. */
static char *probe(const char *library)
{
    struct fixture f;
    char *text = NULL, message[256] = "";
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    fixture_open(&f, library, NULL);
    assert_int_equal(apir_executor_probe(f.executor, out, message, sizeof message), 0);
    fclose(out);
    fixture_close(&f);
    return text;
}

static void probe_prints_a_line_for_each_device(void **state)
{
    (void)state;
    char *text = probe("cpu");
    assert_int_equal(strncmp(text, "CPU: ", 5), 0);
    assert_string_equal(strrchr(text, ')'), ")\n"); /* the file's name is last: nothing is wrong */
    assert_ptr_equal(strchr(text, '\n'), strrchr(text, '\n'));
    free(text);
}

static void probe_tells_of_a_device_that_adds_wrongly(void **state)
{
    (void)state;
    char *text = probe(LIBRARIES "/fake-good.so");
    assert_string_equal(text, "FAKE0: a fake (fake-good.so): it computes wrong numbers\n");
    free(text);
}

/* A sandbox that is what a test wants, and counts. */
struct confinement {
    const char *refusal;
    int calls;
};

static void confine(void *data, struct apir_executor_sandbox *sandbox)
{
    struct confinement *confinement = data;
    confinement->calls++;
    *sandbox = (struct apir_executor_sandbox){"walls, doors", "a roof", confinement->refusal};
}

static struct apir_load_library_reply load_confined(struct fixture *f, const char *library,
                                                    struct confinement *confinement)
{
    struct apir_load_library_reply reply = {0};
    fixture_open_with(f, &(struct apir_executor_options){
                             .library = library, .confine = confine, .confine_data = confinement});
    assert_int_equal(handle_load_library(f->executor, &f->scratch, &reply), 0);
    assert_int_equal(handle_load_library(f->executor, &f->scratch, &reply), 0);
    assert_int_equal(confinement->calls, 1);
    assert_string_equal(reply.sandbox, "walls, doors");
    assert_string_equal(reply.sandbox_lacks, "a roof");
    return reply;
}

static void sandbox_is_completed_once_and_told(void **state)
{
    (void)state;
    struct fixture f;
    struct confinement good = {0}, bad = {0};
    assert_int_equal(load_confined(&f, "cpu", &good).status, APIR_LOAD_STATUS_OK);
    fixture_close(&f);
    assert_int_equal(load_confined(&f, "/nonexistent/libggml.so", &bad).status, APIR_LOAD_STATUS_CANNOT_OPEN);
    fixture_close(&f);
}

static void who_is_not_confined_serves_nobody(void **state)
{
    (void)state;
    struct fixture f;
    struct confinement confinement = {.refusal = "it has no roof"};
    struct apir_load_library_reply reply = load_confined(&f, "cpu", &confinement);
    assert_int_equal(reply.status, APIR_LOAD_STATUS_NOT_CONFINED);
    assert_string_equal(reply.message, "it has no roof");
    assert_int_equal(reply.devices, 0);
    assert_no_device(&f);
    fixture_close(&f);
}

static void who_is_not_confined_serves_nobody_of_the_deployed_protocol(void **state)
{
    (void)state;
    struct fixture f;
    struct confinement confinement = {.refusal = "it has no roof"};
    fixture_open_with(&f, &(struct apir_executor_options){
                              .library = "cpu", .confine = confine, .confine_data = &confinement});
    assert_int_not_equal(apir_executor_upstream_backend()->load(f.executor), 0);
    assert_null(apir_device_get(f.executor, 0));
    fixture_close(&f);
}

static void probe_of_a_bad_library_says_why(void **state)
{
    (void)state;
    struct fixture f;
    char message[256] = "";
    fixture_open(&f, LIBRARIES "/fake-no-device.so", NULL);
    assert_int_equal(apir_executor_probe(f.executor, stderr, message, sizeof message), -ENODEV);
    assert_non_null(strstr(message, "no device"));
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unset_library_says_what_to_set),
        cmocka_unit_test(missing_file_cannot_be_opened),
        cmocka_unit_test(unknown_name_cannot_be_opened),
        cmocka_unit_test(file_that_is_no_library_cannot_be_opened),
        cmocka_unit_test(library_without_the_symbol_names_it),
        cmocka_unit_test(library_of_another_generation_is_refused),
        cmocka_unit_test(library_that_does_not_register_is_refused),
        cmocka_unit_test(library_without_a_device_is_refused),
        cmocka_unit_test(good_library_has_its_device),
        cmocka_unit_test(other_symbol_registers),
        cmocka_unit_test(devices_beyond_the_maximum_are_left_out),
        cmocka_unit_test(asking_again_gives_the_same_answer),
        cmocka_unit_test(devices_of_several_libraries_follow_each_other),
        cmocka_unit_test(devices_of_one_name_get_numbers),
        cmocka_unit_test(accelerator_shares_the_memory_of_those_it_helps),
        cmocka_unit_test(library_given_twice_is_served_once),
        cmocka_unit_test(one_bad_library_of_several_is_named_and_none_is_served),
        cmocka_unit_test(list_of_nothing_is_no_library),
        cmocka_unit_test(libraries_beyond_the_maximum_are_refused),
        cmocka_unit_test(library_is_found_by_its_name),
        cmocka_unit_test(probe_prints_a_line_for_each_device),
        cmocka_unit_test(probe_tells_of_a_device_that_adds_wrongly),
        cmocka_unit_test(sandbox_is_completed_once_and_told),
        cmocka_unit_test(who_is_not_confined_serves_nobody),
        cmocka_unit_test(who_is_not_confined_serves_nobody_of_the_deployed_protocol),
        cmocka_unit_test(probe_of_a_bad_library_says_why),
    };
    return cmocka_run_group_tests_name("library", tests, NULL, NULL);
}
