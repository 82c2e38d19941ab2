/* The renderer's side of a backend library, with fake-backend. */
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "apir-upstream-protocol.h"
#include "upstream/component.h"
#include "upstream/fake-backend.h"
#include "upstream/foreign.h"
#include "util/fd.h"

enum { CONTEXT = 3, SHM = 9, SHM_SIZE = 8192, ROOM = 100 };

struct fixture {
    struct apir_shm_table memory;
    _Atomic unsigned removed; /* mappings that are gone */
    int fd;
    _Atomic uint32_t *words; /* our own mapping of SHM */
    struct apir_foreign_options options;
    struct apir_foreign *foreign;
    char results[ROOM];
    size_t used;
};

static void note_removed(void *data, uint32_t id)
{
    assert_int_equal(id, SHM);
    atomic_fetch_add(&((struct fixture *)data)->removed, 1);
}

static void set_up(struct fixture *f, const char *library)
{
    memset(f, 0, sizeof *f);
    apir_shm_table_init(&f->memory);
    f->memory.removed = note_removed;
    f->memory.removed_data = f;
    f->fd = apir_fd_memory("foreign-test", SHM_SIZE);
    assert_true(f->fd >= 0);
    f->words = mmap(NULL, SHM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
    assert_true(f->words != MAP_FAILED);
    assert_int_equal(apir_shm_table_add(&f->memory, SHM, f->fd, 0, SHM_SIZE), 0);
    f->options = (struct apir_foreign_options){.path = library,
                                               .context = CONTEXT,
                                               .ggml_library = "/lib/a.so",
                                               .ggml_reg = "reg",
                                               .memory = &f->memory};
}

static void start(struct fixture *f)
{
    f->foreign = apir_foreign_create(&f->options);
    assert_non_null(f->foreign);
}

static void tear_down(struct fixture *f)
{
    apir_foreign_destroy(f->foreign);
    munmap((void *)f->words, SHM_SIZE);
    apir_fd_close(&f->fd);
    apir_shm_table_finish(&f->memory);
}

static uint32_t load(struct fixture *f)
{
    return apir_foreign_backend()->load(f->foreign);
}

static uint32_t forward(struct fixture *f, uint32_t function, const void *args, size_t size)
{
    f->used = 0;
    return apir_foreign_backend()->forward(f->foreign, function, args, size, f->results, sizeof f->results, &f->used);
}

static void start_loaded(struct fixture *f)
{
    set_up(f, FAKE_BACKEND);
    start(f);
    assert_int_equal(load(f), APIR_UPSTREAM_LOAD_CODE_SUCCESS);
}

static void results_come_back(void **state)
{
    (void)state;
    struct fixture f;
    start_loaded(&f);
    assert_int_equal(forward(&f, FAKE_ECHO, "12345678", 8), APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE);
    assert_int_equal(f.used, 8);
    assert_memory_equal(f.results, "12345678", 8);
    assert_int_equal(forward(&f, FAKE_ECHO, "", 0), APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE);
    assert_int_equal(f.used, 0);
    tear_down(&f);
}

static void room_is_told(void **state)
{
    (void)state;
    struct fixture f;
    const uint64_t room = ROOM;
    start_loaded(&f);
    forward(&f, FAKE_ROOM, NULL, 0);
    assert_memory_equal(f.results, &room, sizeof room);
    assert_int_equal(forward(&f, FAKE_MOST, NULL, 0), APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE);
    assert_int_equal(f.used, ROOM);
    tear_down(&f);
}

static void code_of_a_function_is_passed_on(void **state)
{
    (void)state;
    struct fixture f;
    const uint32_t code = 5;
    start_loaded(&f);
    assert_int_equal(forward(&f, FAKE_CODE, &code, sizeof code), APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE + 5);
    tear_down(&f);
}

/* A guest waits for a word that is not 0, and codes are told by what is added to 0. */
static void code_that_wraps_is_a_refusal(void **state)
{
    (void)state;
    static const uint32_t codes[] = {UINT32_MAX, UINT32_MAX - 3, UINT32_MAX - 4}; /* the last gives 0 once 1 is added */
    struct fixture f;
    start_loaded(&f);
    for (unsigned i = 0; i < sizeof codes / sizeof *codes; i++)
        assert_int_equal(forward(&f, FAKE_CODE, &codes[i], sizeof codes[i]),
                         (uint32_t)APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE + APIR_UPSTREAM_FUNCTION_CODE_REFUSED);
    tear_down(&f);
}

static void unknown_function_has_no_dispatch(void **state)
{
    (void)state;
    struct fixture f;
    start_loaded(&f);
    assert_int_equal(forward(&f, 99, "1234", 4), APIR_UPSTREAM_FORWARD_CODE_NO_DISPATCH_FCT);
    tear_down(&f);
}

static void results_beyond_their_room_are_not_used(void **state)
{
    (void)state;
    struct fixture f;
    start_loaded(&f);
    assert_int_equal(forward(&f, FAKE_BEYOND, NULL, 0), APIR_UPSTREAM_FORWARD_CODE_FAILED_TO_SYNC_STREAMS);
    assert_int_equal(f.used, 0);
    assert_int_equal(forward(&f, FAKE_BEFORE, NULL, 0), APIR_UPSTREAM_FORWARD_CODE_FAILED_TO_SYNC_STREAMS);
    assert_int_equal(f.used, 0);
    tear_down(&f);
}

static void library_that_is_not_there_cannot_be_opened(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, "/nowhere/backend.so");
    start(&f);
    assert_int_equal(load(&f), APIR_UPSTREAM_LOAD_CODE_CANNOT_OPEN);
    tear_down(&f);
}

static void library_that_is_not_one_lacks_symbols(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, HALF_BACKEND);
    start(&f);
    assert_int_equal(load(&f), APIR_UPSTREAM_LOAD_CODE_SYMBOL_MISSING);
    tear_down(&f);
}

/* Also the codes of a library that nest twice: a missing device is 6 + 6 + 8. */
static void codes_of_initialisation_are_passed_on(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        uint32_t result;
    } cases[] = {{"0", 0}, {"6", 0}, {"4", 10}, {"1", 7}, {"14", 20}, {"5", 11},
                 {"4294967295", 17}, {"4294967290", 17}, {"4294967289", 17}}; /* which would wrap */
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        set_up(&f, FAKE_BACKEND);
        f.options.ggml_init = cases[i].code;
        start(&f);
        assert_int_equal(load(&f), cases[i].result);
        tear_down(&f);
    }
}

static unsigned deinits(void)
{
    void *handle = dlopen(FAKE_BACKEND, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(handle);
    unsigned count = *(unsigned *)dlsym(handle, "fake_backend_deinits");
    dlclose(handle);
    return count;
}

static void context_is_ended_once_if_it_began(void **state)
{
    (void)state;
    struct fixture f;
    start_loaded(&f);
    unsigned before = deinits();
    tear_down(&f);
    assert_int_equal(deinits(), before + 1);

    set_up(&f, FAKE_BACKEND);
    f.options.ggml_init = "4";
    start(&f);
    assert_int_equal(load(&f), 10);
    tear_down(&f);
    assert_int_equal(deinits(), before + 1);
}

static void check_config(struct fixture *f, const char *key, const char *value)
{
    assert_int_equal(forward(f, FAKE_CONFIG, key, strlen(key) + 1), APIR_UPSTREAM_FORWARD_CODE_FUNCTION_BASE);
    assert_int_equal(f->used, value ? strlen(value) + 1 : 0);
    if (value)
        assert_string_equal(f->results, value);
}

static void library_can_ask_for_its_configuration(void **state)
{
    (void)state;
    struct fixture f;
    start_loaded(&f);
    check_config(&f, APIR_COMPONENT_KEY_BACKEND, FAKE_BACKEND);
    check_config(&f, APIR_COMPONENT_KEY_LIBRARY, "/lib/a.so");
    check_config(&f, APIR_COMPONENT_KEY_REG, "reg");
    check_config(&f, APIR_COMPONENT_KEY_INIT, NULL);
    check_config(&f, "some.thing", NULL);
    check_config(&f, "", NULL);
    tear_down(&f);
}

static void library_can_ask_for_the_size_of_memory(void **state)
{
    (void)state;
    struct fixture f;
    start_loaded(&f);
    check_config(&f, APIR_COMPONENT_KEY_SHMEM_SIZE "9", "8192");
    check_config(&f, APIR_COMPONENT_KEY_SHMEM_SIZE "10", NULL);
    check_config(&f, APIR_COMPONENT_KEY_SHMEM_SIZE "9x", NULL);
    check_config(&f, APIR_COMPONENT_KEY_SHMEM_SIZE "", NULL);
    check_config(&f, APIR_COMPONENT_KEY_SHMEM_SIZE "4294967305", NULL); /* 2^32 + 9 */
    tear_down(&f);
}

static void library_finds_memory_by_its_id(void **state)
{
    (void)state;
    struct fixture f;
    uint32_t id = SHM, found;
    start_loaded(&f);
    forward(&f, FAKE_STORE, &id, sizeof id);
    memcpy(&found, f.results, sizeof found);
    assert_int_equal(found, 1);
    assert_int_equal(f.words[0], 7);
    id = SHM + 1;
    forward(&f, FAKE_STORE, &id, sizeof id);
    memcpy(&found, f.results, sizeof found);
    assert_int_equal(found, 0);
    /* nothing holds it once the function has returned */
    assert_int_equal(apir_shm_table_remove(&f.memory, SHM), 0);
    assert_int_equal(f.removed, 1);
    tear_down(&f);
}

static void *run_hold(void *data)
{
    struct fixture *f = data;
    const uint32_t id = SHM;
    forward(f, FAKE_HOLD, &id, sizeof id);
    return NULL;
}

static void memory_stays_until_the_function_returns(void **state)
{
    (void)state;
    struct fixture f;
    pthread_t thread;
    start_loaded(&f);
    assert_int_equal(pthread_create(&thread, NULL, run_hold, &f), 0);
    while (atomic_load(&f.words[0]) == 0)
        ;
    assert_int_equal(apir_shm_table_remove(&f.memory, SHM), 0);
    assert_int_equal(atomic_load(&f.removed), 0);
    atomic_store(&f.words[1], 1);
    pthread_join(thread, NULL);
    assert_int_equal(f.words[2], 1);
    assert_int_equal(atomic_load(&f.removed), 1);
    tear_down(&f);
}

static void contexts_are_told_apart(void **state)
{
    (void)state;
    struct fixture a, b;
    start_loaded(&a);
    set_up(&b, FAKE_BACKEND);
    b.options.ggml_library = "/lib/b.so";
    start(&b);
    assert_int_equal(load(&b), APIR_UPSTREAM_LOAD_CODE_HYPERCALL_INITIALIZATION_ERROR); /* same number */
    apir_foreign_destroy(b.foreign);
    b.options.context = CONTEXT + 1;
    start(&b);
    assert_int_equal(load(&b), APIR_UPSTREAM_LOAD_CODE_SUCCESS);
    check_config(&a, APIR_COMPONENT_KEY_LIBRARY, "/lib/a.so");
    check_config(&b, APIR_COMPONENT_KEY_LIBRARY, "/lib/b.so");
    assert_int_equal(apir_shm_table_remove(&b.memory, SHM), 0);
    check_config(&a, APIR_COMPONENT_KEY_SHMEM_SIZE "9", "8192");
    check_config(&b, APIR_COMPONENT_KEY_SHMEM_SIZE "9", NULL);
    tear_down(&a);
    check_config(&b, APIR_COMPONENT_KEY_LIBRARY, "/lib/b.so");
    tear_down(&b);
}

/* Counts, and lets nobody pass if told so. */
struct confinement {
    int calls;
    bool good;
};

static bool confine(void *data)
{
    struct confinement *confinement = data;
    confinement->calls++;
    return confinement->good;
}

static uint32_t load_confined(struct confinement *confinement)
{
    struct fixture f;
    set_up(&f, FAKE_BACKEND);
    f.options.confine = confine;
    f.options.confine_data = confinement;
    start(&f);
    uint32_t code = load(&f);
    tear_down(&f);
    return code;
}

static void the_sandbox_is_completed_once_the_library_is_initialised(void **state)
{
    (void)state;
    struct confinement good = {.good = true}, bad = {.good = false};
    assert_int_equal(load_confined(&good), APIR_UPSTREAM_LOAD_CODE_SUCCESS);
    assert_int_equal(good.calls, 1);
    assert_int_not_equal(load_confined(&bad), APIR_UPSTREAM_LOAD_CODE_SUCCESS);
    assert_int_equal(bad.calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sandbox_is_completed_once_the_library_is_initialised),
        cmocka_unit_test(results_come_back),
        cmocka_unit_test(room_is_told),
        cmocka_unit_test(code_of_a_function_is_passed_on),
        cmocka_unit_test(code_that_wraps_is_a_refusal),
        cmocka_unit_test(unknown_function_has_no_dispatch),
        cmocka_unit_test(results_beyond_their_room_are_not_used),
        cmocka_unit_test(library_that_is_not_there_cannot_be_opened),
        cmocka_unit_test(library_that_is_not_one_lacks_symbols),
        cmocka_unit_test(codes_of_initialisation_are_passed_on),
        cmocka_unit_test(context_is_ended_once_if_it_began),
        cmocka_unit_test(library_can_ask_for_its_configuration),
        cmocka_unit_test(library_can_ask_for_the_size_of_memory),
        cmocka_unit_test(library_finds_memory_by_its_id),
        cmocka_unit_test(memory_stays_until_the_function_returns),
        cmocka_unit_test(contexts_are_told_apart),
    };
    return cmocka_run_group_tests_name("backend library", tests, NULL, NULL);
}
