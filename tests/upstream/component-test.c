/* libggml-virtgpu-backend.so as a renderer has it: contexts side by side, and shared memory without a size. */
#include <dlfcn.h>
#include <ggml.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "component-caller.h"
#include "upstream/rss.h"

#define CALL(name) APIR_UPSTREAM_CALL_##name

enum {
    REFUSED = APIR_UPSTREAM_FUNCTION_CODE_REFUSED,
    LOG_SIZE = 65536,
    INVALID = APIR_UPSTREAM_FUNCTION_CODE_INVALID_INDEX,
    ALREADY = APIR_COMPONENT_INITIALIZED_BASE + (int)APIR_UPSTREAM_BACKEND_CODE_ALREADY_INITED,
    CANNOT_OPEN = (int)APIR_UPSTREAM_LOAD_CODE_CANNOT_OPEN,
    SIZE = 4 * CALLER_PAGE,
    SHM = 3,
    NODES = 100,
    GRAPHS = 2000,
    MAX_GROWTH = 512, /* KiB */
};

static struct caller *reset(void)
{
    caller_reset();
    return caller_get();
}

static uint32_t transfer(uint32_t context, uint32_t function, uint64_t buffer, uint64_t offset, uint64_t size)
{
    struct caller *caller = caller_get();
    const struct apir_upstream_buffer_set_tensor_args args = {
        buffer, caller_tensor(1, buffer, CALLER_BUFFER_SIZE / 4), SHM, 0, 0};
    apir_upstream_encode_buffer_set_tensor_args(&caller->out, &args); /* those of get are the same */
    memcpy(caller->args + 316, &offset, 8);
    memcpy(caller->args + 324, &size, 8);
    return caller_call(context, function);
}

static uint32_t set(uint32_t context, uint64_t buffer, uint64_t size)
{
    return transfer(context, CALL(BUFFER_SET_TENSOR), buffer, 0, size);
}

static uint32_t get(uint32_t context, uint64_t buffer, uint64_t size)
{
    return transfer(context, CALL(BUFFER_GET_TENSOR), buffer, 0, size);
}

static uint32_t clear(uint32_t context, uint64_t buffer, uint8_t value)
{
    apir_enc_u64(&caller_get()->out, buffer);
    apir_enc_u32(&caller_get()->out, value);
    return caller_call(context, CALL(BUFFER_CLEAR));
}

static void it_exports_what_a_renderer_looks_up(void **state)
{
    (void)state;
    void *library = dlopen(COMPONENT, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    static const char *const hidden[] = {"apir_executor_create", "apir_upstream_dispatch", "apir_log_print",
                                         "apir_component_contexts_add", "handle_buffer_alloc"};
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        assert_null(dlsym(library, hidden[i]));
    dlclose(library);
}

static void a_failed_initialisation_leaves_nothing(void **state)
{
    (void)state;
    struct caller *caller = reset();
    assert_int_equal(caller->component.initialize(1, NULL), APIR_UPSTREAM_LOAD_CODE_HYPERCALL_INITIALIZATION_ERROR);
    caller->library = NULL;
    assert_int_equal(caller_initialize(1), (int)APIR_UPSTREAM_LOAD_CODE_ENV_VAR_MISSING);
    caller->library = "/nowhere/lib.so";
    assert_int_equal(caller_initialize(1), CANNOT_OPEN);
    assert_int_equal(caller_call(1, CALL(DEVICE_GET_COUNT)), REFUSED);
    caller->library = "cpu";
    caller->symbol = "";
    assert_int_equal(caller_initialize(1), (int)APIR_UPSTREAM_LOAD_CODE_SYMBOL_MISSING);
    caller->symbol = NULL;
    caller_make_ready(1);
    caller->component.deinit(1);
}

static void initialising_twice_keeps_the_first(void **state)
{
    (void)state;
    struct caller *caller = reset();
    caller_make_ready(1);
    uint64_t buffer = caller_alloc(1);
    assert_int_equal(caller_initialize(1), ALREADY);
    assert_int_equal(clear(1, buffer, 0), 0);
    caller->component.deinit(1);
    assert_int_equal(clear(1, buffer, 0), REFUSED);
}

static void contexts_do_not_see_each_others_buffers(void **state)
{
    (void)state;
    struct caller *caller = reset();
    char *shm = caller_map(SIZE);
    caller->shms[1][SHM] = shm;
    caller_make_ready(1);
    caller_make_ready(2);
    uint64_t one = caller_alloc(1);
    assert_int_equal(clear(2, one, 0x22), REFUSED);
    uint64_t two = caller_alloc(2);
    assert_int_equal(clear(1, one, 0x11), 0);
    assert_int_equal(clear(2, two, 0x22), 0);
    assert_int_equal(get(1, one, 64), 0);
    assert_int_equal(shm[63], 0x11);
    assert_int_equal(get(2, two, 64), REFUSED); /* the shared memory is the other's */
    caller->component.deinit(2);
    assert_int_equal(get(1, one, 64), 0);
    assert_int_equal(clear(2, two, 0x22), REFUSED);
    caller->component.deinit(1);
    caller_unmap(shm, SIZE);
}

static void a_context_is_used_again_without_its_buffers(void **state)
{
    (void)state;
    struct caller *caller = reset();
    caller_make_ready(1);
    uint64_t buffer = caller_alloc(1);
    caller->component.deinit(1);
    caller_make_ready(1);
    assert_int_equal(clear(1, buffer, 0), REFUSED);
    caller->component.deinit(1);
}

static void the_end_of_memory_is_where_its_mapping_ends(void **state)
{
    (void)state;
    struct caller *caller = reset();
    char *shm = caller_map(SIZE);
    caller_make_ready(1);
    uint64_t buffer = caller_alloc(1);
    caller->shms[1][SHM] = shm;
    assert_int_equal(set(1, buffer, SIZE), 0);
    assert_int_equal(set(1, buffer, SIZE + 1), REFUSED);
    assert_int_equal(get(1, buffer, CALLER_BUFFER_SIZE), REFUSED);
    caller->shms[1][SHM] = shm + SIZE - CALLER_PAGE; /* a blob at the end of a mapping */
    assert_int_equal(get(1, buffer, CALLER_PAGE), 0);
    assert_int_equal(get(1, buffer, CALLER_PAGE + 1), REFUSED);
    caller->shms[1][SHM] = shm + SIZE; /* cannot be accessed */
    assert_int_equal(get(1, buffer, 1), REFUSED);
    caller->component.deinit(1);
    caller_unmap(shm, SIZE);
}

static void an_id_that_is_used_again_has_its_new_end(void **state)
{
    (void)state;
    struct caller *caller = reset();
    char *large = caller_map(SIZE), *small = caller_map(CALLER_PAGE);
    caller_make_ready(1);
    uint64_t buffer = caller_alloc(1);
    caller->shms[1][SHM] = large;
    assert_int_equal(set(1, buffer, SIZE), 0);
    caller->shms[1][SHM] = small;
    assert_int_equal(set(1, buffer, CALLER_PAGE), 0);
    assert_int_equal(set(1, buffer, CALLER_PAGE + 1), REFUSED);
    caller->shms[1][SHM] = NULL;
    assert_int_equal(set(1, buffer, 1), REFUSED);
    caller->component.deinit(1);
    caller_unmap(large, SIZE);
    caller_unmap(small, CALLER_PAGE);
}

static void ranges_that_wrap_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint64_t offset, size;
    } bad[] = {{UINT64_MAX, 1}, {UINT64_MAX, UINT64_MAX}, {1, UINT64_MAX}, {64, UINT64_MAX - 63},
               {APIR_UPSTREAM_MAX_SIZE, APIR_UPSTREAM_MAX_SIZE}, {CALLER_BUFFER_SIZE, 1}};
    struct caller *caller = reset();
    char *shm = caller_map(SIZE);
    caller_make_ready(1);
    caller->shms[1][SHM] = shm;
    uint64_t buffer = caller_alloc(1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(transfer(1, CALL(BUFFER_SET_TENSOR), buffer, bad[i].offset, bad[i].size), REFUSED);
        assert_int_equal(transfer(1, CALL(BUFFER_GET_TENSOR), buffer, bad[i].offset, bad[i].size), REFUSED);
    }
    caller->component.deinit(1);
    caller_unmap(shm, SIZE);
}

static void a_size_that_is_told_counts(void **state)
{
    (void)state;
    static const char *const ignored[] = {"", "0", "-1", "12x", " 12", "99999999999999999999999"};
    struct caller *caller = reset();
    char *shm = caller_map(SIZE);
    caller_make_ready(1);
    caller->shms[1][SHM] = shm;
    uint64_t buffer = caller_alloc(1);
    caller->size_texts[SHM] = "100";
    assert_int_equal(set(1, buffer, 100), 0);
    assert_int_equal(set(1, buffer, 101), REFUSED);
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) {
        caller->size_texts[SHM] = ignored[i];
        assert_int_equal(set(1, buffer, SIZE), 0);
        assert_int_equal(set(1, buffer, SIZE + 1), REFUSED);
    }
    caller->component.deinit(1);
    caller_unmap(shm, SIZE);
}

static void no_buffer_is_made_of_memory_that_may_go(void **state)
{
    (void)state;
    struct caller *caller = reset();
    char *shm = caller_map(SIZE);
    caller_make_ready(1);
    caller->shms[1][SHM] = shm;
    const struct apir_upstream_device_buffer_from_ptr_args args = {SHM, SIZE, SIZE};
    apir_upstream_encode_device_buffer_from_ptr_args(&caller->out, &args);
    assert_int_equal(caller_call(1, CALL(DEVICE_BUFFER_FROM_PTR)), 0);
    assert_int_equal(apir_dec_u64(&caller->in), 0);
    assert_int_equal(apir_dec_u64(&caller->in), 0);
    caller->component.deinit(1);
    caller_unmap(shm, SIZE);
}

static void unknown_functions_have_no_end(void **state)
{
    (void)state;
    struct caller *caller = reset();
    caller_make_ready(1);
    assert_int_equal(caller_call(1, 99), INVALID);
    assert_false(caller->has_end);
    apir_enc_u32(&caller->out, 1); /* too much */
    assert_int_equal(caller_call(1, CALL(DEVICE_GET_COUNT)), REFUSED);
    assert_true(caller->has_end);
    assert_int_equal(caller_call(3, CALL(DEVICE_GET_COUNT)), REFUSED);
    caller->component.deinit(1);
}

static void results_without_room_are_not_written(void **state)
{
    (void)state;
    struct caller *caller = reset();
    caller_make_ready(1);
    for (caller->room = 0; caller->room < 12; caller->room++)
        assert_int_equal(caller_call(1, CALL(DEVICE_GET_NAME)), REFUSED); /* "CPU" takes 12 */
    assert_int_equal(caller_call(1, CALL(DEVICE_GET_NAME)), 0);
    caller->component.deinit(1);
}

static void arguments_without_end_are_refused(void **state)
{
    (void)state;
    struct caller *caller = reset();
    caller_make_ready(1);
    while (apir_enc_used(&caller->out) <= APIR_UPSTREAM_MAX_REQUEST)
        apir_enc_u32(&caller->out, 0);
    assert_int_equal(caller_call(1, CALL(DEVICE_GET_COUNT)), REFUSED);
    caller->component.deinit(1);
}

/* A thread whose call stands still while it asks for shared memory. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool asked, go_on;
    uint64_t buffer;
    uint32_t code;
} stall = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void stand_still(void)
{
    pthread_mutex_lock(&stall.lock);
    stall.asked = true;
    pthread_cond_broadcast(&stall.changed);
    while (!stall.go_on)
        pthread_cond_wait(&stall.changed, &stall.lock);
    pthread_mutex_unlock(&stall.lock);
}

static void *call_and_stall(void *data)
{
    (void)data;
    stall.code = set(1, stall.buffer, 64);
    return NULL;
}

static void a_context_may_end_while_it_is_busy(void **state)
{
    (void)state;
    struct caller *caller = reset();
    pthread_t thread;
    char *shm = caller_map(SIZE);
    caller_make_ready(1);
    caller->shms[1][SHM] = shm;
    stall.buffer = caller_alloc(1);
    caller->asked = stand_still;
    assert_int_equal(pthread_create(&thread, NULL, call_and_stall, NULL), 0);
    pthread_mutex_lock(&stall.lock);
    while (!stall.asked)
        pthread_cond_wait(&stall.changed, &stall.lock);
    pthread_mutex_unlock(&stall.lock);
    caller->component.deinit(1);
    pthread_mutex_lock(&stall.lock);
    stall.go_on = true;
    pthread_cond_broadcast(&stall.changed);
    pthread_mutex_unlock(&stall.lock);
    pthread_join(thread, NULL);
    assert_int_equal(stall.code, 0);
    assert_int_equal(clear(1, stall.buffer, 0), REFUSED);
    caller_unmap(shm, SIZE);
}

/* A chain of squares in the shared memory; its size. */
static uint64_t write_chain(void *shm, uint64_t buffer)
{
    static struct apir_upstream_tensor tensors[NODES + 1];
    static uint64_t nodes[NODES];
    struct apir_enc enc;
    for (uint32_t i = 0; i <= NODES; i++) {
        tensors[i] = caller_tensor(1000 + i, buffer, 16);
        tensors[i].data = 64 * (uint64_t)i;
        if (i == 0)
            continue;
        tensors[i].op = GGML_OP_SQR;
        tensors[i].flags = GGML_TENSOR_FLAG_COMPUTE;
        tensors[i].src[0] = 999 + i;
        nodes[i - 1] = 1000 + i;
    }
    apir_enc_init(&enc, shm, CALLER_BUFFER_SIZE);
    apir_upstream_encode_graph(&enc, &(struct apir_upstream_graph){nodes, NODES, tensors, NODES + 1});
    assert_true(apir_enc_ok(&enc));
    return apir_enc_used(&enc);
}

static void compute(uint64_t size, unsigned times)
{
    struct caller *caller = caller_get();
    for (unsigned i = 0; i < times; i++) {
        apir_enc_u32(&caller->out, SHM);
        apir_enc_u64(&caller->out, size);
        assert_int_equal(caller_call(1, CALL(BACKEND_GRAPH_COMPUTE)), 0);
        assert_int_equal(apir_dec_i32(&caller->in), GGML_STATUS_SUCCESS);
    }
}

static void graphs_leave_nothing_behind(void **state)
{
    (void)state;
    struct caller *caller = reset();
    char *shm = caller_map(CALLER_BUFFER_SIZE);
    caller_make_ready(1);
    caller->shms[1][SHM] = shm;
    uint64_t size = write_chain(shm, caller_alloc(1));
    compute(size, GRAPHS / 10);
    long before = rss_kib(0);
    compute(size, GRAPHS);
    long after = rss_kib(0);
    print_message("%d graphs of %d nodes: %ld KiB, then %ld KiB\n", GRAPHS, NODES, before, after);
#ifndef APIR_SANITIZED /* whose allocator keeps what is freed */
    assert_true(after <= before + MAX_GROWTH);
#endif
    caller->component.deinit(1);
    caller_unmap(shm, CALLER_BUFFER_SIZE);
}

/* All of the log so far. */
static void read_log(char text[LOG_SIZE])
{
    FILE *file = fopen(getenv("APIR_LLAMA_CPP_LOG_TO_FILE"), "r");
    assert_non_null(file);
    text[fread(text, 1, LOG_SIZE - 1, file)] = '\0';
    fclose(file);
}

static void the_log_is_appended_to_the_file(void **state)
{
    (void)state;
    char text[LOG_SIZE];
    reset()->component.deinit(3);
    read_log(text);
    assert_int_equal(strncmp(text, "an earlier line\n", 16), 0);
    assert_non_null(strstr(text, "context 3: cannot be cleaned up"));
    assert_non_null(strstr(text, "env var 'APIR_LLAMA_CPP_GGML_LIBRARY_PATH' not defined"));
    assert_non_null(strstr(text, "env var 'APIR_LLAMA_CPP_GGML_LIBRARY_REG' not defined"));
}

/* A renderer may check once for all contexts that a library is loaded. */
static void a_guest_without_a_library_cannot_fill_the_log(void **state)
{
    (void)state;
    char text[LOG_SIZE];
    reset();
    caller_make_ready(1); /* there is a log */
    caller_call(2, CALL(DEVICE_GET_COUNT));
    read_log(text);
    size_t before = strlen(text);
    for (int i = 0; i < 10; i++)
        assert_int_equal(caller_call(2, CALL(DEVICE_GET_COUNT)), REFUSED);
    read_log(text);
    assert_int_equal(strlen(text), before);
    caller_get()->component.deinit(1);
}

static int make_log(void **state)
{
    static char path[] = "/tmp/apir-component-test.XXXXXX";
    *state = path;
    int fd = mkstemp(path);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file || fputs("an earlier line\n", file) < 0 || fclose(file) != 0)
        return -1;
    return setenv("APIR_LLAMA_CPP_LOG_TO_FILE", path, 1);
}

static int remove_log(void **state)
{
    return unlink(*state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_exports_what_a_renderer_looks_up),
        cmocka_unit_test(a_failed_initialisation_leaves_nothing),
        cmocka_unit_test(initialising_twice_keeps_the_first),
        cmocka_unit_test(contexts_do_not_see_each_others_buffers),
        cmocka_unit_test(a_context_is_used_again_without_its_buffers),
        cmocka_unit_test(the_end_of_memory_is_where_its_mapping_ends),
        cmocka_unit_test(an_id_that_is_used_again_has_its_new_end),
        cmocka_unit_test(ranges_that_wrap_are_refused),
        cmocka_unit_test(a_size_that_is_told_counts),
        cmocka_unit_test(no_buffer_is_made_of_memory_that_may_go),
        cmocka_unit_test(unknown_functions_have_no_end),
        cmocka_unit_test(results_without_room_are_not_written),
        cmocka_unit_test(arguments_without_end_are_refused),
        cmocka_unit_test(a_context_may_end_while_it_is_busy),
        cmocka_unit_test(graphs_leave_nothing_behind),
        cmocka_unit_test(the_log_is_appended_to_the_file),
        cmocka_unit_test(a_guest_without_a_library_cannot_fill_the_log),
    };
    return cmocka_run_group_tests_name("component", tests, make_log, remove_log);
}
