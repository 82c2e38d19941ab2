/* The decoders of a protocol (PROTOCOL, from the build), its encoders and its printer. What is decoded can be encoded, and
 * decoded and encoded once more it has the same bytes. A step is a message, or a reply to a call. */
#include <assert.h>
#include <stdlib.h>

#include "fuzz.h"
#include "steps.h"
#include "wire/cs.h"

const struct fuzz_subject fuzz_subject = {.protocol = &PROTOCOL, .n_params = 1, .replies = true};

struct target {
    struct apir_arena arena;
    FILE *nowhere;
};

/* Encodes what bytes decode to; NULL if they are no message. The caller frees it. */
static uint8_t *recode(struct target *target, const struct fuzz_record *record, const uint8_t *bytes, size_t size,
                       size_t *length)
{
    struct apir_dec dec;
    struct apir_enc enc;
    void *value = calloc(1, record->size);
    size_t room = 2 * size + 64; /* a field that was left out is not, where it is `rest` */
    uint8_t *out = malloc(room);
    assert(value && out);
    apir_dec_init(&dec, bytes, size, &target->arena);
    record->decode(&dec, value);
    if (!apir_dec_finish(&dec)) {
        free(value);
        free(out);
        return NULL;
    }
    apir_enc_init(&enc, out, room);
    record->encode(&enc, value);
    FUZZ_CHECK(apir_enc_ok(&enc));
    *length = apir_enc_used(&enc);
    free(value);
    return out;
}

static void code(struct target *target, const struct fuzz_record *record, const uint8_t *bytes, size_t size)
{
    size_t first_size, second_size;
    uint8_t *first = recode(target, record, bytes, size, &first_size);
    if (!first)
        return;
    uint8_t *second = recode(target, record, first, first_size, &second_size);
    FUZZ_CHECK(second && second_size == first_size && memcmp(first, second, first_size) == 0);
    free(first);
    free(second);
}

static void print(struct target *target, const struct fuzz_step *step, const uint8_t *bytes)
{
    const struct fuzz_message *message = &PROTOCOL.messages[step->what];
    struct apir_dec dec;
    if (message->call == FUZZ_NO_CALL)
        return;
    apir_dec_init(&dec, bytes, step->size, &target->arena);
    if (step->param & FUZZ_REPLY)
        PROTOCOL.print_reply(target->nowhere, (uint32_t)message->call, &dec);
    else
        PROTOCOL.print_call(target->nowhere, (uint32_t)message->call, &dec);
}

static void run_step(struct target *target, const struct fuzz_step *step)
{
    const struct fuzz_record *record = fuzz_step_record(&fuzz_subject, step);
    uint8_t *bytes = fuzz_step_copy(step);
    if (record)
        code(target, record, bytes, step->size);
    if (step->what < PROTOCOL.n_messages)
        print(target, step, bytes);
    free(bytes);
    apir_arena_reset(&target->arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *nowhere;
    struct reader reader = {data, size};
    struct fuzz_step step;
    if (!nowhere)
        nowhere = fopen("/dev/null", "w");
    struct target target = {.nowhere = nowhere};
    while (fuzz_step_next(&reader, &step))
        run_step(&target, &step);
    apir_arena_finish(&target.arena);
    return 0;
}
