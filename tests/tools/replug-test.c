/* apir replug, with a QEMU that says what is wanted of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apir-replug.h"
#include "fake-qemu.h"

/* Runs it; the caller frees what it said. */
static int replug(struct fake_qemu *qemu, const char *device, const char *socket, char **said)
{
    size_t size;
    FILE *messages = open_memstream(said, &size);
    assert_non_null(messages);
    fake_qemu_start(qemu);
    struct apir_replug_options options = {
        .qmp = qemu->path, .device = device, .vhost_user = socket, .limit_ms = 300};
    int code = apir_replug(&options, messages);
    fake_qemu_stop(qemu);
    fclose(messages);
    return code;
}

/* Whether that command comes after the other. */
static bool comes_after(const char *log, const char *first, const char *second)
{
    const char *at = strstr(log, first);
    return at && strstr(at, second);
}

static void the_device_is_put_back_with_what_it_had(void **state)
{
    (void)state;
    struct fake_qemu qemu = {.devices = 1};
    char *said;
    assert_int_equal(replug(&qemu, NULL, NULL, &said), 0);
    assert_non_null(strstr(qemu.log, "\"path\": \"/run/vm.sock\""));
    assert_true(comes_after(qemu.log, "chardev-add", "device_del"));
    assert_true(comes_after(qemu.log, "device_del", "{\"execute\": \"chardev-remove\", \"arguments\": {\"id\": \"gpu\"}}"));
    assert_non_null(strstr(qemu.log,
                           "{\"execute\": \"device_add\", \"arguments\": {\"driver\": \"vhost-user-test-device-pci\", "
                           "\"id\": \"one\", \"bus\": \"gpu-port\", \"chardev\": \"apir-replug-2\", \"virtio-id\": 16, "
                           "\"num_vqs\": 2, \"vq_size\": 256, \"config_size\": 20}}"));
    free(said);
}

static void a_daemon_that_listens_late_is_waited_for(void **state)
{
    (void)state;
    struct fake_qemu qemu = {.devices = 1, .refusals = 1};
    char *said;
    assert_int_equal(replug(&qemu, NULL, NULL, &said), 0);
    free(said);
}

static void nothing_is_changed_when_nobody_listens(void **state)
{
    (void)state;
    struct fake_qemu qemu = {.devices = 1, .refusals = 1000};
    char *said;
    assert_int_equal(replug(&qemu, NULL, NULL, &said), 1);
    assert_null(strstr(qemu.log, "device_del"));
    assert_non_null(strstr(said, "apird cannot be reached, so nothing was changed: Failed to connect"));
    free(said);
}

static void another_socket_can_be_given(void **state)
{
    (void)state;
    struct fake_qemu qemu = {.devices = 1};
    char *said;
    assert_int_equal(replug(&qemu, NULL, "/run/a \"new\" one", &said), 0);
    assert_non_null(strstr(qemu.log, "\"path\": \"/run/a \\\"new\\\" one\""));
    free(said);
}

static void a_device_without_an_id_is_found(void **state)
{
    (void)state;
    struct fake_qemu qemu = {.devices = 1, .unnamed = true};
    char *said;
    assert_int_equal(replug(&qemu, NULL, NULL, &said), 0);
    assert_non_null(strstr(qemu.log, "device_del\", \"arguments\": {\"id\": \"/machine/peripheral-anon/device[1]\"}"));
    assert_non_null(strstr(qemu.log, "\"id\": \"apir-replug-2\""));
    free(said);
}

static void one_of_several_devices_must_be_chosen(void **state)
{
    (void)state;
    struct fake_qemu qemu = {.devices = 2}, again = {.devices = 2};
    char *said;
    assert_int_equal(replug(&qemu, NULL, NULL, &said), 1);
    assert_non_null(strstr(said, "has 2 such devices: choose one with --device"));
    free(said);
    assert_int_equal(replug(&again, "two", NULL, &said), 0);
    assert_non_null(strstr(again.log, "\"id\": \"/machine/peripheral/two\""));
    free(said);
}

static void a_machine_without_the_device_is_told(void **state)
{
    (void)state;
    struct fake_qemu qemu = {.devices = 0};
    char *said;
    assert_int_equal(replug(&qemu, "one", NULL, &said), 1);
    assert_non_null(strstr(said, "no device vhost-user-test-device-pci with the id one"));
    free(said);
}

static void a_guest_that_keeps_the_device_is_told(void **state)
{
    (void)state;
    struct fake_qemu qemu = {.devices = 1, .keeps = true};
    char *said;
    assert_int_equal(replug(&qemu, NULL, NULL, &said), 1);
    assert_non_null(strstr(said, "the guest has not let go of the device"));
    assert_true(comes_after(qemu.log, "device_del", "chardev-remove\", \"arguments\": {\"id\": \"apir-replug-2\"}"));
    assert_null(strstr(qemu.log, "device_add"));
    free(said);
}

static void what_is_to_be_done_by_hand_is_said(void **state)
{
    (void)state;
    struct fake_qemu qemu = {.devices = 1, .rejects = true};
    char *said;
    assert_int_equal(replug(&qemu, NULL, NULL, &said), 1);
    assert_non_null(strstr(said, "cannot be plugged in: Bus 'gpu-port' not found"));
    assert_non_null(strstr(said, "{\"execute\": \"device_add\""));
    free(said);
}

static void a_missing_qemu_is_told(void **state)
{
    (void)state;
    char *said;
    size_t size;
    FILE *messages = open_memstream(&said, &size);
    struct apir_replug_options options = {.qmp = "/nonexistent/qmp"};
    assert_int_equal(apir_replug(&options, messages), 1);
    fclose(messages);
    assert_non_null(strstr(said, "cannot connect to QEMU at /nonexistent/qmp: No such file"));
    free(said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_device_is_put_back_with_what_it_had),
        cmocka_unit_test(a_daemon_that_listens_late_is_waited_for),
        cmocka_unit_test(nothing_is_changed_when_nobody_listens),
        cmocka_unit_test(another_socket_can_be_given),
        cmocka_unit_test(a_device_without_an_id_is_found),
        cmocka_unit_test(one_of_several_devices_must_be_chosen),
        cmocka_unit_test(a_machine_without_the_device_is_told),
        cmocka_unit_test(a_guest_that_keeps_the_device_is_told),
        cmocka_unit_test(what_is_to_be_done_by_hand_is_said),
        cmocka_unit_test(a_missing_qemu_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
