/* What `apir info` prints, for things that are hard to bring about. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apir-info.h"

struct fixture {
    struct apir_info info;
    char *text;
    size_t size;
    FILE *stream;
};

/* A host with one device, and a ggml whose plug-in accepts it. */
static void make_usable(struct apir_info *info)
{
    info->usable = info->connected = info->loaded = true;
    strcpy(info->door, "somewhere");
    info->own_major = info->host_major = 1;
    info->host_minor = 2;
    strcpy(info->library.file, "libhost.so");
    strcpy(info->library.ggml_version, "0.27.0");
    info->library.devices = 1;
    strcpy(info->devices[0].device.name, "GPU0");
    strcpy(info->devices[0].device.description, "a GPU");
    info->devices[0].device.type = "gpu";
    info->devices[0].device.max_buffer_size = UINT64_MAX;
    info->devices[0].free = UINT64_C(3) << 29;
    info->devices[0].total = UINT64_C(1) << 31;
    info->ggml.found = info->ggml.accepted = true;
    strcpy(info->ggml.version, "0.27.0");
    strcpy(info->ggml.folder, "/backends");
    strcpy(info->ggml.plugin, "/backends/plugin.so");
}

static void make_unusable(struct apir_info *info, enum apir_client_problem problem, int error)
{
    info->failure.problem = problem;
    info->failure.error = error;
    strcpy(info->failure.message, "the reason");
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->stream = open_memstream(&f->text, &f->size);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    fclose(f->stream);
    free(f->text);
    free(f);
    return 0;
}

static void assert_prints(struct fixture *f, const char *expected)
{
    fflush(f->stream);
    if (!strstr(f->text, expected))
        fail_msg("\"%s\" is not in:\n%s", expected, f->text);
}

static void assert_does_not_print(struct fixture *f, const char *unexpected)
{
    fflush(f->stream);
    if (strstr(f->text, unexpected))
        fail_msg("\"%s\" is in:\n%s", unexpected, f->text);
}

static void a_usable_host_is_described_without_advice(void **state)
{
    struct fixture *f = *state;
    make_usable(&f->info);
    apir_info_print_text(&f->info, false, f->stream);
    assert_prints(f, "door      somewhere\n");
    assert_prints(f, "1.0 here, 1.2 on the host");
    assert_prints(f, "[virtgpu] GPU0: a GPU\n");
    assert_prints(f, "type gpu, memory 1.5 GiB free of 2.0 GiB");
    assert_prints(f, "usable\n");
    assert_does_not_print(f, "\n- ");
}

static void strings_of_the_host_cannot_drive_the_terminal(void **state)
{
    struct fixture *f = *state;
    make_usable(&f->info);
    strcpy(f->info.devices[0].device.description, "a\033[2Jb");
    apir_info_print_text(&f->info, false, f->stream);
    assert_prints(f, "a?[2Jb");
}

static void a_plugin_that_is_missing_is_advised_but_no_obstacle(void **state)
{
    struct fixture *f = *state;
    make_usable(&f->info);
    f->info.ggml.plugin[0] = '\0';
    apir_info_print_text(&f->info, false, f->stream);
    assert_prints(f, "usable\n");
    assert_prints(f, "- copy libggml-virtgpu-apir.so to /backends");
}

static void an_unknown_ggml_is_an_obstacle(void **state)
{
    struct fixture *f = *state;
    make_usable(&f->info);
    f->info.usable = f->info.ggml.accepted = false;
    strcpy(f->info.ggml.version, "0.99.0");
    apir_info_print_text(&f->info, false, f->stream);
    assert_prints(f, "not usable: the plug-in does not know ggml 0.99.0");
    assert_prints(f, "- the plug-in does not know ggml 0.99.0: install");
    assert_string_equal(apir_info_problem_name(&f->info), "unknown-ggml");
}

/* Every problem names its reason, and something to do. */
static void every_problem_has_advice(void **state)
{
    struct fixture *f = *state;
    f->info.socket = "/run/a.sock";
    for (int problem = APIR_CLIENT_NO_DEVICE; problem <= APIR_CLIENT_NO_LIBRARY; problem++) {
        if (problem == APIR_CLIENT_NO_ACCESS)
            continue; /* below */
        make_unusable(&f->info, (enum apir_client_problem)problem, ENOENT);
        rewind(f->stream);
        apir_info_print_text(&f->info, false, f->stream);
        assert_prints(f, "not usable: the reason\n- ");
        assert_string_not_equal(apir_info_problem_name(&f->info), "none");
    }
}

static void add_node(struct apir_info *info, mode_t mode, bool can_open)
{
    struct apir_info_node *node = &info->nodes[info->n_nodes];
    snprintf(node->path, sizeof node->path, "/dev/dri/renderD%u", 128 + info->n_nodes);
    node->st.st_mode = mode;
    node->can_open = can_open;
    info->n_nodes++;
}

static void only_nodes_without_access_get_advice(void **state)
{
    struct fixture *f = *state;
    add_node(&f->info, 0600, false);
    add_node(&f->info, 0666, true);
    make_unusable(&f->info, APIR_CLIENT_NO_ACCESS, EACCES);
    apir_info_print_advice(&f->info, f->stream);
    assert_prints(f, "- give a group access to /dev/dri/renderD128");
    assert_does_not_print(f, "renderD129");
}

static void what_was_searched_is_told_when_nothing_was_found(void **state)
{
    struct fixture *f = *state;
    add_node(&f->info, 0640, false);
    make_unusable(&f->info, APIR_CLIENT_NO_ACCESS, EACCES);
    apir_info_print_text(&f->info, false, f->stream);
    assert_prints(f, "1 render node in /dev/dri");
    assert_prints(f, "/dev/dri/renderD128, owner ");
    assert_prints(f, "mode 0640, not for this user");
}

static void missing_and_refused_sockets_get_different_advice(void **state)
{
    struct fixture *f = *state;
    f->info.socket = "/run/a.sock";
    make_unusable(&f->info, APIR_CLIENT_NO_SOCKET, ENOENT);
    apir_info_print_advice(&f->info, f->stream);
    assert_prints(f, "- there is no /run/a.sock");
    make_unusable(&f->info, APIR_CLIENT_NO_SOCKET, ECONNREFUSED);
    apir_info_print_advice(&f->info, f->stream);
    assert_prints(f, "- nobody listens at /run/a.sock");
}

static void json_escapes_strings(void **state)
{
    struct fixture *f = *state;
    make_usable(&f->info);
    strcpy(f->info.devices[0].device.name, "a\"b\\c\nd");
    apir_info_print_json(&f->info, f->stream);
    assert_prints(f, "\"usable\": true");
    assert_prints(f, "\"name\": \"a\\\"b\\\\c\\u000ad\"");
    assert_prints(f, "\"memory_free\": 1610612736");
    assert_prints(f, "\"accepted\": true");
}

static void json_leaves_out_what_is_unknown(void **state)
{
    struct fixture *f = *state;
    make_unusable(&f->info, APIR_CLIENT_NO_DEVICE, ENODEV);
    apir_info_print_json(&f->info, f->stream);
    assert_prints(f, "{\"usable\": false, \"problem\": \"no-device\", \"message\": \"the reason\"}\n");
}

static void sandbox_is_told(void **state)
{
    struct fixture *f = *state;
    make_usable(&f->info);
    strcpy(f->info.library.sandbox, "walls, doors");
    apir_info_print_text(&f->info, false, f->stream);
    assert_prints(f, "sandbox   complete: walls, doors\n");
    apir_info_print_json(&f->info, f->stream);
    assert_prints(f, "\"sandbox\": {\"complete\": true, \"holds\": [\"walls\", \"doors\"], \"lacks\": []}");
}

static void sandbox_that_lacks_something_is_degraded(void **state)
{
    struct fixture *f = *state;
    make_usable(&f->info);
    strcpy(f->info.library.sandbox, "walls");
    strcpy(f->info.library.sandbox_lacks, "a roof, \x1b[31mdoors");
    apir_info_print_text(&f->info, false, f->stream);
    assert_prints(f, "sandbox   DEGRADED: without a roof, ?[31mdoors\n          it has walls\n");
    apir_info_print_json(&f->info, f->stream);
    assert_prints(f, "\"complete\": false, \"holds\": [\"walls\"], \"lacks\": [\"a roof\", ");
}

static void sandbox_of_a_host_that_does_not_tell_is_not_complete(void **state)
{
    struct fixture *f = *state;
    make_usable(&f->info);
    apir_info_print_text(&f->info, false, f->stream);
    assert_prints(f, "sandbox   the host does not tell\n");
    apir_info_print_json(&f->info, f->stream);
    assert_prints(f, "\"complete\": false, \"holds\": [], \"lacks\": []");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_usable_host_is_described_without_advice),
        TEST(strings_of_the_host_cannot_drive_the_terminal),
        TEST(a_plugin_that_is_missing_is_advised_but_no_obstacle),
        TEST(an_unknown_ggml_is_an_obstacle),
        TEST(every_problem_has_advice),
        TEST(only_nodes_without_access_get_advice),
        TEST(what_was_searched_is_told_when_nothing_was_found),
        TEST(missing_and_refused_sockets_get_different_advice),
        TEST(json_escapes_strings),
        TEST(json_leaves_out_what_is_unknown),
        cmocka_unit_test_setup_teardown(sandbox_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sandbox_that_lacks_something_is_degraded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sandbox_of_a_host_that_does_not_tell_is_not_complete, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("apir-info", tests, NULL, NULL);
}
