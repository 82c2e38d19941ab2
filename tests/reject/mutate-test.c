/* Good messages with words changed blindly: refused or served, but nothing crashes and nobody hangs. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "apir-protocol.h"
#include "reject/message.h"

/* A context that is replaced when it has died of a mutation. */
struct victim {
    struct context context;
    enum context_stage stage;
    bool alive;
};

static void revive(struct victim *victim, enum context_stage stage)
{
    if (victim->alive && victim->stage == stage)
        return;
    if (victim->alive)
        assert_int_equal(context_close(&victim->context), 0);
    context_open(&victim->context, stage);
    victim->stage = stage;
    victim->alive = true;
}

static void bury(struct victim *victim)
{
    if (victim->alive)
        assert_int_equal(context_close(&victim->context), 0);
    victim->alive = false;
}

/* Posts a spoiled request; a context that refused it must die. */
static void post(struct victim *victim, const struct message *message, const uint8_t *request, size_t size)
{
    int status = raw_guest_call(&victim->context.guest, &victim->context.control, request, size);
    assert_true(status <= 0);
    if (status < 0) {
        context_assert_dead(&victim->context, message->name);
        victim->alive = false;
    } else if (message->changes_state) {
        bury(victim);
    }
}

static void mutate_word(struct victim *victim, const struct message *message, size_t at, unsigned which)
{
    uint8_t request[MAX_MESSAGE];
    uint32_t word;
    revive(victim, message->stage);
    size_t size = message_write(&victim->context, message, request);
    memcpy(&word, request + at, sizeof word);
    const uint32_t values[] = {0, 0x7fffffff, 0x80000000, UINT32_MAX, word + 1, word ^ 0x100};
    if (values[which] == word)
        return;
    memcpy(request + at, &values[which], sizeof word);
    post(victim, message, request, size);
}

static size_t size_of(struct victim *victim, const struct message *message)
{
    uint8_t request[MAX_MESSAGE];
    revive(victim, message->stage);
    return message_write(&victim->context, message, request);
}

static void any_word_of_the_arguments_may_be_anything(void **state)
{
    (void)state;
    struct victim victim = {0};
    for (unsigned i = 0; i < n_messages; i++) {
        size_t size = size_of(&victim, &messages[i]);
        for (size_t at = HEADER_SIZE; at + 4 <= size; at += 4)
            for (unsigned which = 0; which < 6; which++)
                mutate_word(&victim, &messages[i], at, which);
    }
    bury(&victim);
    assert_next_session_is_served();
}

static void any_word_of_the_header_may_be_anything(void **state)
{
    (void)state;
    struct victim victim = {0};
    for (unsigned i = 0; i < n_messages; i++)
        for (size_t at = 0; at < HEADER_SIZE; at += 4)
            for (unsigned which = 0; which < 6; which++)
                mutate_word(&victim, &messages[i], at, which);
    bury(&victim);
    assert_next_session_is_served();
}

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static void several_bytes_of_the_arguments_may_be_anything(void **state)
{
    (void)state;
    uint32_t seed = 0x2545f491;
    struct victim victim = {0};
    for (int round = 0; round < 1500; round++) {
        const struct message *message = &messages[next_random(&seed) % n_messages];
        uint8_t request[MAX_MESSAGE];
        revive(&victim, message->stage);
        size_t size = message_write(&victim.context, message, request);
        for (uint32_t n = 1 + next_random(&seed) % 4; n > 0 && size > HEADER_SIZE; n--)
            request[HEADER_SIZE + next_random(&seed) % (size - HEADER_SIZE)] = (uint8_t)next_random(&seed);
        post(&victim, message, request, size);
    }
    bury(&victim);
    assert_next_session_is_served();
}

static void noise_is_no_message(void **state)
{
    (void)state;
    uint32_t seed = 0x9e3779b9;
    struct victim victim = {0};
    for (int round = 0; round < 200; round++) {
        uint8_t request[512];
        revive(&victim, CONTEXT_READY);
        for (size_t i = 0; i < sizeof request; i++)
            request[i] = (uint8_t)next_random(&seed);
        size_t used = raw_guest_header(request, 1 + next_random(&seed) % n_messages, victim.context.control.sequence + 1);
        size_t size = used + next_random(&seed) % (sizeof request - used);
        raw_guest_set_size(request, (uint32_t)size);
        post(&victim, &messages[0], request, size);
    }
    bury(&victim);
    assert_next_session_is_served();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_word_of_the_arguments_may_be_anything),
        cmocka_unit_test(any_word_of_the_header_may_be_anything),
        cmocka_unit_test(several_bytes_of_the_arguments_may_be_anything),
        cmocka_unit_test(noise_is_no_message),
    };
    return cmocka_run_group_tests_name("reject mutations", tests, context_group_setup, NULL);
}
