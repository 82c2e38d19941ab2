/* Faults 8, 10, 11 and 12 of deployed hosts, and those of the later revision: codes, names, and backends. */
#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "apir-upstream-protocol.h"
#include "upstream-faults/request.h"

/* notif of LOADLIBRARY: 1, 6 for the library, and its code: one that it shares with the renderer, or 6 and one of its own. */
enum { LOAD_NOTIF = 1 + 6, ROUNDS = 100 };
enum { CANNOT_OPEN = 4, MISSING_SYMBOL = 5, NO_DEVICE = 6 + 8, INIT_FAILED = 6 + 9 };

static uint32_t load(const char *library, const char *symbol)
{
    static const char *const handshake[] = {"HANDSHAKE", NULL};
    const struct upstream_setup setup = {.executor = {.library = library, .symbol = symbol}};
    struct upstream_session session;
    struct sample sample;
    request_open(&session, &setup, handshake);
    request_sample(&session, "LOADLIBRARY", &sample);
    uint32_t notif = request_send_sample(&session, &sample);
    assert_int_equal(upstream_session_close(&session), 0);
    return notif;
}

static void fault_10_a_missing_symbol_has_its_own_code(void **state)
{
    (void)state;
    assert_int_equal(load(FAULT_TWO, "no_such_symbol"), LOAD_NOTIF + MISSING_SYMBOL);
    assert_int_equal(load("/no/such/library.so", NULL), LOAD_NOTIF + CANNOT_OPEN);
}

static void fault_10_every_code_has_a_name(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 4; code++)
        assert_non_null(apir_upstream_forward_code_name(code));
    assert_non_null(strstr(apir_upstream_forward_code_name(3), "sync"));
    for (uint32_t code = 0; code <= 6; code++)
        assert_non_null(apir_upstream_load_code_name(code));
    for (uint32_t code = 0; code <= 9; code++)
        assert_non_null(apir_upstream_backend_code_name(code));
}

static void fault_11_a_missing_and_an_unusable_device_have_their_codes(void **state)
{
    (void)state;
    assert_int_equal(load(FAKE_NO_DEVICE, NULL), LOAD_NOTIF + NO_DEVICE);
    assert_int_equal(load(FAULT_UNUSABLE_DEVICE, NULL), LOAD_NOTIF + INIT_FAILED);
}

/* --- fault 12: a generated file in the tree would be edited --------------------------------------------------- */

static bool is_generated(const char *name)
{
    static const char *const kinds[] = {"protocol.h", "codec.h", "codec.c", "calls.h",    "calls.c",
                                        "print.h",    "print.c", "dispatch.h", "dispatch.c"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char ours[64];
        snprintf(ours, sizeof ours, "apir-%s", kinds[i]);
        if (strcmp(name, ours) == 0)
            return true;
        snprintf(ours, sizeof ours, "apir-upstream-%s", kinds[i]);
        if (strcmp(name, ours) == 0)
            return true;
    }
    return false;
}

static void look_through(const char *path, unsigned *n_files)
{
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        char child[1024];
        struct stat info;
        snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] == '.' || lstat(child, &info) < 0)
            continue;
        if (S_ISDIR(info.st_mode))
            look_through(child, n_files);
        ++*n_files;
        if (is_generated(entry->d_name))
            fail_msg("%s is generated, and belongs in the build folder", child);
    }
    closedir(dir);
}

static void fault_12_nothing_generated_is_in_the_tree(void **state)
{
    (void)state;
    unsigned n_files = 0;
    look_through(SOURCE_FOLDER "/src", &n_files);
    look_through(SOURCE_FOLDER "/include", &n_files);
    look_through(SOURCE_FOLDER "/protocol", &n_files);
    assert_true(n_files > 50);
}

/* --- the later revision: backends are made and freed ------------------------------------------------------------ */

enum { INITIALIZE = 60, CLEAN_UP = 61, ID_SIZE = 12 };

static void open_later_revision(struct upstream_session *session, FILE *log)
{
    const struct upstream_setup setup = {
        .executor = {.library = "cpu", .backend_initialize = INITIALIZE, .backend_cleanup = CLEAN_UP}, .log = log};
    upstream_session_open(session, &setup, false, UPSTREAM_SMALL_DATA);
    upstream_session_replay(session, "backend_graph_compute");
}

static void make_backend(struct upstream_session *session, uint8_t id[ID_SIZE])
{
    struct request request;
    request_begin(&request, INITIALIZE);
    request_u64(&request, 0);
    assert_int_equal(request_send(session, &request), DEPLOYED_OK);
    memcpy(id, session->guest.reply.data + FIRST_RESULT, ID_SIZE);
}

static uint32_t clean_up(struct upstream_session *session, const uint8_t id[ID_SIZE])
{
    struct request request;
    request_begin(&request, CLEAN_UP);
    request_u64(&request, deployed_u64(id));
    request_u32(&request, deployed_u32(id + 8));
    return request_send(session, &request);
}

static uint32_t compute_on(struct upstream_session *session, const uint8_t id[ID_SIZE])
{
    struct sample sample;
    request_sample(session, "backend_graph_compute", &sample);
    memcpy(sample.request.data + sample.request.size, id, ID_SIZE);
    sample.request.size += ID_SIZE;
    return request_send_sample(session, &sample);
}

static void fault_07_backends_are_several(void **state)
{
    (void)state;
    struct upstream_session session;
    uint8_t first[ID_SIZE], second[ID_SIZE];
    open_later_revision(&session, NULL);
    make_backend(&session, first);
    make_backend(&session, second);
    assert_memory_not_equal(first, second, ID_SIZE);
    assert_int_equal(clean_up(&session, first), DEPLOYED_OK);
    assert_int_equal(compute_on(&session, second), DEPLOYED_OK);
    assert_int_not_equal(compute_on(&session, first), DEPLOYED_OK);
    upstream_session_replay(&session, NULL); /* the old form of graph_compute, too */
    assert_int_equal(upstream_session_close(&session), 0);
}

static void later_revision_a_failed_clean_up_is_logged(void **state)
{
    (void)state;
    struct upstream_session session;
    uint8_t id[ID_SIZE];
    char *text = NULL;
    size_t size = 0;
    FILE *log = open_memstream(&text, &size);
    open_later_revision(&session, log);
    make_backend(&session, id);
    assert_int_equal(clean_up(&session, id), DEPLOYED_OK);
    assert_int_not_equal(clean_up(&session, id), DEPLOYED_OK);
    assert_int_equal(upstream_session_close(&session), 0);
    fclose(log);
    assert_non_null(strstr(text, "61"));
    assert_non_null(strstr(text, "refused"));
    free(text);
}

static void later_revision_a_failed_initialisation_leaves_zeros(void **state)
{
    (void)state;
    struct upstream_session session;
    struct request request;
    open_later_revision(&session, NULL);
    request_begin(&request, INITIALIZE); /* its argument is missing */
    assert_int_not_equal(request_send(&session, &request), DEPLOYED_OK);
    /* not a byte of a result: whoever looks at one without looking at notif finds what it put there */
    assert_int_equal(deployed_guest_written(&session.guest) <= 4, true);
    assert_int_equal(upstream_session_close(&session), 0);
}

static void *make_and_free(void *data)
{
    struct upstream_session *session = data;
    uint8_t id[ID_SIZE];
    for (int i = 0; i < ROUNDS; i++) {
        make_backend(session, id);
        assert_int_equal(compute_on(session, id), DEPLOYED_OK);
        assert_int_equal(clean_up(session, id), DEPLOYED_OK);
    }
    return NULL;
}

/* Two contexts at once; every answer is waited for with a limit. */
static void later_revision_freeing_backends_cannot_deadlock(void **state)
{
    (void)state;
    struct upstream_session sessions[2];
    pthread_t thread;
    for (int i = 0; i < 2; i++)
        open_later_revision(&sessions[i], NULL);
    assert_int_equal(pthread_create(&thread, NULL, make_and_free, &sessions[0]), 0);
    make_and_free(&sessions[1]);
    pthread_join(thread, NULL);
    for (int i = 0; i < 2; i++)
        assert_int_equal(upstream_session_close(&sessions[i]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_07_backends_are_several),
        cmocka_unit_test(fault_10_a_missing_symbol_has_its_own_code),
        cmocka_unit_test(fault_10_every_code_has_a_name),
        cmocka_unit_test(fault_11_a_missing_and_an_unusable_device_have_their_codes),
        cmocka_unit_test(fault_12_nothing_generated_is_in_the_tree),
        cmocka_unit_test(later_revision_a_failed_clean_up_is_logged),
        cmocka_unit_test(later_revision_a_failed_initialisation_leaves_zeros),
        cmocka_unit_test(later_revision_freeing_backends_cannot_deadlock),
    };
    return cmocka_run_group_tests_name("upstream's faults with codes and backends", tests, NULL, NULL);
}
