/* What the fuzz targets' mutator knows of messages is what the decoders know. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fuzz.h"
#include "message.h"
#include "steps.h"
#include "util/arena.h"
#include "wire/cs.h"

enum { MESSAGE_SIZE = 0x10000, SEEDS = 40 };

/* libFuzzer's, which is not here. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size)
{
    (void)max_size;
    for (size_t i = 0; i < size; i++)
        data[i] ^= 0x55;
    return size;
}

/* The decoder's opinion; *why if it is bad. */
static bool decodes(const struct fuzz_record *record, const uint8_t *bytes, size_t size, const char **why)
{
    struct apir_arena arena = {0};
    struct apir_dec dec;
    void *value = calloc(1, record->size);
    apir_dec_init(&dec, bytes, size, &arena);
    record->decode(&dec, value);
    bool good = apir_dec_finish(&dec);
    *why = dec.fatal;
    apir_arena_finish(&arena);
    free(value);
    return good;
}

static void for_each(void (*test)(const struct fuzz_protocol *protocol, const struct fuzz_record *record,
                                  uint8_t *bytes, struct fuzz_random *random))
{
    static const struct fuzz_protocol *const protocols[] = {&apir_fuzz_protocol, &apir_upstream_fuzz_protocol};
    uint8_t *bytes = malloc(MESSAGE_SIZE);
    struct fuzz_random random = {1};
    for (unsigned p = 0; p < sizeof protocols / sizeof *protocols; p++)
        for (size_t i = 0; i < protocols[p]->n_messages; i++) {
            const struct fuzz_message *message = &protocols[p]->messages[i];
            for (int seed = 0; seed < SEEDS && message->args; seed++)
                test(protocols[p], message->args, bytes, &random);
            for (int seed = 0; seed < SEEDS && message->reply; seed++)
                test(protocols[p], message->reply, bytes, &random);
        }
    free(bytes);
}

static void check_made(const struct fuzz_protocol *protocol, const struct fuzz_record *record, uint8_t *bytes,
                       struct fuzz_random *random)
{
    const char *why;
    size_t size = fuzz_message_make(protocol, record, bytes, MESSAGE_SIZE, random);
    assert_true(size > 0);
    if (!decodes(record, bytes, size, &why))
        fail_msg("%s of %zu bytes: %s", record->name, size, why);
}

static void what_is_made_up_decodes(void **state)
{
    (void)state;
    for_each(check_made);
}

/* Each byte of a message belongs to a field, and is visited once. */
static void check_walked(const struct fuzz_protocol *protocol, const struct fuzz_record *record, uint8_t *bytes,
                         struct fuzz_random *random)
{
    struct fuzz_walk walk;
    size_t size = fuzz_message_make(protocol, record, bytes, MESSAGE_SIZE, random);
    fuzz_walk_init(&walk, protocol, record, bytes, size, MESSAGE_SIZE, NULL);
    assert_false(walk.stopped);
    assert_int_equal(walk.at, size);
    assert_int_equal(walk.places[0].size, size);
    fuzz_walk_finish(&walk);
}

static void a_message_is_walked_to_its_end(void **state)
{
    (void)state;
    for_each(check_walked);
}

static void check_changed(const struct fuzz_protocol *protocol, const struct fuzz_record *record, uint8_t *bytes,
                          struct fuzz_random *random)
{
    const char *why;
    size_t size = fuzz_message_make(protocol, record, bytes, MESSAGE_SIZE, random);
    for (int i = 0; i < 50; i++) {
        size = fuzz_message_change(protocol, record, bytes, size, MESSAGE_SIZE, random);
        assert_true(size <= MESSAGE_SIZE);
        decodes(record, bytes, size, &why);
    }
}

static void changes_stay_within_their_room(void **state)
{
    (void)state;
    for_each(check_changed);
}

static const struct fuzz_message *find_message(const char *name)
{
    for (size_t i = 0; i < apir_fuzz_protocol.n_messages; i++)
        if (strcmp(apir_fuzz_protocol.messages[i].name, name) == 0)
            return &apir_fuzz_protocol.messages[i];
    fail_msg("no message %s", name);
    return NULL;
}

static void numbers_of_handles_become_handles(void **state)
{
    (void)state;
    const struct fuzz_message *alloc = find_message("buffer_alloc"), *freed = find_message("buffer_free");
    struct fuzz_handles handles = {0};
    uint64_t reply[] = {UINT64_C(0x0100000700000003), 4096, 0}, args[] = {1};
    fuzz_handles_take(&handles, &apir_fuzz_protocol, alloc->reply, (uint8_t *)reply, sizeof reply);
    fuzz_handles_put(&handles, &apir_fuzz_protocol, freed->args, (uint8_t *)args, sizeof args);
    assert_int_equal(args[0], reply[0]);
}

static void a_handle_of_another_kind_is_not_taken_for_it(void **state)
{
    (void)state;
    const struct fuzz_message *create = find_message("stream_create"), *freed = find_message("buffer_free");
    struct fuzz_handles handles = {0};
    uint64_t reply[] = {UINT64_C(0x0200000700000003)}, args[] = {1}, any[] = {64};
    fuzz_handles_take(&handles, &apir_fuzz_protocol, create->reply, (uint8_t *)reply, sizeof reply);
    fuzz_handles_put(&handles, &apir_fuzz_protocol, freed->args, (uint8_t *)args, sizeof args);
    assert_int_equal(args[0], 1);
    fuzz_handles_put(&handles, &apir_fuzz_protocol, freed->args, (uint8_t *)any, sizeof any);
    assert_int_equal(any[0], reply[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_made_up_decodes),
        cmocka_unit_test(a_message_is_walked_to_its_end),
        cmocka_unit_test(changes_stay_within_their_room),
        cmocka_unit_test(numbers_of_handles_become_handles),
        cmocka_unit_test(a_handle_of_another_kind_is_not_taken_for_it),
    };
    return cmocka_run_group_tests_name("fuzz-message", tests, NULL, NULL);
}
